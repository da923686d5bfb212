package rabbit

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// How far a stream's reader may be ahead of its acknowledgements, and how often it
// acknowledges. They mean nothing to a stream but that more may come.
const (
	streamPrefetch = 1000
	streamAckEvery = 250
)

// offsetHeader tells the place of a message in its stream, and as an argument where
// to begin.
const offsetHeader = "x-stream-offset"

// A place is where a listener is in a stream. It outlives connections.
type place struct {
	next    int64     // the offset to go on at, if known
	known   bool      // anything has come
	since   time.Time // when it first attached
	unacked int
}

// attach goes on where p is: the first time from now on.
// bind binds the stream, which is to be bound already.
func (b *Bus) attach(ch *amqp.Channel, topic string, p *place) (deliveries <-chan amqp.Delivery, bind func() error, err error) {
	if err := ch.Qos(streamPrefetch, 0, false); err != nil {
		return nil, nil, err
	}
	var from any = "next"
	switch {
	case p.known:
		from = p.next
	case !p.since.IsZero(): // the broker's clock may differ a little: rather too much than too little
		from = p.since.Add(-clockSlack)
	}
	deliveries, err = ch.Consume(b.layout.stream(topic), "", false, false, false, false, amqp.Table{offsetHeader: from})
	if err != nil {
		return nil, nil, err
	}
	p.unacked = 0
	if p.since.IsZero() {
		p.since = time.Now()
	}
	bind = func() error { return ch.QueueBind(b.layout.stream(topic), "#", b.layout.exchange(topic), false, nil) }
	return deliveries, bind, nil
}

// clockSlack is how far the broker's clock may be behind ours. Nothing is lost by it
// unless a connection ends before anything has come over it.
const clockSlack = 5 * time.Second

// passed notes that d was taken.
func (p *place) passed(d *amqp.Delivery) error {
	offset, ok := d.Headers[offsetHeader].(int64)
	if !ok {
		return fmt.Errorf("a message of a stream without its place: %v", d.Headers[offsetHeader])
	}
	p.next, p.known = offset+1, true
	if p.unacked++; p.unacked < streamAckEvery {
		return nil
	}
	p.unacked = 0
	return d.Ack(true)
}
