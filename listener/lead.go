package listener

import (
	"context"
	"fmt"
	"time"

	"muster/event"
	"muster/lease"
)

// contend stands for the lease, and leads while it lasts, over and over until ctx
// ends; then it returns the lease if it still holds it.
func (l *Listener) contend(ctx context.Context) (lease.Lease, error) {
	for {
		held, err := l.acquire(ctx)
		switch {
		case ctx.Err() != nil:
			if held != nil {
				held.Release()
			}
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("acquire lease %s: %w", Lease(l.env), err)
		case held == nil:
			continue
		}
		l.take(held)
		if l.lead(ctx, held) {
			return held, nil
		}
		held.Release()
	}
}

// acquire waits for the lease, and for the time to try for it. It returns nil when
// that time is over.
func (l *Listener) acquire(ctx context.Context) (lease.Lease, error) {
	tick := time.NewTicker(leaderEvery)
	defer tick.Stop()
	for !l.mayLead() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	tryCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		held lease.Lease
		err  error
	}
	got := make(chan result, 1)
	go func() {
		held, err := l.cfg.Locker.Acquire(tryCtx, Lease(l.env))
		got <- result{held, err}
	}()
	for {
		select {
		case r := <-got:
			if r.err != nil && tryCtx.Err() != nil {
				return nil, nil
			}
			return r.held, r.err
		case <-tick.C:
			if !l.mayLead() {
				cancel()
			}
		}
	}
}

func (l *Listener) mayLead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stands(l.cfg.Stream.Now())
}

// lead watches over the lease until it is lost, given up, or ctx ends, which it
// reports.
func (l *Listener) lead(ctx context.Context, held lease.Lease) (ended bool) {
	tick := time.NewTicker(leaderEvery)
	defer tick.Stop()
	for {
		select {
		case <-held.Lost():
			l.log.Warn("leadership lost")
			l.standBy("")
			return false
		case <-ctx.Done():
			return true
		case <-tick.C:
			l.mu.Lock()
			reason := l.ill(l.cfg.Stream.Now())
			l.mu.Unlock()
			if reason != "" {
				l.standBy(reason)
				return false
			}
		}
	}
}

// take begins to lead.
func (l *Listener) take(held lease.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	clear(l.told)
	l.firstWord()
	published := l.flush()
	l.leading(true)
	l.metrics.takeovers.WithLabelValues(string(l.env)).Inc()
	l.log.Info("leading", "term", held.Term(), "from_ring", published)
	l.speakUp()
}

// flush moves the ring into the queue, in order of arrival. It passes the queue's
// bound: the memory is spent already. The caller holds mu.
func (l *Listener) flush() int {
	all := l.ring.take()
	for _, w := range all {
		l.queue.add(l.message(w), true)
	}
	return len(all)
}

// standBy ends leading; ill says why, if it is for our stream's sake. What is in the
// queue is published all the same: it was read while we led, and may be nowhere
// else.
func (l *Listener) standBy(ill string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Stream.Now()
	if ill != "" {
		l.abdicate(ill, now)
	}
	l.held = nil
	for w, since := range l.flowing {
		l.recorded[w] = record{span{from: since, to: now}, l.told[w] == event.StreamLive}
	}
	clear(l.inherited)
	clear(l.overflow)
	l.leading(false)
	l.speakUp()
}

// leads reports whether what happens now is this listener's to publish. It asks
// the lease each time: a process that was suspended finds out with the first event
// that it reads. The caller holds mu.
func (l *Listener) leads() bool { return l.held != nil && lease.Held(l.held) }

func (l *Listener) leading(yes bool) {
	v := 0.0
	if yes {
		v = 1
	}
	l.metrics.leader.WithLabelValues(Lease(l.env)).Set(v)
}

// goodbye tells the others what was confirmed last and that no more will follow, and
// only then frees the lease.
func (l *Listener) goodbye(held lease.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for l.say(ctx, false) {
		continue
	}
	l.say(ctx, true)
	if held != nil {
		held.Release()
	}
	l.leading(false)
}
