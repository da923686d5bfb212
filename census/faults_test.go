package census

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"muster/event"
)

// The rows of census section 3 that a stream answers, each against a real
// socket. S1 and the 403 of S9 are in stream_test.go; S10, S11 and S14 are for
// those who read events.

func TestS2AllSilentOnAnOpenSocketIsReconnected(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.Health.Limits = func(event.World) Limits { return Limits{Experience: 50 * time.Millisecond} }
	s, r := run(t, cfg)
	c := g.conn(1)
	c.send(`{"online":{"EventServerEndpoint_Connery_1":"true","EventServerEndpoint_Miller_10":"true"},"timestamp":"1730180181","service":"event","type":"heartbeat"}`)
	g.conn(2)
	waitFor(t, "both worlds silent", func() bool {
		return healthOf(s, 1).Health == event.StreamSilent && healthOf(s, 10).Health == event.StreamSilent
	})
	waitFor(t, "the phase", func() bool { return s.Stats().Phase == 21 })
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.heartbeats) != 1 || !r.heartbeats[0].Online[10] {
		t.Errorf("heartbeats %+v", r.heartbeats)
	}
}

func TestS2MaintenanceIsNoStormOfReconnects(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.Health.Limits = func(event.World) Limits { return Limits{Experience: 20 * time.Millisecond} }
	began := time.Now()
	s, _ := run(t, cfg)
	waitFor(t, "five reconnects", func() bool { return s.Stats().Counts[CountSilence] >= 5 })
	// 20+40+80+160+320 ms: each limit is twice the last.
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("five reconnects within %s", took)
	}
}

func TestAWorldSaidToBeOfflineIsDownWithoutReconnects(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.Worlds = []event.World{10}
	cfg.Health.Limits = func(event.World) Limits { return Limits{Experience: 200 * time.Millisecond} }
	s, r := run(t, cfg)
	c := g.conn(1)
	c.send(`{"detail":"EventServerEndpoint_Wainwright_10","online":"false","service":"event","type":"serviceStateChanged"}`)
	waitFor(t, "world 10 to be down", func() bool {
		return strings.Contains(healthOf(s, 10).Reason, "offline")
	})
	waitFor(t, "a while", tickTock(cfg.Tick, 100))
	if n := g.dialed(); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
	c.send(`{"detail":"EventServerEndpoint_Wainwright_10","online":"true","service":"event","type":"serviceStateChanged"}`)
	_ = r
	g.conn(2) // it is true now, and silent
}

// tickTock returns a condition that holds after n calls' worth of ticks.
func tickTock(every time.Duration, n int) func() bool {
	done := time.After(every * time.Duration(n))
	return func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

func TestS3WithoutFramesTheConnectionIsClosed(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.FrameTimeout = 50 * time.Millisecond
	s, _ := run(t, cfg)
	g.conn(2)
	if n := s.Stats().Counts[CountReconnect]; n == 0 {
		t.Error("no reconnect was counted")
	}
}

func TestS3AHalfOpenConnectionIsFoundByPing(t *testing.T) {
	g := newGameServer(t)
	g.set(func(g *gameServer) { g.deaf, g.mute = true, true })
	cfg := g.fast()
	cfg.PingEvery, cfg.PongTimeout = 10*time.Millisecond, 100*time.Millisecond
	run(t, cfg)
	g.conn(2)
}

func TestAQuietConnectionThatAnswersPingsIsKept(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.PingEvery, cfg.PongTimeout = 10*time.Millisecond, 200*time.Millisecond
	run(t, cfg)
	g.conn(1)
	waitFor(t, "three timeouts", tickTock(cfg.PongTimeout, 3))
	if n := g.dialed(); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
}

func TestS4AChangedSubscriptionIsRepaired(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.CheckEvery, cfg.CheckLimit = 20*time.Millisecond, 1000
	s, r := run(t, cfg)
	c := g.conn(1)
	waitFor(t, "a first check", func() bool { return healthOf(s, 1).Health == event.StreamReconciling })
	g.set(func(g *gameServer) { g.lose = []string{"10", "Death"} })
	waitFor(t, "a repair", func() bool { return s.Stats().Counts[CountResubscribe] > 0 })
	g.set(func(g *gameServer) { g.lose = nil })
	waitFor(t, "the lost parts to be asked for", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, m := range g.received[1:] {
			if strings.Contains(m, `"worlds":["10"]`) && strings.Contains(m, `"eventNames":["Death"]`) {
				return true
			}
		}
		return false
	})
	_ = c
	if n := g.dialed(); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
	waitFor(t, "the worlds to flow again", func() bool { return healthOf(s, 1).Health.Flowing() })
	r.mu.Lock()
	defer r.mu.Unlock()
	hole := slices.IndexFunc(r.states, func(st event.StreamState) bool {
		return st.World == 1 && st.Health == event.StreamDown && strings.Contains(st.Reason, "subscription") && st.Since.Before(st.ReportedAt)
	})
	if hole < 0 {
		t.Errorf("no hole was told of: %+v", r.states)
	}
}

