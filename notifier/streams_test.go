package notifier

import (
	"testing"
	"time"

	"muster/event"
)

func TestAClockSetBackDoesNotSilenceTheStreams(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	word := func(h event.StreamHealth, after time.Duration) event.StreamState {
		return event.StreamState{World: 10, Health: h, Since: now, ReportedAt: now.Add(after)}
	}
	s := newStreams()
	s.set(word(event.StreamLive, 2*time.Hour), now) // said by a clock two hours ahead
	s.set(word(event.StreamDown, time.Second), now.Add(time.Second))
	if got := s.state[10].Health; got != event.StreamDown {
		t.Errorf("the world is %s, want down", got)
	}
	s.set(word(event.StreamLive, 0), now.Add(time.Second))
	if got := s.state[10].Health; got != event.StreamDown {
		t.Errorf("an older word makes the world %s, want down", got)
	}
}
