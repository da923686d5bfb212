// Package roster keeps names, outfits, friends lists and the game's tables of
// names fresh through the query service, and corrects presence that the stream
// may have missed. One process does it at a time, the holder of the lease.
//
// It also answers the bot's questions about players and outfits that nobody has
// seen yet: see Directory.
package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
	"muster/event"
	"muster/internal/outage"
	"muster/lease"
)

// Lease is the name of the lease that the working roster holds.
const Lease = "roster"

// A Store is what the roster needs from storage.
type Store interface {
	// Unresolved returns characters without a name that are due to be asked for,
	// those that were missing before after a growing delay.
	Unresolved(ctx context.Context, now time.Time, limit int) ([]event.CharacterID, error)
	// Characters returns what is stored of each; who is not stored is absent.
	Characters(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Character, error)
	SaveCharacters(ctx context.Context, characters []event.Character) error
	// AllHidden returns the characters that are to be named nowhere.
	AllHidden(ctx context.Context) ([]event.CharacterID, error)
	FriendsStore
	// FriendsDue returns linked characters whose list was last read before then.
	FriendsDue(ctx context.Context, readBefore time.Time, limit int) ([]event.CharacterID, error)
	// FollowedOutfits returns the outfits whose members are to be known, with their leaders.
	FollowedOutfits(ctx context.Context) ([]event.Outfit, error)
	// SaveMembers makes members the whole roster of outfit; an empty one changes nothing.
	SaveMembers(ctx context.Context, outfit event.OutfitID, members []event.Member) error
	Lookups(ctx context.Context, category string) ([]event.Lookup, error)
	SaveLookups(ctx context.Context, lookups []event.Lookup) error
	// StaleOnline returns who counts as online and gave no sign of life since then.
	StaleOnline(ctx context.Context, lastSeenBefore time.Time, limit int) ([]event.Online, error)
	// WatchedOff returns characters whom anybody watches, who count as offline and
	// were last seen on world, since then.
	WatchedOff(ctx context.Context, world event.World, seenSince time.Time, limit int) ([]event.CharacterID, error)
	PresenceStore
}

// A FriendsStore keeps friends lists. An empty list deletes nothing at once: it is
// not told apart from a fault of the service (census 5.2).
type FriendsStore interface {
	SaveFriends(ctx context.Context, owner event.CharacterID, friends []event.Friend, readAt time.Time) error
}

// A Query is what the roster needs from the game's query service; census.Query
// says what each means, and its errors are those of package census.
type Query interface {
	Characters(ctx context.Context, env event.Environment, ids []event.CharacterID) ([]event.Character, error)
	FriendsQuery
	Members(ctx context.Context, env event.Environment, outfit event.OutfitID) ([]event.Member, error)
	OnlineStatus(ctx context.Context, env event.Environment, ids []event.CharacterID) (map[event.CharacterID]event.World, error)
	Lookups(ctx context.Context, env event.Environment, category string) ([]event.Lookup, error)
}

// A FriendsQuery reads a friends list.
type FriendsQuery interface {
	Friends(ctx context.Context, env event.Environment, id event.CharacterID) ([]event.Friend, error)
}

// A Bus is the part of bus.Bus that the roster uses.
type Bus interface {
	Publish(ctx context.Context, topic string, messages ...bus.Message) error
	Listen(ctx context.Context, topic string, ready func(), h func(m bus.Message, lost int)) error
}

// A Config says what a Roster works with. Zero durations and counts get the
// value named beside them.
type Config struct {
	Store  Store
	Query  Query
	Bus    Bus
	Locker lease.Locker
	// Environments are asked in this order for a character whose world is not
	// known; at least one.
	Environments []event.Environment
	Log          *slog.Logger          // none: silent
	Registerer   prometheus.Registerer // none: metrics are not registered

	Gather        time.Duration // 250 ms: how long the first id of a batch waits for others
	PollEvery     time.Duration // 5 s: how often the store is asked for names that are due
	FriendsAge    time.Duration // 1 h: how old a friends list may grow
	FriendsEvery  time.Duration // 30 s: how often lists that are due are looked for
	FriendsBatch  int           // 100: lists read each time, so that many are spread over the hour
	OutfitsAge    time.Duration // 3 min: how old the list of members of an outfit that is followed may grow
	OutfitsEvery  time.Duration // 10 s: how often lists that are due are looked for
	OutfitsBatch  int           // 20: lists read each time
	LookupsEvery  time.Duration // 24 h
	StaleAge      time.Duration // 15 min without a sign of life before somebody is asked about
	StaleEvery    time.Duration // 1 min
	GapsEvery     time.Duration // 5 s: how often holes in the record that have ended are looked for
	RetryFirst    time.Duration // 1 s, doubling
	RetryLongest  time.Duration // 1 min
	FinishTimeout time.Duration // 5 s to store what was asked for before the end
}

