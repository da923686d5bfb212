package rabbit

import (
	"net"
	"sync"
	"time"
)

// heldBytes is how much a socket holds back at most.
const heldBytes = 32 << 10

// A socket is a connection that gives up writing to a peer that does not read, so
// that the driver's locks are not held for ever, and that can hold back what is
// written, so that many frames go as one packet.
type socket struct {
	net.Conn
	limit time.Duration // of one write

	mu      sync.Mutex
	holding bool
	held    []byte
}

// Write implements net.Conn. While the socket holds, its error may be that of an
// earlier write.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holding {
		return s.send(p)
	}
	s.held = append(s.held, p...)
	if len(s.held) < heldBytes {
		return len(p), nil
	}
	return len(p), s.flush()
}

// hold keeps back what is written until release, up to a bound.
func (s *socket) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// release sends what was held back.
func (s *socket) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = false
	return s.flush()
}

func (s *socket) flush() error {
	if len(s.held) == 0 {
		return nil
	}
	_, err := s.send(s.held)
	if s.held = s.held[:0]; cap(s.held) > 4*heldBytes {
		s.held = nil // one large message must not keep its room
	}
	return err
}

func (s *socket) send(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.limit)); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}
