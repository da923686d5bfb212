package dispatcher

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"muster/event"
)

// fakeStore keeps events in a map and does as it is told. The real one is used
// by the tests in store_test.go.
type fakeStore struct {
	mu         sync.Mutex
	rows       map[event.Key]event.Event
	characters map[event.CharacterID]event.Character
	lookups    map[string][]event.Lookup
	stale      []event.PresenceChange // returned by the next EndStale
	records    int                    // calls of Record
	staleCalls int
	rollups    int

	before func(n int) error                   // called by the n-th Record, before anything
	after  func(n int) error                   // called by the n-th Record, after the commit
	limit  int                                 // of events in one Record, 0 for none
	refuse func(event.Event) bool              // events that can never be stored
	extra  func(event.Record, *event.Recorded) // what else follows from a record
}

func newFakeStore() *fakeStore {
	return &fakeStore{rows: map[event.Key]event.Event{}, characters: map[event.CharacterID]event.Character{},
		lookups: map[string][]event.Lookup{}}
}

type refusal struct{ e event.Event }

func (r refusal) Error() string { return fmt.Sprintf("%s cannot be stored", r.e.Kind) }

func (refusal) Permanent() bool { return true }

func (s *fakeStore) Record(ctx context.Context, _ time.Time, rec event.Record,
	settle func(context.Context, *sql.Tx) error) (event.Recorded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records++
	if s.limit > 0 && len(rec.Events) > s.limit {
		panic(fmt.Sprintf("%d events in one transaction, want at most %d", len(rec.Events), s.limit))
	}
	if s.before != nil {
		if err := s.before(s.records); err != nil {
			return event.Recorded{}, fmt.Errorf("record: %w", err)
		}
	}
	for _, e := range rec.Events {
		if s.refuse != nil && s.refuse(e) {
			return event.Recorded{}, fmt.Errorf("record: %w", refusal{e})
		}
	}
	if settle != nil {
		if err := settle(ctx, nil); err != nil {
			return event.Recorded{}, fmt.Errorf("record: %w", err)
		}
	}
	out := event.Recorded{New: make([]bool, len(rec.Events)), Streams: rec.Streams}
	for i, e := range rec.Events {
		_, there := s.rows[e.Key()]
		out.New[i] = !there
		if !there {
			s.rows[e.Key()] = e
		}
	}
	if s.extra != nil {
		s.extra(rec, &out)
	}
	if s.after != nil {
		if err := s.after(s.records); err != nil {
			return event.Recorded{}, err
		}
	}
	return out, nil
}

func (s *fakeStore) EndStale(context.Context, time.Time, time.Duration) ([]event.PresenceChange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staleCalls++
	changes := s.stale
	s.stale = nil
	return changes, nil
}

func (s *fakeStore) AllHidden(context.Context) ([]event.CharacterID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []event.CharacterID
	for id, c := range s.characters {
		if c.Hidden {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *fakeStore) Originals(_ context.Context, events []event.Event) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]bool, len(events))
	for i, e := range events {
		out[i] = s.rows[e.Key()].ReceivedAt.Equal(e.ReceivedAt)
	}
	return out, nil
}

func (s *fakeStore) LoadWatched(context.Context) error { return nil }

func (s *fakeStore) TidyAlerts(context.Context, time.Time) error { return nil }

func (s *fakeStore) Retain(context.Context, time.Time) error { return nil }

func (s *fakeStore) Rollup(context.Context, time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rollups++
	return 0, nil
}

func (s *fakeStore) Characters(_ context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Character, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[event.CharacterID]event.Character{}
	for _, id := range ids {
		if c, ok := s.characters[id]; ok {
			found[id] = c
		}
	}
	return found, nil
}

func (s *fakeStore) Lookups(_ context.Context, category string) ([]event.Lookup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookups[category], nil
}

func (s *fakeStore) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}
