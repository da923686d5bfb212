package rabbit_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
	"muster/internal/cutproxy"
	"muster/internal/testservers"
)

// A hearer keeps what a listener heard.
type hearer struct {
	mu   sync.Mutex
	ids  []string
	lost int
}

func (h *hearer) hear(m bus.Message, lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids = append(h.ids, m.ID)
	h.lost += lost
}

func (h *hearer) heard() (ids []string, lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ids), h.lost
}

// listenTo has b listen to the topic that is kept until the test ends.
func listenTo(t *testing.T, b *rabbit.Bus) *hearer {
	t.Helper()
	h := &hearer{}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- b.Listen(ctx, bustest.News, func() { close(ready) }, h.hear) }()
	within(t, ready)
	t.Cleanup(func() {
		cancel()
		if err := within(t, done); err != nil {
			t.Errorf("listen: %v", err)
		}
	})
	return h
}

func mustTell(t *testing.T, b *rabbit.Bus, messages ...bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Publish(ctx, bustest.News, messages...); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func wantHeard(t *testing.T, h *hearer, from, to int) {
	t.Helper()
	var want []string
	for _, m := range messages(from, to) {
		want = append(want, m.ID)
	}
	eventually(t, "the last was heard", func() bool {
		ids, _ := h.heard()
		return slices.Contains(ids, want[len(want)-1])
	})
	if ids, lost := h.heard(); !slices.Equal(ids, want) || lost != 0 {
		t.Errorf("heard %d and was told of %d lost, want %d: %s", len(ids), lost, len(want), strings.Join(ids[:min(20, len(ids))], " "))
	}
}

func TestWhatIsPublishedWhileAListenerIsCutOffIsHeardLater(t *testing.T) {
	cfg := lasting(t)
	teller := mustOpen(t, cfg)
	p := mustProxy(t, cfg.URL)
	own := cfg
	own.URL = p.URL(cfg.URL)
	b := mustOpen(t, own)
	first, second := listenTo(t, b), listenTo(t, teller)
	p.Set(cutproxy.Cut) // before anything has come
	mustTell(t, teller, messages(0, 300)...)
	p.Set(cutproxy.Pass)
	wantHeard(t, first, 0, 300)
	p.Set(cutproxy.Cut)
	mustTell(t, teller, messages(300, 2000)...)
	p.Set(cutproxy.Pass)
	wantHeard(t, first, 0, 2000)
	wantHeard(t, second, 0, 2000)
}

func TestAListenerHearsAllInOneOrderThoughTheBrokerIsKilled(t *testing.T) {
	broker := testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{})
	broker.Start(t)
	cfg := rabbit.Config{URL: broker.URL(), Topology: bustest.Topology(), Lasting: []string{bustest.News},
		Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
	// RabbitMQ 3.10 loses its first stream for good when it is killed in the second in
	// which that was made (docs/operations.md).
	mustOpen(t, cfg)
	broker.Restart(t)
	var hearers []*hearer
	for range 2 {
		hearers = append(hearers, listenTo(t, mustOpen(t, cfg)))
	}
	var tellers sync.WaitGroup
	const each = 300
	started := make(chan struct{}, 2)
	for i := range 2 {
		b := mustOpen(t, cfg)
		tellers.Go(func() {
			for n := range each {
				if n == each/3 {
					started <- struct{}{}
				}
				if err := b.Publish(context.Background(), bustest.News, message(i*each+n)); err != nil {
					t.Errorf("publish: %v", err)
					return
				}
			}
		})
	}
	within(t, started)
	broker.Kill(t)
	broker.Start(t)
	tellers.Wait()
	var first []string
	for i, h := range hearers {
		eventually(t, "all are heard", func() bool {
			ids, _ := h.heard()
			return len(ids) >= 2*each
		})
		ids, lost := h.heard()
		if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != 2*each || len(ids) != 2*each || lost != 0 {
			t.Errorf("heard %d, of which %d are different, and was told of %d lost; want %d", len(ids), len(slices.Compact(sorted)), lost, 2*each)
		}
		if i == 0 {
			first = ids
		} else if !slices.Equal(ids, first) {
			t.Error("two listeners heard in different orders")
		}
	}
}
