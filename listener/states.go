package listener

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"muster/bus"
	"muster/event"
)

// States returns the health of each world's stream at this moment, ordered by
// world. Worlds whose events are being dropped are down. It is safe to call
// while Run runs.
func (l *Listener) States() []event.StreamState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.states()
}

func (l *Listener) states() []event.StreamState {
	states := l.cfg.Stream.States()
	for i, s := range states {
		states[i] = l.override(s)
	}
	return states
}

// firstWord tells of every world when leading begins. A leader that was killed
// could not say that its stream had ended, so its successor does, unless what came
// since was in its ring. The caller holds mu.
func (l *Listener) firstWord() {
	for _, s := range l.states() {
		hole, ok := l.unrecorded(s)
		if ok {
			l.send(hole)
		}
		if s.Health.Flowing() {
			s.Since = l.continuous(s, hole, ok)
			l.inherited[s.World] = !ok && l.recorded[s.World].live
		}
		l.send(l.override(s))
	}
}

// unrecorded returns the hole in the record of a world, if there may be one: between
// the last moment at which a leader had it and the first from which we have it, or
// where the ring did not hold what it should. The caller holds mu.
func (l *Listener) unrecorded(s event.StreamState) (hole event.StreamState, ok bool) {
	hole = event.StreamState{World: s.World, Health: event.StreamDown, ReportedAt: s.ReportedAt.Add(-1),
		Reason: "no listener had the world"}
	last, known := l.recorded[s.World]
	since, flows := l.flowing[s.World]
	switch {
	case !flows || !s.Health.Flowing():
	case !known: // storage knows who reported last, and when
		hole.Since, hole.Reason, ok = since.UTC(), "not connected yet", true
	case since.After(last.to):
		hole.Since, hole.LastEventAt, ok = last.to.UTC(), last.to.UTC(), true
	}
	if lost, some := l.ring.lost(s.World); some && (!ok || lost.from.Before(hole.Since)) {
		hole.Since, hole.LastEventAt, ok = lost.from.UTC(), lost.from.UTC(), true
		hole.Reason = "events waited for a leader for too long"
	}
	return hole, ok
}

// continuous returns since when a world that flows is recorded without a break: since
// the hole before it, or since an earlier leader had it. The caller holds mu.
func (l *Listener) continuous(s, hole event.StreamState, isHole bool) time.Time {
	if !isHole {
		if last, known := l.recorded[s.World]; known && last.from.Before(s.Since) {
			return last.from.UTC()
		}
		return s.Since
	}
	since := l.flowing[s.World]
	if lost, some := l.ring.lost(s.World); some {
		since = later(since, lost.to)
	}
	return later(since, hole.Since).UTC()
}

// finish puts the last word into the queue: every world is down, but for those that
// another listener has, and unless another leads by now and speaks for them. What is
// in the ring is published if nobody else will.
func (l *Listener) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Stream.Now()
	switch {
	case l.leads():
		for _, s := range l.states() {
			if _, covered := l.covers(s.World, now); !covered {
				l.lastWord(s, now.UTC())
			}
		}
	case l.others.leader(now) == nil:
		l.noteMended(mendAtTheEnd, l.flush(), now)
	}
	l.queue.close()
}

func (l *Listener) lastWord(s event.StreamState, now time.Time) {
	if s.Health.Flowing() || !s.LastEventAt.IsZero() {
		s.Since = cmp.Or(s.LastEventAt, now)
	}
	s.Health, s.Reason, s.ReportedAt = event.StreamDown, "listener stopped", now
	l.send(s)
}

// changed tells of a world whose stream is different now.
func (l *Listener) changed(s event.StreamState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.Health.Flowing() {
		delete(l.flowing, s.World)
	} else if _, flows := l.flowing[s.World]; !flows {
		l.flowing[s.World] = l.cfg.Stream.Now()
	}
	switch {
	case s.Health != event.StreamReconciling:
		delete(l.inherited, s.World)
	case l.leads() && l.told[s.World] == event.StreamLive: // another listener had it meanwhile
		l.inherited[s.World] = true
	}
	if l.leads() {
		if s = l.override(s); !s.Health.Flowing() || s.Health != l.told[s.World] {
			l.send(s)
		}
	} else {
		l.metrics.setState(s)
	}
	l.speakUp()
}

