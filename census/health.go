package census

import (
	"fmt"
	"slices"
	"time"

	"muster/event"
)

// Limits say how long a busy world may be without an event of a kind before its
// stream is suspected. Zero: never.
type Limits struct{ Death, Experience time.Duration }

// DefaultLimits returns the working set of census 3.
func DefaultLimits(w event.World) Limits {
	switch {
	case w == 19, w == 24, w == 101: // Jaeger, Apex, the test server: empty for days
		return Limits{Death: 7200 * time.Second, Experience: 3600 * time.Second}
	case w >= 1000:
		return Limits{Death: 60 * time.Second, Experience: 30 * time.Second}
	}
	return Limits{Death: 15 * time.Second, Experience: 5 * time.Second}
}

// DefaultFactor returns by how much the limits are longer on a world with few
// players (census 3).
func DefaultFactor(population int) int {
	switch {
	case population < 50:
		return 16
	case population < 100:
		return 8
	case population < 200:
		return 4
	}
	return 1
}

// A HealthConfig sets how a world's stream is judged. Zero fields get the
// defaults named beside them.
type HealthConfig struct {
	Limits func(event.World) Limits // DefaultLimits
	Factor func(population int) int // DefaultFactor
	// MaxSilence bounds how far failed reconnects stretch a limit that is
	// shorter than it: 10 min.
	MaxSilence time.Duration
	// Reconcile is how long after its first event a world that came back is
	// reconciling, unless Reconciled ends it: 30 s.
	Reconcile time.Duration
	// Quiet is when a world from which nothing came is taken to be empty: 2 min.
	Quiet time.Duration
	// LateAfter is the median age of a world's events of the last LateWindow
	// from which on its stream is late: 5 s and 10 s.
	LateAfter, LateWindow time.Duration
}

func (c HealthConfig) withDefaults() HealthConfig {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if c.Limits == nil {
		c.Limits = DefaultLimits
	}
	if c.Factor == nil {
		c.Factor = DefaultFactor
	}
	def(&c.MaxSilence, 10*time.Minute)
	def(&c.Reconcile, 30*time.Second)
	def(&c.Quiet, 2*time.Minute)
	def(&c.LateAfter, 5*time.Second)
	def(&c.LateWindow, 10*time.Second)
	return c
}

// Health judges the streams of an environment's worlds from what arrives and
// when. It has no clock of its own: every method is told the time. Not safe for
// concurrent use.
type Health struct {
	cfg    HealthConfig
	kinds  struct{ death, experience bool } // which of the timed kinds are subscribed
	worlds map[event.World]*worldHealth

	up         bool
	reason     string    // why it is not up
	subscribed time.Time // when the service confirmed the subscription; zero while it has not
}

// NewHealth returns the health of worlds, all down since now. shown says which
// are reported from the start; the others are from their first event on, for a
// closed world's endpoint may well say "true".
// deaths and experience say which of the timed kinds are asked for.
func NewHealth(cfg HealthConfig, worlds []event.World, shown func(event.World) bool, deaths, experience bool, now time.Time) *Health {
	h := &Health{cfg: cfg.withDefaults(), worlds: map[event.World]*worldHealth{}, reason: "not connected yet"}
	h.kinds.death, h.kinds.experience = deaths, experience
	for _, w := range worlds {
		h.worlds[w] = newWorldHealth(w, shown(w), now)
	}
	return h
}

// Connected says that a new connection is open. Nothing flows before the
// subscription is confirmed or an event comes.
func (h *Health) Connected(now time.Time) {
	h.up, h.reason, h.subscribed = true, "waiting for the subscription", time.Time{}
	for _, w := range h.worlds {
		w.connected(now)
	}
}

// Subscribed says that the service confirmed the subscription. Only the first
// call after Connected counts.
func (h *Health) Subscribed(now time.Time) {
	if h.up && h.subscribed.IsZero() {
		h.subscribed = now
	}
}

// Waiting reports whether the connection is so new that nothing can flow yet.
func (h *Health) Waiting() bool { return h.up && h.subscribed.IsZero() }

// Flows reports whether there is a connection over which something can flow.
func (h *Health) Flows() bool { return h.up && !h.subscribed.IsZero() }

// Disconnected says that the connection is gone, or was not to be had, and why.
func (h *Health) Disconnected(reason string) {
	h.up, h.reason, h.subscribed = false, reason, time.Time{}
}

// Endpoint takes what the service says of a world's endpoint.
func (h *Health) Endpoint(world event.World, online bool, now time.Time) {
	w := h.worlds[world]
	switch {
	case w == nil:
	case online:
		w.offlineAt = time.Time{}
	case w.offlineAt.IsZero():
		w.offlineAt = now
	}
}

// Event takes an event that arrived at e.ReceivedAt.
func (h *Health) Event(e *event.Event) {
	if w := h.worlds[e.World]; w != nil {
		h.Subscribed(e.ReceivedAt) // whatever the service says of it
		w.event(e, h.kinds.death, h.kinds.experience)
	}
}

// Lapsed says that some of what was asked for on worlds, nil for all, has not been
// sent since a moment that came after since (census 3, S4): the record has a hole
// from then on, until Whole or another connection.
func (h *Health) Lapsed(worlds []event.World, since time.Time) {
	for id, w := range h.worlds {
		if w.lapsedAt.IsZero() && (worlds == nil || slices.Contains(worlds, id)) {
			w.lapsedAt = since
		}
	}
}

