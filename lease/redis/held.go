package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
)

// Why a lease ended.
var (
	errReleased = errors.New("released")
	errExpired  = errors.New("not renewed in time, by the clock")
	errTaken    = errors.New("somebody else holds it")
)

// An instant is one moment by both clocks. The monotonic one cannot be set, but
// may stand still while the machine is suspended; the wall clock is the reverse.
type instant struct{ mono, wall time.Time }

func now() instant {
	t := time.Now()
	return instant{mono: t, wall: t.Round(0)}
}

func (i instant) add(d time.Duration) instant { return instant{i.mono.Add(d), i.wall.Add(d)} }

// reached reports whether either clock has come to until.
func (i instant) reached(until instant) bool {
	return !i.mono.Before(until.mono) || !i.wall.Before(until.wall)
}

// held is a lease.
type held struct {
	locker *Locker
	name   string
	term   int64
	keeper *redsync.Mutex // of keep alone: a Mutex is not safe for concurrent use
	turn   chan struct{}

	life context.Context // over when the lease is; its cause says why
	end  context.CancelCauseFunc
	done chan struct{} // closed when the servers know

	mu    sync.Mutex
	until instant
}

// hold begins to keep what was locked at began.
func (l *Locker) hold(name string, keeper *redsync.Mutex, began instant, turn chan struct{}) *held {
	h := &held{locker: l, name: name, keeper: keeper, turn: turn, done: make(chan struct{}),
		until: began.add(l.cfg.lasts())}
	h.life, h.end = context.WithCancelCause(l.closing)
	l.users.Add(1)
	go h.keep()
	return h
}

// Term implements lease.Lease.
func (h *held) Term() int64 { return h.term }

// Lost implements lease.Lease. It is closed already if the time is up by now,
// whether or not anything else in this process has had the time to notice.
func (h *held) Lost() <-chan struct{} {
	h.lasts()
	return h.life.Done()
}

// Release implements lease.Lease. It returns when the servers know, or have not
// answered for a second.
func (h *held) Release() {
	h.end(errReleased)
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-h.done:
	case <-t.C:
	}
}

// lasts looks at the clocks, and ends the lease if its time is up.
func (h *held) lasts() bool {
	if h.life.Err() != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.locker.cfg.clock().reached(h.until) {
		h.end(errExpired)
	}
	return h.life.Err() == nil
}

// extend sets a new end, unless the old one has been reached: what the servers
// say then may come too late, with another leader in between.
func (h *held) extend(until instant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.locker.cfg.clock().reached(h.until) {
		h.end(errExpired)
		return
	}
	h.until = until
}

// keep renews the lease until it ends, and then unlocks.
func (h *held) keep() {
	defer h.locker.users.Done()
	var watcher sync.WaitGroup
	watcher.Go(h.watch)
	h.renewals()
	watcher.Wait()
	h.locker.unlock(h.keeper)
	close(h.done)
	<-h.turn
	log := h.locker.cfg.Log.With("lease", h.name, "reason", context.Cause(h.life))
	if cause := context.Cause(h.life); errors.Is(cause, errExpired) || errors.Is(cause, errTaken) {
		log.Warn("lease was lost")
		return
	}
	log.Debug("lease ended")
}

// renewals returns when the lease has ended. The first renewal comes at once:
// locking is content with a majority, and this reaches all.
func (h *held) renewals() {
	cfg, failing := h.locker.cfg, false
	for wait := time.Duration(0); pause(h.life, wait) && h.lasts(); {
		err := h.renew()
		if err == nil {
			if failing {
				cfg.Log.Info("lease is renewed again", "lease", h.name)
			}
			wait, failing = cfg.RenewEvery, false
			continue
		}
		if !failing && h.life.Err() == nil {
			cfg.Log.Warn("lease cannot be renewed", "lease", h.name, "err", err)
		}
		wait, failing = cfg.RenewEvery/4, true
	}
}

// renew extends the lease on every server, and ends it if a majority says that
// it is somebody else's. The call is bounded, but nothing relies on that.
func (h *held) renew() error {
	cfg := h.locker.cfg
	ctx, cancel := context.WithTimeout(context.Background(), cfg.callTimeout())
	defer cancel()
	began := cfg.clock()
	ok, err := h.keeper.ExtendContext(ctx)
	if ok {
		h.extend(began.add(cfg.lasts()))
		return nil
	}
	var taken *redsync.ErrTaken
	if errors.As(err, &taken) {
		h.end(errTaken)
	}
	if err == nil {
		err = redsync.ErrExtendFailed
	}
	return err
}

// watch ends the lease when its time is up, though every call hangs.
func (h *held) watch() {
	tick := time.NewTicker(h.locker.cfg.TTL / 60)
	defer tick.Stop()
	for h.lasts() {
		select {
		case <-h.life.Done():
		case <-tick.C:
		}
	}
}
