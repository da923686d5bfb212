package event

import (
	"encoding/json"
	"time"
)

// An Event is one thing that the game says happened.
type Event struct {
	Kind  Kind
	World World
	Zone  Zone // 0 where the kind has none, or the game left it out
	// At is the game's own second, UTC. It decides what came first; the order
	// of arrival never does (census 3, S6).
	At time.Time
	// ReceivedAt is the listener's clock when the frame arrived, UTC.
	ReceivedAt time.Time
	// Future says that At was more than 3 s ahead of ReceivedAt (census 3, S7).
	Future bool
	// Copy tells real repetitions apart: 0 for the first event with this key on
	// a connection, 1 for the second, and so on. Only kinds for which equal
	// messages can be two events ever have it above 0; see MayRepeat.
	Copy uint8
	// Detail is never nil. Its type follows from Kind.
	Detail Detail
}

// A Detail is what one kind of event says beyond when and where. The types of
// this file are the only ones.
type Detail interface{ detail() }

// Presence is the detail of Login and Logout.
type Presence struct{ Character CharacterID }

// Death is the detail of Kill (census 2.1).
type Death struct {
	Victim, Attacker               CharacterID // Attacker 0: environment or not known
	VictimLoadout, AttackerLoadout LoadoutID
	VictimTeam, AttackerTeam       Faction // 0 on PS4's attacker and in data before 2022-08-27
	Weapon                         ItemID  // 0: none known, also falls
	FireMode                       int64
	AttackerVehicle                VehicleID // 0: on foot
	Headshot, Critical             bool
}

// Suicide reports whether the victim is its own killer.
func (d Death) Suicide() bool { return d.Attacker == d.Victim && d.Victim != 0 }

// TeamKill reports whether killer and victim were different characters of one
// team. Teams decide, not factions: NS Operatives fight for any team.
func (d Death) TeamKill() bool {
	return d.AttackerTeam != 0 && d.AttackerTeam == d.VictimTeam && d.Attacker != d.Victim && d.Attacker != 0
}

// VehicleDestroy is the detail of VehicleKill (census 2.2).
type VehicleDestroy struct {
	Owner, Attacker CharacterID // Owner 0: unowned, and many deployables
	AttackerLoadout LoadoutID
	OwnerTeam       Faction // the vehicle's team
	AttackerTeam    Faction // 0 on PS4
	VehicleFaction  Faction
	Vehicle         VehicleID
	AttackerVehicle VehicleID
	Weapon          ItemID // 0 with Attacker == Owner: deconstructed
	Facility        FacilityID
}

// Gain is the detail of Experience (census 2.3).
type Gain struct {
	Character CharacterID
	Other     CharacterID // a character, an NPC or vehicle (see IsCharacter), or 0
	ID        ExperienceID
	Amount    int64 // with boosts
	Loadout   LoadoutID
	Team      Faction // 0 on PS4
}

// Control is the detail of FacilityControl (census 2.5).
type Control struct {
	Facility FacilityID
	Old, New Faction // equal: a defence
	// HeldSeconds is how long the base was held before. In continent resets it
	// can look like a Unix time.
	HeldSeconds int64
	Outfit      OutfitID
}

// Contribution is the detail of FacilityCapture and FacilityDefend.
type Contribution struct {
	Character CharacterID
	Facility  FacilityID
	Outfit    OutfitID
}

// MetagameState is a stage of an in-game alert (census 2.6).
type MetagameState int32

// The states the game sends.
const (
	MetagameStarted      MetagameState = 135
	MetagameRestarted    MetagameState = 136
	MetagameCanceled     MetagameState = 137
	MetagameEnded        MetagameState = 138
	MetagameBonusChanged MetagameState = 139
)

// String returns the game's own name of the state, or "state N".
func (s MetagameState) String() string {
	switch s {
	case MetagameStarted:
		return "started"
	case MetagameRestarted:
		return "restarted"
	case MetagameCanceled:
		return "canceled"
	case MetagameEnded:
		return "ended"
	case MetagameBonusChanged:
		return "xp bonus changed"
	}
	return "state " + itoa(int64(s))
}

