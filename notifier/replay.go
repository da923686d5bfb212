package notifier

import "time"

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
	c.replaying, c.replay = true, h.ring.resume(id, now)
	c.signal()
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
	if c.replaying {
		frames = h.replay(c)
		more = c.replaying
	}
	queued, dropped, bye := c.take()
	h.mu.Unlock()
	if dropped > 0 {
		frames = append(frames, newControl("", "lag", lag{Dropped: dropped}))
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
		if e.item.ID > r.after && c.wants(e.subject) {
			frames = append(frames, e.frame)
			size += len(e.frame.sse)
		}
	}
	if r.position < h.ring.next() {
		return frames
	}
	c.replaying = false
	h.index.add(c)
	to := h.ring.lastID()
	frames = append(frames, h.names.since(r.from)...)
	return append(frames, newControl(to, "resumed", resumed{From: r.from, To: to, Complete: r.complete}))
}
