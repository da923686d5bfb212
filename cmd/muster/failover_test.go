package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/bus"
	"muster/bus/rabbit"
	"muster/event"
	"muster/sim/game"
	"muster/storage"
	"muster/storage/storagetest"
)

// A failover is two listeners, a dispatcher and what is known of them.
type failover struct {
	t         *testing.T
	world     *game.Server
	env       []string
	url       string
	db        *sql.DB
	listeners []*member

	after  int64               // number of the last event that is known to be stored
	stored map[event.Key]bool  // what the database holds
	sent   map[event.Key]int   // copies of each event so far, by its first key
	mu     sync.Mutex          // guards states
	states []event.StreamState // as told on the feed
}

// A member is one listener in a process of its own.
type member struct {
	*proc
	way  *proxy // to the game
	conn int64  // its connection, by the game's number
	led  int    // how often it has said that it leads
}

// A proxy passes connections on until it is cut.
type proxy struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, listener: l}
	t.Cleanup(func() {
		_ = l.Close()
		p.set(true)
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	return p
}

// pass copies both ways.
func (p *proxy) pass(c net.Conn) {
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, c, up)
	cut := p.cut
	p.mu.Unlock()
	if !cut {
		go func() {
			_, _ = io.Copy(up, c)
			_ = up.Close()
		}()
		_, _ = io.Copy(c, up)
	}
	_ = c.Close()
	_ = up.Close()
}

// set cuts the way, or opens it again.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.conns = nil
	}
}

// startFailover starts everything and waits until both listeners are live.
func startFailover(t *testing.T) *failover {
	t.Helper()
	env := servers(t)
	f := &failover{t: t, stored: map[event.Key]bool{}, sent: map[event.Key]int{}}
	f.world = startGame(t, func(c *game.Config) {
		c.Environments, c.Worlds, c.EventsPerSecond = []string{"ps2"}, []string{"1", "10"}, 300
		c.PresenceEvery, c.CaptureEvery = 200*time.Millisecond, 5*time.Second
	})
	f.env = append(env, settings("", f.world)[1:]...)
	f.url = databaseOf(env)
	f.db = storagetest.Raw(t, f.url)
	t.Cleanup(func() {
		for i, m := range f.listeners {
			if t.Failed() {
				t.Logf("listener %d said:\n%s", i, tail(m.err.String(), 6000))
			}
		}
	})
	start(t, "muster", f.env, "dispatcher").err.find(t, "muster runs")
	f.watch()
	first := f.add()
	first.leads(t)
	f.add()
	f.steady()
	return f
}

// add starts a listener, and returns it once it is connected.
func (f *failover) add() *member {
	f.t.Helper()
	u, err := url.Parse(f.world.StreamURL())
	if err != nil {
		f.t.Fatal(err)
	}
	m := &member{way: newProxy(f.t, u.Host)}
	u.Host = m.way.listener.Addr().String()
	m.proc = start(f.t, "muster", append(slices.Clone(f.env), "MUSTER_GAME_STREAM_URL="+u.String()), "listener")
	f.listeners = append(f.listeners, m)
	f.connected(m, 1)
	return m
}

// connected waits for the n-th connection of m to the game, which is the newest
// there is.
func (f *failover) connected(m *member, n int64) {
	f.t.Helper()
	m.err.find(f.t, `(?s)(msg="stream state"[^\n]*state=reconciling.*){`+itoa(n)+`}`)
	m.conn = 0
	for _, c := range f.world.State().Clients {
		m.conn = max(m.conn, c.ID)
	}
}

// leads waits until m says that it leads once more than before.
func (m *member) leads(t *testing.T) {
	t.Helper()
	m.led++
	m.err.find(t, `(?s)(msg=leading role=listener.*){`+itoa(int64(m.led))+`}`)
}

// watch keeps the states that are told on the feed.
func (f *failover) watch() {
	f.t.Helper()
	value := func(name string) string {
		for _, v := range f.env {
			if after, ok := strings.CutPrefix(v, name+"="); ok {
				return after
			}
		}
		return ""
	}
	b, err := rabbit.Open(f.t.Context(), rabbit.Config{URL: value("MUSTER_BUS_URL"), Namespace: value("MUSTER_BUS_NAMESPACE"), Topology: topology()})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- b.Listen(ctx, event.TopicFeed, func() { close(ready) }, f.hear) }()
	f.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, b.Close()); err != nil {
			f.t.Error(err)
		}
	})
	<-ready
}

func (f *failover) hear(m bus.Message, _ int) {
	var told event.FeedMessage
	if json.Unmarshal(m.Body, &told) != nil || told.Stream == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states = append(f.states, *told.Stream)
}

