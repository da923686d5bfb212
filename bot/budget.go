package bot

import (
	"context"

	"golang.org/x/time/rate"
)

const alertsPerSec = 25 // of Discord's 50 requests; the rest is for everything else

// A budget paces the requests of alerts. Those that tell something go before those
// that change a message, however many wait.
type budget struct {
	limit         *rate.Limiter
	first, second chan struct{} // what one request costs is received from one of them
}

func newBudget(perSec int) *budget {
	return &budget{limit: rate.NewLimiter(rate.Limit(perSec), 5), first: make(chan struct{}), second: make(chan struct{})}
}

// run hands out what there is until ctx ends.
func (b *budget) run(ctx context.Context) {
	for b.limit.Wait(ctx) == nil {
		select {
		case b.first <- struct{}{}:
			continue
		default:
		}
		select {
		case b.first <- struct{}{}:
		case b.second <- struct{}{}:
		case <-ctx.Done():
		}
	}
}

// pay waits until a request may be made.
func (b *budget) pay(ctx context.Context, news bool) error {
	from := b.second
	if news {
		from = b.first
	}
	select {
	case <-from:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
