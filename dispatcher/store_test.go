package dispatcher

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/bus"
	"muster/event"
	"muster/storage"
)

// A plant is a dispatcher over the real store and the durable spool in its file.
type plant struct {
	t     *testing.T
	path  string
	store *storage.Store
	spool *bus.Spool

	mu    sync.Mutex
	items []event.FeedItem
	stops []func()
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	p := &plant{t: t, path: filepath.Join(t.TempDir(), "muster.db")}
	p.open()
	t.Cleanup(p.close)
	return p
}

func (p *plant) open() {
	p.t.Helper()
	ctx := context.Background()
	var err error
	if p.store, err = storage.Open(ctx, "sqlite:"+p.path, storage.Options{}); err != nil {
		p.t.Fatal(err)
	}
	if err := p.store.Migrate(ctx); err != nil {
		p.t.Fatal(err)
	}
	p.spool, err = bus.OpenSpool(ctx, p.store.SpoolDB(), bus.SpoolConfig{Topology: topology(), Shared: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.background(func(ctx context.Context, ready func()) error {
		return p.spool.Listen(ctx, event.TopicFeed, ready, func(m bus.Message, lost int) {
			var f event.FeedMessage
			if err := json.Unmarshal(m.Body, &f); err != nil || lost > 0 {
				p.t.Errorf("feed: %v, %d lost", err, lost)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.items = append(p.items, f.Items...)
		})
	})
}

// background runs f until close; it returns once f says that it is ready.
func (p *plant) background(f func(ctx context.Context, ready func()) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- f(ctx, func() { close(ready) }) }()
	<-ready
	p.stops = append(p.stops, func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("got %v, want nil at the end", err)
		}
	})
}

func (p *plant) dispatch(s Store) {
	p.background(func(ctx context.Context, ready func()) error {
		d := New(Config{Bus: p.spool, Store: s})
		ready()
		return d.Run(ctx)
	})
}

// close stops everything in the reverse order; closing twice does nothing.
func (p *plant) close() {
	for i := len(p.stops) - 1; i >= 0; i-- {
		p.stops[i]()
	}
	if p.stops = nil; p.store == nil {
		return
	}
	if err := errors.Join(p.spool.Close(), p.store.Close()); err != nil {
		p.t.Error(err)
	}
	p.store = nil
}

func (p *plant) publish(bodies ...[]byte) {
	p.t.Helper()
	var messages []bus.Message
	for _, b := range bodies {
		messages = append(messages, bus.Message{Body: b})
	}
	if err := p.spool.Publish(context.Background(), event.TopicEvents, messages...); err != nil {
		p.t.Fatal(err)
	}
}

// settle waits until nothing is queued.
func (p *plant) settle() {
	p.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		n, err := p.spool.Depth(context.Background(), event.QueueDispatcher)
		if err != nil {
			p.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%d messages still wait", n)
		}
	}
}

func (p *plant) stored() (total int64) {
	p.t.Helper()
	counts, err := p.store.CountEvents(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, n := range counts {
		total += n
	}
	return total
}

// want checks that n events are stored, each once on the feed. The feed is behind
// the settling by a moment.
func (p *plant) want(n int) {
	p.t.Helper()
	p.settle()
	if got := p.stored(); got != int64(n) {
		p.t.Errorf("%d events stored, want %d", got, n)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); p.heard() < n && time.Now().Before(end); {
		<-tick.C
	}
	ids := map[string]int{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, it := range p.items {
		ids[it.ID]++
	}
	if len(ids) != n || len(p.items) != n {
		p.t.Errorf("%d items of %d ids on the feed, want %d", len(p.items), len(ids), n)
	}
}

func (p *plant) heard() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.items)
}

