package storagetest

import (
	"context"
	"math"
	"sync"
	"time"

	"muster/event"
	"muster/storage"
)

var streamTests = []named{
	{"a change of health is reported once and makes a gap", streamGap},
	{"a listener that was not heard of leaves a gap", streamUnheard},
	{"states that come again or late change nothing", streamAgain},
	{"a hole told of too late is kept", streamLate},
	{"a successor that has had the world all along takes the hole back", streamSuccessor},
	{"a clock set back does not silence the streams", streamClock},
}

func state(h event.StreamHealth, since, reported int) event.StreamState {
	return event.StreamState{World: 10, Health: h, Since: at(since), ReportedAt: at(reported), LastEventAt: at(since), Reason: "r"}
}

func (w *world) streams(states ...event.StreamState) []event.StreamState {
	w.Helper()
	return w.write(0, event.Record{Streams: states}).Streams
}

func (w *world) gaps() []event.Gap {
	w.Helper()
	list, err := w.Gaps(w.Context(), at(-1e6), at(1e6))
	w.ok(err)
	return list
}

func streamGap(w *world) {
	same(w, "first", len(w.streams(state(event.StreamLive, 0, 0))), 1)
	same(w, "repeated", len(w.streams(state(event.StreamLive, 0, 30))), 0)
	same(w, "late", len(w.streams(state(event.StreamLate, 40, 40))), 1)
	same(w, "gaps while it flows", len(w.gaps()), 0)
	same(w, "silent", len(w.streams(state(event.StreamSilent, 55, 70))), 1)
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(55) || !list[0].To.IsZero() || list[0].World != 10 {
		w.Fatalf("open gap: %+v", list)
	}
	w.streams(state(event.StreamDown, 55, 90), state(event.StreamReconciling, 100, 100), state(event.StreamLive, 120, 120))
	list = w.gaps()
	if len(list) != 1 || list[0].To != at(100) || list[0].Cause == "" {
		w.Errorf("closed gap: %+v", list)
	}
	states, err := w.StreamStates(w.Context())
	w.ok(err)
	if len(states) != 1 || states[0] != state(event.StreamLive, 120, 120) {
		w.Errorf("states: %+v", states)
	}
	none, err := w.Gaps(w.Context(), at(100), at(200))
	w.ok(err)
	same(w, "gaps outside", len(none), 0)
}

func streamUnheard(w *world) {
	w.streams(state(event.StreamLive, 0, 0), state(event.StreamLive, 0, 30))
	w.streams(state(event.StreamLive, 0, 200)) // it was up all the time
	same(w, "gaps", len(w.gaps()), 0)
	w.streams(state(event.StreamLive, 500, 500))
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(200) || list[0].To != at(500) {
		w.Errorf("gaps: %+v", list)
	}
}

func streamAgain(w *world) {
	all := []event.StreamState{state(event.StreamLive, 0, 0), state(event.StreamDown, 10, 12), state(event.StreamLive, 20, 20),
		state(event.StreamLate, 30, 30), state(event.StreamLive, 40, 40)}
	w.streams(all...)
	same(w, "again", len(w.streams(all...)), 0)
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(10) || list[0].To != at(20) {
		w.Errorf("gaps: %+v", list)
	}
}

func streamLate(w *world) {
	w.streams(state(event.StreamLive, 0, 0), state(event.StreamLive, 20, 20))
	w.streams(state(event.StreamDown, 10, 12))
	w.streams(state(event.StreamDown, 10, 12))
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(10) || list[0].To != at(20) {
		w.Errorf("gaps: %+v", list)
	}
}

func streamSuccessor(w *world) {
	w.streams(state(event.StreamLive, 0, 0))
	w.streams(state(event.StreamDown, 10, 12))
	same(w, "told", len(w.streams(state(event.StreamLive, -5, 15))), 1)
	same(w, "gaps", len(w.gaps()), 0)
	w.streams(state(event.StreamDown, 30, 32), state(event.StreamLive, 40, 40))
	w.streams(state(event.StreamLive, -5, 45)) // what is over stays
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(30) || list[0].To != at(40) {
		w.Errorf("gaps: %+v", list)
	}
}

