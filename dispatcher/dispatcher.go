// Package dispatcher takes events off the queue in batches, has the store write
// each batch in one transaction together with what follows from it, and then
// tells the feed, the bots and the roster.
//
// Several dispatchers may run at a time. Everything they do is idempotent: rows
// have natural keys, feed ids are derived from the events, and a batch that comes
// again after a failure is announced again under the same ids.
package dispatcher

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"muster/bus"
	"muster/event"
	"muster/internal/outage"
)

// A Store is what the dispatcher needs from storage. An error of Record that says
// Permanent() true, anywhere in its chain, means that something in the record can
// never be stored; every other error is temporary.
type Store interface {
	// Record writes rec in one transaction and runs settle, if not nil, last
	// before the commit; an error of settle undoes everything.
	Record(ctx context.Context, now time.Time, rec event.Record, settle func(context.Context, *sql.Tx) error) (event.Recorded, error)
	// Originals reports which of events are the very sightings that are stored.
	Originals(ctx context.Context, events []event.Event) ([]bool, error)
	// EndStale ends the sessions of characters without a sign of life for idle.
	EndStale(ctx context.Context, now time.Time, idle time.Duration) ([]event.PresenceChange, error)
	// Rollup sums up again the hours that changed.
	Rollup(ctx context.Context, now time.Time) (hours int, err error)
	// Retain lets go of events that are too old, and makes room for those to come.
	// It is called often and does nothing most of the time.
	Retain(ctx context.Context, now time.Time) error
	// LoadWatched reads into memory whom anybody watches. Record does without, but
	// then asks the database about every login.
	LoadWatched(ctx context.Context) error
	// AllHidden returns the characters that are to be named nowhere.
	AllHidden(ctx context.Context) ([]event.CharacterID, error)
	// TidyAlerts deletes alerts that are too old to matter, and what is kept about
	// people whose Discord account is gone.
	TidyAlerts(ctx context.Context, now time.Time) error
	// Characters returns those of ids that are known.
	Characters(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Character, error)
	// Lookups returns the names of one category.
	Lookups(ctx context.Context, category string) ([]event.Lookup, error)
}

// A Config says how a Dispatcher works. Bus and Store are required.
type Config struct {
	Bus        bus.Bus
	Store      Store
	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
	// Idle is how long a character may give no sign of life before its session
	// ends (census 3, S10). 0 means 30 minutes.
	Idle time.Duration
	// Workers is how many batches may be written at a time. One more is in hand, so
	// that a batch is decoded or announced while another is written. 0 means 2.
	Workers int
	Clock   func() time.Time // nil means time.Now
}

// How often things are looked after.
const (
	tidyEvery   = time.Minute
	watchEvery  = 10 * time.Minute
	hiddenEvery = 2 * time.Second
	lookupEvery = 5 * time.Second // at most, and only while a name is missing
	lookupLimit = 10 * time.Minute
	forgetEvery = 30 * time.Minute // names whose change we may have missed
	recordLimit = time.Minute      // one attempt at writing a batch
)

// A Dispatcher is the role. Make it with New.
type Dispatcher struct {
	bus     bus.Bus
	store   Store
	log     *slog.Logger
	idle    time.Duration
	writing chan struct{} // holds a token for each batch that is written
	clock   func() time.Time
	names   *names
	metrics *metrics
	fenced  fenced
	storage *outage.Outage
	telling *outage.Outage
	keeping *outage.Outage
}

// New returns a Dispatcher; Run starts it.
func New(cfg Config) *Dispatcher {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 30 * time.Minute
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 2
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	log := cfg.Log.With("role", "dispatcher")
	return &Dispatcher{
		bus: cfg.Bus, store: cfg.Store, log: log, idle: cfg.Idle, writing: make(chan struct{}, cfg.Workers), clock: cfg.Clock,
		names: newNames(cfg.Store, log), metrics: newMetrics(cfg.Registerer),
		storage: outage.New(log, cfg.Clock,
			"storage does not answer, events wait in the queue", "storage answers again"),
		telling: outage.New(log, cfg.Clock,
			"what was stored cannot be announced, trying again", "announcing works again"),
		keeping: outage.New(log, cfg.Clock,
			"days of events cannot be made or dropped, trying again", "days of events are in order again"),
	}
}

