package census

import (
	"slices"
	"time"

	"muster/event"
)

// worldHealth is what Health knows of one world.
type worldHealth struct {
	id    event.World
	shown bool // reported to others

	connectedAt    time.Time // of the present or last connection
	firstEvent     time.Time // after a silence or a new connection
	lastEvent      time.Time
	lastDeath      time.Time
	lastExperience time.Time
	offlineAt      time.Time // when its endpoint turned "false"; zero if it has not
	reconciled     time.Time
	lapsedAt       time.Time // since when part of the subscription may be missing; zero if none is
	wasSilent      bool      // silent at the last judgement; the next event begins anew
	failures       int       // reconnects for this world's sake since it last sent
	crowd          crowd
	ages           ages

	health event.StreamHealth
	since  time.Time
}

func newWorldHealth(id event.World, shown bool, now time.Time) *worldHealth {
	return &worldHealth{id: id, shown: shown, connectedAt: now, health: event.StreamDown, since: now}
}

func (w *worldHealth) connected(now time.Time) {
	w.connectedAt, w.firstEvent, w.lapsedAt = now, time.Time{}, time.Time{}
}

func (w *worldHealth) event(e *event.Event, deaths, experience bool) {
	now := e.ReceivedAt
	if w.firstEvent.IsZero() || w.wasSilent {
		w.firstEvent, w.wasSilent = now, false
	}
	w.lastEvent, w.shown = now, true
	switch e.Kind {
	case event.Kill:
		w.lastDeath = now
	case event.Experience:
		w.lastExperience = now
	}
	if (!deaths || w.lastDeath.After(w.connectedAt)) && (!experience || w.lastExperience.After(w.connectedAt)) {
		w.failures = 0
	}
	if !e.Future {
		w.ages.add(now, now.Sub(e.At))
	}
	a, b := e.Present()
	w.crowd.add(a, now)
	w.crowd.add(b, now)
}

// off reports whether the endpoint's "false" is to be believed: events that
// keep coming well after it prove it wrong.
func (w *worldHealth) off(silent bool) bool {
	return !w.offlineAt.IsZero() && (silent || !w.lastEvent.After(w.offlineAt.Add(2*time.Second)))
}

func (w *worldHealth) quietSince(now time.Time) time.Duration {
	return now.Sub(later(w.lastEvent, w.connectedAt))
}

// whole returns up to when the record of a world that has stopped is whole: its last
// event, or earlier if events came late, for those that happened before it and had not
// come yet come no more.
func (w *worldHealth) whole() time.Time {
	late := min(w.ages.quantile(w.lastEvent.Add(-lateSpan), 9, 10), lateMost) // some are older still: replays
	if late <= lateSlack {
		return w.lastEvent
	}
	return w.lastEvent.Add(-late)
}

// lateSlack is how old an event may be when it arrives and yet not be late: stamps are
// whole seconds, and clocks differ. lateSpan is how far back is looked, lateMost how
// late it counts as at most.
const lateSlack, lateSpan, lateMost = 3 * time.Second, 30 * time.Second, 10 * time.Minute

// become notes since when the world is as it is: for silent and down, since the
// last event before, or since the subscription was last known to be whole.
func (w *worldHealth) become(health event.StreamHealth, now time.Time) {
	if health == w.health {
		return
	}
	wasOff := !w.health.Flowing()
	isOff := !health.Flowing()
	w.health, w.wasSilent = health, health == event.StreamSilent
	switch {
	case isOff && wasOff: // one hole, whatever it is called
	case isOff && !w.lapsedAt.IsZero():
		w.since = w.lapsedAt
	case isOff && !w.lastEvent.IsZero():
		w.since = w.whole()
	default:
		w.since = now
	}
}

// A crowd estimates how many characters were active in the last 15 minutes. It
// remembers crowdMax of them; more make no difference to any limit.
type crowd struct {
	seen    map[event.CharacterID]time.Time
	n       int
	counted time.Time
}

const (
	crowdMax  = 1024
	crowdSpan = 15 * time.Minute
	crowdEach = 10 * time.Second // how long a count is good for
)

func (c *crowd) add(id event.CharacterID, now time.Time) {
	if id == 0 {
		return
	}
	if c.seen == nil {
		c.seen = make(map[event.CharacterID]time.Time, 64)
	}
	if _, there := c.seen[id]; !there && len(c.seen) >= crowdMax {
		return
	}
	c.seen[id] = now
}

func (c *crowd) count(now time.Time) int {
	if now.Sub(c.counted) < crowdEach && now.Sub(c.counted) >= 0 {
		return c.n
	}
	for id, at := range c.seen {
		if now.Sub(at) > crowdSpan {
			delete(c.seen, id)
		}
	}
	c.n, c.counted = len(c.seen), now
	return c.n
}

// ages keeps how old recent events were on arrival: at most agesMax of them,
// the oldest overwritten.
type ages struct {
	ring []aged
	next int
}

type aged struct {
	at  time.Time
	age time.Duration
}

const (
	agesMax = 256
	agesMin = 3 // fewer say nothing
)

func (a *ages) add(at time.Time, age time.Duration) {
	if len(a.ring) < agesMax {
		a.ring = append(a.ring, aged{at, age})
		return
	}
	a.ring[a.next] = aged{at, age}
	a.next = (a.next + 1) % agesMax
}

// median returns the median age of what arrived after from, 0 if that is too little.
func (a *ages) median(from time.Time) time.Duration { return a.quantile(from, 1, 2) }

// quantile returns the age that num of den of what arrived after from do not exceed, 0
// if that is too little.
func (a *ages) quantile(from time.Time, num, den int) time.Duration {
	recent := make([]time.Duration, 0, len(a.ring))
	for _, x := range a.ring {
		if x.at.After(from) {
			recent = append(recent, x.age)
		}
	}
	if len(recent) < agesMin {
		return 0
	}
	slices.Sort(recent)
	return recent[len(recent)*num/den]
}
