package notifier

import (
	"net/netip"
	"slices"
	"sync"
)

// Bounds of what waits for one reader.
const (
	maxQueueFrames = 1024
	maxQueueBytes  = 1 << 20
	replayChunk    = 2048      // events of the ring looked at in one go
	replayBytes    = 128 << 10 // bytes of replay handed out in one go
)

// A client is one reader of the feed, whichever way it is connected.
type client struct {
	addr      netip.Addr
	transport string
	wake      chan struct{} // holds one token when there is something to do
	kill      func()        // ends the connection at once; nil if the server does that

	// Under the hub's lock.
	filters   []filter
	keys      []indexKey
	stamp     uint64
	replaying bool
	replay    resumption

	mu      sync.Mutex
	queue   []*frame
	bytes   int
	summary int // frames of class summary in queue
	dropped int // since the reader was last told
	bye     bool
}

func newClient(addr netip.Addr, transport string, filters ...filter) *client {
	return &client{addr: addr, transport: transport, filters: filters, wake: make(chan struct{}, 1)}
}

func (c *client) wants(s subject) bool {
	return c.any(func(f filter) bool { return f.matches(s) })
}

// any reports whether one of c's filters satisfies want.
func (c *client) any(want func(filter) bool) bool { return slices.ContainsFunc(c.filters, want) }

// push queues f and never blocks. When the reader is behind it loses the oldest
// experience first, then the oldest event; each loss is counted. It returns how
// many were lost.
func (c *client) push(f *frame) (lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && (len(c.queue) >= maxQueueFrames || c.bytes+len(f.sse) > maxQueueBytes) {
		c.drop()
		lost++
	}
	c.queue = append(c.queue, f)
	c.count(f, 1)
	c.dropped += lost
	c.signal()
	return lost
}

// drop removes the queued frame that matters least. c.mu is held.
func (c *client) drop() {
	least := func(f *frame) bool { return f.class == summary }
	if c.summary == 0 {
		least = func(f *frame) bool { return f.class == urgent }
	}
	i := max(0, slices.IndexFunc(c.queue, least)) // all control: the oldest
	c.count(c.queue[i], -1)
	c.queue = slices.Delete(c.queue, i, i+1)
}

func (c *client) count(f *frame, sign int) {
	c.bytes += sign * len(f.sse)
	if f.class == summary {
		c.summary += sign
	}
}

// take empties the queue.
func (c *client) take() (frames []*frame, dropped int, bye bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames, c.queue = c.queue, nil
	dropped, c.dropped = c.dropped, 0
	c.bytes, c.summary = 0, 0
	return frames, dropped, c.bye
}

// idle reports whether nothing waits, so that a heartbeat is worth sending.
func (c *client) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) < maxQueueFrames/2
}

// leave asks the reader's connection to say goodbye.
func (c *client) leave() {
	c.mu.Lock()
	c.bye = true
	c.mu.Unlock()
	c.signal()
}

func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
