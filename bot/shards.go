package bot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/internal/backoff"
	"muster/lease"
)

// A ShardStore is where bot processes learn of each other.
type ShardStore interface {
	// ShareShards notes that process me is there, and returns how many are that were seen
	// within life, and by how many shards all of them go.
	ShareShards(ctx context.Context, me int64, want int, exact bool, life time.Duration) (shards, bots int, err error)
	LeaveShards(ctx context.Context, me int64) error
}

// A shardSet holds this process's share of Discord's shards, each under a lease of its
// own and with a gateway session of its own (discord notes 5). Processes that share a
// Locker divide the shards evenly: whoever has more than its share gives one after
// another up, and the shards of one that dies go to the others when their leases end.
type shardSet struct {
	b      *Bot
	locker lease.Locker
	alone  bool  // there are no other processes
	me     int64 // tells this process from others

	mu      sync.Mutex
	changed chan struct{} // closed and made anew when one of the following changes
	share   int
	bots    int
	held    map[int]context.CancelFunc // by shard: gives it up
	up      map[int]time.Time          // since when the session is ready
}

func newShardSet(b *Bot) *shardSet {
	s := &shardSet{b: b, locker: b.cfg.Locker, me: 1 + rand.Int64N(1<<62), changed: make(chan struct{}),
		held: map[int]context.CancelFunc{}, up: map[int]time.Time{}}
	if s.locker == nil {
		s.locker, s.alone = lease.NewMemory(), true
	}
	return s
}

// errOtherCount says that all processes go by another number of shards now.
var errOtherCount = errors.New("another number of shards")

// run keeps this process's shards until ctx ends (nil) or Discord forbids it
// (*FatalError).
func (s *shardSet) run(ctx context.Context) error {
	want, err := s.recommended(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	defer s.leave()
	for ctx.Err() == nil {
		n, ok := s.plan(ctx, want)
		if !ok {
			return nil
		}
		want = n
		s.b.log.Info("shards", "count", n, "share", s.shareNow())
		if err := s.hold(ctx, n); err != nil && !errors.Is(err, errOtherCount) {
			return err
		}
	}
	return nil
}

// recommended returns how many shards there are to be: as configured, or as Discord
// says.
func (s *shardSet) recommended(ctx context.Context) (int, error) {
	if n := s.b.cfg.Shards; n > 0 {
		return n, nil
	}
	for delay := s.b.cfg.ReconnectMin; ; delay = min(2*delay, s.b.cfg.ReconnectMax) {
		g, err := s.b.rest.gatewayBot(ctx)
		if err == nil {
			return min(max(g.Shards, 1), maxShards), nil
		}
		if fatal := fatalGateway(err); fatal != nil {
			return 0, fatal
		}
		if ctx.Err() != nil {
			return 0, nil
		}
		s.b.log.Warn("not known how many shards there are to be, trying again", "err", s.b.redact.err(err), "in", delay)
		if backoff.Sleep(ctx, backoff.UpTo(delay)) != nil {
			return 0, nil
		}
	}
}

// leastShardsLife is how long a process may say nothing, at least, before it is gone.
const leastShardsLife = 6 * time.Second

// maxShards bounds what is believed of an answer.
const maxShards = 10_000

// plan tells the others that this process is there and sets its share; false: ctx has
// ended first.
func (s *shardSet) plan(ctx context.Context, want int) (shards int, ok bool) {
	for {
		shards, err := s.planOnce(ctx, want)
		if err == nil {
			return shards, true
		}
		s.b.log.Warn("other bots not heard of, trying again", "err", err)
		if backoff.Sleep(ctx, s.b.cfg.ShardsEvery) != nil {
			return 0, false
		}
	}
}

func (s *shardSet) planOnce(ctx context.Context, want int) (shards int, err error) {
	shards, bots := want, 1
	if !s.alone {
		if shards, bots, err = s.b.cfg.Store.ShareShards(ctx, s.me, want, s.b.cfg.Shards > 0, max(3*s.b.cfg.ShardsEvery, leastShardsLife)); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bots = max(bots, 1)
	if share := (shards + s.bots - 1) / s.bots; share != s.share {
		s.share = share
		s.notify()
	}
	return shards, nil
}

// leave tells the others that this process ends.
func (s *shardSet) leave() {
	if s.alone {
		return
	}
	ctx, done := context.WithTimeout(context.Background(), goodbye)
	defer done()
	if err := s.b.cfg.Store.LeaveShards(ctx, s.me); err != nil {
		s.b.log.Debug("other bots are not told of the end", "err", err)
	}
}

// hold keeps this process's share of n shards until ctx ends, n changes
// (errOtherCount), or a *FatalError.
func (s *shardSet) hold(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error { return s.shard(ctx, i, n) })
	}
	g.Go(func() error {
		for backoff.Sleep(ctx, s.b.cfg.ShardsEvery) == nil {
			now, err := s.planOnce(ctx, n)
			switch {
			case ctx.Err() != nil:
			case err != nil: // the leases say who has what
				s.b.log.Warn("other bots not heard of, what is held stays", "err", err)
			case now != n:
				return errOtherCount
			default:
				s.shed()
			}
		}
		return nil
	})
	return g.Wait()
}

