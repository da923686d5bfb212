package game

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples returns the folder of recordings, or skips.
func samples(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("MUSTER_SHARED")
	if shared == "" {
		t.Skip("MUSTER_SHARED is not set: no recordings at hand")
	}
	return filepath.Join(shared, "census-samples")
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// firstRow is the first row of a recorded answer.
func firstRow(t *testing.T, data []byte) map[string]any {
	t.Helper()
	for k, v := range mustObject(t, string(data)) {
		if list, ok := v.([]any); ok && strings.HasSuffix(k, "_list") {
			return list[0].(map[string]any)
		}
	}
	t.Fatalf("no list in %s", data)
	return nil
}

// lacks returns the dotted names in want that got has not, or has in another
// shape.
func lacks(prefix string, want, got map[string]any) []string {
	var out []string
	for k, w := range want {
		g, ok := got[k]
		sub, nested := w.(map[string]any)
		gotSub, gotNested := g.(map[string]any)
		_, list := w.([]any)
		_, gotList := g.([]any)
		switch {
		case !ok || nested != gotNested || list != gotList:
			out = append(out, prefix+k)
		case nested:
			out = append(out, lacks(prefix+k+".", sub, gotSub)...)
		}
	}
	return out
}

func TestAnswersHaveTheFieldsOfTheRecordings(t *testing.T) {
	dir := filepath.Join(samples(t), "rest")
	s := mustStart(t, quiet())
	s.Step(1800)
	id := s.Characters("kestrel")[0].ID
	for file, rest := range map[string]string{
		"character_higby.json":                                   "character?character_id=" + id,
		"character_name_higby.json":                              "character_name?character_id=" + id,
		"characters_friend.json":                                 "characters_friend?character_id=" + id,
		"characters_online_status.json":                          "characters_online_status?character_id=" + id,
		"characters_world.json":                                  "characters_world?character_id=" + id,
		"characters_stat_history.json":                           "characters_stat_history?character_id=" + id,
		"characters_weapon_stat_infantry_weapon.json":            "characters_weapon_stat?character_id=" + id,
		"characters_weapon_stat_by_faction_infantry_weapon.json": "characters_weapon_stat_by_faction?character_id=" + id,
		"outfit.json":                                            "outfit?alias_lower=hnw",
		"outfit_member.json":                                     "outfit_member?character_id=" + id,
		"outfit_member_extended.json":                            "outfit_member_extended?character_id=" + id,
		"map.json":                                               "map?world_id=10&zone_ids=2",
		"event.json":                                             "event?type=VEHICLE_DESTROY",
		"world_event.json":                                       "world_event?type=FACILITY",
		"world_event_metagame.json":                              "world_event?type=METAGAME",
		"characters_event.json":                                  "event?type=ACHIEVEMENT",
		"leaderboard.json":                                       "leaderboard?name=Kills&period=Forever",
		"loadout.json":                                           "loadout?loadout_id=1",
		"experience.json":                                        "experience?experience_id=4",
		"metagame_event_state.json":                              "metagame_event_state?c:limit=1",
		"item_to_weapon.json":                                    "item_to_weapon?c:limit=1",
		"facility_link.json":                                     "facility_link?zone_id=2",
	} {
		rows := mustQuery(t, s, rest)
		if len(rows) == 0 {
			t.Errorf("%s: no rows", rest)
			continue
		}
		if missing := lacks("", firstRow(t, mustRead(t, filepath.Join(dir, file))), rows[0]); len(missing) > 0 {
			t.Errorf("%s lacks %v of %s", rest, missing, file)
		}
	}
}

// TestEventsHaveTheFieldsOfTheRecordings holds every generated event to the
// key set of a recorded or documented one of its name and platform.
func TestEventsHaveTheFieldsOfTheRecordings(t *testing.T) {
	dir := filepath.Join(samples(t), "ess")
	known := map[string]map[string]bool{} // name and platform → fields
	note := func(p map[string]any) {
		name, _ := p["event_name"].(string)
		world, _ := p["world_id"].(string)
		keys := map[string]bool{}
		for k := range p {
			keys[k] = true
		}
		if isPS4(world) {
			name += " ps4"
		}
		if name != "" && known[name] == nil {
			known[name] = keys
		}
	}
	f, err := os.Open(filepath.Join(dir, "session-2024-10-29-a.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if p, ok := mustObject(t, scan.Text())["payload"].(map[string]any); ok {
			note(p)
		}
	}
	var templates struct {
		Events []struct {
			Payload map[string]any `json:"payload"`
		} `json:"events"`
	}
	if err := json.Unmarshal(mustRead(t, filepath.Join(dir, "templates-not-recorded.json")), &templates); err != nil {
		t.Fatal(err)
	}
	for _, e := range templates.Events {
		note(e.Payload)
	}
	for line := range strings.Lines(string(mustRead(t, filepath.Join(dir, "single-events.jsonl")))) {
		note(mustObject(t, line)["message"].(map[string]any)["payload"].(map[string]any))
	}
	cfg := quiet()
	cfg.LockEvery = cfg.LockEvery / 10
	s := mustStart(t, cfg)
	s.Step(2400)
	checked := map[string]bool{}
	for _, e := range s.Journal(0, 1<<20) {
		p := mustObject(t, string(e.Payload))
		name := e.event.name
		if want := known[name+" ps4"]; isPS4(e.event.world) && want != nil {
			name += " ps4"
		}
		want := known[name]
		for k := range p {
			if !want[k] {
				t.Fatalf("%s has %s, which no recording has: %s", name, k, e.Payload)
			}
		}
		if len(p) != len(want) {
			t.Fatalf("%s has %d fields, want %d: %s", name, len(p), len(want), e.Payload)
		}
		checked[name] = true
	}
	if len(checked) < len(eventNames) {
		t.Errorf("checked only %v", checked)
	}
}
