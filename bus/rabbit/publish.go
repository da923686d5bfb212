package rabbit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// A publisher writes what Publish calls bring, in order and one session after the
// other, and keeps at most Window messages unconfirmed. What a lost connection
// leaves unconfirmed is written again before anything else; receivers are
// idempotent (storage notes 2, trap 2).
type publisher struct {
	bus  *Bus
	id   string // names this publisher to listeners that count what they lost
	cond *sync.Cond

	mu      sync.Mutex
	waiting []*item           // not written, or to be written again
	pending int               // of the current session: written, not confirmed
	serial  uint64            // of the last mandatory message
	heard   map[string]uint64 // number of the last other message, by exchange
}

// An item is one message on its way.
type item struct {
	call      *call
	exchange  string
	key       string
	mandatory bool
	fleeting  bool // nothing on the broker keeps it: only the queues of listeners get it
	msg       bus.Message
	at        time.Time
	headers   amqp.Table // the driver only reads them: items may share them
	seq       uint64     // 0 before it is first written
}

// publishing is the item as it goes over the wire.
func (it *item) publishing(id string) amqp.Publishing {
	p := amqp.Publishing{
		Headers: it.headers, ContentType: contentType, DeliveryMode: amqp.Persistent,
		MessageId: it.msg.ID, Timestamp: it.at, Body: it.msg.Body, CorrelationId: strconv.FormatUint(it.seq, 10),
	}
	if !it.mandatory {
		p.AppId = id // whoever listens counts by it what is missing
	}
	return p
}

// A call is one Publish that waits for its messages.
type call struct {
	left int   // messages not confirmed
	err  error // the first refusal
	gone bool  // nobody waits any more
	done chan error
}

func newPublisher(b *Bus) *publisher {
	p := &publisher{bus: b, id: rand.Text(), heard: make(map[string]uint64)}
	p.cond = sync.NewCond(&p.mu)
	return p
}

// Publish implements bus.Bus. It returns once the broker has confirmed all
// messages, within ctx even if the broker blocks or the connection hangs; a lost
// connection is waited for. ErrUnroutable means that the queue is gone.
func (b *Bus) Publish(ctx context.Context, topic string, messages ...bus.Message) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.running.Done()
	queues, ok := b.cfg.Topology[topic]
	if !ok {
		return fmt.Errorf("%w: topic %q", bus.ErrTopic, topic)
	}
	for _, m := range messages {
		if err := m.Check(); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	h := headers(now)
	items := make([]*item, len(messages))
	store := make([]item, len(messages))
	exchange := b.layout.exchange(topic)
	fleeting := len(queues) == 0 && !slices.Contains(b.layout.lasting, topic)
	for i, m := range messages {
		store[i] = item{exchange: exchange, key: m.Key, mandatory: len(queues) > 0, fleeting: fleeting, msg: m, at: now, headers: h}
		items[i] = &store[i]
	}
	ctx, stop := b.bound(ctx)
	defer stop()
	if err := b.pub.do(ctx, items); err != nil {
		if errors.Is(err, context.Canceled) && b.ctx.Err() != nil {
			return bus.ErrClosed
		}
		return err
	}
	return nil
}

// do hands items to the writer and waits for their confirms, or for ctx. The items
// are the publisher's from then on.
func (p *publisher) do(ctx context.Context, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	c := &call{left: len(items), done: make(chan error, 1)}
	for _, it := range items {
		it.call = c
	}
	p.mu.Lock()
	if n := len(p.waiting); n > 0 && n+len(items) > p.bus.cfg.MaxWaiting {
		p.mu.Unlock()
		return fmt.Errorf("%w: %d messages wait for the broker, limit %d", bus.ErrFull, n, p.bus.cfg.MaxWaiting)
	}
	p.waiting = append(p.waiting, items...)
	p.cond.Broadcast()
	p.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.gone = true
	p.waiting = slices.DeleteFunc(p.waiting, func(it *item) bool { return it.call == c })
	return ctx.Err()
}

// unconfirmed and unwritten are for the metrics.
func (p *publisher) unconfirmed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending
}

func (p *publisher) unwritten() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

func (p *publisher) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cond.Broadcast()
}

