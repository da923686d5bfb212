package rabbit

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
	"muster/internal/outage"
)

// Listen implements bus.Bus. What was published while the connection was lost
// counts as lost once the next message of its publisher arrives; of a lasting topic
// it is heard late instead, and only what the broker let go of counts.
func (b *Bus) Listen(ctx context.Context, topic string, ready func(), h func(bus.Message, int)) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.running.Done()
	if queues, ok := b.cfg.Topology[topic]; !ok || len(queues) > 0 {
		return fmt.Errorf("%w: broadcast topic %q", bus.ErrTopic, topic)
	}
	ctx, stop := b.bound(ctx)
	defer stop()
	l := &listener{wake: make(chan struct{}, 1), last: make(map[string]uint64)}
	if slices.Contains(b.cfg.Lasting, topic) {
		l.place = &place{}
	}
	var pumping sync.WaitGroup
	defer pumping.Wait()
	standing := make(chan struct{})
	pumping.Go(func() { b.pump(ctx, topic, l, sync.OnceFunc(func() { close(standing) })) })
	select {
	case <-standing:
		if ready != nil {
			ready()
		}
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		if m, lost, ok := l.pop(); ok {
			b.callListener(ctx, h, m, lost)
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
	return b.ended()
}

// callListener keeps a panic from ending the process: one bad message must not
// silence a role.
func (b *Bus) callListener(ctx context.Context, h func(bus.Message, int), m bus.Message, lost int) {
	defer func() {
		if p := recover(); p != nil {
			b.log.ErrorContext(ctx, "listener panicked", "id", m.ID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	h(m, lost)
}

// pump fills l from one session after the other until ctx ends.
func (b *Bus) pump(ctx context.Context, topic string, l *listener, ready func()) {
	refused := outage.New(b.log.With("topic", topic), nil,
		"message broker refuses a listener, trying again", "message broker serves the listener again")
	for delay := reconnectMin; ; {
		stood, err := b.hear(ctx, topic, l, func() { refused.Answered(ctx); ready() })
		if accessRefused(err) {
			refused.Failed(ctx, err)
		}
		if stood {
			delay = reconnectMin
		}
		if ctx.Err() == nil {
			b.log.Debug("listening is interrupted", "topic", topic, "err", err, "in", delay)
		}
		if !pause(ctx, nil, delay) {
			return
		}
		delay = min(2*delay, reconnectMax)
	}
}

// bindEvery is how often a listener binds its queue anew. An exchange that was
// deleted and made again has no bindings, and nobody would say so.
const bindEvery = 10 * time.Second

// hear listens on one channel until it ends.
func (b *Bus) hear(ctx context.Context, topic string, l *listener, ready func()) (stood bool, err error) {
	ch, conn, err := b.subLink.channel(ctx)
	if err != nil {
		return false, err
	}
	defer closeChannel(ch, conn)
	var deliveries <-chan amqp.Delivery
	var bind func() error
	err = b.subLink.await(ctx, func() (err error) {
		if l.place != nil {
			deliveries, bind, err = b.attach(ch, topic, l.place)
		} else {
			deliveries, bind, err = b.tune(ch, topic)
		}
		return err
	}, nil)
	if err != nil {
		conn.stale.Store(true) // the exchange or the stream may be missing
		return false, err
	}
	cancelled := ch.NotifyCancel(make(chan string, 1))
	ready()
	tick := time.NewTicker(bindEvery)
	defer tick.Stop()
	bound := make(chan error, 1)
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return true, amqp.ErrClosed
			}
			l.add(&d)
			if l.place != nil {
				if err := l.place.passed(&d); err != nil {
					return true, err
				}
			}
		case <-tick.C:
			b.subLink.tasks.Go(func() {
				select {
				case bound <- bind():
				default: // an answer waits already
				}
			})
		case err := <-bound:
			if err != nil {
				conn.stale.Store(true) // the exchange is missing
				return true, err
			}
		case <-cancelled:
			return true, amqp.ErrClosed
		case <-ctx.Done():
			return true, nil
		}
	}
}

// tune hears a topic from now on. The queue is the broker's to name and to delete;
// bind binds it, and may be called again.
func (b *Bus) tune(ch *amqp.Channel, topic string) (deliveries <-chan amqp.Delivery, bind func() error, err error) {
	q, err := ch.QueueDeclare("", false, true, true, false, listenerArgs())
	if err != nil {
		return nil, nil, err
	}
	bind = func() error { return ch.QueueBind(q.Name, "#", b.layout.exchange(topic), false, nil) }
	if err := bind(); err != nil {
		return nil, nil, err
	}
	deliveries, err = ch.Consume(q.Name, "", true, true, false, false, nil)
	return deliveries, bind, err
}

// maxPublishers is how many publishers a listener keeps count of; above it the
// counting begins anew.
const maxPublishers = 1000

// A listener is a ring of messages not yet handed over.
type listener struct {
	wake chan struct{}
	last map[string]uint64 // by publisher; the pump's alone
	// place is where it is in a stream, nil for a topic that is not kept; the pump's.
	place *place

	mu   sync.Mutex
	ring []bus.Message // grows by doubling up to listenerBound
	head int
	n    int
	// bytes of the bodies in ring.
	bytes int
	lost  int // since the last pop
}

// add takes a delivery, unless it came before. One of a schema that this build does
// not read counts as lost.
func (l *listener) add(d *amqp.Delivery) {
	missed, again := l.count(d)
	if again {
		return
	}
	unreadable := readable(d.Headers) != nil
	if unreadable {
		missed++ // nobody here may see it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += missed
	if unreadable {
		return
	}
	l.put(decode(d).Message)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// count tells by the publisher's numbers what never arrived, and what a publisher
// wrote again after a lost connection.
func (l *listener) count(d *amqp.Delivery) (missed int, again bool) {
	seq, err := strconv.ParseUint(d.CorrelationId, 10, 63)
	if d.AppId == "" || err != nil {
		return 0, false // not one of ours
	}
	last, known := l.last[d.AppId]
	if known && seq <= last {
		return 0, true
	}
	if known {
		missed = int(min(seq-last-1, 1<<31))
	} else if len(l.last) >= maxPublishers {
		clear(l.last)
	}
	l.last[d.AppId] = seq
	return missed, false
}

// put appends m. What is beyond the bounds goes, the oldest first.
func (l *listener) put(m bus.Message) {
	for l.n > 0 && (l.n >= listenerBound || l.bytes+len(m.Body) > listenerBytes) {
		l.shift()
		l.lost++
	}
	if l.n == len(l.ring) {
		l.grow()
	}
	l.ring[(l.head+l.n)%len(l.ring)] = m
	l.n++
	l.bytes += len(m.Body)
}

// shift takes the oldest out.
func (l *listener) shift() (m bus.Message) {
	m, l.ring[l.head] = l.ring[l.head], m
	l.head = (l.head + 1) % len(l.ring)
	l.n--
	l.bytes -= len(m.Body)
	return m
}

// grow makes room for more messages.
func (l *listener) grow() {
	bigger := make([]bus.Message, max(16, 2*len(l.ring)))
	for i := range l.n {
		bigger[i] = l.ring[(l.head+i)%len(l.ring)]
	}
	l.ring, l.head = bigger, 0
}

func (l *listener) pop() (m bus.Message, lost int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return bus.Message{}, 0, false
	}
	lost, l.lost = l.lost, 0
	return l.shift(), lost, true
}
