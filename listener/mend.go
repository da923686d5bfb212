package listener

import (
	"time"
)

// When an event that no leader confirms is published by a listener standing by.
const (
	// mendAfter is how long a leader may take. Who stands by takes turns: each leaves
	// mendTurn to the one before it, so that not all of them do it.
	mendAfter = 15 * time.Second
	mendTurn  = 2 * time.Second
	// mendSkew is by how much two connections may differ in order.
	mendSkew = 5 * time.Second
	// mendIdle is how long a leader may be behind that has nothing left to confirm:
	// its node may be late.
	mendIdle = time.Minute
	// mendSoon is how long events wait that came while the leader was not connected.
	mendSoon = time.Second
	// mendBatch bounds how many are published in a second.
	mendBatch = 1000
)

// Why an event was mended, for the metric.
const (
	mendMissed     = "missed"      // the leader confirms others, not this one
	mendLeaderless = "no_leader"   // nobody has led for long
	mendAtTheEnd   = "at_shutdown" // nobody leads, and this process ends
)

// mend publishes what the leader must have missed, as plain facts: they may come
// twice, and no term is needed for them.
func (l *Listener) mend(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leads() {
		return
	}
	l.mendAfter = mendAfter + time.Duration(l.others.before(l.instance, now))*mendTurn
	why, missed := mendMissed, l.missedBy
	if l.others.leader(now) == nil {
		if why, missed = mendLeaderless, l.orphaned; !l.leaderless(now) {
			return
		}
	}
	mended := 0
	for w := l.ring.oldest; w != nil && mended < mendBatch; {
		next := w.next
		if missed(w, now) && l.queue.add(l.message(w), false) {
			l.ring.remove(w)
			mended++
		}
		w = next
	}
	l.noteMended(why, mended, now)
}

// missedBy reports whether the leader has not seen w and will not: it has confirmed
// what came well after, or had nothing left to confirm long after; or it was not
// connected. A leader that is merely slow confirms in order, so it has confirmed
// neither. Only what came since a leader was first heard can be judged.
func (l *Listener) missedBy(w *waiting, now time.Time) bool {
	o := l.others
	switch age := now.Sub(w.at); {
	case w.at.Before(o.firstLed):
		return false
	case age >= l.mendAfter:
		return l.ring.passed.Sub(w.at) >= mendSkew || o.emptied.Sub(w.at) >= mendIdle
	case age >= mendSoon:
		return !o.off.from.IsZero() && !w.at.Before(o.off.from) && (o.off.to.IsZero() || w.at.Before(o.off.to))
	}
	return false
}

// orphaned reports whether w has waited for a leader for too long.
func (l *Listener) orphaned(w *waiting, now time.Time) bool { return now.Sub(w.at) >= l.mendAfter }

// leaderless reports whether it is certain that nobody leads: our own beacons come
// back, and no leader's have come for long.
func (l *Listener) leaderless(now time.Time) bool {
	return now.Sub(l.others.echoed) < freshFor && now.Sub(later(l.others.ledAt, l.began)) >= mendAfter
}

// noteMended counts, and says now and then what it counted. The caller holds mu.
func (l *Listener) noteMended(why string, n int, now time.Time) {
	if n == 0 {
		return
	}
	l.metrics.mended.WithLabelValues(string(l.env), why).Add(float64(n))
	if l.mendedSince += n; now.Sub(l.mendedSaid) < time.Minute {
		return
	}
	l.log.Warn("published events that no leader did", "events", l.mendedSince, "reason", why)
	l.mendedSince, l.mendedSaid = 0, now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
