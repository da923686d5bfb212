package census

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/event"
	"muster/internal/clock"
)

func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(context.Background())
}

func TestEventsArriveInOrderWithTheirPayload(t *testing.T) {
	g := newGameServer(t)
	s, r := run(t, g.fast())
	c := g.conn(1)
	waitFor(t, "the echo", func() bool { return r.echoed() > 0 })
	first := kill(1, 1)
	c.send(first)
	c.send(gain(10, 2))
	waitFor(t, "two events", func() bool { return len(r.events()) == 2 })
	got := r.events()
	if got[0].Event.Kind != event.Kill || got[1].Event.Kind != event.Experience {
		t.Errorf("kinds %v, %v; want Death, GainExperience", got[0].Event.Kind, got[1].Event.Kind)
	}
	if !strings.Contains(first, string(got[0].Payload)) {
		t.Errorf("payload %s is not a part of %s", got[0].Payload, first)
	}
	if got[1].ReceivedAt.Before(got[0].ReceivedAt) {
		t.Errorf("second event arrived at %v, before the first at %v", got[1].ReceivedAt, got[0].ReceivedAt)
	}
	waitFor(t, "both worlds live", func() bool {
		return healthOf(s, 1).Health == event.StreamLive && healthOf(s, 10).Health == event.StreamLive
	})
}

func TestS1AWorldThatGoesSilentIsReconnected(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.Health.Limits = func(event.World) Limits {
		return Limits{Death: time.Hour, Experience: 100 * time.Millisecond}
	}
	s, _ := run(t, cfg)
	c := g.conn(1)
	stop := make(chan struct{})
	defer close(stop)
	go keepSending(stop, c, 1)
	waitFor(t, "world 10 to be silent", func() bool { return healthOf(s, 10).Health == event.StreamSilent })
	c = g.conn(2)
	go keepSending(stop, c, 1)
	c.send(gain(10, 1))
	waitFor(t, "world 10 to flow again", func() bool { return healthOf(s, 10).Health.Flowing() })
	if n := s.Stats().Counts[CountSilence]; n == 0 {
		t.Error("no silent world was counted")
	}
}

func keepSending(stop chan struct{}, c *gameConn, w event.World) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
			c.send(gain(w, i%90000))
		}
	}
}

func TestS9ARefusedServiceIDIsSaidOnceAndNeverShown(t *testing.T) {
	g := newGameServer(t)
	g.set(func(g *gameServer) { g.status = http.StatusForbidden })
	log := &logBuffer{}
	cfg := g.fast()
	cfg.Log = log.logger()
	s, _ := run(t, cfg)
	waitFor(t, "three dials", func() bool { return g.dialed() >= 3 })
	if n := strings.Count(log.String(), "MUSTER_GAME_SERVICE_ID"); n != 1 {
		t.Errorf("the refusal was said %d times, want once:\n%s", n, log)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log shows the service id:\n%s", log)
	}
	if st := healthOf(s, 1); st.Health != event.StreamDown || !strings.Contains(st.Reason, "service id") {
		t.Errorf("world 1 is %s (%s), want down because of the service id", st.Health, st.Reason)
	}
	g.set(func(g *gameServer) { g.status = 0 })
	g.conn(1)
}

func TestAMachineWhoseClockIsSetStampsAsBefore(t *testing.T) {
	g := newGameServer(t)
	log := &logBuffer{}
	cfg := g.fast()
	cfg.Log = log.logger()
	s, err := NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var step atomic.Int64
	start := time.Now()
	s.clock = clock.From(func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0).Add(time.Duration(step.Load())), now.Sub(start)
	})
	r := runStream(t, s)
	c := g.conn(1)
	for i, by := range []time.Duration{0, -2 * time.Minute, 2 * time.Minute} {
		step.Store(int64(by))
		before := time.Now()
		c.send(gain(1, i))
		waitFor(t, "the event", func() bool { return len(r.events()) == i+1 })
		got := r.events()[i]
		if got.ReceivedAt.Before(before.Round(0)) || got.ReceivedAt.After(time.Now().Round(0)) || got.Event.Future {
			t.Errorf("with the clock set by %s: stamped %s (future: %v), want %s", by, got.ReceivedAt, got.Event.Future, before)
		}
		if at := healthOf(s, 1).ReportedAt; at.Before(before.Round(0)) || at.After(time.Now().Round(0)) {
			t.Errorf("with the clock set by %s: states are of %s, want %s", by, at, before)
		}
		if by != 0 {
			waitFor(t, "a word on it", func() bool { return strings.Contains(log.String(), "by="+by.String()) })
		}
		step.Store(0)
		waitFor(t, "the clock to be right again", func() bool { return s.clock.Step() == 0 })
	}
}
