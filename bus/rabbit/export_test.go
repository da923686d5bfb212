package rabbit

import (
	"context"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Names returns what a bus with this configuration has on the broker.
func Names(cfg Config) (exchanges, queues []string) {
	l := newLayout(cfg.withDefaults())
	exchanges = append(exchanges, l.deadExchange())
	for _, topic := range slices.Sorted(maps.Keys(l.topology)) {
		exchanges = append(exchanges, l.exchange(topic))
	}
	for _, queue := range l.topology.Queues() {
		queues = append(queues, l.queue(queue), l.dead(queue))
	}
	return exchanges, queues
}

// QueueName returns a queue's name on the broker.
func QueueName(cfg Config, queue string) string { return newLayout(cfg.withDefaults()).queue(queue) }

// DropSession ends the connection for consuming, as a network would.
func (b *Bus) DropSession(ctx context.Context) error {
	c, err := b.subLink.get(ctx)
	if err != nil {
		return err
	}
	c.kill()
	<-c.done
	return nil
}

// SetBlocked does what a frame connection.blocked does.
func (b *Bus) SetBlocked(ctx context.Context, blocked bool) error {
	c, err := b.pubLink.get(ctx)
	if err != nil {
		return err
	}
	c.blocked.Store(blocked)
	b.pub.wake()
	return nil
}

// AfterRefusal returns what Publish returns when the broker refuses its message on a
// topic with a work queue, or on one that only listeners hear.
func AfterRefusal(work bool) error {
	p := newPublisher(&Bus{cfg: Config{}.withDefaults()})
	c := &call{left: 1, done: make(chan error, 1)}
	s := &pubSession{pending: map[uint64]*item{1: {call: c, mandatory: work}}}
	p.confirmed(s, amqp.Confirmation{DeliveryTag: 1})
	return <-c.done
}

// Decode, ReadLetter and AtLeastOnce open what has no door.
var (
	Decode      = decode
	ReadLetter  = letter
	AtLeastOnce = knowsAtLeastOnce
)

// A Tracker is the bookkeeping of delivery tags.
type Tracker struct{ t tracker }

func (t *Tracker) Arrived(tag uint64) { t.t.arrived(tag) }
func (t *Tracker) Settle(tag uint64)  { t.t.settle(tag) }
func (t *Tracker) Advance() uint64    { return t.t.advance() }
func (t *Tracker) Loose() []uint64    { return t.t.loose() }