// shard keeps shard i of n whenever it is this process's to have.
func (s *shardSet) shard(ctx context.Context, i, n int) error {
	name := fmt.Sprintf("bot.shard.%d.%d", n, i)
	for ctx.Err() == nil {
		room, stop := s.room(ctx)
		held, err := s.locker.Acquire(room, name)
		full := room.Err() != nil
		stop()
		switch {
		case errors.Is(err, lease.ErrClosed):
			return nil
		case err != nil && !full:
			s.b.log.Warn("shard not asked for, trying again", "shard", i, "err", err)
			_ = backoff.Sleep(ctx, time.Second) // or ctx has ended
		}
		if err != nil {
			continue
		}
		mine, giveUp := context.WithCancel(ctx)
		if s.take(i, giveUp) {
			s.b.log.Info("shard taken", "shard", i, "of", n)
			last := make(chan lease.Lease, 1)
			go func() {
				defer giveUp()
				last <- s.watch(mine, name, held)
			}()
			err = (&supervisor{b: s.b, set: s, shard: i, shards: n}).run(mine)
			giveUp()
			held = <-last
			s.drop(i)
		}
		giveUp()
		held.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// watch returns when the lease called name is another's, or ctx ends, with the one that
// was held last. While the lease service is away a session goes on: nobody else can
// take the shard then, and people want answers. Should another process have it all the same, an
// interaction is answered by both, of which Discord takes one (40060).
func (s *shardSet) watch(ctx context.Context, name string, held lease.Lease) lease.Lease {
	for {
		select {
		case <-ctx.Done():
			return held
		case <-held.Lost():
		}
		if s.b.cfg.LockerReady == nil {
			return held
		}
		for s.b.cfg.LockerReady(ctx) != nil {
			if backoff.Sleep(ctx, time.Second) != nil {
				return held
			}
		}
		try, stop := context.WithTimeout(ctx, reacquireWithin)
		again, err := s.locker.Acquire(try, name)
		stop()
		if err != nil {
			s.b.log.Warn("shard lost to another bot", "lease", name)
			return held
		}
		held = again
	}
}

// reacquireWithin is how long a lease may take that nobody else has.
const reacquireWithin = 5 * time.Second

// room returns a context that ends when this process has all that it may have. It
// returns when there is room.
func (s *shardSet) room(ctx context.Context) (context.Context, context.CancelFunc) {
	for {
		s.mu.Lock()
		free, changed := len(s.held) < s.share, s.changed
		s.mu.Unlock()
		if free {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx, func() {}
		}
	}
	room, stop := context.WithCancel(ctx)
	go func() {
		for {
			s.mu.Lock()
			free, changed := len(s.held) < s.share, s.changed
			s.mu.Unlock()
			if !free {
				stop()
				return
			}
			select {
			case <-changed:
			case <-room.Done():
				return
			}
		}
	}()
	return room, stop
}

// take notes that shard i is held; false: others were, and they are enough.
func (s *shardSet) take(i int, giveUp context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= s.share {
		return false
	}
	s.held[i] = giveUp
	s.b.metrics.shards.Set(float64(len(s.held)))
	s.notify()
	return true
}

func (s *shardSet) drop(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, i)
	s.b.metrics.shards.Set(float64(len(s.held)))
	s.notify()
}

// shed gives one shard up if there are more than the share: whoever gets it needs some
// seconds to identify.
func (s *shardSet) shed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) <= s.share {
		return
	}
	last := -1
	for i := range s.held {
		last = max(last, i)
	}
	s.b.log.Info("shard handed over to another bot", "shard", last)
	s.held[last]()
}

// notify wakes whoever waits for a change. It needs s.mu.
func (s *shardSet) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shardSet) shareNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.share
}

// turn waits until shard may IDENTIFY: max_concurrency of them may within
// Config.IdentifyEvery, over all processes, by the remainder of their number (discord notes 5). The
// caller calls identified once it has sent it, or unused.
func (s *shardSet) turn(ctx context.Context, shard, concurrency int) (identified, unused func(), err error) {
	held, err := s.locker.Acquire(ctx, fmt.Sprintf("bot.identify.%d", shard%max(concurrency, 1)))
	if err != nil {
		return nil, nil, fmt.Errorf("turn to identify: %w", err)
	}
	var once sync.Once
	identified = func() { once.Do(func() { time.AfterFunc(s.b.cfg.IdentifyEvery, held.Release) }) }
	unused = func() { once.Do(held.Release) }
	return identified, unused, nil
}

// setUp notes that a shard's session is ready, setDown that it is not any more.
func (s *shardSet) setUp(shard int, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up[shard] = since
	s.b.metrics.connected.Set(float64(len(s.up)))
}

func (s *shardSet) setDown(shard int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.up, shard)
	s.b.metrics.connected.Set(float64(len(s.up)))
}

// state returns since when something can be heard of Discord, zero if nothing can, and
// whether that is how it should be: other processes hold all shards.
func (s *shardSet) state() (since time.Time, standby bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.up {
		if since.IsZero() || t.Before(since) {
			since = t
		}
	}
	return since, len(s.held) == 0 && s.bots > 1
}
