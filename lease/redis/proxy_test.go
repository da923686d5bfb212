package redis_test

import (
	"net"
	"sync"
	"testing"
)

// A mode is what a proxy does with connections.
type mode int

const (
	pass mode = iota
	hang      // takes everything and passes nothing on, in either direction
	cut       // ends connections, also new ones
)

// A proxy stands before one server and can fail.
type proxy struct {
	network, target string
	listener        net.Listener

	mu    sync.Mutex
	mode  mode
	turn  chan struct{} // closed and replaced when mode changes
	conns map[net.Conn]struct{}
	tasks sync.WaitGroup
}

func newProxy(t *testing.T, network, target string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{network: network, target: target, listener: ln, turn: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.tasks.Go(p.accept)
	t.Cleanup(func() {
		if err := ln.Close(); err != nil {
			t.Errorf("close proxy: %v", err)
		}
		p.set(cut)
		p.tasks.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set changes what the proxy does, with the connections there are too.
func (p *proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.turn)
	p.turn = make(chan struct{})
	if m == cut {
		for c := range p.conns {
			_ = c.Close() // its reader sees the error
		}
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

// track reports whether c may stay open.
func (p *proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return p.mode != cut
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close() // may be closed already
}

func (p *proxy) serve(client net.Conn) {
	defer p.drop(client)
	if !p.track(client) {
		return
	}
	server, err := net.Dial(p.network, p.target)
	if err != nil {
		return
	}
	defer p.drop(server)
	if !p.track(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
}

func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.wait()
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// wait blocks while the proxy hangs.
func (p *proxy) wait() {
	for {
		p.mu.Lock()
		m, turn := p.mode, p.turn
		p.mu.Unlock()
		if m != hang {
			return
		}
		<-turn
	}
}
