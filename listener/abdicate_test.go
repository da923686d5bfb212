package listener

import (
	"testing"
	"testing/synctest"
	"time"

	"muster/event"
)

// leadsAfter lets events flow until n leads, and returns how long that took, at
// most limit.
func (r *rig) leadsAfter(limit time.Duration, n *node, pulse func()) time.Duration {
	r.t.Helper()
	begin := time.Now()
	for !n.isLeading() {
		if time.Since(begin) > limit {
			r.t.Fatalf("does not lead after %s", limit)
		}
		pulse()
		r.wait(100 * time.Millisecond)
	}
	return time.Since(begin)
}

func TestALeaderWithoutAConnectionGivesTheLeaseToOneThatHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		a.connect(false)
		took := r.leadsAfter(5*time.Second, b, func() { see(1, n, b); n++ })
		if took < patienceDown || took > patienceDown+time.Second {
			t.Errorf("took %s, want %s and a bit", took, patienceDown)
		}
		if got, want := len(r.victims()), n; got != want {
			t.Errorf("%d events published, want %d", got, want)
		}
		r.wantFlowing()

		// It is well again, and waits for the other to fall ill.
		a.connect(true)
		n = r.flow(time.Minute, 1, n, a, b)
		if !b.isLeading() {
			t.Error("the lease went back without a reason")
		}
		b.connect(false)
		r.leadsAfter(5*time.Second, a, func() { see(1, n, a); n++ })
		r.stop(a, b)
	})
}

func TestALeaderStaysWhenNobodyIsBetter(t *testing.T) {
	tests := []struct {
		name string
		ill  func(r *rig, a, b *node)
	}{
		{"nobody is connected", func(_ *rig, a, b *node) { a.connect(false); b.connect(false) }},
		{"the other is silent", func(r *rig, a, _ *node) {
			r.lose(func(b event.Beacon) bool { return !b.Leading() })
			a.connect(false)
		}},
		{"each misses a world", func(r *rig, a, b *node) {
			for i := range 300 {
				see(1, i, a)
				see(10, 1000+i, b)
				r.wait(100 * time.Millisecond)
			}
		}},
		{"a quiet world is quiet for both", func(r *rig, a, b *node) {
			for i := range 12 {
				see(1, i, a, b)
			}
			r.flow(30*time.Second, 10, 100, a, b)
		}},
		{"too few events to tell", func(r *rig, a, b *node) {
			for i := range 10 {
				see(1, i, b)
				r.flow(6*time.Second, 10, 100*i+100, a, b)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				a, b := r.start(), r.start()
				test.ill(r, a, b)
				r.wait(10 * time.Second)
				if !a.isLeading() || b.isLeading() {
					t.Error("the leader gave the lease up")
				}
				if n := r.desk.terms; n != 1 {
					t.Errorf("%d terms, want 1", n)
				}
				r.stop(a, b)
			})
		})
	}
}

func TestAWorldThatIsSilentForTheLeaderAloneIsPublishedByTheOtherWithin15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		other := 10_000
		n := 0
		pulse := func(to ...*node) func() {
			return func() {
				see(1, n, to...)
				see(10, other, a, b)
				n, other = n+1, other+1
			}
		}
		for range 100 {
			pulse(a, b)()
			r.wait(100 * time.Millisecond)
		}
		silent := n
		took := r.leadsAfter(15*time.Second, b, pulse(b))
		t.Logf("took %s", took)
		r.wait(time.Second)
		count := map[int]int{}
		for _, v := range r.victims() {
			count[v]++
		}
		for v := silent; v < n; v++ {
			if count[v] != 1 {
				t.Errorf("event %d of the silent world was published %d times", v, count[v])
			}
		}
		r.wantFlowing()
		r.stop(a, b)
	})
}

func TestLeadersThatTakeTurnsAtBeingIllSettleDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		nodes := []*node{r.start(), r.start()}
		n := 0
		for range 40 { // one of the two loses its connection for 4 s, again and again
			for i, x := range nodes {
				x.connect(false)
				n = r.flow(4*time.Second, 1, n, nodes[1-i])
				x.connect(true)
				n = r.flow(time.Second, 1, n, nodes...)
			}
		}
		if terms := r.desk.terms; terms < 3 || terms > 25 {
			t.Errorf("%d leaders in 7 minutes", terms)
		}
		r.wait(time.Minute + 20*time.Second)
		count := map[int]int{}
		for _, v := range r.victims() {
			count[v]++
		}
		if len(count) != n {
			t.Errorf("%d events were published, want %d", len(count), n)
		}
		r.stop(nodes...)
	})
}

func TestTheBetterOfTwoGetsTheLeaseOfAKilledLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b, c := r.start(), r.start(), r.start()
		b.connect(false) // it has waited longest
		r.wait(2 * time.Second)
		r.kill(a)
		r.wait(5 * time.Second)
		if !c.isLeading() {
			t.Error("the one with a connection does not lead")
		}
		r.kill(c) // and now there is only an ill one
		r.wait(leaseOutlives + 3*headStart)
		if !b.isLeading() {
			t.Error("nobody leads although somebody could")
		}
		r.stop(b)
		a.line.set(false)
		c.line.set(false)
		r.stop(a, c)
	})
}

func TestALeaderThatAbdicatedTakesTheLeaseIfNobodyElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		r.flow(time.Second, 1, 0, a, b)
		a.connect(false)
		r.leadsAfter(5*time.Second, b, func() {})
		a.connect(true)
		r.kill(b)
		r.wait(leaseOutlives + 3*headStart)
		if !a.isLeading() {
			t.Error("it still cools down although nobody leads")
		}
		r.stop(a)
		b.line.set(false)
		r.stop(b)
	})
}

func TestAShortBreakOfTheLeadersConnectionIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		a.connect(false)
		n = r.flow(time.Second, 1, n, b)
		fresh := live(1)
		fresh.Health = event.StreamReconciling
		a.connect(true)
		a.says(fresh)
		r.flow(30*time.Second, 1, n, a, b)
		a.says(live(1))
		synctest.Wait()
		for i, s := range r.bus.streams() {
			if s.Health != event.StreamLive {
				t.Errorf("state %d: world %d was told to be %s", i, s.World, s.Health)
			}
		}
		if !a.isLeading() {
			t.Error("the lease went to the other")
		}
		r.stop(a, b)
	})
}

func TestAWorldThatNobodyHasIsToldToBeDownFromWhenTheLeaderLostIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		r.flow(time.Second, 1, 0, a, b)
		began := time.Now()
		a.connect(false)
		r.wait(time.Second)
		r.wantFlowing()
		b.connect(false)
		r.wait(2 * time.Second)
		told := map[event.World]time.Time{}
		for _, s := range r.bus.streams() {
			if s.Health == event.StreamDown {
				told[s.World] = s.Since
			}
		}
		if len(told) != 2 || told[1].Sub(began) > 0 {
			t.Errorf("told to be down: %v, want both worlds since %s", told, began)
		}
		r.stop(a, b)
	})
}
