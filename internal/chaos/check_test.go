package chaos

import (
	"fmt"
	"strings"
	"time"
)

// An outcome is what one case has shown.
type outcome struct {
	name             string
	took             time.Duration
	blow             window        // the seconds in which something was harmed
	vacant           time.Duration // nobody led the listeners' lease
	silent           time.Duration // the feed stood still
	events           int           // that must be stored
	lost, doubled    int
	presence         int // characters that are stored wrongly
	alerts           int // due
	untold, overtold int
	fed              int // items that must be on the feed, over all readers
	unfed, overfed   int
	ended            bool     // the case came to its end
	faults           []string // in words, for who must find out why
}

func (o *outcome) fault(format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

// A leniency is how long what is late may still come before it counts as lost.
type leniency struct{ any, alerts time.Duration }

// lenient is the one of all cases. A claim on an alert lapses after a minute.
var lenient = leniency{any: 90 * time.Second, alerts: 2 * time.Minute}

// settle waits until everything is as it must be, and says what is not. w is the
// time that is judged.
func (c *cluster) settle(o *outcome, w window) {
	sent := c.history.within(c.t, w)
	got := received(c.world.Deliveries(), sent, c.harm)
	wantRows, wantItems, spare := tally{}, tally{}, tally{}
	for _, m := range sent {
		if !got[m.n] {
			spare[m.row()]++
			spare[m.item()]++
			continue
		}
		wantRows[m.row()]++
		if id := m.item(); id != "" {
			wantItems[id]++
		}
	}
	o.events, o.fed = wantRows.total(), wantItems.total()*len(c.readers)
	if n := len(sent) - o.events; n > 0 {
		o.faults = append(o.faults, fmt.Sprintf("%d of %d events reached no listener that was well: the case proves less than it says", n, len(sent)))
	}

	missing, extra := c.compare(wantRows, spare, c.late.any, func() tally { return c.record.rows(c.t, w) })
	o.lost, o.doubled = len(missing), len(extra)
	if len(missing) > 0 {
		o.fault("%d events are not stored:\n\t%s", len(missing), some(missing))
	}
	if len(extra) > 0 {
		o.fault("%d events are stored too often:\n\t%s", len(extra), some(extra))
	}
	c.settleFeed(o, w, wantItems, spare)
	c.settlePresence(o)
	c.settleAlerts(o, w)
}

// compare polls got until it is want. spare may be there or not.
func (c *cluster) compare(want, spare tally, limit time.Duration, got func() tally) (missing, extra []string) {
	within(limit, func() bool {
		now := got()
		for k, n := range spare {
			if more := now[k] - want[k]; more > 0 {
				now[k] -= min(more, n)
			}
		}
		missing, extra = want.differences(now)
		return len(missing)+len(extra) == 0
	})
	return missing, extra
}

func (c *cluster) settleFeed(o *outcome, w window, want, spare tally) {
	for _, r := range c.readers {
		missing, extra := c.compare(want, spare, c.late.any, func() tally { return r.within(w) })
		notes, repeats := r.takeNotes()
		o.unfed += len(missing)
		o.overfed += len(extra) + len(repeats)
		if len(missing) > 0 {
			o.fault("the reader of %s did not get %d of %d events; it was told: %s\n\t%s", r.name, len(missing), want.total(), strings.Join(notes, "; "), some(missing))
		}
		if len(extra) > 0 {
			o.fault("the reader of %s got %d events too often under several ids:\n\t%s", r.name, len(extra), some(extra))
		}
		if len(repeats) > 0 {
			o.fault("the reader of %s got %d events twice; it was told: %s\n\t%s", r.name, len(repeats), strings.Join(notes, "; "), some(repeats))
		}
	}
}

func (c *cluster) settlePresence(o *outcome) {
	var differ []string
	within(c.late.any, func() bool {
		differ = presenceDiffers(c.t, c.world, &c.history, c.record)
		return len(differ) == 0
	})
	o.presence = len(differ)
	if len(differ) > 0 {
		o.fault("%d characters are stored with a wrong presence:\n\t%s", len(differ), some(differ))
	}
}

// settleAlerts compares what members were told of w with what was due.
func (c *cluster) settleAlerts(o *outcome, w window) {
	all := c.history.read(c.t)
	want, everDue := tally{}, due(c.members, all, c.linked)
	for key, m := range everDue {
		if w.holds(m.second) {
			want[key]++
		}
	}
	o.alerts = want.total()
	spare := c.leftEarly(want, o.blow)
	for key := range spare {
		delete(want, key)
	}
	missing, extra := c.compare(want, spare, c.late.alerts, func() tally {
		got := tally{}
		for key, n := range told(c.t, c.people, c.members) {
			key = sameComing(key, everDue)
			if w.holds(secondOf(key)) {
				got[key] += n
			}
		}
		return got
	})
	o.untold, o.overtold = len(missing), len(extra)
	if len(missing) > 0 {
		o.fault("%d alerts were not sent:\n\t%s\n%s", len(missing), some(missing), c.outbox(missing))
	}
	if len(extra) > 0 {
		o.fault("%d alerts were sent that were not due, or twice:\n\t%s\n%s", len(extra), some(extra), c.outbox(extra))
	}
}
