package listener

import (
	"time"

	"muster/event"
)

// How often a beacon goes out, and how long what it says is believed.
const (
	leaderEvery  = 250 * time.Millisecond
	standbyEvery = time.Second
	freshFor     = 3 * time.Second
	// leaderFresh is shorter: a leader's come four times as often.
	leaderFresh = 2 * time.Second
	// forgetAfter is when a listener that is silent is taken for gone.
	forgetAfter = time.Minute
	// maxOthers bounds how many are remembered; more are not heard.
	maxOthers = 64
)

// An other is another listener of the environment.
type other struct {
	event.Beacon // the newest, without its keys
	at           time.Time
}

// since returns when what the beacon says began d ago was.
func (o *other) since(d time.Duration) time.Time { return o.at.Add(-d) }

// world returns what o says of w.
func (o *other) world(w event.World) (event.BeaconWorld, bool) {
	for _, x := range o.Worlds {
		if x.World == w {
			return x, true
		}
	}
	return event.BeaconWorld{}, false
}

// others is what is known of the other listeners. Not safe for concurrent use.
type others struct {
	byName map[string]*other
	// echoed is when our own beacon last came back: the bus works both ways.
	echoed time.Time
	// firstLed is when a leader was first heard, ledAt when one last was, leftAt
	// when one last said that it leads no more. Zero: never.
	firstLed, ledAt, leftAt time.Time
	// emptied is when a leader last said that all it had read was safe, and had
	// missed us out of no key before.
	emptied time.Time
	// off is when the leader last was without a connection; to is zero while it is.
	off span
	// missed says that keys may have passed us by.
	missed bool
}

// A record is what is known of how leaders have had a world, up to span.to.
type record struct {
	span
	live bool // it was live, not only flowing
}

// A span is a time from which on, and up to which, something was so.
type span struct{ from, to time.Time }

func newOthers() *others { return &others{byName: map[string]*other{}} }

// hear takes a beacon that arrived at now. It reports whether it is a leader's.
func (o *others) hear(b event.Beacon, now time.Time) (leads bool) {
	before, known := o.byName[b.Instance]
	if !known && len(o.byName) >= maxOthers {
		return false
	}
	whole := b.Seq <= 1 || known && b.Seq <= before.Seq+1
	o.missed = o.missed || !whole
	if known && before.Leading() && !b.Leading() {
		o.leftAt = now
	}
	keys := b.Keys
	b.Keys = nil
	o.byName[b.Instance] = &other{Beacon: b, at: now}
	b.Keys = keys
	if b.Left {
		delete(o.byName, b.Instance)
	}
	if !b.Leading() {
		return false
	}
	o.led(&b, whole, now)
	return true
}

// led takes a leader's beacon.
func (o *others) led(b *event.Beacon, whole bool, now time.Time) {
	if o.firstLed.IsZero() {
		o.firstLed = now
	}
	o.ledAt = now
	if whole && b.Queue == 0 && !b.More {
		o.emptied = now
	}
	switch {
	case !b.Up && (o.off.from.IsZero() || !o.off.to.IsZero()):
		o.off = span{from: now}
	case b.Up && !o.off.from.IsZero() && o.off.to.IsZero():
		o.off.to = now
	}
}

// forget drops those that have been silent for long.
func (o *others) forget(now time.Time) {
	for name, x := range o.byName {
		if now.Sub(x.at) > forgetAfter {
			delete(o.byName, name)
		}
	}
}

// leader returns the listener that leads, nil if none was heard a moment ago.
func (o *others) leader(now time.Time) (leader *other) {
	for _, x := range o.byName {
		if x.Leading() && now.Sub(x.at) < leaderFresh && (leader == nil || x.Term > leader.Term) {
			leader = x
		}
	}
	return leader
}

// fresh returns those who were heard a moment ago, leaders among them.
func (o *others) fresh(now time.Time) (all []*other) {
	for _, x := range o.byName {
		if now.Sub(x.at) < freshFor {
			all = append(all, x)
		}
	}
	return all
}

// before returns how many of those who stand by come before the one called name.
func (o *others) before(name string, now time.Time) (n int) {
	for _, x := range o.fresh(now) {
		if !x.Leading() && x.Up && x.Instance < name {
			n++
		}
	}
	return n
}
