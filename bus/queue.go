package bus

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// chunkBytes bounds one chunk: 1,000 ordinary messages are under half of it, and one of
// the largest messages still passes.
const chunkBytes = 1 << 20

// A chunk is the unit in which the in-process transports store, hand out and
// settle: up to MaxBatch messages that were taken together. A batch is made of
// whole chunks, so nothing is ever settled by halves.
type chunk struct {
	id    int64 // row in the spool, 0 in memory
	seq   int64 // position in its queue, without holes
	n     int   // messages
	bytes int   // as size counts them
	at    time.Time
	// attempts is how often it was delivered, or may have been before a crash.
	attempts int
	kept     bool // counted in Spool.kept
	// messages is nil while the chunk is only in the table.
	messages []Message
}

// size is what a message counts against the bounds, in bytes.
func size(m Message) int { return len(m.ID) + len(m.Key) + len(m.Body) + 8 }

func sizeAll(messages []Message) (n int) {
	for _, m := range messages {
		n += size(m)
	}
	return n
}

// pack cuts messages into chunks within the bounds.
func pack(messages []Message, at time.Time) []*chunk {
	var all []*chunk
	for len(messages) > 0 {
		n, bytes := 0, 0
		for n < len(messages) && n < MaxBatch && (n == 0 || bytes+size(messages[n]) <= chunkBytes) {
			bytes += size(messages[n])
			n++
		}
		all = append(all, &chunk{n: n, bytes: bytes, at: at, messages: messages[:n:n]})
		messages = messages[n:]
	}
	return all
}

// A queue holds the unsettled chunks of one durable queue.
type queue struct {
	name string
	wake chan struct{} // holds a token while chunks may be ready

	consumers atomic.Int64

	mu    sync.Mutex
	next  int64    // seq of the next chunk
	ready []*chunk // by seq; those in the hands of consumers are not here
	depth int      // messages not settled, ready or not
}

func newQueue(name string) *queue {
	return &queue{name: name, wake: make(chan struct{}, 1)}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// add appends chunks in order and wakes a consumer.
func (q *queue) add(chunks ...*chunk) {
	q.mu.Lock()
	for _, c := range chunks {
		c.seq = q.next
		q.next++
		q.depth += c.n
	}
	q.ready = append(q.ready, chunks...)
	q.mu.Unlock()
	q.signal()
}

// take blocks until there is work and returns whole chunks of at most MaxBatch
// messages; nil when ctx ended.
func (q *queue) take(ctx context.Context) []*chunk {
	for {
		if ctx.Err() != nil {
			q.signal() // the token may have been meant for another
			return nil
		}
		if got := q.pop(); got != nil {
			return got
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
		}
	}
}

func (q *queue) pop() []*chunk {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, messages, bytes := 0, 0, 0
	for n < len(q.ready) {
		c := q.ready[n]
		if n > 0 && (messages+c.n > MaxBatch || bytes+c.bytes > BatchBytes) {
			break
		}
		messages, bytes, n = messages+c.n, bytes+c.bytes, n+1
	}
	if n == 0 {
		return nil
	}
	got := slices.Clone(q.ready[:n])
	clear(q.ready[:n])
	q.ready = q.ready[n:]
	if len(q.ready) > 0 {
		q.signal()
	}
	return got
}

// giveBack returns chunks, which are in order, to their place.
func (q *queue) giveBack(chunks []*chunk) {
	q.mu.Lock()
	i, _ := slices.BinarySearchFunc(q.ready, chunks[0].seq, func(c *chunk, seq int64) int {
		return int(c.seq - seq)
	})
	interleaved := i < len(q.ready) && q.ready[i].seq < chunks[len(chunks)-1].seq // with those of another consumer
	q.ready = slices.Insert(q.ready, i, chunks...)
	if interleaved {
		slices.SortFunc(q.ready[i:], func(a, b *chunk) int { return int(a.seq - b.seq) })
	}
	q.mu.Unlock()
	q.signal()
}

// settled takes chunks off the count.
func (q *queue) settled(chunks []*chunk) (messages, bytes int) {
	for _, c := range chunks {
		messages += c.n
		bytes += c.bytes
	}
	q.mu.Lock()
	q.depth -= messages
	q.mu.Unlock()
	return messages, bytes
}

func (q *queue) unsettled() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.depth
}

func (q *queue) state(dead int) QueueState {
	return QueueState{Unsettled: q.unsettled(), Dead: dead, Consumers: int(q.consumers.Load())}
}
