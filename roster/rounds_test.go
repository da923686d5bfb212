package roster_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/roster"
)

func TestFriendsListsAreReadHourly(t *testing.T) {
	w := newWorld()
	owner := ids(1)[0]
	w.store.linked = ids(1)
	w.query.friends[owner] = []event.Friend{{Character: base + 9}}
	w.run(t, func(context.Context) {
		pass(150 * time.Minute)
		if n := len(w.query.about("friends")); n != 3 {
			t.Errorf("read %d times in two and a half hours, want 3", n)
		}
		if len(w.store.friends[owner]) != 1 {
			t.Error("the list is not stored")
		}
	})
}

func TestAnEmptyFriendsListKeepsWhatIsStored(t *testing.T) {
	w := newWorld()
	owner := ids(1)[0]
	w.store.linked = ids(1)
	w.store.friends[owner] = []event.Friend{{Character: base + 9}}
	w.run(t, func(context.Context) {
		pass(time.Minute)
		if len(w.store.friends[owner]) != 1 || w.store.readAt[owner].IsZero() {
			t.Errorf("friends %v, read at %v", w.store.friends[owner], w.store.readAt[owner])
		}
	})
}

func TestOneBadFriendsListDoesNotStandInFrontOfTheOthers(t *testing.T) {
	w := newWorld()
	w.config.FriendsBatch = 1
	w.store.linked = ids(3)
	w.query.fail = func(q question) error {
		if q.what == "friends" && q.ids[0] == base {
			return fmt.Errorf("%w: bad term", census.ErrBadQuery)
		}
		return nil
	}
	w.run(t, func(context.Context) {
		pass(5 * time.Minute)
		if w.store.readAt[base+1].IsZero() || w.store.readAt[base+2].IsZero() {
			t.Errorf("read %v", w.store.readAt)
		}
	})
}

func TestARoundOfFriendsListsEndsWhenTheServiceIsDown(t *testing.T) {
	w := newWorld()
	w.store.linked = ids(20)
	w.query.fail = func(q question) error {
		if q.what == "friends" {
			return census.ErrUnavailable
		}
		return nil
	}
	w.run(t, func(context.Context) {
		pass(95 * time.Second)
		if n := len(w.query.about("friends")); n != 4 {
			t.Errorf("asked %d times in 4 rounds, want once in each", n)
		}
	})
}

func TestTablesAreReadWhenMissingAndThenDaily(t *testing.T) {
	w := newWorld()
	delete(w.store.lookups, event.LookupItem)
	w.run(t, func(context.Context) {
		pass(time.Hour)
		if items, zones := len(w.query.about(event.LookupItem)), len(w.query.about(event.LookupFacility)); items != 1 || zones != 0 {
			t.Errorf("at start: items read %d times, facilities %d; want 1 and 0", items, zones)
		}
		pass(25 * time.Hour)
		if items, zones := len(w.query.about(event.LookupItem)), len(w.query.about(event.LookupFacility)); items != 2 || zones != 1 {
			t.Errorf("a day later: items read %d times, facilities %d; want 2 and 1", items, zones)
		}
	})
}

func TestATableThatCannotBeReadDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld()
	clear(w.store.lookups)
	w.query.tables[event.LookupMetagame] = nil // an answer without rows is none
	w.query.fail = func(q question) error {
		if q.what == event.LookupItem {
			return census.ErrUnavailable
		}
		return nil
	}
	w.run(t, func(context.Context) {
		pass(10 * time.Minute)
		for _, category := range []string{event.LookupFacility, event.LookupExperience, event.LookupAchievement} {
			if len(w.store.lookups[category]) != 1 {
				t.Errorf("%s is not stored", category)
			}
		}
		for _, category := range []string{event.LookupItem, event.LookupMetagame} {
			if n := len(w.query.about(category)); n < 4 || n > 14 {
				t.Errorf("%s was tried %d times in ten minutes", category, n)
			}
		}
	})
}

func TestWhoGaveNoSignOfLifeIsAskedFor(t *testing.T) {
	w := newWorld(event.PC, event.PS4EU)
	seen := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // fake time begins in 2000
	w.store.stale = []event.Online{
		{Character: base, Online: true, World: 10, LastSeen: seen},
		{Character: base + 1, Online: true, World: 10, LastSeen: seen},
		{Character: base + 2, Online: true, World: 2000, LastSeen: seen}, // the service does not say
	}
	w.query.online = map[event.CharacterID]event.World{base: 0, base + 1: 1}
	w.run(t, func(ctx context.Context) {
		var mu sync.Mutex
		var got []event.Observation
		listening, stop := context.WithCancel(ctx)
		var consumer sync.WaitGroup
		consumer.Go(func() {
			err := w.bus.Consume(listening, event.QueueDispatcher, func(_ context.Context, b bus.Batch) error {
				mu.Lock()
				defer mu.Unlock()
				for _, d := range b.Deliveries {
					m, err := event.DecodeMessage(d.Body)
					if err != nil || m.Observation == nil || d.Key != "observation" {
						t.Errorf("got %s %q: %v", d.Key, d.Body, err)
						continue
					}
					got = append(got, *m.Observation)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		pass(30 * time.Second)
		stop()
		consumer.Wait()
		if len(got) != 2 || got[0].Character != base || got[0].Online || got[1].World != 1 || !got[1].Online {
			t.Fatalf("got %+v", got)
		}
		for _, o := range got {
			if o.By.Lease != roster.Lease || o.By.Term != 1 {
				t.Errorf("observed by %+v, want term 1 of %s", o.By, roster.Lease)
			}
		}
		asked := w.query.about("online")
		if len(asked) != 2 || asked[1].env != event.PS4EU || got[0].ObservedAt.After(asked[0].at) {
			t.Errorf("asked %+v, observed at %v", asked, got[0].ObservedAt)
		}
	})
}

func TestAServiceThatIsAwayIsSaidOnceAndItsReturnOnce(t *testing.T) {
	var log bytes.Buffer // read after the roster has ended
	w := newWorld()
	w.config.Log = slog.New(slog.NewTextHandler(&syncWriter{w: &log}, nil))
	owner := ids(1)[0]
	w.store.linked = ids(1)
	w.query.friends[owner] = []event.Friend{{Character: base + 9}}
	var away atomic.Bool
	away.Store(true)
	w.query.fail = func(q question) error {
		if q.what == "friends" && away.Load() {
			return fmt.Errorf("%w: maintenance", census.ErrUnavailable)
		}
		return nil
	}
	w.run(t, func(context.Context) {
		pass(30 * time.Minute)
		away.Store(false)
		pass(30 * time.Minute)
	})
	for _, line := range []string{`msg="this does not work, trying again" what=friends`, `msg="this works again" what=friends`} {
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("said %d times, want once: %s\n%s", n, line, log.String())
		}
	}
}

// A syncWriter lets several goroutines write.
type syncWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
