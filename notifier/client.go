package notifier

import (
	"net/netip"
	"slices"
)

// Bounds of what waits for one reader. Whoever is further behind reads the ring.
const (
	maxQueueFrames = 1024
	maxQueueBytes  = 1 << 20
	replayChunk    = 2048      // events of the ring looked at in one go
	replayBytes    = 128 << 10 // bytes of replay handed out in one go
)

// A client is one reader of the feed, whichever way it is connected. But for its
// connection, everything of it is under the hub's lock.
type client struct {
	addr      netip.Addr
	transport string
	wake      chan struct{} // holds one token when there is something to do
	kill      func()        // ends the connection at once; nil if the server does that

	filters []filter
	keys    []indexKey
	stamp   uint64

	// replaying says that c reads the ring, by replay, and gets no items otherwise.
	replaying bool
	replay    resumption

	queue   []*frame
	bytes   int
	items   int    // frames in queue that are not control
	first   uint64 // the ring's position of the first of them
	dropped int    // since the reader was last told
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

// hasRoom reports whether f fits behind what waits already.
func (c *client) hasRoom(f *frame) bool {
	return len(c.queue) == 0 || len(c.queue) < maxQueueFrames && c.bytes+len(f.sse) <= maxQueueBytes
}

// push queues f.
func (c *client) push(f *frame) {
	c.queue = append(c.queue, f)
	c.count(f, 1)
	c.signal()
}

// squeeze queues f and drops for it what matters least: the oldest item, or the
// oldest of all. It returns how many were dropped.
func (c *client) squeeze(f *frame) (lost int) {
	for ; !c.hasRoom(f); lost++ {
		i := max(0, slices.IndexFunc(c.queue, func(f *frame) bool { return f.class != control }))
		c.count(c.queue[i], -1)
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	c.dropped += lost
	c.push(f)
	return lost
}

func (c *client) count(f *frame, sign int) {
	c.bytes += sign * len(f.sse)
	if f.class != control {
		c.items += sign
	}
}

// forget drops from the queue the items that a replay brings again, and whatever
// would move the reader's place ahead of it.
func (c *client) forget(replayed func(*frame) bool) {
	c.queue = slices.DeleteFunc(c.queue, func(f *frame) bool {
		gone := f.id != "" && (f.class == control || replayed(f))
		if gone {
			c.count(f, -1)
		}
		return gone
	})
}

// take empties the queue.
func (c *client) take() (frames []*frame, dropped int, bye bool) {
	frames, c.queue = c.queue, nil
	dropped, c.dropped = c.dropped, 0
	c.bytes, c.items = 0, 0
	return frames, dropped, c.bye
}

// idle reports whether little waits, so that a heartbeat is worth sending.
func (c *client) idle() bool { return len(c.queue) < maxQueueFrames/2 }

// leave asks the reader's connection to say goodbye.
func (c *client) leave() {
	c.bye = true
	c.signal()
}

func (c *client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
