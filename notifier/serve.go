package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Bounds of one connection.
const (
	headerTimeout  = 5 * time.Second
	idleTimeout    = 60 * time.Second
	answerTimeout  = 15 * time.Second // for an answer that is not the feed
	storeTimeout   = 5 * time.Second
	maxHeaderBytes = 16 << 10
	maxURL         = 8 << 10
	spareConns     = 1000 // connections beside the feed's
	sparePerAddr   = 100  // of them, of one address
)

// listen returns the listener that was handed in, or binds the address.
func (n *Notifier) listen(ctx context.Context) (net.Listener, error) {
	if n.cfg.Listener != nil {
		return n.cfg.Listener, nil
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", n.cfg.Addr)
}

// serve runs the server until ctx ends and then drains it.
func (n *Notifier) serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           n.handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		served <- srv.Serve(n.capped(l))
	}()
	n.log.InfoContext(ctx, "serving", "addr", l.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	n.drain(srv)
	if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	return nil
}

// drain closes the door, says goodbye, and ends what is left when the time is up.
func (n *Notifier) drain(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Limits.Drain)
	defer cancel()
	n.hub.drain()
	err := srv.Shutdown(ctx)
	left := make(chan struct{})
	go func() { n.readers.Wait(); close(left) }()
	select {
	case <-left:
	case <-ctx.Done():
	}
	if err != nil {
		n.log.Warn("readers did not leave in time and were cut off", "err", err)
	}
	_ = srv.Close() // nothing is left that could fail usefully
	n.hub.cut()
	n.readers.Wait()
}

// capped returns l with the caps on connections, of which those of the feed are a
// part. An address of a proxy speaks for many people: the ones that are trusted,
// and those inside, where a proxy may be that was not named, have no cap of their own.
func (n *Notifier) capped(l net.Listener) *cappedListener {
	return &cappedListener{
		Listener: l, limit: n.cfg.Limits.Clients + spareConns,
		limitPerAddr: n.cfg.Limits.ClientsPerAddress + sparePerAddr,
		free:         func(a netip.Addr) bool { return a.IsLoopback() || a.IsPrivate() || n.trusted(a) },
		perAddr:      map[netip.Addr]int{},
	}
}

// A cappedListener closes at once what comes above its limits, so that idle
// connections use up neither the process's files nor the places of others.
type cappedListener struct {
	net.Listener
	limit        int
	limitPerAddr int // of one IPv4 address or IPv6 /64
	free         func(netip.Addr) bool

	mu      sync.Mutex
	open    int
	perAddr map[netip.Addr]int
}

// Accept is net.Listener's.
func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := l.source(c)
		if l.enter(from) {
			return &countedConn{Conn: c, done: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = c.Close() // refused
	}
}

// source returns whom c counts for; the zero address: nobody alone.
func (l *cappedListener) source(c net.Conn) netip.Addr {
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || l.free(peer.Addr().Unmap()) {
		return netip.Addr{}
	}
	return network(peer.Addr().Unmap())
}

func (l *cappedListener) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.limit || from.IsValid() && l.perAddr[from] >= l.limitPerAddr {
		return false
	}
	l.open++
	l.perAddr[from]++
	return true
}

func (l *cappedListener) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.perAddr[from]--; l.perAddr[from] <= 0 {
		delete(l.perAddr, from)
	}
}

type countedConn struct {
	net.Conn
	done func()
}

// Close is net.Conn's.
func (c *countedConn) Close() error {
	c.done()
	return c.Conn.Close()
}
