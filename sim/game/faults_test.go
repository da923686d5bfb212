package game

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// death is a payload to emit, told apart by its number.
func death(world string, i int) []byte {
	return fmt.Appendf(nil, `{"attacker_character_id":"6","attacker_team_id":"1","character_id":"%d","event_name":"Death","team_id":"2","timestamp":"1730000000","world_id":"%s","zone_id":"2"}`, i+100, world)
}

func mustEmit(t *testing.T, s *Server, world string, n int) {
	t.Helper()
	for i := range n {
		if err := s.Emit(death(world, i)); err != nil {
			t.Fatal(err)
		}
	}
}

// subscribed returns a server and a client that has asked for everything.
func subscribed(t *testing.T) (*Server, *client) {
	t.Helper()
	s := mustStart(t, quiet())
	c := mustDial(t, s, "ps2")
	c.subscribe()
	return s, c
}

func worldsOf(events []map[string]any) string {
	var out []string
	for _, e := range events {
		out = append(out, e["world_id"].(string))
	}
	return strings.Join(out, " ")
}

func TestASilentWorldSendsNothingAndTheOthersFlow(t *testing.T) {
	s, c := subscribed(t)
	f := mustFault(t, s, Fault{Name: "silent_world", World: "10"})
	mustEmit(t, s, "10", 1)
	mustEmit(t, s, "1", 1)
	if got := worldsOf(c.events()); got != "1" {
		t.Errorf("got worlds %q", got)
	}
	if line, _ := s.heartbeat(s.conns[0]); !strings.Contains(string(line), `"EventServerEndpoint_Miller_10":"true"`) {
		t.Errorf("the heartbeat does not say true: %s", line)
	}
	s.ClearFault(f.ID)
	mustEmit(t, s, "10", 1)
	if got := worldsOf(c.events()); got != "10" {
		t.Errorf("after the fault: %q", got)
	}
}

func TestASilentConnectionKeepsHeartbeatsOrNothing(t *testing.T) {
	for _, heartbeats := range []bool{true, false} {
		t.Run(fmt.Sprint("heartbeats ", heartbeats), func(t *testing.T) {
			s, c := subscribed(t)
			other := mustDial(t, s, "ps2")
			other.subscribe()
			f := mustFault(t, s, Fault{Name: "silent_connection", Connection: 1, Heartbeats: heartbeats})
			mustEmit(t, s, "1", 1)
			if got := worldsOf(other.events()); got != "1" {
				t.Errorf("the other connection got %q", got)
			}
			if line, _ := s.heartbeat(s.conns[0]); (line != nil) != heartbeats {
				t.Errorf("heartbeat: %s", line)
			}
			c.send(`{"service":"event","action":"echo","payload":{"lost":"1"}}`)
			if !heartbeats {
				// the answer is withheld only once it has been read
				eventually(t, "the request is read", func() bool { return s.answer(s.conns[0], []byte(`{"service":"event","action":"help"}`)) == nil })
				return
			}
			s.ClearFault(f.ID)
			if got := c.line(); got != `{"lost":"1"}` {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestAWorldThatIsDownSaysSoAndComesBack(t *testing.T) {
	s, c := subscribed(t)
	c.mark()
	f := mustFault(t, s, Fault{Name: "world_down", World: "10"})
	if got := c.line(); got != `{"detail":"EventServerEndpoint_Miller_10","online":"false","service":"event","type":"serviceStateChanged"}` {
		t.Errorf("got %s", got)
	}
	if line, _ := s.heartbeat(s.conns[0]); !strings.Contains(string(line), `"EventServerEndpoint_Miller_10":"false"`) {
		t.Errorf("heartbeat %s", line)
	}
	mustEmit(t, s, "10", 1)
	late := mustDial(t, s, "ps2")
	if got := strings.Join(late.mark(), "\n"); !strings.Contains(got, `Miller_10","online":"false"`) {
		t.Errorf("greeting %s", got)
	}
	s.ClearFault(f.ID)
	if got := c.line(); !strings.Contains(got, `Miller_10","online":"true"`) {
		t.Errorf("got %s", got)
	}
}

func TestAFaultEndsByItsDuration(t *testing.T) {
	s, c := subscribed(t)
	c.mark()
	mustFault(t, s, Fault{Name: "world_down", World: "1", DurationMS: 20})
	if got := c.line(); !strings.Contains(got, "false") {
		t.Errorf("got %s", got)
	}
	if got := c.line(); !strings.Contains(got, "true") {
		t.Errorf("got %s", got)
	}
	if got := s.Faults(); len(got) != 0 {
		t.Errorf("still active: %v", got)
	}
}

func TestConnectionsAreClosedResetAndLeftHalfOpen(t *testing.T) {
	t.Run("closed with a code after some messages", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "close", Code: 1011, AfterMessages: 3})
		mustEmit(t, s, "1", 5)
		for range 3 {
			c.event()
		}
		_, _, err := c.ws.ReadMessage()
		var ce *websocket.CloseError
		if !errors.As(err, &ce) || ce.Code != 1011 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("closed after a while", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "close", AfterMS: 10})
		_, _, err := c.ws.ReadMessage()
		var ce *websocket.CloseError
		if !errors.As(err, &ce) || ce.Code != 1001 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("reset at once", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "reset"})
		if _, _, err := c.ws.ReadMessage(); err == nil || websocket.IsCloseError(err, 1000, 1001) {
			t.Errorf("got %v, want a cut without a close frame", err)
		}
	})
	t.Run("half open", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "half_open"})
		var pongs atomic.Int32
		c.ws.SetPongHandler(func(string) error { pongs.Add(1); return nil })
		_ = c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(testWait))
		mustEmit(t, s, "1", 3)
		if st := s.State(); len(st.Clients) != 1 {
			t.Fatalf("the socket is not open: %v", st.Clients)
		}
		s.mu.Lock()
		s.conns[0].reset()
		s.mu.Unlock()
		if _, msg, err := c.ws.ReadMessage(); err == nil {
			t.Errorf("got %s over a half-open connection", msg)
		}
		if pongs.Load() != 0 {
			t.Error("a half-open connection answered a ping")
		}
	})
}

