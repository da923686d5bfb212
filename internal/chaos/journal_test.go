package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"muster/sim/game"
)

// fields is an event's payload as the game sent it: all of it is text.
type fields map[string]string

func payload(t testing.TB, e *game.Entry) fields {
	t.Helper()
	var f fields
	if err := json.Unmarshal(e.Payload, &f); err != nil {
		t.Fatalf("the game sent %s: %v", e.Payload, err)
	}
	return f
}

// A shape says how one kind of event is told apart, and under which names that
// stands in the game's payload, in storage and on the feed.
type shape struct {
	table string
	// payload and columns name the same facts, besides second and world.
	payload, columns []string
	// kind is what the feed calls it, and feed the payload's fields that an item
	// must repeat, besides kind, second and world; see (item).identity.
	kind string
	feed []string
}

// shapes are by the game's name of an event.
var shapes = map[string]shape{
	"PlayerLogin":  {"event_login", words("character_id"), words("character_id"), "login", words("character_id")},
	"PlayerLogout": {"event_logout", words("character_id"), words("character_id"), "logout", words("character_id")},
	"Death": {"event_kill", words("zone_id attacker_character_id character_id attacker_weapon_id attacker_vehicle_id is_headshot"),
		words("zone attacker_id victim_id weapon_id attacker_vehicle headshot"), "kill", words("attacker_character_id character_id attacker_weapon_id")},
	"VehicleDestroy": {"event_vehicle_kill", words("zone_id attacker_character_id character_id vehicle_id attacker_weapon_id"),
		words("zone attacker_id owner_id vehicle_id weapon_id"), "vehicle_kill", words("attacker_character_id character_id vehicle_id")},
	"GainExperience": {"event_experience", words("zone_id character_id other_id experience_id amount"),
		words("zone character_id other_id experience_id amount"), "experience", words("character_id experience_id amount")},
	"FacilityControl": {"event_facility_control", words("zone_id facility_id old_faction_id new_faction_id outfit_id"),
		words("zone facility_id old_faction new_faction outfit_id"), "capture", words("facility_id")},
	"PlayerFacilityCapture": {"event_facility_capture", words("zone_id character_id facility_id outfit_id"),
		words("zone character_id facility_id outfit_id"), "capture", words("character_id facility_id")},
	"PlayerFacilityDefend": {"event_facility_defend", words("zone_id character_id facility_id outfit_id"),
		words("zone character_id facility_id outfit_id"), "defend", words("character_id facility_id")},
	"MetagameEvent": {"event_metagame", words("zone_id metagame_event_id instance_id metagame_event_state"),
		words("zone metagame_id instance state"), "alert", words("metagame_event_id")},
	"ContinentLock": {"event_continent_lock", words("zone_id triggering_faction previous_faction"),
		words("zone by_faction previous_faction"), "lock", words("zone_id")},
	"ContinentUnlock": {"event_continent_unlock", words("zone_id triggering_faction previous_faction"),
		words("zone by_faction previous_faction"), "lock", words("zone_id")},
	"AchievementEarned": {"event_achievement", words("zone_id character_id achievement_id"),
		words("zone character_id achievement_id"), "achievement", words("character_id achievement_id")},
	"BattleRankUp": {"event_battle_rank", words("zone_id character_id battle_rank"),
		words("zone character_id battle_rank"), "rank", words("character_id battle_rank")},
	"ItemAdded": {"event_item_added", words("zone_id character_id item_id item_count context"),
		words("zone character_id item_id count context"), "item", words("character_id item_id")},
	"SkillAdded": {"event_skill_added", words("zone_id character_id skill_id"),
		words("zone character_id skill_id"), "skill", words("character_id skill_id")},
	"FishScan": {"event_fish_scan", words("zone_id character_id fish_id"), words("zone character_id fish_id"), "", nil},
}

func words(s string) []string { return strings.Fields(s) }

// row is what identifies an event among all that is stored.
func (f fields) row() string { return f.identity(f["event_name"], shapes[f["event_name"]].payload) }

// item is what identifies an event on the feed, "" for what is not on it.
func (f fields) item() string {
	s := shapes[f["event_name"]]
	if s.kind == "capture" && f["old_faction_id"] != "" && f["old_faction_id"] == f["new_faction_id"] {
		s.kind = "defend" // the base stayed with whom it was
	}
	if s.kind == "" {
		return ""
	}
	return f.identity(s.kind, s.feed)
}

func (f fields) identity(kind string, names []string) string {
	parts := []string{kind, f["timestamp"], f["world_id"]}
	for _, name := range names {
		parts = append(parts, orZero(f[name]))
	}
	return strings.Join(parts, "|")
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// A tally counts identities.
type tally map[string]int

// differences lists what got has too little and too much of, sorted, as lines.
func (want tally) differences(got tally) (missing, extra []string) {
	for k, n := range want {
		if d := n - got[k]; d > 0 {
			missing = append(missing, fmt.Sprintf("%s (%d of %d)", k, got[k], n))
		}
	}
	for k, n := range got {
		if d := n - want[k]; d > 0 {
			extra = append(extra, fmt.Sprintf("%s (%d, want %d)", k, n, want[k]))
		}
	}
	slices.Sort(missing)
	slices.Sort(extra)
	return missing, extra
}

func (want tally) total() (n int) {
	for v := range maps.Values(want) {
		n += v
	}
	return n
}

// some are the first few of many lines.
func some(lines []string) string {
	const most = 12
	text := strings.Join(lines[:min(most, len(lines))], "\n\t")
	if len(lines) > most {
		text += fmt.Sprintf("\n\t… and %d more", len(lines)-most)
	}
	return text
}
