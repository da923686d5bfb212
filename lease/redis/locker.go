package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"

	"muster/lease"
)

// A Config says what a Locker works with. URLs and Terms are required; the rest
// gets the values named beside it.
type Config struct {
	// URLs are the servers, redis://, rediss:// or unix://: one, or three and more
	// that do not replicate each other. The account needs GET, SET, DEL, PEXPIRE,
	// EVAL, EVALSHA and INFO.
	URLs []string
	// Terms mints the fencing tokens.
	Terms lease.TermSource
	// TTL is how long a lease outlives a holder that was killed: 3 s; at least 500 ms.
	TTL time.Duration
	// RenewEvery is when it is extended: each TTL/3; at most that.
	RenewEvery time.Duration
	// StartWithin bounds how long Open waits for servers that are missing: 60 s.
	StartWithin time.Duration
	// Prefix begins every key: "muster:lease:".
	Prefix string
	Log    *slog.Logger // slog.DiscardHandler

	clock func() instant // of the system
}

func (c Config) withDefaults() Config {
	c.TTL = cmp.Or(c.TTL, 3*time.Second)
	c.RenewEvery = cmp.Or(c.RenewEvery, c.TTL/3)
	c.StartWithin = cmp.Or(c.StartWithin, time.Minute)
	c.Prefix = cmp.Or(c.Prefix, "muster:lease:")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.clock == nil {
		c.clock = now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Terms == nil:
		return errors.New("lease needs a source of terms")
	case len(c.URLs) != 1 && len(c.URLs) < 3:
		return fmt.Errorf("lease needs one server, or three or more: got %d", len(c.URLs))
	case c.TTL < 500*time.Millisecond:
		return fmt.Errorf("time of a lease %v is below 500ms", c.TTL)
	case c.RenewEvery < 0 || c.RenewEvery > c.TTL/3:
		return fmt.Errorf("a lease of %v must be renewed each %v at least, not each %v", c.TTL, c.TTL/3, c.RenewEvery)
	}
	return nil
}

// callTimeout bounds one request to the servers: 200 ms, or less for a short TTL.
func (c Config) callTimeout() time.Duration { return min(200*time.Millisecond, c.TTL/5) }

// lasts is how long a holder believes in a lease, from before the request that
// got it on: redsync's allowance for clocks that run at different speeds, and
// TTL/6 to put down what it is doing.
func (c Config) lasts() time.Duration { return c.TTL - c.TTL/100 - c.TTL/6 }

// Pauses between two looks of a waiter. Their length differs so that waiters do
// not try at the same time again and again.
const (
	pollMin = 100 * time.Millisecond
	pollMax = 250 * time.Millisecond
	// termPause follows a lease that was given back because there was no term.
	termPause = 2 * time.Second
	// termTimeout bounds the wait for a term while the lease is kept.
	termTimeout = 10 * time.Second
)

// A Locker implements lease.Locker.
type Locker struct {
	cfg     Config
	servers []*server
	sync    *redsync.Redsync
	closing context.Context
	close   context.CancelFunc

	mu     sync.Mutex
	closed bool
	users  sync.WaitGroup           // calls of Acquire, and leases
	turns  map[string]chan struct{} // by name; holds one while someone here tries or leads
}

// ErrUnreachable says that no majority of the servers answered for StartWithin.
var ErrUnreachable = errors.New("lease servers are missing")