// run keeps a session until no call runs any more.
func (p *publisher) run() {
	ctx := p.bus.down
	stop := context.AfterFunc(ctx, p.wake)
	defer stop()
	for delay := reconnectMin; ; {
		worked, err := p.session(ctx)
		if worked {
			delay = reconnectMin
		}
		if err != nil && ctx.Err() == nil {
			p.bus.log.Debug("publishing is interrupted", "err", err, "in", delay)
		}
		if !pause(ctx, nil, delay) {
			return
		}
		delay = min(2*delay, reconnectMax)
	}
}

// runLength is how many messages are written at a time, at most.
const runLength = 250

// A pubSession is one channel for publishing. The publisher's mutex guards it.
type pubSession struct {
	conn *conn
	// pending are the messages written and not confirmed, by tag modulo its length,
	// which is the window: tags from first to last. nil is one confirmed early.
	pending     []*item
	first, last uint64
	open        int       // how many of pending are not nil
	full        bool      // the writer waits for room in the window
	progress    time.Time // when the broker last confirmed, or had nothing to
	over        bool
}

func (s *pubSession) slot(tag uint64) **item { return &s.pending[tag%uint64(len(s.pending))] }

// room is how many messages may be written.
func (s *pubSession) room() int { return len(s.pending) - int(s.last+1-s.first) }

// session publishes on one channel until it ends. It reports whether anything was
// confirmed.
func (p *publisher) session(ctx context.Context) (worked bool, err error) {
	ch, conn, err := p.bus.pubLink.channel(ctx)
	if err != nil {
		return false, err
	}
	defer closeChannel(ch, conn)
	// The driver hands over returns and confirms in the order they came: returns
	// has no buffer, so a return is seen before its confirm is even sent.
	ended := ch.NotifyClose(make(chan *amqp.Error, 1))
	returns := ch.NotifyReturn(make(chan amqp.Return))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, p.bus.cfg.Window))
	if err := p.bus.pubLink.await(ctx, func() error { return ch.Confirm(false) }, nil); err != nil {
		return false, fmt.Errorf("ask for confirms: %w", err)
	}
	s := &pubSession{conn: conn, pending: make([]*item, p.bus.cfg.Window), first: 1, progress: time.Now()}
	read := make(chan struct{})
	p.bus.work.Go(func() {
		defer close(read)
		p.read(s, returns, confirms)
	})
	var run []*item
	for err == nil {
		if run = p.next(ctx, s, run[:0]); len(run) == 0 {
			break
		}
		err = p.write(ch, conn, run)
	}
	closeChannel(ch, conn)
	<-read
	if e := <-ended; e != nil && e.Server {
		conn.stale.Store(true) // as for an exchange that is missing
		err = errors.Join(err, e)
	}
	return p.requeue(s), err
}

// write sends a run of messages in as few packets as they fit in: the driver alone
// would send each by itself.
func (p *publisher) write(ch *amqp.Channel, conn *conn, run []*item) error {
	conn.raw.hold()
	var err error
	for _, it := range run {
		if err = ch.Publish(it.exchange, it.key, it.mandatory, false, it.publishing(p.id)); err != nil {
			break
		}
	}
	if held := conn.raw.release(); held != nil {
		conn.kill() // the driver does not know that a part is missing
		err = errors.Join(err, held)
	}
	return err
}

// next waits until messages may be written, notes them as written and appends them
// to run; none means that the session is over.
func (p *publisher) next(ctx context.Context, s *pubSession, run []*item) []*item {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if s.over || ctx.Err() != nil {
			return run
		}
		s.full = s.room() <= 0
		if n := min(len(p.waiting), s.room(), runLength); n > 0 && !s.conn.blocked.Load() {
			for _, it := range p.waiting[:n] {
				p.written(s, it)
			}
			run = append(run, p.waiting[:n]...)
			clear(p.waiting[:n])
			p.waiting = p.waiting[n:]
			p.pending = s.open
			return run
		}
		p.cond.Wait()
	}
}

func (p *publisher) written(s *pubSession, it *item) {
	switch {
	case it.seq != 0:
		p.bus.meters.rewritten.Inc()
	case it.mandatory:
		p.serial++
		it.seq = p.serial
	default:
		p.heard[it.exchange]++
		it.seq = p.heard[it.exchange]
	}
	if s.open == 0 {
		s.progress = time.Now()
	}
	s.last++
	*s.slot(s.last) = it
	s.open++
}