func streamClock(w *world) {
	w.streams(state(event.StreamLive, 0, 7200)) // said by a clock two hours ahead
	same(w, "down", len(w.streams(state(event.StreamDown, 10, 12))), 1)
	same(w, "live", len(w.streams(state(event.StreamReconciling, 20, 20))), 1)
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(10) || list[0].To != at(20) {
		w.Errorf("gaps: %+v", list)
	}
}

var rollupTests = []named{
	{"sums per hour equal a recount, however the rows came", rollupRecount},
	{"absurd amounts do not stop the sums", rollupAbsurd},
	{"two roll-ups beside two writers end with exact sums", rollupTogether},
}

func rollupRecount(w *world) {
	w.record(10, gain(1, alice, 100), gain(2, alice, 50), gain(3, bob, 7), gain(3600, alice, 1))
	n, err := w.Rollup(w.Context(), at(7300))
	w.ok(err)
	same(w, "hours", n, 2)
	w.record(11, gain(1, alice, 100)) // seen before
	n, err = w.Rollup(w.Context(), at(7300))
	w.ok(err)
	same(w, "hours after a replay", n, 0)
	w.record(12, gain(4, alice, 8), login(7, bob))
	n, err = w.again().Rollup(w.Context(), at(7300))
	w.ok(err)
	same(w, "hours after one more", n, 1)
	sums := w.hourly()
	same(w, "alice, first hour", sums[sumKey{alice, at(0)}], sum{3, 158})
	same(w, "alice, second hour", sums[sumKey{alice, at(3600)}], sum{1, 1})
	same(w, "bob", sums[sumKey{bob, at(0)}], sum{1, 7})
	same(w, "sums", len(sums), 3)
}

func rollupAbsurd(w *world) {
	w.record(10, gain(1, alice, math.MaxInt64), gain(2, alice, math.MaxInt64), gain(3, bob, 7))
	_, err := w.Rollup(w.Context(), at(7300))
	w.ok(err)
	same(w, "bob", w.hourly()[sumKey{bob, at(0)}], sum{1, 7})
}

func rollupTogether(w *world) {
	other := w.again()
	var wg sync.WaitGroup
	for n, s := range []*storage.Store{w.Store, other} {
		wg.Go(func() {
			for i := range 20 {
				_, err := s.Record(context.Background(), at(99), event.Record{Events: []event.Event{
					gain(i, alice, int64(100*n+1)), gain(i, bob, 5)}}, nil) // both write bob's
				if err != nil {
					w.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				if _, err := s.Rollup(context.Background(), at(99)); err != nil {
					w.Error(err)
				}
			}
		})
	}
	wg.Wait()
	_, err := w.Rollup(w.Context(), at(7200)) // the hour is over
	w.ok(err)
	sums := w.hourly()
	same(w, "alice", sums[sumKey{alice, at(0)}], sum{40, 20*1 + 20*101})
	same(w, "bob", sums[sumKey{bob, at(0)}], sum{20, 100})
}

type sumKey struct {
	character event.CharacterID
	hour      time.Time
}

type sum struct{ n, amount int64 }

func (w *world) hourly() map[sumKey]sum {
	w.Helper()
	rows, err := Raw(w.T, w.url).QueryContext(w.Context(), "SELECT character_id, hour_at, n, amount FROM experience_hourly")
	w.ok(err)
	defer rows.Close()
	out := map[sumKey]sum{}
	for rows.Next() {
		var id, hour int64
		var s sum
		w.ok(rows.Scan(&id, &hour, &s.n, &s.amount))
		out[sumKey{event.CharacterID(id), time.Unix(hour, 0).UTC()}] = s
	}
	w.ok(rows.Err())
	return out
}
