package notifier

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"muster/event"
)

// streams is what is known of each world's stream, and how much comes over it.
type streams struct {
	state  map[event.World]event.StreamState
	newest map[event.World]time.Time      // arrival at the listener of the newest event
	counts map[event.World]map[string]int // by kind, since the last heartbeat
	rate   map[event.World]map[string]int // per minute, by kind, up to the last heartbeat
	told   map[event.World]event.StreamState
	online map[event.World]int // as the store last said
}

func newStreams() streams {
	return streams{
		state:  map[event.World]event.StreamState{},
		newest: map[event.World]time.Time{},
		counts: map[event.World]map[string]int{},
		told:   map[event.World]event.StreamState{},
	}
}

// streamView is a world's stream as readers see it now.
type streamView struct {
	World       event.World        `json:"world"`
	Name        string             `json:"name"`
	Health      event.StreamHealth `json:"health"`
	Since       time.Time          `json:"since"`
	LastEventAt time.Time          `json:"last_event_at,omitzero"` // arrival of the newest event
	Reason      string             `json:"reason,omitempty"`
	PerMinute   map[string]int     `json:"per_minute,omitzero"` // events by kind, before the last heartbeat
}

func (s *streams) saw(it *event.FeedItem) {
	if at := time.Unix(0, it.ReceivedAt).UTC(); at.After(s.newest[it.World]) {
		s.newest[it.World] = at
	}
	if s.counts[it.World] == nil {
		s.counts[it.World] = map[string]int{}
	}
	s.counts[it.World][it.Kind]++
}

// set takes st if it is the newest word about its world. A word from a clock that
// was ahead and has been set back does not count as newer.
func (s *streams) set(st event.StreamState, now time.Time) {
	last := s.state[st.World].ReportedAt
	if st.World != 0 && (!st.ReportedAt.Before(last) || last.Sub(now) > event.StaleStream) {
		s.state[st.World] = st
	}
}

// view returns the worlds' streams as a reader at now must see them, by world.
func (s *streams) view(now time.Time) []streamView {
	all := make([]streamView, 0, len(s.state))
	for w, st := range s.state {
		st = st.At(now)
		last := st.LastEventAt
		if s.newest[w].After(last) {
			last = s.newest[w]
		}
		all = append(all, streamView{World: w, Name: w.String(), Health: st.Health,
			Since: st.Since, LastEventAt: last, Reason: st.Reason, PerMinute: s.rate[w]})
	}
	slices.SortFunc(all, func(a, b streamView) int { return cmp.Compare(a.World, b.World) })
	return all
}

// changed returns the worlds whose health differs from what was told last.
func (s *streams) changed(now time.Time) []streamView {
	var news []streamView
	for _, v := range s.view(now) {
		told := s.told[v.World]
		if told.Health == v.Health && told.Since.Equal(v.Since) && told.Reason == v.Reason {
			continue
		}
		s.told[v.World] = event.StreamState{Health: v.Health, Since: v.Since, Reason: v.Reason}
		news = append(news, v)
	}
	return news
}

// measure turns what was counted during elapsed into rates, and begins anew.
func (s *streams) measure(elapsed time.Duration) {
	if elapsed <= 0 {
		return
	}
	s.rate, s.counts = s.counts, map[event.World]map[string]int{}
	for w := range s.state {
		if s.rate[w] == nil {
			s.rate[w] = map[string]int{} // nothing came, which is not the same as not known
		}
	}
	for _, kinds := range s.rate {
		for kind, n := range kinds {
			kinds[kind] = int(float64(n)*float64(time.Minute)/float64(elapsed) + 0.5)
		}
	}
}

// setOnline takes what the store counts; nil: it did not answer.
func (h *hub) setOnline(counts map[event.World]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams.online = maps.Clone(counts)
}

// setStreams takes new states and tells clients of the worlds what changed.
func (h *hub) setStreams(states []event.StreamState, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, st := range states {
		h.streams.set(st, now)
	}
	h.tellStreams(now)
}

// tellStreams sends what changed, also by the mere passing of time. h.mu is held.
func (h *hub) tellStreams(now time.Time) {
	for _, v := range h.streams.changed(now) {
		h.broadcast(newControl("", "stream", v), func(f filter) bool { return f.wantsWorld(v.World) })
	}
}

// onlineCounts returns what the store said at the last heartbeat.
func (h *hub) onlineCounts() map[event.World]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams.online // replaced as a whole, never changed
}

func (h *hub) streamViews(now time.Time) []streamView {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams.view(now)
}

// heartbeat is sent to every client, busy or not, so that a page can tell a
// quiet world from a dead connection.
type heartbeat struct {
	Time    int64        `json:"time"` // the server's clock, Unix milliseconds
	LastID  string       `json:"last_id"`
	Streams []streamView `json:"streams"`
	// Online is how many are online by world; absent when the store did not say.
	Online map[event.World]int `json:"online,omitempty"`
}

// beat sends a heartbeat. It carries the newest id, so that a client for whom
// nothing happens still resumes from now and not from long ago.
func (h *hub) beat(now time.Time, elapsed time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.trim(now)
	h.streams.measure(elapsed)
	h.tellStreams(now)
	v := heartbeat{Time: now.UnixMilli(), LastID: h.ring.lastID(), Streams: h.streams.view(now), Online: h.streams.online}
	f, unplaced := newControl(v.LastID, "heartbeat", v), newControl("", "heartbeat", v)
	for c := range h.clients {
		switch {
		case !c.idle():
		case c.replaying: // its place is behind the newest id
			h.push(c, unplaced)
		default:
			h.push(c, f)
		}
	}
}