func TestS4ASubscriptionThatCannotBeRepairedReconnects(t *testing.T) {
	for name, spoil := range map[string]func(*gameServer){
		"a world is never kept": func(g *gameServer) { g.lose = []string{"10"} },
		"no echo ever comes":    func(g *gameServer) { g.mute = true },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGameServer(t)
			g.set(spoil)
			cfg := g.fast()
			cfg.CheckEvery, cfg.CheckLimit = 10*time.Millisecond, 3
			run(t, cfg)
			g.conn(2)
		})
	}
}

func TestS9AnIdThatWasGoodIsTriedSooner(t *testing.T) {
	s, err := NewStream(StreamConfig{URL: "ws://127.0.0.1/", ServiceID: "test", Environment: event.PC})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.refusedRetry(); got != 5*time.Minute {
		t.Errorf("an id that was never good is tried again after %s, want 5m", got)
	}
	s.served = true
	var got []time.Duration
	for range 6 {
		s.refusals++
		got = append(got, s.refusedRetry())
	}
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if !slices.Equal(got, want) {
		t.Errorf("an id that was good is tried again after %v, want %v", got, want)
	}
}

func TestS5ExactDuplicatesAreDroppedAlsoAcrossConnections(t *testing.T) {
	g := newGameServer(t)
	s, r := run(t, g.fast())
	frame := kill(1, 1)
	c := g.conn(1)
	c.send(frame)
	c.send(frame)
	waitFor(t, "the duplicate", func() bool { return s.Stats().Counts[CountDuplicate] == 1 })
	_ = c.ws.Close()
	g.conn(2).send(frame)
	waitFor(t, "the second duplicate", func() bool { return s.Stats().Counts[CountDuplicate] == 2 })
	if n := len(r.events()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestS5UnownedVehiclesAreCountedPerConnection(t *testing.T) {
	g := newGameServer(t)
	_, r := run(t, g.fast())
	turret := fmt.Sprintf(`{"payload":{"attacker_character_id":"5429241327001550385","attacker_vehicle_id":"0","attacker_weapon_id":"1",`+
		`"character_id":"0","event_name":"VehicleDestroy","facility_id":"7500","faction_id":"1","timestamp":"%d","vehicle_id":"101",`+
		`"world_id":"1","zone_id":"6"},"service":"event","type":"serviceMessage"}`, time.Now().Unix())
	c := g.conn(1)
	c.send(turret)
	c.send(turret)
	waitFor(t, "two turrets", func() bool { return len(r.events()) == 2 })
	_ = c.ws.Close()
	g.conn(2).send(turret)
	waitFor(t, "a third", func() bool { return len(r.events()) == 3 })
	var copies []uint8
	for _, s := range r.events() {
		copies = append(copies, s.Event.Copy)
	}
	if copies[0] != 0 || copies[1] != 1 || copies[2] != 0 {
		t.Errorf("copies %v, want 0 1 0", copies)
	}
}

func TestS6AndS7OrderIsKeptAndTheFutureIsFlagged(t *testing.T) {
	g := newGameServer(t)
	s, r := run(t, g.fast())
	at := func(world, offset, who int) string {
		return strings.Replace(gain(event.World(world), who), fmt.Sprint(time.Now().Unix()), fmt.Sprint(time.Now().Unix()+int64(offset)), 1)
	}
	c := g.conn(1)
	c.send(at(1, 0, 1))
	c.send(at(1, -2, 2))
	c.send(at(10, 86400, 3))
	waitFor(t, "three events", func() bool { return len(r.events()) == 3 })
	got := r.events()
	if !got[1].Event.At.Before(got[0].Event.At) {
		t.Error("the older event does not come second, as it arrived")
	}
	if got[0].Event.Future || !got[2].Event.Future || s.Stats().Counts[CountFuture] != 1 {
		t.Errorf("future %v and %v, counted %d", got[0].Event.Future, got[2].Event.Future, s.Stats().Counts[CountFuture])
	}
	waitFor(t, "world 10 live, measured by arrival", func() bool { return healthOf(s, 10).Health == event.StreamLive })
}

func TestS8ALostConnectionIsMadeAgain(t *testing.T) {
	for name, lose := range map[string]func(*gameConn){
		"closed with a code": func(c *gameConn) {
			_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(time.Second))
			_ = c.ws.Close()
		},
		"cut off": func(c *gameConn) { _ = c.ws.NetConn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGameServer(t)
			s, r := run(t, g.fast())
			for n := 1; n <= 3; n++ {
				c := g.conn(n)
				c.send(kill(1, n))
				waitFor(t, "the event", func() bool { return len(r.events()) == n })
				lose(c)
			}
			g.conn(4)
			if n := s.Stats().Counts[CountReconnect]; n < 3 {
				t.Errorf("%d reconnects counted, want 3", n)
			}
			downs := 0
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, st := range r.states {
				if st.World == 1 && st.Reason == "connection lost" && st.Health == event.StreamDown {
					downs++
				}
			}
			if downs < 3 {
				t.Errorf("the world was said to be down %d times, want 3: %+v", downs, r.states)
			}
		})
	}
}

