package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"muster/event"
)

var arrival = time.Date(2024, 10, 29, 5, 36, 45, 123456789, time.UTC)

func mustDecode(t *testing.T, payload string) event.Event {
	t.Helper()
	e, err := event.Decode([]byte(payload), arrival)
	if err != nil {
		t.Fatalf("decode %s: %v", payload, err)
	}
	return e
}

func TestEachKindIsReadWithAllItsFields(t *testing.T) {
	tests := []struct {
		name, payload string
		kind          event.Kind
		world         event.World
		zone          event.Zone
		want          event.Detail
	}{
		{"a kill", deathPayload, event.Kill, 40, 6, event.Death{
			Victim: 5429550526394041409, Attacker: 5429585904316728705, VictimLoadout: 13, AttackerLoadout: 6,
			VictimTeam: event.TR, AttackerTeam: event.NC, Weapon: 7233, FireMode: 7531}},
		{"a kill on PS4 has no attacker's team", `{"attacker_character_id":"5429585904316728705","attacker_fire_mode_id":"7531",` +
			`"attacker_loadout_id":"6","attacker_vehicle_id":"4","attacker_weapon_id":"7233","character_id":"5429550526394041409",` +
			`"character_loadout_id":"13","event_name":"Death","is_critical":"0","is_headshot":"1","team_id":"3",` +
			`"timestamp":"1730180202","world_id":"1000","zone_id":"6"}`, event.Kill, 1000, 6, event.Death{
			Victim: 5429550526394041409, Attacker: 5429585904316728705, VictimLoadout: 13, AttackerLoadout: 6,
			VictimTeam: event.TR, Weapon: 7233, FireMode: 7531, AttackerVehicle: 4, Headshot: true}},
		{"a kill of before 2022-08-27 has no teams, and the victim's vehicle", `{"attacker_character_id":"5428257385129506001",` +
			`"attacker_fire_mode_id":"80387","attacker_loadout_id":"15","attacker_vehicle_id":"0","attacker_weapon_id":"6003665",` +
			`"character_id":"5429201282572095697","character_loadout_id":"6","event_name":"Death","is_critical":"0","is_headshot":"0",` +
			`"timestamp":"1600000000","vehicle_id":"0","world_id":"1","zone_id":"6"}`, event.Kill, 1, 6, event.Death{
			Victim: 5429201282572095697, Attacker: 5428257385129506001, VictimLoadout: 6, AttackerLoadout: 15,
			Weapon: 6003665, FireMode: 80387}},
		{"experience", gainPayload, event.Experience, 40, 8, event.Gain{Character: 5429585904317827249,
			Other: 5429585904317828945, ID: 55, Amount: 15, Loadout: 19, Team: event.VS}},
		{"experience on PS4 has no team", `{"amount":"100","character_id":"5429585904317827249","event_name":"GainExperience",` +
			`"experience_id":"1","loadout_id":"19","other_id":"0","timestamp":"1730180177","world_id":"2000","zone_id":"8"}`,
			event.Experience, 2000, 8, event.Gain{Character: 5429585904317827249, ID: 1, Amount: 100, Loadout: 19}},
		{"a destroyed vehicle", `{"attacker_character_id":"5429241327001550385","attacker_loadout_id":"29","attacker_team_id":"2",` +
			`"attacker_vehicle_id":"0","attacker_weapon_id":"6005191","character_id":"5428257385129506001","event_name":"VehicleDestroy",` +
			`"facility_id":"0","faction_id":"1","team_id":"1","timestamp":"1669213115","vehicle_id":"2","world_id":"1","zone_id":"6"}`,
			event.VehicleKill, 1, 6, event.VehicleDestroy{Owner: 5428257385129506001, Attacker: 5429241327001550385,
				AttackerLoadout: 29, OwnerTeam: event.VS, AttackerTeam: event.NC, VehicleFaction: event.VS, Vehicle: 2, Weapon: 6005191}},
		{"a login has no zone", `{"character_id":"5429038329410828849","event_name":"PlayerLogin","timestamp":"1611720644","world_id":"1"}`,
			event.Login, 1, 0, event.Presence{Character: 5429038329410828849}},
		{"a logout", `{"character_id":"5429091716534991393","event_name":"PlayerLogout","timestamp":"1611720653","world_id":"1"}`,
			event.Logout, 1, 0, event.Presence{Character: 5429091716534991393}},
		{"a capture", `{"duration_held":"906","event_name":"FacilityControl","facility_id":"287060","new_faction_id":"1",` +
			`"old_faction_id":"3","outfit_id":"37511594860086186","timestamp":"1611533115","world_id":"10","zone_id":"4"}`,
			event.FacilityControl, 10, 4, event.Control{Facility: 287060, Old: event.TR, New: event.VS, HeldSeconds: 906,
				Outfit: 37511594860086186}},
		{"a capture's player", `{"character_id":"5428010618015189601","event_name":"PlayerFacilityCapture","facility_id":"7500",` +
			`"outfit_id":"37525047953333155","timestamp":"1730180200","world_id":"10","zone_id":"2"}`, event.FacilityCapture, 10, 2,
			event.Contribution{Character: 5428010618015189601, Facility: 7500, Outfit: 37525047953333155}},
		{"an alert of 2017 has no zone", `{"event_name":"MetagameEvent","experience_bonus":"30.000000","faction_nc":"42.745102",` +
			`"faction_tr":"41.176472","faction_vs":"15.294119","instance_id":"10126","metagame_event_id":"2",` +
			`"metagame_event_state":"135","metagame_event_state_name":"started","timestamp":"1488352487","world_id":"1"}`,
			event.Metagame, 1, 0, event.Alert{ID: 2, Instance: 10126, State: event.MetagameStarted, VS: 15.294119,
				NC: 42.745102, TR: 41.176472, ExperienceBonus: 30}},
		{"a lock", `{"event_name":"ContinentLock","metagame_event_id":"0","nc_population":"39","previous_faction":"0",` +
			`"timestamp":"1488350511","tr_population":"23","triggering_faction":"2","vs_population":"36","world_id":"17","zone_id":"2"}`,
			event.ContinentLock, 17, 2, event.Lock{By: event.NC, VS: 36, NC: 39, TR: 23}},
		{"an achievement", `{"achievement_id":"90020","character_id":"5429292002801114593","event_name":"AchievementEarned",` +
			`"timestamp":"1659246271","world_id":"1","zone_id":"4"}`, event.Achievement, 1, 4,
			event.Award{Character: 5429292002801114593, Achievement: 90020}},
		{"a rank", `{"battle_rank":"14","character_id":"5428010618015189601","event_name":"BattleRankUp","timestamp":"1730180200",` +
			`"world_id":"10","zone_id":"2"}`, event.BattleRank, 10, 2, event.Rank{Character: 5428010618015189601, Rank: 14}},
		{"an item", `{"character_id":"5429269171559531473","context":"SkillGrantItemLine","event_name":"ItemAdded","item_count":"1",` +
			`"item_id":"6013812","timestamp":"1659246325","world_id":"1","zone_id":"131434"}`, event.ItemAdded, 1, 131434,
			event.Item{Character: 5429269171559531473, Item: 6013812, Count: 1, Context: "SkillGrantItemLine"}},
		{"a skill", `{"character_id":"5428010618015189601","event_name":"SkillAdded","skill_id":"1","timestamp":"1730180200",` +
			`"world_id":"10","zone_id":"2"}`, event.SkillAdded, 10, 2, event.Skill{Character: 5428010618015189601, Skill: 1}},
		{"a fish on the test server has a zone for a team", `{"character_id":"223418335046796049","event_name":"FishScan","fish_id":"1",` +
			`"loadout_id":"10","team_id":"344","timestamp":"1738609454","world_id":"101","zone_id":"344"}`, event.FishScan, 101, 344,
			event.Fish{Character: 223418335046796049, Fish: 1, Loadout: 10}},
		{"bare numbers, flags and null", `{"character_id":5429550526394041409,"attacker_character_id":null,"event_name":"Death",` +
			`"is_headshot":true,"timestamp":1730180202,"world_id":40,"zone_id":6}`, event.Kill, 40, 6,
			event.Death{Victim: 5429550526394041409, Headshot: true}},
		{"the text NULL for nothing", `{"character_id":"5429550526394041409","attacker_character_id":"NULL","event_name":"Death",` +
			`"attacker_weapon_id":"NULL","timestamp":"1730180202","world_id":"40","zone_id":"NULL"}`, event.Kill, 40, 0,
			event.Death{Victim: 5429550526394041409}},
		{"spaces, unknown and nested fields", ` { "character_id" : "5429550526394041409", "new": {"a":[1,{"b":2}]}, "event_name" : "Death",` +
			` "timestamp":"1730180202","world_id":"40"} `, event.Kill, 40, 0, event.Death{Victim: 5429550526394041409}},
		{"escapes", `{"character_id":"5428010618015189601","event_name":"Skill\u0041dded","skill_id":"1","timestamp":"1730180200",` +
			`"world_id":"10"}`, event.SkillAdded, 10, 0, event.Skill{Character: 5428010618015189601, Skill: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := mustDecode(t, tt.payload)
			if e.Kind != tt.kind || e.World != tt.world || e.Zone != tt.zone {
				t.Errorf("got %v on %d/%d, want %v on %d/%d", e.Kind, e.World, e.Zone, tt.kind, tt.world, tt.zone)
			}
			if !reflect.DeepEqual(e.Detail, tt.want) {
				t.Errorf("got  %#v\nwant %#v", e.Detail, tt.want)
			}
			if !e.ReceivedAt.Equal(arrival) || e.At.Location() != time.UTC {
				t.Errorf("received at %v, at %v", e.ReceivedAt, e.At)
			}
			roundTrip(t, e, tt.payload)
		})
	}
}

