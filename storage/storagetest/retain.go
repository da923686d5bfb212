package storagetest

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"time"

	"muster/event"
	"muster/storage"
)

var retainTests = []named{
	{"rows older than the retention go, and their sums stay", retainSums},
	{"a row of a day that is gone is stored and does not lower a sum", retainLate},
	{"rows of the future are stored, and kept from their receipt on", retainFuture},
	{"a clock that is wrong drops nothing", retainClock},
	{"old rows go in small steps beside a writer", retainSteps},
	{"several may retain at once beside writers", retainTogether},
}

// keepDays is the retention of these tests.
const keepDays = 20

// keeper opens the store with a retention of keepDays.
func (w *world) keeper() *storage.Store {
	w.Helper()
	return OpenWith(w.T, w.url, storage.Options{Retention: keepDays * 24 * time.Hour})
}

// today is when these tests are run: the clocks of servers take part in them.
var today = time.Now().UTC().Truncate(24 * time.Hour)

// noon is a moment of the day that is that many days from today.
func noon(days int) time.Time { return today.AddDate(0, 0, days).Add(12 * time.Hour) }

// on moves an event to another time.
func on(t time.Time, e event.Event) event.Event {
	e.At, e.ReceivedAt = t.Truncate(time.Second), t
	return e
}

func (w *world) put(events ...event.Event) []bool {
	w.Helper()
	got, err := w.Record(w.Context(), noon(0), event.Record{Events: events}, nil)
	w.ok(err)
	return got.New
}

// retain runs s.Retain until nothing is left to do.
func (w *world) retain(s *storage.Store, now time.Time) {
	w.Helper()
	for range 3 { // what one call leaves, the next does
		w.ok(s.Retain(w.Context(), now))
	}
}

