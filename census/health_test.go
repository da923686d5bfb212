package census

import (
	"slices"
	"testing"
	"time"

	"muster/event"
)

// A lab drives a Health by hand.
type lab struct {
	t   *testing.T
	h   *Health
	now time.Time
	n   int
}

func newLab(t *testing.T, worlds ...event.World) *lab {
	t.Helper()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	return &lab{t: t, now: now,
		h: NewHealth(HealthConfig{}, worlds, func(event.World) bool { return true }, true, true, now)}
}

func (l *lab) wait(d time.Duration) { l.now = l.now.Add(d) }

func (l *lab) connect() {
	l.h.Connected(l.now)
	l.wait(time.Second)
	l.h.Subscribed(l.now)
}

// event is one Death or experience of somebody on a world, age old on arrival.
func (l *lab) event(w event.World, k event.Kind, who int, age time.Duration) {
	e := event.Event{Kind: k, World: w, At: l.now.Add(-age), ReceivedAt: l.now}
	id := event.CharacterID(5_428_000_000_000_000_000 + int64(who))
	e.Detail = event.Gain{Character: id, Amount: int64(l.n)}
	if k == event.Kill {
		e.Detail = event.Death{Victim: id}
	}
	l.n++
	l.h.Event(&e)
}

// play lets people fight on a world for a while: each second one of them dies
// and one gains.
func (l *lab) play(w event.World, people int, d time.Duration) {
	for range int(d / time.Second) {
		l.wait(time.Second)
		l.event(w, event.Kill, l.n%people, time.Second)
		l.event(w, event.Experience, l.n%people, time.Second)
	}
}

func (l *lab) want(w event.World, health event.StreamHealth) event.StreamState {
	l.t.Helper()
	for _, s := range l.h.States(l.now) {
		if s.World == w {
			if s.Health != health {
				l.t.Errorf("world %d is %s (%s), want %s", w, s.Health, s.Reason, health)
			}
			return s
		}
	}
	l.t.Errorf("world %d is not shown", w)
	return event.StreamState{}
}

func (l *lab) suspects(want ...event.World) {
	l.t.Helper()
	if got := l.h.Suspects(l.now); !slices.Equal(got, want) {
		l.t.Errorf("suspects %v, want %v", got, want)
	}
}

func TestAWorldComesUpThroughReconciling(t *testing.T) {
	l := newLab(t, 10)
	l.want(10, event.StreamDown)
	l.h.Connected(l.now)
	l.want(10, event.StreamDown) // nothing was asked for yet
	l.wait(time.Second)
	l.h.Subscribed(l.now)
	l.want(10, event.StreamReconciling)
	l.play(10, 300, 29*time.Second)
	l.want(10, event.StreamReconciling)
	l.play(10, 300, 3*time.Second)
	if s := l.want(10, event.StreamLive); !s.Since.Equal(l.now) || !s.LastEventAt.Equal(l.now) {
		t.Errorf("live since %v with the last event at %v, want %v", s.Since, s.LastEventAt, l.now)
	}
}

func TestAReadOfPresenceEndsReconciling(t *testing.T) {
	l := newLab(t, 1, 10)
	l.connect()
	l.play(10, 300, 5*time.Second)
	l.h.Reconciled(10, l.now)
	l.want(10, event.StreamLive)
	l.want(1, event.StreamReconciling)
}

func TestABusyWorldIsSuspectedSoonAndAQuietOneLate(t *testing.T) {
	tests := []struct {
		people      int
		death, gain time.Duration
	}{
		{300, 15 * time.Second, 5 * time.Second},
		{150, 60 * time.Second, 20 * time.Second},
		{70, 120 * time.Second, 40 * time.Second},
		{20, 240 * time.Second, 80 * time.Second},
	}
	for _, tt := range tests {
		l := newLab(t, 10)
		l.connect()
		l.play(10, tt.people, 10*time.Minute)
		l.wait(tt.gain)
		l.suspects()
		l.wait(time.Second)
		l.suspects(10)
		l.want(10, event.StreamSilent)

		l.play(10, tt.people, time.Minute)
		l.suspects()
		for range int(tt.death / time.Second) { // only deaths are missing
			l.wait(time.Second)
			l.event(10, event.Experience, l.n%tt.people, 0)
		}
		l.suspects()
		l.wait(time.Second)
		l.event(10, event.Experience, 0, 0)
		l.suspects(10)
		if s := l.want(10, event.StreamLive); s.Reason == "" {
			t.Error("deaths are missing, and no reason says so")
		}
	}
}

