package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"muster/event"
	"muster/storage"
)

var recordTests = []named{
	{"an event is new once, however often and in whatever company it comes", recordOnce},
	{"equal events of one record are stored once", recordTwins},
	{"every kind is stored", recordEveryKind},
	{"two writers of the same events share them out", recordTwoWriters},
	{"what settle refuses is not stored", recordSettle},
	{"events that cannot be stored are refused and nothing with them", recordMalformed},
	{"the largest ids and strange texts come back as they were", recordExtremes},
	{"a record larger than one statement is stored whole", recordLarge},
	{"the sighting that is stored is told from others of the same event", recordOriginals},
}

func recordOriginals(w *world) {
	first, other, never := kill(11, alice, bob), kill(11, alice, bob), gain(12, alice, 7)
	other.ReceivedAt = other.ReceivedAt.Add(1)
	w.record(20, first, login(10, alice))
	got, err := w.Originals(w.Context(), []event.Event{other, first, never, login(10, alice), first})
	w.ok(err)
	if want := []bool{false, true, false, true, true}; !slices.Equal(got, want) {
		w.Errorf("got %v, want %v", got, want)
	}
}

func recordOnce(w *world) {
	first := w.record(20, login(10, alice), kill(11, alice, bob), gain(12, alice, 100))
	if !slices.Equal(first.New, []bool{true, true, true}) {
		w.Fatalf("first: %v", first.New)
	}
	if !slices.Equal(first.Unresolved, []event.CharacterID{alice, bob}) {
		w.Errorf("unresolved: %v", first.Unresolved)
	}
	again := w.record(20, gain(12, alice, 100), gain(13, alice, 100), kill(11, alice, bob), gain(9, alice, 5))
	if !slices.Equal(again.New, []bool{false, true, false, true}) {
		w.Errorf("overlap: %v", again.New)
	}
	if len(again.Unresolved) != 0 || len(again.Changes) != 0 {
		w.Errorf("overlap changed people: %+v", again)
	}
	n, err := w.CountEvents(w.Context())
	w.ok(err)
	same(w, "experience rows", n[event.Experience], 3)
	same(w, "kill rows", n[event.Kill], 1)
}

func recordTwins(w *world) {
	got := w.record(20, gain(12, alice, 100), gain(12, alice, 100))
	if !slices.Equal(got.New, []bool{true, false}) {
		w.Errorf("new: %v", got.New)
	}
}

func everyKind() []event.Event {
	return []event.Event{
		login(1, alice), logout(2, alice), kill(3, alice, bob),
		ev(event.VehicleKill, 4, event.VehicleDestroy{Owner: bob, Attacker: alice, Vehicle: 4, Weapon: 3}),
		gain(5, alice, 250),
		ev(event.FacilityControl, 6, event.Control{Facility: 2103, Old: 1, New: 2, HeldSeconds: 3600, Outfit: clan}),
		ev(event.FacilityCapture, 7, event.Contribution{Character: alice, Facility: 2103, Outfit: clan}),
		ev(event.FacilityDefend, 8, event.Contribution{Character: alice, Facility: 2103}),
		ev(event.Metagame, 9, event.Alert{ID: 147, Instance: 33, State: event.MetagameStarted, VS: 33.25, NC: 1, TR: 2, ExperienceBonus: 25}),
		ev(event.ContinentLock, 10, event.Lock{By: 1, Previous: 2, VS: 40, NC: 30, TR: 30}),
		ev(event.ContinentUnlock, 11, event.Lock{By: 1}),
		ev(event.Achievement, 12, event.Award{Character: alice, Achievement: 90020}),
		ev(event.BattleRank, 13, event.Rank{Character: alice, Rank: 100}),
		ev(event.ItemAdded, 14, event.Item{Character: alice, Item: 6005969, Count: 1, Context: "SkillGrantItemLine"}),
		ev(event.SkillAdded, 15, event.Skill{Character: alice, Skill: 7777}),
		ev(event.FishScan, 16, event.Fish{Character: alice, Fish: 12, Loadout: 4, Team: 1}),
		ev(event.Unknown, 17, event.Raw{Name: "Novel", Payload: []byte(`{"event_name":"Novel"}`)}),
	}
}

func recordEveryKind(w *world) {
	events := everyKind()
	if len(events) != len(event.Kinds())+1 {
		w.Fatalf("the test knows %d kinds, the game has %d", len(events), len(event.Kinds())+1)
	}
	for _, wantNew := range []bool{true, false} {
		for i, isNew := range w.record(30, events...).New {
			same(w, events[i].Kind.String(), isNew, wantNew)
		}
	}
	n, err := w.CountEvents(w.Context())
	w.ok(err)
	for _, e := range events {
		same(w, e.Kind.String(), n[e.Kind], 1)
	}
}