func TestHandshakesAreRefusedAndHang(t *testing.T) {
	s := mustStart(t, quiet())
	for _, code := range []int{0, 500} {
		mustFault(t, s, Fault{Name: "refuse_handshake", Code: code, Count: 1})
		want := max(code, 403)
		if _, resp, _ := dial(s, "ps2", "s:test"); resp == nil || resp.StatusCode != want {
			t.Errorf("got %v, want %d", resp, want)
		}
		mustDial(t, s, "ps2")
	}
	s.ClearFault(0)
	f := mustFault(t, s, Fault{Name: "hang_handshake"})
	answered := make(chan error, 1)
	go func() {
		_, _, err := dial(s, "ps2", "s:test")
		answered <- err
	}()
	eventually(t, "the handshake arrives", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.faults.active[0].struck == 1
	})
	select {
	case err := <-answered:
		t.Fatalf("answered: %v", err)
	default:
	}
	s.ClearFault(f.ID)
	if err := <-answered; err == nil {
		t.Error("the hanging handshake went through")
	}
}

func TestNamesAndWorldsVanishFromASubscription(t *testing.T) {
	s, c := subscribed(t)
	mustFault(t, s, Fault{Name: "drop_subscription", Events: []string{"Death"}, Worlds: []string{"10"}})
	mustEmit(t, s, "1", 1)
	c.send(`{"service":"event","action":"subscribe"}`)
	sub := c.echo()
	if got := fmt.Sprint(sub["eventNames"], sub["worlds"]); strings.Contains(got, "Death") || strings.Contains(got, "10") || !strings.Contains(got, "PlayerLogin") {
		t.Errorf("got %v", sub)
	}
	c.subscribe("Death")
	mustEmit(t, s, "1", 1)
	if got := len(c.events()); got != 1 {
		t.Errorf("after subscribing again: %d events", got)
	}
	mustFault(t, s, Fault{Name: "drop_subscription", Events: []string{"Death"}, DurationMS: 60_000})
	if got := fmt.Sprint(c.subscribe("Death")["eventNames"]); strings.Contains(got, "Death") {
		t.Errorf("a lasting fault let it back in: %v", got)
	}
}

