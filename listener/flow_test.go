package listener_test

import (
	"context"
	"encoding/json"
	"strconv"
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
		parts, err := event.SplitBundle(d.Body)
		if err != nil {
			return err
		}
		for _, part := range parts {
			m, err := event.DecodeMessage(part)
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
	deadline := time.After(time.Minute)
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

// A flow is a game, a bus and what comes out of it.
type flow struct {
	t      *testing.T
	game   *game.Server
	bus    bus.Bus
	locker lease.Locker
	*consumer
}

// startFlow starts a game with one world, and a consumer of the bus.
func startFlow(t *testing.T, eventsPerSecond float64) *flow {
	t.Helper()
	cfg := game.DefaultConfig()
	cfg.Environments, cfg.Worlds, cfg.EventsPerSecond = []string{"ps2"}, []string{"10"}, eventsPerSecond
	if eventsPerSecond == 0 {
		cfg.PresenceEvery, cfg.CaptureEvery, cfg.AlertEvery, cfg.LockEvery = 24*time.Hour, 24*time.Hour, 24*time.Hour, 24*time.Hour
	}
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

	f := &flow{t: t, game: s, bus: b, locker: locker, consumer: &consumer{events: map[event.Key]event.Event{}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, event.QueueDispatcher, f.handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// listen runs a listener on b, and waits until it is connected; the returned function
// ends it.
func (f *flow) listen(b listener.Bus) (end func()) {
	t := f.t
	t.Helper()
	stream, err := census.NewStream(census.StreamConfig{URL: f.game.StreamURL(), ServiceID: "example", Environment: event.PC,
		Tick: 10 * time.Millisecond, Worlds: []event.World{10}, Health: census.HealthConfig{Reconcile: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := listener.New(listener.Config{Stream: stream, Bus: b, Locker: f.locker, ReportEvery: 100 * time.Millisecond})
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
	eventually(t, "the connection", func() bool { return stream.Link().Up })
	return end
}

// A deafBus lets nothing be heard of other listeners.
type deafBus struct{ bus.Bus }

func (deafBus) Listen(ctx context.Context, _ string, _ func(), _ func(bus.Message, int)) error {
	<-ctx.Done()
	return nil
}

func TestEqualEventsOnOneConnectionAreSeveralAndCopiesOnTwoAreOne(t *testing.T) {
	f := startFlow(t, 0)
	first := f.listen(f.bus)
	f.listen(deafBus{f.bus})
	payload := func(name string, extra string) json.RawMessage {
		return json.RawMessage(`{"attacker_character_id":"5428010618015189713",` + extra + `"event_name":"` + name + `",` +
			`"timestamp":"` + strconv.FormatInt(time.Now().Unix(), 10) + `","world_id":"10","zone_id":"2"}`)
	}
	turret := payload("VehicleDestroy", `"character_id":"0","vehicle_id":"102",`)
	death := payload("Death", `"character_id":"5428010618015189714",`)
	for _, p := range []json.RawMessage{turret, death, turret, turret, death} {
		if err := f.game.Emit(p); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "three turrets and a death", func() bool { return f.count() == 4 })
	first() // the other has heard of nothing, and publishes all that it has seen
	eventually(t, "the copies", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.twice >= 4
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) != 4 || f.twice != 4 {
		t.Errorf("%d events, %d of them twice, want 4 and 4", len(f.events), f.twice)
	}
}

func TestWhatTheLeadersNodeOfTheGameLosesTheStandbyPublishes(t *testing.T) {
	f := startFlow(t, 200)
	if _, err := f.game.SetFault(game.Fault{Name: "node_loss", Node: 1, Share: 0.2}); err != nil {
		t.Fatal(err)
	}
	f.listen(f.bus) // the first connection goes to node 1
	f.listen(f.bus)
	from := f.game.State().Emitted + 200 // the two have heard of each other by then
	eventually(t, "a thousand events", func() bool { return f.game.State().Emitted > from+1000 })
	want := map[event.Key]bool{}
	for _, entry := range f.game.Journal(from, 1000) {
		e, err := event.Decode(entry.Payload, entry.At)
		if err != nil {
			t.Fatal(err)
		}
		if !e.MayRepeat() {
			want[e.Key()] = true
		}
	}
	missing := func() (n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for k := range want {
			if _, there := f.events[k]; !there {
				n++
			}
		}
		return n
	}
	if n := missing(); n < 100 {
		t.Errorf("%d of %d events are missing at first: the node loses nothing", n, len(want))
	}
	eventually(t, "every event", func() bool { return missing() == 0 })
}

func TestEventsFlowFromTheGameToTheBusAndASecondListenerTakesOver(t *testing.T) {
	f := startFlow(t, 200)
	s, c := f.game, f.consumer
	first := f.listen(f.bus)
	eventually(t, "the first listener to be live", func() bool { return c.count() > 100 && c.said(0, event.StreamLive, "") })
	end := f.listen(f.bus)
	before := c.count()
	eventually(t, "the second listener to be told", func() bool { return c.count() > before+100 })
	stopped := time.Now()
	first()
	before = c.count()
	eventually(t, "the second listener to publish", func() bool { return c.count() > before+100 })
	end()
	eventually(t, "the last word", func() bool { return c.said(0, event.StreamDown, "listener stopped") })
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
