package alert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/event"
)

// What one person may have at most. Storage refuses more with a *LimitError.
const (
	MaxLinks   = 10
	MaxWatches = 200
	MaxGroups  = 20
	MaxMembers = 100 // of one group
	MaxMutes   = 500
	MaxWorlds  = 20 // that one watch names
)

// A LimitError says that a person has as many of something as they may.
type LimitError struct {
	What string // plural: "links", "watches", "groups", "members", "mutes"
	Most int
}

func (e *LimitError) Error() string { return fmt.Sprintf("%d %s are the most", e.Most, e.What) }

// ErrTaken says that a person has a group of that name already.
var ErrTaken = errors.New("the name is taken")

// WatchKind says what a Watch follows.
type WatchKind string

// What can be watched. Friends follows the in-game friends list of each
// character the user has linked; it comes with the first link.
const (
	WatchFriends   WatchKind = "friends"
	WatchCharacter WatchKind = "character"
	WatchOutfit    WatchKind = "outfit"
	WatchLeaders   WatchKind = "leaders" // members of an outfit with a rank up to MaxOrdinal
	WatchGroup     WatchKind = "group"   // the members of a Group of the same user
)

// DefaultOrdinal is the lowest rank that counts as a leader unless the watch says
// otherwise: the leader and those right below.
const DefaultOrdinal = 2

// A Watch is a person's wish to be told.
type Watch struct {
	ID        int64             `json:"id"`
	User      UserID            `json:"-"`
	Kind      WatchKind         `json:"kind"`
	Character event.CharacterID `json:"character,omitempty"` // for WatchCharacter
	Outfit    event.OutfitID    `json:"outfit,omitempty"`    // for WatchOutfit and WatchLeaders
	Group     int64             `json:"group,omitempty"`     // for WatchGroup
	// MaxOrdinal is for WatchLeaders: 1 is the outfit's leader alone. 0 is taken
	// for DefaultOrdinal.
	MaxOrdinal int       `json:"max_ordinal,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	// Worlds are those on which a login counts, at most MaxWorlds; none: all.
	Worlds []event.World `json:"worlds,omitempty"`
	// Muted says that nothing is told by this watch, until MutedUntil or, when that
	// is zero, until it is unmuted. Another watch may tell of the same character.
	Muted      bool      `json:"muted,omitempty"`
	MutedUntil time.Time `json:"muted_until,omitzero"`
	// Name is what to show: the character's name, the outfit's tag and name, the
	// group's name. Filled in by reads.
	Name string `json:"name,omitempty"`
}

// MutedAt reports whether w is muted at now.
func (w Watch) MutedAt(now time.Time) bool {
	return w.Muted && (w.MutedUntil.IsZero() || now.Before(w.MutedUntil))
}

// Counts reports whether a login on world is one that w tells of.
func (w Watch) Counts(world event.World) bool {
	return len(w.Worlds) == 0 || slices.Contains(w.Worlds, world)
}

// FormatWorlds writes worlds as stored: "10,17", sorted, each once.
func FormatWorlds(worlds []event.World) string {
	worlds = slices.Compact(slices.Sorted(slices.Values(worlds)))
	parts := make([]string, len(worlds))
	for i, w := range worlds {
		parts[i] = strconv.FormatInt(int64(w), 10)
	}
	return strings.Join(parts, ",")
}

// ErrWorlds says that a text is not what FormatWorlds writes.
var ErrWorlds = errors.New("not a list of worlds")

// ParseWorlds reads what FormatWorlds wrote; the error wraps ErrWorlds.
func ParseWorlds(text string) ([]event.World, error) {
	if text == "" {
		return nil, nil
	}
	var out []event.World
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil || n <= 0 || len(out) == MaxWorlds {
			return nil, fmt.Errorf("%w: %.80q", ErrWorlds, text)
		}
		out = append(out, event.World(n))
	}
	return out, nil
}

// A Mute says that a person hears nothing of one character, whatever they watch.
type Mute struct {
	User      UserID            `json:"-"`
	Character event.CharacterID `json:"character"`
	Until     time.Time         `json:"until,omitzero"` // zero: for good
	// Name is the character's, filled in by reads.
	Name string `json:"name,omitempty"`
}

// A Group is a hand-made list of characters. It is told of by a Watch of kind
// WatchGroup.
type Group struct {
	ID      int64               `json:"id"` // 0: not stored yet
	User    UserID              `json:"-"`
	Name    string              `json:"name"` // 1 to MaxGroupName characters, one of a kind per user in any case
	Members []event.CharacterID `json:"members"`
}

// MaxGroupName is how long the name of a group may be, in characters.
const MaxGroupName = 40
