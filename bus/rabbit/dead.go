package rabbit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// ErrNoLetter says that no dead letter has the reference asked for.
var ErrNoLetter = errors.New("no such dead letter")

// browseIdle is how long the broker may take to hand over the next dead letter
// it said it has.
const browseIdle = 2 * time.Second

// A Letter is a dead letter with a name of its own, for whoever wants to look at
// one, send it again or throw it away.
type Letter struct {
	bus.DeadLetter
	// Ref stays the same from one listing to the next: twelve hex digits.
	Ref string
	// PublishedAt is when the message was first published, UTC.
	PublishedAt time.Time
}

// List returns at most limit dead letters of queue, newest first, and leaves them
// there. While it reads, other readers see fewer.
func (b *Bus) List(ctx context.Context, queue string, limit int) ([]Letter, error) {
	var all []Letter
	err := b.browse(ctx, queue, func(l Letter, _ *amqp.Delivery) error {
		all = append(all, l)
		return nil
	})
	slices.Reverse(all)
	return all[:min(len(all), max(limit, 0))], err
}

// Show returns one dead letter, or ErrNoLetter.
func (b *Bus) Show(ctx context.Context, queue, ref string) (Letter, error) {
	var found *Letter
	err := b.browse(ctx, queue, func(l Letter, _ *amqp.Delivery) error {
		if l.Ref == ref {
			found = &l
		}
		return nil
	})
	switch {
	case err != nil:
		return Letter{}, err
	case found == nil:
		return Letter{}, fmt.Errorf("%w: %q in queue %q", ErrNoLetter, ref, queue)
	}
	return *found, nil
}

// Replay puts dead letters back into their queue, oldest first, and returns how
// many; without refs it takes all. Each is removed once the queue has it for
// certain, so a crash in between leaves it in both.
func (b *Bus) Replay(ctx context.Context, queue string, refs ...string) (int, error) {
	return b.remove(ctx, queue, refs, func(l Letter) error {
		now := time.Now()
		h := headers(now)
		h[headerKey] = l.Key
		h[headerReplayed] = now.UnixNano()
		it := &item{key: b.layout.queue(queue), mandatory: true, msg: publishing(l.Message, now, h)}
		return b.pub.do(ctx, []*item{it}) // the default exchange: this queue alone
	})
}

// Drop removes dead letters for good and returns how many; without refs it takes
// all.
func (b *Bus) Drop(ctx context.Context, queue string, refs ...string) (int, error) {
	return b.remove(ctx, queue, refs, func(Letter) error { return nil })
}

// remove acknowledges those of refs for which f succeeds.
func (b *Bus) remove(ctx context.Context, queue string, refs []string, f func(Letter) error) (n int, err error) {
	err = b.browse(ctx, queue, func(l Letter, d *amqp.Delivery) error {
		if len(refs) > 0 && !slices.Contains(refs, l.Ref) {
			return nil
		}
		if err := f(l); err != nil {
			return err
		}
		n++
		return d.Ack(false)
	})
	if err == nil && n < len(refs) {
		err = fmt.Errorf("%w: found %d of %d in queue %q", ErrNoLetter, n, len(refs), queue)
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

// browse runs f for each dead letter of queue, oldest first. What f does not
// acknowledge goes back when the channel closes.
func (b *Bus) browse(ctx context.Context, queue string, f func(Letter, *amqp.Delivery) error) error {
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
			if err := f(newLetter(&d, queue), &d); err != nil {
				return err
			}
		case <-time.After(browseIdle):
			return nil // another reader has them
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func newLetter(d *amqp.Delivery, queue string) Letter {
	l := Letter{DeadLetter: letter(d, queue), PublishedAt: publishedAt(d)}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %d %d ", l.ID, l.Key, l.Reason, l.At.UnixNano(), l.PublishedAt.UnixNano())
	sum.Write(l.Body)
	l.Ref = hex.EncodeToString(sum.Sum(nil))[:12]
	return l
}
