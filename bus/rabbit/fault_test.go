package rabbit_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
	"muster/internal/cutproxy"
)

// mustProxy returns a proxy before the broker.
func mustProxy(t testing.TB, rawURL string) *cutproxy.Proxy {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal("the broker's URL cannot be read")
	}
	return cutproxy.New(t, "tcp", u.Host)
}

// within returns the next value of c, or fails the test.
func within[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came; gave up")
		panic("unreachable")
	}
}

// eventually polls until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// consume runs h in the background until the test ends.
func consume(t *testing.T, b *rabbit.Bus, h bus.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, bustest.Only, h) }()
	t.Cleanup(func() {
		cancel()
		if err := within(t, done); err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Errorf("consume: %v", err)
		}
	})
}

// A seen counts how often each message was handled with success.
type seen struct {
	mu    sync.Mutex
	times map[string]int
}

func (s *seen) add(batch bus.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range batch.Deliveries {
		s.times[d.ID]++
	}
}

func (s *seen) distinct() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

func mustPublish(t *testing.T, b *rabbit.Bus, messages ...bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Publish(ctx, bustest.Solo, messages...); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func TestCutConnectionsLoseNothing(t *testing.T) {
	cfg := config(t)
	p := mustProxy(t, cfg.URL)
	own := cfg
	own.URL = p.URL(cfg.URL)
	reg := prometheus.NewRegistry()
	own.Registerer = reg
	b := mustOpen(t, own)
	const publishes, each = 40, 100
	s := &seen{times: make(map[string]int)}
	var batches atomic.Int64
	consume(t, b, func(_ context.Context, batch bus.Batch) error {
		if n := batches.Add(1); n%7 == 3 && n < 50 {
			p.Cut() // with the batch in hand, and an end to it
		}
		s.add(batch)
		return nil
	})
	for i := range publishes {
		if i%10 == 5 {
			p.Cut()
		}
		mustPublish(t, b, messages(i*each, (i+1)*each)...)
	}
	for n := s.distinct(); n < publishes*each; n = s.distinct() { // however slowly, as long as it goes on
		eventually(t, "more messages were handled", func() bool { return s.distinct() > n })
	}
	if p.Made() < 4 {
		t.Errorf("%d connections: nothing was cut", p.Made())
	}
	const all = publishes * each
	eventually(t, "everything is acknowledged", func() bool {
		return metric(t, reg, "muster_broker_acknowledged_total")+metric(t, reg, "muster_broker_late_total") >= all
	})
	if got := metric(t, reg, "muster_broker_confirmed_total"); got < all {
		t.Errorf("%v confirmed, want %d or more", got, all)
	}
	if made := metric(t, reg, "muster_broker_connections_total"); made < 4 {
		t.Errorf("%v connections counted, want 4 or more", made)
	}
	for _, name := range []string{"muster_broker_unconfirmed", "muster_broker_waiting", "muster_broker_blocked", "muster_broker_blocked_seconds_total"} {
		if got := metric(t, reg, name); got != 0 {
			t.Errorf("%s is %v at rest, want 0", name, got)
		}
	}
}

func TestEachConnectionSaysOfItselfThatItIsLostAndBack(t *testing.T) {
	cfg := config(t)
	p := mustProxy(t, cfg.URL)
	own, log := cfg, &logBuffer{}
	own.URL, own.Log = p.URL(cfg.URL), slog.New(slog.NewTextHandler(log, nil))
	b := mustOpen(t, own)
	consume(t, b, func(context.Context, bus.Batch) error { return nil })
	said := func(line, link string) int {
		log.mu.Lock()
		defer log.mu.Unlock()
		n := 0
		for text := range strings.Lines(log.b.String()) {
			if strings.Contains(text, line) && strings.Contains(text, "link="+link) {
				n++
			}
		}
		return n
	}
	links := []string{"publish", "consume"}
	both := func(line string) {
		t.Helper()
		for _, link := range links {
			eventually(t, link+": "+line, func() bool { return said(line, link) > 0 })
		}
	}
	p.Set(cutproxy.Cut)
	both("connection to the message broker lost")
	both("does not answer, trying again")
	p.Set(cutproxy.Pass)
	both("message broker answers again")
	p.Cut() // and what is made after it passes
	both("connection to the message broker stands again")
	for line, want := range map[string]int{"broker lost": 2, "does not answer": 1, "answers again": 1, "stands again": 1} {
		for _, link := range links {
			if n := said(line, link); n != want {
				t.Errorf("%s says %q %d times, want %d", link, line, n, want)
			}
		}
	}
}

func TestARefusedMessageIsAnErrorUnlessOnlyListenersHearIt(t *testing.T) {
	if err := rabbit.AfterRefusal(false); !errors.Is(err, bus.ErrFull) {
		t.Errorf("refused by a queue for work or a stream: got %v, want bus.ErrFull", err)
	}
	if err := rabbit.AfterRefusal(true); err != nil {
		t.Errorf("refused by the queue of a listener that went away: got %v, want none", err)
	}
}

func TestABlackHoleEndsPublishWithItsContextAndIsLeft(t *testing.T) {
	cfg := config(t)
	p := mustProxy(t, cfg.URL)
	own := cfg
	own.URL = p.URL(cfg.URL)
	b := mustOpen(t, own)
	mustPublish(t, b, message(0))
	p.Set(cutproxy.Swallow)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := b.Publish(ctx, bustest.Solo, messages(1, 2000)...); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("publish into a black hole: got %v, want context.DeadlineExceeded", err)
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- b.Publish(ctx, bustest.Solo, message(2000))
	}()
	before := p.Accepted() // the silent connections are given up, the new ones work
	eventually(t, "the silent connection is noticed", func() bool { return p.Accepted() > before })
	p.Set(cutproxy.Pass)
	if err := within(t, done); err != nil {
		t.Fatalf("publish after the black hole: %v", err)
	}
}

