package listener

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/internal/diskqueue"
	"muster/internal/outage"
	"muster/lease"
)

// A Bus is what the listener needs of the bus.
type Bus interface {
	Publish(ctx context.Context, topic string, messages ...bus.Message) error
	Listen(ctx context.Context, topic string, ready func(), h func(m bus.Message, lost int)) error
}

// A Stream is the connection to the game: a *census.Stream.
type Stream interface {
	Environment() event.Environment
	Now() time.Time // as it stamps what comes
	Run(ctx context.Context, h census.Handler) error
	States() []event.StreamState
	Reconciled(w event.World)
	Link() census.Link
	Reconnect()
}

// A Config says what a listener works with. Stream, Bus and Locker are
// required; zero durations and bounds get the values named beside them.
type Config struct {
	Stream     Stream
	Bus        Bus
	Locker     lease.Locker
	Log        *slog.Logger          // slog.DiscardHandler
	Registerer prometheus.Registerer // none
	// ReportEvery is how often each world's state is published besides changes: 30 s.
	ReportEvery time.Duration
	// DrainTimeout bounds the publishing of what was read before the end: 5 s.
	DrainTimeout  time.Duration
	QueueMessages int // DefaultQueueMessages
	QueueBytes    int // DefaultQueueBytes
	// Linger is how long an event that finds nothing before it waits for others to
	// travel with: 0, not at all. A remote bus is spared a journey by it.
	Linger time.Duration
	// Spool is where events go that the bus does not take for a second. It is the
	// caller's to close, once Run has returned; nil keeps them in memory only.
	Spool *diskqueue.Queue
}

// A Listener follows one environment's stream, and publishes its events while it
// leads.
type Listener struct {
	cfg     Config
	env     event.Environment
	log     *slog.Logger
	metrics *metrics
	queue   *queue // what waits for the bus, oldest first
	outage  busOutage
	bundler bundler        // the publisher's
	telling *outage.Outage // whether beacons go out

	instance string        // names this process among the others
	began    time.Time     // when it was made
	speak    chan struct{} // capacity 1: the next beacon is due

	// mu makes one step of what an event or a state does to what follows: who
	// leads decides where it goes, and what is told last of a world is true.
	mu        sync.Mutex
	held      lease.Lease   // nil while standing by
	ring      *ring         // what came while standing by and is not known to be safe
	safe      confirmations // what the bus has taken from us
	seq       uint64        // of the last beacon that went out
	others    *others
	active    *activity
	overflow  map[event.World]event.StreamState  // worlds with a hole that is still open
	told      map[event.World]event.StreamHealth // by this leader
	flowing   map[event.World]time.Time          // since when each world flows on our connection
	recorded  map[event.World]record             // how leaders have had each world
	inherited map[event.World]bool               // live before us, so our own start is no news
	abdicated []time.Time
	coolUntil time.Time // the lease is left to others
	mover     mover

	mendAfter   time.Duration // when it is our turn
	mendedSince int           // mended since it was last said
	mendedSaid  time.Time
}

// New returns a Listener that does nothing until Run.
func New(cfg Config) (*Listener, error) {
	if cfg.Stream == nil || cfg.Bus == nil || cfg.Locker == nil {
		return nil, errors.New("listener needs a stream, a bus and a locker")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.ReportEvery = cmp.Or(cfg.ReportEvery, 30*time.Second)
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, 5*time.Second)
	cfg.QueueMessages = cmp.Or(cfg.QueueMessages, DefaultQueueMessages)
	cfg.QueueBytes = cmp.Or(cfg.QueueBytes, DefaultQueueBytes)
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	env := cfg.Stream.Environment()
	m.zero(env)
	log := cfg.Log.With("role", "listener", "environment", env)
	l := &Listener{cfg: cfg, env: env, metrics: m, log: log,
		telling:  outage.New(log, nil, "the other listeners cannot be told", "the other listeners are told again"),
		queue:    newQueue(cfg.QueueMessages, cfg.QueueBytes),
		instance: rand.Text(), began: cfg.Stream.Now(), speak: make(chan struct{}, 1),
		ring: newRing(), others: newOthers(), active: newActivity(cfg.Stream.Now()),
		overflow: map[event.World]event.StreamState{}, told: map[event.World]event.StreamHealth{},
		flowing: map[event.World]time.Time{}, recorded: map[event.World]record{}, inherited: map[event.World]bool{}}
	if err := l.useSpool(); err != nil {
		return nil, err
	}
	return l, nil
}

