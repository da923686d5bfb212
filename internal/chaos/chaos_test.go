package chaos

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

var (
	full  = flag.Bool("full", false, "run every case, with pauses of 30 s")
	write = flag.String("write", "", "write the table of results into this file, a line after each case")
)

// How long a blow lasts that is not over by itself.
const (
	longPause  = 30 * time.Second
	shortPause = 6 * time.Second // twice as long as a lease
)

// Each case is a subtest of the cluster it is done to, so that -run chooses:
//
//	go test ./internal/chaos -full -run 'TestNothingIsLostWhateverDies//the bot'
//
// A cluster that has failed a case is thrown away, and the next case has a new one.
func TestNothingIsLostWhateverDies(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes three minutes")
	}
	cases, d := selected(t)
	var extra []string
	if slices.ContainsFunc(cases, func(s scenario) bool { return s.clock }) {
		extra = withSteppedClock(t)
		theClockCanBeStepped(t, extra)
	}
	results := newResults(t, *write, len(cases))
	defer func() { t.Log("\n" + results.table()) }()
	for n, idle := 1, 0; len(cases) > 0; n++ {
		left := len(cases)
		t.Run(fmt.Sprint("cluster ", n), func(t *testing.T) {
			cases = raise(t, extra...).do(cases, d, results)
		})
		if idle++; len(cases) < left {
			idle = 0
		}
		if idle == 2 {
			t.Fatalf("two clusters were of no use: %d cases are not done", len(cases))
		}
	}
}

// quietName is of the case that each cluster begins with.
const quietName = "nothing happens"

// do does cases until one fails, and returns those that are left.
func (c *cluster) do(cases []scenario, d time.Duration, results *results) (left []scenario) {
	results.on(c)
	c.from = c.world.Now().Unix() + 2 // until then the first have come
	began := c.from
	quiet := scenario{name: quietName, harm: func(_ *cluster, _ time.Duration) { hold(shortPause) }}
	first := &outcome{name: quiet.name}
	if c.run(first, quiet, d); len(first.faults) > 0 {
		c.tellOnFailure()
		results.add(first)
		return cases
	}
	results.addOnce(first)
	for len(cases) > 0 {
		s := cases[0]
		cases = cases[1:]
		well := c.sub(s.name, func() {
			o := &outcome{name: s.name}
			defer func() {
				results.add(o)
				c.tellOnFailure()
			}()
			c.run(o, s, d)
		})
		if !well {
			return cases
		}
	}
	c.sub("what is wrong is seen", func() { c.seesWhatIsWrong(began) })
	return nil
}

// sub does f as a subtest, whose failures are its own, and returns whether it passed.
func (c *cluster) sub(name string, f func()) bool {
	whole := c.t
	defer func() { c.t = whole }()
	return whole.Run(name, func(t *testing.T) {
		c.t = t
		f()
	})
}

// run does one case, and judges the time since the last one.
func (c *cluster) run(o *outcome, s scenario, d time.Duration) {
	t := c.t
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
	w := closed(c.world, c.from)
	c.settle(o, w)
	o.vacant, o.silent = c.listeners.vacant(began), pause(began, c.readers...)
	o.took, o.ended = time.Since(began), true
	t.Log(o.line())
	for _, f := range o.faults {
		t.Errorf("%s: %s", s.name, f)
	}
	c.from, c.last = w.to, w
	c.forget(w.from)
}

// forget lets go of what is older than a game second that was judged: a run takes
// an hour.
func (c *cluster) forget(before int64) {
	c.history.forget(before)
	for _, r := range c.readers {
		r.forget(before)
	}
}

// selected returns the cases of this run, of which -run may leave some out, and how
// long blows last.
func selected(t *testing.T) (cases []scenario, d time.Duration) {
	t.Helper()
	all := scenarios()
	d = longPause
	if !*full {
		d = shortPause
		var short []scenario
		for _, name := range inShort {
			i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
			if i < 0 {
				t.Fatalf("no case %q", name)
			}
			short = append(short, all[i])
		}
		all = short
	}
	return all, d
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
