package listener

import (
	"time"

	"muster/event"
)

// Bounds of the ring. When one is reached the oldest go.
const (
	ringSpan     = 120 * time.Second // of arrival
	ringMessages = 100_000
	ringBytes    = 64 << 20 // of payloads
)

// A waiting event has arrived on our connection and is not known to be safe.
type waiting struct {
	key        event.Key
	at         time.Time // arrival
	world      event.World
	kind       event.Kind
	copyNo     uint8
	payload    []byte
	prev, next *waiting
}

// A ring holds what came while standing by, in order of arrival, each key once.
// Not safe for concurrent use.
type ring struct {
	byKey          map[event.Key]*waiting
	oldest, newest *waiting
	bytes          int
}

func newRing() *ring { return &ring{byKey: map[event.Key]*waiting{}} }

func (r *ring) len() int { return len(r.byKey) }

// add takes w, and lets the oldest go while there are too many.
func (r *ring) add(w *waiting) {
	if _, there := r.byKey[w.key]; there {
		return
	}
	r.byKey[w.key] = w
	r.bytes += len(w.payload)
	if w.prev = r.newest; w.prev != nil {
		w.prev.next = w
	} else {
		r.oldest = w
	}
	r.newest = w
	for len(r.byKey) > ringMessages || r.bytes > ringBytes {
		r.remove(r.oldest)
	}
}

// expire lets go of what came more than ringSpan before now.
func (r *ring) expire(now time.Time) {
	for r.oldest != nil && now.Sub(r.oldest.at) > ringSpan {
		r.remove(r.oldest)
	}
}

func (r *ring) remove(w *waiting) {
	delete(r.byKey, w.key)
	r.bytes -= len(w.payload)
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		r.oldest = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		r.newest = w.prev
	}
	w.prev, w.next = nil, nil
}

// take empties the ring and returns what was in it, the oldest first.
func (r *ring) take() []*waiting {
	all := make([]*waiting, 0, len(r.byKey))
	for w := r.oldest; w != nil; w = w.next {
		all = append(all, w)
	}
	*r = *newRing()
	return all
}
