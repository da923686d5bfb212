package census

import (
	"time"

	"muster/event"
)

// sightings drops exact duplicates (census 3, S5) and counts what may truly
// repeat. A repetition is taken for real only while its world has not moved on:
// two events of one second arrive together, a duplicate or a replay comes later.
//
// Memory is bounded: two generations of at most sightingsMax keys. The zero
// value is not ready; see newSightings. Not safe for concurrent use.
type sightings struct {
	keep      time.Duration // a key is known for keep to 2*keep
	turned    time.Time
	now, past map[event.Key]uint8
	newest    map[event.World]time.Time // game second, of events that are not ahead
}

// movedOn is how far a world's newest second may be ahead of a repetition;
// 1 s back is normal (census 3, S6).
const movedOn = time.Second

// sightingsMax is how many keys one generation holds. At 1,000 events/s it
// turns early, after 65 s.
const sightingsMax = 1 << 16

func newSightings(keep time.Duration) *sightings {
	return &sightings{keep: keep, now: map[event.Key]uint8{}, past: map[event.Key]uint8{},
		newest: map[event.World]time.Time{}}
}

// reconnected forgets how often things were seen, but not that they were: two
// connections that both show an event show the same one.
func (s *sightings) reconnected() {
	for _, m := range []map[event.Key]uint8{s.now, s.past} {
		for k, n := range m {
			if n != onceOnly {
				delete(m, k)
			}
		}
	}
}

// onceOnly marks events that cannot repeat.
const onceOnly = 255

// see reports whether e is new, and sets its Copy where repetitions are real.
func (s *sightings) see(e *event.Event) bool {
	s.turn(e.ReceivedAt)
	if !e.Future && e.At.After(s.newest[e.World]) {
		s.newest[e.World] = e.At
	}
	key := e.Key()
	n, seen := s.now[key]
	if !seen {
		n, seen = s.past[key]
	}
	if !e.MayRepeat() {
		s.now[key] = onceOnly
		return !seen
	}
	if n >= onceOnly-1 || n > 0 && s.newest[e.World].Sub(e.At) > movedOn {
		return false
	}
	e.Copy = n
	s.now[key] = n + 1
	return true
}

func (s *sightings) turn(now time.Time) {
	if now.Sub(s.turned) < s.keep && len(s.now) < sightingsMax {
		return
	}
	if now.Sub(s.turned) >= 2*s.keep {
		clear(s.now)
	}
	s.past, s.now = s.now, s.past
	clear(s.now)
	s.turned = now
}
