package game

import (
	"slices"
	"time"
)

// A Delivery says what was written to one connection of the stream.
type Delivery struct {
	// Connection is the connection's id, as a Client's.
	Connection int64
	// ServiceID is what the client called itself, without "s:".
	ServiceID string
	Node      int
	OpenedAt  time.Time
	ClosedAt  time.Time // zero while it is open
	// Events are the numbers of the journal's entries whose message the system has
	// taken for this connection, in that order. That the client read them is not
	// known. A repetition is listed again, an event that a fault changed as well.
	Events []int64
}

// Deliveries returns the connections there have been and what went over each,
// oldest first, if Config.Deliveries is set.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		out[i] = *d
		out[i].Events = slices.Clip(d.Events) // it only grows
	}
	return out
}

// wrote notes that an event went out on c.
func (s *Server) wrote(c *conn, n int64) {
	if c.delivery == nil || n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.delivery.Events = append(c.delivery.Events, n)
}

// Everyone returns every character, in the order they were invented.
func (s *Server) Everyone() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Person, len(s.model.chars))
	for i, c := range s.model.chars {
		out[i] = c.person()
	}
	return out
}
