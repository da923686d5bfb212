package game

import (
	"fmt"
	"hash/fnv"
	"strconv"
)

// career returns a number under n that belongs to a character and a topic:
// what it did before the run. It is the same every time.
func career(c *character, topic string, n int) int {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s", c.id, topic)
	return int(h.Sum64() % uint64(n))
}

// statHistoryRows is characters_stat_history: a made-up past, and the run on
// top of it (census 5.5).
func statHistoryRows(_ *query, c *character) []row {
	run := map[string]int{
		"kills": c.stats.kills, "deaths": c.stats.deaths, "score": c.stats.score, "time": c.stats.seconds,
		"certs": c.stats.score / 250, "facility_capture": c.stats.captures, "facility_defend": c.stats.defends,
		"medals": c.stats.medals, "ribbons": c.stats.ribbons, "battle_rank": 0,
	}
	past := map[string]int{
		"kills": 20_000, "deaths": 20_000, "score": 9_000_000, "time": 2_000_000, "certs": 40_000,
		"facility_capture": 3_000, "facility_defend": 2_000, "medals": 900, "ribbons": 9_000, "battle_rank": 1,
	}
	var out []row
	for _, name := range sortedKeys(past) {
		base := career(c, name, past[name])
		if name == "battle_rank" {
			base = c.battleRank
		}
		out = append(out, row{
			"character_id": c.id, "stat_name": name, "all_time": strconv.Itoa(base + run[name]),
			"one_life_max": strconv.Itoa(career(c, name+"/life", 60)), "day": periods(c, "d", 31, name, base, run[name]),
			"week": periods(c, "w", 13, name, base, run[name]), "month": periods(c, "m", 12, name, base, run[name]),
			"last_save": itoa(c.lastSave), "last_save_date": date(c.lastSave),
		})
	}
	return out
}

// periods fills d01.., w01.. or m01..; 01 is the newest and holds the run.
func periods(c *character, letter string, n int, name string, base, run int) row {
	out := row{}
	for i := 1; i <= n; i++ {
		v := career(c, fmt.Sprint(name, letter, i), base/(n*4)+1)
		if i == 1 {
			v += run
		}
		out[fmt.Sprintf("%s%02d", letter, i)] = strconv.Itoa(v)
	}
	return out
}

// careerWeapons is how many weapons a character has a past with.
const careerWeapons = 4

// weaponsOf returns the weapons a character has rows for, with the vehicle
// they sit on.
func weaponsOf(q *query, c *character) []string {
	all := q.s.model.weapons
	ids := map[string]bool{}
	for i := range careerWeapons {
		ids[all[career(c, fmt.Sprint("weapon", i), len(all))].id] = true
	}
	for id := range c.stats.weapons {
		if id != "0" {
			ids[id] = true
		}
	}
	return sortedKeys(ids)
}

func vehicleOf(id string) string {
	if v := vehicleOfWeapon[id]; v != "" {
		return v
	}
	return "0"
}

func (c *character) ran(weapon string) weaponStats {
	if w := c.stats.weapons[weapon]; w != nil {
		return *w
	}
	return weaponStats{}
}

func weaponStatRows(q *query, c *character) []row {
	var out []row
	for _, id := range weaponsOf(q, c) {
		kills := career(c, "kills/"+id, 900) + c.ran(id).kills
		values := map[string]int{
			"weapon_deaths": career(c, "deaths/"+id, 900) + c.ran(id).deaths, "weapon_fire_count": kills*38 + career(c, "shots/"+id, 400),
			"weapon_hit_count": kills * 9, "weapon_play_time": kills * 45, "weapon_score": kills * 130,
		}
		for _, name := range sortedKeys(values) {
			out = append(out, row{
				"character_id": c.id, "stat_name": name, "item_id": id, "vehicle_id": vehicleOf(id),
				"value": strconv.Itoa(values[name]), "last_save": itoa(c.lastSave), "last_save_date": date(c.lastSave),
			})
		}
	}
	return out
}

func weaponFactionRows(q *query, c *character) []row {
	var out []row
	for _, id := range weaponsOf(q, c) {
		for _, name := range []string{
			"weapon_damage_given", "weapon_damage_taken_by", "weapon_headshots", "weapon_killed_by", "weapon_kills", "weapon_vehicle_kills",
		} {
			r := row{
				"character_id": c.id, "stat_name": name, "item_id": id, "vehicle_id": vehicleOf(id),
				"last_save": itoa(c.lastSave), "last_save_date": date(c.lastSave),
			}
			for f := 1; f <= 3; f++ {
				r[[]string{"", "value_vs", "value_nc", "value_tr"}[f]] = strconv.Itoa(factionValue(c, id, name, f))
			}
			out = append(out, r)
		}
	}
	return out
}

// factionValue is one cell of the table by faction; a character has nothing
// against its own.
func factionValue(c *character, id, name string, faction int) int {
	ran := c.ran(id)
	past := 0
	if faction != c.faction {
		past = career(c, fmt.Sprint("kills/", id, faction), 400)
	}
	kills := past + ran.killsOf[faction]
	switch name {
	case "weapon_damage_given":
		return kills * 1100
	case "weapon_damage_taken_by":
		return past * 700
	case "weapon_headshots":
		return kills * 3 / 10
	case "weapon_killed_by":
		return past * 8 / 10
	case "weapon_vehicle_kills":
		return past / 40
	default:
		return kills
	}
}
