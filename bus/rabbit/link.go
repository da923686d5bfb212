package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/internal/outage"
	"muster/internal/tlsfiles"
)

// Delays between attempts to connect, and limits of single steps.
const (
	reconnectMin = 100 * time.Millisecond
	reconnectMax = 2 * time.Second
	dialLimit    = 5 * time.Second  // TCP
	shakeLimit   = 10 * time.Second // TLS and AMQP
	closeLimit   = 5 * time.Second  // a broker that needs longer is cut off
)

// A link keeps one connection: it dials when one is needed and there is none.
// Publishing and consuming have one each, because a blocked connection must not
// stop acknowledgements (storage notes 2, trap 3).
type link struct {
	bus    *Bus
	name   string
	log    *slog.Logger
	watch  *outage.Outage
	wake   func() // called when conn.blocked or its life has changed
	single chan struct{}
	tasks  sync.WaitGroup

	mu     sync.Mutex
	conn   *conn
	closed bool
}

// A conn is one connection from its beginning to its end.
type conn struct {
	*amqp.Connection
	raw     *socket
	madeAt  time.Time
	blocked atomic.Bool
	stale   atomic.Bool   // the topology must be declared again
	lostAt  time.Time     // when it ended unasked; set before done is closed
	done    chan struct{} // closed when it has ended
}

func newLink(b *Bus, name string, wake func()) *link {
	log := b.log.With("link", name)
	watch := outage.New(log, nil, "message broker does not answer, trying again", "message broker answers again")
	return &link{bus: b, name: name, log: log, watch: watch, wake: wake, single: make(chan struct{}, 1)}
}

