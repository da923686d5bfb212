package census

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// maxHandshake bounds what is read before the WebSocket stands, in bytes, TLS
// and a proxy's answer included: the library takes headers without end.
const maxHandshake = 256 << 10

var errHandshakeSize = errors.New("the answer is too large")

// A handshakeConn fails once it has read maxHandshake bytes, until established.
type handshakeConn struct {
	net.Conn
	left        int // Read is never called twice at once
	established atomic.Bool
}

// Read is net.Conn's.
func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.established.Load() {
		return c.Conn.Read(p)
	}
	if c.left <= 0 {
		return 0, errHandshakeSize
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// A handshakeDialer makes one connection.
type handshakeDialer struct{ conn *handshakeConn }

func (d *handshakeDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.conn = &handshakeConn{Conn: c, left: maxHandshake}
	return d.conn, nil
}

// established says that the connection has become a WebSocket.
func (d *handshakeDialer) established() { d.conn.established.Store(true) }
