package rabbit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
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
	waiting []*item // not written, or to be written again
	seq     map[string]uint64
}

// An item is one message on its way.
type item struct {
	call      *call
	exchange  string
	key       string
	mandatory bool
	msg       amqp.Publishing
	seq       uint64 // within the exchange; 0 before it is first written
}

// A call is one Publish that waits for its messages.
type call struct {
	left int   // messages not confirmed
	err  error // the first refusal
	gone bool  // nobody waits any more
	done chan error
}

func newPublisher(b *Bus) *publisher {
	p := &publisher{bus: b, id: rand.Text(), seq: make(map[string]uint64)}
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
	for i, m := range messages {
		store[i] = item{exchange: exchange, key: m.Key, mandatory: len(queues) > 0, msg: publishing(m, now, h)}
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

// A pubSession is one channel for publishing. The publisher's mutex guards it.
type pubSession struct {
	conn     *conn
	tag      uint64 // of the last message written
	pending  map[uint64]*item
	progress time.Time // when the broker last confirmed, or had nothing to
	over     bool
}

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
	returns := ch.NotifyReturn(make(chan amqp.Return))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, p.bus.cfg.Window))
	if err := p.bus.pubLink.await(ctx, func() error { return ch.Confirm(false) }, nil); err != nil {
		return false, fmt.Errorf("ask for confirms: %w", err)
	}
	s := &pubSession{conn: conn, pending: make(map[uint64]*item), progress: time.Now()}
	read := make(chan struct{})
	p.bus.work.Go(func() {
		defer close(read)
		p.read(s, returns, confirms)
	})
	for err == nil {
		it := p.next(ctx, s)
		if it == nil {
			break
		}
		err = ch.Publish(it.exchange, it.key, it.mandatory, false, it.msg)
	}
	closeChannel(ch, conn)
	<-read
	p.requeue(s)
	return s.tag > uint64(len(s.pending)), err
}

// next waits until a message may be written and notes it as written; nil means
// that the session is over.
func (p *publisher) next(ctx context.Context, s *pubSession) *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case s.over || ctx.Err() != nil:
			return nil
		case len(p.waiting) > 0 && len(s.pending) < p.bus.cfg.Window && !s.conn.blocked.Load():
			it := p.waiting[0]
			p.waiting[0] = nil
			p.waiting = p.waiting[1:]
			p.written(s, it)
			return it
		}
		p.cond.Wait()
	}
}

func (p *publisher) written(s *pubSession, it *item) {
	if it.seq == 0 {
		p.seq[it.exchange]++
		it.seq = p.seq[it.exchange]
		it.msg.AppId = p.id
		it.msg.CorrelationId = strconv.FormatUint(it.seq, 10)
	}
	if len(s.pending) == 0 {
		s.progress = time.Now()
	}
	s.tag++
	s.pending[s.tag] = it
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
			p.confirmed(s, c)
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
	for _, it := range s.pending {
		if it.exchange == r.Exchange && it.msg.CorrelationId == r.CorrelationId {
			it.call.fail(fmt.Errorf("%w: %s (exchange %q, key %q)", ErrUnroutable, r.ReplyText, r.Exchange, r.RoutingKey))
		}
	}
	s.over = true // the next session declares the topology anew
	p.bus.log.Warn("a message was unroutable, declaring the topology again", "exchange", r.Exchange, "key", r.RoutingKey)
	s.conn.stale.Store(true)
	p.cond.Broadcast()
}

// confirmed settles one message. A refused one that no work queue should have is
// settled too: the queue of a listener died with the message on its way (measured
// on 4.3), the others have it, and that listener counts what it missed.
func (p *publisher) confirmed(s *pubSession, c amqp.Confirmation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	it, ok := s.pending[c.DeliveryTag]
	if !ok {
		return
	}
	delete(s.pending, c.DeliveryTag)
	s.progress = time.Now()
	if !c.Ack && it.mandatory {
		it.call.fail(fmt.Errorf("%w: the broker refused a message", bus.ErrFull))
	}
	it.call.settle()
	if len(s.pending) == p.bus.cfg.Window-1 {
		p.cond.Signal() // the writer is the only one that waits
	}
}

// doubt cuts a connection whose confirms have stopped.
func (p *publisher) doubt(s *pubSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(s.pending) == 0 || s.conn.blocked.Load() {
		s.progress = time.Now()
		return
	}
	if late := time.Since(s.progress); late > p.bus.cfg.ConfirmTimeout {
		p.bus.log.Warn("message broker does not confirm, connecting anew", "pending", len(s.pending), "for", late)
		s.conn.kill()
	}
}

// requeue puts what was not confirmed before everything else, in its order.
func (p *publisher) requeue(s *pubSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var again []*item
	for _, tag := range slices.SortedFunc(maps.Keys(s.pending), cmp.Compare[uint64]) {
		it := s.pending[tag]
		switch {
		case it.call.gone:
		case it.call.err != nil: // refused already: it is not tried again
			it.call.settle()
		default:
			again = append(again, it)
		}
	}
	p.waiting = append(again, p.waiting...)
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
