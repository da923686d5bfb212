package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"

	"muster/event"
	"muster/storage"
)

var fenceTests = []named{
	{"who comes with an older term than has acted is refused", fenceRefuses},
	{"a term that was minted but has not acted refuses nobody", fenceActs},
	{"what carries no term passes", fenceAbsent},
	{"leases do not fence each other", fenceNames},
	{"leaders that follow each other in one record both have their say", fenceInOrder},
	{"events are facts, whoever brings them", fenceFacts},
	{"an observation of an older leader changes nobody", fenceObservations},
	{"a record that is undone leaves no term behind", fenceUndone},
	{"of two leaders in two processes the older never has the last word", fenceRace},
	{"a broken fence is bad data", fenceBroken},
}

// by puts a state under a term of the lease called x.
func by(term int64, s event.StreamState) event.StreamState {
	s.By = event.Fence{Lease: "x", Term: term}
	return s
}

// health returns that of the one world there is.
func (w *world) health() event.StreamHealth {
	w.Helper()
	states, err := w.StreamStates(w.Context())
	w.ok(err)
	if len(states) != 1 {
		w.Fatalf("states: %+v", states)
	}
	return states[0].Health
}

func fenceRefuses(w *world) {
	same(w, "first", len(w.streams(by(4, state(event.StreamLive, 0, 0)))), 1)
	same(w, "the same term", len(w.streams(by(4, state(event.StreamLate, 10, 10)))), 1)
	same(w, "a higher term", len(w.streams(by(6, state(event.StreamLive, 20, 20)))), 1)
	got := w.write(0, event.Record{Streams: []event.StreamState{by(5, state(event.StreamDown, 30, 30)), by(4, state(event.StreamDown, 31, 31))}})
	same(w, "changes by older terms", len(got.Streams), 0)
	if want := []event.Fence{{Lease: "x", Term: 5}, {Lease: "x", Term: 4}}; !slices.Equal(got.Refused, want) {
		w.Errorf("refused %v, want %v", got.Refused, want)
	}
	same(w, "health", w.health(), event.StreamLive)
	same(w, "gaps", len(w.gaps()), 0)
	again := w.again()
	other, err := again.Record(w.Context(), at(0), event.Record{Streams: []event.StreamState{by(5, state(event.StreamDown, 40, 40))}}, nil)
	w.ok(err)
	same(w, "refused in another process", len(other.Refused), 1)
}

func fenceActs(w *world) {
	w.term(w.Store, "x")
	w.streams(by(1, state(event.StreamLive, 0, 0)))
	w.term(w.Store, "x") // for one that lost the lease while it waited
	same(w, "the leader's word", len(w.streams(by(1, state(event.StreamSilent, 10, 10)))), 1)
}

func fenceAbsent(w *world) {
	w.streams(by(9, state(event.StreamLive, 0, 0)))
	got := w.write(0, event.Record{Streams: []event.StreamState{state(event.StreamDown, 10, 10)}})
	same(w, "changes", len(got.Streams), 1)
	same(w, "refused", len(got.Refused), 0)
}

func fenceNames(w *world) {
	w.streams(by(9, state(event.StreamLive, 0, 0)))
	other := state(event.StreamDown, 10, 10)
	other.By = event.Fence{Lease: "X", Term: 1}
	same(w, "another lease", len(w.streams(other)), 1)
}

func fenceInOrder(w *world) {
	got := w.write(0, event.Record{Streams: []event.StreamState{by(1, state(event.StreamLive, 0, 0)),
		by(1, state(event.StreamDown, 10, 10)), by(2, state(event.StreamLive, 20, 20)), by(1, state(event.StreamDown, 30, 30))}})
	same(w, "changes", len(got.Streams), 3)
	same(w, "refused", len(got.Refused), 1)
	for _, s := range got.Streams {
		same(w, "what is told on carries no term", s.By, event.Fence{})
	}
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(10) || list[0].To != at(20) {
		w.Errorf("gaps: %+v", list)
	}
}

func fenceFacts(w *world) {
	w.streams(by(9, state(event.StreamLive, 0, 0)))
	got := w.write(10, event.Record{Events: []event.Event{login(5, alice)}, Streams: []event.StreamState{by(8, state(event.StreamDown, 10, 10))}})
	same(w, "the event is new", got.New[0], true)
	same(w, "changes of presence", len(got.Changes), 1)
	same(w, "refused", len(got.Refused), 1)
}

func fenceObservations(w *world) {
	w.record(10, login(5, alice))
	off := func(term int64, s int) event.Record {
		return event.Record{Observations: []event.Observation{{Character: alice, ObservedAt: at(s), By: event.Fence{Lease: "roster", Term: term}}}}
	}
	on := off(3, 20)
	on.Observations[0].Online, on.Observations[0].World = true, 10
	w.write(20, on)
	got := w.write(30, off(2, 30))
	same(w, "refused", len(got.Refused), 1)
	same(w, "changes by an older leader", len(got.Changes), 0)
	same(w, "online", w.player(alice).Online.Online, true)
	same(w, "changes by the leader", len(w.write(40, off(3, 40)).Changes), 1)
}

func fenceUndone(w *world) {
	w.streams(by(1, state(event.StreamLive, 0, 0)))
	no := errors.New("no")
	_, err := w.Record(w.Context(), at(0), event.Record{Streams: []event.StreamState{by(5, state(event.StreamDown, 10, 10))}},
		func(context.Context, *sql.Tx) error { return no })
	if !errors.Is(err, no) {
		w.Fatalf("record: %v, want the error of settle", err)
	}
	same(w, "term 1 still acts", len(w.streams(by(1, state(event.StreamSilent, 20, 20)))), 1)
}

func fenceRace(w *world) {
	stores := []*storage.Store{w.Store, w.again()}
	const turns = 30
	var wg sync.WaitGroup
	for n, health := range []event.StreamHealth{event.StreamLate, event.StreamLive} {
		wg.Go(func() {
			for i := range turns {
				s := by(int64(n+1), state(health, i, i))
				s.ReportedAt = s.ReportedAt.Add(time.Duration(turns) * time.Second * time.Duration(1-n)) // the older one's clock is ahead
				if _, err := stores[n].Record(context.Background(), at(i), event.Record{Streams: []event.StreamState{s}}, nil); err != nil {
					w.Errorf("record: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got := w.write(0, event.Record{Streams: []event.StreamState{by(1, state(event.StreamDown, 500, 500)), by(2, state(event.StreamSilent, 501, 501))}})
	same(w, "refused", len(got.Refused), 1)
	same(w, "health", w.health(), event.StreamSilent)
}

func fenceBroken(w *world) {
	bad := state(event.StreamLive, 0, 0)
	for _, f := range []event.Fence{{Lease: "x"}, {Term: 3}, {Lease: "x", Term: -1}} {
		bad.By = f
		if _, err := w.Record(w.Context(), at(0), event.Record{Streams: []event.StreamState{bad}}, nil); !errors.Is(err, storage.ErrData) {
			w.Errorf("state by %+v: got %v, want ErrData", f, err)
		}
		o := event.Observation{Character: alice, ObservedAt: at(0), By: f}
		if _, err := w.Record(w.Context(), at(0), event.Record{Observations: []event.Observation{o}}, nil); !errors.Is(err, storage.ErrData) {
			w.Errorf("observation by %+v: got %v, want ErrData", f, err)
		}
	}
}
