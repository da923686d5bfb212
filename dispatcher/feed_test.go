package dispatcher

import (
	"bytes"
	"encoding/json"
	"log/slog"
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
			two := w.messages()
			m := two[1]
			if string(two[0].Body) != string(m.Body) || two[0].ID != m.ID || two[0].Key != "ps2.10."+e.FeedKind() {
				t.Errorf("%s: got %+v and %+v of one event", kind, two[0], m)
			}
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
			subject, other := e.Characters()
			if want := event.NewWho(people[subject]); !same(f.Item.Character, want) {
				t.Errorf("%s: character %+v, want %+v", kind, f.Item.Character, want)
			}
			if want := event.NewWho(people[other]); !same(f.Item.Other, want) {
				t.Errorf("%s: other %+v, want %+v", kind, f.Item.Other, want)
			}
			if f.Item.ID != event.FeedID(e.ReceivedAt, e.Key()) || f.Item.ID != m.ID || f.Item.Kind != e.FeedKind() {
				t.Errorf("%s: id %s, kind %s", kind, f.Item.ID, f.Item.Kind)
			}
			kinds[f.Item.Kind] = true
		}
	}
	for _, kind := range event.FeedKinds() {
		if !kinds[kind] {
			t.Errorf("no test of feed kind %s", kind)
		}
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