func TestSharesOfTheStreamGoWrong(t *testing.T) {
	const n = 400
	count := func(events []map[string]any, ok func(map[string]any) bool) int {
		total := 0
		for _, e := range events {
			if ok(e) {
				total++
			}
		}
		return total
	}
	t.Run("duplicates on one connection", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "duplicates", Share: 0.25})
		mustEmit(t, s, "1", n)
		got := 0
		for seen := map[string]int{}; got < n || seen["twice"] == 0; got++ {
			id := c.event()["character_id"].(string)
			if seen[id]++; seen[id] == 2 {
				seen["twice"]++
			}
		}
	})
	t.Run("timestamps ahead", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "clock", World: "10", OffsetS: 86_400})
		mustEmit(t, s, "10", 1)
		mustEmit(t, s, "1", 1)
		e := c.events()
		if e[0]["timestamp"] != "1730086400" || e[1]["timestamp"] != "1730000000" {
			t.Errorf("got %v", e)
		}
	})
	t.Run("unknown and missing fields", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "unknown_field", Share: 0.5, Field: "mood"})
		mustFault(t, s, Fault{Name: "missing_field", Share: 0.5})
		mustEmit(t, s, "1", n)
		e := c.events()
		with := count(e, func(e map[string]any) bool { return e["mood"] != nil })
		without := count(e, func(e map[string]any) bool { return e["attacker_team_id"] == nil })
		if len(e) != n || with < n/4 || with > 3*n/4 || without < n/4 || without > 3*n/4 {
			t.Errorf("%d events, %d with, %d without", len(e), with, without)
		}
	})
	t.Run("unknown events, empty payloads, broken messages beside the true ones", func(t *testing.T) {
		s, c := subscribed(t)
		for _, name := range []string{"unknown_event", "empty_payload", "invalid_json"} {
			mustFault(t, s, Fault{Name: name, Share: 0.3, Count: 5})
		}
		mustEmit(t, s, "1", n)
		broken, empty, unknown, deaths := 0, 0, 0, 0
		for _, line := range c.mark() {
			switch {
			case !strings.HasSuffix(line, "}"):
				broken++
			case strings.Contains(line, `"payload":{}`):
				empty++
			case strings.Contains(line, "PlayerTamedAuraxianCat"):
				unknown++
			case strings.Contains(line, `"Death"`):
				deaths++
			}
		}
		if broken != 5 || empty != 5 || unknown != 5 || deaths != n {
			t.Errorf("got %d broken, %d empty, %d unknown, %d deaths", broken, empty, unknown, deaths)
		}
	})
	t.Run("late ones", func(t *testing.T) {
		s, c := subscribed(t)
		mustFault(t, s, Fault{Name: "reorder", Share: 0.5, DelayMS: 30})
		mustEmit(t, s, "1", 100)
		previous, back := 0, 0
		for range 100 {
			var id int
			_, _ = fmt.Sscan(c.event()["character_id"].(string), &id)
			if id < previous {
				back++
			}
			previous = id
		}
		if back == 0 {
			t.Error("everything came in order")
		}
	})
}

func TestTwoNodesLoseDifferentEvents(t *testing.T) {
	s, a := subscribed(t)
	b := mustDial(t, s, "ps2")
	b.subscribe()
	for node := 1; node <= 2; node++ {
		mustFault(t, s, Fault{Name: "node_loss", Node: node, Share: 0.3})
	}
	const n = 500
	mustEmit(t, s, "1", n)
	union := map[any]int{}
	for _, c := range []*client{a, b} {
		got := c.events()
		if len(got) < n/2 || len(got) > n*9/10 {
			t.Errorf("a node delivered %d of %d", len(got), n)
		}
		for _, e := range got {
			union[e["character_id"]]++
		}
	}
	if len(union) < n*8/10 || len(union) == n {
		t.Errorf("both together have %d of %d", len(union), n)
	}
}

func TestALostLoginReachesNobodyAndIsInTheJournal(t *testing.T) {
	s, c := subscribed(t)
	mustFault(t, s, Fault{Name: "lost_presence", Events: []string{"PlayerLogin"}, Count: 1})
	for _, do := range []func(string) error{s.Login, s.Logout, s.Login} {
		if err := do("Ravenholt"); err != nil {
			t.Fatal(err)
		}
	}
	got := c.events()
	if len(got) != 2 || got[0]["event_name"] != "PlayerLogout" || got[1]["event_name"] != "PlayerLogin" {
		t.Errorf("got %v", got)
	}
	if j := s.Journal(0, 10); len(j) != 3 || !j[0].Lost || j[1].Lost {
		t.Errorf("journal %v", j)
	}
}

func TestABurstOfFacilityControl(t *testing.T) {
	s, c := subscribed(t)
	mustFault(t, s, Fault{Name: "facility_burst", World: "10", Zone: "4", Count: 50})
	got := c.events()
	if len(got) != 50 || got[0]["event_name"] != "FacilityControl" || got[0]["zone_id"] != "4" || got[0]["old_faction_id"] != "0" {
		t.Errorf("got %d, first %v", len(got), got[0])
	}
	if len(s.Faults()) != 0 {
		t.Error("a burst is over when it is over")
	}
}

func TestWrongFaultsAreRefused(t *testing.T) {
	s := mustStart(t, quiet())
	for _, f := range []Fault{
		{Name: "gremlins"}, {Name: "duplicates", Share: 2}, {Name: "close", AfterMS: -1}, {Name: "world_down", World: "77"},
		{Name: "empty_friends"}, {Name: "empty_friends", Character: "Nobody At All"},
	} {
		if _, err := s.SetFault(f); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}
