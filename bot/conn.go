package bot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Deadlines of the gateway connection.
const (
	helloWithin  = 20 * time.Second // from the dial to HELLO
	writeWithin  = 10 * time.Second
	silenceBeats = 2.5             // heartbeat intervals without a byte: dead
	longSilence  = 5 * time.Minute // bound of that
)

// A gatewayConn is the socket under one gateway session. It ends by itself when
// the peer is silent for too long, and when the server says op 7 or op 9: the
// session above then sees a read error, never the opcode.
type gatewayConn struct {
	net.Conn
	watch frameWatch
	idle  atomic.Int64 // longest silence, nanoseconds

	mu    sync.Mutex
	cause error
	ended chan struct{}
}

// A closeError is the gateway's close frame.
type closeError struct {
	Code   int
	Reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("gateway closed with %d %s", e.Code, e.Reason)
}

var errClosedHere = errors.New("gateway connection closed by us")

func newGatewayConn(c net.Conn, onHello func()) *gatewayConn {
	g := &gatewayConn{Conn: c, ended: make(chan struct{})}
	g.idle.Store(int64(helloWithin))
	g.watch.onHello = func(interval time.Duration) {
		g.idle.Store(int64(min(longSilence, time.Duration(float64(interval)*silenceBeats))))
		onHello()
	}
	g.watch.onClose = func(code int, reason string) { g.end(&closeError{Code: code, Reason: reason}) }
	return g
}

// Read implements net.Conn.
func (g *gatewayConn) Read(p []byte) (int, error) {
	if err := g.steered(); err != nil {
		return 0, err
	}
	if err := g.SetReadDeadline(time.Now().Add(time.Duration(g.idle.Load()))); err != nil {
		return 0, err
	}
	n, err := g.Conn.Read(p)
	pass, steer := g.watch.feed(p[:n])
	if steer != nil {
		g.end(steer)
		if pass == 0 {
			return 0, steer
		}
		return pass, nil // the next Read returns the error
	}
	if err != nil {
		g.end(fmt.Errorf("gateway: %w", err))
	}
	return n, err
}

// steered returns the error that ended the connection, if it was op 7 or op 9.
func (g *gatewayConn) steered() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var s *steerError
	if errors.As(g.cause, &s) {
		return s
	}
	return nil
}

// Write implements net.Conn.
func (g *gatewayConn) Write(p []byte) (int, error) {
	if err := g.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(p)
	if err != nil {
		g.end(fmt.Errorf("gateway: %w", err))
	}
	return n, err
}

// goodbyeFrame is a close frame with 1000, masked with zeroes as a client may.
var goodbyeFrame = []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}

// sayGoodbye asks the server to end the session and the connection. One Write is
// one whole frame, here and in the library, so that frames do not mix.
func (g *gatewayConn) sayGoodbye() error {
	_, err := g.Write(goodbyeFrame)
	return err
}

// Close implements net.Conn.
func (g *gatewayConn) Close() error {
	g.end(errClosedHere)
	return g.Conn.Close()
}

// end keeps the first cause and tells whoever waits.
func (g *gatewayConn) end(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil {
		g.cause = cause
		close(g.ended)
	}
}

// why returns what ended the connection, nil while it lasts.
func (g *gatewayConn) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// A gatewayDialer makes the one connection of one session.
type gatewayDialer struct {
	onHello func()
	mu      sync.Mutex
	conn    *gatewayConn
	closed  bool
}

// dialPlain is for a stand-in on this machine: the token would be readable.
func (d *gatewayDialer) dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("gateway at %s without TLS refused", host)
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return d.keep(c, err)
}

func (d *gatewayDialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := tunnel{proxy: http.ProxyFromEnvironment}.dial(ctx, network, addr)
	return d.keep(c, err)
}

func (d *gatewayDialer) keep(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(errClosedHere, c.Close())
	}
	d.conn = newGatewayConn(c, d.onHello)
	return d.conn, nil
}

// current returns the connection, nil before there is one.
func (d *gatewayDialer) current() *gatewayConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// ifOpen runs f unless the session was abandoned, which waits for it.
func (d *gatewayDialer) ifOpen(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		f()
	}
}

// abandon ends the connection, also one that is still being made.
func (d *gatewayDialer) abandon() {
	d.mu.Lock()
	d.closed = true
	conn := d.conn
	d.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // it is over either way
	}
}

// isLoopback reports whether host is this machine.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
