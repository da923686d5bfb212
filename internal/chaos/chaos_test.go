package chaos

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	full  = flag.Bool("full", false, "run every case, with pauses of 30 s")
	only  = flag.String("only", "", "run only cases whose names contain this")
	write = flag.String("write", "", "write the table of results into this file")
)

// How long a blow lasts that is not over by itself.
const (
	longPause  = 30 * time.Second
	shortPause = 6 * time.Second // twice as long as a lease
)

func TestNothingIsLostWhateverDies(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes three minutes")
	}
	cases, d := selected(t)
	var extra []string
	if slices.ContainsFunc(cases, func(s scenario) bool { return s.clock }) {
		extra = withSteppedClock(t)
	}
	c := raise(t, extra...)
	defer c.tellOnFailure()
	from := c.world.Now().Unix() + 2 // until then the first have come
	var outcomes []*outcome
	quiet := scenario{name: "nothing happens", harm: func(_ *cluster, d time.Duration) { hold(shortPause) }}
	for _, s := range append([]scenario{quiet}, cases...) {
		o, w := c.run(s, from, d)
		from = w.to
		outcomes = append(outcomes, o)
	}
	report(t, outcomes)
}

// run does one case and judges the time since the last one.
func (c *cluster) run(s scenario, from int64, d time.Duration) (*outcome, window) {
	t := c.t
	o := &outcome{name: s.name}
	for _, r := range c.readers {
		r.home()
	}
	c.listeners.await(t)
	began := time.Now()
	s.harm(c, d)
	for _, n := range c.nodes {
		n.Await(t)
	}
	c.listeners.await(t)
	o.blow = window{began.Unix(), time.Now().Unix()}
	w := closed(c.world, from)
	c.settle(o, w)
	o.vacant, o.silent = c.listeners.vacant(began), pause(began, c.readers...)
	o.took = time.Since(began)
	t.Log(o.line())
	for _, f := range o.faults {
		t.Errorf("%s: %s", s.name, f)
	}
	return o, w
}

// selected returns the cases that are asked for, and how long blows last.
func selected(t *testing.T) (cases []scenario, d time.Duration) {
	t.Helper()
	all := scenarios()
	d = shortPause
	switch {
	case *only != "":
		for _, s := range all {
			if strings.Contains(s.name, *only) {
				cases = append(cases, s)
			}
		}
	case !*full:
		for _, name := range inShort {
			i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
			if i < 0 {
				t.Fatalf("no case %q", name)
			}
			cases = append(cases, all[i])
		}
	default:
		cases = all
	}
	if *full {
		d = longPause
	}
	return cases, d
}

// tellOnFailure shows what the nodes have said of late.
func (c *cluster) tellOnFailure() {
	if !c.t.Failed() {
		return
	}
	for _, n := range c.nodes {
		c.t.Logf("%s said:\n%s", n.name, n.Log())
	}
}
