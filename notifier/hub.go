package notifier

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"muster/event"
)

var (
	errFull     = errors.New("the feed has as many readers as it can serve")
	errFullHere = errors.New("too many connections from this address")
	errDraining = errors.New("this instance is going away")
)

var errNotPrepared = errors.New("message could not be prepared")

// A hub takes the events from the bus and gives each to the clients that ask
// for it. Its methods are safe for concurrent use and never wait for a client.
type hub struct {
	epoch   string
	limits  Limits
	metrics *metrics

	mu       sync.Mutex
	ring     *ring
	index    index
	clients  map[*client]struct{}
	behind   map[*client]struct{} // those of clients that catch up from the ring
	perAddr  map[netip.Addr]int
	stamp    uint64
	draining bool
	streams  streams
	names    names
}

func newHub(epoch string, l Limits, m *metrics, now time.Time) *hub {
	h := &hub{
		epoch: epoch, limits: l, metrics: m,
		ring:    newRing(l.RingAge, l.RingBytes, now),
		index:   index{},
		clients: map[*client]struct{}{},
		behind:  map[*client]struct{}{},
		perAddr: map[netip.Addr]int{},
		streams: newStreams(),
		names:   newNames(),
	}
	h.ring.evicted = h.evicted
	return h
}

// join takes c in, or refuses: at a cap the newest goes, never the oldest, or
// everybody would reconnect at once (page notes 1). With resume set, c first
// gets what followed that id. It returns what hello tells c.
func (h *hub) join(c *client, resume string, now time.Time) (hello, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return hello{}, errDraining
	case len(h.clients) >= h.limits.Clients:
		return hello{}, errFull
	case h.perAddr[c.addr] >= h.limits.ClientsPerAddress:
		return hello{}, errFullHere
	}
	h.clients[c] = struct{}{}
	h.perAddr[c.addr]++
	h.metrics.clients.WithLabelValues(c.transport).Inc()
	if resume != "" {
		h.startReplay(c, resume, now)
	} else {
		h.index.add(c)
	}
	return h.hello(now), nil
}

// hello is the first event of a connection.
type hello struct {
	Epoch  string   `json:"epoch"`   // another one: the ring may know less than before
	LastID string   `json:"last_id"` // the newest event's id: resume from here misses nothing
	Time   int64    `json:"time"`    // the server's clock, Unix milliseconds
	Limits limitsIn `json:"limits"`
}

type limitsIn struct {
	Filters       int `json:"filters"`
	ReplaySeconds int `json:"replay_seconds"`
	ReplayBytes   int `json:"replay_bytes"`
	HeartbeatMS   int `json:"heartbeat_ms"`
	QueueEvents   int `json:"queue_events"`
}

// resumeID is the id that hello carries: for a reader who asked to resume, its
// place does not move before the replay has been read.
func (h hello) resumeID(asked string) string {
	if asked != "" {
		return ""
	}
	return h.LastID
}

func (h *hub) hello(now time.Time) hello {
	return hello{
		Epoch: h.epoch, LastID: h.ring.lastID(), Time: now.UnixMilli(),
		Limits: limitsIn{
			Filters:       h.limits.Filters,
			ReplaySeconds: int(h.limits.RingAge.Seconds()),
			ReplayBytes:   h.limits.RingBytes,
			HeartbeatMS:   int(h.limits.Heartbeat.Milliseconds()),
			QueueEvents:   maxQueueFrames,
		},
	}
}

// part forgets c.
func (h *hub) part(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.clients[c]; !ok {
		return
	}
	delete(h.clients, c)
	delete(h.behind, c)
	h.index.remove(c)
	if h.perAddr[c.addr]--; h.perAddr[c.addr] <= 0 {
		delete(h.perAddr, c.addr)
	}
	h.metrics.clients.WithLabelValues(c.transport).Dec()
}

// setFilters changes what a connected client wants.
func (h *hub) setFilters(c *client, filters []filter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index.remove(c)
	c.filters = filters
	if !c.replaying {
		h.index.add(c)
	}
}

// publish gives an item to who wants it. One that the ring already has is a
// redelivery and goes no further. The error says that it cannot be encoded.
func (h *hub) publish(it *event.FeedItem, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ring.has(it.ID) {
		return nil
	}
	h.names.fill(it)
	f, err := newItemFrame(it)
	if err != nil {
		return err
	}
	h.names.await(it, now)
	s := subjectOf(it)
	pos := h.ring.next()
	h.ring.add(entry{item: *it, subject: s, frame: f, cameAt: now})
	h.streams.saw(it)
	h.stamp++
	h.index.each(s, h.stamp, func(c *client) { h.pushItem(c, f, pos) })
	return nil
}

// pushItem queues an item that the ring has at pos. c is live.
func (h *hub) pushItem(c *client, f *frame, pos uint64) {
	if c.items == 0 {
		c.first = pos
	}
	if !c.hasRoom(f) {
		h.fallBehind(c)
		return
	}
	c.push(f)
}

// push queues news of the feed itself. It never waits.
func (h *hub) push(c *client, f *frame) {
	if !c.hasRoom(f) && c.items > 0 && !c.replaying {
		h.fallBehind(c)
	}
	h.squeeze(c, f)
}

func (h *hub) squeeze(c *client, f *frame) { h.metrics.dropped.Add(float64(c.squeeze(f))) }

// tell is push for who does not hold the lock.
func (h *hub) tell(c *client, f *frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.push(c, f)
}

// broadcast gives f to every client for which want says so; nil means all.
func (h *hub) broadcast(f *frame, want func(filter) bool) {
	for c := range h.clients {
		if want == nil || c.any(want) {
			h.push(c, f)
		}
	}
}

// missed notes that n messages of the bus never reached us. Everybody hears
// that, for any of them may have been theirs.
func (h *hub) missed(n int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.hole(now)
	h.broadcast(newControl("", "lag", lag{Dropped: n}), nil)
}

// lag tells a client how many events it did not get.
type lag struct {
	Dropped int `json:"dropped"`
}

// ids are the ids to stream from for somebody who looks at the store now: last
// for what is new, recent to begin with what has just been.
func (h *hub) ids(now time.Time) (last, recent string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ring.lastID(), h.ring.recentID(now)
}

// opened notes that nothing published from now on is missed.
func (h *hub) opened(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.hole(now)
}

// drain refuses newcomers and asks everybody to leave.
func (h *hub) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
	for c := range h.clients {
		c.leave()
	}
}

// cut ends the connections that the server does not.
func (h *hub) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if c.kill != nil {
			c.kill()
		}
	}
}

func (h *hub) filters(c *client) []filter {
	h.mu.Lock()
	defer h.mu.Unlock()
	return c.filters
}

func (h *hub) setKill(c *client, kill func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.kill = kill
}
