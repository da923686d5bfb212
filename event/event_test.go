package event_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"muster/event"
)

const (
	alice event.CharacterID = 5428010618015189601
	bob   event.CharacterID = 5428010618014254785
)

func TestWhoActedAndWhoIsThere(t *testing.T) {
	tests := []struct {
		name           string
		e              event.Event
		subject, other event.CharacterID
		a, b           event.CharacterID // present
		feed           string
		repeats        bool
	}{
		{"a kill", event.Event{Kind: event.Kill, Detail: event.Death{Attacker: alice, Victim: bob}}, alice, bob, alice, bob, "kill", false},
		{"a suicide", event.Event{Kind: event.Kill, Detail: event.Death{Attacker: bob, Victim: bob}}, bob, bob, bob, 0, "kill", false},
		{"a fall", event.Event{Kind: event.Kill, Detail: event.Death{Victim: bob}}, 0, bob, 0, bob, "kill", false},
		{"a vehicle", event.Event{Kind: event.VehicleKill, Detail: event.VehicleDestroy{Attacker: alice, Owner: bob}}, alice, bob, alice, 0, "vehicle_kill", false},
		{"a turret of nobody", event.Event{Kind: event.VehicleKill, Detail: event.VehicleDestroy{Attacker: alice}}, alice, 0, alice, 0, "vehicle_kill", true},
		{"a heal", event.Event{Kind: event.Experience, Detail: event.Gain{Character: alice, Other: bob}}, alice, bob, alice, 0, "experience", false},
		{"a repair of an NPC", event.Event{Kind: event.Experience, Detail: event.Gain{Character: alice, Other: 17199964770}}, alice, 0, alice, 0, "experience", false},
		{"a login", event.Event{Kind: event.Login, Detail: event.Presence{Character: alice}}, alice, 0, alice, 0, "login", false},
		{"a logout", event.Event{Kind: event.Logout, Detail: event.Presence{Character: alice}}, alice, 0, 0, 0, "logout", false},
		{"a capture", event.Event{Kind: event.FacilityControl, Detail: event.Control{Old: event.TR, New: event.VS}}, 0, 0, 0, 0, "capture", false},
		{"a defence", event.Event{Kind: event.FacilityControl, Detail: event.Control{Old: event.VS, New: event.VS}}, 0, 0, 0, 0, "defend", false},
		{"a capture's player", event.Event{Kind: event.FacilityCapture, Detail: event.Contribution{Character: alice}}, alice, 0, alice, 0, "capture", false},
		{"a rank", event.Event{Kind: event.BattleRank, Detail: event.Rank{Character: alice}}, alice, 0, alice, 0, "rank", false},
		{"a fish", event.Event{Kind: event.FishScan, Detail: event.Fish{Character: alice}}, alice, 0, alice, 0, "", false},
		{"something new", event.Event{Detail: event.Raw{Name: "New"}}, 0, 0, 0, 0, "", false},
		{"a kind from the future", event.Event{Kind: 200, Detail: event.Raw{}}, 0, 0, 0, 0, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, o := tt.e.Characters(); s != tt.subject || o != tt.other {
				t.Errorf("characters %v, %v; want %v, %v", s, o, tt.subject, tt.other)
			}
			if a, b := tt.e.Present(); a != tt.a || b != tt.b {
				t.Errorf("present %v, %v; want %v, %v", a, b, tt.a, tt.b)
			}
			if got := tt.e.FeedKind(); got != tt.feed {
				t.Errorf("feed kind %q, want %q", got, tt.feed)
			}
			if tt.e.MayRepeat() != tt.repeats {
				t.Errorf("may repeat: %v", !tt.repeats)
			}
		})
	}
}

func TestKindsKeepTheirNumbersAndNames(t *testing.T) {
	want := []string{"PlayerLogin", "PlayerLogout", "Death", "VehicleDestroy", "GainExperience", "FacilityControl",
		"PlayerFacilityCapture", "PlayerFacilityDefend", "MetagameEvent", "ContinentLock", "ContinentUnlock",
		"AchievementEarned", "BattleRankUp", "ItemAdded", "SkillAdded", "FishScan"}
	kinds := event.Kinds()
	if len(kinds) != len(want) {
		t.Fatalf("%d kinds, want %d", len(kinds), len(want))
	}
	for i, k := range kinds {
		if int(k) != i+1 || k.String() != want[i] || event.KindByName(want[i]) != k {
			t.Errorf("kind %d is %v, want number %d, %s", k, k, i+1, want[i])
		}
	}
	if event.KindByName("") != event.Unknown || event.KindByName("death") != event.Unknown || event.Kind(99).String() != "Unknown" {
		t.Error("a name that is none has a kind")
	}
}

