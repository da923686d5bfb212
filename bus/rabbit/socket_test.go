package rabbit_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"muster/bus/rabbit"
)

// A writes is a connection that remembers what is written and how often.
type writes struct {
	net.Conn
	mu  sync.Mutex
	got [][]byte
	err error
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, bytes.Clone(p))
	return len(p), w.err
}

func (w *writes) SetWriteDeadline(time.Time) error { return nil }

func TestASocketThatHoldsSendsInOrderAndAtOnce(t *testing.T) {
	w := &writes{}
	s := rabbit.NewSocket(w)
	write := func(p ...byte) {
		t.Helper()
		if n, err := s.Write(p); n != len(p) || err != nil {
			t.Fatalf("write: got %d, %v, want all of %d", n, err, len(p))
		}
	}
	write(1)
	s.Hold()
	for i := byte(2); i < 100; i++ {
		write(i)
	}
	if len(w.got) != 1 {
		t.Fatalf("%d writes while it holds, want the one before", len(w.got))
	}
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	write(100)
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	if len(w.got) != 3 || len(w.got[1]) != 98 {
		t.Errorf("%d writes, want 3 with all that was held in the second", len(w.got))
	}
	for i, b := range bytes.Join(w.got, nil) {
		if b != byte(i+1) {
			t.Fatalf("byte %d is %d, want %d", i, b, i+1)
		}
	}
}

func TestWhatASocketHoldsIsBoundedAndItsErrorIsTold(t *testing.T) {
	w := &writes{err: errors.New("broken pipe")}
	s := rabbit.NewSocket(w)
	s.Hold()
	var err error
	written := 0
	for err == nil && written < 10<<20 {
		_, err = s.Write(make([]byte, 1000))
		written += 1000
	}
	if !errors.Is(err, w.err) || written > 64<<10 {
		t.Errorf("after %d bytes: got %v, want the connection's error within 64 KiB", written, err)
	}
	if _, err := s.Write([]byte{1}); err != nil {
		t.Errorf("a write that is held: got %v", err)
	}
	if err := s.Release(); !errors.Is(err, w.err) {
		t.Errorf("release: got %v, want the connection's error", err)
	}
}
