package census

import (
	"fmt"
	"testing"
	"time"
)

func TestTwoPhasesAreOfOneNodeUpToASecond(t *testing.T) {
	for _, test := range []struct {
		a, b int
		want bool
	}{{0, 0, true}, {21, 22, true}, {0, 29, true}, {29, 0, true}, {0, 2, false}, {0, 15, false}, {-1, -1, false}, {-1, 0, false}} {
		if got := SamePhase(test.a, test.b); got != test.want {
			t.Errorf("phases %d and %d: got %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestAPhaseIsKnownOnceTwoHeartbeatsAgree(t *testing.T) {
	g := newGameServer(t)
	s, _ := run(t, g.fast())
	beat := func(c *gameConn, at int) {
		c.send(fmt.Sprintf(`{"online":{},"timestamp":"%d","service":"event","type":"heartbeat"}`, at))
	}
	c := g.conn(1)
	waitFor(t, "the link", func() bool { return s.Link().Up })
	for i, at := range []int{1730180175, 1730180181, 1730180211} { // 15, 21, 21
		if phase := s.Link().Phase; phase != -1 {
			t.Fatalf("phase %d after %d heartbeats", phase, i)
		}
		beat(c, at)
		waitFor(t, "the heartbeat", func() bool { return s.Stats().Frames[FrameHeartbeat] == i+1 })
	}
	if phase := s.Link().Phase; phase != 21 {
		t.Errorf("phase %d, want 21", phase)
	}
	s.Reconnect()
	g.conn(2)
	waitFor(t, "a new connection", func() bool { return s.Stats().Dials == 2 && s.Link().Up })
	if phase := s.Link().Phase; phase != -1 {
		t.Errorf("phase %d on a new connection", phase)
	}
}

func TestAReconnectThatComesTooSoonIsForgotten(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.MinReconnect = time.Hour
	s, _ := run(t, cfg)
	waitFor(t, "the link", func() bool { return s.Link().Up })
	s.Reconnect() // what came before was no reconnect
	g.conn(2)
	waitFor(t, "the second connection", func() bool { return s.Stats().Dials == 2 && s.Link().Up })
	s.Reconnect()
	waitFor(t, "the wish to be taken", func() bool { return len(s.move) == 0 })
	g.conn(2).send(kill(10, 1))
	waitFor(t, "an event on the same connection", func() bool { return s.Stats().Frames[FrameEvent] == 1 })
	if n := s.Stats().Dials; n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}