// steady waits until both worlds were told to be live, and forgets what was before:
// events from then on must all be stored, and no state may change.
func (f *failover) steady() {
	f.t.Helper()
	until(f.t, "both worlds are live", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		live := map[event.World]bool{}
		for _, s := range f.states {
			live[s.World] = s.Health == event.StreamLive
		}
		return live[1] && live[10]
	})
	f.mu.Lock()
	f.states = nil
	f.mu.Unlock()
	f.after = f.world.State().Emitted
	for _, entry := range f.world.Journal(0, int(f.after)) {
		f.keys(entry)
	}
}

// keys returns the key of an entry of the journal, counting equal ones as a listener
// does.
func (f *failover) keys(entry game.Entry) event.Key {
	f.t.Helper()
	e, err := event.Decode(entry.Payload, entry.At)
	if err != nil {
		f.t.Fatal(err)
	}
	first := e.Key()
	if e.MayRepeat() {
		e.Copy = uint8(f.sent[first])
		f.sent[first]++
	}
	return e.Key()
}

// allStored waits until every event that the game has sent by now is stored.
func (f *failover) allStored() (events int) {
	f.t.Helper()
	sent := f.world.State().Emitted
	want := map[event.Key]bool{}
	for _, entry := range f.world.Journal(f.after, int(sent-f.after)) {
		if !entry.Lost {
			want[f.keys(entry)] = true
		}
	}
	missing := 0
	defer func() {
		if missing > 0 {
			f.t.Logf("of %d events %d are missing", len(want), missing)
		}
	}()
	until(f.t, "every event is stored", func() bool {
		f.read()
		missing = 0
		for k := range want {
			if !f.stored[k] {
				missing++
			}
		}
		return missing == 0
	})
	f.after = sent
	return len(want)
}

// read brings stored up to date. That no key is there twice is the primary key's to
// see to; a table holds each kind.
func (f *failover) read() {
	f.t.Helper()
	for _, table := range columns[string](f.t, f.db, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'event\\_%'") {
		for _, k := range columns[[]byte](f.t, f.db, "SELECT k FROM "+table) {
			f.stored[event.Key(k)] = true
		}
	}
}

// flows waits until the game has sent n more events.
func (f *failover) flows(n int64) {
	f.t.Helper()
	from := f.world.State().Emitted
	until(f.t, "the game goes on", func() bool { return f.world.State().Emitted >= from+n })
}

// TestNoFailureOfAListenerLosesAnEventOrIsToldOf runs both listeners in processes of
// their own at 300 events/s and makes the one that leads fail, again and again.
func TestNoFailureOfAListenerLosesAnEventOrIsToldOf(t *testing.T) {
	f := startFailover(t)
	leader, standby := f.listeners[0], f.listeners[1]
	signal := func(s os.Signal) {
		t.Helper()
		if err := leader.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	acts := []struct {
		name  string
		limit time.Duration // until another leads, for the log only
		act   func()
		after func() // once another leads
	}{
		{name: "killed", limit: 4 * time.Second,
			act:   func() { signal(syscall.SIGKILL) },
			after: func() { _ = leader.wait(t); leader = f.add() }},
		{name: "suspended and woken", limit: 4 * time.Second,
			act: func() { signal(syscall.SIGSTOP) },
			after: func() {
				f.flows(1500)
				signal(syscall.SIGCONT)
				leader.err.find(t, "leadership lost")
			}},
		{name: "cut off from the game", limit: 4 * time.Second,
			act:   func() { leader.way.set(true) },
			after: func() { f.flows(600); leader.way.set(false); f.connected(leader, 2) }},
		{name: "ended", limit: time.Second,
			act: func() { signal(syscall.SIGTERM) },
			after: func() {
				if err := leader.wait(t); err != nil {
					t.Errorf("after SIGTERM: %v", err)
				}
				leader = f.add()
			}},
		{name: "silent on one world", limit: 15 * time.Second,
			act: func() {
				if _, err := f.world.SetFault(game.Fault{Name: "silent_world", World: "10", Connection: leader.conn}); err != nil {
					t.Fatal(err)
				}
			},
			after: func() { f.flows(600); f.world.ClearFault(0) }},
	}
	for _, a := range acts {
		f.flows(600)
		began := time.Now()
		a.act()
		standby.leads(t)
		took := time.Since(began)
		a.after()
		f.flows(600)
		t.Logf("%-22s another leads after %v (to reach: %v), %d events stored, none missing",
			a.name, took.Round(10*time.Millisecond), a.limit, f.allStored())
		leader, standby = standby, leader
	}
	f.check()
}

// check looks at what was told and recorded since the beginning.
func (f *failover) check() {
	t := f.t
	t.Helper()
	f.mu.Lock()
	for _, s := range f.states {
		t.Errorf("world %d was told to be %s since %s: %q", s.World, s.Health, s.Since, s.Reason)
	}
	f.mu.Unlock()
	s, err := storage.Open(t.Context(), f.url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	gaps, err := s.Gaps(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.Cause != "down: not connected yet" && g.Cause != "down: waiting for the subscription" {
			t.Errorf("a hole in world %d from %s to %s: %s", g.World, g.From, g.To, g.Cause)
		}
	}
}
