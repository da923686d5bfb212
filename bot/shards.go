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
	// SetShards makes n the number of shards that all processes go by; unless exact, only
	// if it is larger than the one before.
	SetShards(ctx context.Context, n int, exact bool) error
	// ShareShards notes that process me is there. It returns how many are that were seen
	// within life, how many of them have a smaller number, and what SetShards has set, 0
	// before.
	ShareShards(ctx context.Context, me int64, life time.Duration) (shards, bots, before int, err error)
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
	me     int64 // tells this process from others; later ones have larger numbers

	mu      sync.Mutex
	changed chan struct{}              // closed and made anew when one of the following changes
	shards  int                        // how many there are, 0 before that is known
	share   int                        // how many of them this process is to have
	held    map[int]context.CancelFunc // by shard: gives it up
	up      map[int]time.Time          // since when the session is ready

	shedAt time.Time // when a shard was handed over last; of hold alone
}

func newShardSet(b *Bot) *shardSet {
	s := &shardSet{b: b, locker: b.cfg.Locker, me: time.Now().UnixMilli()<<20 | rand.Int64N(1<<20), changed: make(chan struct{}),
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
	want := s.b.cfg.Shards
	if want == 0 {
		n, err := s.recommended(ctx)
		if err != nil || ctx.Err() != nil {
			return err
		}
		want = n
	}
	defer s.leave()
	exact := s.b.cfg.Shards > 0
	for {
		n := s.plan(ctx, want, exact)
		if ctx.Err() != nil {
			return nil
		}
		s.b.log.Info("shards", "count", n, "share", s.shareNow())
		err := s.hold(ctx, n)
		if ctx.Err() != nil && fatalGateway(err) == nil {
			return nil
		}
		want, exact = 0, false
		if !errors.Is(err, errOtherCount) {
			if want, err = s.more(ctx, n, err); err != nil {
				return err
			}
		}
	}
}

// more returns by how many shards to go when err, a *FatalError, says that n are not
// right; err if Discord recommends no more than that.
func (s *shardSet) more(ctx context.Context, n int, err error) (int, error) {
	fatal := fatalGateway(err)
	if fatal == nil || fatal.Code != closeInvalidShard && fatal.Code != closeTooFewShards {
		return 0, err
	}
	want, askErr := s.recommended(ctx)
	if askErr != nil || want <= n {
		return 0, errors.Join(askErr, err)
	}
	log := s.b.log.Warn
	if s.b.cfg.Shards > 0 {
		log = s.b.log.Error // somebody must change the setting
	}
	log("discord wants more shards, all bots go by its recommendation", "had", n, "recommended", want, "set", s.b.cfg.Shards)
	return want, nil
}

// recommended returns how many shards there are to be as Discord says.
func (s *shardSet) recommended(ctx context.Context) (int, error) {
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

// leastShardsLife is how long a process may say nothing, at least, before it is gone:
// somewhat longer than its leases last.
const leastShardsLife = 4 * time.Second

// maxShards bounds what is believed of an answer.
const maxShards = 10_000

// plan tells the others that this process is there and by how many shards it wants all to
// go, 0 for what they go by, and returns how many it is. It tries until ctx ends.
func (s *shardSet) plan(ctx context.Context, want int, exact bool) (shards int) {
	for {
		shards, err := s.planOnce(ctx, want, exact)
		if err == nil {
			return shards
		}
		s.b.log.Warn("other bots not heard of, trying again", "err", err)
		if backoff.Sleep(ctx, s.b.cfg.ShardsEvery) != nil {
			return 0
		}
	}
}

func (s *shardSet) planOnce(ctx context.Context, want int, exact bool) (shards int, err error) {
	shards, bots, before := want, 1, 0
	if !s.alone {
		if want > 0 {
			if err := s.b.cfg.Store.SetShards(ctx, want, exact); err != nil {
				return 0, err
			}
		}
		shards, bots, before, err = s.b.cfg.Store.ShareShards(ctx, s.me, max(3*s.b.cfg.ShardsEvery, leastShardsLife))
		switch {
		case err != nil:
			return 0, err
		case shards < 1:
			return 0, errors.New("the number of shards is gone from the store")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	bots = max(bots, 1)
	// Of five shards three processes have two, two and one: later ones come off worse, so
	// that few shards move when one joins.
	if share := (shards - before + bots - 1) / bots; share != s.share || shards != s.shards {
		s.shards, s.share = shards, share
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

// hold keeps this process's share of n shards until ctx ends, all go by another number
// (errOtherCount), or a *FatalError.
func (s *shardSet) hold(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error { return s.shard(ctx, i, n) })
	}
	if !s.alone {
		g.Go(func() error { return s.follow(ctx, n) })
	}
	return g.Wait()
}

// follow learns what others do, and gives them what is theirs. What this process wanted
// it said when it started: if it went on saying so, two that are set to different numbers
// would each go by its own.
func (s *shardSet) follow(ctx context.Context, n int) error {
	for backoff.Sleep(ctx, s.b.cfg.ShardsEvery) == nil {
		now, err := s.planOnce(ctx, 0, false)
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
	s.leave() // others may take what is given up while sessions are being ended here
	return nil
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

// since returns since when something can be heard of Discord here, zero if nothing can.
func (s *shardSet) since() (since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.up {
		if since.IsZero() || t.Before(since) {
			since = t
		}
	}
	return since
}

// lacking returns why this process does not do its part: nil if each shard of its share
// has a session that is ready, or if it is to have none.
func (s *shardSet) lacking() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch up := len(s.up); {
	case s.shards == 0 || up == 0 && s.share > 0:
		return errNotConnected
	case up < max(s.share, len(s.held)):
		return fmt.Errorf("%w with %d of %d shards", errNotConnected, max(s.share, len(s.held))-up, max(s.share, len(s.held)))
	}
	return nil
}

// standsBy says what a process waits for that has no shard to keep, "" for others.
func (s *shardSet) standsBy() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.shards == 0 || s.share > 0 || len(s.held) > 0:
		return ""
	case s.shards == 1:
		return "standing by, another bot is connected"
	}
	return fmt.Sprintf("standing by, other bots have all %d shards", s.shards)
}
