package listener

import (
	"time"

	"muster/event"
)

// recentSeconds is over how long events are counted.
const recentSeconds = 10

// activity counts each world's events of the last ten seconds. Not safe for
// concurrent use.
type activity struct {
	began  time.Time // seconds are counted from here, by the monotonic clock
	worlds map[event.World]*worldActivity
}

type worldActivity struct {
	newest time.Time
	counts [recentSeconds]int
	second [recentSeconds]int64 // that each count is of
}

func newActivity(now time.Time) *activity {
	return &activity{began: now, worlds: map[event.World]*worldActivity{}}
}

// add counts an event of w that arrived at at. Worlds are those that the stream
// was asked for, so there are few.
func (a *activity) add(w event.World, at time.Time) {
	x := a.worlds[w]
	if x == nil {
		x = &worldActivity{}
		a.worlds[w] = x
	}
	second := int64(at.Sub(a.began) / time.Second)
	i := (second%recentSeconds + recentSeconds) % recentSeconds
	if x.second[i] != second {
		x.second[i], x.counts[i] = second, 0
	}
	x.counts[i]++
	x.newest = at
}

// of returns how many events of w came in the last ten seconds, and how long ago
// the newest, negative if there was none.
func (a *activity) of(w event.World, now time.Time) (recent int, idle time.Duration) {
	x := a.worlds[w]
	if x == nil {
		return 0, -1
	}
	second := int64(now.Sub(a.began) / time.Second)
	for i, n := range x.counts {
		if second-x.second[i] < recentSeconds {
			recent += n
		}
	}
	return recent, max(now.Sub(x.newest), 0)
}
