package dispatcher

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"muster/event"
)

func TestALeaderThatWasFollowedIsCountedEachTimeAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.extra = func(rec event.Record, out *event.Recorded) {
			out.Streams = nil
			for _, st := range rec.Streams {
				if st.By.Term < 3 {
					out.Refused = append(out.Refused, st.By)
				}
			}
		}
		r := startRig(t, s)
		for term := int64(1); term <= 3; term++ {
			for range 4 {
				body, err := event.EncodeStream(event.StreamState{World: 10, Health: event.StreamDown, Since: time.Now(), ReportedAt: time.Now(),
					By: event.Fence{Lease: "listener/ps2", Term: term}})
				if err != nil {
					t.Fatal(err)
				}
				r.publish(event.TopicEvents, body)
			}
		}
		r.feed()
		r.stop()
		want := `
			# HELP muster_dispatcher_fenced_total States and observations refused because their leader has been followed by another.
			# TYPE muster_dispatcher_fenced_total counter
			muster_dispatcher_fenced_total{lease="listener/ps2"} 8
		`
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "muster_dispatcher_fenced_total"); err != nil {
			t.Error(err)
		}
		for _, term := range []string{"term=1", "term=2"} {
			if n := strings.Count(r.log.String(), term); n != 1 {
				t.Errorf("said %d times of %s:\n%s", n, term, r.log.String())
			}
		}
		if strings.Contains(r.log.String(), "term=3") {
			t.Error("the leader's own term is said to be old")
		}
	})
}

func TestLeadersThatWereSaidAreForgottenInTime(t *testing.T) {
	var f fenced
	for term := range int64(3 * fencedMax) {
		if !f.first(event.Fence{Lease: "x", Term: term + 1}) {
			t.Fatalf("term %d was never said", term+1)
		}
	}
	if n := len(f.said); n > fencedMax {
		t.Errorf("%d are remembered, want %d at most", n, fencedMax)
	}
}
