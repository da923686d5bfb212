package alert

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of what Settings may say.
const (
	MaxCooldown = 24 * time.Hour
	MaxAtLeast  = 50
	MaxPause    = 366 * 24 * time.Hour
)

// Settings say when a person wants to hear of what they watch.
type Settings struct {
	User UserID `json:"-"`
	// Zone is the name of an IANA time zone; "" is UTC.
	Zone      string     `json:"zone,omitempty"`
	Quiet     QuietHours `json:"quiet"`
	QuietMode QuietMode  `json:"quiet_mode"`
	// PausedUntil ends a pause in which nothing is told; zero: none.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// Cooldown is how long nothing more is told of a character after something
	// was; 0: no bound, at most MaxCooldown.
	Cooldown time.Duration `json:"cooldown"`
	// OnlyWhenAway says to tell nothing while a linked character is in the game.
	OnlyWhenAway bool `json:"only_when_away"`
	// AtLeast is how many of those watched must be on, the one who came included;
	// 1 to MaxAtLeast.
	AtLeast int `json:"at_least"`
	// Digest says to join three and more within a minute into one message.
	// Without it they are joined from the tenth on.
	Digest bool `json:"digest"`
	// Summary says to tell who is on when a linked character comes on.
	Summary bool `json:"summary"`
	// EditOnLeave says to change a message once whoever it tells of has left.
	EditOnLeave bool `json:"edit_on_leave"`
	// Shown lets others ask which characters the person plays.
	Shown bool `json:"shown"`
	// Language is the one that the person has chosen ("de"); "": as Discord says.
	Language  string    `json:"language,omitempty"`
	UpdatedAt time.Time `json:"updated_at,omitzero"` // zero: never saved, these are the defaults
}

// DefaultSettings are those of a person who has not chosen any.
func DefaultSettings(u UserID) Settings {
	return Settings{User: u, QuietMode: QuietOff, Cooldown: 30 * time.Minute, AtLeast: 1, Digest: true, Summary: true, EditOnLeave: true}
}

// ErrSettings says that settings are out of bounds.
var ErrSettings = errors.New("settings out of bounds")

// Validate returns an error that wraps ErrSettings and names the first value out
// of bounds, or nil.
func (s Settings) Validate() error {
	_, zoneErr := LoadZone(s.Zone)
	switch {
	case s.User <= 0:
		return fmt.Errorf("%w: user %d", ErrSettings, s.User)
	case zoneErr != nil:
		return fmt.Errorf("%w: %w", ErrSettings, zoneErr)
	case !s.Quiet.From.valid() || !s.Quiet.To.valid():
		return fmt.Errorf("%w: quiet from minute %d to %d", ErrSettings, s.Quiet.From, s.Quiet.To)
	case s.QuietMode != QuietOff && s.QuietMode != QuietSilent && s.QuietMode != QuietDrop:
		return fmt.Errorf("%w: quiet mode %.20q", ErrSettings, s.QuietMode)
	case s.Cooldown < 0 || s.Cooldown > MaxCooldown:
		return fmt.Errorf("%w: cooldown of %s", ErrSettings, s.Cooldown)
	case s.AtLeast < 1 || s.AtLeast > MaxAtLeast:
		return fmt.Errorf("%w: at least %d", ErrSettings, s.AtLeast)
	case len(s.Language) > 16:
		return fmt.Errorf("%w: language %.20q", ErrSettings, s.Language)
	}
	return nil
}

// PausedAt reports whether nothing is to be told at now.
func (s Settings) PausedAt(now time.Time) bool { return now.Before(s.PausedUntil) }

// QuietAt returns what quiet hours say at now: QuietOff when it is none.
func (s Settings) QuietAt(now time.Time) QuietMode {
	if s.QuietMode == QuietOff || s.Quiet.IsZero() {
		return QuietOff
	}
	loc, err := LoadZone(s.Zone)
	if err != nil {
		loc = time.UTC // the zone was renamed or dropped: better than nothing
	}
	if !s.Quiet.Include(now.In(loc)) {
		return QuietOff
	}
	return s.QuietMode
}

// ErrZone says that a text does not name a time zone.
var ErrZone = errors.New("not a time zone")

// LoadZone returns the IANA time zone called name, UTC for "". The error wraps
// ErrZone. The zones are built into the program.
func LoadZone(name string) (*time.Location, error) {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '/' && r != '_' && r != '-' && r != '+'
	})
	if odd || len(name) > 64 || strings.EqualFold(name, "local") || strings.HasPrefix(name, "/") {
		return nil, fmt.Errorf("%w: %.64q", ErrZone, name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %.64q", ErrZone, name)
	}
	return loc, nil
}
