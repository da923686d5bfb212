package notifier

import (
	"fmt"
	"time"

	"muster/event"
)

// A ring keeps the newest events in the order in which they came, bounded in
// time and bytes, so that a reader can go on where it was. Positions count from
// 0 and are never used twice.
type ring struct {
	maxAge   time.Duration
	maxBytes int

	entries []entry // entries[0] has position first
	first   uint64
	bytes   int
	byID    map[string]uint64
	// start is an id that stands for the moment before position startPos; from is
	// the greatest id of which we know that something up to it may be gone.
	start, from string
	startPos    uint64

	evicted func(pos uint64, e *entry) // is told of each entry before it goes; may be nil
}

type entry struct {
	item    event.FeedItem
	subject subject
	frame   *frame
	cameAt  time.Time
}

// entryOverhead is about what an entry costs beside its text, in bytes.
const entryOverhead = 400

func newRing(maxAge time.Duration, maxBytes int, now time.Time) *ring {
	r := &ring{maxAge: maxAge, maxBytes: maxBytes, byID: map[string]uint64{}}
	r.start = pointID(now)
	r.from = r.start
	return r
}

// pointID is the id of a moment at which there need not be an event.
func pointID(t time.Time) string { return fmt.Sprintf("%016x-00000000", uint64(t.UnixNano())) }

// next is the position the next event will get.
func (r *ring) next() uint64 { return r.first + uint64(len(r.entries)) }

func (r *ring) has(id string) bool { _, ok := r.byID[id]; return ok }

// lastID is what a reader that has everything resumes from. It is never empty.
func (r *ring) lastID() string {
	if n := len(r.entries); n > 0 {
		return r.entries[n-1].item.ID
	}
	return r.from
}

// What recentID goes back by, whichever comes first.
const (
	recentAge    = 2 * time.Minute
	recentEvents = 150 // beside experience
)

// recentID is lastID as it was a moment ago.
func (r *ring) recentID(now time.Time) string {
	i := len(r.entries)
	for n := 0; i > 0 && n < recentEvents; i-- {
		e := &r.entries[i-1]
		if now.Sub(e.cameAt) > recentAge {
			break
		}
		if e.frame.class != summary {
			n++
		}
	}
	switch {
	case i > 0:
		return r.entries[i-1].item.ID
	case r.first == r.startPos:
		return r.start
	case len(r.entries) > 0:
		return r.entries[0].item.ID // what was before it has been forgotten
	}
	return r.from
}

// at returns the entry at a position between first and next.
func (r *ring) at(pos uint64) *entry { return &r.entries[pos-r.first] }

// add appends e and makes room for it.
func (r *ring) add(e entry) {
	r.byID[e.item.ID] = r.next()
	r.entries = append(r.entries, e)
	r.bytes += e.cost()
	r.trim(e.cameAt)
}

func (e *entry) cost() int { return len(e.frame.sse) + len(e.item.Detail) + entryOverhead }

// trim drops what is too old at now or too much. The newest event stays.
func (r *ring) trim(now time.Time) {
	n := 0
	for n < len(r.entries)-1 && (r.bytes > r.maxBytes || now.Sub(r.entries[n].cameAt) > r.maxAge) {
		e := &r.entries[n]
		r.tell(n)
		r.bytes -= e.cost()
		delete(r.byID, e.item.ID)
		r.from = max(r.from, e.item.ID)
		r.entries[n] = entry{}
		n++
	}
	r.entries = r.entries[n:]
	r.first += uint64(n)
}

// tell says that the entry with index i goes.
func (r *ring) tell(i int) {
	if r.evicted != nil {
		r.evicted(r.first+uint64(i), &r.entries[i])
	}
}

// hole notes that events were lost before now: whoever resumes from before it
// must hear of it.
func (r *ring) hole(now time.Time) {
	for i := range r.entries {
		r.tell(i)
		r.from = max(r.from, r.entries[i].item.ID)
	}
	r.from = max(r.from, pointID(now))
	r.entries, r.first, r.bytes = nil, r.next(), 0
	r.start, r.startPos = r.from, r.first
	clear(r.byID)
}

// A resumption is where a replay begins.
type resumption struct {
	from     string // the id asked for, "" if it was not one
	position uint64 // the first event to look at
	after    string // replay only ids above it; "" for all
	complete bool   // nothing that followed from is missing

	// catchUp says that the reader was live and fell behind: it did not ask, and is
	// told only of what it loses.
	catchUp bool
	shed    bool // the ring went on faster than the reader: it gets no more experience
}

// resume finds where to go on after id. An id of the ring goes on exactly
// behind it. Another one, which a reader may have from another instance, goes on
// with every greater id; so does one that is too old, or not an id, from as far
// back as there is anything, and that is not complete.
func (r *ring) resume(id string, now time.Time) resumption {
	if pos, ok := r.byID[id]; ok {
		return resumption{from: id, position: pos + 1, complete: true}
	}
	if id == r.start && r.first <= r.startPos {
		return resumption{from: id, position: r.startPos, complete: true}
	}
	at, ok := event.FeedIDTime(id)
	if !ok || at.After(now.Add(clockSkew)) {
		return resumption{position: r.first}
	}
	return resumption{from: id, position: r.first, after: id, complete: id >= r.from}
}

// clockSkew is how far ahead of our clock another instance's may be.
const clockSkew = 10 * time.Second
