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

// A Publisher is what the listener needs of the bus.
type Publisher interface {
	Publish(ctx context.Context, topic string, messages ...bus.Message) error
}

// A Stream is the connection to the game: a *census.Stream.
type Stream interface {
	Environment() event.Environment
	Run(ctx context.Context, h census.Handler) error
	States() []event.StreamState
	Reconciled(w event.World)
}

// A Config says what a listener works with. Stream, Bus and Locker are
// required; zero durations and bounds get the values named beside them.
type Config struct {
	Stream     Stream
	Bus        Publisher
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

// A Listener publishes one environment's events while it leads.
type Listener struct {
	cfg     Config
	env     event.Environment
	log     *slog.Logger
	metrics *metrics
	refused atomic.Pointer[error] // why the bus does not take events; nil while it does

	// mu makes opening or closing a hole and telling of it one step, so that what
	// is told last is true.
	mu       sync.Mutex
	overflow map[event.World]event.StreamState // worlds with a hole that is still open
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
		overflow: map[event.World]event.StreamState{}}, nil
}

// Lease returns the name of the lease that the listener of env holds.
func Lease(env event.Environment) string { return "listener/" + string(env) }

// States returns the health of each world's stream at this moment, ordered by
// world. Worlds whose events are being dropped are down. It is safe to call
// while Run runs.
func (l *Listener) States() []event.StreamState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.states()
}

func (l *Listener) states() []event.StreamState {
	states := l.cfg.Stream.States()
	for i, s := range states {
		states[i] = l.override(s)
	}
	return states
}

// Reconciled says that presence on a world, 0 for all, was read anew since its
// stream came back, which ends its reconciling. It is safe to call while Run runs.
func (l *Listener) Reconciled(w event.World) { l.cfg.Stream.Reconciled(w) }

