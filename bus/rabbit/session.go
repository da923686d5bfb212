package rabbit

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// stragglers is how long the acknowledgement of a batch may wait for the one
// before it, so that both go as one.
const stragglers = 20 * time.Millisecond

// firstLimit is how long a session may wait for what lay in the queue when it
// began, so that its first batch is not whatever came over the wire first.
const firstLimit = 100 * time.Millisecond

// A subscription is what all Consume calls of one queue share: whoever is free
// takes what has arrived, so that nothing waits behind a busy consumer here. It
// has one session after the other.
type subscription struct {
	bus   *Bus
	queue string
	refs  int // guarded by Bus.mu

	acknowledged, late prometheus.Counter

	cancel context.CancelFunc
	ended  chan struct{}

	mu   sync.Mutex
	cond *sync.Cond
	now  *session // nil while there is none
}

// A session is one channel with a consumer on it, and what came over it. Its end
// makes the broker give everything unsettled to somebody else, so whatever is
// said about that afterwards is dropped (storage notes 2, trap 1).
type session struct {
	sub  *subscription
	ch   *amqp.Channel
	conn *conn
	gone chan struct{} // closed when it has ended

	buf   []*entry // arrived and not taken; guarded by sub.mu
	first int      // how many must have arrived before the first batch; guarded by sub.mu

	ackMu sync.Mutex // marking and sending are one step
	acks  tracker
	over  bool
	later *time.Timer
}

// An entry is one delivery of a session.
type entry struct {
	bus.Delivery
	headers   amqp.Table
	refused   error // why no handler may see it
	tag       uint64
	arrivedAt time.Time
}

// join returns the subscription of queue and starts it for the first consumer.
func (b *Bus) join(queue string) *subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.subs[queue]
	if !ok {
		s = &subscription{
			bus: b, queue: queue, ended: make(chan struct{}),
			acknowledged: b.meters.acknowledged.WithLabelValues(queue), late: b.meters.late.WithLabelValues(queue),
		}
		s.cond = sync.NewCond(&s.mu)
		ctx, cancel := context.WithCancel(b.down)
		s.cancel = cancel
		b.subs[queue] = s
		b.work.Go(func() {
			defer close(s.ended)
			s.run(ctx)
		})
	}
	s.refs++
	return s
}

// leave ends the subscription with its last consumer; the broker gets back what
// was not settled.
func (b *Bus) leave(s *subscription) {
	b.mu.Lock()
	s.refs--
	last := s.refs == 0
	if last {
		delete(b.subs, s.queue)
	}
	b.mu.Unlock()
	if last {
		s.cancel()
		<-s.ended
	}
}

// run keeps a session until ctx ends.
func (s *subscription) run(ctx context.Context) {
	for delay := reconnectMin; ; {
		began := time.Now()
		err := s.session(ctx)
		if ctx.Err() != nil {
			return
		}
		s.bus.log.Debug("consuming is interrupted", "queue", s.queue, "err", err, "in", delay)
		if time.Since(began) > reconnectMax {
			delay = reconnectMin
		}
		if !pause(ctx, nil, delay) {
			return
		}
		delay = min(2*delay, reconnectMax)
	}
}

// session takes deliveries on one channel until it ends.
func (s *subscription) session(ctx context.Context) error {
	ch, conn, err := s.bus.subLink.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch, conn)
	lying, err := s.bus.waiting(ctx, ch, s.bus.layout.queue(s.queue))
	if err != nil {
		conn.stale.Store(true) // the queue may be missing
		return err
	}
	deliveries, err := s.bus.subLink.consume(ctx, ch, s.queue, s.bus.layout.queue(s.queue), s.bus.cfg.Prefetch)
	if err != nil {
		conn.stale.Store(true) // the queue may be missing
		return err
	}
	cur := &session{sub: s, ch: ch, conn: conn, gone: make(chan struct{})}
	cur.first = min(lying, s.bus.cfg.Prefetch, bus.MaxBatch)
	enough := time.NewTimer(firstLimit)
	defer enough.Stop()
	cancelled := ch.NotifyCancel(make(chan string, 1))
	s.change(cur)
	defer s.end(cur)
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return amqp.ErrClosed
			}
			cur.arrived(&d)
		case <-enough.C:
			cur.begin()
		case <-cancelled: // the queue was deleted
			conn.stale.Store(true)
			return amqp.ErrClosed
		case <-ctx.Done():
			cur.flush()
			cancelConsumer(ch, conn, s.queue)
			return nil
		}
	}
}

