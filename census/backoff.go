package census

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff grows from base to limit by doubling, with full jitter. Not safe for
// concurrent use.
type backoff struct {
	base, limit time.Duration
	n           int
}

// next returns how long to wait: anything from 0 to the present bound.
func (b *backoff) next() time.Duration {
	bound := min(b.base<<min(b.n, 20), b.limit)
	b.n++
	return rand.N(bound + 1)
}

func (b *backoff) reset() { b.n = 0 }

// jitter returns d, less or more by up to a quarter.
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2+1) }

// sleep waits for d or until ctx ends, and returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ctx.Err()
	}
}
