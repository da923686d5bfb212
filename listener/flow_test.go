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
	b := bus.NewMemory(bus.Topology{event.TopicEvents: {event.QueueDispatcher}, event.TopicListeners: nil})
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
	end := lead(t, s, b, locker)
	eventually(t, "the second listener's connection", func() bool { return len(s.State().Clients) == 2 })
	before := c.count()
	eventually(t, "the second listener to be connected and told", func() bool {
		return len(s.State().Clients) == 2 && c.count() > before+100
	})
	stopped := time.Now()
	first()
	before = c.count()
	eventually(t, "the second listener to publish", func() bool { return c.count() > before+100 })
	end()
	if c.twice > 0 {
		t.Logf("%d events came twice", c.twice)
	}
	c.gapless(t, s.Journal(0, 1<<20), stopped)
	c.orderly(t)
}

// orderly checks that once the world is live it is never told to be anything else,
// up to the last word of the last listener.
func (c *consumer) orderly(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	live := false
	for i, s := range c.states {
		live = live || s.Health == event.StreamLive
		if last := i == len(c.states)-1; live && (s.Health != event.StreamLive) != last {
			t.Errorf("state %d of %d: %s because %q", i, len(c.states), s.Health, s.Reason)
		}
	}
}

// gapless checks that nothing is missing between the first event that was published
// and the last that the game sent before stopped.
func (c *consumer) gapless(t *testing.T, journal []game.Entry, stopped time.Time) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	first, missing := -1, 0
	for i, entry := range journal {
		e, err := event.Decode(entry.Payload, entry.At)
		if err != nil {
			t.Fatal(err)
		}
		_, there := c.events[e.Key()]
		switch {
		case first < 0 && there:
			first = i
		case first >= 0 && !there && entry.At.Before(stopped):
			missing++
		}
	}
	if first < 0 || missing > 0 {
		t.Errorf("%d events missing of the game's journal, from number %d on", missing, first)
	}
}