// roundTrip checks that the bus carries the event unchanged.
func roundTrip(t *testing.T, e event.Event, payload string) {
	t.Helper()
	for _, n := range []uint8{0, 3} {
		m, err := event.DecodeMessage(event.EncodeSighting([]byte(payload), arrival, n))
		if err != nil {
			t.Fatal(err)
		}
		e.Copy = n
		if m.Event == nil || !reflect.DeepEqual(*m.Event, e) {
			t.Errorf("through the envelope: %+v\nwant %+v", m.Event, e)
		}
	}
}

func TestWhatCannotBeReadIsKeptRaw(t *testing.T) {
	const head = `"timestamp":"1730180202","world_id":"40","zone_id":"6"`
	tests := []struct{ name, payload, reason string }{
		{"a name not known", `{"event_name":"ShipLaunched","ship":"7",` + head + `}`, ""},
		{"a huge id", `{"event_name":"PlayerLogin","character_id":"99999999999999999999",` + head + `}`, "character_id"},
		{"the largest unsigned id", `{"event_name":"PlayerLogin","character_id":"18446744073709551615",` + head + `}`, "character_id"},
		{"a negative id", `{"event_name":"PlayerLogin","character_id":"-5",` + head + `}`, "character_id"},
		{"an id with a fraction", `{"event_name":"PlayerLogin","character_id":"5e18",` + head + `}`, "character_id"},
		{"nobody who logs in", `{"event_name":"PlayerLogin","character_id":"0",` + head + `}`, "character_id"},
		{"no character", `{"event_name":"PlayerLogin",` + head + `}`, "character_id"},
		{"an object for an id", `{"event_name":"PlayerLogin","character_id":{"a":1},` + head + `}`, "character_id"},
		{"a list for an id", `{"event_name":"PlayerLogin","character_id":["1"],` + head + `}`, "character_id"},
		{"no world", `{"event_name":"PlayerLogin","character_id":"5428010618015189601","timestamp":"1730180202"}`, "world_id"},
		{"a world beyond 32 bits", `{"event_name":"PlayerLogin","character_id":"5428010618015189601","world_id":"4294967297","timestamp":"1730180202"}`, "world_id"},
		{"a zone beyond 32 bits", `{"event_name":"Death","character_id":"5428010618015189601","world_id":"1","zone_id":"4294967296","timestamp":"1730180202"}`, "zone_id"},
		{"no time", `{"event_name":"PlayerLogin","character_id":"5428010618015189601","world_id":"1"}`, "timestamp"},
		{"a time past 2199", `{"event_name":"PlayerLogin","character_id":"5428010618015189601","world_id":"1","timestamp":"9223372036854775807"}`, "timestamp"},
		{"a percentage that is not a number", `{"event_name":"MetagameEvent","instance_id":"1","metagame_event_state":"135","faction_vs":"NaN",` + head + `}`, "percentage"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := mustDecode(t, tt.payload)
			raw, ok := e.Detail.(event.Raw)
			if e.Kind != event.Unknown || !ok {
				t.Fatalf("got %v %#v, want Unknown", e.Kind, e.Detail)
			}
			if string(raw.Payload) != tt.payload || !strings.Contains(raw.Reason, tt.reason) || (tt.reason == "") != (raw.Reason == "") {
				t.Errorf("kept %s because %q, want the payload because of %q", raw.Payload, raw.Reason, tt.reason)
			}
			if e.At.Year() > 2199 || e.At.Unix() <= 0 {
				t.Errorf("at %v: not a time to store", e.At)
			}
			roundTrip(t, e, tt.payload)
		})
	}
}

