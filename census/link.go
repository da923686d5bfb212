package census

import (
	"errors"
	"time"
)

// A Link says how a stream's connection stands.
type Link struct {
	Up    bool      // there is one, and the game has confirmed the subscription or sent an event
	Since time.Time // since when it is up, or is not
	// Phase is the second within 30 at which the connection's node beats (census
	// 1.3), once two of its heartbeats in a row have agreed; -1 before. The first
	// one comes soon after connecting, whatever the node.
	Phase int
}

func (l *Link) set(up bool, now time.Time) {
	if up == l.Up {
		return
	}
	l.Up, l.Since = up, now
	if !up {
		l.Phase = -1
	}
}

// SamePhase reports whether two phases are those of one node: a heartbeat may
// come a second early or late. What is not known is no phase.
func SamePhase(a, b int) bool {
	if a < 0 || b < 0 {
		return false
	}
	d := (a - b + beatEvery) % beatEvery
	return d <= 1 || d == beatEvery-1
}

// beatEvery is how many seconds lie between two heartbeats of the game.
const beatEvery = 30

// errMove ends a connection in the hope of another node.
var errMove = errors.New("asked to move to another node")

// Link returns how the connection stands. It is safe to call while Run runs.
func (s *Stream) Link() Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// Reconnect asks Run to give the connection up for another one, which may lead to
// another node of the game. It returns at once, and is forgotten where there is no
// connection or the last reconnect was less than MinReconnect ago. It is safe to
// call while Run runs.
func (s *Stream) Reconnect() {
	select {
	case s.move <- struct{}{}:
	default:
	}
}

// phase notes when a heartbeat came. The caller holds mu.
func (s *Stream) phase(seconds int) {
	s.stats.Phase = seconds
	if SamePhase(s.beat, seconds) {
		s.link.Phase = seconds
	}
	s.beat = seconds
}
