package listener

import (
	"math/rand/v2"
	"time"

	"muster/census"
)

// How a listener that stands by looks for a node of the game that is not the
// leader's (census 1.1, 1.3).
const (
	moveTries = 3 // for each leader; then it stays
	// moveAfter and up to moveSpread more is how long the two have been seen on one
	// node before a reconnect: standbys should not all move at once.
	moveAfter  = 20 * time.Second
	moveSpread = 40 * time.Second
)

// A mover remembers what was tried.
type mover struct {
	leader string    // whose node we want to leave
	tries  int       // reconnects for it
	due    time.Time // of the next; zero while the nodes differ
}

// move reconnects now and then while the leader is on the same node: what one node
// loses another may have. Our connection is not needed while the leader is well.
func (l *Listener) move(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, link, leader := &l.mover, l.cfg.Stream.Link(), l.others.leader(now)
	if leader == nil || l.leads() {
		return
	}
	if leader.Instance != m.leader {
		*m = mover{leader: leader.Instance}
	}
	switch {
	case !leader.Up || !link.Up || !census.SamePhase(link.Phase, leader.Phase):
		m.due = time.Time{}
	case m.tries >= moveTries:
	case m.due.IsZero():
		m.due = now.Add(moveAfter + rand.N(moveSpread))
	case !now.Before(m.due):
		m.due = time.Time{}
		m.tries++
		l.log.Info("on the same node of the game as the leader, reconnecting", "phase", link.Phase, "try", m.tries, "of", moveTries)
		l.cfg.Stream.Reconnect()
	}
}
