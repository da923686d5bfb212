package storagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/alert"
	"muster/event"
)

// crowd makes n people watch alice and returns the first.
func (w *world) crowd(n int) alert.UserID {
	w.Helper()
	const first = alert.UserID(1_000_000)
	w.called("Alice")
	db := Raw(w.T, w.url)
	for list := range slices.Chunk(slices.Collect(ids(first, n)), 500) {
		var text strings.Builder
		text.WriteString("INSERT INTO watches (user_id, kind, target, created_ns) VALUES ")
		for i, u := range list {
			if i > 0 {
				text.WriteString(", ")
			}
			fmt.Fprintf(&text, "(%d, 'character', %d, 0)", u, alice)
		}
		_, err := db.ExecContext(w.Context(), text.String())
		w.ok(err)
	}
	return first
}

func ids(first alert.UserID, n int) func(func(alert.UserID) bool) {
	return func(yield func(alert.UserID) bool) {
		for i := range n {
			if !yield(first + alert.UserID(i)) {
				return
			}
		}
	}
}

// count adds how often each person was sent something.
func count(into map[alert.UserID]int, turns []alert.Turn) {
	for _, turn := range turns {
		into[turn.User] += len(turn.Steps.Send)
	}
}

func (w *world) checkCrowd(got map[alert.UserID]int, first alert.UserID, n int) {
	w.Helper()
	same(w, "people told", len(got), n)
	for u := range ids(first, n) {
		if got[u] != 1 {
			w.Fatalf("user %d was told %d times", u, got[u])
		}
	}
}

func fanoutAll(w *world) {
	const people = 1300
	first := w.crowd(people)
	w.watch(ann, bob)
	w.called("Alice", "Bob")
	w.record(0, login(-2000, alice), logout(-1000, alice))
	w.streams(state(event.StreamLive, -1000, 400))
	same(w, "noted by a sign of life", w.record(401, gain(400, alice, 1)).Alerts, 1)
	same(w, "its login after the fact", w.record(401, login(399, alice)).Alerts, 1)
	got := map[alert.UserID]int{}
	now := 401
	round := func() (turns []alert.Turn) {
		turns = w.claim(now)
		count(got, turns)
		for _, turn := range turns {
			w.works(turn, now)
		}
		now++
		return turns
	}
	same(w, "first claim", len(round()), 100)
	w.record(now, login(now, bob))
	now++
	before := len(got)
	for got[ann] == 0 {
		if len(round()) == 0 {
			w.Fatal("ann was never told")
		}
	}
	if n := len(got) - before; n > 400 {
		w.Errorf("ann waited behind %d others", n)
	}
	for len(round()) > 0 {
		continue
	}
	delete(got, ann)
	w.checkCrowd(got, first, people)
}

func fanoutOld(w *world) {
	w.crowd(1100)
	same(w, "noted", w.record(1, login(0, alice)).Alerts, 1)
	same(w, "too late", len(w.claim(301)), 0)
	same(w, "and never again", len(w.claim(2)), 0)
}

func fanoutShared(w *world) {
	const people = 1600
	first := w.crowd(people)
	w.record(1, login(0, alice))
	got := map[alert.UserID]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		s := w.again()
		wg.Go(func() {
			for empty := 0; empty < 20; {
				turns, err := s.ClaimUsers(context.Background(), at(2), 100, time.Minute)
				if err != nil {
					w.Error(err)
					return
				}
				if len(turns) == 0 {
					empty++
				}
				mu.Lock()
				count(got, turns)
				mu.Unlock()
				for _, turn := range turns {
					if err := s.SettleTurn(context.Background(), settlement(turn, alert.Result{Message: "m", Channel: "7"}), at(2)); err != nil {
						w.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	w.checkCrowd(got, first, people)
}

func fanoutLeaves(w *world) {
	const people = 1100
	first := w.crowd(people)
	w.record(1, login(0, alice))
	sent, _ := w.tell(1)
	same(w, "told", len(sent), people)
	w.record(500, logout(500, alice))
	got := map[alert.UserID]int{}
	_, edited := w.tell(700)
	for _, p := range edited {
		got[p.Alerts[0].User]++
	}
	w.checkCrowd(got, first, people)
}
