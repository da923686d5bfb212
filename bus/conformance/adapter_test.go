package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/gcerrors"
	"gocloud.dev/pubsub/driver"

	"muster/bus"
)

// plain are the parts of a driver that have nothing to tell.
type plain struct{}

func (plain) As(any) bool             { return false }
func (plain) ErrorAs(error, any) bool { return false }
func (plain) IsRetryable(error) bool  { return false }

func (plain) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, bus.ErrTopic):
		return gcerrors.NotFound
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return gcerrors.DeadlineExceeded
	}
	return gcerrors.Unknown
}

// A topic is a work topic as a driver.Topic.
type topic struct {
	plain
	bus  bus.Bus
	name string
}

// A carried is what travels as a message's body: a bus has no metadata.
type carried struct {
	Body     []byte
	Metadata map[string]string
}

var lastID atomic.Int64

func (t *topic) SendBatch(ctx context.Context, ms []*driver.Message) error {
	all := make([]bus.Message, len(ms))
	for i, m := range ms {
		if m.BeforeSend != nil {
			if err := m.BeforeSend(t.As); err != nil {
				return err
			}
		}
		body, err := json.Marshal(carried{m.Body, m.Metadata})
		if err != nil {
			return err
		}
		all[i] = bus.Message{ID: strconv.FormatInt(lastID.Add(1), 10), Body: body}
	}
	if err := t.bus.Publish(ctx, t.name, all...); err != nil {
		return err
	}
	for _, m := range ms {
		if m.AfterSend != nil {
			if err := m.AfterSend(t.As); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *topic) Close() error { return nil }

// consumers is how many batches a subscription may hold at a time. A bus hands out
// no more to a consumer that has not settled, and the suite likes to hold many.
const consumers = 100

// A subscription is a durable queue as a driver.Subscription.
type subscription struct {
	plain
	bus     bus.Bus
	queue   string
	ctx     context.Context
	stop    context.CancelFunc
	begin   sync.Once
	running sync.WaitGroup
	offered chan *held

	mu    sync.Mutex
	acked map[string]bool // of batches that come again for the sake of others
}

// A held is a delivery that waits for its verdict, true to settle it.
type held struct {
	bus.Delivery
	verdict chan bool // holds the first one
}

func newSubscription(b bus.Bus, queue string) *subscription {
	s := &subscription{bus: b, queue: queue, offered: make(chan *held), acked: make(map[string]bool)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// handle offers what has no verdict yet, and has the batch come again if one of it
// was refused.
func (s *subscription) handle(ctx context.Context, b bus.Batch) error {
	defer context.AfterFunc(ctx, s.stop)() // the bus is closed: nobody else would say so
	var waiting []*held
	for _, d := range b.Deliveries {
		s.mu.Lock()
		done := s.acked[d.ID]
		s.mu.Unlock()
		if done {
			continue
		}
		h := &held{Delivery: d, verdict: make(chan bool, 1)}
		select {
		case s.offered <- h:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		waiting = append(waiting, h)
	}
	refused := false
	for _, h := range waiting {
		select {
		case ok := <-h.verdict:
			if refused = refused || !ok; ok {
				s.mu.Lock()
				s.acked[h.ID] = true
				s.mu.Unlock()
			}
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	if refused {
		return errors.New("not acknowledged")
	}
	return nil
}

func (s *subscription) ReceiveBatch(ctx context.Context, most int) ([]*driver.Message, error) {
	if _, err := s.bus.Depth(ctx, s.queue); err != nil {
		return nil, err
	}
	s.begin.Do(func() {
		for range consumers {
			s.running.Go(func() { _ = s.bus.Consume(s.ctx, s.queue, s.handle) }) // ends with ctx
		}
	})
	give := time.NewTimer(100 * time.Millisecond)
	defer give.Stop()
	var all []*driver.Message
	select {
	case h := <-s.offered:
		all = append(all, s.message(h))
	case <-give.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for len(all) < most {
		select {
		case h := <-s.offered:
			all = append(all, s.message(h))
			continue
		default:
		}
		break
	}
	return all, nil
}

func (s *subscription) message(h *held) *driver.Message {
	var c carried
	if err := json.Unmarshal(h.Body, &c); err != nil {
		c.Body = h.Body // which the suite will find wrong
	}
	return &driver.Message{LoggableID: h.ID, Body: c.Body, Metadata: c.Metadata, AckID: h, AsFunc: s.As}
}

func (s *subscription) SendAcks(_ context.Context, ids []driver.AckID) error { return judge(ids, true) }
func (s *subscription) SendNacks(_ context.Context, ids []driver.AckID) error {
	return judge(ids, false)
}
func (s *subscription) CanNack() bool { return true }

// judge takes the first verdict about each.
func judge(ids []driver.AckID, ok bool) error {
	for _, id := range ids {
		select {
		case id.(*held).verdict <- ok:
		default:
		}
	}
	return nil
}

func (s *subscription) Close() error {
	s.stop()
	s.running.Wait()
	return nil
}
