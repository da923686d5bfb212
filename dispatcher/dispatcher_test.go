package dispatcher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"muster/bus"
	"muster/event"
)

func topology() bus.Topology {
	return bus.Topology{
		event.TopicEvents: {event.QueueDispatcher},
		event.TopicFeed:   nil, event.TopicAlerts: nil, event.TopicLookups: nil, event.TopicNames: nil,
	}
}

const (
	alice event.CharacterID = 5428010618015189713
	bob   event.CharacterID = 5428010618015189714
)

func death(victim, attacker event.CharacterID, second int64) string {
	return fmt.Sprintf(`{"event_name":"Death","timestamp":"%d","world_id":"10","zone_id":"2","character_id":"%d",`+
		`"attacker_character_id":"%d","attacker_weapon_id":"7214","character_loadout_id":"6","attacker_loadout_id":"15",`+
		`"attacker_team_id":"1","team_id":"2","attacker_vehicle_id":"0","is_headshot":"1"}`, second, victim, attacker)
}

func login(who event.CharacterID, second int64) string {
	return fmt.Sprintf(`{"event_name":"PlayerLogin","timestamp":"%d","world_id":"10","character_id":"%d"}`, second, who)
}

// A rig is a dispatcher at work in a synctest bubble, with ears on every topic.
type rig struct {
	t      *testing.T
	store  *fakeStore
	bus    *bus.Memory
	log    bytes.Buffer
	reg    *prometheus.Registry
	mu     sync.Mutex
	heard  map[string][]bus.Message
	cancel context.CancelFunc
	done   chan error
}

func startRig(t *testing.T, s *fakeStore) *rig {
	t.Helper()
	r := &rig{t: t, store: s, bus: bus.NewMemory(topology()), reg: prometheus.NewRegistry(),
		heard: map[string][]bus.Message{}, done: make(chan error, 1)}
	for _, topic := range []string{event.TopicFeed, event.TopicAlerts, event.TopicLookups} {
		go func() {
			_ = r.bus.Listen(context.Background(), topic, nil, func(m bus.Message, _ int) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.heard[topic] = append(r.heard[topic], m)
			})
		}()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	d := New(Config{Bus: r.bus, Store: s, Log: log, Registerer: r.reg, Workers: 1})
	synctest.Wait()
	go func() { r.done <- d.Run(ctx) }()
	synctest.Wait()
	return r
}

// stop ends the dispatcher, then everything.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("run: got %v, want nil", err)
	}
	if err := r.bus.Close(); err != nil {
		r.t.Errorf("close: %v", err)
	}
	synctest.Wait()
}

func (r *rig) publish(topic string, bodies ...[]byte) {
	r.t.Helper()
	var messages []bus.Message
	for i, b := range bodies {
		messages = append(messages, bus.Message{ID: fmt.Sprint(i), Body: b})
	}
	if err := r.bus.Publish(context.Background(), topic, messages...); err != nil {
		r.t.Fatal(err)
	}
}

func sightings(payloads ...string) (bodies [][]byte) {
	for _, p := range payloads {
		bodies = append(bodies, event.EncodeSighting([]byte(p), time.Now(), 0))
	}
	return bodies
}

// wantCounted checks what the metric says of messages taken off the queue.
func (r *rig) wantCounted(duplicate, isNew, rejected int) {
	r.t.Helper()
	want := fmt.Sprintf(`
		# HELP muster_dispatcher_events_total Messages taken off the queue: new, there already, or put aside as dead letters.
		# TYPE muster_dispatcher_events_total counter
		muster_dispatcher_events_total{outcome="duplicate"} %d
		muster_dispatcher_events_total{outcome="new"} %d
		muster_dispatcher_events_total{outcome="rejected"} %d
	`, duplicate, isNew, rejected)
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "muster_dispatcher_events_total"); err != nil {
		r.t.Error(err)
	}
}

// feed returns the items on the feed so far.
func (r *rig) feed() (items []event.FeedItem) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.heard[event.TopicFeed] {
		var f event.FeedMessage
		if err := json.Unmarshal(m.Body, &f); err != nil {
			r.t.Fatalf("feed message %s: %v", m.Body, err)
		}
		items = append(items, f.Items...)
	}
	return items
}

func TestAnEventIsStoredAndToldWithNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.characters[alice] = event.Character{ID: alice, Name: "Alice", Faction: event.VS,
			Outfit: event.Outfit{ID: 37509488620604883, Tag: "TAG", Name: "The <Outfit>"}}
		s.lookups[event.LookupItem] = []event.Lookup{{Category: event.LookupItem, ID: 7214, Name: "NS-7 PDW"}}
		s.extra = func(rec event.Record, out *event.Recorded) {
			if len(rec.Events) > 0 {
				out.Alerts, out.Unresolved = 2, []event.CharacterID{bob}
			}
		}
		r := startRig(t, s)
		r.publish(event.TopicEvents, sightings(death(bob, alice, 1_730_000_000))...)
		state, err := event.EncodeStream(event.StreamState{World: 10, Health: event.StreamLive, Since: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		r.publish(event.TopicEvents, state)
		items := r.feed()
		r.stop()
		if len(items) != 1 {
			t.Fatalf("%d items on the feed, want 1", len(items))
		}
		it := items[0]
		if it.Kind != "kill" || it.World != 10 || it.Zone != 2 || it.At != 1_730_000_000 ||
			it.Character.Name != "Alice" || it.Character.Outfit.Name != "The <Outfit>" || it.Other.ID != bob || it.Other.Name != "" {
			t.Errorf("got %+v", it)
		}
		if want := `{"weapon":{"id":"7214","name":"NS-7 PDW"},"headshot":true,"vehicle":null,"suicide":false,"team_kill":false,` +
			`"attacker_team":1,"victim_team":2,"attacker_class":"Infiltrator","victim_class":"Heavy Assault"}`; string(it.Detail) != want {
			t.Errorf("detail: got %s, want %s", it.Detail, want)
		}
		if got := r.heard[event.TopicLookups]; len(got) != 1 || string(got[0].Body) != `["5428010618015189714"]` {
			t.Errorf("lookups: got %q, want one with bob", got)
		}
		if got := r.heard[event.TopicAlerts]; len(got) != 1 || len(got[0].Body) != 0 {
			t.Errorf("alerts: got %q, want one empty nudge", got)
		}
		// Which of two batches is announced first is not promised.
		told := slices.ContainsFunc(r.heard[event.TopicFeed], func(m bus.Message) bool {
			return strings.HasPrefix(string(m.Body), `{"stream":{"world":10,"health":"live"`)
		})
		if !told || len(r.heard[event.TopicFeed]) != 2 {
			t.Errorf("got %d messages on the feed, stream's state %t, want the items and the state", len(r.heard[event.TopicFeed]), told)
		}
	})
}

func TestAnEventSeenTwiceIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newFakeStore())
		r.publish(event.TopicEvents, sightings(death(bob, alice, 100), death(alice, bob, 100))...)
		r.publish(event.TopicEvents, sightings(death(alice, bob, 100), death(alice, bob, 101))...)
		items := r.feed()
		r.stop()
		if len(items) != 3 || r.store.len() != 3 {
			t.Errorf("%d on the feed, %d stored, want 3 and 3", len(items), r.store.len())
		}
		r.wantCounted(1, 3, 0)
	})
}

func TestABatchStoredButNotToldIsToldWhenItComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.after = func(n int) error {
			if n == 1 {
				return errors.New("connection lost after the commit")
			}
			return nil
		}
		r := startRig(t, s)
		r.publish(event.TopicEvents, sightings(death(bob, alice, 100), login(alice, 101))...)
		time.Sleep(time.Second) // in the bubble: the delay before the second attempt
		items := r.feed()
		r.stop()
		if s.records != 2 || len(items) != 2 || s.len() != 2 {
			t.Errorf("%d records, %d on the feed, %d stored; want 2, 2, 2", s.records, len(items), s.len())
		}
	})
}

func TestWhatCannotBeReadOrStoredIsPutAsideAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.refuse = func(e event.Event) bool { return e.Kind == event.Login && e.At.Unix()%10 == 3 }
		r := startRig(t, s)
		var bodies [][]byte
		for second := range int64(40) {
			bodies = append(bodies, sightings(login(alice, 1000+second))...)
		}
		bodies = append(bodies, []byte("{"), []byte(`{"v":99}`))
		r.publish(event.TopicEvents, bodies...)
		items := r.feed()
		dead, err := r.bus.DeadLetters(context.Background(), event.QueueDispatcher, 100)
		if err != nil {
			t.Fatal(err)
		}
		r.stop()
		if len(items) != 36 || s.len() != 36 || len(dead) != 6 {
			t.Errorf("%d on the feed, %d stored, %d dead letters; want 36, 36, 6", len(items), s.len(), len(dead))
		}
		for i, want := range []string{"not a message", "not a message", "cannot be stored"} {
			if !strings.Contains(dead[i].Reason, want) {
				t.Errorf("dead letter %d: reason %q, want %q in it", i, dead[i].Reason, want)
			}
		}
	})
}

func TestABundleIsStoredAndToldWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newFakeStore())
		r.publish(event.TopicEvents, event.EncodeBundle(sightings(login(alice, 1), death(bob, alice, 2))), sightings(login(bob, 3))[0],
			event.EncodeBundle(sightings(death(alice, bob, 4))))
		items := r.feed()
		r.stop()
		var at []int64
		for _, item := range items {
			at = append(at, item.At)
		}
		if r.store.len() != 4 || !slices.Equal(at, []int64{1, 2, 3, 4}) {
			t.Errorf("%d stored, on the feed those of %v; want 4, in their order", r.store.len(), at)
		}
	})
}

