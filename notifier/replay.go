package notifier

import (
	"slices"
	"time"
)

// resumed closes a replay: everything up to To has been sent.
type resumed struct {
	From string `json:"from"` // the id asked for, "" if it was not an id
	To   string `json:"to"`
	// Complete says that nothing is missing between From and To. When it is
	// false, take the snapshot again.
	Complete bool `json:"complete"`
}

// startReplay lets c begin again behind id. h.mu is held.
func (h *hub) startReplay(c *client, id string, now time.Time) {
	h.index.remove(c)
	delete(h.behind, c)
	c.forget(func(*frame) bool { return true })
	c.replaying, c.replay = true, h.ring.resume(id, now)
	c.signal()
}

// fallBehind lets c, for whom more came than may wait, go on in the ring with the
// first item that it has not taken. h.mu is held.
func (h *hub) fallBehind(c *client) {
	h.index.remove(c)
	h.behind[c] = struct{}{}
	h.metrics.behind.Inc()
	c.forget(func(f *frame) bool { return h.ring.has(f.id) })
	c.replaying, c.replay = true, resumption{position: c.first, catchUp: true}
	c.signal()
}

// evicted takes the entry at pos, which leaves the ring, from those who are behind
// and have not read it. Experience is lost to them; anything else waits in their
// queue as long as there is room. h.mu is held.
func (h *hub) evicted(pos uint64, e *entry) {
	for c := range h.behind {
		if pos < c.replay.position || !c.wants(e.subject) {
			continue
		}
		c.replay.shed = true
		if e.frame.class == summary {
			h.lose(c)
			continue
		}
		h.squeeze(c, e.frame)
	}
}

// lose counts an item that c does not get.
func (h *hub) lose(c *client) {
	c.dropped++
	h.metrics.dropped.Inc()
}

func (h *hub) resume(c *client, id string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.startReplay(c, id, now)
}

// next returns what is to be written to c now, without waiting: a piece of its
// replay, or what its queue holds. more says that it should be called again
// before waiting for c.wake.
//
// A replay reads the ring bit by bit, as fast as c takes it, and only then does
// c join the live events, under the same lock: nothing falls between, nothing
// comes twice, and nothing waits in memory for a reader that is slow.
func (h *hub) next(c *client) (frames []*frame, more, bye bool) {
	h.mu.Lock()
	catchUp := c.replaying && c.replay.catchUp
	if c.replaying {
		frames = h.replay(c)
		more = c.replaying
	}
	queued, dropped, bye := c.take()
	h.mu.Unlock()
	if dropped > 0 {
		queued = slices.Insert(queued, 0, newControl("", "lag", lag{Dropped: dropped}))
	}
	if catchUp { // what waits is older than what the ring has
		return append(queued, frames...), more, bye
	}
	return append(frames, queued...), more, bye
}

// replay returns the next piece, with resumed behind the last. h.mu is held.
func (h *hub) replay(c *client) []*frame {
	var frames []*frame
	r := &c.replay
	if r.position < h.ring.first { // the ring went on faster than the reader
		r.position, r.complete = h.ring.first, false
	}
	chunk := uint64(replayChunk / max(1, len(c.filters))) // each filter is work under the lock
	end := min(h.ring.next(), r.position+chunk)
	for size := 0; r.position < end && size < replayBytes; r.position++ {
		e := h.ring.at(r.position)
		switch {
		case e.item.ID <= r.after || !c.wants(e.subject):
		case r.shed && e.frame.class == summary:
			h.lose(c)
		default:
			frames = append(frames, e.frame)
			size += len(e.frame.sse)
		}
	}
	if r.position < h.ring.next() {
		return frames
	}
	c.replaying = false
	h.index.add(c)
	delete(h.behind, c)
	if r.catchUp {
		return frames
	}
	to := h.ring.lastID()
	frames = append(frames, h.names.since(r.from)...)
	return append(frames, newControl(to, "resumed", resumed{From: r.from, To: to, Complete: r.complete}))
}