// Open connects. It waits until a majority of the servers answers, says so while
// it does, and gives up after StartWithin, with ErrUnreachable, or when ctx ends;
// ErrAccess it returns at once. No error and no line
// of the log holds a password. go-redis' own log, which is one for the whole
// process, is turned off: what matters of it is said through Config.Log.
func Open(ctx context.Context, cfg Config) (*Locker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	servers, err := connect(cfg)
	if err != nil {
		return nil, err
	}
	l := &Locker{cfg: cfg, servers: servers, turns: map[string]chan struct{}{}}
	l.closing, l.close = context.WithCancel(context.Background())
	pools := make([]redsyncredis.Pool, len(servers))
	for i, s := range servers {
		pools[i] = s
	}
	l.sync = redsync.New(pools...)
	if err := l.await(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Acquire implements lease.Locker. While servers or the source of terms are
// missing it keeps trying. A Lease's Lost looks at the clocks before it returns,
// so lease.Held says what is true at that moment, for less than a microsecond.
func (l *Locker) Acquire(ctx context.Context, name string) (lease.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	turn, err := l.enter(name)
	if err != nil {
		return nil, err
	}
	defer l.users.Done()
	waitCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closing, cancel)()
	for {
		select {
		case turn <- struct{}{}:
		case <-waitCtx.Done():
			return nil, l.ended(ctx)
		}
		held, wait := l.try(waitCtx, name, turn)
		if held != nil {
			return held, nil
		}
		if !pause(waitCtx, wait) {
			return nil, l.ended(ctx)
		}
	}
}

// Ready returns why no lease can be had or kept now, nil if one can: a majority of the
// servers must answer.
func (l *Locker) Ready(ctx context.Context) error {
	missing, _, err := l.missing(ctx)
	if err == nil && len(l.servers)-len(missing) < l.majority() {
		return l.lacking(missing)
	}
	return err
}

// ended says why a wait is over.
func (l *Locker) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return lease.ErrClosed
}

// enter counts a user, and returns what those of one name take turns by.
func (l *Locker) enter(name string) (chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, lease.ErrClosed
	}
	l.users.Add(1)
	turn, ok := l.turns[name]
	if !ok {
		turn = make(chan struct{}, 1)
		l.turns[name] = turn
	}
	return turn, nil
}

// try makes one attempt. It passes the turn on to the lease, or gives it back
// and says how long to wait before the next.
func (l *Locker) try(ctx context.Context, name string, turn chan struct{}) (*held, time.Duration) {
	key := l.cfg.Prefix + name
	wait := pollMin + mrand.N(pollMax-pollMin)
	if !l.free(ctx, key) {
		<-turn
		return nil, wait
	}
	value := rand.Text()
	began := l.cfg.clock()
	// Returning early cuts short what is on its way to the other servers, so this
	// mutex only locks; keeper reaches all of them.
	err := l.sync.NewMutex(key, redsync.WithExpiry(l.cfg.TTL), redsync.WithTries(1), redsync.WithFailFast(true),
		redsync.WithTimeoutFactor(float64(l.cfg.callTimeout())/float64(l.cfg.TTL)),
		redsync.WithGenValueFunc(func() (string, error) { return value, nil })).TryLockContext(ctx)
	keeper := l.sync.NewMutex(key, redsync.WithExpiry(l.cfg.TTL), redsync.WithSetNXOnExtend(), redsync.WithValue(value))
	if err != nil {
		l.unlock(keeper)
		<-turn
		return nil, wait
	}
	h := l.hold(name, keeper, began, turn)
	term, err := l.term(ctx, h)
	if err != nil {
		if ctx.Err() == nil {
			l.cfg.Log.Warn("lease is given back: no term for it", "lease", name, "err", err)
			wait = termPause
		}
		h.Release()
		return nil, wait
	}
	h.term = term
	if h.lasts() && ctx.Err() == nil {
		return h, 0
	}
	h.Release()
	return nil, wait
}

// term mints one while the lease is kept. It gives up when the lease is lost.
func (l *Locker) term(ctx context.Context, h *held) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, termTimeout)
	defer cancel()
	defer context.AfterFunc(h.life, cancel)()
	term, err := l.cfg.Terms.NextTerm(ctx, h.name)
	if err == nil && term <= 0 {
		err = fmt.Errorf("term %d is not above zero", term)
	}
	return term, err
}

// unlock deletes what is ours on every server.
func (l *Locker) unlock(m *redsync.Mutex) {
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.callTimeout())
	defer cancel()
	// Whether it came through or not, the key is gone after the TTL; a server that
	// does not answer has been told of.
	_, _ = m.UnlockContext(ctx)
}

// Close implements lease.Locker. It takes less than a second. Closing twice does
// nothing.
func (l *Locker) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	l.close()
	l.users.Wait()
	var errs []error
	for _, s := range l.servers {
		if err := s.client.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close lease server %s: %w", s.addr, err))
		}
	}
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
