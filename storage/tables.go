package storage

import (
	"fmt"

	"muster/event"
)

// A kindTable says how one kind of event becomes a row.
type kindTable struct {
	*shape
	// values writes the columns after the common ones. It returns false when the
	// detail is not of the kind's type.
	values func(*rowWriter, *event.Event) bool
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
	return tables
}

var kindColumns = map[event.Kind]struct {
	name, cols string
	values     func(*rowWriter, *event.Event) bool
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

func presenceValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Presence)
	w.ints(int64(d.Character))
	return ok
}

func killValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Death)
	w.ints(int64(d.Attacker), int64(d.Victim), int64(d.AttackerLoadout), int64(d.VictimLoadout),
		int64(d.AttackerTeam), int64(d.VictimTeam), int64(d.Weapon), d.FireMode, int64(d.AttackerVehicle),
		bit(d.Headshot), bit(d.Critical))
	return ok
}

func vehicleKillValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.VehicleDestroy)
	w.ints(int64(d.Attacker), int64(d.Owner), int64(d.AttackerLoadout), int64(d.AttackerTeam),
		int64(d.OwnerTeam), int64(d.VehicleFaction), int64(d.Vehicle), int64(d.AttackerVehicle),
		int64(d.Weapon), int64(d.Facility), int64(e.Copy))
	return ok
}

func experienceValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Gain)
	w.ints(int64(d.Character), int64(d.Other), int64(d.ID), d.Amount, int64(d.Loadout), int64(d.Team))
	return ok
}

func controlValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Control)
	w.ints(int64(d.Facility), int64(d.Old), int64(d.New), d.HeldSeconds, int64(d.Outfit))
	return ok
}

func contributionValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Contribution)
	w.ints(int64(d.Character), int64(d.Facility), int64(d.Outfit))
	return ok
}

func metagameValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Alert)
	w.ints(d.ID, d.Instance, int64(d.State))
	w.floats(d.VS, d.NC, d.TR, d.ExperienceBonus)
	return ok
}

func lockValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Lock)
	w.ints(int64(d.By), int64(d.Previous), int64(d.VS), int64(d.NC), int64(d.TR), d.Metagame)
	return ok
}

func achievementValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Award)
	w.ints(int64(d.Character), d.Achievement)
	return ok
}

func rankValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Rank)
	w.ints(int64(d.Character), int64(d.Rank))
	return ok
}

func itemValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Item)
	w.ints(int64(d.Character), int64(d.Item), d.Count)
	w.text(clip(d.Context, 100))
	return ok
}

func skillValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Skill)
	w.ints(int64(d.Character), d.Skill)
	return ok
}

func fishValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Fish)
	w.ints(int64(d.Character), d.Fish, int64(d.Loadout), int64(d.Team))
	return ok
}

func rawValues(w *rowWriter, e *event.Event) bool {
	d, ok := e.Detail.(event.Raw)
	w.text(clip(d.Name, 64))
	w.text(clip(d.Reason, 255))
	w.blob(append([]byte{}, d.Payload...)) // never nil
	return ok && len(d.Payload) <= event.MaxPayload
}

// row writes e's values, or says why it cannot be stored.
func (k kindTable) row(w *rowWriter, e *event.Event, key *event.Key, batch int64) error {
	w.begin()
	w.ints(e.At.Unix())
	w.blob(key[:])
	w.ints(batch, e.ReceivedAt.UnixNano(), int64(e.World), int64(e.Zone))
	if !k.values(w, e) {
		return fmt.Errorf("%w: %s at %s with a detail of type %T", ErrData, e.Kind, e.At, e.Detail)
	}
	if w.bad >= 0 {
		return fmt.Errorf("%w: %s at %s with %s %v", ErrData, e.Kind, e.At, k.cols[w.bad], w.value)
	}
	w.end()
	return nil
}
