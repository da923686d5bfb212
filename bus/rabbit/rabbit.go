// Package rabbit is the bus over RabbitMQ 3.10 or later: a durable topic exchange
// for each topic, quorum queues for work, a dead-letter queue beside each of them,
// and for listeners a server-named queue each, or one stream for all of them.
//
// Connections and channels are supervised here, not by the driver: its own
// recovery acknowledges messages that nobody processed (storage notes 2, trap 1).
package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
	"muster/internal/tlsfiles"
)

// Defaults of Config.
const (
	DefaultNamespace      = "muster"
	DefaultPrefetch       = 4 * bus.MaxBatch
	DefaultWindow         = 1000
	DefaultMaxWaiting     = 50_000
	DefaultHeartbeat      = 3 * time.Second
	DefaultOpenTimeout    = 30 * time.Second
	DefaultConfirmTimeout = 10 * time.Second
	DefaultHoldLimit      = 20 * time.Minute
	DefaultDeliveryLimit  = 1000
)

// Errors a caller branches on, beside those of package bus.
var (
	// ErrTopology says that the broker holds a queue or an exchange of ours with
	// other properties. No retry helps.
	ErrTopology = errors.New("the broker's topology differs")
	// ErrUnroutable says that the broker took a message but had no queue for it.
	// The topology is declared anew, so that publishing again may help.
	ErrUnroutable = errors.New("message is unroutable")
	// ErrAccess says that the broker refused the user, the password, the virtual
	// host, or something that the user has no permission for. No retry helps.
	ErrAccess = errors.New("the broker refuses access")
)

// A Config says how a Bus works. URL and Topology are required; zero values mean
// the defaults above.
type Config struct {
	// URL is amqp://user:password@host:port/vhost, or amqps:// for TLS, where files
	// and names may follow as RabbitMQ's URI specification has them: cacertfile,
	// certfile, keyfile, server_name_indication, auth_mechanism. The files are read
	// again for each connection. The URL's password is in no log and no error.
	URL      string
	Topology bus.Topology
	// Lasting are broadcast topics of Topology that the broker keeps for a while, in
	// a stream: 256 MiB and 15 minutes, in pieces of 16 MiB that go as a whole. Their
	// listeners hear after a lost connection, or a restart of the broker, what they
	// missed meanwhile, and all hear everything in the same order. Those of other
	// topics are told how many messages they missed.
	Lasting []string
	Log     *slog.Logger // nil discards
	// Registerer gets the metrics of the connections; nil registers none.
	Registerer prometheus.Registerer
	// Namespace begins the name of everything on the broker.
	Namespace string
	// Prefetch is how many messages of one queue may be here unsettled.
	Prefetch int
	// Window is how many publishes may be unconfirmed, at most 1,000: more
	// gains nothing (storage notes 2, trap 2).
	Window int
	// MaxWaiting is how many messages may wait in Publish, not yet written;
	// above it Publish returns bus.ErrFull.
	MaxWaiting int
	// RetryMin and RetryMax bound the delays between attempts at one batch:
	// each is twice the one before. 0 means 50 ms and 5 s.
	RetryMin, RetryMax time.Duration
	// Heartbeat is at least 1 s. A silent connection is noticed after three
	// (storage notes 2, trap 7).
	Heartbeat time.Duration
	// OpenTimeout is how long Open waits for a broker that does not answer.
	OpenTimeout time.Duration
	// ConfirmTimeout is how long the broker may owe a confirm, while it has not
	// said that it blocks, before the connection is taken for dead.
	ConfirmTimeout time.Duration
	// HoldLimit is how long a failing batch is retried here before its messages
	// go back to the queue. It must be below the broker's consumer_timeout,
	// which is 30 min by default.
	HoldLimit time.Duration
	// DeliveryLimit is how often the broker delivers one message before it takes
	// it for poison. A lost connection counts for all that was prefetched, so it
	// is a stop-gap and high (storage notes 2, trap 4).
	DeliveryLimit int
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	c.Prefetch = min(positive(c.Prefetch, DefaultPrefetch), 65_535)
	c.Window = min(positive(c.Window, DefaultWindow), DefaultWindow)
	c.MaxWaiting = positive(c.MaxWaiting, DefaultMaxWaiting)
	c.RetryMin = positive(c.RetryMin, 50*time.Millisecond)
	c.RetryMax = max(positive(c.RetryMax, 5*time.Second), c.RetryMin)
	c.Heartbeat = max(positive(c.Heartbeat, DefaultHeartbeat), time.Second)
	c.OpenTimeout = positive(c.OpenTimeout, DefaultOpenTimeout)
	c.ConfirmTimeout = positive(c.ConfirmTimeout, DefaultConfirmTimeout)
	c.HoldLimit = positive(c.HoldLimit, DefaultHoldLimit)
	c.DeliveryLimit = positive(c.DeliveryLimit, DefaultDeliveryLimit)
	return c
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// A Bus is a bus.Bus over RabbitMQ. Several processes may work on one broker;
// their consumers share the queues.
//
// Depth counts what waits in the broker and what is in hand here, but not what
// other processes have in hand.
type Bus struct {
	cfg    Config
	files  tlsfiles.Files
	log    *slog.Logger
	layout layout
	meters *metrics

	pubLink, subLink *link
	pub              *publisher

	ctx    context.Context // ends when Close is called
	cancel context.CancelFunc
	down   context.Context // ends when no call runs any more
	sink   context.CancelFunc

	standing atomic.Bool    // Open has succeeded
	running  sync.WaitGroup // calls in progress
	work     sync.WaitGroup // goroutines of the transport

	mu     sync.Mutex
	closed bool
	subs   map[string]*subscription

	deadMu sync.Mutex // one reader of dead letters at a time
}

var _ bus.Transport = (*Bus)(nil)

// ErrUnreachable says that no broker answered for OpenTimeout.
var ErrUnreachable = errors.New("no broker")

// Open connects, declares the topology, and returns a Bus. A broker that does not
// answer is tried again for OpenTimeout, and the log says so; then the error wraps
// ErrUnreachable. ErrTopology,
// ErrAccess, a certificate that is not trusted and a URL that cannot be read are
// returned at once.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	cfg = cfg.withDefaults()
	address, files, err := readURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open bus: %w", err)
	}
	b := &Bus{
		cfg: cfg, files: files, log: cfg.Log.With("broker", address), layout: newLayout(cfg),
		meters: newMetrics(), subs: make(map[string]*subscription),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.down, b.sink = context.WithCancel(context.Background())
	b.pub = newPublisher(b)
	b.pubLink = newLink(b, linkPublish, b.pub.wake)
	b.subLink = newLink(b, linkConsume, func() {})
	if err = b.meters.register(cfg.Registerer, b); err == nil {
		err = b.connect(ctx)
	}
	if err != nil {
		b.cancel()
		b.sink()
		b.pubLink.close()
		b.subLink.close()
		return nil, fmt.Errorf("open bus at %s: %w", address, err)
	}
	b.work.Go(b.pub.run)
	return b, nil
}

