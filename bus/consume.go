package bus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"
)

// Delays between attempts at one batch.
const (
	minDelay = 50 * time.Millisecond
	maxDelay = 5 * time.Second
)

// A backend keeps chunks where a crash does not reach, or does not.
type backend interface {
	// load fills in the messages of chunks that have none. What cannot be read
	// any more it leaves empty and returns as dead letters.
	load(ctx context.Context, q *queue, chunks []*chunk) ([]DeadLetter, error)
	// settle forgets chunks and keeps dead, in one step.
	settle(ctx context.Context, q *queue, chunks []*chunk, dead []DeadLetter) error
	// settleIn is settle inside the caller's transaction.
	settleIn(ctx context.Context, tx *sql.Tx, q *queue, chunks []*chunk, dead []DeadLetter) error
	// shared reports whether settleIn may be offered.
	shared() bool
}

// consume is Bus.Consume over b.
func (c *core) consume(ctx context.Context, name string, h Handler, b backend) error {
	q, err := c.queue(name)
	if err != nil {
		return err
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer c.running.Done()
	q.consumers.Add(1)
	defer q.consumers.Add(-1)
	// The handler's context keeps the caller's values and ends with the bus.
	hctx, hstop := c.bound(context.WithoutCancel(ctx))
	defer hstop()
	ctx, stop := c.bound(ctx)
	defer stop()
	for {
		chunks := q.take(ctx)
		if chunks == nil {
			return c.ended()
		}
		w := work{core: c, backend: b, queue: q, chunks: chunks, handler: h}
		w.run(ctx, hctx)
	}
}

// work is one batch in the hands of one consumer.
type work struct {
	*core
	backend backend
	queue   *queue
	chunks  []*chunk
	handler Handler

	dead    []DeadLetter // what could not be read, then what the handler rejected
	handled bool         // the handler has succeeded
	settled bool         // in the caller's transaction
}

// run repeats until the batch is settled or ctx ends; then it goes back.
func (w *work) run(ctx, hctx context.Context) {
	for delay := minDelay; ; delay = min(2*delay, maxDelay) {
		err := w.once(hctx)
		if err == nil {
			w.release(w.queue.settled(w.chunks))
			return
		}
		w.log.DebugContext(ctx, "batch not settled, trying again", "queue", w.queue.name, "err", err, "in", delay)
		if !pause(ctx, delay) {
			w.queue.giveBack(w.chunks)
			return
		}
	}
}

func (w *work) once(hctx context.Context) error {
	unreadable, err := w.backend.load(context.WithoutCancel(hctx), w.queue, w.chunks)
	w.dead = append(w.dead, unreadable...)
	if err != nil {
		return err
	}
	if !w.handled {
		if err := w.handle(hctx); err != nil {
			return err
		}
	}
	if w.settled {
		return nil
	}
	return w.backend.settle(context.WithoutCancel(hctx), w.queue, w.chunks, w.dead)
}

// handle runs the handler once and notes what it said.
func (w *work) handle(ctx context.Context) error {
	batch := Batch{Deliveries: w.deliveries()}
	settledIn := false
	if w.backend.shared() {
		batch.SettleIn = func(ctx context.Context, tx *sql.Tx, rejected map[int]error) error {
			settledIn = true
			dead := append(slices.Clone(w.dead), w.letters(batch.Deliveries, rejected)...)
			return w.backend.settleIn(ctx, tx, w.queue, w.chunks, dead)
		}
	}
	if len(batch.Deliveries) > 0 {
		err := call(ctx, w.log, w.handler, batch)
		var rejected *Rejected
		switch {
		case errors.As(err, &rejected):
			w.dead = append(w.dead, w.letters(batch.Deliveries, rejected.Reasons)...)
		case err != nil:
			return err
		}
	}
	w.handled, w.settled = true, settledIn
	return nil
}

func (w *work) deliveries() []Delivery {
	n := 0
	for _, c := range w.chunks {
		n += len(c.messages)
	}
	all := make([]Delivery, 0, n)
	for _, c := range w.chunks {
		c.attempts++
		for _, m := range c.messages {
			all = append(all, Delivery{Message: m, Attempt: c.attempts, PublishedAt: c.at})
		}
	}
	return all
}

// letters turns reasons by index into dead letters, in order.
func (w *work) letters(deliveries []Delivery, reasons map[int]error) []DeadLetter {
	if len(reasons) == 0 {
		return nil
	}
	var dead []DeadLetter
	at := time.Now().UTC()
	for i, d := range deliveries {
		reason, ok := reasons[i]
		if !ok {
			continue
		}
		for _, part := range PartsOf(d.Message, reason) {
			text := "rejected"
			if part.Reason != nil {
				text = part.Reason.Error()
			}
			dead = append(dead, DeadLetter{Message: part.Message, Queue: w.queue.name, Reason: clipReason(text), At: at})
		}
	}
	return dead
}

func clipReason(s string) string {
	const limit = 500 // bytes
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

// call turns a panic of the handler into an error.
func call(ctx context.Context, log *slog.Logger, h Handler, b Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "handler panicked", "panic", p, "messages", len(b.Deliveries), "stack", string(debug.Stack()))
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	return h(ctx, b)
}

// pause waits between a half and the whole of d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
