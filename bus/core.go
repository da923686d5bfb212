package bus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// Bounds of the in-process transports where none are given.
const (
	DefaultMaxMessages = 2_000_000
	DefaultMaxBytes    = 1 << 30
	// MaxDeadLetters is how many dead letters a queue keeps; the oldest go first.
	MaxDeadLetters = 10_000
)

// core is what the in-process transports share: queues, listeners, bounds and
// the order in which things end.
type core struct {
	log      *slog.Logger
	topology Topology
	queues   map[string]*queue
	hubs     map[string]*hub

	maxMessages, maxBytes int

	ctx     context.Context // ends when the bus is closed
	cancel  context.CancelFunc
	running sync.WaitGroup // calls in progress

	mu       sync.Mutex
	closed   bool
	messages int // taken and not settled, over all queues
	bytes    int
}

func newCore(t Topology, log *slog.Logger) *core {
	c := &core{
		log: log, topology: t,
		queues: make(map[string]*queue), hubs: make(map[string]*hub),
		maxMessages: DefaultMaxMessages, maxBytes: DefaultMaxBytes,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for _, name := range t.Queues() {
		c.queues[name] = newQueue(name)
	}
	for topic, queues := range t {
		if len(queues) == 0 {
			c.hubs[topic] = newHub()
		}
	}
	return c
}

// enter starts a call; every nil must be followed by running.Done.
func (c *core) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.running.Add(1)
	return nil
}

// shut refuses new calls, ends those that wait, and waits for all. It reports
// whether it was the first to do so.
func (c *core) shut() bool {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	return first
}

// bound returns a context that ends with ctx or with the bus.
func (c *core) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// ended is what a blocking call returns when its context has ended.
func (c *core) ended() error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// reserve counts messages as taken, or takes nothing and returns ErrFull.
func (c *core) reserve(messages, bytes int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.messages+messages > c.maxMessages || c.bytes+bytes > c.maxBytes {
		return fmt.Errorf("%w: %d messages of %d bytes wait, limits %d and %d",
			ErrFull, c.messages, c.bytes, c.maxMessages, c.maxBytes)
	}
	c.messages += messages
	c.bytes += bytes
	return nil
}

func (c *core) release(messages, bytes int) {
	c.mu.Lock()
	c.messages -= messages
	c.bytes -= bytes
	c.mu.Unlock()
}

func (c *core) queue(name string) (*queue, error) {
	q, ok := c.queues[name]
	if !ok {
		return nil, fmt.Errorf("%w: queue %q", ErrTopic, name)
	}
	return q, nil
}

// route checks what does not need the transport and serves broadcast topics.
// It returns the queues that must get a copy, none if all is done.
func (c *core) route(ctx context.Context, topic string, messages []Message) ([]*queue, error) {
	names, ok := c.topology[topic]
	if !ok {
		return nil, fmt.Errorf("%w: topic %q", ErrTopic, topic)
	}
	for _, m := range messages {
		if err := m.Check(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return nil, nil
	}
	if len(names) == 0 {
		c.hubs[topic].publish(messages)
		return nil, nil
	}
	queues := make([]*queue, len(names))
	for i, name := range names {
		queues[i] = c.queues[name]
	}
	return queues, nil
}

// Listen implements Bus.
func (c *core) Listen(ctx context.Context, topic string, ready func(), h func(Message, int)) error {
	hub, ok := c.hubs[topic]
	if !ok {
		return fmt.Errorf("%w: broadcast topic %q", ErrTopic, topic)
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer c.running.Done()
	ctx, stop := c.bound(ctx)
	defer stop()
	hub.listen(ctx, c.log, ready, h)
	return c.ended()
}

// Depth implements Bus. It does not block on the database.
func (c *core) Depth(ctx context.Context, queue string) (int, error) {
	q, err := c.queue(queue)
	if err != nil {
		return 0, err
	}
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.running.Done()
	return q.unsettled(), nil
}
