// Package metered counts what goes through a bus, whichever it is, and says how
// its queues stand. The labels are topics and queues of the topology, so there are
// as many series as those have names.
package metered

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
	"muster/internal/outage"
)

// How the state of queues is asked for.
const (
	DefaultEvery = 10 * time.Second
	askLimit     = 5 * time.Second // one answer
)

// A Config says what is counted. Transport, Topology and Registerer are required.
type Config struct {
	Transport  bus.Transport
	Topology   bus.Topology
	Registerer prometheus.Registerer
	Log        *slog.Logger  // nil discards
	Every      time.Duration // between questions about the queues; 0 means DefaultEvery
}

// A Bus is a bus.Transport that counts. Make it with New.
type Bus struct {
	bus.Transport
	topology bus.Topology
	metrics  *metrics
	asking   *outage.Outage

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

var _ bus.Transport = (*Bus)(nil)

// New registers the metrics and begins to ask for the state of the queues, until
// Close, which closes the transport as well. Where it has an error the transport
// stays open.
func New(cfg Config) (*Bus, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Every <= 0 {
		cfg.Every = DefaultEvery
	}
	m, err := newMetrics(cfg.Registerer, cfg.Topology)
	if err != nil {
		return nil, err
	}
	b := &Bus{
		Transport: cfg.Transport, topology: cfg.Topology, metrics: m,
		asking: outage.New(cfg.Log, nil, "the state of the queues is unknown", "the state of the queues is known again"),
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.stopped.Go(func() { b.watch(ctx, cfg.Every) })
	return b, nil
}

// Close implements bus.Bus.
func (b *Bus) Close() error {
	b.stop()
	b.stopped.Wait()
	return b.Transport.Close()
}

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, topic string, messages ...bus.Message) error {
	err := b.Transport.Publish(ctx, topic, messages...)
	n := float64(len(messages))
	if err == nil {
		if c, ok := b.metrics.published[topic]; ok {
			c.Add(n)
		}
		return nil
	}
	if _, known := b.topology[topic]; known {
		b.metrics.refused.WithLabelValues(topic, refusal(err)).Add(n)
	}
	return err
}

// refusal names what kept a publish from being taken, or from being known to be.
func refusal(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{
		{bus.ErrFull, "full"}, {bus.ErrTooLarge, "too_large"}, {bus.ErrClosed, "closed"},
		{context.DeadlineExceeded, "timeout"}, {context.Canceled, "canceled"},
	} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return "error"
}

// Consume implements bus.Bus.
func (b *Bus) Consume(ctx context.Context, queue string, h bus.Handler) error {
	q, ok := b.metrics.queues[queue]
	if !ok {
		return b.Transport.Consume(ctx, queue, h)
	}
	return b.Transport.Consume(ctx, queue, func(ctx context.Context, batch bus.Batch) error {
		n, again := len(batch.Deliveries), 0
		for i := range batch.Deliveries {
			if batch.Deliveries[i].Attempt > 1 {
				again++
			}
		}
		q.delivered.Add(float64(n))
		q.redelivered.Add(float64(again))
		set := 0 // deliveries that the batch's own transaction put aside
		if settle := batch.SettleIn; settle != nil {
			batch.SettleIn = func(ctx context.Context, tx *sql.Tx, rejected map[int]error) error {
				set = len(rejected)
				return settle(ctx, tx, rejected)
			}
		}
		err := h(ctx, batch)
		var rejected *bus.Rejected
		switch {
		case errors.As(err, &rejected):
			set = max(set, len(rejected.Reasons))
		case err != nil:
			q.failed.Inc()
			return err
		}
		q.rejected.Add(float64(set))
		q.settled.Add(float64(n - set))
		return err
	})
}

// Listen implements bus.Bus.
func (b *Bus) Listen(ctx context.Context, topic string, ready func(), h func(bus.Message, int)) error {
	heard, ok := b.metrics.heard[topic]
	if !ok {
		return b.Transport.Listen(ctx, topic, ready, h)
	}
	missed := b.metrics.missed[topic]
	return b.Transport.Listen(ctx, topic, ready, func(m bus.Message, lost int) {
		heard.Inc()
		missed.Add(float64(lost))
		h(m, lost)
	})
}

// watch asks how the queues stand until ctx ends.
func (b *Bus) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for _, queue := range b.topology.Queues() {
			b.ask(ctx, queue)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// ask leaves no old answer behind: what is not known has no value.
func (b *Bus) ask(ctx context.Context, queue string) {
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	state, err := b.State(asking, queue)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		b.asking.Failed(ctx, err)
		b.metrics.forget(queue)
	default:
		b.asking.Answered(ctx)
		b.metrics.set(queue, state)
	}
}