func TestAnOldSessionsAcknowledgementIsDropped(t *testing.T) {
	b := mustOpen(t, config(t))
	mustPublish(t, b, messages(0, 100)...)
	s := &seen{times: make(map[string]int)}
	var first atomic.Bool
	var again atomic.Int64
	consume(t, b, func(ctx context.Context, batch bus.Batch) error {
		if first.CompareAndSwap(false, true) {
			return b.DropSession(ctx) // success, told to a session that is gone
		}
		for _, d := range batch.Deliveries {
			if d.Attempt > 1 {
				again.Add(1)
			}
		}
		s.add(batch)
		return nil
	})
	eventually(t, "all came again", func() bool { return s.distinct() == 100 })
	if again.Load() < 100 {
		t.Errorf("%d deliveries say that they came again, want 100", again.Load())
	}
	mustPublish(t, b, messages(100, 300)...)
	eventually(t, "what has the old tags is not lost", func() bool { return s.distinct() == 300 })
}

func TestABatchThatFailsForTooLongGoesBackToTheQueue(t *testing.T) {
	cfg := config(t)
	cfg.HoldLimit, cfg.RetryMin = 20*time.Millisecond, 10*time.Millisecond
	b := mustOpen(t, cfg)
	mustPublish(t, b, messages(0, 5)...)
	s := &seen{times: make(map[string]int)}
	var attempts atomic.Int64
	var redelivered atomic.Bool
	consume(t, b, func(_ context.Context, batch bus.Batch) error {
		if attempts.Add(1) < 12 {
			return errTry
		}
		redelivered.Store(batch.Deliveries[0].Attempt > 1)
		s.add(batch)
		return nil
	})
	eventually(t, "all were handled", func() bool { return s.distinct() == 5 })
	if !redelivered.Load() {
		t.Error("the last attempt does not know that it is not the first")
	}
}

func TestTheBrokerPutsAsideWhatKillsItsConsumersAgainAndAgain(t *testing.T) {
	cfg := config(t)
	cfg.DeliveryLimit = 2
	b := mustOpen(t, cfg)
	mustPublish(t, b, message(7))
	consume(t, b, func(ctx context.Context, _ bus.Batch) error {
		return errors.Join(b.DropSession(ctx), errTry)
	})
	var dead []bus.Letter
	eventually(t, "the message is a dead letter", func() bool {
		var err error
		if dead, err = b.List(context.Background(), bustest.Only, 10); err != nil {
			return false // its connection is being cut
		}
		return len(dead) == 1
	})
	if d := dead[0]; d.ID != message(7).ID || d.Key != message(7).Key || d.Queue != bustest.Only || !strings.Contains(d.Reason, "delivery_limit") {
		t.Errorf("got %+v, want message 7 put aside for its deliveries", d)
	}
}