func TestS9AServerThatFailsIsTriedAgain(t *testing.T) {
	g := newGameServer(t)
	g.set(func(g *gameServer) { g.status = http.StatusBadGateway })
	log := &logBuffer{}
	cfg := g.fast()
	cfg.Log = log.logger()
	s, _ := run(t, cfg)
	waitFor(t, "four dials", func() bool { return g.dialed() >= 4 })
	if strings.Contains(log.String(), "level=ERROR") || s.Stats().Counts[CountRefused] < 3 {
		t.Errorf("an outage is not a configuration error, refused %d:\n%s", s.Stats().Counts[CountRefused], log)
	}
	g.set(func(g *gameServer) { g.status = 0 })
	g.conn(1)
}

func TestS9AHandshakeThatIsNeverAnsweredIsGivenUp(t *testing.T) {
	g := newGameServer(t)
	g.set(func(g *gameServer) { g.status = hang })
	cfg := g.fast()
	cfg.HandshakeTimeout = 50 * time.Millisecond
	s, _ := run(t, cfg)
	waitFor(t, "two dials", func() bool { return g.dialed() >= 2 })
	waitFor(t, "the reason", func() bool { return strings.Contains(healthOf(s, 1).Reason, "cannot be reached") })
	g.set(func(g *gameServer) { g.status = 0 })
	g.conn(1)
}

