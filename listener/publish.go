package listener

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/bus"
	"muster/event"
	"muster/internal/backoff"
)

// Between two tries of one batch.
const (
	retryFirst = 50 * time.Millisecond
	retryLast  = 5 * time.Second
)

// stallAfter is how long the bus may think about a batch before it counts as not
// taking events.
const stallAfter = 3 * time.Second

// publish moves the queue to the bus, oldest first, until the queue is closed
// and empty, or ctx ends.
func (l *Listener) publish(ctx context.Context, q *queue) {
	for {
		l.linger(ctx, q)
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

// linger waits for the company of what has just come: events arrive in bursts.
func (l *Listener) linger(ctx context.Context, q *queue) {
	since, ok := q.oldestSince()
	if left := time.Until(since.Add(l.cfg.Linger)); ok && left > 0 {
		_ = backoff.Sleep(ctx, left) // whoever publishes sees that ctx has ended
	}
}

// deliver publishes one batch, however often it takes. It returns false when ctx
// ended first.
func (l *Listener) deliver(ctx context.Context, batch []bus.Message) bool {
	for wait := retryFirst; ; wait = min(2*wait, retryLast) {
		err := l.try(ctx, batch)
		switch {
		case err == nil:
			l.metrics.batch.Observe(float64(len(batch)))
			l.confirmed(batch)
			l.outage.answered(l)
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, bus.ErrTooLarge):
			return l.deliverEach(ctx, batch)
		}
		l.metrics.retries.Inc()
		l.outage.refused(l, err)
		if backoff.Sleep(ctx, wait) != nil {
			return false
		}
	}
}

// try publishes once. A bus that takes its time is said not to take events before it
// has answered.
func (l *Listener) try(ctx context.Context, batch []bus.Message) error {
	stalled := l.outage.began(l)
	defer stalled.Stop()
	return l.cfg.Bus.Publish(ctx, event.TopicEvents, l.bundler.pack(batch)...)
}

// A busOutage knows whether the bus takes events. That it does not is said once, and
// once that it does again.
type busOutage struct {
	mu    sync.Mutex
	tries int // how many have begun
	why   error
	since time.Time
}

// began starts the clock for one try; stop it at the try's end.
func (o *busOutage) began(l *Listener) *time.Timer {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	this := o.tries
	return time.AfterFunc(stallAfter, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.tries == this {
			o.fail(l, fmt.Errorf("nothing was confirmed for %s", stallAfter))
		}
	})
}

func (o *busOutage) refused(l *Listener, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++ // the clock of this try is over
	o.fail(l, err)
}

// fail notes that the bus does not take events. The caller holds mu.
func (o *busOutage) fail(l *Listener, err error) {
	if o.why == nil {
		o.since = time.Now()
		l.log.Warn("the bus does not take events, they wait", "on_disk", l.queue.spool != nil, "err", err)
	}
	o.why = err
}

func (o *busOutage) answered(l *Listener) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if o.why != nil {
		l.log.Info("the bus takes events again", "after", time.Since(o.since).Round(time.Millisecond))
	}
	o.why = nil
}

// Ready returns nil while the listener can do its part, or why it cannot: the bus
// takes no events; or, standing by, it has no connection to the game, without which
// it is of no use as a successor. A leader without a connection is ready: there is
// nobody better, or the lease would be theirs. It does not block and is safe to call
// while Run runs.
func (l *Listener) Ready(context.Context) error {
	if err := l.outage.reason(); err != nil {
		return fmt.Errorf("the bus does not take events: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leads() && !l.cfg.Stream.Link().Up {
		return errNotConnected
	}
	return nil
}

var errNotConnected = errors.New("standing by without a connection to the game")

// reason returns why the bus does not take events, nil while it does.
func (o *busOutage) reason() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.why
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
