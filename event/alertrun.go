package event

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// An AlertRun is one in-game alert of a world, as its events tell of it.
type AlertRun struct {
	World World
	Zone  Zone // 0 where the game did not say
	Alert      // as last told
	Name  string
	// StartedAt is the first that was told of it: its start, as a rule.
	StartedAt time.Time
	// EndsAt is when it ended, or is to end by its length.
	EndsAt time.Time
	// Over says that it has ended or was canceled, or that its time has come: the event
	// of an end may be lost (census 2.6).
	Over bool
}

// An OutfitCount is an outfit and how often it did something.
type OutfitCount struct {
	Outfit Outfit
	N      int
}

// AlertLength is how long an alert lasts of which the game's tables say nothing.
const AlertLength = 90 * time.Minute

// AlertWindow is how far back an alert may have begun that still runs.
const AlertWindow = AlertLength + 30*time.Minute

// Leads returns the faction with the most territory, NoFaction if two have it.
func (a Alert) Leads() Faction {
	best := max(a.VS, a.NC, a.TR)
	var leader Faction
	n := 0
	for f, share := range map[Faction]float64{VS: a.VS, NC: a.NC, TR: a.TR} {
		if share == best {
			leader = f
			n++
		}
	}
	if n != 1 {
		return NoFaction
	}
	return leader
}

// FoldAlerts returns what events of kind Metagame tell of at a time: those that run
// first, and of these those that end first; then those that are over, the latest
// first. tables are the game's names and lengths of alerts. Events may come in any
// order, more than once, and without their beginning or end.
func FoldAlerts(events []Event, tables []Lookup, now time.Time) []AlertRun {
	type key struct {
		world    World
		instance int64
	}
	named := make(map[int64]Lookup, len(tables))
	for _, l := range tables {
		named[l.ID] = l
	}
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return a.At.Compare(b.At) })
	var runs []AlertRun
	last := map[key]int{}
	for _, e := range sorted {
		a, ok := e.Detail.(Alert)
		if !ok {
			continue
		}
		k := key{e.World, a.Instance}
		i, known := last[k]
		if !known || runs[i].Over && a.State == MetagameStarted && e.At.After(runs[i].EndsAt) { // a restarted server counts anew
			i = len(runs)
			last[k] = i
			runs = append(runs, AlertRun{World: e.World, StartedAt: e.At, EndsAt: e.At.Add(lengthOf(named[a.ID])), Name: named[a.ID].Name})
		}
		r := &runs[i]
		r.Alert, r.Zone = a, cmp.Or(e.Zone, r.Zone)
		if a.State == MetagameEnded || a.State == MetagameCanceled {
			r.Over, r.EndsAt = true, e.At
		}
	}
	for i := range runs {
		runs[i].Over = runs[i].Over || !now.Before(runs[i].EndsAt)
	}
	slices.SortStableFunc(runs, func(a, b AlertRun) int {
		switch {
		case a.Over != b.Over:
			if a.Over {
				return 1
			}
			return -1
		case a.Over:
			return b.EndsAt.Compare(a.EndsAt)
		}
		return cmp.Or(a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.World, b.World))
	})
	return runs
}

func lengthOf(l Lookup) time.Duration {
	if n, err := strconv.Atoi(l.Extra); err == nil && n > 0 && n <= 24*60 {
		return time.Duration(n) * time.Minute
	}
	return AlertLength
}