func TestS9AServerThatIsNotThereIsTriedAgainWithoutShowingTheServiceID(t *testing.T) {
	g := newGameServer(t)
	g.srv.Close()
	log := &logBuffer{}
	cfg := g.fast()
	cfg.Log = log.logger()
	s, _ := run(t, cfg)
	waitFor(t, "three tries", func() bool { return s.Stats().Dials >= 3 })
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log shows the service id:\n%s", log)
	}
}

func TestS12WhatIsNewIsCountedAndKept(t *testing.T) {
	g := newGameServer(t)
	s, r := run(t, g.fast())
	c := g.conn(1)
	c.send(`{"service":"event","type":"serverMoved","to":"mars"}`)
	c.send(`{"payload":{"event_name":"ShipLaunched","ship":"7","timestamp":"1730180200","world_id":"10"},"service":"event","type":"serviceMessage"}`)
	c.send(strings.Replace(kill(1, 1), `"event_name"`, `"brand_new":"1","event_name"`, 1))
	waitFor(t, "two events", func() bool { return len(r.events()) == 2 })
	got := r.events()
	if raw, ok := got[0].Event.Detail.(event.Raw); !ok || raw.Name != "ShipLaunched" {
		t.Errorf("got %+v, want a raw ShipLaunched", got[0].Event)
	}
	if got[1].Event.Kind != event.Kill {
		t.Errorf("an unknown field hides a %v", got[1].Event.Kind)
	}
	if st := s.Stats(); st.Counts[CountUnknown] != 1 || !strings.Contains(st.Samples[CountUnknown], "mars") {
		t.Errorf("unknown %d, sample %q", st.Counts[CountUnknown], st.Samples[CountUnknown])
	}
}

func TestS13MissingFieldsAreNoLoss(t *testing.T) {
	g := newGameServer(t)
	cfg := g.fast()
	cfg.Worlds = []event.World{1000}
	_, r := run(t, cfg)
	g.conn(1).send(strings.Replace(gain(1000, 1), `"team_id":"1",`, "", 1))
	waitFor(t, "the event", func() bool { return len(r.events()) == 1 })
	if d, ok := r.events()[0].Event.Detail.(event.Gain); !ok || d.Team != event.NoFaction {
		t.Errorf("got %+v", r.events()[0].Event)
	}
}

func TestGarbageIsCountedAndSampledAndTheStreamGoesOn(t *testing.T) {
	g := newGameServer(t)
	s, r := run(t, g.fast())
	c := g.conn(1)
	garbage := []string{`{"payload":{"event_name":"Death"`, `null and void`, ``,
		`{"payload":"Death","service":"event","type":"serviceMessage"}`, `{"payload":[1],"service":"event","type":"serviceMessage"}`}
	for _, frame := range garbage {
		c.send(frame)
	}
	c.send(kill(1, 1))
	waitFor(t, "the event after", func() bool { return len(r.events()) == 1 })
	st := s.Stats()
	if st.Counts[CountUndecodable] != len(garbage) || !strings.Contains(st.Samples[CountUndecodable], "payload") {
		t.Errorf("undecodable %d, sample %q; want %d", st.Counts[CountUndecodable], st.Samples[CountUndecodable], len(garbage))
	}
	if g.dialed() != 1 {
		t.Error("garbage made it reconnect")
	}
}

func TestAFrameOverTheLimitClosesTheConnection(t *testing.T) {
	g := newGameServer(t)
	s, _ := run(t, g.fast())
	g.conn(1).send(`{"x":"` + strings.Repeat("x", MaxFrame) + `"}`)
	g.conn(2)
	waitFor(t, "it to be counted", func() bool { return s.Stats().Counts[CountOversize] == 1 })
}

func TestOtherWorldsAreFilteredOut(t *testing.T) {
	g := newGameServer(t)
	s, r := run(t, g.fast())
	c := g.conn(1)
	c.send(kill(40, 1))
	c.send(kill(1, 2))
	waitFor(t, "the event of world 1", func() bool { return len(r.events()) == 1 })
	if got := r.events()[0].Event.World; got != 1 || s.Stats().Counts[CountForeign] != 1 {
		t.Errorf("world %d, %d of other worlds", got, s.Stats().Counts[CountForeign])
	}
}

