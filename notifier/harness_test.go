package notifier_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/bus"
	"muster/event"
	"muster/notifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// wire is a bus that hands each message to its listeners at once.
type wire struct {
	mu        sync.Mutex
	listeners map[string][]func(bus.Message, int)
	lost      int
}

func newWire() *wire { return &wire{listeners: map[string][]func(bus.Message, int){}} }

func (w *wire) Listen(ctx context.Context, topic string, ready func(), h func(bus.Message, int)) error {
	w.mu.Lock()
	w.listeners[topic] = append(w.listeners[topic], h)
	w.mu.Unlock()
	if ready != nil {
		ready()
	}
	<-ctx.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[topic] = nil
	return nil
}

func (w *wire) publish(t testing.TB, topic string, v any) {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.listeners[topic] {
		h(bus.Message{Body: body}, w.lost)
	}
	w.lost = 0
}

// waitListening returns once both topics are heard.
func (w *wire) waitListening(t testing.TB) {
	t.Helper()
	eventually(t, "the notifier listens", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.listeners[event.TopicFeed]) > 0 && len(w.listeners[event.TopicNames]) > 0
	})
}

// memory is a store with what a test puts into it.
type memory struct {
	mu       sync.Mutex
	players  map[event.CharacterID]event.Player
	sessions []event.Session
	outfits  []event.Outfit
	streams  []event.StreamState
	gaps     []event.Gap
	err      error
	panics   bool
}

func newMemory() *memory { return &memory{players: map[event.CharacterID]event.Player{}} }

func (m *memory) change(f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *memory) OnlineNow(_ context.Context, world event.World, limit int) ([]event.Player, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []event.Player
	for _, p := range m.players {
		if p.Online.Online && (world == 0 || p.Online.World == world) && len(all) < limit {
			all = append(all, p)
		}
	}
	return all, m.err
}

func (m *memory) OnlineCount(context.Context) (map[event.World]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.panics {
		panic("a bug in the store")
	}
	counts := map[event.World]int{}
	for _, p := range m.players {
		if p.Online.Online {
			counts[p.Online.World]++
		}
	}
	return counts, m.err
}

func (m *memory) Player(_ context.Context, id event.CharacterID) (event.Player, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.players[id]
	return p, ok, m.err
}

func (m *memory) CharacterByName(_ context.Context, name string) (event.Character, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.players {
		if strings.EqualFold(p.Character.Name, name) {
			return p.Character, true, m.err
		}
	}
	return event.Character{}, false, m.err
}

func (m *memory) RecentSessions(_ context.Context, id event.CharacterID, _ int) ([]event.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var mine []event.Session
	for _, s := range m.sessions {
		if s.Character == id {
			mine = append(mine, s)
		}
	}
	return mine, m.err
}

func (m *memory) Outfit(_ context.Context, id event.OutfitID) (event.Outfit, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.outfits {
		if o.ID == id {
			return o, true, m.err
		}
	}
	return event.Outfit{}, false, m.err
}

func (m *memory) OutfitsByTag(_ context.Context, tag string) ([]event.Outfit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []event.Outfit
	for _, o := range m.outfits {
		if strings.EqualFold(o.Tag, tag) {
			all = append(all, o)
		}
	}
	return all, m.err
}

func (m *memory) Members(_ context.Context, id event.OutfitID, _ int) ([]event.Player, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []event.Player
	for _, p := range m.players {
		if p.Character.Outfit.ID == id {
			all = append(all, p)
		}
	}
	return all, m.err
}

func (m *memory) StreamStates(context.Context) ([]event.StreamState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams, m.err
}

func (m *memory) Gaps(context.Context, time.Time, time.Time) ([]event.Gap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gaps, m.err
}

// server is a notifier that runs on a free port.
type server struct {
	*notifier.Notifier
	url   string
	bus   *wire
	store *memory
	stop  func() error // ends Run and returns what it did; once
}

