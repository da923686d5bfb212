package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
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
		served <- srv.Serve(&cappedListener{Listener: l, limit: int64(n.cfg.Limits.Clients + spareConns)})
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

// A cappedListener closes at once what comes above its limit, so that idle
// connections cannot use up the process's files.
type cappedListener struct {
	net.Listener
	limit int64
	open  atomic.Int64
}

// Accept is net.Listener's.
func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			return &countedConn{Conn: c, done: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = c.Close() // refused
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
