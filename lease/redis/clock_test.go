package redis_test

import (
	"testing"
	"time"

	"muster/lease"
	"muster/lease/redis"
)

func skewed(t *testing.T) (l, other *redis.Locker, s *redis.Skew) {
	t.Helper()
	s = &redis.Skew{}
	cfg := redis.Config{URLs: urls(addrs(t)...), Terms: &terms{}, Prefix: prefix(t)}
	return mustOpen(t, redis.Skewed(cfg, s)), mustOpen(t, cfg), s
}

// Nothing in the process gets a chance to run between the jump and the look, as
// when a suspended machine wakes up within the code that is about to act.
func TestALeaderKnowsAtOnceThatItsTimeIsUp(t *testing.T) {
	tests := []struct {
		name string
		jump func(*redis.Skew)
	}{
		{"by the wall clock", func(s *redis.Skew) { s.Wall(ttl) }},
		{"by the monotonic clock", func(s *redis.Skew) { s.Mono(ttl) }},
	}
	t.Parallel()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, other, s := skewed(t)
			first := mustAcquire(t, l, "x")
			if !lease.Held(first) {
				t.Fatal("lost as soon as acquired")
			}
			test.jump(s)
			if lease.Held(first) {
				t.Error("held though its time is up")
			}
			mustEnd(t, first)
			second := mustAcquire(t, other, "x")
			if second.Term() <= first.Term() {
				t.Errorf("term %d after %d", second.Term(), first.Term())
			}
		})
	}
}

func TestARoleThatOnlyListensIsToldThatItsTimeIsUp(t *testing.T) {
	t.Parallel()
	l, _, s := skewed(t)
	lost := mustAcquire(t, l, "x").Lost()
	s.Wall(ttl)
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("not told; gave up")
	}
}

func TestAClockThatIsSetBackEndsNothing(t *testing.T) {
	t.Parallel()
	l, other, s := skewed(t)
	held := mustAcquire(t, l, "x")
	s.Wall(-time.Hour)
	quiet(t, 2, held, later(t, other, "x"))
}

func TestALeaseShortOfItsEndGoesOn(t *testing.T) {
	t.Parallel()
	l, _, s := skewed(t)
	held := mustAcquire(t, l, "x")
	s.Mono(ttl / 4)
	s.Wall(ttl / 4)
	quiet(t, 1, held, nil)
}
