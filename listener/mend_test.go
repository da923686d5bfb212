package listener

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"muster/event"
)

func TestWhatOnlyTheStandbySawIsPublishedByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		for i := range 5 {
			see(10, 1000+i, b)
		}
		n = r.flow(mendAfter-2*time.Second, 1, n, a, b)
		if got := r.victims(); len(got) != n {
			t.Errorf("%d events were published after %s, want the leader's %d", len(got), mendAfter-2*time.Second, n)
		}
		n = r.flow(mendTurn+4*time.Second, 1, n, a, b)
		got := r.victims()
		if len(got) != n+5 {
			t.Errorf("%d events were published, want %d", len(got), n+5)
		}
		for i := range 5 {
			if !slices.Contains(got, 1000+i) {
				t.Errorf("event %d, which the leader missed, was not published", 1000+i)
			}
		}
		if got := b.ringLen(); got > 3 {
			t.Errorf("%d events are left in the ring", got)
		}
		r.wantFlowing()
		r.stop(a, b)
	})
}

func TestAThinWorldIsMendedThoughNothingElseIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		r.wait(time.Second)
		see(10, 7, b)
		r.wait(mendIdle - time.Second)
		if got := r.victims(); len(got) != 0 {
			t.Errorf("published %v within %s: the leader's node may be late", got, mendIdle)
		}
		r.wait(5 * time.Second)
		if got := r.victims(); !slices.Equal(got, []int{7}) {
			t.Errorf("published %v, want the one event", got)
		}
		r.stop(a, b)
	})
}

func TestAStandbyDoesNotPublishForALeaderThatIsMerelySlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		gate := make(chan struct{})
		r.bus.mu.Lock()
		r.bus.block = gate
		r.bus.mu.Unlock()
		n = r.flow(50*time.Second, 1, n, a, b)
		close(gate)
		n = r.flow(20*time.Second, 1, n, a, b)
		r.wantVictims(0, n)
		r.stop(a, b)
	})
}

func TestAStandbyThatHasJustStartedDoesNotPublishWhatIsKnownAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.start()
		r.lose(func(b event.Beacon) bool { return b.Leading() })
		b := r.start()
		n := r.flow(10*time.Second, 1, 0, a, b)
		r.lose(func(b event.Beacon) bool { return b.Again }) // and nobody repeats anything
		n = r.flow(30*time.Second, 1, n, a, b)
		r.wantVictims(0, n)
		r.stop(a, b)
	})
}

func TestWhatComesWhileTheLeaderIsNotConnectedIsPublishedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, b := r.start(), r.start()
		n := r.flow(time.Second, 1, 0, a, b)
		r.wait(leaderEvery)
		a.connect(false)
		synctest.Wait()
		m := r.flow(time.Second, 1, n, b)
		a.connect(true)
		m = r.flow(3*time.Second, 1, m, a, b)
		got := r.victims()
		slices.Sort(got)
		for v := range m {
			if !slices.Contains(got, v) {
				t.Errorf("event %d was not published within 4 s", v)
			}
		}
		if len(got) != m || !a.isLeading() {
			t.Errorf("%d events published, want %d; still leading: %v", len(got), m, a.isLeading())
		}
		r.wantFlowing()
		r.stop(a, b)
	})
}

func TestFactsAreRecordedThoughNobodyCanLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.desk.place <- struct{}{} // the lease service is gone
		a, b := r.start(), r.start()
		n := r.flow(60*time.Second, 1, 0, a, b)
		r.wait(mendAfter + mendTurn + 2*time.Second)
		got := r.victims()
		slices.Sort(got)
		if all := slices.Compact(slices.Clone(got)); len(all) != n {
			t.Errorf("%d events were published, want %d", len(all), n)
		}
		if len(got) > n+n/10 {
			t.Errorf("%d events were published %d times: the two do not hear each other", n, len(got))
		}
		if states := r.bus.streams(); len(states) > 0 {
			t.Errorf("states were told without a lease: %+v", states)
		}
		see(1, 5000, a)
		r.stop(a, b) // what waits still is published at the end
		if !slices.Contains(r.victims(), 5000) {
			t.Error("the last event is lost")
		}
	})
}
