package listener

import (
	"time"

	"muster/event"
	"muster/internal/backoff"
)

// When a leader's stream counts as ill, if another listener's is well. Each
// abdication of the last steadyAfter but one doubles the first two, up to
// patienceMost.
const (
	patienceDown   = 2 * time.Second // without a connection
	patienceSilent = 8 * time.Second // of a world for this listener only
	patienceMost   = 2 * time.Minute
	steadyAfter    = 10 * time.Minute
	// several events that one has and the other has not make the difference; the
	// newest must be recent.
	several      = 3
	recentEnough = 4 * time.Second
	// coolFirst is how long a listener stands back after an abdication; doubled like
	// patience, up to coolMost, less or more by a quarter.
	coolFirst = 10 * time.Second
	coolMost  = 5 * time.Minute
)

// Why a leader abdicates, for the metric and the log.
const (
	illDown   = "not_connected"
	illSilent = "silent_world"
)

// patience returns d, doubled for each recent abdication but the first.
func (l *Listener) patience(d, most time.Duration, now time.Time) time.Duration {
	recent := 0
	for _, at := range l.abdicated {
		if now.Sub(at) < steadyAfter {
			recent++
		}
	}
	return min(d<<min(max(recent-1, 0), 10), most)
}

// ill returns why the lease should go to somebody else: our stream is worse than
// that of another, who is not worse in any way. Empty: it should not. The caller
// holds mu.
func (l *Listener) ill(now time.Time) string {
	link := l.cfg.Stream.Link()
	for _, o := range l.others.fresh(now) {
		if !o.Up || o.Leading() || o.Left {
			continue
		}
		if !link.Up {
			stillThere := o.at.Sub(link.Since) > patienceDown/2 // ours did not take the other's with it
			if stillThere && now.Sub(link.Since) > l.patience(patienceDown, patienceMost, now) {
				return illDown
			}
			continue
		}
		if !o.Cooling && l.silentBeside(o, l.patience(patienceSilent, patienceMost, now), now) {
			return illSilent
		}
	}
	return ""
}

// silentBeside reports whether a world that o has is silent for us, and none that we
// have is silent for o.
func (l *Listener) silentBeside(o *other, patience time.Duration, now time.Time) bool {
	silent := false
	connected := now.Sub(l.cfg.Stream.Link().Since)
	for _, x := range o.Worlds {
		recent, idle := l.active.of(x.World, now)
		if idle < 0 || idle > connected {
			idle = connected
		}
		theirs := x.Idle
		if theirs < 0 {
			theirs = patience
		} else {
			theirs += now.Sub(o.at)
		}
		switch {
		case theirs >= patienceSilent && idle <= recentEnough && recent-x.Recent >= several:
			return false
		case idle >= patience && theirs <= recentEnough && x.Recent-recent >= several:
			silent = true
		}
	}
	return silent
}

// abdicate makes this listener stand back for a while. The caller holds mu.
func (l *Listener) abdicate(reason string, now time.Time) {
	cool := backoff.Around(l.patience(coolFirst, coolMost, now))
	l.abdicated = append(l.abdicated[max(0, len(l.abdicated)-16):], now)
	l.coolUntil = now.Add(cool)
	l.metrics.abdications.WithLabelValues(string(l.env), reason).Inc()
	l.log.Warn("giving the lease up: another listener's stream is better", "reason", reason, "for", cool.Round(time.Second))
}

// How long nobody may lead before a listener takes the lease that would rather leave
// it to another.
const (
	headStart     = time.Second     // doubled for one whose stream is worse
	leaseOutlives = 3 * time.Second // a holder that did not give it back
)

// stands reports whether this listener should try to become leader now. One that is
// ill, or has just abdicated, leaves it to others for as long as one of them may
// take it. The caller holds mu.
func (l *Listener) stands(now time.Time) bool {
	worse := l.worse(now)
	if !worse && !now.Before(l.coolUntil) {
		return true
	}
	left := l.others.leftAt
	if n := len(l.abdicated); n > 0 {
		left = later(left, l.abdicated[n-1])
	}
	wait := headStart
	if worse {
		wait += headStart
	}
	led := later(l.others.ledAt, l.began)
	if left.After(led) {
		return now.Sub(left) > wait
	}
	return now.Sub(led) > wait+leaseOutlives
}

// worse reports whether another listener that does not lead is better off. The
// caller holds mu.
func (l *Listener) worse(now time.Time) bool {
	link := l.cfg.Stream.Link()
	for _, o := range l.others.fresh(now) {
		if !o.Up || o.Left || o.Cooling {
			continue
		}
		if !link.Up || l.silentBeside(o, patienceSilent, now) {
			return true
		}
	}
	return false
}

// covers returns what another listener has of a world that does not flow for us:
// what it sees is in its ring and will be published. The caller holds mu.
func (l *Listener) covers(w event.World, now time.Time) (state event.StreamState, ok bool) {
	for _, o := range l.others.fresh(now) {
		x, has := o.world(w)
		if !has || !o.Up || o.Left || !x.Health.Flowing() {
			continue
		}
		s := event.StreamState{World: w, Health: x.Health, Since: o.since(x.For).UTC()}
		if x.Idle >= 0 {
			s.LastEventAt = o.since(x.Idle).UTC()
		}
		if !ok || s.LastEventAt.After(state.LastEventAt) {
			state, ok = s, true
		}
	}
	return state, ok
}
