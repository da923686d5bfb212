package rabbit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"muster/bus"
)

// deadLimit is how long the dead letters of a batch may take while the bus closes.
const deadLimit = 5 * time.Second

// Consume implements bus.Bus. A batch that fails is retried in place, unless its
// connection is lost or HoldLimit is over: then the broker delivers its messages
// anew. It waits for a lost connection.
func (b *Bus) Consume(ctx context.Context, queue string, h bus.Handler) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.running.Done()
	if err := b.layout.known(queue); err != nil {
		return err
	}
	// The handler's context keeps the caller's values and ends with the bus.
	hctx, hstop := b.bound(context.WithoutCancel(ctx))
	defer hstop()
	ctx, stop := b.bound(ctx)
	defer stop()
	sub := b.join(queue)
	defer b.leave(sub)
	defer context.AfterFunc(ctx, sub.wake)()
	for {
		cur, batch := sub.take(ctx)
		if batch == nil {
			return b.ended()
		}
		w := work{bus: b, cur: cur, batch: batch, handler: h}
		w.run(ctx, hctx)
	}
}

// work is one batch in the hands of one consumer.
type work struct {
	bus     *Bus
	cur     *session
	batch   []*entry
	handler bus.Handler

	handled bool // the handler has succeeded
	dead    []item
}

// run repeats until the batch is settled, its session has ended, or ctx ends;
// then it goes back.
func (w *work) run(ctx, hctx context.Context) {
	cfg := w.bus.cfg
	for delay := cfg.RetryMin; ; delay = min(2*delay, cfg.RetryMax) {
		err := w.once(hctx)
		if err == nil {
			w.cur.settle(w.batch)
			return
		}
		w.bus.log.DebugContext(ctx, "batch not settled, trying again", "queue", w.cur.sub.queue, "err", err, "in", delay)
		if held := time.Since(w.batch[0].arrivedAt); held > cfg.HoldLimit {
			w.bus.log.WarnContext(ctx, "a batch fails for long, its messages go back to the queue",
				"queue", w.cur.sub.queue, "messages", len(w.batch), "for", held, "err", err)
			w.cur.abandon()
			<-w.cur.gone
			return
		}
		if !pause(ctx, w.cur.gone, delay) {
			w.cur.giveBack(w.batch) // does nothing if the session has ended
			return
		}
	}
}

func (w *work) once(hctx context.Context) error {
	if !w.handled {
		if err := w.handle(hctx); err != nil {
			return err
		}
		w.handled = true
	}
	if len(w.dead) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(hctx), deadLimit)
	defer cancel()
	items := make([]*item, len(w.dead))
	for i := range items {
		copied := w.dead[i] // an attempt before this one may still be under way
		items[i] = &copied
	}
	if err := w.bus.pub.do(ctx, items); err != nil {
		return fmt.Errorf("publish %d dead letters: %w", len(w.dead), err)
	}
	return nil
}

// handle runs the handler once and notes what must become a dead letter.
func (w *work) handle(ctx context.Context) error {
	w.dead = nil
	at := time.Now().UTC()
	var good []*entry
	deliveries := make([]bus.Delivery, 0, len(w.batch))
	for _, e := range w.batch {
		if e.refused != nil {
			w.bury(e, e.refused, at)
			continue
		}
		good = append(good, e)
		deliveries = append(deliveries, e.Delivery)
		e.Attempt++ // for the next time
	}
	if len(good) == 0 {
		return nil
	}
	err := w.call(ctx, bus.Batch{Deliveries: deliveries})
	var rejected *bus.Rejected
	if !errors.As(err, &rejected) {
		return err
	}
	at = time.Now().UTC()
	for i, e := range good {
		if reason, ok := rejected.Reasons[i]; ok {
			e.Attempt-- // it was the last time
			w.bury(e, reason, at)
		}
	}
	return nil
}

// bury prepares the dead letters of a delivery.
func (w *work) bury(e *entry, reason error, at time.Time) {
	queue := w.cur.sub.queue
	for _, part := range bus.PartsOf(e.Message, reason) {
		text := "rejected"
		if part.Reason != nil {
			text = part.Reason.Error()
		}
		d := bus.DeadLetter{Message: part.Message, Queue: queue, Reason: clipReason(text), At: at}
		w.dead = append(w.dead, item{
			exchange: w.bus.layout.deadExchange(), key: queue, mandatory: true,
			msg: d.Message, at: e.PublishedAt, headers: deadHeaders(d, e),
		})
	}
}

// call turns a panic of the handler into an error.
func (w *work) call(ctx context.Context, b bus.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.bus.log.ErrorContext(ctx, "handler panicked", "panic", p, "messages", len(b.Deliveries), "stack", string(debug.Stack()))
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	return w.handler(ctx, b)
}
