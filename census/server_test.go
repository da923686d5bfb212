package census

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"muster/event"
)

// A gameServer is a small streaming service: it keeps one subscription per
// connection and sends what a test tells it to.
type gameServer struct {
	t   *testing.T
	srv *httptest.Server

	mu       sync.Mutex
	conns    []*gameConn
	status   int  // handshakes get this status instead, if not 0
	mute     bool // do not answer subscribe
	deaf     bool // do not even answer pings
	lose     []string
	dials    int
	received []string
}

// hang is a status that leaves a handshake without an answer.
const hang = -1

type gameConn struct {
	mu     sync.Mutex
	ws     *websocket.Conn
	worlds map[string]bool
	names  map[string]bool
	all    bool
	and    bool
}

func newGameServer(t *testing.T) *gameServer {
	t.Helper()
	g := &gameServer{t: t}
	g.srv = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() {
		g.mu.Lock()
		for _, c := range g.conns {
			_ = c.ws.Close()
		}
		g.mu.Unlock()
		g.srv.Close()
	})
	return g
}

func (g *gameServer) url() string { return "ws" + strings.TrimPrefix(g.srv.URL, "http") + "/streaming" }

func (g *gameServer) set(change func(*gameServer)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

func (g *gameServer) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.dials++
	status := g.status
	g.mu.Unlock()
	if status == hang {
		<-r.Context().Done()
		return
	}
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	up := websocket.Upgrader{}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &gameConn{ws: ws, worlds: map[string]bool{}, names: map[string]bool{}}
	ws.SetPingHandler(func(data string) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.deaf {
			return nil
		}
		return ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	c.send(`{"connected":"true","service":"push","type":"connectionStateChanged"}`)
	c.send(`{"send this for help":{"service":"event","action":"help"}}`)
	g.mu.Lock()
	g.conns = append(g.conns, c)
	g.mu.Unlock()
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		g.subscribe(c, b)
	}
}

func (g *gameServer) subscribe(c *gameConn, b []byte) {
	var m struct {
		Worlds, Characters, EventNames []string
		And                            bool `json:"logicalAndCharactersWithWorlds"`
	}
	if json.Unmarshal(b, &m) != nil {
		return
	}
	g.mu.Lock()
	g.received = append(g.received, string(b))
	lose, mute := slices.Clone(g.lose), g.mute
	g.mu.Unlock()
	if mute {
		return
	}
	for _, w := range m.Worlds {
		c.worlds[w] = true
	}
	for _, n := range m.EventNames {
		c.names[n] = true
	}
	c.all = c.all || slices.Contains(m.Characters, "all")
	c.and = c.and || m.And
	for _, x := range lose {
		delete(c.worlds, x)
		delete(c.names, x)
	}
	echo := map[string]any{"worlds": keys(c.worlds), "eventNames": keys(c.names), "logicalAndCharactersWithWorlds": c.and}
	if c.all {
		echo["characters"] = []string{"all"}
	} else {
		echo["characterCount"] = 0
	}
	out, err := json.Marshal(map[string]any{"subscription": echo})
	if err == nil {
		c.send(string(out))
	}
}

func keys(m map[string]bool) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	return out
}

func (c *gameConn) send(frame string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.ws.WriteMessage(websocket.TextMessage, []byte(frame))
}

// conn waits for the n-th connection, counted from 1.
func (g *gameServer) conn(n int) *gameConn {
	g.t.Helper()
	var c *gameConn
	waitFor(g.t, fmt.Sprintf("connection %d", n), func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.conns) < n {
			return false
		}
		c = g.conns[n-1]
		return true
	})
	return c
}

func (g *gameServer) dialed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dials
}

// waitFor polls until ok, at most 10 s.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// fast returns a config with intervals for tests: no silence, quick retries.
func (g *gameServer) fast() StreamConfig {
	return StreamConfig{
		URL: g.url(), ServiceID: "secret", Environment: event.PC,
		Worlds: []event.World{1, 10},
		Health: HealthConfig{
			Limits: func(event.World) Limits { return Limits{} },
			Factor: func(int) int { return 1 }, Reconcile: time.Millisecond,
		},
		Tick: 5 * time.Millisecond, MinReconnect: time.Millisecond,
		BackoffBase: time.Millisecond, BackoffLimit: 10 * time.Millisecond,
		RefusedRetry: 20 * time.Millisecond,
	}
}

// A recorder is a handler that keeps what it is told.
type recorder struct {
	mu         sync.Mutex
	sightings  []Sighting
	states     []event.StreamState
	heartbeats []Heartbeat
	echoes     int
}

func (r *recorder) handler() Handler {
	return Handler{
		Event: func(s Sighting) { r.mu.Lock(); defer r.mu.Unlock(); r.sightings = append(r.sightings, s) },
		State: func(s event.StreamState) { r.mu.Lock(); defer r.mu.Unlock(); r.states = append(r.states, s) },
		Heartbeat: func(h Heartbeat) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.heartbeats = append(r.heartbeats, h)
		},
		Echo: func(Subscription) { r.mu.Lock(); defer r.mu.Unlock(); r.echoes++ },
	}
}

func (r *recorder) events() []Sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sightings)
}

func (r *recorder) echoed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.echoes
}

// run starts a stream that ends with the test.
func run(t *testing.T, cfg StreamConfig) (*Stream, *recorder) {
	t.Helper()
	s, err := NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, runStream(t, s)
}

func runStream(t *testing.T, s *Stream) *recorder {
	t.Helper()
	r := &recorder{}
	ctx, stop := contextFor(t)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, r.handler()) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// healthOf returns the state of one world.
func healthOf(s *Stream, w event.World) event.StreamState {
	for _, st := range s.States() {
		if st.World == w {
			return st
		}
	}
	return event.StreamState{}
}

// kill is a Death now on a world, of a victim.
func kill(world event.World, victim int) string {
	return fmt.Sprintf(`{"payload":{"attacker_character_id":"5429585904316728705","attacker_weapon_id":"7233",`+
		`"character_id":"54295505263940%05d","event_name":"Death","timestamp":"%d","world_id":"%d","zone_id":"6"},`+
		`"service":"event","type":"serviceMessage"}`, victim, time.Now().Unix(), world)
}

func gain(world event.World, who int) string {
	return fmt.Sprintf(`{"payload":{"amount":"15","character_id":"54295859043178%05d","event_name":"GainExperience",`+
		`"experience_id":"55","loadout_id":"19","other_id":"0","team_id":"1","timestamp":"%d","world_id":"%d","zone_id":"8"},`+
		`"service":"event","type":"serviceMessage"}`, who, time.Now().Unix(), world)
}
