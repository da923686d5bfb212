package roster

import (
	"sync"

	"muster/event"
)

// maxBatch is how many ids are asked for at once (census 4).
const maxBatch = 50

// maxWanted bounds the ids in memory. What does not fit is dropped: the store
// keeps it as unresolved, and the next poll brings it again.
const maxWanted = 10_000

// wanted holds the characters whose names are to be asked for, each once: those
// that somebody sees now before those that have waited.
type wanted struct {
	mu     sync.Mutex
	seen   []event.CharacterID // on the feed right now
	old    []event.CharacterID
	known  map[event.CharacterID]bool // waiting or being asked for
	change chan struct{}              // holds one when something was added
}

func newWanted() *wanted {
	return &wanted{known: make(map[event.CharacterID]bool), change: make(chan struct{}, 1)}
}

// add puts ids in line, before the old ones if now. Ids that are in line or
// being asked for already, and ids of NPCs and vehicles, are left out.
func (w *wanted) add(now bool, ids ...event.CharacterID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if !id.IsCharacter() || w.known[id] || len(w.known) >= maxWanted {
			continue
		}
		w.known[id] = true
		if now {
			w.seen = append(w.seen, id)
		} else {
			w.old = append(w.old, id)
		}
	}
	select {
	case w.change <- struct{}{}:
	default:
	}
}

// take returns the next ids, at most maxBatch. They count as being asked for
// until done or again is called.
func (w *wanted) take() []event.CharacterID {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := make([]event.CharacterID, 0, maxBatch)
	for _, line := range []*[]event.CharacterID{&w.seen, &w.old} {
		n := min(len(*line), maxBatch-len(batch))
		batch = append(batch, (*line)[:n]...)
		*line = (*line)[n:]
	}
	return batch
}

// waiting returns how many ids are in line.
func (w *wanted) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen) + len(w.old)
}

// done forgets ids that were answered.
func (w *wanted) done(ids []event.CharacterID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		delete(w.known, id)
	}
}

// again puts ids that were not answered back in front.
func (w *wanted) again(ids []event.CharacterID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(append(make([]event.CharacterID, 0, len(ids)+len(w.seen)), ids...), w.seen...)
}
