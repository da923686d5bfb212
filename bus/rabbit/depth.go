package rabbit

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// A quorum queue reports no messages while its leader does not answer, as just
// after a restart (storage notes 2, trap 8). So a zero is asked again.
const (
	zeroAsk   = 3                      // times in a row
	zeroPause = 50 * time.Millisecond  // between them
	zeroFresh = 5 * time.Second        // of a connection: afterwards a quick zero is believed
	zeroQuick = 150 * time.Millisecond // the broker gives its leader 250 ms
)

// Depth implements bus.Bus: what waits in the broker, and what is in hand here.
// What other processes have in hand is not counted, so 0 does not mean that
// nothing can come again.
func (b *Bus) Depth(ctx context.Context, queue string) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.running.Done()
	if err := b.layout.known(queue); err != nil {
		return 0, err
	}
	ctx, stop := b.bound(ctx)
	defer stop()
	b.mu.Lock()
	sub := b.subs[queue]
	b.mu.Unlock()
	inHand := func() int {
		if sub == nil {
			return 0
		}
		return sub.unsettled()
	}
	before := inHand()
	waiting, err := b.ready(ctx, b.layout.queue(queue))
	if err != nil {
		return 0, fmt.Errorf("depth of %s: %w", queue, err)
	}
	return waiting + max(before, inHand()), nil
}

// ready returns how many messages of a queue nobody has in hand.
func (b *Bus) ready(ctx context.Context, name string) (int, error) {
	ch, conn, err := b.subLink.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(ch, conn)
	for asked := 1; ; asked++ {
		began := time.Now()
		n, err := b.waiting(ctx, ch, name)
		if err != nil {
			return 0, err
		}
		sure := time.Since(began) < zeroQuick && time.Since(conn.madeAt) > zeroFresh
		if n > 0 || sure || asked == zeroAsk {
			return n, nil
		}
		if !pause(ctx, nil, zeroPause) {
			return 0, ctx.Err()
		}
	}
}

// waiting asks once.
func (b *Bus) waiting(ctx context.Context, ch *amqp.Channel, name string) (int, error) {
	q, err := b.ask(ctx, ch, name)
	return q.Messages, err
}

func (b *Bus) ask(ctx context.Context, ch *amqp.Channel, name string) (amqp.Queue, error) {
	var answer atomic.Pointer[amqp.Queue] // a late one must not race
	err := b.subLink.await(ctx, func() error {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		answer.Store(&q)
		return err
	}, nil)
	if err != nil {
		return amqp.Queue{}, err
	}
	return *answer.Load(), nil
}

// State implements bus.Transport. Consumers are processes: each has one consumer,
// which its calls of Consume share.
func (b *Bus) State(ctx context.Context, queue string) (state bus.QueueState, err error) {
	if state.Unsettled, err = b.Depth(ctx, queue); err != nil {
		return state, err
	}
	if err := b.enter(); err != nil {
		return state, err
	}
	defer b.running.Done()
	ctx, stop := b.bound(ctx)
	defer stop()
	if state.Dead, err = b.ready(ctx, b.layout.dead(queue)); err != nil {
		return state, fmt.Errorf("dead letters of %s: %w", queue, err)
	}
	if state.Consumers, err = b.consumers(ctx, b.layout.queue(queue)); err != nil {
		return state, fmt.Errorf("consumers of %s: %w", queue, err)
	}
	return state, nil
}

func (b *Bus) consumers(ctx context.Context, name string) (int, error) {
	ch, conn, err := b.subLink.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(ch, conn)
	q, err := b.ask(ctx, ch, name)
	return q.Consumers, err
}