// recording returns the payloads of the recorded session.
func recording(t *testing.T) (payloads []json.RawMessage) {
	t.Helper()
	dir := os.Getenv("MUSTER_SHARED")
	if dir == "" {
		t.Skip("MUSTER_SHARED does not say where the recorded samples are")
	}
	f, err := os.Open(filepath.Join(dir, "census-samples", "ess", "session-2024-10-29-a.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m struct {
			Payload json.RawMessage `json:"payload"`
			Type    string          `json:"type"`
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err == nil && m.Type == "serviceMessage" {
			payloads = append(payloads, m.Payload)
		}
	}
	return payloads
}

func TestTheRecordingIsStoredAndToldOnceHoweverOftenItIsPlayed(t *testing.T) {
	payloads := recording(t)
	p := newPlant(t)
	p.dispatch(p.store)
	for round := range 2 {
		for _, payload := range payloads {
			p.publish(event.EncodeSighting(payload, time.Now(), 0))
		}
		if p.want(464); t.Failed() {
			t.Fatalf("in round %d", round+1)
		}
	}
}

// halfStore does the work and then fails, or fails after the commit.
type halfStore struct {
	Store
	mu     sync.Mutex
	calls  int
	commit bool
}

func (s *halfStore) Record(ctx context.Context, now time.Time, rec event.Record, settle func(context.Context, *sql.Tx) error) (event.Recorded, error) {
	s.mu.Lock()
	s.calls++
	fail := s.calls%3 != 0
	s.mu.Unlock()
	if fail && !s.commit {
		return s.Store.Record(ctx, now, rec, func(ctx context.Context, tx *sql.Tx) error {
			return errors.Join(settle(ctx, tx), errors.New("killed before the commit"))
		})
	}
	got, err := s.Store.Record(ctx, now, rec, settle)
	if err == nil && fail {
		return event.Recorded{}, errors.New("killed after the commit")
	}
	return got, err
}

func TestABatchThatFailsHalfwayHasItsWholeEffectOnce(t *testing.T) {
	for name, commit := range map[string]bool{"before the commit": false, "after the commit": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			p.dispatch(&halfStore{Store: p.store, commit: commit})
			const n = 200
			for second := range int64(n) {
				p.publish(event.EncodeSighting([]byte(death(alice, bob, 1_730_000_000+second)), time.Now(), 0))
			}
			p.want(n)
		})
	}
}

func TestWhatWaitedInTheSpoolIsStoredAfterARestart(t *testing.T) {
	p := newPlant(t)
	const n = 300
	for second := range int64(n) {
		p.publish(event.EncodeSighting([]byte(death(alice, bob, 1_730_000_000+second)), time.Now(), 0))
	}
	p.close()
	p.open()
	p.dispatch(p.store)
	p.want(n)
}

func TestPresenceNamesAndDeadLettersThroughTheRealStore(t *testing.T) {
	p := newPlant(t)
	ctx := context.Background()
	if err := p.store.SaveCharacters(ctx, []event.Character{{ID: alice, Name: "Alice", Faction: event.NC, World: 10, ResolvedAt: time.Now(),
		Outfit: event.Outfit{ID: 37509488620604883, Tag: "TAG", Name: "The Outfit"}}}); err != nil {
		t.Fatal(err)
	}
	if err := p.store.SaveLookups(ctx, []event.Lookup{{Category: event.LookupItem, ID: 7214, Name: "NS-7 PDW"}}); err != nil {
		t.Fatal(err)
	}
	p.dispatch(p.store)
	now := time.Now().Unix()
	p.publish([]byte("not JSON"), event.EncodeSighting([]byte(login(alice, now-2)), time.Now(), 0),
		event.EncodeSighting([]byte(death(bob, alice, now-1)), time.Now(), 0))
	p.want(2)
	player, ok, err := p.store.Player(ctx, alice)
	if err != nil || !ok || !player.Online.Online {
		t.Errorf("got %+v, %v, %v; want alice online", player, ok, err)
	}
	p.mu.Lock()
	kill := p.items[1]
	p.mu.Unlock()
	if kill.Character.Name != "Alice" || kill.Character.Outfit == nil || kill.Character.Outfit.Tag != "TAG" || kill.Other.Name != "" ||
		!strings.Contains(string(kill.Detail), `"name":"NS-7 PDW"`) {
		t.Errorf("got %+v %s, want names from the store", kill, kill.Detail)
	}
	dead, err := p.spool.DeadLetters(ctx, event.QueueDispatcher, 10)
	if err != nil || len(dead) != 1 || string(dead[0].Body) != "not JSON" {
		t.Errorf("dead letters: got %+v (%v), want the one", dead, err)
	}
}

func TestWhatTheRealStoreRefusesIsPutAsideAlone(t *testing.T) {
	p := newPlant(t)
	poison := []byte(`{"v":1,"stream":{"world":10,"health":"live","since":"2024-10-29T10:00:00Z"}}`) // reported when?
	bodies := [][]byte{poison}
	for second := range int64(20) {
		bodies = append(bodies, event.EncodeSighting([]byte(death(alice, bob, 1_730_000_000+second)), time.Now(), 0))
	}
	p.publish(bodies...)
	p.dispatch(p.store)
	p.want(20)
	dead, err := p.spool.DeadLetters(context.Background(), event.QueueDispatcher, 10)
	if err != nil || len(dead) != 1 || string(dead[0].Body) != string(poison) {
		t.Errorf("dead letters: got %+v (%v), want the one", dead, err)
	}
}