func TestJaegerMayBeEmptyForHours(t *testing.T) {
	l := newLab(t, 19)
	l.connect()
	l.wait(3 * time.Minute)
	l.want(19, event.StreamLive)
	l.wait(10 * time.Hour)
	l.suspects()
	l.want(19, event.StreamLive)
}

func TestPlayStationHasLongerLimits(t *testing.T) {
	l := newLab(t, 1000)
	l.connect()
	l.play(1000, 300, 10*time.Minute)
	l.wait(30 * time.Second)
	l.suspects()
	l.wait(time.Second)
	l.suspects(1000)
}

func TestEachFailedReconnectDoublesTheLimitUpToTenMinutes(t *testing.T) {
	l := newLab(t, 1, 10)
	l.connect()
	l.play(1, 300, 10*time.Minute)
	var reconnects int
	for range 4 * 3600 { // four hours of maintenance
		l.wait(time.Second)
		if s := l.h.Suspects(l.now); len(s) > 0 {
			reconnects++
			l.h.Failed(s)
			l.h.Disconnected("silent")
			l.connect()
		}
	}
	if reconnects < 20 || reconnects > 60 {
		t.Errorf("%d reconnects in four silent hours, want one in ten minutes or so", reconnects)
	}
	l.want(1, event.StreamSilent)
	l.play(1, 300, 31*time.Second)
	l.want(1, event.StreamLive)
	l.wait(81 * time.Second) // few players are known by now
	l.suspects(1, 10)
}

func TestSilenceAndDownCountFromTheLastEvent(t *testing.T) {
	l := newLab(t, 10)
	l.connect()
	l.play(10, 300, 10*time.Minute)
	l.want(10, event.StreamLive)
	last := l.now
	l.wait(6 * time.Second)
	if s := l.want(10, event.StreamSilent); !s.Since.Equal(last) {
		t.Errorf("silent since %v, want the last event at %v", s.Since, last)
	}
	l.h.Disconnected("connection lost")
	l.wait(time.Minute)
	if s := l.want(10, event.StreamDown); !s.Since.Equal(last) || s.Reason != "connection lost" {
		t.Errorf("down since %v (%s), want the last event at %v", s.Since, s.Reason, last)
	}
}

// What happened in the last seconds had not come yet when a late stream broke.
func TestAHoleOfALateStreamBeginsAsMuchEarlier(t *testing.T) {
	for age, want := range map[time.Duration]time.Duration{time.Second: 0, 40 * time.Second: 40 * time.Second, time.Hour: 10 * time.Minute} {
		l := newLab(t, 10)
		l.connect()
		for i := range 120 {
			l.wait(time.Second)
			l.event(10, event.Kill, i, age)
			l.event(10, event.Experience, i, age)
		}
		l.event(10, event.Kill, 1, 5*time.Hour) // a replay tells nothing of the others
		last := l.now
		l.h.States(l.now) // it flows
		l.h.Disconnected("gone")
		l.wait(time.Second)
		if got := last.Sub(l.want(10, event.StreamDown).Since); got != want {
			t.Errorf("with events %s old it begins %s before the last one, want %s", age, got, want)
		}
	}
}

func TestAWorldThatTheGameCallsOfflineIsDownAndNotSuspected(t *testing.T) {
	l := newLab(t, 1, 10)
	l.connect()
	l.play(10, 300, time.Minute)
	l.h.Endpoint(10, false, l.now)
	l.want(10, event.StreamDown)
	for range 200 {
		l.play(1, 300, 10*time.Second)
		l.h.Endpoint(10, false, l.now)
		l.suspects()
	}
	l.want(10, event.StreamDown)
	l.h.Endpoint(10, true, l.now)
	l.play(10, 300, time.Minute)
	l.want(10, event.StreamLive)
}

