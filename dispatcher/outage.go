package dispatcher

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// An outage says once that something stopped working and once that it works
// again, however often it is tried in between.
type outage struct {
	log        *slog.Logger
	clock      func() time.Time
	away, back string // what it says

	mu    sync.Mutex
	since time.Time // zero while it works
}

func (o *outage) failed(ctx context.Context, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		return
	}
	o.since = o.clock()
	o.log.WarnContext(ctx, o.away, "err", err)
}

func (o *outage) answered(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return
	}
	o.log.InfoContext(ctx, o.back, "after", o.clock().Sub(o.since).Round(time.Millisecond))
	o.since = time.Time{}
}
