package discord

import (
	"encoding/json"
	"sync"
)

// A hub copies what happens to whoever watches the console. Publishing never
// blocks: a subscriber whose buffer is full is closed and must come again.
type hub struct {
	mu    sync.Mutex
	subs  map[chan []byte]struct{}
	ended bool
}

// hubBuffer is the events a slow subscriber may be behind.
const hubBuffer = 256

// publish sends an event as a Server-Sent Event.
func (h *hub) publish(event string, data any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) == 0 {
		return
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return
	}
	line := []byte("event: " + event + "\ndata: " + string(raw) + "\n\n")
	for sub := range h.subs {
		select {
		case sub <- line:
		default:
			delete(h.subs, sub)
			close(sub)
		}
	}
}

// subscribe returns events from now on, and how to stop. The first is nil if
// the hub is closed.
func (h *hub) subscribe() (<-chan []byte, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, func() {}
	}
	sub := make(chan []byte, hubBuffer)
	h.subs[sub] = struct{}{}
	return sub, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.subs[sub]; ok {
			delete(h.subs, sub)
			close(sub)
		}
	}
}

// close ends all subscriptions.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for sub := range h.subs {
		delete(h.subs, sub)
		close(sub)
	}
}
