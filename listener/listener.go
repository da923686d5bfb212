package listener

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
	"muster/census"
	"muster/event"
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
}

// A Listener follows one environment's stream, and publishes its events while it
// leads.
type Listener struct {
	cfg     Config
	env     event.Environment
	log     *slog.Logger
	metrics *metrics
	queue   *queue                // what waits for the bus, oldest first
	refused atomic.Pointer[error] // why the bus does not take events; nil while it does

	// mu makes one step of what an event or a state does to what follows: who
	// leads decides where it goes, and what is told last of a world is true.
	mu       sync.Mutex
	held     lease.Lease                       // nil while standing by
	ring     *ring                             // what came while standing by
	overflow map[event.World]event.StreamState // worlds with a hole that is still open
	flowing  map[event.World]time.Time         // since when each world flows on our connection
	recorded map[event.World]time.Time         // when a leader was last known to record each world
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
	return &Listener{cfg: cfg, env: env, metrics: m,
		log:      cfg.Log.With("role", "listener", "environment", env),
		queue:    newQueue(cfg.QueueMessages, cfg.QueueBytes),
		ring:     newRing(),
		overflow: map[event.World]event.StreamState{},
		flowing:  map[event.World]time.Time{},
		recorded: map[event.World]time.Time{}}, nil
}

// Lease returns the name of the lease that the listener of env holds.
func Lease(env event.Environment) string { return "listener/" + string(env) }

// Reconciled says that presence on a world, 0 for all, was read anew since its
// stream came back, which ends its reconciling. It is safe to call while Run runs.
func (l *Listener) Reconciled(w event.World) { l.cfg.Stream.Reconciled(w) }

// Run follows the stream until ctx ends, and publishes what comes while it holds
// the lease. It returns once what was read is published, at most DrainTimeout
// after; the error is nil unless the lease service is gone. Call it once.
func (l *Listener) Run(ctx context.Context) error {
	publishCtx, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	listenCtx, stop := context.WithCancel(ctx)
	defer stop()
	var publisher, stream, helpers sync.WaitGroup
	publisher.Go(func() { l.publish(publishCtx, l.queue) })
	stream.Go(func() {
		if err := l.cfg.Stream.Run(listenCtx, l.handler()); err != nil {
			l.log.Error("stream", "err", err)
		}
	})
	helpers.Go(func() { l.report(listenCtx) })

	held, err := l.contend(ctx)
	stop()
	stream.Wait() // all that was read is in the queue or the ring
	helpers.Wait()
	l.finish()
	timer := time.AfterFunc(l.cfg.DrainTimeout, giveUp)
	defer timer.Stop()
	publisher.Wait()
	if left := l.queue.len(); left > 0 {
		l.metrics.dropped.Add(float64(left))
		l.log.Error("events were lost at the end: the bus did not take them in time", "events", left)
	}
	if held != nil {
		held.Release()
	}
	l.leading(false)
	return err
}

// contend waits for the lease and leads while it lasts, over and over until ctx
// ends; then it returns the lease if it still holds it.
func (l *Listener) contend(ctx context.Context) (lease.Lease, error) {
	for {
		held, err := l.cfg.Locker.Acquire(ctx, Lease(l.env))
		if ctx.Err() != nil {
			if err == nil {
				held.Release()
			}
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("acquire lease %s: %w", Lease(l.env), err)
		}
		l.take(held)
		select {
		case <-held.Lost():
		case <-ctx.Done():
			return held, nil
		}
		l.standBy()
		held.Release()
		l.log.Warn("leadership lost")
	}
}

// take begins to lead.
func (l *Listener) take(held lease.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	l.firstWord()
	published := l.flush()
	l.leading(true)
	l.log.Info("leading", "term", held.Term(), "from_ring", published)
}

// flush moves the ring into the queue, in order of arrival. It passes the queue's
// bound: the memory is spent already. The caller holds mu.
func (l *Listener) flush() int {
	all := l.ring.take()
	for _, w := range all {
		l.queue.add(l.message(w), true)
	}
	return len(all)
}

// standBy ends leading. What is in the queue is published all the same: it was
// read while we led, and may be nowhere else.
func (l *Listener) standBy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = nil
	for w := range l.flowing {
		l.recorded[w] = time.Now()
	}
	clear(l.overflow)
	l.leading(false)
}

// leads reports whether what happens now is this listener's to publish. It asks
// the lease each time: a process that was suspended finds out with the first event
// that it reads. The caller holds mu.
func (l *Listener) leads() bool { return l.held != nil && lease.Held(l.held) }

func (l *Listener) leading(yes bool) {
	v := 0.0
	if yes {
		v = 1
	}
	l.metrics.leader.WithLabelValues(Lease(l.env)).Set(v)
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
	switch {
	case !l.leads():
		l.ring.add(&w)
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
