package listener

import (
	"sync"
	"time"

	"muster/bus"
)

// Bounds of the queue between the stream and the bus, in memory. States pass the
// bound, so that a hole can always be told of. What a spool takes does not count.
const (
	DefaultQueueMessages = 100_000
	DefaultQueueBytes    = 64 << 20
)

// queue holds messages in order until they are published: the oldest in the spool,
// if there is one, the rest in memory. Messages are counted from 0 on. The methods
// are safe for concurrent use, except that head and drop belong to one goroutine,
// and spill to one.
type queue struct {
	maxMessages, maxBytes int
	spool                 *spool // nil: memory only

	mu    sync.Mutex
	items []queued
	bytes int
	// first is the number of the oldest message that is not published, inMemory that
	// of items[0]. The spool holds those from onDisk up to offDisk; what of it is
	// below first is published and can go.
	first, inMemory, onDisk, offDisk uint64
	closed                           bool
	wake                             chan struct{} // capacity 1: something is there, or the queue was closed

	batch []bus.Message // what head has returned, used again and again
}

// A queued message, and since when it has waited.
type queued struct {
	bus.Message
	since time.Time
}

func newQueue(maxMessages, maxBytes int) *queue {
	return &queue{maxMessages: maxMessages, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// use puts s behind the queue, which is empty as yet: what s holds of an earlier
// process comes first.
func (q *queue) use(s *spool) {
	q.spool = s
	q.offDisk = uint64(s.len())
	q.inMemory = q.offDisk
	q.signal()
}

// add appends m and reports whether there was room. always ignores the bound. It
// never waits for the disk.
func (q *queue) add(m bus.Message, always bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !always && (len(q.items) >= q.maxMessages || q.bytes+len(m.Body) > q.maxBytes) {
		return false
	}
	q.items = append(q.items, queued{m, time.Now()})
	q.bytes += len(m.Body)
	q.signal()
	return true
}

// roomy reports whether a tenth of the memory is free: enough to go on after
// events were dropped.
func (q *queue) roomy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) <= q.maxMessages/10*9 && q.bytes <= q.maxBytes/10*9
}

// head returns at most n of the oldest messages without removing them. The
// slice is valid until the next call.
func (q *queue) head(n int) (batch []bus.Message, closed bool) {
	for {
		q.mu.Lock()
		closed = q.closed
		stale, spooled := q.spooled()
		if stale == 0 && spooled == 0 {
			q.batch = q.batch[:0]
			for i := range min(n, len(q.items)) {
				q.batch = append(q.batch, q.items[i].Message)
			}
			q.mu.Unlock()
			return q.batch, closed
		}
		q.mu.Unlock()
		if q.fromDisk(stale, min(n, spooled)); len(q.batch) > 0 {
			return q.batch, closed
		}
	}
}

// spooled returns how many messages in the spool are published already, and how many
// are not. The caller holds mu.
func (q *queue) spooled() (stale, waiting int) {
	published := max(q.onDisk, min(q.first, q.offDisk))
	return int(published - q.onDisk), int(q.offDisk - published)
}

// fromDisk drops what is stale from the spool and fills the batch with n of the
// messages that are left there. Those that cannot be read any more are passed over.
func (q *queue) fromDisk(stale, n int) {
	q.batch = q.batch[:0]
	gone := q.spool.drop(stale)
	if gone == stale && n > 0 {
		var lost int
		q.batch, lost = q.spool.read(q.batch, n)
		gone += lost
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if gone == 0 && len(q.batch) == 0 {
		gone = int(q.offDisk - q.onDisk) // the spool is closed, or has been emptied
	}
	q.onDisk += uint64(gone)
	q.first = max(q.first, q.onDisk)
}

// drop removes the n oldest messages.
func (q *queue) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.first += uint64(n)
	if q.first > q.inMemory {
		q.forget(int(q.first - q.inMemory))
	}
}

// forget removes the n oldest messages from memory. The caller holds mu.
func (q *queue) forget(n int) {
	for i := range n {
		q.bytes -= len(q.items[i].Body)
		q.items[i] = queued{} // let the bodies go
	}
	q.items = q.items[n:]
	q.inMemory += uint64(n)
	if len(q.items) == 0 {
		q.items = nil
	}
}

// oldestSince returns since when the oldest message in memory has waited.
func (q *queue) oldestSince() (since time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return time.Time{}, false
	}
	return q.items[0].since, true
}

// due reports whether something has waited for so long, or so much waits, that it
// should go to the spool.
func (q *queue) due(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) > 0 && (now.Sub(q.items[0].since) >= spillAfter ||
		len(q.items) >= q.maxMessages/2 || q.bytes >= q.maxBytes/2)
}

// spill moves what is in memory at this moment to the spool, durably and oldest
// first. What is published meanwhile is not spooled, or dropped from there again.
func (q *queue) spill() error {
	q.mu.Lock()
	end := q.inMemory + uint64(len(q.items))
	q.mu.Unlock()
	for {
		chunk, from := q.oldest(end)
		if len(chunk) == 0 {
			return nil
		}
		if err := q.spool.append(chunk); err != nil {
			return err
		}
		q.spilled(from, len(chunk))
	}
}

// oldest copies as many of the oldest messages in memory as go into one write,
// and tells the number of the first.
func (q *queue) oldest(end uint64) (chunk []bus.Message, from uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes := 0
	for i := range q.items {
		if bytes += len(q.items[i].Body); bytes > spillBytes && i > 0 || q.inMemory+uint64(i) >= end {
			break
		}
		chunk = append(chunk, q.items[i].Message)
	}
	return chunk, q.inMemory
}

// spilled notes that the spool has n messages more, which were in memory.
func (q *queue) spilled(from uint64, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// If messages were published from memory since the last spill, all that the
	// spool held before is published too, and its numbers are free.
	q.onDisk = from - (q.offDisk - q.onDisk)
	q.offDisk = from + uint64(n)
	if q.offDisk > q.inMemory {
		q.forget(int(q.offDisk - q.inMemory))
	}
}

// close says that nothing more comes.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// len returns how many messages are not published, wherever they are.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int(q.inMemory-q.first) + len(q.items)
}

// unsafe returns how many messages are in memory only.
func (q *queue) unsafe() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
