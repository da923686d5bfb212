package bot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/internal/backoff"
	"muster/lease"
)

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
		within := stalledWithin
		for s.b.cfg.LockerReady(ctx) != nil {
			within = reacquireWithin
			if backoff.Sleep(ctx, time.Second) != nil {
				return held
			}
		}
		try, stop := context.WithTimeout(ctx, within)
		again, err := s.locker.Acquire(try, name)
		stop()
		if err != nil {
			s.b.log.Warn("shard lost to another bot", "lease", name)
			return held
		}
		held = again
	}
}

// How long a lease may take that nobody else has: from a service that was away and may
// have to wait until it has a vote again, and from one that was there, so that it was this
// process that stood still and another one that is likely to have the lease.
const (
	reacquireWithin = 5 * time.Second
	stalledWithin   = time.Second
)

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

// shed gives one shard up if there are more than the share, and the next not before
// whoever got it may have identified.
func (s *shardSet) shed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) <= s.share || time.Since(s.shedAt) < s.b.cfg.IdentifyEvery {
		return
	}
	s.shedAt = time.Now()
	last := -1
	for i := range s.held {
		last = max(last, i)
	}
	s.b.log.Info("shard handed over to another bot", "shard", last)
	s.held[last]()
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
