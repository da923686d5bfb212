package listener_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/lease"
	"muster/listener"
	"muster/sim/game"
)

// A consumer keeps what comes out of the bus.
type consumer struct {
	mu     sync.Mutex
	events map[event.Key]event.Event
	twice  int
	states []event.StreamState
}

func (c *consumer) handle(_ context.Context, b bus.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range b.Deliveries {
		m, err := event.DecodeMessage(d.Body)
		switch {
		case err != nil:
			return err
		case m.Stream != nil:
			c.states = append(c.states, *m.Stream)
		case m.Event != nil:
			if _, there := c.events[m.Event.Key()]; there {
				c.twice++
			}
			c.events[m.Event.Key()] = *m.Event
		}
	}
	return nil
}

func (c *consumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

// said reports whether a state of Wainwright came since the n-th.
func (c *consumer) said(since int, health event.StreamHealth, reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.states[since:] {
		if s.World == 10 && s.Health == health && s.Reason == reason {
			return true
		}
	}
	return false
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// lead runs a listener of its own connection; the returned function ends it.
func lead(t *testing.T, s *game.Server, b bus.Bus, locker lease.Locker) (end func()) {
	t.Helper()
	stream, err := census.NewStream(census.StreamConfig{URL: s.StreamURL(), ServiceID: "example", Environment: event.PC,
		Tick: 10 * time.Millisecond, Worlds: []event.World{10}, Health: census.HealthConfig{Reconcile: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := listener.New(listener.Config{Stream: stream, Bus: b, Locker: locker, ReportEvery: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(end)
	return end
}

func TestEventsFlowFromTheGameToTheBusAndASecondListenerTakesOver(t *testing.T) {
	cfg := game.DefaultConfig()
	cfg.Environments, cfg.Worlds, cfg.EventsPerSecond = []string{"ps2"}, []string{"10"}, 200
	s, err := game.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b := bus.NewMemory(bus.Topology{event.TopicEvents: {event.QueueDispatcher}})
	t.Cleanup(func() { _ = b.Close() })
	locker := lease.NewMemory()
	t.Cleanup(func() { _ = locker.Close() })

	c := &consumer{events: map[event.Key]event.Event{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, event.QueueDispatcher, c.handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})

	first := lead(t, s, b, locker)
	eventually(t, "the first listener to be live", func() bool { return c.count() > 100 && c.said(0, event.StreamLive, "") })
	lead(t, s, b, locker)
	eventually(t, "the second listener's connection", func() bool { return len(s.State().Clients) == 2 })
	first()
	eventually(t, "the last word of the first", func() bool { return c.said(0, event.StreamDown, "listener stopped") })
	c.mu.Lock()
	since, before := len(c.states), len(c.events)
	c.mu.Unlock()
	eventually(t, "the second listener to be live", func() bool {
		return c.count() > before+100 && c.said(since, event.StreamLive, "")
	})
	if c.twice > 0 {
		t.Errorf("%d events came twice", c.twice)
	}

	c.gapless(t, s.Journal(0, 1<<20))
	c.orderly(t)
}

// orderly checks that no state is told that is only a step on the way, between
// the first word and the last of each listener.
func (c *consumer) orderly(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.states {
		first := s.Reason == "not connected yet" || s.Reason == "waiting for the subscription"
		if s.Health == event.StreamDown && s.Reason != "listener stopped" && !first {
			t.Errorf("state %d: %s because %q", i, s.Health, s.Reason)
		}
	}
}

// gapless checks that nothing is missing of what the first listener read: from
// the first event it saw to the last one.
func (c *consumer) gapless(t *testing.T, journal []game.Entry) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var stopped time.Time
	for _, s := range c.states {
		if s.Reason == "listener stopped" {
			stopped = s.ReportedAt
			break
		}
	}
	first, last, missing := -1, -1, 0
	for i, entry := range journal {
		e, err := event.Decode(entry.Payload, entry.At)
		if err != nil {
			t.Fatal(err)
		}
		got, there := c.events[e.Key()]
		if there && got.ReceivedAt.Before(stopped) {
			missing += max(i-last-1, 0)
			if first < 0 {
				first, missing = i, 0
			}
			last = i
		}
	}
	if first < 0 || missing > 0 {
		t.Errorf("%d events missing between number %d and %d of the game's journal", missing, first, last)
	}
}
