package listener

import (
	"context"
	"time"

	"muster/bus"
	"muster/event"
)

// sayLimit bounds the publishing of one beacon.
const sayLimit = 2 * time.Second

// speakUp makes the next beacon go out now.
func (l *Listener) speakUp() {
	select {
	case l.speak <- struct{}{}:
	default:
	}
}

// announce sends a beacon every now and then until ctx ends.
func (l *Listener) announce(ctx context.Context) {
	for {
		l.mu.Lock()
		wait := standbyEvery
		if l.leads() {
			wait = leaderEvery
		}
		l.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.speak:
		case <-ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
		for l.say(ctx, false) && ctx.Err() == nil {
			continue
		}
	}
}

// say sends one beacon, and reports whether there is more to tell at once. last
// says that no other will follow. It is called by one goroutine at a time.
func (l *Listener) say(ctx context.Context, last bool) (more bool) {
	b := l.beacon(l.cfg.Stream.Now())
	b.Left = last
	body, err := event.EncodeBeacon(b)
	if err != nil {
		l.log.Error("encode beacon", "err", err) // cannot happen: all is bounded
		return false
	}
	saying, cancel := context.WithTimeout(ctx, sayLimit)
	defer cancel()
	err = l.cfg.Bus.Publish(saying, event.TopicListeners, bus.Message{ID: "beacon", Key: string(l.env) + ".listener", Body: body})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			l.telling.Failed(ctx, err)
		}
		l.safe.failed(b.Keys)
		l.others.missed = l.others.missed || b.Again
		return false
	}
	l.telling.Answered(ctx)
	l.seq++
	return b.More
}

// beacon returns what there is to say. Its keys are no longer pending.
func (l *Listener) beacon(now time.Time) event.Beacon {
	link := l.cfg.Stream.Link()
	waiting := l.queue.len() // before the keys: what has left the queue is among them
	l.mu.Lock()
	defer l.mu.Unlock()
	b := event.Beacon{Environment: l.env, Instance: l.instance, Seq: l.seq + 1, Up: link.Up, UpFor: now.Sub(link.Since),
		Phase: link.Phase, Queue: waiting, Cooling: now.Before(l.coolUntil)}
	b.Keys, b.More = l.safe.next(now)
	if l.leads() {
		b.Term = l.held.Term()
	} else {
		b.Again, l.others.missed = l.others.missed, false
	}
	for _, s := range l.cfg.Stream.States() {
		recent, idle := l.active.of(s.World, now)
		w := event.BeaconWorld{World: s.World, Health: s.Health, For: max(now.Sub(s.Since), 0), Recent: recent, Idle: idle}
		if b.Term > 0 {
			w.Told = l.told[s.World]
		}
		b.Worlds = append(b.Worlds, w)
	}
	return b
}

// hear takes what another listener says.
func (l *Listener) hear(m bus.Message, lost int) {
	b, err := event.DecodeBeacon(m.Body)
	now := l.cfg.Stream.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.others.missed = l.others.missed || lost > 0
	switch {
	case err != nil:
		l.metrics.unread.Inc()
		return
	case b.Environment != l.env:
		return
	case b.Instance == l.instance:
		l.others.echoed = now
		return
	}
	leads := l.others.hear(b, now)
	for _, k := range b.Keys {
		l.ring.confirm(k, leads, now)
	}
	l.safe.wanted = l.safe.wanted || b.Again
	if leads {
		l.follow(&b, now)
	}
}

// follow notes which worlds the leader records. The caller holds mu.
func (l *Listener) follow(b *event.Beacon, now time.Time) {
	for _, w := range b.Worlds {
		if w.Health.Flowing() {
			l.recorded[w.World] = record{span{from: now.Add(-w.For), to: now}, w.Told == event.StreamLive}
		}
	}
}