func TestOfABundleOnlyWhatIsPoisonIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.refuse = func(e event.Event) bool { return e.Kind == event.Login && e.At.Unix() == 13 }
		r := startRig(t, s)
		refused := sightings(login(alice, 13))[0]
		good := sightings(login(alice, 11), death(bob, alice, 12), login(bob, 14))
		r.publish(event.TopicEvents,
			event.EncodeBundle([][]byte{good[0], []byte(`{"v":99}`), good[1], refused}),
			[]byte(`{"v":2,"messages":[]}`), // looks like a bundle
			event.EncodeBundle([][]byte{good[2], event.EncodeBundle(good)}))
		items := r.feed()
		dead, err := r.bus.DeadLetters(context.Background(), event.QueueDispatcher, 100)
		if err != nil {
			t.Fatal(err)
		}
		r.stop()
		if len(items) != 3 || s.len() != 3 {
			t.Errorf("%d on the feed, %d stored; want 3 and 3", len(items), s.len())
		}
		r.wantCounted(0, 3, 4)
		m, err := event.DecodeMessage(refused)
		if err != nil {
			t.Fatal(err)
		}
		want := []struct{ id, body, reason string }{ // newest first
			{"2", string(event.EncodeBundle(good)), "version 2, this build reads 1"},
			{"1", `{"v":2,"messages":[]}`, "empty bundle"},
			{m.Event.Key().String(), string(refused), "cannot be stored"},
			{"0", `{"v":99}`, "version 99"},
		}
		if len(dead) != len(want) {
			t.Fatalf("%d dead letters, want %d: %+v", len(dead), len(want), dead)
		}
		for i, w := range want {
			if d := dead[i]; d.ID != w.id || string(d.Body) != w.body || !strings.Contains(d.Reason, w.reason) {
				t.Errorf("dead letter %d: %s %s %q, want %+v", i, d.ID, d.Body, d.Reason, w)
			}
		}
	})
}

// A batch of full bundles is more than one transaction takes; whatever fails, each
// event is stored and told once.
func TestManyFullBundlesTakeSeveralTransactions(t *testing.T) {
	for name, failing := range map[string]func(s *fakeStore){
		"nothing fails": func(*fakeStore) {},
		"before the second commit": func(s *fakeStore) {
			s.before = func(n int) error {
				if n == 2 {
					return errTry
				}
				return nil
			}
		},
		"after the second commit": func(s *fakeStore) {
			s.after = func(n int) error {
				if n == 2 {
					return errTry
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				s.limit = recordMax
				failing(s)
				r := startRig(t, s)
				const n = 2500
				var bundles [][]byte
				for second := int64(0); second < n; second += 100 {
					var payloads []string
					for i := range int64(100) {
						payloads = append(payloads, login(alice, 1+second+i))
					}
					bundles = append(bundles, event.EncodeBundle(sightings(payloads...)))
				}
				r.publish(event.TopicEvents, bundles...)
				time.Sleep(time.Second) // in the bubble: the delay before the second attempt
				told := map[string]bool{}
				for _, item := range r.feed() {
					told[item.ID] = true
				}
				waiting, err := r.bus.Depth(context.Background(), event.QueueDispatcher)
				r.stop()
				if s.len() != n || len(told) != n || s.records < 3 || waiting != 0 || err != nil {
					t.Errorf("%d stored in %d transactions, %d told, %d waiting (%v); want %d in 3 or more, %d, none",
						s.len(), s.records, len(told), waiting, err, n, n)
				}
			})
		})
	}
}

var errTry = errors.New("connection lost")

func TestAStorageOutageDelaysAndIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.before = func(n int) error {
			if n <= 20 {
				return errors.New("database is away")
			}
			return nil
		}
		r := startRig(t, s)
		r.publish(event.TopicEvents, sightings(login(alice, 1), login(bob, 2))...)
		time.Sleep(3 * time.Minute) // in the bubble
		items := r.feed()
		r.stop()
		if len(items) != 2 || s.len() != 2 {
			t.Errorf("%d on the feed, %d stored, want 2 and 2", len(items), s.len())
		}
		away, back := strings.Count(r.log.String(), "does not answer"), strings.Count(r.log.String(), "answers again")
		if away != 1 || back != 1 {
			t.Errorf("said away %d times and back %d times, want once each:\n%s", away, back, &r.log)
		}
	})
}

func TestNamesLearnedLaterAreUsedFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newFakeStore())
		r.publish(event.TopicEvents, sightings(login(alice, 1))...)
		synctest.Wait()
		r.publish(event.TopicNames, []byte("nonsense"))
		body, err := json.Marshal([]event.Character{{ID: alice, Name: "Älice", Faction: event.TR}})
		if err != nil {
			t.Fatal(err)
		}
		r.publish(event.TopicNames, body)
		synctest.Wait()
		r.publish(event.TopicEvents, sightings(login(alice, 2))...)
		items := r.feed()
		r.stop()
		if len(items) != 2 || items[0].Character.Name != "" || items[1].Character.Name != "Älice" {
			t.Errorf("got %+v, want a placeholder first and the name then", items)
		}
	})
}

func TestTablesOfNamesFilledLaterAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newFakeStore())
		r.publish(event.TopicEvents, sightings(death(alice, bob, 1))...)
		synctest.Wait()
		r.store.mu.Lock()
		r.store.lookups[event.LookupItem] = []event.Lookup{{ID: 7214, Name: "NS-7 PDW"}}
		r.store.mu.Unlock()
		time.Sleep(time.Minute) // in the bubble
		r.publish(event.TopicEvents, sightings(death(alice, bob, 2))...)
		items := r.feed()
		r.stop()
		if len(items) != 2 || strings.Contains(string(items[0].Detail), "NS-7") || !strings.Contains(string(items[1].Detail), "NS-7") {
			t.Errorf("got %+v, want the weapon's name in the second", items)
		}
	})
}

func TestTheBatchInHandIsFinishedOnTheWayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.before = func(int) error { time.Sleep(3 * time.Second); return nil } // in the bubble
		r := startRig(t, s)
		r.publish(event.TopicEvents, sightings(login(alice, 1))...)
		synctest.Wait() // the store is at it
		r.cancel()
		if err := <-r.done; err != nil {
			t.Errorf("run: got %v, want nil", err)
		}
		if n, _ := r.bus.Depth(context.Background(), event.QueueDispatcher); n != 0 || s.len() != 1 || len(r.feed()) != 1 {
			t.Errorf("%d waiting, %d stored, %d on the feed; want 0, 1, 1", n, s.len(), len(r.feed()))
		}
		r.done <- nil
		r.stop()
	})
}

func TestATimeoutGoesOnTheFeedAsALogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		ended := time.Unix(5000, 0).UTC()
		was := event.Online{Character: alice, Online: true, World: 10, Since: time.Unix(4000, 0)}
		is := event.Online{Character: alice, World: 10, Since: ended, LoggedOut: ended}
		s.stale = []event.PresenceChange{
			{Before: was, After: is, Reason: event.EndTimeout},
			{Before: was, After: is, Reason: event.EndLogout}, // an event tells of it
			{Before: is, After: was},                          // nobody is announced who was merely seen
		}
		r := startRig(t, s)
		time.Sleep(tidyEvery + time.Second) // in the bubble
		items := r.feed()
		r.stop()
		if len(items) != 1 || s.rollups != 1 {
			t.Fatalf("%d items, %d roll-ups, want 1 and 1", len(items), s.rollups)
		}
		if it := items[0]; it.Kind != "logout" || it.Character.ID != alice || it.At != 5000 || it.World != 10 ||
			string(it.Detail) != `{"reason":"timeout"}` {
			t.Errorf("got %+v", it)
		}
	})
}

func TestNobodyTimesOutWhileABacklogWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.before = func(int) error { return errors.New("database is away") }
		r := startRig(t, s)
		for i := range int64(3) {
			var bodies [][]byte
			for second := range int64(500) {
				bodies = append(bodies, sightings(login(alice, i*500+second))...)
			}
			r.publish(event.TopicEvents, bodies...)
		}
		time.Sleep(5 * time.Minute) // in the bubble
		r.stop()
		if s.staleCalls != 0 {
			t.Errorf("%d calls of EndStale, want none", s.staleCalls)
		}
	})
}

func TestAnotherSightingOfAStoredEventIsNotToldWhenItComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		r := startRig(t, s)
		seen := sightings(login(alice, 1_730_000_000))
		r.publish(event.TopicEvents, seen...)
		if got := len(r.feed()); got != 1 {
			t.Fatalf("%d items, want 1", got)
		}
		time.Sleep(time.Second) // of the bubble: the other connection shows it later
		s.mu.Lock()
		failed := false
		s.before = func(int) error {
			if failed {
				return nil
			}
			failed = true
			return errors.New("storage is away")
		}
		s.mu.Unlock()
		r.publish(event.TopicEvents, sightings(login(alice, 1_730_000_000))...)
		time.Sleep(10 * time.Second)
		if got := len(r.feed()); got != 1 {
			t.Errorf("%d items on the feed, want the first alone", got)
		}
		r.stop()
		if !failed {
			t.Error("the batch did not come again")
		}
	})
}