func (s *subscription) change(cur *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = cur
	s.cond.Broadcast()
}

// end forgets what the session holds.
func (s *subscription) end(cur *session) {
	s.change(nil)
	cur.ackMu.Lock()
	defer cur.ackMu.Unlock()
	cur.over = true
	if cur.later != nil {
		cur.later.Stop()
	}
	close(cur.gone)
}

func (cur *session) arrived(d *amqp.Delivery) {
	e := &entry{
		Delivery: decode(d), headers: d.Headers, refused: readable(d.Headers), tag: d.DeliveryTag, arrivedAt: time.Now(),
	}
	cur.ackMu.Lock()
	cur.acks.arrived(e.tag)
	cur.ackMu.Unlock()
	s := cur.sub
	s.mu.Lock()
	defer s.mu.Unlock()
	cur.buf = append(cur.buf, e)
	if len(cur.buf) >= cur.first {
		cur.first = 0
		s.cond.Broadcast() // one that is about to leave must not swallow it
	}
}

// begin lets consumers take whatever has arrived.
func (cur *session) begin() {
	s := cur.sub
	s.mu.Lock()
	defer s.mu.Unlock()
	cur.first = 0
	s.cond.Broadcast()
}

// take waits for what has arrived and returns as much of it as goes into one batch; nil
// when ctx has ended.
func (s *subscription) take(ctx context.Context) (*session, []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case ctx.Err() != nil:
			return nil, nil
		case s.now != nil && len(s.now.buf) > 0 && s.now.first == 0:
			n := batchLength(s.now.buf)
			batch := s.now.buf[:n:n]
			s.now.buf = s.now.buf[n:]
			if len(s.now.buf) > 0 {
				s.cond.Broadcast()
			}
			return s.now, batch
		}
		s.cond.Wait()
	}
}

// batchLength is how many of entries go into one batch: at least one.
func batchLength(entries []*entry) int {
	bytes := 0
	for n, e := range entries[:min(len(entries), bus.MaxBatch)] {
		if bytes += len(e.Body); bytes > bus.BatchBytes && n > 0 {
			return n
		}
	}
	return min(len(entries), bus.MaxBatch)
}

func (s *subscription) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cond.Broadcast()
}

// giveBack lets another consumer here have a batch; the broker gets it if there
// is none.
func (cur *session) giveBack(batch []*entry) {
	s := cur.sub
	s.mu.Lock()
	defer s.mu.Unlock()
	cur.buf = append(append([]*entry(nil), batch...), cur.buf...)
	s.cond.Broadcast()
}

// unsettled returns how many deliveries are here and not acknowledged.
func (s *subscription) unsettled() int {
	s.mu.Lock()
	cur := s.now
	s.mu.Unlock()
	if cur == nil {
		return 0
	}
	cur.ackMu.Lock()
	defer cur.ackMu.Unlock()
	return cur.acks.unsettled()
}

// settle acknowledges a batch: with one frame if everything before it is settled,
// else together with what is, a little later.
func (cur *session) settle(batch []*entry) {
	cur.ackMu.Lock()
	defer cur.ackMu.Unlock()
	if cur.over {
		cur.sub.late.Add(float64(len(batch)))
		return // the broker has given it to somebody else
	}
	for _, e := range batch {
		cur.acks.settle(e.tag)
	}
	if tag, n := cur.acks.advance(); tag > 0 {
		cur.ack(tag, n)
	}
	if cur.acks.deferred() && cur.later == nil {
		cur.later = time.AfterFunc(stragglers, cur.flush)
	}
}

// flush acknowledges one by one what lies behind an unsettled delivery.
func (cur *session) flush() {
	cur.ackMu.Lock()
	defer cur.ackMu.Unlock()
	cur.later = nil
	if cur.over {
		return
	}
	for _, tag := range cur.acks.loose() {
		cur.ack(tag, 0)
	}
}

// ack acknowledges a tag and up to n settled ones before it; 0 means it alone. It
// needs no answer: a lost one means that the messages come again.
func (cur *session) ack(tag uint64, n int) {
	count := float64(max(n, 1))
	if err := cur.ch.Ack(tag, n > 0); err != nil {
		cur.sub.bus.log.Debug("acknowledgement not sent", "queue", cur.sub.queue, "err", err)
		cur.sub.late.Add(count)
		cur.over = true
		return
	}
	cur.sub.acknowledged.Add(count)
}

// abandon makes the broker take everything back, by ending the channel.
func (cur *session) abandon() {
	cur.sub.bus.work.Go(func() { closeChannel(cur.ch, cur.conn) })
}