func TestWhatIsNoPayloadIsAnError(t *testing.T) {
	tests := []struct{ name, payload string }{
		{"nothing", ``}, {"null", `null`}, {"a list", `[]`}, {"a text", `"Death"`}, {"a number", `7`},
		{"an empty object", `{}`}, {"no name", `{"timestamp":"1"}`}, {"a name that is null", `{"event_name":null}`},
		{"a cut payload", `{"event_name":"Death"`}, {"two payloads", `{"event_name":"Death"}{}`},
		{"too large", `{"event_name":"Death","x":"` + strings.Repeat("x", event.MaxPayload) + `"}`},
		{"deep nesting", `{"event_name":"Death","x":` + strings.Repeat("[", 12000) + strings.Repeat("]", 4000)},
		{"a line break in a text", "{\"event_name\":\"Death\n\"}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := event.Decode([]byte(tt.payload), arrival)
			if !errors.Is(err, event.ErrPayload) {
				t.Errorf("got %+v, %v; want ErrPayload", e, err)
			}
		})
	}
}

func TestInvalidUTF8BecomesValid(t *testing.T) {
	e := mustDecode(t, "{\"character_id\":\"5429269171559531473\",\"context\":\"a\xffb\",\"event_name\":\"ItemAdded\",\"item_id\":\"1\","+
		"\"timestamp\":\"1659246325\",\"world_id\":\"1\"}")
	if got := e.Detail.(event.Item).Context; got != "a\uFFFDb" {
		t.Errorf("context %q", got)
	}
}

