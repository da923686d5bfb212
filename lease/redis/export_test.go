package redis

import (
	"sync/atomic"
	"time"
)

// A Skew moves a Locker's clocks, as a suspended machine or a person does.
type Skew struct{ mono, wall atomic.Int64 }

// Mono moves the monotonic clock ahead.
func (s *Skew) Mono(d time.Duration) { s.mono.Add(int64(d)) }

// Wall moves the wall clock.
func (s *Skew) Wall(d time.Duration) { s.wall.Add(int64(d)) }

// Skewed returns c with a clock that s moves.
func Skewed(c Config, s *Skew) Config {
	c.clock = func() instant {
		t := now()
		return instant{t.mono.Add(time.Duration(s.mono.Load())), t.wall.Add(time.Duration(s.wall.Load()))}
	}
	return c
}
