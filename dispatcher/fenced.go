package dispatcher

import (
	"context"
	"sync"

	"muster/event"
)

// fencedMax is how many leaders are remembered that were refused.
const fencedMax = 256

// A fenced remembers which leaders were said to be refused, so that each is said
// once.
type fenced struct {
	mu   sync.Mutex
	said map[event.Fence]struct{}
}

// first reports whether f is refused for the first time.
func (f *fenced) first(by event.Fence) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, said := f.said[by]; said {
		return false
	}
	if f.said == nil || len(f.said) >= fencedMax {
		f.said = map[event.Fence]struct{}{}
	}
	f.said[by] = struct{}{}
	return true
}

// noteFenced counts what storage refused.
func (d *Dispatcher) noteFenced(ctx context.Context, refused []event.Fence) {
	for _, by := range refused {
		d.metrics.fenced.WithLabelValues(by.Lease).Inc()
		if d.fenced.first(by) {
			d.log.WarnContext(ctx, "a leader speaks that has been followed by another, it is not heard", "lease", by.Lease, "term", by.Term)
		}
	}
}
