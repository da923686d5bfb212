// Package alert decides when a person is told that somebody came online. It is
// pure: no I/O, no clock of its own, no goroutine.
package alert

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/event"
)

// DefaultLifetime is how old a login may be and still be news (design, promise 4).
const DefaultLifetime = 5 * time.Minute

// UserID is a person's Discord id. Text in JSON.
type UserID int64

// ErrUserID says that a text is not a Discord id.
var ErrUserID = errors.New("not a Discord id")

// ParseUserID reads decimal text; the error wraps ErrUserID.
func ParseUserID(s string) (UserID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%w: %.40q", ErrUserID, s)
	}
	return UserID(n), nil
}

func (u UserID) String() string { return strconv.FormatInt(int64(u), 10) }

// MarshalText writes the id as decimal text.
func (u UserID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads decimal text; the error wraps ErrUserID.
func (u *UserID) UnmarshalText(b []byte) (err error) {
	*u, err = ParseUserID(string(b))
	return err
}

// A Link says that a Discord user plays a character.
type Link struct {
	User      UserID
	Character event.CharacterID
	LinkedAt  time.Time
}

// A Cause is why an alert was written: the strongest watch that matched.
type Cause string

// Causes, strongest first: when several watches match, a person is told once,
// for the first of these.
const (
	ByCharacter Cause = "character"
	ByFriend    Cause = "friend"
	ByGroup     Cause = "group"
	ByLeader    Cause = "leader"
	ByOutfit    Cause = "outfit"
	// OwnLogin is the person's own character coming on: the summary of who is on
	// is due.
	OwnLogin Cause = "own"
)

// An Alert is one line of the outbox: this user is to be told of this login.
type Alert struct {
	Key       Key
	User      UserID
	Character event.CharacterID
	World     event.World
	Cause     Cause
	LoginAt   time.Time // the game's second
	CreatedAt time.Time
	ExpiresAt time.Time // not sent later than this
	Attempts  int       // sends tried before
	// ToldAt is when it was put into a message, and once that is known when it was
	// shown; zero: not yet. Telling says that it is not known to be shown.
	ToldAt  time.Time
	Telling bool
	// LeftAt is when the character left for good, which is certain event.Relog
	// later; zero: not known to have.
	LeftAt time.Time
	// Who names the character as far as it is known when the alert is claimed.
	Who event.Character
}

// Key names an alert for ever: the same user, character and sitting give the
// same key, so that writing or sending it twice has no second effect.
type Key [15]byte

// NewKey returns the key for user being told of the session of character that
// began at start.
func NewKey(user UserID, character event.CharacterID, start time.Time) Key {
	var b [24]byte
	binary.BigEndian.PutUint64(b[0:], uint64(user))
	binary.BigEndian.PutUint64(b[8:], uint64(character))
	binary.BigEndian.PutUint64(b[16:], uint64(start.Unix()))
	sum := sha256.Sum256(b[:])
	return Key(sum[:15])
}

// Nonce returns 24 characters for Discord's nonce, which takes at most 25.
func (k Key) Nonce() string {
	return strings.ToLower(base32.StdEncoding.EncodeToString(k[:]))
}

// Due reports whether c is news at now: a character that was not on has logged
// in, not within event.Relog of its last logout, and no longer than lifetime
// ago. A sign of life without a login is told only if known says that nothing
// of that world was missed since the character was last known to be off: after a
// gap, or at the first sight of somebody, whoever is there was there already.
func Due(c event.PresenceChange, known bool, lifetime time.Duration, now time.Time) bool {
	if !c.After.Online || c.Before.Online {
		return false
	}
	if !c.ByLogin && (!known || !c.Before.Known()) {
		return false
	}
	if off := c.Before.LoggedOut; !off.IsZero() && c.After.Since.Sub(off) < event.Relog {
		return false
	}
	return now.Sub(c.After.Since) <= lifetime
}

// A Recipient is what the bot remembers of how to reach a user.
type Recipient struct {
	User UserID
	// DMChannel is the id of the direct-message channel, "" until opened.
	DMChannel string
	// Closed says why Discord refuses messages to the user ("50007"), "" while it
	// does not. Subscriptions stay; nothing is sent until a command clears it.
	Closed   string
	ClosedAt time.Time
	// Locale is Discord's name of the user's language ("es-419"), at most 16
	// characters; "" while it is not known.
	Locale string
}