func (w *world) rows(table string) (n int) {
	w.Helper()
	w.ok(Raw(w.T, w.url).QueryRowContext(w.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

func retainSums(w *world) {
	for _, d := range []int{-100, -keepDays - 1, -keepDays + 1, -1, 0} {
		w.put(on(noon(d), login(0, alice)), on(noon(d), gain(0, alice, 10)), on(noon(d).Add(time.Second), gain(0, alice, 5)), on(noon(d), kill(0, alice, bob)))
	}
	w.retain(w.keeper(), noon(0))
	n, err := w.CountEvents(w.Context())
	w.ok(err)
	same(w, "logins", n[event.Login], 3)
	same(w, "kills", n[event.Kill], 3)
	same(w, "experience", n[event.Experience], 6)
	_, err = w.Rollup(w.Context(), noon(1))
	w.ok(err)
	sums := w.hourly()
	for _, d := range []int{-100, -keepDays - 1, -keepDays + 1, -1, 0} {
		same(w, "sum of "+noon(d).Format(time.DateOnly), sums[sumKey{alice, noon(d)}], sum{2, 15})
	}
	same(w, "sessions", len(w.sessions(alice)) > 0, true)
}

func retainLate(w *world) {
	old, older := noon(-50), time.Unix(0, 0)
	w.put(on(noon(0), login(0, bob)), on(old, gain(0, alice, 10)), on(old.Add(time.Second), gain(0, alice, 5)))
	s := w.keeper()
	w.retain(s, noon(0))
	same(w, "rows", w.rows("event_experience"), 0)
	fresh := w.put(on(old.Add(2*time.Second), gain(0, alice, 1)), on(older, gain(0, alice, 3)))
	same(w, "stored", fresh[0] && fresh[1], true)
	same(w, "late rows", w.rows("event_experience"), 2)
	_, err := w.Rollup(w.Context(), noon(0))
	w.ok(err)
	sums := w.hourly()
	same(w, "the old sum", sums[sumKey{alice, old}], sum{2, 15})
	same(w, "a sum of a day never heard of", sums[sumKey{alice, older.UTC()}], sum{1, 3})
	w.retain(w.keeper(), noon(0))
	same(w, "late rows later", w.rows("event_experience"), 0)
	same(w, "sums later", len(w.hourly()), 2)
}

func retainFuture(w *world) {
	far := time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
	stale := on(noon(40), gain(0, alice, 4))
	stale.ReceivedAt = noon(-keepDays - 10)
	events := []event.Event{on(noon(0), gain(0, alice, 1)), on(noon(1), gain(0, alice, 2)), on(far, gain(0, alice, 3)), stale}
	for i := range events[1:3] {
		events[i+1].ReceivedAt = noon(0)
	}
	for i, isNew := range w.put(events...) {
		same(w, events[i].At.String(), isNew, true)
	}
	w.retain(w.keeper(), noon(0))
	for i, isNew := range w.put(events[:3]...) {
		same(w, "there still: "+events[i].At.String(), isNew, false)
	}
	same(w, "rows", w.rows("event_experience"), 3)
}

func retainClock(w *world) {
	w.put(on(noon(-1), login(0, alice)), on(noon(0), gain(0, alice, 1)))
	err := w.keeper().Retain(w.Context(), noon(400))
	if mysql := strings.HasPrefix(w.url, "mysql:"); mysql != (err != nil) {
		w.Errorf("a clock 400 days ahead: %v", err)
	}
	same(w, "logins", w.rows("event_login"), 1)
	same(w, "experience", w.rows("event_experience"), 1)
}

func retainSteps(w *world) {
	const old = 6000
	var events []event.Event
	for i := range old {
		events = append(events, on(noon(-60).Add(time.Duration(i/10)*time.Second), gain(0, alice, int64(i))))
	}
	w.put(events...)
	w.put(on(noon(0), login(0, bob)))
	s, db := w.keeper(), Raw(w.T, w.url)
	done := make(chan error)
	go func() { // one call ends after a while
		var err error
		for left := old; left > 0 && err == nil; {
			if err = s.Retain(context.Background(), noon(0)); err == nil {
				err = db.QueryRow("SELECT COUNT(*) FROM event_experience WHERE character_id = ?", int64(alice)).Scan(&left)
			}
		}
		done <- err
	}()
	between, i := 0, 0
	for running := true; running; i++ {
		select {
		case err := <-done:
			w.ok(err)
			running = false
		default:
		}
		_, err := s.Record(w.Context(), noon(0), event.Record{Events: []event.Event{on(noon(0), gain(0, bob, int64(i)))}},
			func(ctx context.Context, tx *sql.Tx) error {
				var n int
				err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM event_experience WHERE character_id = ?", int64(alice)).Scan(&n)
				if n > 0 && n < old {
					between++
				}
				return err
			})
		w.ok(err)
	}
	same(w, "rows of the writer", w.rows("event_experience"), i)
	if between == 0 {
		w.Errorf("the writer never came between the steps; it wrote %d times", i)
	}
}

func retainTogether(w *world) {
	const keepers, writers, days = 3, 2, 5
	var wg sync.WaitGroup
	for range keepers {
		s := w.keeper()
		wg.Go(func() {
			for i := range 4 { // an hour apart, for the next one does nothing
				if err := s.Retain(context.Background(), noon(0).Add(time.Duration(i)*time.Hour)); err != nil {
					w.Errorf("retain: %v", err)
				}
			}
		})
	}
	for n := range writers {
		s := w.again()
		wg.Go(func() {
			for i := range 40 {
				var events []event.Event
				for d := -keepDays - 3; d <= days; d++ {
					events = append(events, on(noon(d).Add(time.Duration(i)*time.Second), gain(0, alice, int64(n+1))))
				}
				if _, err := s.Record(context.Background(), noon(0), event.Record{Events: events}, nil); err != nil {
					w.Errorf("record: %v", err)
				}
			}
		})
	}
	wg.Wait()
	w.retain(w.keeper(), noon(0))
	same(w, "rows of the days that are kept", w.rows("event_experience"), writers*40*(keepDays+days+1))
}
