// Package clock tells the time of day without following at once whoever sets the
// machine's clock.
package clock

import (
	"sync"
	"time"
)

const (
	// slack is how far the machine's clock may be off ours and be followed: clocks are
	// slewed and drift.
	slack = time.Second
	// ahead is how far a stamp may be ahead of its arrival; beyond, one of the two
	// clocks is wrong.
	ahead = 3 * time.Second
	// enough is how far the stamps that speak for the machine's clock must outweigh the
	// others.
	enough = 32
	// How much one stamp weighs: against, for, and for where ours cannot be right.
	weighsAgainst, weighsFor, weighsMuch = 4, 1, 8
)

// A Clock goes on evenly when the machine's clock is set, by hand or by a time service
// gone wrong. It follows only if the stamps of others, which Seen takes, agree better
// with the machine's clock than with ours: then ours was wrong. What is stamped by it
// in one process is so in the right order and at the right distance.
//
// A Clock is safe for concurrent use.
type Clock struct {
	read func() (wall time.Time, since time.Duration)

	mu     sync.Mutex
	wall   time.Time     // of the moment
	at     time.Duration // at which we last did as the machine's clock
	weight int           // of what has lately spoken for the machine's clock
}

// New returns a Clock that shows what the machine's clock does.
func New() *Clock {
	start := time.Now()
	return From(func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start) // Round(0) strips the monotonic reading
	})
}

// From returns a Clock over another machine's clock: read returns what that shows, and
// for how long the machine has run.
func From(read func() (wall time.Time, since time.Duration)) *Clock {
	c := &Clock{read: read}
	c.wall, c.at = read()
	return c
}

// Now returns the time. It has no monotonic reading and needs none; a difference from
// a time that time.Now returned is not to be relied on.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.now()
	return now
}

// Step returns how far the machine's clock is ahead of ours: 0 unless it was set and
// is not followed.
func (c *Clock) Step() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, step := c.now()
	return step
}

// now returns the time and how far the machine's clock is ahead. The caller holds mu.
func (c *Clock) now() (now time.Time, step time.Duration) {
	wall, since := c.read()
	now = c.wall.Add(since - c.at)
	step = wall.Sub(now)
	if step.Abs() > slack {
		return now, step
	}
	c.wall, c.at, c.weight = wall, since, 0
	return wall, 0
}

// Seen takes a time that somebody else stamped on what has just arrived. It reports
// how far ours was set by it, 0 in general.
func (c *Clock) Seen(stamp time.Time) (set time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, step := c.now()
	if step == 0 {
		return 0
	}
	ours, machines := stamp.Sub(now), stamp.Sub(now.Add(step))
	switch {
	case machines.Abs() >= ours.Abs():
		c.weight = max(c.weight-weighsAgainst, 0)
	case ours > ahead && machines <= ahead:
		c.weight += weighsMuch
	default:
		c.weight += weighsFor
	}
	if c.weight < enough {
		return 0
	}
	c.follow()
	return step
}

// Resumed says that a pause is over in which the machine may have slept: time that has
// passed for its clock, but not for ours.
func (c *Clock) Resumed() (set time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, step := c.now(); step > 0 {
		c.follow()
		return step
	}
	return 0
}

func (c *Clock) follow() {
	c.wall, c.at = c.read()
	c.weight = 0
}
