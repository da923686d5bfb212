// Package outage keeps logs short: that something stopped working is said once,
// and once that it works again, however often it is tried in between.
package outage

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// An Outage watches one thing that may stop working. Make it with New; it is safe
// for concurrent use.
type Outage struct {
	log        *slog.Logger
	clock      func() time.Time
	away, back string

	mu    sync.Mutex
	since time.Time // zero while it works
}

// New returns an Outage that says away when the thing stops working, as a
// warning, and back when it works again. A nil clock means time.Now.
func New(log *slog.Logger, clock func() time.Time, away, back string) *Outage {
	if clock == nil {
		clock = time.Now
	}
	return &Outage{log: log, clock: clock, away: away, back: back}
}

// Failed notes that the thing does not work, and why.
func (o *Outage) Failed(ctx context.Context, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		return
	}
	o.since = o.clock()
	o.log.WarnContext(ctx, o.away, "err", err)
}

// Answered notes that the thing works, and reports whether that was said.
func (o *Outage) Answered(ctx context.Context) (said bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return false
	}
	o.log.InfoContext(ctx, o.back, "after", o.clock().Sub(o.since).Round(time.Millisecond))
	o.since = time.Time{}
	return true
}