// Whole says that everything that was asked for is sent again.
func (h *Health) Whole(now time.Time) {
	for _, w := range h.worlds {
		if !w.lapsedAt.IsZero() {
			w.lapsedAt, w.firstEvent = time.Time{}, now
		}
	}
}

// Reconciled says that a world's presence was read anew, which ends its
// reconciling. World 0 means all.
func (h *Health) Reconciled(world event.World, now time.Time) {
	for id, w := range h.worlds {
		if world == 0 || id == world {
			w.reconciled = now
		}
	}
}

// Suspects returns the worlds that have been silent for too long while their
// endpoint is not known to be off, ordered by id.
func (h *Health) Suspects(now time.Time) []event.World {
	var out []event.World
	if !h.up {
		return nil
	}
	for id, w := range h.worlds {
		if _, silent := h.silence(w, now); silent && w.shown && w.offlineAt.IsZero() {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Failed says that a reconnect is being made because of worlds; their limits
// double until they send again.
func (h *Health) Failed(worlds []event.World) {
	for _, id := range worlds {
		if w := h.worlds[id]; w != nil {
			w.failures++
		}
	}
}

// silence returns which kind has been missing for too long in w, if one has.
func (h *Health) silence(w *worldHealth, now time.Time) (reason string, silent bool) {
	base, factor := h.cfg.Limits(w.id), h.cfg.Factor(w.crowd.count(now))
	over := func(name string, base time.Duration, last time.Time) bool {
		if base <= 0 {
			return false
		}
		limit := base * time.Duration(max(factor, 1))
		limit = min(limit<<min(w.failures, 10), max(limit, h.cfg.MaxSilence))
		idle := now.Sub(later(last, w.connectedAt))
		reason = fmt.Sprintf("no %s for %s", name, limit)
		return idle > limit
	}
	if h.kinds.experience && over("GainExperience", base.Experience, w.lastExperience) {
		return reason, true
	}
	if h.kinds.death && over("Death", base.Death, w.lastDeath) {
		return reason, true
	}
	return "", false
}

// States judges every shown world at now, ordered by id, and remembers since
// when each is as it is.
func (h *Health) States(now time.Time) []event.StreamState {
	var out []event.StreamState
	for _, w := range h.worlds {
		if !w.shown {
			continue
		}
		health, reason := h.judge(w, now)
		w.become(health, now)
		out = append(out, event.StreamState{World: w.id, Health: health, Since: w.since.UTC(),
			ReportedAt: now.UTC(), LastEventAt: w.lastEvent, Reason: reason})
	}
	slices.SortFunc(out, func(a, b event.StreamState) int { return int(a.World) - int(b.World) })
	return out
}

func (h *Health) judge(w *worldHealth, now time.Time) (event.StreamHealth, string) {
	suspicion, silent := h.silence(w, now)
	flowing := w.lastEvent.After(w.connectedAt)
	switch {
	case !h.up:
		return event.StreamDown, h.reason
	case w.off(silent):
		return event.StreamDown, "the game says the world is offline"
	case !w.lapsedAt.IsZero():
		return event.StreamDown, "the game dropped part of the subscription"
	case !flowing && w.failures > 0:
		return event.StreamSilent, "still silent after a reconnect"
	case !flowing && h.mute():
		return event.StreamSilent, "no world sends anything"
	case silent && w.quietSince(now) > h.quietLimit(w, now):
		return event.StreamSilent, suspicion
	case !flowing && h.subscribed.IsZero():
		return event.StreamDown, h.reason
	case h.reconciling(w, flowing, now):
		return event.StreamReconciling, suspicion
	}
	if age := w.ages.median(now.Add(-h.cfg.LateWindow)); age > h.cfg.LateAfter {
		return event.StreamLate, fmt.Sprintf("events are %s old", age.Truncate(time.Second))
	}
	return event.StreamLive, suspicion
}

// mute reports whether all busy worlds are silent still after a reconnect: then a
// world that may be quiet for hours says nothing by being so (census 3, S2).
func (h *Health) mute() bool {
	silent := 0
	for id, w := range h.worlds {
		limit := h.cfg.Limits(id).Experience
		switch busy := limit > 0 && limit <= h.cfg.Quiet; {
		case !w.shown || !w.offlineAt.IsZero() || !busy:
		case w.failures == 0 || w.lastEvent.After(w.connectedAt):
			return false
		default:
			silent++
		}
	}
	return silent > 0
}

// quietLimit is how long nothing at all may come. One kind missing alone is a
// reason to reconnect, but the world is not silent.
func (h *Health) quietLimit(w *worldHealth, now time.Time) time.Duration {
	base := h.cfg.Limits(w.id)
	limit := base.Experience
	if !h.kinds.experience || limit <= 0 {
		limit = base.Death
	}
	return limit * time.Duration(max(h.cfg.Factor(w.crowd.count(now)), 1))
}

func (h *Health) reconciling(w *worldHealth, flowing bool, now time.Time) bool {
	if w.reconciled.After(w.connectedAt) {
		return false
	}
	if !flowing {
		return now.Sub(w.connectedAt) < h.cfg.Quiet
	}
	return now.Sub(w.firstEvent) < h.cfg.Reconcile
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