func TestTheBackoffIsResetByGoodTrafficOnly(t *testing.T) {
	s, err := NewStream(StreamConfig{URL: "ws://localhost", ServiceID: "x", Environment: event.PC})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s.wait.next()
	}
	now := time.Now()
	s.good(now)
	s.good(now.Add(59 * time.Second))
	if s.wait.n != 5 {
		t.Error("reset too early")
	}
	s.good(now.Add(60 * time.Second))
	if s.wait.n != 0 {
		t.Error("not reset by a minute of events")
	}
}

func TestNeverTwoReconnectsWithinTenSeconds(t *testing.T) {
	s, err := NewStream(StreamConfig{URL: "ws://localhost", ServiceID: "x", Environment: event.PC})
	if err != nil {
		t.Fatal(err)
	}
	if d := s.pause(nil); d > time.Second {
		t.Errorf("the first reconnect waits %s, want at most 1s", d)
	}
	s.dialedAt = time.Now()
	if d := s.pause(nil); d < 9*time.Second {
		t.Errorf("the second reconnect waits %s, want 10s", d)
	}
}

func TestWhatWasReadBeforeTheEndIsHandedOver(t *testing.T) {
	g := newGameServer(t)
	s, err := NewStream(g.fast())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := contextFor(t)
	defer stop()
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	var got int
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, Handler{Event: func(Sighting) {
			if got++; got == 1 {
				entered <- struct{}{}
				<-hold
			}
		}})
	}()
	c := g.conn(1)
	for i := range 20 {
		c.send(kill(1, i))
	}
	<-entered
	waitFor(t, "the frames to be read", tickTock(time.Millisecond, 100))
	stop()
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got != 20 {
		t.Errorf("%d events, want 20", got)
	}
	if st := healthOf(s, 1); st.Health != event.StreamDown {
		t.Errorf("after the end world 1 is %s", st.Health)
	}
}

func TestTheRecordedSessionComesThroughWhole(t *testing.T) {
	dir := sharedDir()
	if dir == "" {
		t.Skip("MUSTER_SHARED does not say where the recorded samples are")
	}
	g := newGameServer(t)
	cfg := g.fast()
	cfg.Worlds = []event.World{1, 10, 13, 17, 19, 40, 1000, 2000}
	s, r := run(t, cfg)
	c := g.conn(1)
	for range 2 {
		for _, l := range lines(t, filepath.Join(dir, "ess", "session-2024-10-29-a.jsonl")) {
			if !strings.Contains(string(l), `{"subscription"`) {
				c.send(string(l))
			}
		}
	}
	waitFor(t, "the second play to be dropped", func() bool { return s.Stats().Counts[CountDuplicate]+len(r.events()) == 928 })
	if n := len(r.events()); n != 464 {
		t.Errorf("%d events, want 464", n)
	}
	if st := s.Stats(); st.Counts[CountUndecodable]+st.Counts[CountUnknown]+st.Counts[CountForeign] != 0 {
		t.Errorf("counted %v", st.Counts)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	good := StreamConfig{URL: StreamURL, ServiceID: "example", Environment: event.PC}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*StreamConfig){
		"no url":         func(c *StreamConfig) { c.URL = "" },
		"an http url":    func(c *StreamConfig) { c.URL = "https://push.planetside2.com" },
		"no environment": func(c *StreamConfig) { c.Environment = "" },
		"xbox":           func(c *StreamConfig) { c.Environment = "ps2xbox" },
		"no service id":  func(c *StreamConfig) { c.ServiceID = "" },
		"the s: prefix":  func(c *StreamConfig) { c.ServiceID = "s:example" },
	} {
		c := good
		change(&c)
		if _, err := NewStream(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
