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
	// earlyMax is how many keys without an event are kept in each of two
	// generations.
	earlyMax = 1 << 16
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

// A ring holds what arrived on our connection and is not known to be safe, in order
// of arrival, each key once. Not safe for concurrent use.
type ring struct {
	byKey          map[event.Key]*waiting
	oldest, newest *waiting
	bytes          int
	// early are keys that were confirmed before their event arrived here, now and
	// in the ringSpan before.
	early, earlier map[event.Key]struct{}
	turned         time.Time
	// passed is the arrival of the newest event that a leader has confirmed: it has
	// come so far.
	passed time.Time
	// gone is what of each world was let go without being confirmed.
	gone map[event.World]span
}

func newRing() *ring {
	return &ring{byKey: map[event.Key]*waiting{}, early: map[event.Key]struct{}{}, gone: map[event.World]span{}}
}

func (r *ring) len() int { return len(r.byKey) }

// add takes w, unless it is known to be safe, and lets the oldest go while there
// are too many. It returns how many went.
func (r *ring) add(w *waiting) (gone int) {
	if _, there := r.byKey[w.key]; there || r.safe(w.key) {
		return 0
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
		r.letGo()
		gone++
	}
	return gone
}

// expire lets go of what came more than ringSpan before now, and returns how much.
func (r *ring) expire(now time.Time) (gone int) {
	for r.oldest != nil && now.Sub(r.oldest.at) > ringSpan {
		r.letGo()
		gone++
	}
	return gone
}

// letGo drops the oldest, which may be in no other place. It remembers when of that
// world was.
func (r *ring) letGo() {
	w := r.oldest
	r.remove(w)
	g, ok := r.gone[w.world]
	if !ok || !g.to.After(r.passed) { // what went before has been overtaken
		g.from = w.at
	}
	g.to = w.at
	r.gone[w.world] = g
}

// lost returns when events of a world were let go that no leader has confirmed.
// A leader confirms in the order of arrival: what arrived before the newest that it
// has, it has too, or never saw.
func (r *ring) lost(w event.World) (s span, ok bool) {
	s, ok = r.gone[w]
	return s, ok && s.to.After(r.passed)
}

// safe reports whether an event was confirmed before it arrived.
func (r *ring) safe(k event.Key) bool {
	_, now := r.early[k]
	_, before := r.earlier[k]
	return now || before
}

// confirm takes the key of an event that is safe. byLeader says that a leader said
// so.
func (r *ring) confirm(k event.Key, byLeader bool, now time.Time) {
	if w, ok := r.byKey[k]; ok {
		r.remove(w)
		if byLeader && w.at.After(r.passed) {
			r.passed = w.at
		}
		return
	}
	r.turn(now)
	r.early[k] = struct{}{}
}

// turn begins a new generation of early keys when the present one is full or old.
func (r *ring) turn(now time.Time) {
	if now.Sub(r.turned) < ringSpan && len(r.early) < earlyMax {
		return
	}
	r.earlier, r.early, r.turned = r.early, map[event.Key]struct{}{}, now
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
	r.byKey, r.oldest, r.newest, r.bytes = map[event.Key]*waiting{}, nil, nil, 0
	clear(r.gone)
	return all
}
