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
// could not say that its stream had ended, so its successor does, unless our own
// connection has had all that came since. The caller holds mu.
func (l *Listener) firstWord() {
	for _, s := range l.states() {
		if hole, ok := l.unrecorded(s); ok {
			l.send(hole)
		}
		l.send(s)
	}
}

// unrecorded returns the hole between the last moment at which somebody recorded a
// world that flows by now, and the first from which we have it. The caller holds mu.
func (l *Listener) unrecorded(s event.StreamState) (hole event.StreamState, ok bool) {
	since, flows := l.flowing[s.World]
	if !flows || !s.Health.Flowing() {
		return hole, false
	}
	hole = event.StreamState{World: s.World, Health: event.StreamDown, Since: since.UTC(),
		ReportedAt: s.ReportedAt.Add(-1), Reason: "not connected yet"}
	last, known := l.recorded[s.World]
	if known { // else storage knows who reported last, and when
		hole.Since, hole.LastEventAt = last.UTC(), last.UTC()
	}
	return hole, !known || since.After(last)
}

// finish puts the last word into the queue: every world is down, unless another
// listener leads by now and speaks for them.
func (l *Listener) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leads() {
		now := time.Now().UTC()
		for _, s := range l.states() {
			if s.Health.Flowing() || !s.LastEventAt.IsZero() {
				s.Since = cmp.Or(s.LastEventAt, now)
			}
			s.Health, s.Reason, s.ReportedAt = event.StreamDown, "listener stopped", now
			l.send(s)
		}
	}
	l.queue.close()
}

// changed tells of a world whose stream is different now.
func (l *Listener) changed(s event.StreamState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.metrics.setState(s)
	if !s.Health.Flowing() {
		delete(l.flowing, s.World)
	} else if _, flows := l.flowing[s.World]; !flows {
		l.flowing[s.World] = time.Now()
	}
	if l.leads() {
		l.send(l.override(s))
	}
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
		ReportedAt: time.Now().UTC(), LastEventAt: w.at.UTC(), Reason: "buffer full"}
	l.overflow[w.world] = hole
	l.log.Error("dropping events: the bus has not taken any for too long", "world", int(w.world))
	l.send(hole)
}

// override returns s, or the hole that is open for its world. The caller holds mu.
func (l *Listener) override(s event.StreamState) event.StreamState {
	hole, open := l.overflow[s.World]
	if !open {
		return s
	}
	hole.ReportedAt, hole.LastEventAt = s.ReportedAt, s.LastEventAt
	return hole
}

// send queues a state of a world. The caller holds mu.
func (l *Listener) send(s event.StreamState) {
	l.metrics.setState(s)
	body, err := event.EncodeStream(s)
	if err != nil {
		l.log.Error("encode stream state", "world", int(s.World), "err", err)
		return
	}
	l.queue.add(bus.Message{ID: fmt.Sprintf("stream-%d", s.World),
		Key: fmt.Sprintf("%s.%d.stream", l.env, s.World), Body: body}, true)
}

// report tells every world's state now and then, and closes the holes that a full
// queue had opened.
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
			l.repeat()
		case <-soon.C:
			l.metrics.queued.Set(float64(l.queue.len()))
			l.closeHoles()
			l.expire()
		}
	}
}

func (l *Listener) repeat() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leads() {
		return
	}
	for _, s := range l.states() {
		l.send(s)
	}
}

func (l *Listener) closeHoles() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.overflow) == 0 || !l.queue.roomy() || !l.leads() {
		return
	}
	clear(l.overflow)
	l.log.Info("the bus has room again, nothing is dropped any more")
	now := time.Now().UTC()
	for _, s := range l.states() {
		if s.Health.Flowing() {
			s.Since = now
		}
		l.send(s)
	}
}

// expire lets go of what is too old to be of use to a successor.
func (l *Listener) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring.expire(time.Now())
	l.metrics.ring.WithLabelValues(string(l.env)).Set(float64(l.ring.len()))
}
