package game

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// special returns how a collection that makes its rows in a way of its own
// does it, or nil.
func (q *query) special() func() ([]row, *queryError) {
	switch q.collection {
	case "event", "characters_event", "world_event":
		return q.history
	case "characters_event_grouped":
		return q.grouped
	case "leaderboard":
		return q.leaderboard
	case "game_server_status":
		return q.serverStatus
	default:
		return nil
	}
}

// historyKind is one type of history (census 5.6).
type historyKind struct {
	events []string
	table  string
}

var historyKinds = map[string]historyKind{
	"BATTLE_RANK":        {[]string{"BattleRankUp"}, "battle_rank_events"},
	"ITEM":               {[]string{"ItemAdded"}, "item_events"},
	"ACHIEVEMENT":        {[]string{"AchievementEarned"}, "achievement_events"},
	"DEATH":              {[]string{"Death"}, "deaths"},
	"KILL":               {[]string{"Death"}, "kills"},
	"VEHICLE_DESTROY":    {[]string{"VehicleDestroy"}, "vehicle_destroy"},
	"FACILITY_CHARACTER": {[]string{"PlayerFacilityCapture", "PlayerFacilityDefend"}, "facility_character_events"},
	"FACILITY":           {[]string{"FacilityControl"}, "facility_event"},
	"METAGAME":           {[]string{"MetagameEvent"}, "metagame_event"},
}

// maxHistory bounds the rows of one answer.
const maxHistory = 1000

// history answers event, characters_event and world_event from the journal,
// newest first, as far as the lag lets it see.
func (q *query) history() ([]row, *queryError) {
	limit, err := q.number("c:limit", 1)
	if err != nil {
		return nil, err
	}
	before, err := q.number("before", 1<<40)
	if err != nil {
		return nil, err
	}
	after, err := q.number("after", 0)
	if err != nil {
		return nil, err
	}
	kinds, err := q.kinds()
	if err != nil {
		return nil, err
	}
	limit = min(limit, maxHistory)
	rows := []row{}
	q.s.journal.newest(func(e *Entry) bool {
		if e.event.unix >= int64(before) || e.event.unix <= int64(after) || e.At.After(q.asOf) || !q.inEnvironment(e.event) {
			return true
		}
		for _, kind := range kinds {
			if len(rows) < limit && slices.Contains(historyKinds[kind].events, e.event.name) && q.concerns(kind, e.event) {
				rows = append(rows, historyRow(kind, e.event))
				if q.collection == "event" {
					break // of everybody: a death is one row, asked for by either name
				}
			}
		}
		return len(rows) < limit
	})
	slices.SortStableFunc(rows, func(a, b row) int { return -compareValues(valueAt(a, "timestamp"), valueAt(b, "timestamp")) })
	sortRows(rows, q.params.Get("c:sort"))
	return rows, nil
}

func (q *query) inEnvironment(e *wireEvent) bool {
	return e.env == q.env || e.env == "" && (environmentOf(e.world) == q.env || q.env == "ps2" && environmentOf(e.world) == "")
}

func (q *query) kinds() ([]string, *queryError) {
	text := strings.ToUpper(q.params.Get("type"))
	kinds := splitList(text, ",")
	if q.collection == "world_event" && text == "" {
		return []string{"FACILITY", "METAGAME"}, nil
	}
	if text == "" {
		return []string{"BATTLE_RANK", "ITEM", "ACHIEVEMENT"}, nil
	}
	for _, k := range kinds {
		ofWorld := k == "FACILITY" || k == "METAGAME"
		if _, ok := historyKinds[k]; !ok || ofWorld != (q.collection == "world_event") {
			return nil, searchTermError("Invalid search term: type. Invalid value: " + k + ".")
		}
	}
	return kinds, nil
}

// concerns applies the id terms: characters, or worlds for world_event.
func (q *query) concerns(kind string, e *wireEvent) bool {
	if worlds := q.params.Get("world_id"); worlds != "" && !slices.Contains(splitList(worlds, ","), e.world) {
		return false
	}
	ids := cmp.Or(q.ids, q.params.Get("id"), q.params.Get("character_id"))
	if ids == "" {
		return q.collection != "characters_event"
	}
	wanted := splitList(ids, ",")
	switch {
	case q.collection == "world_event":
		return slices.Contains(wanted, e.world)
	case kind == "KILL":
		return slices.Contains(wanted, e.attacker)
	case kind == "VEHICLE_DESTROY":
		return slices.Contains(wanted, e.attacker) || slices.Contains(wanted, e.character)
	default:
		return slices.Contains(wanted, e.character)
	}
}

