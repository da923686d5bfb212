package event

import "time"

// A Character is what the query service says of a player's character.
type Character struct {
	ID      CharacterID `json:"id"`
	Name    string      `json:"name"` // empty while not known
	Faction Faction     `json:"faction"`
	World   World       `json:"world,omitempty"`
	Rank    int32       `json:"battle_rank,omitempty"` // battle rank, 0 not known
	Outfit  Outfit      `json:"outfit,omitzero"`
	// ResolvedAt is when the query service last answered for it; zero: never.
	ResolvedAt time.Time `json:"resolved_at,omitzero"`
	// Missing says that the query service does not know the id (deleted, or new).
	Missing bool `json:"missing,omitempty"`
	// Hidden says that its owner does not want to be named: then Name and Outfit are
	// empty, and nobody is shown more than that it is a hidden player.
	Hidden bool `json:"hidden,omitempty"`
}

// An Outfit is a clan. Tag may be empty.
type Outfit struct {
	ID      OutfitID    `json:"id"`
	Tag     string      `json:"tag"`
	Name    string      `json:"name"`
	Faction Faction     `json:"faction,omitempty"` // of its leader
	Leader  CharacterID `json:"leader,omitempty"`
	Members int         `json:"members,omitempty"`
}

// IsZero reports whether o is no outfit.
func (o Outfit) IsZero() bool { return o.ID == 0 }

// A Member is a character's place in an outfit.
type Member struct {
	Outfit    OutfitID    `json:"outfit"`
	Character CharacterID `json:"character"`
	Rank      string      `json:"rank,omitempty"`
	Ordinal   int         `json:"ordinal,omitempty"` // 1 is the leader
	Since     time.Time   `json:"since,omitzero"`
}

// A Friend is one entry of a character's friends list. That A lists B does not
// mean that B lists A (census 5.2).
type Friend struct {
	Character CharacterID `json:"character"`
	LastLogin time.Time   `json:"last_login,omitzero"`
	Online    World       `json:"online,omitempty"` // the world it is on by the query service, 0 offline
}

// A Lookup is a name that the game's tables give to an id.
type Lookup struct {
	Category string `json:"category"` // see the Lookup constants
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	// Extra is a second word: an item's category, a facility's type, an alert's
	// length in minutes.
	Extra string `json:"extra,omitempty"`
}

// Categories of Lookup, named as the query service's collections.
const (
	LookupItem        = "item"
	LookupFacility    = "map_region" // keyed by facility id
	LookupMetagame    = "metagame_event"
	LookupExperience  = "experience"
	LookupAchievement = "achievement"
)

// A Player is a character with what is known of its presence.
type Player struct {
	Character Character
	Online    Online
	// MembershipRank is its rank in its outfit, empty if not known.
	MembershipRank string
}
