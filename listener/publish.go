package listener

import (
	"context"
	"errors"
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
// ended first.
func (l *Listener) deliver(ctx context.Context, batch []bus.Message) bool {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := l.cfg.Bus.Publish(ctx, event.TopicEvents, batch...)
		switch {
		case err == nil:
			l.metrics.batch.Observe(float64(len(batch)))
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, bus.ErrTooLarge):
			return l.deliverEach(ctx, batch)
		}
		l.metrics.retries.Inc()
		l.log.Warn("the bus did not take events, trying again", "events", len(batch), "err", err, "in", wait)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
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
