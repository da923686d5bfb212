package rabbit

import (
	"context"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// browseIdle is how long the broker may take to hand over the next dead letter
// it said it has.
const browseIdle = 2 * time.Second

// List implements bus.DeadLetterBox. While it reads, other readers see fewer.
func (b *Bus) List(ctx context.Context, queue string, limit int) ([]bus.Letter, error) {
	if limit <= 0 {
		return nil, b.layout.known(queue)
	}
	var newest []bus.Letter
	err := b.browse(ctx, queue, func(l bus.Letter, _ *amqp.Delivery) error {
		if newest = append(newest, l); len(newest) >= 2*limit {
			newest = slices.Clone(newest[len(newest)-limit:]) // lets go of the bodies before
		}
		return nil
	}, nothing)
	slices.Reverse(newest)
	return newest[:min(len(newest), limit)], err
}

// Show implements bus.DeadLetterBox.
func (b *Bus) Show(ctx context.Context, queue, ref string) (bus.Letter, error) {
	var shown bus.Letter
	w := bus.NewWanted([]string{ref})
	err := b.browse(ctx, queue, func(l bus.Letter, _ *amqp.Delivery) error {
		if w.Takes(l.Ref) {
			shown = l
		}
		return nil
	}, nothing)
	if err != nil {
		return bus.Letter{}, err
	}
	return shown, w.Missing(queue)
}

// removeGroup is how many letters are replayed at a time.
const removeGroup = 200

// Replay implements bus.DeadLetterBox. Letters are removed once the queue has them
// for certain, 200 at a time: an error in between may leave so many in both.
func (b *Bus) Replay(ctx context.Context, queue string, refs ...string) (int, error) {
	return b.remove(ctx, queue, refs, func(letters []found) error {
		items := make([]*item, len(letters))
		for i, l := range letters {
			now := time.Now()
			items[i] = &item{ // the default exchange: this queue alone
				key: b.layout.queue(queue), mandatory: true, msg: l.Message, at: now,
				headers: replayHeaders(l.Letter, l.delivery.Headers, now),
			}
		}
		return b.pub.do(ctx, items)
	})
}

// Drop implements bus.DeadLetterBox.
func (b *Bus) Drop(ctx context.Context, queue string, refs ...string) (int, error) {
	return b.remove(ctx, queue, refs, func([]found) error { return nil })
}

// A found is a letter and the delivery it was read from.
type found struct {
	bus.Letter
	delivery amqp.Delivery
}

// remove acknowledges those of refs for which f succeeds.
func (b *Bus) remove(ctx context.Context, queue string, refs []string, f func([]found) error) (n int, err error) {
	w := bus.NewWanted(refs)
	if w.Nothing() {
		return 0, b.layout.known(queue)
	}
	var group []found
	flush := func() error {
		if err := f(group); err != nil {
			return err
		}
		for _, l := range group {
			if err := l.delivery.Ack(false); err != nil {
				return err
			}
			n++
		}
		group = nil
		return nil
	}
	err = b.browse(ctx, queue, func(l bus.Letter, d *amqp.Delivery) error {
		if !w.Takes(l.Ref) {
			return nil
		}
		if group = append(group, found{l, *d}); len(group) < removeGroup {
			return nil
		}
		return flush()
	}, flush)
	if err == nil {
		err = w.Missing(queue)
	}
	return n, err
}

// DeadLetters implements bus.Bus.
func (b *Bus) DeadLetters(ctx context.Context, queue string, limit int) ([]bus.DeadLetter, error) {
	letters, err := b.List(ctx, queue, limit)
	var all []bus.DeadLetter
	for _, l := range letters {
		all = append(all, l.DeadLetter)
	}
	return all, err
}

// browse runs f for each dead letter of queue, oldest first, and then last. What
// they do not acknowledge goes back when the channel closes.
func (b *Bus) browse(ctx context.Context, queue string, f func(bus.Letter, *amqp.Delivery) error, last func() error) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.running.Done()
	if err := b.layout.known(queue); err != nil {
		return err
	}
	b.deadMu.Lock()
	defer b.deadMu.Unlock()
	ctx, stop := b.bound(ctx)
	defer stop()
	n, err := b.ready(ctx, b.layout.dead(queue))
	if err != nil || n == 0 {
		return err
	}
	ch, conn, err := b.subLink.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch, conn)
	deliveries, err := b.subLink.consume(ctx, ch, queue, b.layout.dead(queue), min(n, bus.MaxDeadLetters))
	if err != nil {
		return fmt.Errorf("read dead letters of %s: %w", queue, err)
	}
	defer cancelConsumer(ch, conn, queue)
	for range n {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return fmt.Errorf("read dead letters of %s: %w", queue, amqp.ErrClosed)
			}
			if err := f(letter(&d, queue), &d); err != nil {
				return err
			}
		case <-time.After(browseIdle):
			return last() // another reader has the rest
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return last()
}

// nothing is for a browse without an end to it.
func nothing() error { return nil }
