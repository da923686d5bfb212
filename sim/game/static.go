package game

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// staticTables are the collections that do not change.
type staticTables struct{ rows map[string][]row }

// translated are the collections whose name the service gives in languages.
var translated = map[string]bool{
	"item": true, "item_category": true, "vehicle": true, "faction": true, "zone": true, "world": true,
	"metagame_event": true, "title": true, "achievement": true, "fish": true, "profile": true,
}

func staticRows(name string) func(*query) []row {
	return func(q *query) []row { return q.s.static.rows[name] }
}

// loadStatic fills the tables from the built-in facts, and replaces those
// that dir, or its folder static, has a file for. An empty dir is no error; a missing one is.
func loadStatic(dir string) (*staticTables, error) {
	t := &staticTables{rows: builtinTables()}
	if dir == "" {
		return t, nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("static dir %q is not a directory", dir)
	}
	for name := range collections {
		file := name + ".json"
		if name == "item" {
			file = "weapon_items.json"
		}
		rows, err := loadTable(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			rows, err = loadTable(filepath.Join(dir, "static", file))
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("static table %s: %w", file, err)
		}
		t.rows[name] = rows
	}
	t.reshape()
	return t, nil
}

// maxTable bounds one table file, in bytes.
const maxTable = 64 << 20

func loadTable(path string) ([]row, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTable {
		return nil, fmt.Errorf("over %d bytes", maxTable)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, err
	}
	return rows, nil
}

// reshape turns trimmed tables, English only, into what the service answers.
func (t *staticTables) reshape() {
	categories := map[string]string{}
	for _, r := range t.rows["item_category"] {
		if name := englishOf(r); name != "" {
			categories[name], _ = r["item_category_id"].(string)
		}
	}
	for name, rows := range t.rows {
		for _, r := range rows {
			if text, ok := r["name"].(string); ok && translated[name] {
				r["name"] = row{"en": text}
			}
			if text, ok := r["description"].(string); ok && name == "metagame_event" {
				r["description"] = row{"en": text}
			}
			if category, ok := r["category"].(string); ok && name == "item" {
				r["item_category_id"], r["item_type_id"] = categories[category], "26"
				delete(r, "category")
				delete(r, "sanction")
			}
			for k, v := range r {
				if v == nil {
					delete(r, k)
				}
			}
		}
	}
}

func englishOf(r row) string {
	if s, ok := r["name"].(string); ok {
		return s
	}
	if n, ok := r["name"].(row); ok {
		s, _ := n["en"].(string)
		return s
	}
	return ""
}

func english(text string) row { return row{"en": text} }

// builtinTables are small versions of the tables, enough to name everything
// the generator sends.
func builtinTables() map[string][]row {
	t := map[string][]row{}
	categories := map[string]string{}
	for _, w := range builtinWeapons() {
		categories[w.categoryID] = w.category
		vehicle := "0"
		if w.vehicle {
			vehicle = "1"
		}
		t["item"] = append(t["item"], row{
			"item_id": w.id, "item_type_id": "26", "item_category_id": w.categoryID, "is_vehicle_weapon": vehicle,
			"name": english(w.name), "faction_id": w.faction, "image_id": "0",
		})
		t["item_to_weapon"] = append(t["item_to_weapon"], row{"item_id": w.id, "weapon_id": w.id})
	}
	t["item_category"] = namedRows("item_category_id", categories)
	t["metagame_event_state"] = plainRows("metagame_event_state_id", "name", metagameStates)
	t["facility_type"] = plainRows("facility_type_id", "description", facilityTypes)
	t["title"] = namedRows("title_id", titleNames)
	for _, r := range namedRows("achievement_id", ribbons) {
		r["repeatable"], r["item_id"] = "1", "0"
		t["achievement"] = append(t["achievement"], r)
	}
	for _, e := range experienceFacts {
		t["experience"] = append(t["experience"], row{"experience_id": e.id, "description": e.description, "xp": e.xp})
	}
	for _, v := range vehicleFacts {
		t["experience"] = append(t["experience"], row{"experience_id": v.experience, "description": "Vehicle Destruction - " + v.name, "xp": v.xp})
		t["vehicle"] = append(t["vehicle"], row{"vehicle_id": v.id, "name": english(v.name), "type_id": "5", "image_id": "0"})
	}
	t["vehicle"] = append(t["vehicle"], row{"vehicle_id": "102", "name": english("MANA Anti-Vehicle Turret"), "type_id": "7", "image_id": "0"})
	addPlaces(t)
	addSides(t)
	return t
}

func namedRows(key string, names map[string]string) []row {
	var out []row
	for _, id := range sortedKeys(names) {
		out = append(out, row{key: id, "name": english(names[id])})
	}
	return out
}

func plainRows(key, field string, names map[string]string) []row {
	var out []row
	for _, id := range sortedKeys(names) {
		out = append(out, row{key: id, field: names[id]})
	}
	return out
}

// addPlaces fills worlds, zones, regions, links and alerts.
func addPlaces(t map[string][]row) {
	for _, env := range sortedKeys(environmentWorlds) {
		for _, w := range environmentWorlds[env] {
			t["world"] = append(t["world"], row{"world_id": w.id, "state": "online", "name": english(w.name)})
		}
	}
	for _, zone := range playedZones {
		t["zone"] = append(t["zone"], row{"zone_id": zone, "code": zoneNames[zone], "name": english(zoneNames[zone]), "dynamic": "0"})
		last := ""
		for _, f := range builtinFacilities(zone) {
			r := row{"map_region_id": f.region, "zone_id": zone, "facility_id": f.id, "facility_type_id": f.typeID, "facility_type": facilityTypes[f.typeID]}
			if f.name != "" {
				r["facility_name"] = f.name
			}
			t["map_region"] = append(t["map_region"], r)
			if last != "" {
				t["facility_link"] = append(t["facility_link"], row{"zone_id": zone, "facility_id_a": last, "facility_id_b": f.id})
			}
			last = f.id
		}
		for faction := 1; faction <= 3; faction++ {
			minutes := "90"
			if zone == "344" {
				minutes = "45"
			}
			t["metagame_event"] = append(t["metagame_event"], row{
				"metagame_event_id": alertIDs[zone][faction], "name": english(zoneNames[zone] + " " + alertNames[faction]),
				"description": english("Control territory to lock " + zoneNames[zone]), "type": "9", "experience_bonus": "25", "duration_minutes": minutes,
			})
		}
	}
}

// addSides fills factions, loadouts and profiles.
func addSides(t map[string][]row) {
	for f := range 5 {
		t["faction"] = append(t["faction"], row{"faction_id": strconv.Itoa(f), "name": english(factionNames[f]), "code_tag": factionCodes[f]})
		for i, id := range loadouts[f] {
			profile := strconv.Itoa(100*f + i)
			t["loadout"] = append(t["loadout"], row{
				"loadout_id": id, "profile_id": profile, "faction_id": strconv.Itoa(f), "code_name": factionCodes[f] + " " + loadoutClasses[i],
			})
			t["profile"] = append(t["profile"], row{
				"profile_id": profile, "profile_type_description": loadoutClasses[i], "faction_id": strconv.Itoa(f), "name": english(strings.TrimSpace(loadoutClasses[i])),
			})
		}
	}
	for i := range 9 {
		t["fish"] = append(t["fish"], row{"fish_id": strconv.Itoa(i + 1), "name": english("Fish " + strconv.Itoa(i+1)), "rarity": "1"})
	}
}
