package game

import (
	"encoding/json"
	"time"
)

// An Entry is one event as it truly happened, before any fault touched it.
type Entry struct {
	// N numbers the events from 1, without holes.
	N int64 `json:"n"`
	// At is when it was emitted, by the server's clock.
	At time.Time `json:"at"`
	// Payload is the event as it is sent to clients.
	Payload json.RawMessage `json:"payload"`
	// Lost is set on a login or logout that a fault kept from everybody.
	Lost bool `json:"lost,omitempty"`

	event *wireEvent
}

// A journal keeps the newest events, bounded in number and in bytes; the
// oldest go first. The server's lock guards it.
type journal struct {
	ring     []Entry
	head     int // index of the oldest
	count    int
	bytes    int64
	last     int64 // number of the newest
	maxCount int
	maxBytes int64
}

// entryOverhead is about what an entry costs besides its payload, in bytes.
const entryOverhead = 400

func (e *Entry) size() int64 { return int64(len(e.Payload)) + entryOverhead }

func (j *journal) add(e Entry) int64 {
	j.last++
	e.N = j.last
	for j.count > 0 && (j.count >= j.maxCount || j.bytes+e.size() > j.maxBytes) {
		j.bytes -= j.ring[j.head].size()
		j.ring[j.head] = Entry{}
		j.head = (j.head + 1) % len(j.ring)
		j.count--
	}
	if j.count == len(j.ring) {
		j.grow()
	}
	j.ring[(j.head+j.count)%len(j.ring)] = e
	j.count++
	j.bytes += e.size()
	return e.N
}

func (j *journal) grow() {
	next := make([]Entry, min(max(2*len(j.ring), 1024), max(j.maxCount, 1)))
	for i := range j.count {
		next[i] = j.ring[(j.head+i)%len(j.ring)]
	}
	j.ring, j.head = next, 0
}

// after returns up to limit entries numbered above n, oldest first.
func (j *journal) after(n int64, limit int) []Entry {
	first := j.last - int64(j.count) + 1
	skip := max(n+1-first, 0)
	var out []Entry
	for i := skip; i < int64(j.count) && len(out) < limit; i++ {
		out = append(out, j.ring[(j.head+int(i))%len(j.ring)])
	}
	return out
}

// newest calls f with each entry, newest first, until it returns false.
func (j *journal) newest(f func(*Entry) bool) {
	for i := j.count - 1; i >= 0; i-- {
		if !f(&j.ring[(j.head+i)%len(j.ring)]) {
			return
		}
	}
}