func TestEventsProveAnEndpointsFalseWrong(t *testing.T) {
	l := newLab(t, 10)
	l.connect()
	l.play(10, 300, time.Minute)
	l.h.Endpoint(10, false, l.now)
	l.play(10, 300, 5*time.Second)
	l.want(10, event.StreamLive)
	l.h.Endpoint(10, false, l.now) // as every heartbeat says
	l.want(10, event.StreamLive)
	l.wait(5 * time.Minute)
	l.want(10, event.StreamDown)
}

func TestOldEventsMakeAStreamLate(t *testing.T) {
	l := newLab(t, 10)
	l.connect()
	l.play(10, 300, 5*time.Minute)
	for range 10 {
		l.wait(time.Second)
		l.event(10, event.Experience, 1, 12*time.Second)
		l.event(10, event.Kill, 1, 12*time.Second)
	}
	l.want(10, event.StreamLate)
	l.play(10, 300, 11*time.Second)
	l.want(10, event.StreamLive)
}

func TestEventsOfTheFutureDoNotHideLateOnes(t *testing.T) {
	l := newLab(t, 10)
	l.connect()
	l.play(10, 300, 5*time.Minute)
	for range 20 {
		l.wait(time.Second)
		for range 3 {
			e := event.Event{Kind: event.Experience, World: 10, At: l.now.Add(24 * time.Hour), ReceivedAt: l.now,
				Future: true, Detail: event.Gain{Character: 1}}
			l.h.Event(&e)
		}
		l.event(10, event.Experience, 1, 12*time.Second)
		l.event(10, event.Kill, 1, 12*time.Second)
	}
	l.want(10, event.StreamLate)
}

func TestClosedWorldsAreShownFromTheirFirstEvent(t *testing.T) {
	l := newLab(t)
	l.h = NewHealth(HealthConfig{}, []event.World{10, 13, 17, 25}, func(w event.World) bool { return w == 10 }, true, true, l.now)
	l.connect()
	l.h.Endpoint(25, false, l.now)
	l.h.Endpoint(17, true, l.now)
	l.play(13, 300, time.Minute)
	var got []event.World
	for _, s := range l.h.States(l.now) {
		got = append(got, s.World)
	}
	if !slices.Equal(got, []event.World{10, 13}) {
		t.Errorf("shown %v, want 10 and 13", got)
	}
	l.wait(time.Hour)
	l.suspects(10, 13) // a closed world must not cause reconnects
}

func TestTheCrowdIsBoundedAndForgets(t *testing.T) {
	var c crowd
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range 5000 {
		c.add(event.CharacterID(i+1), now)
	}
	if len(c.seen) != crowdMax || c.count(now) != crowdMax {
		t.Errorf("%d remembered, %d counted, want %d", len(c.seen), c.count(now), crowdMax)
	}
	if n := c.count(now.Add(16 * time.Minute)); n != 0 {
		t.Errorf("%d counted after 16 minutes, want 0", n)
	}
}

func TestS2AQuietWorldIsSilentWhenAllBusyOnesAre(t *testing.T) {
	const jaeger = 19
	l := newLab(t, 1, 10, jaeger)
	l.connect()
	l.event(jaeger, event.Kill, 1, time.Second)
	last := l.now
	l.play(1, 300, 60*time.Second)
	l.event(10, event.Kill, 2, time.Second)
	l.want(jaeger, event.StreamLive)

	l.wait(10 * time.Minute)
	l.h.Failed(l.h.Suspects(l.now))
	l.h.Disconnected("silent")
	l.connect()
	if s := l.want(jaeger, event.StreamSilent); !s.Since.Equal(last) {
		t.Errorf("silent since %v, want the last event at %v", s.Since, last)
	}
	l.event(10, event.Kill, 2, time.Second)
	l.want(jaeger, event.StreamReconciling) // the connection works
}
