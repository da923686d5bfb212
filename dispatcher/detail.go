package dispatcher

import (
	"strconv"

	"muster/event"
)

// detail writes what docs/feed.md says of each kind. Everything that has an id
// comes as {"id","name"}: the id is text, the name empty while it is not known.
func (w *writer) detail(b []byte, e *event.Event) []byte {
	switch d := e.Detail.(type) {
	case event.Death:
		b = w.thing(append(b, `{"weapon":`...), event.LookupItem, int64(d.Weapon))
		b = appendBool(append(b, `,"headshot":`...), d.Headshot)
		b = appendVehicle(append(b, `,"vehicle":`...), d.AttackerVehicle)
		b = appendBool(append(b, `,"suicide":`...), d.Suicide())
		b = appendBool(append(b, `,"team_kill":`...), d.TeamKill())
		b = appendInt(append(b, `,"attacker_team":`...), int64(d.AttackerTeam))
		b = appendInt(append(b, `,"victim_team":`...), int64(d.VictimTeam))
		b = appendString(append(b, `,"attacker_class":`...), d.AttackerLoadout.Class())
		b = appendString(append(b, `,"victim_class":`...), d.VictimLoadout.Class())
		return append(b, '}')
	case event.VehicleDestroy:
		b = appendVehicle(append(b, `{"vehicle":`...), d.Vehicle)
		b = w.thing(append(b, `,"weapon":`...), event.LookupItem, int64(d.Weapon))
		b = appendVehicle(append(b, `,"attacker_vehicle":`...), d.AttackerVehicle)
		b = appendBool(append(b, `,"deconstructed":`...), d.Weapon == 0 && d.Attacker == d.Owner && d.Owner != 0)
		b = appendInt(append(b, `,"attacker_team":`...), int64(d.AttackerTeam))
		b = appendInt(append(b, `,"owner_team":`...), int64(d.OwnerTeam))
		b = appendString(append(b, `,"attacker_class":`...), d.AttackerLoadout.Class())
		return append(b, '}')
	case event.Gain:
		b = w.experience(append(b, `{"experience":`...), d.ID)
		b = appendInt(append(b, `,"amount":`...), d.Amount)
		b = appendString(append(b, `,"class":`...), d.Loadout.Class())
		return append(b, '}')
	case event.Control:
		b = w.thing(append(b, `{"facility":`...), event.LookupFacility, int64(d.Facility))
		b = appendInt(append(b, `,"old_faction":`...), int64(d.Old))
		b = appendInt(append(b, `,"new_faction":`...), int64(d.New))
		b = appendInt(append(b, `,"held_s":`...), d.HeldSeconds)
		b = w.outfit(append(b, `,"outfit":`...), d.Outfit)
		return append(b, '}')
	case event.Contribution:
		b = w.thing(append(b, `{"facility":`...), event.LookupFacility, int64(d.Facility))
		b = w.outfit(append(b, `,"outfit":`...), d.Outfit)
		return append(b, '}')
	default:
		return w.rareDetail(b, e)
	}
}

// rareDetail writes the kinds that come a few times an hour.
func (w *writer) rareDetail(b []byte, e *event.Event) []byte {
	switch d := e.Detail.(type) {
	case event.Alert:
		b = w.thing(append(b, `{"alert":`...), event.LookupMetagame, d.ID)
		b = appendString(append(b, `,"state":`...), d.State.String())
		b = appendInt(append(b, `,"instance":`...), d.Instance)
		b = appendShares(b, d.VS, d.NC, d.TR)
	case event.Lock:
		b = appendBool(append(b, `{"locked":`...), e.Kind == event.ContinentLock)
		b = appendInt(append(b, `,"by":`...), int64(d.By))
		b = appendInt(append(b, `,"previous":`...), int64(d.Previous))
		b = appendShares(b, float64(d.VS), float64(d.NC), float64(d.TR))
	case event.Award:
		b = w.thing(append(b, `{"achievement":`...), event.LookupAchievement, d.Achievement)
	case event.Rank:
		b = appendInt(append(b, `{"rank":`...), int64(d.Rank))
	case event.Item:
		b = w.thing(append(b, `{"item":`...), event.LookupItem, int64(d.Item))
		b = appendInt(append(b, `,"count":`...), d.Count)
		b = appendString(append(b, `,"context":`...), d.Context)
	case event.Skill:
		b = appendThing(append(b, `{"skill":`...), d.Skill, "")
	default: // login and logout say nothing more
		b = append(b, '{')
	}
	return append(b, '}')
}

func (w *writer) thing(b []byte, category string, id int64) []byte {
	return appendThing(b, id, w.names.lookup(category, id))
}

// experience prefers the game's table and falls back on the common reasons.
func (w *writer) experience(b []byte, id event.ExperienceID) []byte {
	name := w.names.lookup(event.LookupExperience, int64(id))
	if name == "" {
		name = id.String()
	}
	return appendThing(b, int64(id), name)
}

func (w *writer) outfit(b []byte, id event.OutfitID) []byte {
	return appendOutfit(b, w.names.outfit(id))
}

func appendThing(b []byte, id int64, name string) []byte {
	b = appendInt(append(b, `{"id":"`...), id)
	b = appendString(append(b, `","name":`...), name)
	return append(b, '}')
}

func appendVehicle(b []byte, id event.VehicleID) []byte {
	if id == 0 {
		return append(b, "null"...)
	}
	return appendThing(b, int64(id), id.String())
}

func appendShares(b []byte, vs, nc, tr float64) []byte {
	b = appendFloat(append(b, `,"vs":`...), vs)
	b = appendFloat(append(b, `,"nc":`...), nc)
	return appendFloat(append(b, `,"tr":`...), tr)
}

// appendFloat writes percentages, which are never exotic (event.Decode sees to it).
func appendFloat(b []byte, x float64) []byte { return strconv.AppendFloat(b, x, 'f', -1, 64) }
