package census

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"muster/event"
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
