package storage_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// arrivals are the logins of n characters from first on, at the second s of benchDay.
func arrivals(first event.CharacterID, n, s int) []event.Event {
	at := benchDay.Add(time.Duration(s) * time.Second)
	var list []event.Event
	for i := range n {
		list = append(list, event.Event{Kind: event.Login, World: 10, At: at, ReceivedAt: at, Detail: event.Presence{Character: first + event.CharacterID(i)}})
	}
	return list
}

// alertTables are those that only a watched character's coming and going concerns.
var alertTables = []string{"watches", "links", "friends", "memberships", "watch_group_members", "hidden_characters", "mutes",
	"alert", "sessions WHERE", "stream_"}

func TestALoginThatNobodyWatchesCostsNoQuery(t *testing.T) {
	s := storagetest.Open(t, storagetest.File(t))
	if _, _, err := s.AddWatch(t.Context(), alert.Watch{User: 1, Kind: alert.WatchCharacter, Character: 7, CreatedAt: benchDay}); err != nil {
		t.Fatal(err)
	}
	concerned := func(events []event.Event) (all, alerts []string) {
		t.Helper()
		var mu sync.Mutex
		stop := storage.Trace(s, func(text string) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, text)
			for _, table := range alertTables {
				if strings.Contains(text, table) {
					alerts = append(alerts, text)
					return
				}
			}
		})
		defer stop()
		if _, err := s.Record(t.Context(), events[len(events)-1].At, event.Record{Events: events}, nil); err != nil {
			t.Fatal(err)
		}
		return all, alerts
	}
	if _, texts := concerned(arrivals(900, 1, 0)); len(texts) == 0 {
		t.Error("before it is known who is watched, nothing was asked: the test sees nothing")
	}
	if err := s.LoadWatched(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := func(id event.CharacterID, s int) []event.Event {
		list := arrivals(id, 1, s)
		list[0].Kind = event.Logout
		return list
	}
	one, texts := concerned(arrivals(1000, 1, 1))
	if len(texts) > 0 {
		t.Errorf("a login that nobody watches: %q", texts)
	}
	if many, texts := concerned(arrivals(2000, 64, 2)); len(many) > len(one) || len(texts) > 0 {
		t.Errorf("%d statements for 64 of them, %d for one: %q", len(many), len(one), texts)
	}
	if _, texts := concerned(out(1000, 3)); len(texts) > 0 {
		t.Errorf("a logout that nobody watches: %q", texts)
	}
	if _, texts := concerned(arrivals(7, 1, 4)); len(texts) == 0 {
		t.Error("a login that somebody watches asks nothing")
	}
	if _, texts := concerned(out(7, 5)); len(texts) == 0 {
		t.Error("a logout that somebody watches notes nothing")
	}
}

func TestWhoIsWatchedNoMoreIsForgottenInTheEnd(t *testing.T) {
	s := storagetest.Open(t, storagetest.File(t))
	w, _, err := s.AddWatch(t.Context(), alert.Watch{User: 1, Kind: alert.WatchCharacter, Character: 7, CreatedAt: benchDay})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RemoveWatch(t.Context(), 1, w.ID); err != nil {
		t.Fatal(err)
	}
	for range 3 { // what is young is kept for one load more
		if err := s.LoadWatched(t.Context()); err != nil {
			t.Fatal(err)
		}
		storage.AgeWatchChanges(t, s)
	}
	if storage.Watched(s, 7) {
		t.Error("still taken for watched")
	}
}

// A crowd is a database in which people have many friends.
type crowd struct {
	people, friends, pool int
}

