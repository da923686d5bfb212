package census

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"muster/event"
)

func TestAHandshakeWithoutEndIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			sent <- 0
			return
		}
		defer func() { _ = c.Close() }()
		n, line := 0, []byte("X-Bomb: "+strings.Repeat("x", 64<<10)+"\r\n")
		_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		for n < 64<<20 {
			k, err := c.Write(line)
			n += k
			if err != nil {
				break
			}
		}
		sent <- n
	}()
	t.Cleanup(func() { _ = l.Close() })
	s, err := NewStream(StreamConfig{URL: "ws://" + l.Addr().String(), ServiceID: "test", Environment: event.PC})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn, err := s.dial(ctx)
	var refused *refusedError
	if conn != nil || !errors.As(err, &refused) || refused.status != 0 {
		t.Errorf("got %v, %v", conn, err)
	}
	if n := <-sent; n > 16<<20 {
		t.Errorf("the server could send %d bytes of headers", n)
	}
}
