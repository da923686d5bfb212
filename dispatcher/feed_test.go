package dispatcher

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"muster/event"
)

// details has one of each kind that goes on the feed.
func details() map[event.Kind][]event.Detail {
	return map[event.Kind][]event.Detail{
		event.Login:  {event.Presence{Character: alice}},
		event.Logout: {event.Presence{Character: bob}},
		event.Kill: {event.Death{Victim: bob, Attacker: alice, Weapon: 7214, AttackerVehicle: 4, Headshot: true},
			event.Death{Victim: bob, Attacker: bob}, event.Death{Victim: bob}},
		event.VehicleKill: {event.VehicleDestroy{Owner: bob, Attacker: alice, Vehicle: 2, Weapon: 1, AttackerVehicle: 9999},
			event.VehicleDestroy{Attacker: alice, Vehicle: 101}},
		event.Experience:      {event.Gain{Character: alice, Other: bob, ID: 1, Amount: 100, Loadout: 6}, event.Gain{Character: alice, Other: 12345678901, ID: 99999}},
		event.FacilityControl: {event.Control{Facility: 222280, Old: 1, New: 2, HeldSeconds: 600, Outfit: 37509488620604883}, event.Control{Facility: 1, Old: 1, New: 1}},
		event.FacilityCapture: {event.Contribution{Character: alice, Facility: 222280, Outfit: 1}},
		event.FacilityDefend:  {event.Contribution{Character: alice, Facility: 222280}},
		event.Metagame:        {event.Alert{ID: 147, Instance: 20001, State: 135, VS: 33.3, NC: 0.0001, TR: 66}, event.Alert{ID: 999, State: 7, VS: 1e9, TR: -1e9}},
		event.ContinentLock:   {event.Lock{By: 1, Previous: 2, VS: 30, NC: 33, TR: 37}},
		event.ContinentUnlock: {event.Lock{}},
		event.Achievement:     {event.Award{Character: alice, Achievement: 90020}},
		event.BattleRank:      {event.Rank{Character: alice, Rank: 100}},
		event.ItemAdded:       {event.Item{Character: alice, Item: 6013812, Count: 1, Context: `a "label" <&> é` + "\u2028\x01"}},
		event.SkillAdded:      {event.Skill{Character: alice, Skill: 7}},
	}
}

func testWriter() writer {
	n := newNames(newFakeStore(), slog.New(slog.DiscardHandler))
	n.learn(cast())
	n.lookups = map[string]map[int64]string{event.LookupItem: {7214: "NS-7"}, event.LookupMetagame: {147: "Indar Alert"}}
	return writer{names: n}
}

func cast() []event.Character {
	return []event.Character{
		{ID: alice, Name: "Alice", Faction: event.VS, Outfit: event.Outfit{ID: 37509488620604883, Tag: "T", Name: `"Q" <Outfit>`}},
		{ID: bob, Name: "Bøb\n"},
	}
}

// What is written by hand must be what encoding/json makes of event.FeedMessage.
func TestFeedMessagesAreThoseOfTheVocabulary(t *testing.T) {
	people := map[event.CharacterID]event.Character{}
	for _, c := range cast() {
		people[c.ID] = c
	}
	kinds := map[string]bool{}
	for kind, all := range details() {
		for _, detail := range all {
			e := event.Event{Kind: kind, World: 10, Zone: 2, At: time.Unix(1_730_000_000, 0), ReceivedAt: time.Unix(1_730_000_001, 5), Detail: detail}
			w := testWriter()
			w.all([]event.Event{e, e}, nil) // the second must come out whole as well
			m := w.messages()[0]
			if err := m.Check(); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			var f event.FeedMessage
			dec := json.NewDecoder(bytes.NewReader(m.Body))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&f); err != nil {
				t.Fatalf("%s: %v in %s", kind, err, m.Body)
			}
			again, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, m.Body) {
				t.Errorf("%s: got  %s\nwant %s", kind, m.Body, again)
			}
			if len(f.Items) != 2 {
				t.Fatalf("%s: %d items, want 2", kind, len(f.Items))
			}
			it := f.Items[1]
			subject, other := e.Characters()
			if want := event.NewWho(people[subject]); !same(it.Character, want) {
				t.Errorf("%s: character %+v, want %+v", kind, it.Character, want)
			}
			if want := event.NewWho(people[other]); !same(it.Other, want) {
				t.Errorf("%s: other %+v, want %+v", kind, it.Other, want)
			}
			if it.ID != event.FeedID(e.ReceivedAt, e.Key()) || it.ID != m.ID || it.Kind != e.FeedKind() {
				t.Errorf("%s: id %s, kind %s", kind, it.ID, it.Kind)
			}
			kinds[it.Kind] = true
		}
	}
	for _, kind := range event.FeedKinds() {
		if !kinds[kind] {
			t.Errorf("no test of feed kind %s", kind)
		}
	}
}

func TestManyItemsGoInMessagesThatFit(t *testing.T) {
	longest := strings.Repeat("\x01", 64) // six bytes each in JSON
	n := newNames(newFakeStore(), slog.New(slog.DiscardHandler))
	outfit := event.Outfit{ID: 1<<63 - 1, Tag: longest, Name: longest}
	n.learn([]event.Character{{ID: alice, Name: longest, Outfit: outfit}, {ID: bob, Name: longest, Outfit: outfit}})
	var all []event.Event
	for i := range 3*event.FeedItems + 1 {
		all = append(all, event.Event{Kind: event.Experience, World: 10, At: time.Unix(int64(i), 0), ReceivedAt: time.Unix(int64(i), 1),
			Detail: event.Gain{Character: alice, Other: bob, ID: 1, Amount: 100}})
	}
	w := writer{names: n}
	w.all(all, nil)
	i := 0
	for _, m := range w.messages() {
		var f event.FeedMessage
		if err := errors.Join(m.Check(), json.Unmarshal(m.Body, &f)); err != nil {
			t.Fatal(err)
		}
		if len(f.Items) > event.FeedItems || f.Items[0].ID != m.ID {
			t.Errorf("%d items in message %s, which begins with %s", len(f.Items), m.ID, f.Items[0].ID)
		}
		for _, it := range f.Items {
			if want := event.FeedID(all[i].ReceivedAt, all[i].Key()); it.ID != want {
				t.Fatalf("item %d is %s, want %s", i, it.ID, want)
			}
			i++
		}
	}
	if i != len(all) {
		t.Errorf("%d items, want %d", i, len(all))
	}
}

func same(a, b *event.Who) bool {
	x, _ := json.Marshal(a) // plain values
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func TestTheCacheOfNamesIsBounded(t *testing.T) {
	n := newNames(newFakeStore(), slog.New(slog.DiscardHandler))
	for id := range event.CharacterID(maxCharacters + 1000) {
		n.learn([]event.Character{{ID: id + 1, Outfit: event.Outfit{ID: event.OutfitID(id + 1)}}})
	}
	if len(n.characters) > maxCharacters || len(n.outfits) > maxOutfits {
		t.Errorf("%d characters and %d outfits, want at most %d and %d", len(n.characters), len(n.outfits), maxCharacters, maxOutfits)
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\<>&\u2028\xff\x00é")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, s); !bytes.Equal(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