// Lease returns the name of the lease that the listener of env holds.
func Lease(env event.Environment) string { return "listener/" + string(env) }

// Reconciled says that presence on a world, 0 for all, was read anew since its
// stream came back, which ends its reconciling. It is safe to call while Run runs.
func (l *Listener) Reconciled(w event.World) { l.cfg.Stream.Reconciled(w) }

// Run follows the stream until ctx ends, and publishes what comes while it holds
// the lease. What an earlier run has left in the spool it publishes in any case. It
// returns once what was read is published, or in the spool, at most DrainTimeout
// and a write to disk after; the error is nil unless the bus or the lease service is
// gone. Call it once.
func (l *Listener) Run(ctx context.Context) error {
	publishCtx, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	listenCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	spillCtx, endSpilling := context.WithCancel(context.WithoutCancel(ctx))
	defer endSpilling()
	var publisher, spiller, stream, helpers sync.WaitGroup
	if l.queue.spool != nil {
		spiller.Go(func() { l.spill(spillCtx) })
	}
	publisher.Go(func() { l.publish(publishCtx, l.queue) })
	stream.Go(func() {
		if err := l.cfg.Stream.Run(listenCtx, l.handler()); err != nil {
			l.log.Error("stream", "err", err)
		}
	})
	helpers.Go(func() { l.report(listenCtx) })
	helpers.Go(func() { l.announce(listenCtx) })
	helpers.Go(func() {
		if err := l.cfg.Bus.Listen(listenCtx, event.TopicListeners, nil, l.hear); err != nil {
			stop(fmt.Errorf("listen to the other listeners: %w", err))
		}
	})

	held, err := l.contend(listenCtx)
	stop(err)
	stream.Wait() // all that was read is in the queue or the ring
	helpers.Wait()
	l.finish()
	timer := time.AfterFunc(l.drainTimeout(ctx), giveUp)
	defer timer.Stop()
	publisher.Wait()
	endSpilling()
	spiller.Wait()
	l.keep(ctx)
	l.goodbye(held)
	if cause := context.Cause(listenCtx); ctx.Err() == nil && err == nil {
		err = cause
	}
	return err
}

// handler takes what the stream brings.
func (l *Listener) handler() census.Handler {
	env := string(l.env)
	return census.Handler{
		Event: l.sighting,
		State: l.changed,
		Frame: func(k census.FrameKind) { l.metrics.frames.WithLabelValues(env, string(k)).Inc() },
		Count: func(c census.Counter) { l.metrics.faults.WithLabelValues(env, string(c)).Inc() },
	}
}

// sighting puts an event into the queue, or into the ring while standing by.
func (l *Listener) sighting(s census.Sighting) {
	l.metrics.events.WithLabelValues(string(l.env), s.Event.Kind.String()).Inc()
	w := waiting{key: s.Event.Key(), at: s.ReceivedAt, world: s.Event.World, kind: s.Event.Kind,
		copyNo: s.Event.Copy, payload: s.Payload}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active.add(w.world, w.at)
	switch {
	case !l.leads():
		if gone := l.ring.add(&w); gone > 0 {
			l.metrics.ringDropped.WithLabelValues(string(l.env)).Add(float64(gone))
		}
	case l.ring.safe(w.key): // the leader before us was faster
	case !l.queue.add(l.message(&w), false):
		l.dropped(&w)
	}
}

// message returns what travels for an event.
func (l *Listener) message(w *waiting) bus.Message {
	return bus.Message{
		ID:   w.key.String(),
		Key:  fmt.Sprintf("%s.%d.%s", l.env, w.world, w.kind),
		Body: event.EncodeSighting(w.payload, w.at, w.copyNo),
	}
}
