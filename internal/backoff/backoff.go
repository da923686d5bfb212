// Package backoff waits, and spreads waits so that many do not come at once.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sleep waits for d or until ctx ends, and returns ctx's error, nil if it has none.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return ctx.Err()
}

// Around returns d, less or more by up to a quarter.
func Around(d time.Duration) time.Duration { return d - d/4 + rand.N(d/2+1) }

// UpTo returns anything from half of d to d.
func UpTo(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