// dropped counts an event that found no room, and opens a hole for its world. The
// caller holds mu.
func (l *Listener) dropped(w *waiting) {
	l.metrics.dropped.Inc()
	if _, open := l.overflow[w.world]; open || w.world == 0 {
		return
	}
	// Said now, not when the event came: a report made since must not outdate it.
	hole := event.StreamState{World: w.world, Health: event.StreamDown, Since: w.at.UTC(),
		ReportedAt: l.cfg.Stream.Now().UTC(), LastEventAt: w.at.UTC(), Reason: "buffer full"}
	l.overflow[w.world] = hole
	l.log.Error("dropping events: the bus has not taken any for too long", "world", int(w.world))
	l.send(hole)
}

// override returns how s is to be told: with the hole that is open for its world, or
// as another listener has it, if that one's stream flows where ours does not. That our
// own connection is new is no news where the world was live before it. The caller holds
// mu.
func (l *Listener) override(s event.StreamState) event.StreamState {
	if hole, open := l.overflow[s.World]; open {
		hole.ReportedAt, hole.LastEventAt = s.ReportedAt, s.LastEventAt
		return hole
	}
	if s.Health == event.StreamReconciling && l.inherited[s.World] {
		s.Health, s.Reason = event.StreamLive, ""
		return s
	}
	if s.Health.Flowing() {
		return s
	}
	better, ok := l.covers(s.World, l.cfg.Stream.Now())
	if !ok {
		return s
	}
	better.ReportedAt, better.LastEventAt = s.ReportedAt, later(s.LastEventAt, better.LastEventAt)
	if told := l.told[s.World]; told.Flowing() {
		better.Health = told
	}
	return better
}

// send queues a state of a world. The caller holds mu.
func (l *Listener) send(s event.StreamState) {
	s.By = event.Fence{Lease: Lease(l.env), Term: l.held.Term()}
	l.log.Debug("telling", "world", int(s.World), "state", s.Health, "since", s.Since, "reason", s.Reason)
	l.told[s.World] = s.Health
	l.metrics.setState(s)
	body, err := event.EncodeStream(s)
	if err != nil {
		l.log.Error("encode stream state", "world", int(s.World), "err", err)
		return
	}
	l.queue.add(bus.Message{ID: fmt.Sprintf("stream-%d", s.World),
		Key: fmt.Sprintf("%s.%d.stream", l.env, s.World), Body: body}, true)
}

// report tells every world's state now and then, and looks each second after what
// has changed by itself.
func (l *Listener) report(ctx context.Context) {
	every := time.NewTicker(l.cfg.ReportEvery)
	defer every.Stop()
	soon := time.NewTicker(min(time.Second, l.cfg.ReportEvery))
	defer soon.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			l.repeat(ctx)
		case <-soon.C:
			l.closeHoles(ctx)
			l.retell(ctx)
			l.mend(l.cfg.Stream.Now())
			l.move(l.cfg.Stream.Now())
			l.tidy(l.cfg.Stream.Now())
		}
	}
}

// statesUntil returns the states that this leader is to tell. It has none once ctx has
// ended: that the connection ends with us is the last word's to tell. The caller holds
// mu.
func (l *Listener) statesUntil(ctx context.Context) []event.StreamState {
	if !l.leads() {
		return nil
	}
	states := l.states()
	if ctx.Err() != nil {
		return nil
	}
	return states
}

func (l *Listener) repeat(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.statesUntil(ctx) {
		l.send(s)
	}
}

func (l *Listener) closeHoles(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.overflow) == 0 || !l.queue.roomy() || !l.leads() {
		return
	}
	clear(l.overflow)
	l.log.Info("the bus has room again, nothing is dropped any more")
	now := l.cfg.Stream.Now()
	for _, s := range l.statesUntil(ctx) {
		if s.Health.Flowing() {
			s.Since = now.UTC()
		}
		l.send(s)
	}
}

// retell tells of worlds that are other than they were told, because another listener
// came or went that has them.
func (l *Listener) retell(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.statesUntil(ctx) {
		if told, ok := l.told[s.World]; ok && told != s.Health {
			l.send(s)
		}
	}
}

// tidy lets go of what is too old to be of use, and sets the gauges.
func (l *Listener) tidy(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	env := string(l.env)
	l.others.forget(now)
	l.metrics.ringDropped.WithLabelValues(env).Add(float64(l.ring.expire(now)))
	l.metrics.ring.WithLabelValues(env).Set(float64(l.ring.len()))
	l.metrics.queued.Set(float64(l.queue.len()))
	age := 0.0
	if !l.leads() {
		for _, s := range l.cfg.Stream.States() {
			l.metrics.setState(s)
		}
		age = now.Sub(later(l.others.ledAt, l.began)).Seconds()
	}
	l.metrics.beaconAge.WithLabelValues(env).Set(age)
}