func TestABlockedBrokerHoldsPublishNoLongerThanItsContext(t *testing.T) {
	b := mustOpen(t, config(t))
	ctx := context.Background()
	if err := b.SetBlocked(ctx, true); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := b.Publish(short, bustest.Solo, message(0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish while blocked: got %v, want context.DeadlineExceeded", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Publish(ctx, bustest.Solo, message(1)) }()
	if err := b.SetBlocked(ctx, false); err != nil {
		t.Fatal(err)
	}
	if err := within(t, done); err != nil {
		t.Errorf("publish once it takes messages again: %v", err)
	}
	eventually(t, "only what was confirmed is there", func() bool {
		n, err := b.Depth(ctx, bustest.Only)
		return err == nil && n == 1
	})
}

func TestWhatWaitsForABlockedBrokerIsBounded(t *testing.T) {
	cfg := config(t)
	cfg.MaxWaiting = 10
	b := mustOpen(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.SetBlocked(ctx, true); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := bus.ErrFull
		for errors.Is(err, bus.ErrFull) { // the one below may have been first
			err = b.Publish(ctx, bustest.Solo, messages(0, 10)...)
		}
		done <- err
	}()
	eventually(t, "publish is refused", func() bool {
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		return errors.Is(b.Publish(short, bustest.Solo, message(10)), bus.ErrFull)
	})
	cancel()
	if err := within(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: got %v, want context.Canceled", err)
	}
}

func TestAnUnroutableMessageIsAnErrorAndHealsTheTopology(t *testing.T) {
	cfg := config(t)
	b := mustOpen(t, cfg)
	withChannel(t, cfg.URL, func(amqpCh *amqp.Channel) {
		if _, err := amqpCh.QueueDelete(rabbit.QueueName(cfg, bustest.Only), false, false, false); err != nil {
			t.Fatal(err)
		}
	})
	if err := b.Publish(context.Background(), bustest.Solo, message(0)); !errors.Is(err, rabbit.ErrUnroutable) {
		t.Fatalf("publish without a queue: got %v, want ErrUnroutable", err)
	}
	eventually(t, "publishing works again", func() bool {
		return b.Publish(context.Background(), bustest.Solo, message(1)) == nil
	})
}

func TestAnotherTopologyIsRefusedAtOnce(t *testing.T) {
	cfg := config(t)
	mustOpen(t, cfg)
	cfg.DeliveryLimit = 77
	_, err := rabbit.Open(context.Background(), cfg)
	if !errors.Is(err, rabbit.ErrTopology) || !strings.Contains(err.Error(), rabbit.QueueName(cfg, "")) {
		t.Errorf("got %v, want ErrTopology that names the queue", err)
	}
}

func TestOpenSaysWhatIsWrongWithoutThePassword(t *testing.T) {
	const secret = "hunter2-secret"
	tests := []struct{ name, url, want string }{
		{"nobody listens", "amqp://guest:" + secret + "@127.0.0.1:1/", "no broker within"},
		{"not a URL", "amqp://guest:" + secret + "@host:port/%zz", "cannot be read"},
		{"another scheme", "http://guest:" + secret + "@127.0.0.1/", "amqp://"},
	}
	for _, test := range tests {
		_, err := rabbit.Open(context.Background(), rabbit.Config{
			URL: test.url, Topology: bustest.Topology(), OpenTimeout: 50 * time.Millisecond,
		})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want one about %q and no password", test.name, err, test.want)
		}
	}
}

func TestAWrongPasswordIsRefusedAtOnce(t *testing.T) {
	broker := brokerURL(t)
	_, host, _ := strings.Cut(broker, "@")
	const secret = "hunter2-secret"
	_, err := rabbit.Open(context.Background(), rabbit.Config{URL: "amqp://guest:" + secret + "@" + host, Topology: bustest.Topology()})
	if !errors.Is(err, rabbit.ErrAccess) || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v, want ErrAccess without the password", err)
	}
}

func TestAListenerIsToldWhatALostConnectionCost(t *testing.T) {
	b := mustOpen(t, config(t))
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	var total, lost atomic.Int64
	go func() {
		done <- b.Listen(ctx, bustest.News, func() { close(ready) }, func(_ bus.Message, n int) {
			total.Add(1)
			lost.Add(int64(n))
		})
	}()
	within(t, ready)
	publish := func(n int) {
		if err := b.Publish(context.Background(), bustest.News, message(n)); err != nil {
			t.Fatal(err)
		}
	}
	publish(0)
	eventually(t, "the first was heard", func() bool { return total.Load() == 1 })
	if err := b.DropSession(ctx); err != nil {
		t.Fatal(err)
	}
	sent := int64(1)
	eventually(t, "it hears again", func() bool {
		publish(int(sent))
		sent++
		return total.Load() > 1
	})
	eventually(t, "all are accounted for", func() bool { return total.Load()+lost.Load() == sent })
	cancel()
	if err := within(t, done); err != nil {
		t.Errorf("listen: %v", err)
	}
}
