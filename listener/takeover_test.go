package listener

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/event"
)

func TestWhatTheBusHasConfirmedLeavesTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		see(1, 0, a, b)
		synctest.Wait()
		if n := b.ringLen(); n != 1 {
			t.Errorf("%d events in the ring before a word of the leader, want 1", n)
		}
		r.wait(leaderEvery)
		if n := b.ringLen(); n != 0 {
			t.Errorf("%d events in the ring after it", n)
		}
		r.stop(a, b)
	})
}

func TestASuccessorPublishesWhatTheKilledLeaderDidNotConfirmInOrderAndFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(5*time.Second, 1, 0, a, b)
		r.wait(leaderEvery)
		r.kill(a)
		n = r.flow(5*time.Second, 1, n, a, b)
		if !b.isLeading() {
			t.Fatal("nobody has taken over")
		}
		r.wait(time.Second)
		r.wantVictims(0, n)
		r.wantFlowing()
		r.stop(b)
		a.line.set(false) // it had been suspended, and wakes
		r.stop(a)
	})
}

func TestWhatTheLeaderWasFasterWithIsNotPublishedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		first, second := sighting(1, 0), sighting(1, 1)
		a.sighting(first)
		a.sighting(second)
		r.wait(2 * time.Second)
		b.sighting(first)
		if n := b.ringLen(); n != 0 {
			t.Errorf("%d events in the ring, though the leader's node was faster", n)
		}
		r.stop(a)
		r.wait(time.Second)
		b.sighting(second) // it leads by now
		r.wait(time.Second)
		r.wantVictims(0, 2)
		r.stop(b)
	})
}

func TestALostBeaconMakesOverlapAndIsRepeatedOnceItIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		deaf := func(on bool) { r.lose(func(b event.Beacon) bool { return on && b.Leading() }) }
		deaf(true)
		n := r.flow(time.Second, 1, 0, a, b)
		r.wait(leaderEvery)
		if got := b.ringLen(); got != n {
			t.Errorf("%d events in the ring, want all %d", got, n)
		}
		deaf(false)
		r.wait(5 * time.Second)
		if got := b.ringLen(); got != 0 {
			t.Errorf("%d events in the ring although the leader was asked again", got)
		}
		deaf(true)
		m := r.flow(time.Second, 1, n, a, b)
		r.kill(a)
		r.wait(5 * time.Second)
		count := map[int]int{}
		for _, v := range r.victims() {
			count[v]++
		}
		for v := range m {
			if want := map[bool]int{true: 1, false: 2}[v < n]; count[v] != want {
				t.Errorf("event %d was published %d times, want %d", v, count[v], want)
			}
		}
		r.stop(b)
		a.line.set(false)
		r.stop(a)
	})
}

func TestALeaderThatEndsHandsOverWithoutAWordOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		before := time.Now()
		r.stop(a)
		synctest.Wait()
		if took := time.Since(before); took > time.Second || !b.isLeading() {
			t.Errorf("after %s the other leads: %v", took, b.isLeading())
		}
		n = r.flow(time.Second, 1, n, b)
		r.wantVictims(0, n)
		r.wantFlowing()
		states := r.bus.streams()
		if first, last := states[0].By, states[len(states)-1].By; first != (event.Fence{Lease: "listener/ps2", Term: 1}) ||
			last != (event.Fence{Lease: "listener/ps2", Term: 2}) {
			t.Errorf("the first state is said by %+v, the last by %+v; want terms 1 and 2", first, last)
		}
		r.stop(b)
		if last := r.bus.streams(); last[len(last)-1].Reason != "listener stopped" {
			t.Errorf("the last listener ends with %+v, want that it stopped", last[len(last)-1])
		}
	})
}

func TestASuspendedLeaderPublishesNothingThatCameAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		r.wait(leaderEvery)
		r.desk.revoke() // a does not know yet: it runs only once it is looked at
		for i := range 5 {
			a.sighting(sighting(1, n+i))
		}
		r.wait(time.Second)
		for _, m := range r.victims() {
			if m >= n {
				t.Errorf("event %d was published by a leader without a lease", m)
			}
		}
		r.stop(a, b)
	})
}

func TestAStandbyIsReadyWhileItIsConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		ready := func(n *node, want error) {
			t.Helper()
			if got := n.Ready(t.Context()); !errors.Is(got, want) {
				t.Errorf("ready: %v, want %v", got, want)
			}
		}
		ready(a, nil)
		ready(b, nil)
		b.connect(false)
		ready(b, errNotConnected)
		a.connect(false)
		r.wait(10 * time.Second)
		ready(a, nil) // it leads, and nobody is better
		r.stop(a, b)
	})
}

func TestThatTheSuccessorHasJustConnectedIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		fresh := live(1)
		fresh.Health = event.StreamReconciling
		b.says(fresh)
		r.wait(time.Second)
		r.stop(a)
		r.wait(35 * time.Second)
		for i, s := range r.bus.streams() {
			if s.Health != event.StreamLive {
				t.Errorf("state %d: world %d was told to be %s", i, s.World, s.Health)
			}
		}
		b.says(live(1))
		b.says(down(1)) // and from here on its own word counts
		b.says(fresh)
		synctest.Wait()
		states := r.bus.streams()
		if last := states[len(states)-1]; last.Health != event.StreamReconciling {
			t.Errorf("the last word is %s, want reconciling", last.Health)
		}
		r.stop(b)
	})
}