// read takes what the broker says until the session ends.
func (p *publisher) read(s *pubSession, returns <-chan amqp.Return, confirms <-chan amqp.Confirmation) {
	tick := time.NewTicker(p.bus.cfg.ConfirmTimeout / 4)
	defer tick.Stop()
	for returns != nil || confirms != nil {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				break
			}
			p.returned(s, r)
		case c, ok := <-confirms:
			if !ok {
				confirms = nil
				break
			}
			p.confirmed(s, c, confirms)
		case <-tick.C:
			p.doubt(s)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.over = true
	p.cond.Broadcast()
}

// returned notes that a message had no queue. Its confirm follows.
func (p *publisher) returned(s *pubSession, r amqp.Return) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seq, _ := strconv.ParseUint(r.CorrelationId, 10, 64)
	for _, it := range s.pending {
		if it != nil && it.mandatory && it.seq == seq {
			it.call.fail(fmt.Errorf("%w: %s (exchange %q, key %q)", ErrUnroutable, r.ReplyText, r.Exchange, r.RoutingKey))
		}
	}
	p.bus.meters.returned.Inc()
	s.over = true // the next session declares the topology anew
	p.bus.log.Warn("a message was unroutable, declaring the topology again", "exchange", r.Exchange, "key", r.RoutingKey)
	s.conn.stale.Store(true)
	p.cond.Broadcast()
}

// confirmed settles one message, and those whose confirms have come since.
func (p *publisher) confirmed(s *pubSession, c amqp.Confirmation, more <-chan amqp.Confirmation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	acks := 0
	for n := len(more); ; n-- {
		if p.settle(s, c) && c.Ack {
			acks++
		}
		if n <= 0 {
			break
		}
		c = <-more // one of those that were there; the zero value after a close does nothing
	}
	p.bus.meters.confirmed.Add(float64(acks))
	s.progress = time.Now()
	p.pending = s.open
	if s.full && s.room() > 0 {
		p.cond.Signal() // the writer is the only one that waits
	}
}

// settle decides one message; false if it is decided already. A fleeting one that is
// refused is settled too: the queue of a listener died with the message on its way
// (measured on 4.3), the others have it, and that listener counts what it missed.
func (p *publisher) settle(s *pubSession, c amqp.Confirmation) bool {
	if c.DeliveryTag < s.first || c.DeliveryTag > s.last || *s.slot(c.DeliveryTag) == nil {
		return false
	}
	it := *s.slot(c.DeliveryTag)
	*s.slot(c.DeliveryTag) = nil
	s.open--
	for s.first <= s.last && *s.slot(s.first) == nil {
		s.first++
	}
	if !c.Ack {
		p.bus.meters.refused.Inc()
	}
	if !c.Ack && !it.fleeting {
		it.call.fail(fmt.Errorf("%w: the broker refused a message", bus.ErrFull))
	}
	it.call.settle()
	return true
}

// doubt cuts a connection whose confirms have stopped.
func (p *publisher) doubt(s *pubSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.open == 0 || s.conn.blocked.Load() {
		s.progress = time.Now()
		return
	}
	if late := time.Since(s.progress); late > p.bus.cfg.ConfirmTimeout {
		p.bus.log.Warn("message broker does not confirm, connecting anew", "pending", s.open, "for", late)
		s.conn.kill()
	}
}

// requeue puts what was not confirmed before everything else, in its order. It
// reports whether anything was confirmed.
func (p *publisher) requeue(s *pubSession) (worked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = 0
	var again []*item
	for tag := s.first; tag <= s.last; tag++ {
		it := *s.slot(tag)
		switch {
		case it == nil || it.call.gone:
		case it.call.err != nil: // refused already: it is not tried again
			it.call.settle()
		default:
			again = append(again, it)
		}
	}
	p.waiting = append(again, p.waiting...)
	return s.last > uint64(s.open)
}

// fail notes the first refusal of a call.
func (c *call) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// settle counts one message as decided.
func (c *call) settle() {
	if c.left--; c.left == 0 {
		c.done <- c.err
	}
}
