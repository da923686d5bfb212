package event

import "time"

// Relog is how soon a login after a logout belongs to the same sitting: a
// crash, a relog, a change of continent (discord notes 9).
const Relog = 3 * time.Minute

// Online is what is known of one character's presence. The zero value is
// "never seen".
type Online struct {
	Character CharacterID `json:"character"`
	Online    bool        `json:"online"`
	World     World       `json:"world"`
	Zone      Zone        `json:"zone"` // where it was last seen; 0 when not known
	// Since is the game second at which this state began: login, first sign of
	// life, logout, or last sign of life before a timeout.
	Since time.Time `json:"since"`
	// LastSeen is the game second of the newest sign of life.
	LastSeen time.Time `json:"last_seen"`
	// LoggedOut is the newest logout or end, zero if none is known.
	LoggedOut time.Time `json:"logged_out,omitzero"`
	// Session is when the running or last session began; with Character its key.
	Session time.Time `json:"session"`
}

// Known reports whether anything was ever learned about the character.
func (o Online) Known() bool { return !o.Since.IsZero() }

// EndReason says how a session came to its end.
type EndReason string

// Ways a session ends.
const (
	EndLogout   EndReason = "logout"
	EndTimeout  EndReason = "timeout"  // no sign of life for long (census 3, S10)
	EndObserved EndReason = "observed" // the query service says offline
	EndRelogin  EndReason = "relogin"  // the next login came without a logout
)

// A Session is one sitting of one character.
type Session struct {
	Character CharacterID `json:"character"`
	World     World       `json:"world"`
	StartedAt time.Time   `json:"started_at"`
	// Inferred says that no login was seen: the start is the first sign of life.
	Inferred bool      `json:"inferred"`
	EndedAt  time.Time `json:"ended_at,omitzero"` // zero while it runs
	End      EndReason `json:"end,omitempty"`
}

// A PresenceChange is a character coming on or going off.
type PresenceChange struct {
	Before, After Online
	// ByLogin says that a login event was seen, not merely a sign of life.
	ByLogin bool
	Reason  EndReason // when After is offline
}
