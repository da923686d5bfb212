package census

import (
	"math/rand/v2"
	"time"
)

// A retryDelay grows from base to limit by doubling, with full jitter. Not safe for
// concurrent use.
type retryDelay struct {
	base, limit time.Duration
	n           int
}

// next returns how long to wait: anything from 0 to the present bound.
func (b *retryDelay) next() time.Duration {
	bound := min(b.base<<min(b.n, 20), b.limit)
	b.n++
	return rand.N(bound + 1)
}

func (b *retryDelay) reset() { b.n = 0 }