func recordTwoWriters(w *world) {
	const batches, size = 20, 50
	var mu sync.Mutex
	times := map[event.Key]int{}
	var wg sync.WaitGroup
	for writer := range 2 {
		wg.Go(func() {
			for b := range batches {
				events := make([]event.Event, size)
				for i := range events {
					n := b*size/2 + i // batches overlap by half
					if writer == 1 {
						n = (batches-1)*size/2 - b*size/2 + i
					}
					events[i] = gain(n/10, event.CharacterID(1000+n%7), int64(n))
				}
				got, err := w.Record(context.Background(), at(60), event.Record{Events: events}, nil)
				if err != nil {
					w.Errorf("writer %d: %v", writer, err)
					return
				}
				mu.Lock()
				for i, isNew := range got.New {
					if isNew {
						times[events[i].Key()]++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for k, n := range times {
		if n != 1 {
			w.Errorf("event %s was new %d times", k, n)
		}
	}
	n, err := w.CountEvents(w.Context())
	w.ok(err)
	same(w, "rows", n[event.Experience], int64(len(times)))
	same(w, "distinct events", len(times), (batches+1)*size/2)
	online, err := w.OnlineNow(w.Context(), 0, 0)
	w.ok(err)
	same(w, "online", len(online), 7)
}

func recordSettle(w *world) {
	no := errors.New("no")
	calls := 0
	_, err := w.Record(w.Context(), at(5), event.Record{Events: []event.Event{login(1, alice)}},
		func(ctx context.Context, tx *sql.Tx) error {
			calls++
			return no
		})
	if !errors.Is(err, no) || calls != 1 {
		w.Fatalf("got %v after %d calls", err, calls)
	}
	got, err := w.Record(w.Context(), at(5), event.Record{Events: []event.Event{login(1, alice)}},
		func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM links WHERE user_id = 1")
			return err
		})
	w.ok(err)
	if !got.New[0] || len(got.Changes) != 1 {
		w.Errorf("after a refusal: %+v", got)
	}
}

func recordMalformed(w *world) {
	negative := gain(1, alice, 5)
	negative.Detail = event.Gain{Character: -4}
	mixed := login(1, alice)
	mixed.Detail = event.Death{}
	odd := login(1, alice)
	odd.Kind = 200
	bare := login(1, alice)
	bare.Detail = nil
	ancient := gain(1, alice, 5)
	ancient.At = day.AddDate(-200, 0, 0)
	for name, bad := range map[string]event.Event{"negative id": negative, "mixed": mixed, "kind": odd, "bare": bare, "before 1970": ancient} {
		_, err := w.Record(w.Context(), at(5), event.Record{Events: []event.Event{login(2, bob), bad}}, nil)
		if !errors.Is(err, storage.ErrData) {
			w.Errorf("%s: got %v", name, err)
		}
	}
	nan := ev(event.Metagame, 1, event.Alert{Instance: 1, VS: math.NaN()})
	for name, bad := range map[string]event.Record{
		"not a number":           {Events: []event.Event{login(2, bob), nan}},
		"observation of nobody":  {Observations: []event.Observation{{Character: bob, Online: true, ObservedAt: at(1)}, {ObservedAt: at(1)}}},
		"observation at no time": {Observations: []event.Observation{{Character: bob, Online: true}}},
		"stream of no world":     {Events: []event.Event{login(2, bob)}, Streams: []event.StreamState{{Health: event.StreamLive}}},
	} {
		if _, err := w.Record(w.Context(), at(5), bad, nil); !errors.Is(err, storage.ErrData) {
			w.Errorf("%s: got %v", name, err)
		}
	}
	if _, found, err := w.Player(w.Context(), bob); found || err != nil {
		w.Errorf("something was stored (%v)", err)
	}
}

func recordExtremes(w *world) {
	const most = event.CharacterID(math.MaxInt64)
	name := `Robert'); DROP TABLE "characters";-- \ 😀%_` + "\x00"
	w.record(5, kill(1, most, most-1),
		ev(event.ItemAdded, 2, event.Item{Character: most, Item: math.MaxInt64, Count: math.MaxInt64, Context: strings.Repeat("😀", 25)}),
		ev(event.Unknown, 3, event.Raw{Name: "😀'\"", Reason: strings.Repeat("é", 400), Payload: []byte(strings.Repeat("[", event.MaxPayload))}))
	w.ok(w.SaveCharacters(w.Context(), []event.Character{
		{ID: most, Name: name, Faction: 4, World: 10, Outfit: event.Outfit{ID: math.MaxInt64, Tag: "😀'", Name: strings.Repeat("😀", 500)}},
		{ID: most - 1, Name: strings.Repeat("長", 500)},
	}))
	p := w.player(most)
	same(w, "name", p.Character.Name, name)
	same(w, "outfit", p.Character.Outfit.ID, event.OutfitID(math.MaxInt64))
	same(w, "tag", p.Character.Outfit.Tag, "😀'")
	same(w, "long name", w.player(most-1).Character.Name, strings.Repeat("長", 64))
	found, err := w.FindCharacters(w.Context(), `robert'); drop table "characters";-- \ 😀%`, 5)
	w.ok(err)
	same(w, "found by prefix", len(found), 1)
	found, err = w.FindCharacters(w.Context(), "%", 5)
	w.ok(err)
	same(w, "found by percent", len(found), 0)
}

func recordLarge(w *world) {
	events := make([]event.Event, 3000)
	for i := range events {
		events[i] = gain(i/100, event.CharacterID(10_000+i%1500), int64(i))
	}
	got := w.record(60, events...)
	if slices.Contains(got.New, false) {
		w.Error("an event of the first record was not new")
	}
	same(w, "changes", len(got.Changes), 1500)
	half := append(slices.Clone(events[:1500]), gain(40, 1, 1))
	again := w.record(60, half...)
	if slices.Contains(again.New[:1500], true) || !again.New[1500] {
		w.Error("the second record was not told apart")
	}
}