// Run works until ctx ends and the batches in hand are done; then it returns nil.
// An error means that the bus is gone.
func (d *Dispatcher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	listening := make(chan struct{})
	g.Go(func() error {
		return d.bus.Listen(ctx, event.TopicNames, func() { close(listening) }, d.learn)
	})
	select { // names published from now on are not missed
	case <-listening:
	case <-ctx.Done():
	}
	d.names.loadLookups(ctx)
	d.hide(ctx)
	for range cap(d.writing) + 1 {
		g.Go(func() error { return d.bus.Consume(ctx, event.QueueDispatcher, d.handle) })
	}
	g.Go(func() error { d.every(ctx, tidyEvery, d.tidy); return nil })
	g.Go(func() error { d.retain(ctx); d.every(ctx, tidyEvery, d.retain); return nil })
	g.Go(func() error { d.watch(ctx); d.every(ctx, watchEvery, d.watch); return nil })
	g.Go(func() error { d.every(ctx, hiddenEvery, d.hide); return nil })
	g.Go(func() error { d.every(ctx, lookupEvery, d.names.refresh); return nil })
	g.Go(func() error { d.every(ctx, forgetEvery, func(context.Context) { d.names.forget() }); return nil })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("dispatcher: %w", err)
	}
	return nil
}

// every calls f at intervals until ctx ends.
func (d *Dispatcher) every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// learn takes the names that the roster found.
func (d *Dispatcher) learn(m bus.Message, lost int) {
	if lost > 0 {
		d.names.forget() // they are read again from the store when needed
	}
	var characters []event.Character
	if err := json.Unmarshal(m.Body, &characters); err != nil {
		d.log.Warn("a message of names cannot be read", "err", err)
		return
	}
	d.names.learn(characters)
}

// tidy ends what has timed out and sums up what changed.
func (d *Dispatcher) tidy(ctx context.Context) {
	now := d.clock()
	// While a backlog waits, signs of life do too: nobody is stale yet.
	if waiting, err := d.bus.Depth(ctx, event.QueueDispatcher); err == nil && waiting <= bus.MaxBatch {
		changes, err := d.store.EndStale(ctx, now, d.idle)
		if !d.kept(ctx, "end stale sessions", err) {
			return
		}
		if err := d.publish(ctx, d.departures(ctx, changes, now)); err != nil {
			d.log.WarnContext(ctx, "timeouts could not be put on the feed", "changes", len(changes), "err", err)
		}
	}
	if _, err := d.store.Rollup(ctx, now); d.kept(ctx, "roll up", err) {
		d.storage.Answered(ctx)
	}
}

// hide looks who has hidden since the last time, and tells the notifiers, which
// remember what was sent.
func (d *Dispatcher) hide(ctx context.Context) {
	fresh, err := d.names.readHidden(ctx)
	if !d.kept(ctx, "read who is hidden", err) || len(fresh) == 0 {
		return
	}
	list := make([]event.Character, len(fresh))
	for i, id := range fresh {
		list[i] = event.Character{ID: id, Hidden: true}
	}
	body, err := json.Marshal(list)
	if err == nil {
		err = d.bus.Publish(ctx, event.TopicNames, bus.Message{ID: "hidden", Body: body})
	}
	if err != nil && ctx.Err() == nil {
		d.log.WarnContext(ctx, "who has hidden is not told to the notifiers, which forget the names within minutes", "characters", len(fresh), "err", err)
	}
}

// watch loads whom anybody watches, and lets go of old alerts.
func (d *Dispatcher) watch(ctx context.Context) {
	if d.kept(ctx, "load whom anybody watches", d.store.LoadWatched(ctx)) {
		d.kept(ctx, "tidy alerts", d.store.TidyAlerts(ctx, d.clock()))
	}
}

// retain does not wait for tidy, nor tidy for it: it may take long.
func (d *Dispatcher) retain(ctx context.Context) {
	switch err := d.store.Retain(ctx, d.clock()); {
	case err == nil:
		d.keeping.Answered(ctx)
	case ctx.Err() == nil:
		d.keeping.Failed(ctx, err)
	}
}

// kept notes whether storage answered; it is quiet while ctx ends.
func (d *Dispatcher) kept(ctx context.Context, what string, err error) bool {
	switch {
	case err == nil:
		return true
	case ctx.Err() == nil:
		d.storage.Failed(ctx, fmt.Errorf("%s: %w", what, err))
	}
	return false
}
