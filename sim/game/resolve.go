package game

import "strings"

// resolve adds the predefined sub-data of c:resolve. What it adds is noted,
// so that c:show keeps it.
func (q *query) resolve(rows []row, added map[string]bool) {
	for _, name := range resolveNames(q.params.Get("c:resolve")) {
		show := name.show
		for _, r := range rows {
			for key, value := range q.resolved(name.name, r) {
				if sub, ok := value.(row); ok && len(show) > 0 {
					value = projected(sub, show, nil, nil)
				}
				if list, ok := value.([]row); ok && len(show) > 0 {
					for i := range list {
						list[i] = projected(list[i], show, nil, nil)
					}
				}
				r[key] = value
				added[key] = true
			}
		}
	}
}

type resolveName struct {
	name string
	show []string
}

// resolveNames reads a,b(x,y),c.
func resolveNames(text string) []resolveName {
	var out []resolveName
	for text != "" {
		end := strings.IndexAny(text, ",(")
		if end < 0 {
			return append(out, resolveName{name: text})
		}
		n := resolveName{name: text[:end]}
		if text[end] == '(' {
			inner, rest, _ := strings.Cut(text[end+1:], ")")
			n.show, text = strings.Split(inner, ","), strings.TrimPrefix(rest, ",")
		} else {
			text = text[end+1:]
		}
		out = append(out, n)
	}
	return out
}

// resolved returns what one resolve adds to a row.
func (q *query) resolved(name string, r row) row {
	if q.collection == "outfit" {
		return q.resolvedOutfit(name, r)
	}
	id := valueAt(r, "character_id")
	part := func(collection, key string) row {
		if q.broken[collection] {
			return row{key: textUnavailable}
		}
		rows := q.rowsOf(collection, collections[collection], id)
		if len(rows) == 0 {
			return nil
		}
		return row{key: cloneRow(rows[0])}
	}
	field := func(collection, key, from string) row {
		if q.broken[collection] {
			return row{key: textUnavailable}
		}
		rows := q.rowsOf(collection, collections[collection], id)
		if len(rows) == 0 {
			return nil
		}
		return row{key: rows[0][from]}
	}
	switch name {
	case "world":
		return field("characters_world", "world_id", "world_id")
	case "online_status":
		return field("characters_online_status", "online_status", "online_status")
	case "friends":
		return field("characters_friend", "friends_list", "friend_list")
	case "outfit":
		return q.resolvedMembership(id)
	case "outfit_member":
		return part("outfit_member", "outfit_member")
	case "outfit_member_extended":
		return part("outfit_member_extended", "outfit_member")
	case "character":
		return part("character", "character")
	case "character_name":
		return field("character_name", "name", "name")
	case "stat_history", "characters_stat_history":
		return q.resolvedList("characters_stat_history", "stat_history", id)
	case "weapon_stat":
		return q.resolvedList("characters_weapon_stat", "weapon_stat", id)
	case "weapon_stat_by_faction":
		return q.resolvedList("characters_weapon_stat_by_faction", "weapon_stat_by_faction", id)
	case "faction":
		return q.resolvedFaction(r)
	default:
		return nil
	}
}

func (q *query) resolvedMembership(id string) row {
	if q.broken["outfit"] {
		return row{"outfit": textUnavailable}
	}
	c := q.s.model.byID[id]
	if c == nil || q.outfitOf(c) == nil {
		return nil
	}
	return row{"outfit": outfitRow(q.outfitOf(c))}
}

func (q *query) resolvedList(collection, key, id string) row {
	if q.broken[collection] {
		return row{"stats": textUnavailable}
	}
	var list []row
	for _, r := range q.rowsOf(collection, collections[collection], id) {
		list = append(list, withoutField(r, "character_id"))
	}
	return row{"stats": row{key: list}}
}

func (q *query) resolvedFaction(r row) row {
	found := q.lookup("faction", collections["faction"], "faction_id", valueAt(r, "faction_id"))
	if len(found) == 0 {
		return nil
	}
	return row{"faction": cloneRow(found[0])}
}

// resolvedOutfit adds leader or members to an outfit.
func (q *query) resolvedOutfit(name string, r row) row {
	if name == "leader" {
		rows := q.rowsOf("character_name", collections["character_name"], valueAt(r, "leader_character_id"))
		if len(rows) == 0 {
			return nil
		}
		return row{"leader": cloneRow(rows[0])}
	}
	if name != "member" && !strings.HasPrefix(name, "member_") {
		return nil
	}
	members, _ := r["members"].([]row)
	if members == nil {
		members = []row{}
		for _, m := range q.lookup("outfit_member", collections["outfit_member"], "outfit_id", valueAt(r, "outfit_id")) {
			members = append(members, withoutField(m, "outfit_id"))
		}
	}
	for _, m := range members {
		q.addToMember(name, m)
	}
	return row{"members": members}
}

func (q *query) addToMember(name string, m row) {
	collection, fields := "", []string(nil)
	switch name {
	case "member_online_status":
		collection, fields = "characters_online_status", []string{"online_status"}
	case "member_character_name":
		collection, fields = "character_name", []string{"name"}
	case "member_character":
		collection, fields = "character", []string{"name", "faction_id", "battle_rank", "times", "title_id", "profile_id"}
	default:
		return
	}
	rows := q.rowsOf(collection, collections[collection], valueAt(m, "character_id"))
	for _, f := range fields {
		switch {
		case q.broken[collection]:
			m[f] = textUnavailable
		case len(rows) > 0:
			m[f] = cloneRow(rows[0])[f]
		}
	}
}