func TestRawPayloadsAreValidUTF8SoThatTheyCanBeStored(t *testing.T) {
	payload := "{\"event_name\":\"New\xc3\",\"timestamp\":\"1730180202\",\"world_id\":\"40\"}"
	e := mustDecode(t, payload)
	if raw := e.Detail.(event.Raw); !utf8.Valid(raw.Payload) || !utf8.ValidString(raw.Name) {
		t.Errorf("kept %q under %q", raw.Payload, raw.Name)
	}
	roundTrip(t, e, payload)
}

func TestEventsAheadOfTheClockAreFlagged(t *testing.T) {
	for ahead, want := range map[time.Duration]bool{0: false, 3 * time.Second: false, 4 * time.Second: true, 24 * time.Hour: true, -time.Hour: false} {
		at := arrival.Truncate(time.Second).Add(ahead)
		payload := fmt.Sprintf(`{"character_id":"5429038329410828849","event_name":"PlayerLogin","timestamp":"%d","world_id":"1"}`, at.Unix())
		e, err := event.Decode([]byte(payload), arrival.Truncate(time.Second))
		if err != nil || e.Future != want {
			t.Errorf("%v ahead: future %v, %v; want %v", ahead, e.Future, err, want)
		}
	}
}

func TestKeysAreThoseOfTheFirstRelease(t *testing.T) {
	// Stored rows are found by these: a change here forgets every one of them.
	tests := []struct{ payload, key string }{
		{deathPayload, "297595dd625b6ee1e772eb170a50732e"},
		{gainPayload, "a8d57c6612a00a1052c3f3ccc49d764d"},
		{`{"character_id":"5429038329410828849","event_name":"PlayerLogin","timestamp":"1611720644","world_id":"1"}`, "8d093dbd3eaf2b5d154de8a572f87539"},
	}
	for _, tt := range tests {
		if got := mustDecode(t, tt.payload).Key().String(); got != tt.key {
			t.Errorf("key of %s\nis %s, was %s", tt.payload, got, tt.key)
		}
	}
}

