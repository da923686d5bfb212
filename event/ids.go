package event

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrID says that a text is not an id this program can hold: empty, not a
// decimal number, negative, or larger than a signed 64-bit integer.
var ErrID = errors.New("not an id")

// CharacterID names a player's character. Zero means "nobody" or "not said".
// Ids have up to 19 digits: they fit an int64 but not a JavaScript number, so
// they are text in JSON.
type CharacterID int64

// OutfitID names an outfit (a clan). Zero means none. Text in JSON.
type OutfitID int64

// ItemID names an item, among them every weapon. Zero means none known. What
// the stream calls attacker_weapon_id is an ItemID, not a weapon id (census 2.1).
type ItemID int64

// FacilityID names a base. Zero means none.
type FacilityID int64

// VehicleID names a vehicle or turret definition. Zero means on foot.
type VehicleID int32

// LoadoutID names a class of one faction. Zero means not said.
type LoadoutID int32

// ExperienceID names a reason for which experience was given.
type ExperienceID int32

// minCharacter is the least id taken for a character. GainExperience.other_id
// may also be an NPC or a vehicle, whose ids have about 11 digits (census 2.3).
const minCharacter = 100_000_000_000_000_000

// IsCharacter reports whether id can be a player rather than an NPC or a vehicle.
func (id CharacterID) IsCharacter() bool { return id >= minCharacter }

func (id CharacterID) String() string { return strconv.FormatInt(int64(id), 10) }
func (id OutfitID) String() string    { return strconv.FormatInt(int64(id), 10) }

// MarshalText writes the id as decimal text.
func (id CharacterID) MarshalText() ([]byte, error) {
	return strconv.AppendInt(nil, int64(id), 10), nil
}

// UnmarshalText reads decimal text; the error wraps ErrID.
func (id *CharacterID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseCharacterID(string(b))
	return err
}

// MarshalText writes the id as decimal text.
func (id OutfitID) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(id), 10), nil }

// UnmarshalText reads decimal text; the error wraps ErrID.
func (id *OutfitID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseOutfitID(string(b))
	return err
}

// ParseCharacterID reads decimal text; the error wraps ErrID.
func ParseCharacterID(s string) (CharacterID, error) {
	n, err := parseID(s)
	return CharacterID(n), err
}

// ParseOutfitID reads decimal text; the error wraps ErrID.
func ParseOutfitID(s string) (OutfitID, error) {
	n, err := parseID(s)
	return OutfitID(n), err
}

func parseID(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %.40q", ErrID, s)
	}
	return int64(n), nil
}