// Run waits for the lease, then listens and publishes until the lease is lost,
// over and over until ctx ends. It returns once what was read is published, at
// most DrainTimeout after; the error is nil unless the lease service is gone.
func (l *Listener) Run(ctx context.Context) error {
	leading := l.metrics.leader.WithLabelValues(Lease(l.env))
	for {
		leading.Set(0)
		held, err := l.cfg.Locker.Acquire(ctx, Lease(l.env))
		if ctx.Err() != nil {
			if err == nil {
				held.Release()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("acquire lease %s: %w", Lease(l.env), err)
		}
		leading.Set(1)
		l.log.Info("leading", "term", held.Term())
		l.lead(ctx, held)
		held.Release()
		leading.Set(0)
		if ctx.Err() != nil {
			return nil
		}
		l.log.Warn("leadership lost")
	}
}

// lead listens until ctx ends or the lease is lost, and drains.
func (l *Listener) lead(ctx context.Context, held lease.Lease) {
	listenCtx, stop := context.WithCancel(ctx)
	defer stop()
	q := newQueue(l.cfg.QueueMessages, l.cfg.QueueBytes)
	publishCtx, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()

	var helpers, publisher sync.WaitGroup
	publisher.Go(func() { l.publish(publishCtx, q) })
	helpers.Go(func() { l.report(listenCtx, q) })
	helpers.Go(func() {
		select {
		case <-held.Lost():
			stop()
		case <-listenCtx.Done():
		}
	})
	l.begin(q)
	// Run returns once listenCtx ended and all that was read is in the queue.
	if err := l.cfg.Stream.Run(listenCtx, l.handler(q)); err != nil {
		l.log.Error("stream", "err", err)
	}
	stop()
	helpers.Wait()
	l.finish(q, held)
	timer := time.AfterFunc(l.cfg.DrainTimeout, giveUp)
	defer timer.Stop()
	publisher.Wait()
	if left := q.len(); left > 0 {
		l.metrics.dropped.Add(float64(left))
		l.log.Error("events were lost at the end: the bus did not take them in time", "events", left)
	}
}

// begin puts the first word into the queue: nothing flows yet. A leader that was
// killed could not say that its stream had ended, so its successor does.
func (l *Listener) begin(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.states() {
		if !s.Health.Flowing() {
			l.send(q, s)
		}
	}
}

// finish puts the last word into the queue: every world is down, unless another
// listener leads by now and speaks for them.
func (l *Listener) finish(q *queue, held lease.Lease) {
	select {
	case <-held.Lost():
	default:
		now := time.Now().UTC()
		for _, s := range l.States() {
			if s.Health.Flowing() || !s.LastEventAt.IsZero() {
				s.Since = cmp.Or(s.LastEventAt, now)
			}
			s.Health, s.Reason, s.ReportedAt = event.StreamDown, "listener stopped", now
			l.send(q, s)
		}
	}
	q.close()
}

// handler puts what the stream brings into the queue.
func (l *Listener) handler(q *queue) census.Handler {
	env := string(l.env)
	return census.Handler{
		Event: func(s census.Sighting) { l.sighting(q, s) },
		State: func(s event.StreamState) { l.changed(q, s) },
		Frame: func(k census.FrameKind) { l.metrics.frames.WithLabelValues(env, string(k)).Inc() },
		Count: func(c census.Counter) { l.metrics.faults.WithLabelValues(env, string(c)).Inc() },
	}
}

func (l *Listener) sighting(q *queue, s census.Sighting) {
	e := &s.Event
	l.metrics.events.WithLabelValues(string(l.env), e.Kind.String()).Inc()
	m := bus.Message{
		ID:   e.Key().String(),
		Key:  fmt.Sprintf("%s.%d.%s", l.env, e.World, e.Kind),
		Body: event.EncodeSighting(s.Payload, s.ReceivedAt, e.Copy),
	}
	if !q.add(m, false) {
		l.dropped(q, e)
	}
}

func (l *Listener) changed(q *queue, s event.StreamState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send(q, l.override(s))
}

// dropped counts an event that found no room, and opens a hole for its world.
func (l *Listener) dropped(q *queue, e *event.Event) {
	l.metrics.dropped.Inc()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.overflow[e.World]; open || e.World == 0 {
		return
	}
	// Said now, not when the event came: a report made since must not outdate it.
	hole := event.StreamState{World: e.World, Health: event.StreamDown, Since: e.ReceivedAt,
		ReportedAt: time.Now().UTC(), LastEventAt: e.ReceivedAt, Reason: "buffer full"}
	l.overflow[e.World] = hole
	l.log.Error("dropping events: the bus has not taken any for too long", "world", int(e.World))
	l.send(q, hole)
}

// override returns s, or the hole that is open for its world. The caller holds mu.
func (l *Listener) override(s event.StreamState) event.StreamState {
	hole, open := l.overflow[s.World]
	if !open {
		return s
	}
	hole.ReportedAt, hole.LastEventAt = s.ReportedAt, s.LastEventAt
	return hole
}

// send queues a state of a world.
func (l *Listener) send(q *queue, s event.StreamState) {
	l.metrics.setState(s)
	body, err := event.EncodeStream(s)
	if err != nil {
		l.log.Error("encode stream state", "world", int(s.World), "err", err)
		return
	}
	q.add(bus.Message{ID: fmt.Sprintf("stream-%d", s.World),
		Key: fmt.Sprintf("%s.%d.stream", l.env, s.World), Body: body}, true)
}

// report publishes every world's state now and then, and closes the holes that
// a full queue had opened.
func (l *Listener) report(ctx context.Context, q *queue) {
	every := time.NewTicker(l.cfg.ReportEvery)
	defer every.Stop()
	soon := time.NewTicker(min(time.Second, l.cfg.ReportEvery))
	defer soon.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			l.repeat(q)
		case <-soon.C:
			l.metrics.queued.Set(float64(q.len()))
			l.closeHoles(q)
		}
	}
}

func (l *Listener) repeat(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.states() {
		l.send(q, s)
	}
}

func (l *Listener) closeHoles(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.overflow) == 0 || !q.roomy() {
		return
	}
	clear(l.overflow)
	l.log.Info("the bus has room again, nothing is dropped any more")
	now := time.Now().UTC()
	for _, s := range l.states() {
		if s.Health.Flowing() {
			s.Since = now
		}
		l.send(q, s)
	}
}