func TestTheSameEventHasOneKeyWhateverItsShape(t *testing.T) {
	a := mustDecode(t, gainPayload)
	b := mustDecode(t, ` {"world_id":40,"zone_id":"8","amount":15,"character_id":"5429585904317827249","event_name":"GainExperience",`+
		`"experience_id":"55","other_id":"5429585904317828945","timestamp":"1730180177","new_field":"x"}`)
	if a.Key() != b.Key() {
		t.Error("two shapes, two keys")
	}
	b.Copy = 1
	if a.Key() == b.Key() {
		t.Error("the second of two equal events has the key of the first")
	}
	if k, err := event.ParseKey(a.Key().String()); err != nil || k != a.Key() {
		t.Errorf("parsed back: %v, %v", k, err)
	}
}

func TestTheRecordedSessionHas464DistinctEvents(t *testing.T) {
	all := payloads(t, shared(t, "ess", "session-2024-10-29-a.jsonl"))
	keys := map[event.Key]string{}
	for _, p := range all {
		e := mustDecode(t, string(p))
		if e.Kind == event.Unknown {
			t.Errorf("not read: %s", p)
		}
		if other, there := keys[e.Key()]; there {
			t.Errorf("one key for\n%s\n%s", other, p)
		}
		keys[e.Key()] = string(p)
		roundTrip(t, e, string(p))
	}
	if len(keys) != 464 {
		t.Errorf("%d keys, want 464", len(keys))
	}
}

func TestEverySampleIsOfItsKind(t *testing.T) {
	all := append(payloads(t, shared(t, "ess", "single-events.jsonl")), payloads(t, shared(t, "ess", "control-messages.jsonl"))...)
	for _, p := range append(all, templates(t)...) {
		var name struct {
			Event string `json:"event_name"`
		}
		if err := json.Unmarshal(p, &name); err != nil {
			t.Fatal(err)
		}
		if name.Event == "" { // the reply to recentCharacterIds
			if _, err := event.Decode(p, arrival); !errors.Is(err, event.ErrPayload) {
				t.Errorf("%s: %v, want ErrPayload", p, err)
			}
			continue
		}
		e := mustDecode(t, string(p))
		if e.Kind.String() != name.Event {
			t.Errorf("%s is of kind %v", p, e.Kind)
		}
		roundTrip(t, e, string(p))
	}
}
