package dispatcher

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// An outage says once that storage stopped answering and once that it answers
// again, however often it is tried in between.
type outage struct {
	log   *slog.Logger
	clock func() time.Time

	mu    sync.Mutex
	since time.Time // zero while storage answers
}

func (o *outage) failed(ctx context.Context, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		return
	}
	o.since = o.clock()
	o.log.WarnContext(ctx, "storage does not answer, events wait in the queue", "err", err)
}

func (o *outage) answered(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return
	}
	o.log.InfoContext(ctx, "storage answers again", "after", o.clock().Sub(o.since).Round(time.Millisecond))
	o.since = time.Time{}
}
