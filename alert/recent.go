package alert

import (
	"time"

	"muster/event"
)

// A Reason is why somebody was not told, in a stable word that texts are chosen
// by. What Discord or the record adds follows after ": ".
type Reason string

// Reasons, in the order in which they are looked at.
const (
	Expired    Reason = "expired"    // older than its lifetime
	Gone       Reason = "gone"       // has left again
	Unfollowed Reason = "unfollowed" // not watched any more, or hidden by its owner
	Muted      Reason = "muted"      // a Mute
	Paused     Reason = "paused"
	InGame     Reason = "in_game"  // Settings.OnlyWhenAway, and a linked character is on
	TooFew     Reason = "too_few"  // fewer than Settings.AtLeast are on
	Cooldown   Reason = "cooldown" // told of the same character a short while ago
	Quiet      Reason = "quiet"    // quiet hours
	NobodyOn   Reason = "nobody"   // a summary with nothing in it
	Closed     Reason = "closed"   // Discord refuses messages to the person; its code follows
	Refused    Reason = "refused"  // Discord refused the message; its code and text follow
)

// Reasons returns all of them.
func Reasons() []Reason {
	return []Reason{Expired, Gone, Unfollowed, Muted, Paused, InGame, TooFew, Cooldown, Quiet, NobodyOn, Closed, Refused}
}

// A Fate is what became of an alert.
type Fate string

// Fates.
const (
	Waiting Fate = "waiting" // to be told, or being told
	Told    Fate = "told"
	Dropped Fate = "dropped"
)

// A Recent is an alert that was told a short while ago, or was not, and why.
type Recent struct {
	Who     event.Character `json:"character"`
	World   event.World     `json:"world"`
	Cause   Cause           `json:"cause"`
	LoginAt time.Time       `json:"login_at"`
	LeftAt  time.Time       `json:"left_at,omitzero"` // once that is certain
	Fate    Fate            `json:"fate"`
	Reason  Reason          `json:"reason,omitempty"` // when Dropped
	Detail  string          `json:"detail,omitempty"` // what followed the reason
	At      time.Time       `json:"at"`               // when it came to that
}
