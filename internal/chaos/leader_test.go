package chaos

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A turn is a change of who leads.
type turn struct {
	at    time.Time
	node  string
	leads bool
	harm  bool // this test has begun to harm the node
	// again says that this test has mended the node. Then it leads on if it led
	// before and neither lost the lease nor saw another take it.
	again bool
}

// A reign is who led a role's lease, and when.
type reign struct {
	role  string
	nodes []*node
	// harmed are the moments at which this test did something to a node.
	harmed []turn
}

// turns returns all changes so far, in order of time.
func (r *reign) turns() []turn {
	all := slices.Clone(r.harmed)
	for _, n := range r.nodes {
		for _, line := range n.log.since(time.Time{}) {
			if !strings.Contains(line.text, "role="+r.role) {
				continue
			}
			switch {
			case strings.Contains(line.text, "msg=leading"):
				all = append(all, turn{at: line.at, node: n.name, leads: true})
			case strings.Contains(line.text, `msg="leadership lost"`), strings.Contains(line.text, `msg="giving the lease up`):
				all = append(all, turn{at: line.at, node: n.name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b turn) int { return a.at.Compare(b.at) })
	return all
}

// A spell is a time in which one node led, or with node "" nobody.
type spell struct {
	from time.Time
	node string
}

// spells returns who led, from the beginning on.
func (r *reign) spells() []spell {
	all, broken := []spell{{}}, ""
	for _, t := range r.turns() {
		name := all[len(all)-1].node
		switch {
		case t.again && (name != "" || broken != t.node):
		case t.leads:
			all, broken = append(all, spell{t.at, t.node}), ""
		case t.node == name && t.harm:
			all, broken = append(all, spell{t.at, ""}), name
		case t.node == name || t.node == broken:
			all, broken = append(all, spell{t.at, ""}), ""
		}
	}
	return all
}

// leader returns who leads, nil if nobody does.
func (r *reign) leader() *node {
	all := r.spells()
	name := all[len(all)-1].node
	for _, n := range r.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// await waits for a leader who is well.
func (r *reign) await(t testing.TB) *node {
	t.Helper()
	var n *node
	until(t, "somebody leads as "+r.role, func() bool {
		n = r.leader()
		return n != nil && !n.away
	})
	return n
}

// other is a node that is not n.
func (r *reign) other(n *node) *node {
	for _, o := range r.nodes {
		if o != n {
			return o
		}
	}
	return nil
}

// harm notes that a node is harmed from now on: it leads no more.
func (r *reign) harm(n *node) {
	r.harmed = append(r.harmed, turn{at: time.Now(), node: n.name, harm: true})
}

// mend notes that a node is well again.
func (r *reign) mend(n *node) {
	r.harmed = append(r.harmed, turn{at: time.Now(), node: n.name, leads: true, again: true})
}

// vacant returns how long nobody led after from, in all.
func (r *reign) vacant(from time.Time) (total time.Duration) {
	all := r.spells()
	for i, s := range all {
		end := time.Now()
		if i+1 < len(all) {
			end = all[i+1].from
		}
		if begin := later(s.from, from); s.node == "" && end.After(begin) {
			total += end.Sub(begin)
		}
	}
	return total
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// until polls for what has no other way to be waited for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !within(patience, ok) {
		t.Fatalf("never came true: %s", what)
	}
}

// within polls until ok holds, and reports whether it did in time.
func within(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