func TestTeamsDecideWhatATeamKillIs(t *testing.T) {
	tests := []struct {
		d    event.Death
		want bool
	}{
		{event.Death{Attacker: alice, Victim: bob, AttackerTeam: event.NC, VictimTeam: event.NC}, true},
		{event.Death{Attacker: alice, Victim: bob, AttackerTeam: event.NC, VictimTeam: event.TR}, false},
		{event.Death{Attacker: alice, Victim: alice, AttackerTeam: event.NC, VictimTeam: event.NC}, false},
		{event.Death{Attacker: alice, Victim: bob}, false},
		{event.Death{Victim: bob, AttackerTeam: event.NC, VictimTeam: event.NC}, false},
	}
	for _, tt := range tests {
		if tt.d.TeamKill() != tt.want {
			t.Errorf("%+v: team kill %v", tt.d, !tt.want)
		}
	}
}

func TestIDsAreTextInJSONAndNeverOutOfRange(t *testing.T) {
	b, err := json.Marshal(map[event.CharacterID]event.OutfitID{alice: 37525047953333155})
	if err != nil || string(b) != `{"5428010618015189601":"37525047953333155"}` {
		t.Errorf("got %s, %v", b, err)
	}
	for _, s := range []string{"", "-1", "+1", "9223372036854775808", "1e3", "0x10", " 1", "1_000", "１"} {
		if id, err := event.ParseCharacterID(s); !errors.Is(err, event.ErrID) || id != 0 {
			t.Errorf("%q: got %d, %v", s, id, err)
		}
		if _, err := event.ParseOutfitID(s); !errors.Is(err, event.ErrID) {
			t.Errorf("%q: got %v", s, err)
		}
	}
	if id, err := event.ParseCharacterID("9223372036854775807"); err != nil || id != 1<<63-1 {
		t.Errorf("the largest id: %d, %v", id, err)
	}
}

func TestAListenerThatDoesNotReportIsDown(t *testing.T) {
	s := event.StreamState{World: 1, Health: event.StreamLive, ReportedAt: arrival}
	if got := s.At(arrival.Add(90 * time.Second)); got.Health != event.StreamLive {
		t.Errorf("after 90 s: %s", got.Health)
	}
	if got := s.At(arrival.Add(91 * time.Second)); got.Health != event.StreamDown || !got.Since.Equal(arrival) {
		t.Errorf("after 91 s: %+v", got)
	}
}

func TestFeedIDsAreOrderedAsText(t *testing.T) {
	e := mustDecode(t, deathPayload)
	a, b := event.FeedID(arrival, e.Key()), event.FeedID(arrival.Add(1), e.Key())
	if a >= b || a != event.FeedID(arrival, e.Key()) {
		t.Errorf("%s, then %s", a, b)
	}
}

func TestAFeedIDGivesItsTimeBack(t *testing.T) {
	id := event.FeedID(arrival, event.Key{1, 2, 3, 4, 5})
	if at, ok := event.FeedIDTime(id); !ok || !at.Equal(arrival) {
		t.Errorf("%s gives %v, %t, want %v", id, at, ok, arrival)
	}
	for _, bad := range []string{"", "-", id + "0", id[1:], strings.ToUpper(id[:16]) + "-0000000g", "-" + id[1:],
		strings.Replace(id, "-", "0", 1), "8000000000000000-00000000", strings.Repeat("é", 12) + "-"} {
		if at, ok := event.FeedIDTime(bad); ok {
			t.Errorf("%q gives %v", bad, at)
		}
	}
}

func TestZonesAreTakenApart(t *testing.T) {
	tests := []struct {
		z          event.Zone
		definition event.Zone
		instance   uint32
		name       string
		continent  bool
	}{
		{2, 2, 0, "Indar", true}, {344, 344, 0, "Oshur", true}, {196969, 361, 3, "Desolation", false},
		{131434, 362, 2, "Sanctuary", false}, {238289260, 364, 3636, "Tutorial", false}, {0, 0, 0, "", false}, {77, 77, 0, "Zone 77", false},
	}
	for _, tt := range tests {
		if tt.z.Definition() != tt.definition || tt.z.Instance() != tt.instance || tt.z.String() != tt.name || tt.z.Continent() != tt.continent {
			t.Errorf("zone %d: %d, %d, %q, %v", tt.z, tt.z.Definition(), tt.z.Instance(), tt.z, tt.z.Continent())
		}
	}
}