// Alert is the detail of Metagame. Instance is unique per world only until that
// world restarts: use (world, instance, day).
type Alert struct {
	ID              int64 // metagame_event_id
	Instance        int64
	State           MetagameState
	VS, NC, TR      float64 // percent of territory, rough
	ExperienceBonus float64 // percent
}

// Lock is the detail of ContinentLock and ContinentUnlock (census 2.7).
type Lock struct {
	By, Previous Faction
	VS, NC, TR   int32 // percent of population
	Metagame     int64 // 0 as a rule
}

// Award is the detail of Achievement.
type Award struct {
	Character   CharacterID
	Achievement int64
}

// Rank is the detail of BattleRank.
type Rank struct {
	Character CharacterID
	Rank      int32 // 1 to 120
}

// Item is the detail of ItemAdded.
type Item struct {
	Character CharacterID
	Item      ItemID
	Count     int64
	Context   string // a label such as GenericTerminalTransaction; at most 100 bytes are kept
}

// Skill is the detail of SkillAdded.
type Skill struct {
	Character CharacterID
	Skill     int64
}

// Fish is the detail of FishScan.
type Fish struct {
	Character CharacterID
	Fish      int64
	Loadout   LoadoutID
	Team      Faction
}

// Raw is the detail of Unknown: the payload as it came.
type Raw struct {
	Name    string          // event_name, cut to 64 bytes; may be empty
	Reason  string          // why it could not be read; empty for a name not known
	Payload json.RawMessage // as received, but always valid UTF-8; at most 3*MaxPayload bytes
}

func (Presence) detail()       {}
func (Death) detail()          {}
func (VehicleDestroy) detail() {}
func (Gain) detail()           {}
func (Control) detail()        {}
func (Contribution) detail()   {}
func (Alert) detail()          {}
func (Lock) detail()           {}
func (Award) detail()          {}
func (Rank) detail()           {}
func (Item) detail()           {}
func (Skill) detail()          {}
func (Fish) detail()           {}
func (Raw) detail()            {}

// Characters returns who acted and whom it befell; 0 for nobody. An NPC or
// vehicle on the other side is nobody.
//
// For a kill the killer is the subject and the victim the other; for a
// destroyed vehicle the attacker and the owner.
func (e Event) Characters() (subject, other CharacterID) {
	switch d := e.Detail.(type) {
	case Presence:
		return d.Character, 0
	case Death:
		return d.Attacker, d.Victim
	case VehicleDestroy:
		return d.Attacker, d.Owner
	case Gain:
		if d.Other.IsCharacter() {
			return d.Character, d.Other
		}
		return d.Character, 0
	case Contribution:
		return d.Character, 0
	case Award:
		return d.Character, 0
	case Rank:
		return d.Character, 0
	case Item:
		return d.Character, 0
	case Skill:
		return d.Character, 0
	case Fish:
		return d.Character, 0
	}
	return 0, 0
}

// Present returns the characters that e proves to be in the game, 0 for nobody.
// A destroyed vehicle proves nothing about its owner, and a heal nothing about
// the healed: both can outlast a logout by a moment.
func (e Event) Present() (a, b CharacterID) {
	switch d := e.Detail.(type) {
	case Death:
		if d.Attacker == d.Victim {
			return d.Victim, 0
		}
		return d.Attacker, d.Victim
	case Presence:
		if e.Kind == Logout {
			return 0, 0
		}
		return d.Character, 0
	}
	a, _ = e.Characters()
	return a, 0
}

// MayRepeat reports whether two equal messages on one connection can be two
// real events: vehicles that nobody owned. For every other kind an equal
// message is the same event again (census 3, S5 and the note below its keys).
func (e Event) MayRepeat() bool {
	d, ok := e.Detail.(VehicleDestroy)
	return ok && d.Owner == 0
}

// FeedKind is the name under which e goes on the feed, empty if it does not.
func (e Event) FeedKind() string {
	if d, ok := e.Detail.(Control); ok && d.Old == d.New {
		return "defend"
	}
	if e.Kind >= kinds {
		return ""
	}
	return kindNames[e.Kind].feed
}
