// Package cutproxy is a proxy for tests that stands between a client and a server
// and fails as networks do: it cuts connections, stalls them, swallows what goes
// through in one or both directions, or delays it.
package cutproxy

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Mode is what a proxy does with connections.
type Mode int

// The modes. Each holds for the connections there are as well as for new ones.
const (
	// Pass hands everything on.
	Pass Mode = iota
	// Hang accepts and hands nothing on, in either direction, until the mode
	// changes; what waited is then not lost. So does a cable that is put back.
	Hang
	// Swallow accepts, reads, and throws everything away, in both directions. A
	// connection that has lost something is ended when the mode changes: nobody
	// can go on after a hole.
	Swallow
	// Mute hands on what clients say and throws the server's answers away. A
	// connection that has lost something is ended when the mode changes.
	Mute
	// Cut ends connections, also new ones.
	Cut
)

// String returns the mode's name in lower case.
func (m Mode) String() string {
	if m < Pass || m > Cut {
		return fmt.Sprintf("mode %d", int(m))
	}
	return [...]string{"pass", "hang", "swallow", "mute", "cut"}[m]
}

// A Proxy stands before one server. Its methods are safe for concurrent use and
// do not block. The server need not answer yet, and may come and go.
type Proxy struct {
	network, target string
	listener        net.Listener
	tasks           sync.WaitGroup

	mu             sync.Mutex
	mode           Mode
	delay          time.Duration
	turn           chan struct{} // closed and replaced when the mode changes
	conns          map[net.Conn]struct{}
	accepted, made int
}

// New returns a proxy for the server at target, in mode Pass, on a free port of
// the loopback. network is "tcp" or "unix". The proxy ends with the test, as do
// the connections through it.
func New(t testing.TB, network, target string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{network: network, target: target, listener: ln, turn: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.tasks.Go(p.accept)
	t.Cleanup(func() {
		if err := ln.Close(); err != nil {
			t.Errorf("close proxy: %v", err)
		}
		p.Set(Cut)
		p.tasks.Wait()
	})
	return p
}

// Addr returns the address, host and port, at which the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL returns rawURL, which names the server, so that it leads through the proxy
// instead. It panics if rawURL is no URL.
func (p *Proxy) URL(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic("cutproxy: what should be a URL cannot be read") // not repeated: it may hold a password
	}
	u.Host = p.Addr()
	return u.String()
}

// DSN is URL for a data source name of go-sql-driver/mysql over TCP.
func (p *Proxy) DSN(dsn string) string {
	before, rest, ok := strings.Cut(dsn, "@tcp(")
	_, after, closed := strings.Cut(rest, ")")
	if !ok || !closed {
		panic("cutproxy: what should be a DSN over TCP cannot be read")
	}
	return before + "@tcp(" + p.Addr() + ")" + after
}

// Accepted returns how many connections clients have opened so far, of which the
// server may not know.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Made returns how many connections have reached the server so far.
func (p *Proxy) Made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// Set changes what the proxy does.
func (p *Proxy) Set(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.turn)
	p.turn = make(chan struct{})
	if m == Cut {
		p.cut()
	}
}

// Cut ends the connections there are. New ones are treated as the mode says.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

func (p *Proxy) cut() {
	for c := range p.conns {
		_ = c.Close() // its reader sees the error
	}
}

// Delay holds what passes for d, in each direction. The longer it is, the less
// goes through: one piece of at most 64 KiB at a time.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

// track keeps c, so that it can be cut, counts it, and returns the state it is
// met by.
func (p *Proxy) track(c net.Conn, counter *int) state {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	*counter++
	return state{p.mode, p.delay, p.turn}
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close() // may be closed already
}

func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	now := p.track(client, &p.accepted)
	if now.mode == Swallow { // not even the server hears of it
		swallow(now, client, make([]byte, maxPiece))
		return
	}
	if now.mode == Cut {
		return
	}
	server, err := net.Dial(p.network, p.target)
	if err != nil {
		return
	}
	defer p.drop(server)
	if p.track(server, &p.made).mode == Cut {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pipe(server, client, true) })
	both.Go(func() { p.pipe(client, server, false) })
	both.Wait()
}