func (c crowd) fill(b *testing.B, s *storage.Store) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	tx, err := s.SpoolDB().BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	insert := func(head string, rows []string) {
		if len(rows) == 0 {
			return
		}
		if _, err := tx.ExecContext(b.Context(), head+strings.Join(rows, ", ")+" ON CONFLICT DO NOTHING"); err != nil {
			b.Fatal(err)
		}
	}
	var links, watches []string
	for i := range c.people {
		own := 10_000_000 + i
		links = append(links, fmt.Sprintf("(%d, %d, 1)", i+1, own))
		watches = append(watches, fmt.Sprintf("(%d, 'friends', 0, 1)", i+1))
		friends := make([]string, c.friends)
		for j := range friends {
			friends[j] = fmt.Sprintf("(%d, %d, 0, 0)", own, 1+rnd.IntN(c.pool))
		}
		insert("INSERT INTO friends (owner_id, friend_id, last_login_at, online_world) VALUES ", friends)
		if len(links) == 500 || i == c.people-1 {
			insert("INSERT INTO links (user_id, character_id, linked_ns) VALUES ", links)
			insert("INSERT INTO watches (user_id, kind, target, created_ns) VALUES ", watches)
			links, watches = nil, nil
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAlerts has 20,000 people, each with 100 friends, be told of logins in
// batches of 50, everybody on the lists of some twenty or two people. The baseline
// is the same logins of players whom nobody watches.
func BenchmarkAlerts(b *testing.B) {
	for _, watchers := range []int{20, 2} {
		b.Run(fmt.Sprintf("watchers=%d", watchers), func(b *testing.B) {
			c := crowd{people: 20_000, friends: 100, pool: 2_000_000 / watchers}
			s := storagetest.Open(b, storagetest.File(b))
			c.fill(b, s)
			before := heap()
			from := time.Now()
			if err := s.LoadWatched(b.Context()); err != nil {
				b.Fatal(err)
			}
			load, size := time.Since(from), heap()-before
			const each = 50
			alerts, n := 0, 0
			var watched, strange time.Duration
			for b.Loop() {
				record := func(first int) int {
					events := arrivals(event.CharacterID(first), each, n)
					got, err := s.Record(b.Context(), events[0].At, event.Record{Events: events}, nil)
					if err != nil {
						b.Fatal(err)
					}
					return got.Alerts
				}
				first := n * each % c.pool
				watched += timed(func() { alerts += record(1 + first) })
				strange += timed(func() {
					if record(50_000_000+n*each) != 0 {
						b.Fatal("a stranger was told of")
					}
				})
				n++
			}
			if alerts < watchers*n*each/2 {
				b.Fatalf("%d alerts for %d logins", alerts, n*each)
			}
			b.ReportMetric(float64(load.Milliseconds()), "ms/load")
			b.ReportMetric(float64(size)/1e6, "MB/index")
			b.ReportMetric(float64(alerts)/watched.Seconds(), "alerts/s")
			b.ReportMetric(float64(n*each)/watched.Seconds(), "logins/s")
			b.ReportMetric(float64(n*each)/strange.Seconds(), "strangers/s")
		})
	}
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkTurns has bots take the turns of people of whom each has some friends
// come on: claim, plan, store the plan, and settle it. Twenty-five requests a second
// are what Discord is asked at most.
func BenchmarkTurns(b *testing.B) {
	const people, each = 2000, 64
	s := storagetest.Open(b, storagetest.File(b))
	crowd{people: people, friends: 100, pool: 20_000}.fill(b, s)
	if err := s.LoadWatched(b.Context()); err != nil {
		b.Fatal(err)
	}
	now, next, turns, alerts := benchDay, 1, 0, 0
	more := func() {
		now = now.Add(time.Hour)
		events := arrivals(event.CharacterID(next), 400, int(now.Sub(benchDay)/time.Second))
		next = (next + 400) % 20_000
		if _, err := s.Record(b.Context(), now, event.Record{Events: events}, nil); err != nil {
			b.Fatal(err)
		}
		now = now.Add(alert.NameWait)
	}
	for b.Loop() {
		claimed, err := s.ClaimUsers(b.Context(), now, each, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range claimed {
			st := alert.Settlement{User: t.User, Claim: t.Claim}
			for _, p := range append(t.Steps.Send, t.Steps.Edit...) {
				st.Results = append(st.Results, alert.Result{Post: p.Key, Message: "m", Channel: "c", News: true, Changed: p.Changed})
				alerts += len(p.Alerts)
			}
			if err := s.SettleTurn(b.Context(), st, now); err != nil {
				b.Fatal(err)
			}
		}
		turns += len(claimed)
		if len(claimed) < each/2 {
			b.StopTimer()
			more()
			b.StartTimer()
		}
	}
	if turns < each*(b.N/2) || alerts < turns {
		b.Fatalf("%d turns and %d alerts in %d claims", turns, alerts, b.N)
	}
	b.ReportMetric(float64(turns)/b.Elapsed().Seconds(), "turns/s")
	b.ReportMetric(float64(alerts)/b.Elapsed().Seconds(), "alerts/s")
}