func start(t testing.TB, change func(*notifier.Config)) *server {
	t.Helper()
	s := &server{bus: newWire(), store: newMemory()}
	cfg := notifier.Config{Addr: "127.0.0.1:0", Bus: s.bus, Store: s.store, Version: "test"}
	cfg.Limits.Retry = 10 * time.Millisecond
	if change != nil {
		change(&cfg)
	}
	if m, ok := cfg.Store.(*memory); ok {
		s.store = m
	}
	n, err := notifier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Notifier = n
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	s.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	eventually(t, "the server listens", func() bool { return n.Addr() != "" })
	s.bus.waitListening(t)
	s.url = "http://" + n.Addr()
	return s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		}
	}
}

// client has no keep-alive, so that nothing of a test outlives it.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func get(t testing.TB, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return do(t, http.MethodGet, url, headers...)
}

func do(t testing.TB, method, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// message is one event as a client reads it.
type message struct {
	ID, Event string
	Data      json.RawMessage
	Retry     string
}

func (m message) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(m.Data, v); err != nil {
		t.Fatalf("event %s: %v in %s", m.Event, err, m.Data)
	}
}

// stream is an open feed.
type stream struct {
	t        testing.TB
	res      *http.Response
	messages <-chan message
	close    func()
}

// follow opens the feed and reads it until the test ends.
func follow(t testing.TB, url string, headers ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	messages := make(chan message, 1<<16)
	done := make(chan struct{})
	go func() { defer close(done); defer close(messages); readMessages(res.Body, messages) }()
	s := &stream{t: t, res: res, messages: messages}
	s.close = sync.OnceFunc(func() { cancel(); _ = res.Body.Close(); <-done })
	t.Cleanup(s.close)
	return s
}

// readMessages parses Server-Sent Events until r ends.
func readMessages(r io.Reader, out chan<- message) {
	var m message
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "":
			out <- m
			m = message{}
		case "id":
			m.ID = value
		case "event":
			m.Event = value
		case "data":
			m.Data = json.RawMessage(value)
		case "retry":
			m.Retry = value
		}
	}
}

// next returns the next event that is not a heartbeat.
func (s *stream) next() message {
	s.t.Helper()
	for {
		if m, ok := s.read(); !ok {
			s.t.Fatal("the feed ended")
		} else if m.Event != "heartbeat" {
			return m
		}
	}
}

func (s *stream) read() (message, bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case m, ok := <-s.messages:
		return m, ok
	case <-deadline.C:
		s.t.Fatal("nothing came on the feed")
		return message{}, false
	}
}

// until returns the next event of a name, and the ids passed on the way.
func (s *stream) until(name string) (message, []string) {
	s.t.Helper()
	var ids []string
	for {
		m, ok := s.read()
		if !ok {
			s.t.Fatalf("the feed ended before an event %s", name)
		}
		if m.Event == name {
			return m, ids
		}
		if m.ID != "" && m.Event != "heartbeat" && m.Event != "hello" {
			ids = append(ids, m.ID)
		}
	}
}

const (
	alice  event.CharacterID = 5428010618020694593
	bob    event.CharacterID = 5428010618020694594
	nobody event.CharacterID = 5428010618020691234
	outfit event.OutfitID    = 37509488620601506
)

// epochAt is when the tests' events happen.
var epochAt = time.Now()

func itemID(n int) string {
	return event.FeedID(epochAt.Add(time.Duration(n)*time.Millisecond), event.Key{byte(n >> 8), byte(n)})
}

func who(id event.CharacterID, name string) *event.Who {
	return &event.Who{ID: id, Name: name, Faction: event.VS}
}

func item(n int, kind string, world event.World, character, other *event.Who) *event.FeedItem {
	return &event.FeedItem{ID: itemID(n), Kind: kind, World: world, Zone: 2, At: epochAt.Unix(),
		ReceivedAt: epochAt.Add(time.Duration(n) * time.Millisecond).UnixNano(),
		Character:  character, Other: other, Detail: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}
}

func (s *server) publish(t testing.TB, items ...*event.FeedItem) {
	t.Helper()
	var m event.FeedMessage
	for _, it := range items {
		m.Items = append(m.Items, *it)
	}
	s.bus.publish(t, event.TopicFeed, m)
}
