package event

import (
	"slices"
	"strconv"
)

// World is a game server. Zero means none.
type World int32

// Zone is a continent or an instance of one: (instance << 16) | definition.
type Zone uint32

// Faction is an empire, or the team a character fights for.
type Faction uint8

// Factions and teams (census 7). NSO characters have faction 4 and fight for
// team 1, 2 or 3.
const (
	NoFaction Faction = 0
	VS        Faction = 1
	NC        Faction = 2
	TR        Faction = 3
	NSO       Faction = 4
)

// Environment is one of the game's platforms, each with its own stream.
type Environment string

// The environments of the streaming service (census 1.1).
const (
	PC    Environment = "ps2"
	PS4US Environment = "ps2ps4us"
	PS4EU Environment = "ps2ps4eu"
)

// Environments returns every environment.
func Environments() []Environment { return []Environment{PC, PS4US, PS4EU} }

// Valid reports whether e is an environment of the game.
func (e Environment) Valid() bool { return e == PC || e == PS4US || e == PS4EU }

// Namespace returns the query service's name for e.
func (e Environment) Namespace() string { return string(e) + ":v2" }

// WorldInfo describes a world.
type WorldInfo struct {
	ID          World
	Name        string
	Former      []string // earlier names that people still type
	Environment Environment
	Live        bool // open to players today
	// MergedInto is the world that took its players, 0 if none.
	MergedInto World
}

// Worlds returns every known world, live ones first (census 7).
func Worlds() []WorldInfo {
	return []WorldInfo{
		{ID: 1, Name: "Osprey", Former: []string{"Connery"}, Environment: PC, Live: true},
		{ID: 10, Name: "Wainwright", Former: []string{"Miller"}, Environment: PC, Live: true},
		{ID: 40, Name: "SolTech", Environment: PC, Live: true},
		{ID: 19, Name: "Jaeger", Environment: PC, Live: true},
		{ID: 1000, Name: "Genudine", Environment: PS4US, Live: true},
		{ID: 2000, Name: "Ceres", Environment: PS4EU, Live: true},
		{ID: 13, Name: "Cobalt", Environment: PC, MergedInto: 10},
		{ID: 17, Name: "Emerald", Environment: PC, MergedInto: 1},
		{ID: 24, Name: "Apex", Environment: PC},
		{ID: 25, Name: "Briggs", Environment: PC},
		{ID: 101, Name: "Public Test", Environment: PC},
	}
}

// Info returns what is known of w; ok is false for a world not in the table.
func (w World) Info() (info WorldInfo, ok bool) {
	for _, info := range Worlds() {
		if info.ID == w {
			return info, true
		}
	}
	return WorldInfo{}, false
}

// String returns the world's name, or "World N".
func (w World) String() string {
	if info, ok := w.Info(); ok {
		return info.Name
	}
	return "World " + strconv.Itoa(int(w))
}

// Definition returns which continent z is, without the instance.
func (z Zone) Definition() Zone { return z & 0xffff }

// Instance returns the number of a dynamic zone, 0 for a static continent.
func (z Zone) Instance() uint32 { return uint32(z >> 16) }

// Continents returns the five that normal play is on.
func Continents() []Zone { return []Zone{2, 4, 6, 8, 344} }

// Continent reports whether z is one of them.
func (z Zone) Continent() bool { return slices.Contains(Continents(), z) }

// String returns the zone's name, "" for 0, "Zone N" for one not known.
func (z Zone) String() string {
	switch z.Definition() {
	case 0:
		return ""
	case 2:
		return "Indar"
	case 4:
		return "Hossin"
	case 6:
		return "Amerish"
	case 8:
		return "Esamir"
	case 10:
		return "Nexus"
	case 14:
		return "Koltyr"
	case 95:
		return "Tutorial"
	case 96, 97, 98:
		return "VR Training"
	case 344:
		return "Oshur"
	case 361:
		return "Desolation"
	case 362:
		return "Sanctuary"
	case 364:
		return "Tutorial"
	}
	return "Zone " + strconv.FormatUint(uint64(z.Definition()), 10)
}

// String returns the faction's short name: VS, NC, TR, NSO, or "".
func (f Faction) String() string {
	switch f {
	case VS:
		return "VS"
	case NC:
		return "NC"
	case TR:
		return "TR"
	case NSO:
		return "NSO"
	}
	return ""
}

// Name returns the faction's full name, or "".
func (f Faction) Name() string {
	switch f {
	case VS:
		return "Vanu Sovereignty"
	case NC:
		return "New Conglomerate"
	case TR:
		return "Terran Republic"
	case NSO:
		return "NS Operatives"
	}
	return ""
}

// Class returns what a loadout is called, "" if it is not known (census 7).
func (l LoadoutID) Class() string {
	switch l {
	case 1, 8, 15, 28:
		return "Infiltrator"
	case 3, 10, 17, 29:
		return "Light Assault"
	case 4, 11, 18, 30:
		return "Medic"
	case 5, 12, 19, 31:
		return "Engineer"
	case 6, 13, 20, 32:
		return "Heavy Assault"
	case 7, 14, 21, 45:
		return "MAX"
	}
	return ""
}

var vehicleNames = map[VehicleID]string{
	1: "Flash", 2: "Sunderer", 3: "Lightning", 4: "Magrider", 5: "Vanguard", 6: "Prowler",
	7: "Scythe", 8: "Reaver", 9: "Mosquito", 10: "Liberator", 11: "Galaxy", 12: "Harasser",
	13: "Drop Pod", 14: "Valkyrie", 15: "ANT",
	2007: "Colossus", 2019: "Bastion", 2033: "Javelin", 2125: "Javelin", 2129: "Javelin",
	2136: "Dervish", 2137: "Chimera", 2142: "Corsair",
}

// String returns the vehicle's name, "" on foot, "Turret" for the fixed ones,
// or "Vehicle N".
func (v VehicleID) String() string {
	if v == 0 {
		return ""
	}
	if name, ok := vehicleNames[v]; ok {
		return name
	}
	if v >= 100 && v <= 163 {
		return "Turret"
	}
	return "Vehicle " + strconv.Itoa(int(v))
}

var experienceNames = map[ExperienceID]string{
	1: "Kill", 2: "Kill assist", 4: "Heal", 51: "Heal", 7: "Revive", 53: "Revive",
	34: "Resupply", 55: "Resupply", 438: "Shield repair", 439: "Shield repair",
	8: "Kill streak", 10: "Domination", 11: "Revenge", 32: "Nemesis", 29: "MAX kill",
	37: "Headshot", 25: "Multiple kill", 26: "Roadkill", 15: "Point defence", 16: "Point attack",
	272: "Point converted", 556: "Objective pulse", 557: "Objective pulse",
	233: "Sunderer spawn", 201: "Galaxy spawn", 56: "Squad spawn", 236: "Terminal hack", 237: "Turret hack",
	278: "Priority kill", 279: "High priority kill", 335: "Savior", 592: "Savior",
	593: "Bounty", 594: "Bounty", 595: "Bounty", 1409: "Router kill", 1410: "Spawn",
	2133: "Flag captured", 2134: "Flag returned", 277: "Spawn kill",
}

// String returns what the experience was for, or "Experience N".
func (id ExperienceID) String() string {
	if name, ok := experienceNames[id]; ok {
		return name
	}
	return "Experience " + strconv.Itoa(int(id))
}
