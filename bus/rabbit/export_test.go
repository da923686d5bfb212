package rabbit

import (
	"context"
	"maps"
	"net"
	"slices"
	"time"

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
	for _, topic := range l.lasting {
		queues = append(queues, l.stream(topic))
	}
	return exchanges, queues
}

// QueueName returns a queue's name on the broker.
func QueueName(cfg Config, queue string) string { return newLayout(cfg.withDefaults()).queue(queue) }

// ExchangeName returns the name of a topic's exchange on the broker.
func ExchangeName(cfg Config, topic string) string {
	return newLayout(cfg.withDefaults()).exchange(topic)
}

// A Socket is what a bus writes to.
type Socket struct{ socket }

// NewSocket returns one over c.
func NewSocket(c net.Conn) *Socket { return &Socket{socket{Conn: c, limit: time.Second}} }

func (s *Socket) Hold()          { s.hold() }
func (s *Socket) Release() error { return s.release() }

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
// topic that something keeps, or on a fleeting one.
func AfterRefusal(fleeting bool) error {
	p := newPublisher(&Bus{cfg: Config{}.withDefaults(), meters: newMetrics()})
	c := &call{left: 1, done: make(chan error, 1)}
	s := &pubSession{pending: make([]*item, 10), first: 1}
	p.written(s, &item{call: c, fleeting: fleeting})
	p.confirmed(s, amqp.Confirmation{DeliveryTag: 1}, nil)
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
func (t *Tracker) Advance() uint64    { tag, _ := t.t.advance(); return tag }
func (t *Tracker) Loose() []uint64    { return t.t.loose() }
