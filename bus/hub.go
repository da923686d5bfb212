package bus

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// How many messages, and bytes of their bodies, a listener may be behind (see
// Bus.Listen).
const (
	listenerBound = 16384
	listenerBytes = 32 << 20
)

// A hub copies the messages of one broadcast topic to whoever listens.
type hub struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

func newHub() *hub { return &hub{listeners: make(map[*listener]struct{})} }

// publish never blocks for long: listeners have buffers that drop the oldest.
func (h *hub) publish(messages []Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		l.add(messages)
	}
}

func (h *hub) listen(ctx context.Context, log *slog.Logger, ready func(), f func(Message, int)) {
	l := &listener{wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.listeners[l] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.listeners, l)
		h.mu.Unlock()
	}()
	if ready != nil {
		ready()
	}
	for ctx.Err() == nil {
		if m, lost, ok := l.pop(); ok {
			callListener(ctx, log, f, m, lost)
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// callListener keeps a panic from ending the process: one bad message must not
// silence a role.
func callListener(ctx context.Context, log *slog.Logger, f func(Message, int), m Message, lost int) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "listener panicked", "id", m.ID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f(m, lost)
}

// A listener is a ring of messages not yet handed over.
type listener struct {
	wake chan struct{}

	mu   sync.Mutex
	ring []Message // grows by doubling up to listenerBound
	head int
	n    int
	// bytes of the bodies in ring.
	bytes int
	lost  int // since the last pop
}

func (l *listener) add(messages []Message) {
	l.mu.Lock()
	for _, m := range messages {
		l.put(m)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// put appends m. What is beyond the bounds goes, the oldest first.
func (l *listener) put(m Message) {
	for l.n > 0 && (l.n >= listenerBound || l.bytes+len(m.Body) > listenerBytes) {
		l.shift()
		l.lost++
	}
	if l.n == len(l.ring) {
		l.grow()
	}
	l.ring[(l.head+l.n)%len(l.ring)] = m
	l.n++
	l.bytes += len(m.Body)
}

// shift takes the oldest out.
func (l *listener) shift() (m Message) {
	m, l.ring[l.head] = l.ring[l.head], m
	l.head = (l.head + 1) % len(l.ring)
	l.n--
	l.bytes -= len(m.Body)
	return m
}

// grow makes room for more messages.
func (l *listener) grow() {
	bigger := make([]Message, max(16, 2*len(l.ring)))
	for i := range l.n {
		bigger[i] = l.ring[(l.head+i)%len(l.ring)]
	}
	l.ring, l.head = bigger, 0
}

func (l *listener) pop() (m Message, lost int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return Message{}, 0, false
	}
	lost, l.lost = l.lost, 0
	return l.shift(), lost, true
}
