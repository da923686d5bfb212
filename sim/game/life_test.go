package game

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func TestPayloadsAreSortedStringsAndPS4LacksItsFields(t *testing.T) {
	s := mustStart(t, quiet())
	s.Step(1500)
	ps4 := 0
	for _, e := range s.Journal(0, 1<<20) {
		var fields map[string]string
		if err := json.Unmarshal(e.Payload, &fields); err != nil {
			t.Fatalf("not all strings: %s", e.Payload)
		}
		sorted, _ := json.Marshal(fields)
		if string(sorted) != string(e.Payload) {
			t.Fatalf("keys not sorted: %s", e.Payload)
		}
		field := map[string]string{"GainExperience": "team_id", "VehicleDestroy": "attacker_team_id"}[fields["event_name"]]
		if _, has := fields[field]; field != "" && has == isPS4(fields["world_id"]) {
			t.Fatalf("field %s wrong for its platform: %s", field, e.Payload)
		}
		if field != "" && isPS4(fields["world_id"]) {
			ps4++
		}
		if _, has := fields["zone_id"]; has == (fields["event_name"] == "PlayerLogin" || fields["event_name"] == "PlayerLogout") {
			t.Fatalf("zone wrong: %s", e.Payload)
		}
	}
	if ps4 == 0 {
		t.Fatal("nothing happened on PS4")
	}
}

// TestGeneratedLifeMakesSense walks the journal and checks what a client
// would rely on.
func TestGeneratedLifeMakesSense(t *testing.T) {
	cfg := quiet()
	cfg.AlertEvery, cfg.AlertLasts, cfg.LockEvery = 40*time.Second, 20*time.Second, 90*time.Second
	s := mustStart(t, cfg)
	s.Step(2400)
	seen, keys := map[string]int{}, map[string]bool{}
	online := map[string]bool{}
	started, captured, bursts := map[string]bool{}, map[string]string{}, map[string]int{}
	for _, e := range s.Journal(0, 1<<20) {
		var f map[string]string
		if err := json.Unmarshal(e.Payload, &f); err != nil {
			t.Fatal(err)
		}
		seen[f["event_name"]]++
		if keys[string(e.Payload)] {
			t.Fatalf("the same event twice: %s", e.Payload)
		}
		keys[string(e.Payload)] = true
		switch f["event_name"] {
		case "PlayerLogin":
			if online[f["character_id"]] {
				t.Fatalf("a second login without a logout: %s", e.Payload)
			}
			online[f["character_id"]] = true
		case "PlayerLogout":
			online[f["character_id"]] = false
		case "FacilityControl":
			captured[f["world_id"]+f["facility_id"]] = f["timestamp"]
			bursts[f["world_id"]+f["zone_id"]+f["timestamp"]]++
		case "PlayerFacilityCapture", "PlayerFacilityDefend":
			if captured[f["world_id"]+f["facility_id"]] != f["timestamp"] {
				t.Fatalf("a player row without its facility: %s", e.Payload)
			}
		case "MetagameEvent":
			key := f["world_id"] + "/" + f["instance_id"]
			if f["metagame_event_state"] == "138" && !started[key] {
				t.Fatalf("an end without a start: %s", e.Payload)
			}
			started[key] = true
		}
	}
	for _, name := range eventNames {
		if seen[name] == 0 {
			t.Errorf("no %s in %v", name, seen)
		}
	}
	if most := slices.Max(mapsValues(bursts)); most < 50 || most > 75 {
		t.Errorf("the biggest burst has %d rows, want 50 to 70", most)
	}
}

func mapsValues(m map[string]int) []int {
	var out []int
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestTheSameSeedGivesTheSameWorldAndTheSameEvents(t *testing.T) {
	run := func(seed int64) string {
		cfg := quiet()
		cfg.Seed = seed
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		s.Step(300)
		people, _ := json.Marshal(s.Characters(""))
		events, _ := json.Marshal(s.Journal(0, 1<<20))
		return string(people) + string(events)
	}
	first, again := run(7), run(7)
	if first != again {
		t.Error("the same seed gave two worlds")
	}
	if first == run(8) {
		t.Error("two seeds gave the same world")
	}
}

func TestKestrelsFriendsComeOnWithinTwentySeconds(t *testing.T) {
	s := mustStart(t, quiet())
	kestrel := s.Characters("kestrel")[0]
	if !kestrel.Online || kestrel.World != "10" || len(kestrel.Friends) != len(demoCast)-1 {
		t.Fatalf("got %+v", kestrel)
	}
	s.Step(200)
	logins := map[string]bool{}
	for _, e := range s.Journal(0, 1<<20) {
		if e.event.name == "PlayerLogin" {
			logins[e.event.character] = true
		}
	}
	for _, id := range kestrel.Friends[:earlyCast-1] {
		if !logins[id] {
			t.Errorf("friend %s has not come on", id)
		}
	}
	s.Step(6000)
	logouts := 0
	for _, e := range s.Journal(0, 1<<20) {
		if e.event.name == "PlayerLogout" && slices.Contains(kestrel.Friends, e.event.character) {
			logouts++
		}
	}
	if logouts < 3 {
		t.Errorf("the friends went off %d times in ten minutes", logouts)
	}
}