// connect tries both connections until they stand or OpenTimeout is over.
func (b *Bus) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.OpenTimeout, fmt.Errorf("%w within %v", ErrUnreachable, b.cfg.OpenTimeout))
	defer cancel()
	for delay := reconnectMin; ; delay = min(2*delay, reconnectMax) {
		_, err := b.pubLink.get(ctx)
		if err == nil {
			err = b.tryListening(ctx)
		}
		switch {
		case err == nil:
			b.standing.Store(true)
			return nil
		case hopeless(err):
			return err
		}
		if !pause(ctx, nil, delay) {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// hopeless reports whether no retry helps against err.
func hopeless(err error) bool {
	return errors.Is(err, ErrTopology) || errors.Is(err, ErrAccess) || errors.Is(err, tlsfiles.ErrTrust) || errors.Is(err, tlsfiles.ErrFile)
}

// Ready returns why this bus cannot take messages or hand them out now, nil if it can:
// each of its two connections must stand. It waits no longer than ctx.
func (b *Bus) Ready(ctx context.Context) error {
	for _, l := range []*link{b.pubLink, b.subLink} {
		if _, err := l.get(ctx); err != nil {
			return fmt.Errorf("%s connection to the message broker: %w", l.name, err)
		}
	}
	return nil
}

// tryListening finds out whether this user may listen.
func (b *Bus) tryListening(ctx context.Context) error {
	ch, conn, err := b.subLink.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch, conn)
	return b.subLink.await(ctx, func() error { return b.layout.tryListening(ch) }, nil)
}

// Close implements bus.Bus. It must not be called from a handler.
func (b *Bus) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.running.Wait()
	if !first {
		return bus.ErrClosed
	}
	b.sink()
	b.work.Wait()
	b.pubLink.close()
	b.subLink.close()
	return nil
}

// enter starts a call; every nil must be followed by running.Done.
func (b *Bus) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return bus.ErrClosed
	}
	b.running.Add(1)
	return nil
}

// bound returns a context that ends with ctx or with the bus.
func (b *Bus) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// ended is what a blocking call returns when its context has ended.
func (b *Bus) ended() error {
	if b.ctx.Err() != nil {
		return bus.ErrClosed
	}
	return nil
}

// pause waits between a half and the whole of d; false when ctx ended or gone was
// closed first.
func pause(ctx context.Context, gone <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-gone:
		return false
	}
}
