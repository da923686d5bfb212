package listener

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/bus"
	"muster/event"
)

// Between two tries of one batch.
const (
	retryFirst = 50 * time.Millisecond
	retryLast  = 5 * time.Second
)

// publish moves the queue to the bus, oldest first, until the queue is closed
// and empty, or ctx ends.
func (l *Listener) publish(ctx context.Context, q *queue) {
	for {
		batch, closed := q.head(bus.MaxBatch)
		if len(batch) == 0 {
			if closed {
				return
			}
			select {
			case <-q.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if !l.deliver(ctx, batch) {
			return
		}
		q.drop(len(batch))
	}
}

// deliver publishes one batch, however often it takes. It returns false when ctx
// ended first. That the bus does not take events is said once, and once that it
// does again.
func (l *Listener) deliver(ctx context.Context, batch []bus.Message) bool {
	var since time.Time
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := l.cfg.Bus.Publish(ctx, event.TopicEvents, batch...)
		switch {
		case err == nil:
			l.metrics.batch.Observe(float64(len(batch)))
			l.confirmed(batch)
			if !since.IsZero() {
				l.refused.Store(nil)
				l.log.Info("the bus takes events again", "after", time.Since(since).Round(time.Millisecond))
			}
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, bus.ErrTooLarge):
			return l.deliverEach(ctx, batch)
		}
		l.metrics.retries.Inc()
		if since.IsZero() {
			since = time.Now()
			l.refused.Store(&err)
			l.log.Warn("the bus does not take events, they wait in memory", "err", err)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

// Ready returns nil while the bus takes events, or why it does not. It does not
// block and is safe to call while Run runs.
func (l *Listener) Ready(context.Context) error {
	if err := l.refused.Load(); err != nil {
		return fmt.Errorf("the bus does not take events: %w", *err)
	}
	return nil
}

// deliverEach finds the message that no bus takes and leaves it out, so that it
// cannot hold up the rest.
func (l *Listener) deliverEach(ctx context.Context, batch []bus.Message) bool {
	if len(batch) == 1 {
		l.metrics.dropped.Inc()
		l.log.Error("event dropped: the bus will never take it", "id", batch[0].ID, "bytes", len(batch[0].Body))
		return true
	}
	half := len(batch) / 2
	return l.deliver(ctx, batch[:half]) && l.deliver(ctx, batch[half:])
}
