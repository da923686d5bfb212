package game

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A collectionDef says how a collection's rows are made.
type collectionDef struct {
	key string // what /IDS means, and what joins default to
	// bare collections take ids only, and of the commands only joins and
	// trees (census 5.2).
	bare         bool
	whole        bool   // answers all its matches, whatever c:limit
	statusField  string // where a join shows "service_unavailable"; "" puts the text in place of the part
	perCharacter func(*query, *character) []row
	rows         func(*query) []row
	ids          []string // further ids in its rows
}

// collections are those of census 5 that rows are made for. History is in
// specialCollections.
var collections = map[string]*collectionDef{
	"character":                         {key: "character_id", perCharacter: characterRow, ids: []string{"faction_id", "profile_id", "title_id"}},
	"character_name":                    {key: "character_id", perCharacter: nameRow},
	"characters_friend":                 {key: "character_id", bare: true, perCharacter: friendRow},
	"characters_online_status":          {key: "character_id", bare: true, statusField: "online_status", perCharacter: onlineRow},
	"characters_world":                  {key: "character_id", perCharacter: worldOfRow, ids: []string{"world_id"}},
	"characters_stat_history":           {key: "character_id", perCharacter: statHistoryRows},
	"characters_weapon_stat":            {key: "character_id", perCharacter: weaponStatRows, ids: []string{"item_id", "vehicle_id"}},
	"characters_weapon_stat_by_faction": {key: "character_id", perCharacter: weaponFactionRows, ids: []string{"item_id", "vehicle_id"}},
	"outfit":                            {key: "outfit_id", rows: outfitRows},
	"outfit_member":                     {key: "outfit_id", perCharacter: memberRow, ids: []string{"character_id"}},
	"outfit_member_extended":            {key: "outfit_id", perCharacter: extendedRow, ids: []string{"character_id"}},
	"map":                               {key: "world_id", whole: true, rows: mapRows},
	"item":                              {key: "item_id", rows: staticRows("item"), ids: []string{"item_category_id", "faction_id"}},
	"item_category":                     {key: "item_category_id", rows: staticRows("item_category")},
	"item_to_weapon":                    {key: "item_id", rows: staticRows("item_to_weapon"), ids: []string{"weapon_id"}},
	"map_region":                        {key: "map_region_id", rows: staticRows("map_region"), ids: []string{"facility_id", "zone_id"}},
	"facility_link":                     {key: "zone_id", rows: staticRows("facility_link")},
	"facility_type":                     {key: "facility_type_id", rows: staticRows("facility_type")},
	"metagame_event":                    {key: "metagame_event_id", rows: staticRows("metagame_event")},
	"metagame_event_state":              {key: "metagame_event_state_id", rows: staticRows("metagame_event_state")},
	"experience":                        {key: "experience_id", rows: staticRows("experience")},
	"vehicle":                           {key: "vehicle_id", rows: staticRows("vehicle")},
	"loadout":                           {key: "loadout_id", rows: staticRows("loadout"), ids: []string{"faction_id", "profile_id"}},
	"profile":                           {key: "profile_id", rows: staticRows("profile")},
	"faction":                           {key: "faction_id", rows: staticRows("faction")},
	"zone":                              {key: "zone_id", rows: staticRows("zone")},
	"world":                             {key: "world_id", rows: staticRows("world")},
	"achievement":                       {key: "achievement_id", rows: staticRows("achievement"), ids: []string{"item_id"}},
	"title":                             {key: "title_id", rows: staticRows("title")},
	"fish":                              {key: "fish_id", rows: staticRows("fish")},
}

func (d *collectionDef) hasField(name string) bool {
	return d.key == name || slices.Contains(d.ids, name)
}

// candidates returns the rows the terms can match: only some characters' when
// a term names them.
func (q *query) candidates(def *collectionDef, terms []term) []row {
	if def.perCharacter == nil {
		return slices.Clone(q.all(def))
	}
	for _, t := range terms {
		ids := t.equals()
		if t.field != "character_id" || ids == nil {
			continue
		}
		var out []row
		seen := map[string]bool{}
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				out = append(out, q.rowsOf(q.collection, def, id)...)
			}
		}
		return out
	}
	return q.all(def)
}

// rowsOf returns a collection's rows of one character.
func (q *query) rowsOf(name string, def *collectionDef, id string) []row {
	cache := q.index[name+"#"]
	if cache == nil {
		cache = map[string][]row{}
		q.index[name+"#"] = cache
	}
	rows, ok := cache[id]
	if c := q.s.model.byID[id]; !ok && c != nil && q.sees(c) {
		rows = def.perCharacter(q, c)
		cache[id] = rows
	}
	return rows
}

// sees reports whether the query service knows a character in this namespace.
func (q *query) sees(c *character) bool {
	if q.env != "global" && c.env != q.env {
		return false
	}
	return q.characterFault("hidden_character", c) == nil
}

func (q *query) characterFault(name string, c *character) *Fault {
	for f := range q.s.faults.named(name) {
		if f.Character == c.id {
			return f
		}
	}
	return nil
}

func (q *query) all(def *collectionDef) []row {
	if def.perCharacter == nil {
		return def.rows(q)
	}
	var out []row
	for _, c := range q.s.model.chars {
		if q.sees(c) {
			out = append(out, def.perCharacter(q, c)...)
		}
	}
	return out
}

// online is the character's world, or "0", as the service sees it.
func (q *query) online(c *character) string {
	if c.onlineAsOf(q.asOf) {
		return c.world
	}
	return "0"
}

