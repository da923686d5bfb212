package listener

import (
	"sync"

	"muster/bus"
)

// Bounds of the queue between the stream and the bus. States pass the bound, so
// that a hole can always be told of.
const (
	DefaultQueueMessages = 100_000
	DefaultQueueBytes    = 64 << 20
)

// queue holds messages in order until they are published. Its methods are safe
// for concurrent use.
type queue struct {
	maxMessages, maxBytes int

	mu     sync.Mutex
	items  []bus.Message
	bytes  int
	closed bool
	wake   chan struct{} // capacity 1: something is there, or the queue was closed
}

func newQueue(maxMessages, maxBytes int) *queue {
	return &queue{maxMessages: maxMessages, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// add appends m and reports whether there was room. always ignores the bound.
func (q *queue) add(m bus.Message, always bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !always && (len(q.items) >= q.maxMessages || q.bytes+len(m.Body) > q.maxBytes) {
		return false
	}
	q.items = append(q.items, m)
	q.bytes += len(m.Body)
	q.signal()
	return true
}

// roomy reports whether a tenth of the queue is free: enough to go on after
// events were dropped.
func (q *queue) roomy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) <= q.maxMessages/10*9 && q.bytes <= q.maxBytes/10*9
}

// head returns at most n of the oldest messages without removing them. The
// slice is valid until drop is called.
func (q *queue) head(n int) (batch []bus.Message, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items[:min(n, len(q.items)):min(n, len(q.items))], q.closed
}

// drop removes the n oldest messages.
func (q *queue) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range n {
		q.bytes -= len(q.items[i].Body)
		q.items[i] = bus.Message{} // let the bodies go
	}
	q.items = q.items[n:]
	if len(q.items) == 0 {
		q.items = nil
	}
}

// close says that nothing more comes.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) len() int {
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