func (c Config) withDefaults() Config {
	durations := map[*time.Duration]time.Duration{
		&c.Gather: 250 * time.Millisecond, &c.PollEvery: 5 * time.Second,
		&c.FriendsAge: time.Hour, &c.FriendsEvery: 30 * time.Second,
		&c.OutfitsAge: 3 * time.Minute, &c.OutfitsEvery: 10 * time.Second,
		&c.LookupsEvery: 24 * time.Hour, &c.StaleAge: 15 * time.Minute, &c.StaleEvery: time.Minute, &c.GapsEvery: 5 * time.Second,
		&c.RetryFirst: time.Second, &c.RetryLongest: time.Minute, &c.FinishTimeout: 5 * time.Second,
	}
	for field, value := range durations {
		if *field <= 0 {
			*field = value
		}
	}
	if c.FriendsBatch <= 0 {
		c.FriendsBatch = 100
	}
	if c.OutfitsBatch <= 0 {
		c.OutfitsBatch = 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Roster is the role.
type Roster struct {
	cfg     Config
	metrics *metrics
	wanted  *wanted
	places  places
	outages map[string]*outage.Outage
	held    lease.Lease // while leading
	// friendsTried remembers lists that could not be read, for friendsPause.
	friendsTried map[event.CharacterID]time.Time
	// outfitRead says when the members of an outfit that is followed were last asked for.
	outfitRead map[event.OutfitID]time.Time
	// corrected remembers of each world the end of the last hole that was corrected.
	corrected map[event.World]time.Time
}

// New returns a Roster; Run starts it.
func New(cfg Config) (*Roster, error) {
	cfg = cfg.withDefaults()
	switch {
	case cfg.Store == nil || cfg.Query == nil || cfg.Bus == nil || cfg.Locker == nil:
		return nil, errors.New("roster needs a store, a query service, a bus and a locker")
	case len(cfg.Environments) == 0:
		return nil, errors.New("roster needs an environment")
	}
	for _, env := range cfg.Environments {
		if !env.Valid() {
			return nil, fmt.Errorf("no environment is called %.40q", env)
		}
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return &Roster{cfg: cfg, metrics: m, wanted: newWanted(), places: places{cfg.Store, cfg.Environments},
		outages: newOutages(cfg.Log), friendsTried: make(map[event.CharacterID]time.Time), corrected: make(map[event.World]time.Time)}, nil
}

// Run waits for the lease and works until it is lost, over and over until ctx
// ends. It returns once what was learned is stored; the error is nil unless the
// lease service is gone.
func (r *Roster) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		held, err := r.cfg.Locker.Acquire(ctx, Lease)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("acquire lease %s: %w", Lease, err)
		}
		r.metrics.leading.Set(1)
		r.cfg.Log.InfoContext(ctx, "leading", "term", held.Term())
		r.lead(ctx, held)
		r.metrics.leading.Set(0)
		held.Release()
		if ctx.Err() == nil {
			r.cfg.Log.WarnContext(ctx, "leadership lost")
		}
	}
	return nil
}

// lead works until ctx ends or held is lost.
func (r *Roster) lead(ctx context.Context, held lease.Lease) {
	r.held = held
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var tasks sync.WaitGroup
	for _, task := range []func(context.Context){
		r.hear, r.resolve, r.poll, r.readLookups,
		func(ctx context.Context) { every(ctx, r.cfg.FriendsEvery, r.friendsRound) },
		func(ctx context.Context) { every(ctx, r.cfg.OutfitsEvery, r.outfitsRound) },
		func(ctx context.Context) { every(ctx, r.cfg.StaleEvery, r.staleRound) },
		func(ctx context.Context) { every(ctx, r.cfg.GapsEvery, r.gapsRound) },
	} {
		tasks.Go(func() { task(ctx) })
	}
	select {
	case <-held.Lost():
	case <-ctx.Done():
	}
	stop()
	tasks.Wait()
}

// every runs f at once and then each interval, until ctx ends. A run that takes
// longer than the interval delays the next.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// finish returns a context in which work that is nearly done can be completed
// although ctx has ended.
func (r *Roster) finish(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.cfg.FinishTimeout)
}