// date writes Unix seconds as the service's *_date fields do.
func date(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05.0") }

func nameOf(c *character) row {
	return row{"first": c.name, "first_lower": strings.ToLower(c.name)}
}

func characterRow(_ *query, c *character) []row {
	certs := c.minutes * 2
	r := row{
		"character_id": c.id, "name": nameOf(c), "faction_id": strconv.Itoa(c.faction), "head_id": "1", "title_id": c.title,
		"times": row{
			"creation": itoa(c.created), "creation_date": date(c.created), "last_save": itoa(c.lastSave),
			"last_save_date": date(c.lastSave), "last_login": itoa(c.lastLogin), "last_login_date": date(c.lastLogin),
			"login_count": strconv.Itoa(c.loginCount), "minutes_played": strconv.Itoa(c.minutes),
		},
		"certs": row{
			"earned_points": strconv.Itoa(certs), "gifted_points": "1000", "spent_points": strconv.Itoa(certs * 4 / 5),
			"available_points": strconv.Itoa(1000 + certs/5), "percent_to_next": "0.25",
		},
		"battle_rank": row{"percent_to_next": "20", "value": strconv.Itoa(c.battleRank)}, "profile_id": "4",
		"daily_ribbon": row{"count": "0", "time": itoa(c.lastSave / 86400 * 86400), "date": date(c.lastSave / 86400 * 86400)},
	}
	if !isPS4(c.world) {
		r["prestige_level"] = strconv.Itoa(c.prestige)
	}
	return []row{r}
}

func nameRow(_ *query, c *character) []row {
	return []row{{"character_id": c.id, "name": nameOf(c)}}
}

func onlineRow(q *query, c *character) []row {
	return []row{{"character_id": c.id, "online_status": q.online(c)}}
}

func worldOfRow(_ *query, c *character) []row {
	return []row{{"character_id": c.id, "world_id": c.world}}
}

// friendRow is the friend list, with what goes wrong in it (census 5.2).
func friendRow(q *query, c *character) []row {
	list := []row{}
	if q.characterFault("empty_friends", c) == nil {
		list = q.friends(c)
	}
	return []row{{"character_id": c.id, "name": nil, "friend_list": list}}
}

// deletedFriend is an id that no character has.
const deletedFriend = "5428000000000000001"

func (q *query) friends(c *character) []row {
	list := []row{}
	for _, id := range c.friends {
		f := q.s.model.byID[id]
		r := row{"character_id": id, "online": q.online(f)}
		if f.loginCount%9 != 0 { // the time may be missing
			r["last_login_time"] = itoa(f.lastLogin)
		}
		list = append(list, r)
	}
	if q.characterFault("duplicate_friend", c) != nil && len(list) > 0 {
		list = append(list, cloneRow(list[0]))
	}
	if q.characterFault("deleted_friend", c) != nil {
		list = append(list, row{"character_id": deletedFriend, "last_login_time": "1400000000", "online": "0"})
	}
	return list
}

func outfitRow(o *outfit) row {
	return row{
		"outfit_id": o.id, "name": o.name, "name_lower": strings.ToLower(o.name), "alias": o.tag,
		"alias_lower": strings.ToLower(o.tag), "time_created": itoa(o.created), "time_created_date": date(o.created),
		"leader_character_id": o.leader.id, "member_count": strconv.Itoa(len(o.members)),
	}
}

func outfitRows(q *query) []row {
	var out []row
	for _, o := range q.s.model.outfits {
		if o.env == q.env || q.env == "global" {
			out = append(out, outfitRow(o))
		}
	}
	return out
}

// outfitOf is the character's outfit as rosters show it.
func (q *query) outfitOf(c *character) *outfit {
	if f := q.characterFault("stale_roster", c); f != nil {
		return f.outfit
	}
	return c.outfit
}

func memberRow(q *query, c *character) []row {
	o := q.outfitOf(c)
	if o == nil {
		return nil
	}
	r := row{
		"outfit_id": o.id, "character_id": c.id, "member_since": itoa(c.memberSince), "member_since_date": date(c.memberSince),
		"rank_ordinal": strconv.Itoa(c.rankOrdinal),
	}
	if !isPS4(c.world) {
		r["rank"] = c.rank
	}
	return []row{r}
}

func extendedRow(q *query, c *character) []row {
	member := memberRow(q, c)
	if member == nil {
		return nil
	}
	r := outfitRow(q.outfitOf(c))
	for from, to := range map[string]string{
		"character_id": "character_id", "member_since": "member_since", "member_since_date": "member_since_date",
		"rank": "member_rank", "rank_ordinal": "member_rank_ordinal",
	} {
		if v, ok := member[0][from]; ok {
			r[to] = v
		}
	}
	return []row{r}
}

// mapRows is who holds what; its names have capitals (census 5.7). It takes
// world_id and zone_ids only.
func mapRows(q *query) []row {
	var out []row
	for _, w := range q.s.model.worlds {
		if w.env != q.env {
			continue
		}
		for _, zone := range playedZones {
			rows := []row{}
			for _, fac := range q.s.model.facility[zone] {
				rows = append(rows, row{"RowData": row{"RegionId": fac.region, "FactionId": strconv.Itoa(w.owner[fac.id])}})
			}
			out = append(out, row{"world_id": w.id, "zone_ids": zone, "ZoneId": zone, "Regions": row{"IsList": "1", "Row": rows}})
		}
	}
	return out
}