// historyRow renames what history calls differently (census 5.6).
func historyRow(kind string, e *wireEvent) row {
	var r row
	if json.Unmarshal(e.payload, &r) != nil {
		return row{}
	}
	rename := func(from, to string) {
		if v, ok := r[from]; ok {
			r[to] = v
			delete(r, from)
		}
	}
	rename("event_name", "event_type")
	r["table_type"] = historyKinds[kind].table
	switch e.name {
	case "FacilityControl":
		rename("new_faction_id", "faction_new")
		rename("old_faction_id", "faction_old")
		r["objective_id"] = "0"
	case "VehicleDestroy":
		rename("vehicle_id", "vehicle_definition_id")
		r["projectile_id"], r["attacker_player_guid"] = "0", e.attacker
		for _, gone := range []string{"attacker_team_id", "team_id", "facility_id"} {
			delete(r, gone)
		}
	case "MetagameEvent":
		r["zone_id"] = "0"
		if text, ok := r["experience_bonus"].(string); ok {
			r["experience_bonus"], _, _ = strings.Cut(text, ".")
		}
	}
	return r
}

// grouped counts deaths and kills by opponent.
func (q *query) grouped() ([]row, *queryError) {
	me := cmp.Or(q.ids, q.params.Get("id"), q.params.Get("character_id"))
	types := strings.ToUpper(cmp.Or(q.params.Get("type"), "DEATH,KILL"))
	rows := []row{}
	for _, kind := range splitList(types, ",") {
		counts := map[string]int{}
		q.s.journal.newest(func(e *Entry) bool {
			switch {
			case e.event.name != "Death" || e.At.After(q.asOf):
			case kind == "KILL" && e.event.attacker == me:
				counts[e.event.character]++
			case kind == "DEATH" && e.event.character == me:
				counts[e.event.attacker]++
			}
			return true
		})
		opponents := sortedKeys(counts)
		slices.SortStableFunc(opponents, func(a, b string) int { return counts[b] - counts[a] })
		for _, id := range opponents {
			rows = append(rows, row{"table_type": kind, "count": strconv.Itoa(counts[id]), "character_id": id})
		}
	}
	limit, err := q.number("c:limit", 1)
	if err != nil {
		return nil, err
	}
	return rows[:min(limit, len(rows))], nil
}

// leaderboardStats are the boards by their names in stat history.
var leaderboardStats = map[string]string{"Kills": "kills", "Score": "score", "Time": "time", "Deaths": "deaths"}

var leaderboardPeriods = map[string]string{
	"Forever": "all_time", "Monthly": "month.m01", "Weekly": "week.w01", "Daily": "day.d01", "OneLife": "one_life_max",
}

// leaderboard ranks by stat history; it takes c:start and c:limit only.
func (q *query) leaderboard() ([]row, *queryError) {
	stat, period := leaderboardStats[q.params.Get("name")], leaderboardPeriods[q.params.Get("period")]
	if stat == "" || period == "" {
		return nil, searchTermError("Invalid search term: name and period are needed.")
	}
	rows := []row{}
	for _, c := range q.s.model.chars {
		if world := q.params.Get("world"); !q.sees(c) || world != "" && c.world != world {
			continue
		}
		for _, r := range statHistoryRows(q, c) {
			if r["stat_name"] == stat {
				rows = append(rows, row{"character_id": c.id, "value": valueAt(r, period)})
			}
		}
	}
	sortRows(rows, "value:-1")
	for i := range rows {
		rows[i]["rank"] = strconv.Itoa(i)
	}
	start, err := q.number("c:start", 0)
	if err != nil {
		return nil, err
	}
	limit, err := q.number("c:limit", 10)
	if err != nil {
		return nil, err
	}
	rows = rows[min(start, len(rows)):]
	return rows[:min(limit, len(rows))], nil
}

// serverStatus is global/game_server_status, which tells whether a world is
// up better than world.state does (census 5.7).
func (q *query) serverStatus() ([]row, *queryError) {
	rows := []row{}
	for _, w := range q.s.model.worlds {
		state := "medium"
		if q.s.faults.down(w.id) {
			state = "down"
		}
		rows = append(rows, row{"game_code": w.env, "name": w.name, "last_reported_state": state, "last_reported_time": itoa(q.now.Unix())})
	}
	if code := q.params.Get("game_code"); code != "" {
		rows = filter(rows, []term{newTerm("game_code", code)}, false)
	}
	return append([]row{}, rows...), nil
}
