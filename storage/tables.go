package storage

import (
	"fmt"
	"math"

	"muster/event"
)

// A kindTable says how one kind of event becomes a row.
type kindTable struct {
	*shape
	// values appends the columns after the common ones. It returns false when the
	// detail is not of the kind's type.
	values func(args []any, e *event.Event) ([]any, bool)
}

// commonCols begin every event table.
const commonCols = "at k batch received_ns world zone "

// kindTables returns the table of each kind, indexed by Kind.
func kindTables() []kindTable {
	tables := make([]kindTable, event.FishScan+1)
	for kind, cols := range kindColumns {
		tables[kind] = kindTable{
			shape:  newShape("event_"+cols.name, commonCols+cols.cols, "at, k"),
			values: cols.values,
		}
	}
	tables[event.Unknown].most = 128 // payloads of up to 16 KiB against max_allowed_packet
	return tables
}

var kindColumns = map[event.Kind]struct {
	name, cols string
	values     func([]any, *event.Event) ([]any, bool)
}{
	event.Login:           {"login", "character_id", presenceValues},
	event.Logout:          {"logout", "character_id", presenceValues},
	event.Kill:            {"kill", "attacker_id victim_id attacker_loadout victim_loadout attacker_team victim_team weapon_id fire_mode attacker_vehicle headshot critical", killValues},
	event.VehicleKill:     {"vehicle_kill", "attacker_id owner_id attacker_loadout attacker_team owner_team vehicle_faction vehicle_id attacker_vehicle weapon_id facility_id copy_no", vehicleKillValues},
	event.Experience:      {"experience", "character_id other_id experience_id amount loadout team", experienceValues},
	event.FacilityControl: {"facility_control", "facility_id old_faction new_faction held_seconds outfit_id", controlValues},
	event.FacilityCapture: {"facility_capture", "character_id facility_id outfit_id", contributionValues},
	event.FacilityDefend:  {"facility_defend", "character_id facility_id outfit_id", contributionValues},
	event.Metagame:        {"metagame", "metagame_id instance state vs nc tr bonus", metagameValues},
	event.ContinentLock:   {"continent_lock", "by_faction previous_faction vs nc tr metagame_id", lockValues},
	event.ContinentUnlock: {"continent_unlock", "by_faction previous_faction vs nc tr metagame_id", lockValues},
	event.Achievement:     {"achievement", "character_id achievement_id", achievementValues},
	event.BattleRank:      {"battle_rank", "character_id battle_rank", rankValues},
	event.ItemAdded:       {"item_added", "character_id item_id count context", itemValues},
	event.SkillAdded:      {"skill_added", "character_id skill_id", skillValues},
	event.FishScan:        {"fish_scan", "character_id fish_id loadout team", fishValues},
	event.Unknown:         {"unknown", "name reason payload", rawValues},
}

func presenceValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Presence)
	return append(a, int64(d.Character)), ok
}

func killValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Death)
	return append(a, int64(d.Attacker), int64(d.Victim), int64(d.AttackerLoadout), int64(d.VictimLoadout),
		int64(d.AttackerTeam), int64(d.VictimTeam), int64(d.Weapon), d.FireMode, int64(d.AttackerVehicle),
		bit(d.Headshot), bit(d.Critical)), ok
}

func vehicleKillValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.VehicleDestroy)
	return append(a, int64(d.Attacker), int64(d.Owner), int64(d.AttackerLoadout), int64(d.AttackerTeam),
		int64(d.OwnerTeam), int64(d.VehicleFaction), int64(d.Vehicle), int64(d.AttackerVehicle),
		int64(d.Weapon), int64(d.Facility), int64(e.Copy)), ok
}

func experienceValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Gain)
	return append(a, int64(d.Character), int64(d.Other), int64(d.ID), d.Amount, int64(d.Loadout), int64(d.Team)), ok
}

func controlValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Control)
	return append(a, int64(d.Facility), int64(d.Old), int64(d.New), d.HeldSeconds, int64(d.Outfit)), ok
}

func contributionValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Contribution)
	return append(a, int64(d.Character), int64(d.Facility), int64(d.Outfit)), ok
}

func metagameValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Alert)
	return append(a, d.ID, d.Instance, int64(d.State), d.VS, d.NC, d.TR, d.ExperienceBonus), ok
}

func lockValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Lock)
	return append(a, int64(d.By), int64(d.Previous), int64(d.VS), int64(d.NC), int64(d.TR), d.Metagame), ok
}

func achievementValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Award)
	return append(a, int64(d.Character), d.Achievement), ok
}

func rankValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Rank)
	return append(a, int64(d.Character), int64(d.Rank)), ok
}

func itemValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Item)
	return append(a, int64(d.Character), int64(d.Item), d.Count, clip(d.Context, 100)), ok
}

func skillValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Skill)
	return append(a, int64(d.Character), d.Skill), ok
}

func fishValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Fish)
	return append(a, int64(d.Character), d.Fish, int64(d.Loadout), int64(d.Team)), ok
}

func rawValues(a []any, e *event.Event) ([]any, bool) {
	d, ok := e.Detail.(event.Raw)
	if len(d.Payload) > event.MaxPayload {
		return a, false
	}
	return append(a, clip(d.Name, 64), clip(d.Reason, 255), append([]byte{}, d.Payload...)), ok
}

// row appends e's values, or says why it cannot be stored.
func (k kindTable) row(args []any, e *event.Event, key *event.Key, batch int64) ([]any, error) {
	from := len(args)
	args = append(args, e.At.Unix(), key[:], batch, e.ReceivedAt.UnixNano(), int64(e.World), int64(e.Zone))
	args, ok := k.values(args, e)
	if !ok {
		return nil, fmt.Errorf("%w: %s at %s with a detail of type %T", ErrData, e.Kind, e.At, e.Detail)
	}
	for i, v := range args[from:] {
		n, isInt := v.(int64)
		x, isFloat := v.(float64)
		if isInt && n < 0 || isFloat && (math.IsNaN(x) || math.IsInf(x, 0)) {
			return nil, fmt.Errorf("%w: %s at %s with %s %v", ErrData, e.Kind, e.At, k.cols[i], v)
		}
	}
	return args, nil
}