// get returns the connection, dialling at most once.
func (l *link) get(ctx context.Context) (*conn, error) {
	select {
	case l.single <- struct{}{}:
		defer func() { <-l.single }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	c, closed := l.conn, l.closed
	l.mu.Unlock()
	if closed {
		return nil, errors.New("the connection was closed")
	}
	if c != nil && !c.IsClosed() {
		if c.stale.Swap(false) {
			if err := l.redeclare(ctx, c); err != nil {
				c.stale.Store(true)
				return nil, err
			}
		}
		return c, nil
	}
	before := c
	if before != nil { // that it is lost is said before that another stands
		select {
		case <-before.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := l.dial(ctx)
	if err != nil {
		// Open returns what no retry helps against; later it may pass.
		if ctx.Err() == nil && (l.bus.standing.Load() || !hopeless(err)) {
			l.watch.Failed(ctx, err)
		}
		return nil, err
	}
	if !l.watch.Answered(ctx) && before != nil && !before.lostAt.IsZero() {
		l.log.InfoContext(ctx, "connection to the message broker stands again", "after", time.Since(before.lostAt).Round(time.Millisecond))
	}
	l.mu.Lock()
	l.conn = c
	l.mu.Unlock()
	return c, nil
}

// dial connects and declares the topology.
func (l *link) dial(ctx context.Context) (*conn, error) {
	cfg := l.bus.cfg
	c := &conn{madeAt: time.Now(), done: make(chan struct{})}
	cut := func() bool { return true }
	secure, err := l.bus.tlsConfig()
	if err != nil {
		return nil, err
	}
	amqpCfg := amqp.Config{
		Heartbeat: cfg.Heartbeat, TLSClientConfig: secure, Recovery: nil, // see the package comment
		Properties: amqp.Table{"product": "muster", "connection_name": cfg.Namespace + " " + l.name},
		Dial: func(network, addr string) (net.Conn, error) {
			raw, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			c.raw = &socket{Conn: raw, limit: 4 * cfg.Heartbeat}
			cut = context.AfterFunc(ctx, func() { _ = raw.Close() }) // ends the handshake
			return c.raw, raw.SetDeadline(time.Now().Add(shakeLimit))
		},
	}
	c.Connection, err = amqp.DialConfig(cfg.URL, amqpCfg)
	if err != nil {
		cut()
		if c.raw != nil {
			_ = c.raw.Close()
		}
		return nil, dialError(err)
	}
	l.tend(c)
	err = l.bus.layout.declare(c, l.bus.log)
	if !cut() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// redeclare makes what somebody has removed.
func (l *link) redeclare(ctx context.Context, c *conn) error {
	return l.await(ctx, func() error { return l.bus.layout.declare(c, l.bus.log) }, nil)
}

// dialError says what a refused handshake means. The driver's errors hold the
// host but never the URL, except those of the parser.
func dialError(err error) error {
	var broker *amqp.Error
	if errors.As(err, &broker) && (broker.Code == amqp.AccessRefused || broker.Code == amqp.NotAllowed) {
		return fmt.Errorf("%w: %s", ErrAccess, broker.Reason)
	}
	if explained := tlsfiles.Explain(err); errors.Is(explained, tlsfiles.ErrTrust) {
		return fmt.Errorf("connect: %w", explained)
	}
	var network *net.OpError
	if broker == nil && !errors.As(err, &network) {
		return fmt.Errorf("connect: %w", scrub(err))
	}
	return fmt.Errorf("connect: %w", err)
}

// tend keeps the connection's notifications flowing until it ends.
func (l *link) tend(c *conn) {
	ended := c.NotifyClose(make(chan *amqp.Error, 1))
	blocked := c.NotifyBlocked(make(chan amqp.Blocking, 1))
	l.bus.meters.connections.WithLabelValues(l.name).Inc()
	connected := l.bus.meters.connected.WithLabelValues(l.name)
	connected.Set(1)
	l.tasks.Go(func() {
		for b := range blocked {
			c.blocked.Store(b.Active)
			l.bus.meters.blocked.run(b.Active)
			if b.Active {
				l.bus.log.Warn("message broker blocks publishing", "reason", b.Reason)
			} else {
				l.bus.log.Info("message broker takes messages again")
			}
			l.wake()
		}
	})
	l.tasks.Go(func() {
		if err := <-ended; err != nil {
			c.lostAt = time.Now()
			l.log.Warn("connection to the message broker lost", "err", err)
		}
		_ = c.raw.Close()
		if c.blocked.Load() {
			l.bus.meters.blocked.run(false)
		}
		connected.Set(0)
		close(c.done)
		l.wake()
	})
}

// kill ends a connection that is taken for dead. It never blocks.
func (c *conn) kill() { _ = c.raw.Close() }

// end closes in good order if the broker answers soon.
func (c *conn) end() {
	t := time.AfterFunc(closeLimit, c.kill)
	defer t.Stop()
	_ = c.Connection.Close() // it is the end either way
	<-c.done
}

// close ends the connection and whatever still waits on it.
func (l *link) close() {
	l.mu.Lock()
	c := l.conn
	l.closed = true
	l.mu.Unlock()
	if c != nil {
		c.end()
	}
	l.tasks.Wait()
}

// channel opens a new channel; every session has its own.
func (l *link) channel(ctx context.Context) (*amqp.Channel, *conn, error) {
	c, err := l.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	var ch *amqp.Channel
	err = l.await(ctx, func() (err error) {
		ch, err = c.Channel()
		return err
	}, func() { _ = ch.Close() })
	if err != nil {
		return nil, nil, fmt.Errorf("open channel: %w", err)
	}
	return ch, c, nil
}

// await runs f, which waits for the broker, but no longer than ctx. If f succeeds
// after that, undo is run.
func (l *link) await(ctx context.Context, f func() error, undo func()) error {
	done := make(chan error)
	l.tasks.Go(func() {
		err := f()
		select {
		case done <- err:
		case <-ctx.Done():
			if err == nil && undo != nil {
				undo()
			}
		}
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// consume begins to take deliveries of a queue that must be acknowledged.
func (l *link) consume(ctx context.Context, ch *amqp.Channel, tag, queue string, prefetch int) (<-chan amqp.Delivery, error) {
	var deliveries <-chan amqp.Delivery
	err := l.await(ctx, func() (err error) {
		if err := ch.Qos(prefetch, 0, false); err != nil {
			return err
		}
		deliveries, err = ch.Consume(queue, tag, false, false, false, false, nil)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return deliveries, nil
}

// cancelConsumer stops deliveries before the channel is closed. Measured on 3.10:
// without it the queue sees the channel's end before its last acknowledgements,
// and delivers again what is settled.
func cancelConsumer(ch *amqp.Channel, c *conn, tag string) {
	t := time.AfterFunc(closeLimit, c.kill)
	defer t.Stop()
	_ = ch.Cancel(tag, false) // what is lost with it comes again
}

// closeChannel closes in good order, or cuts a connection that does not answer.
func closeChannel(ch *amqp.Channel, c *conn) {
	t := time.AfterFunc(closeLimit, c.kill)
	defer t.Stop()
	_ = ch.Close() // it is the end either way
}
