package notifier

import (
	"net"
	"testing"
)

// doorway is a listener through which come the connections of a list.
type doorway struct{ from []string }

func (d *doorway) Accept() (net.Conn, error) {
	if len(d.from) == 0 {
		return nil, net.ErrClosed
	}
	c := &caller{from: d.from[0]}
	d.from = d.from[1:]
	return c, nil
}
func (d *doorway) Close() error   { return nil }
func (d *doorway) Addr() net.Addr { return nil }

type caller struct {
	net.Conn
	from string
}

func (c *caller) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", c.from) // a literal
	return a
}
func (c *caller) Close() error { return nil }

func TestOneAddressCannotTakeEveryConnection(t *testing.T) {
	n := &Notifier{cfg: Config{Limits: Limits{Clients: 5000, ClientsPerAddress: 50}}}
	door := &doorway{}
	l := n.capped(door)
	enter := func(from string, count int) (in []net.Conn) {
		t.Helper()
		for range count {
			door.from = append(door.from, from)
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return in
			}
			in = append(in, c)
		}
	}
	const most = 50 + sparePerAddr
	first := enter("198.51.100.7:1000", 2000)
	if len(first) != most {
		t.Errorf("one address has %d connections, want %d", len(first), most)
	}
	if got := len(enter("[2001:db8::1]:1", 100)) + len(enter("[2001:db8::ffff]:1", 100)); got != most {
		t.Errorf("one IPv6 network has %d connections, want %d", got, most)
	}
	if got := len(enter("198.51.100.8:1", 10)); got != 10 {
		t.Errorf("another address has %d connections, want 10", got)
	}
	for _, proxy := range []string{"127.0.0.1:1", "172.18.0.5:1"} {
		if got := len(enter(proxy, 500)); got != 500 {
			t.Errorf("a proxy at %s has %d connections, want 500", proxy, got)
		}
	}
	for _, c := range first {
		_ = c.Close()
		_ = c.Close()
	}
	if got := len(enter("198.51.100.7:1000", 2000)); got != most {
		t.Errorf("after the first have gone, the address has %d connections, want %d", got, most)
	}
}
