package cutproxy

import (
	"net"
	"time"
)

// maxPiece bounds what is read at once, in bytes.
const maxPiece = 64 << 10

// A state is what the proxy does at one moment.
type state struct {
	mode  Mode
	delay time.Duration
	turn  <-chan struct{} // closed when the mode changes
}

func (p *Proxy) state() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return state{p.mode, p.delay, p.turn}
}

// pipe carries one direction until either side ends, and then ends both.
func (p *Proxy) pipe(to, from net.Conn, up bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, maxPiece)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		now := p.pass(up)
		if now.mode == Cut {
			return
		}
		if now.mode == Swallow || now.mode == Mute && !up {
			swallow(now, from, buf)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// pass waits while the proxy hangs, and for the delay, and returns the state in
// which what was read is to be treated.
func (p *Proxy) pass(up bool) state {
	now := p.state()
	if now.mode == Swallow || now.mode == Mute && !up {
		return now
	}
	if now.delay > 0 {
		time.Sleep(now.delay)
		now = p.state()
	}
	for now.mode == Hang {
		<-now.turn
		now = p.state()
	}
	return now
}

// swallow reads and throws away until from ends or the mode changes.
func swallow(now state, from net.Conn, buf []byte) {
	ended := make(chan struct{})
	defer func() {
		_ = from.Close() // ends the reader
		<-ended
	}()
	go func() {
		defer close(ended)
		for {
			if _, err := from.Read(buf); err != nil {
				return
			}
		}
	}()
	select {
	case <-now.turn:
	case <-ended:
	}
}
