package event_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/event"
)

const somebody event.CharacterID = 5428010618015189601

var evening = time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)

func second(s int) time.Time { return evening.Add(time.Duration(s) * time.Second) }

func sign(s event.Sign, at int) event.Evidence {
	return event.Evidence{Sign: s, At: second(at), World: 10}
}

// fold folds all of evs and returns the result, the changes and the sessions
// as a store would have them.
func fold(evs ...event.Evidence) (event.Track, []event.PresenceChange, map[time.Time]event.Session) {
	var t event.Track
	var changes []event.PresenceChange
	rows := map[time.Time]event.Session{}
	for _, ev := range evs {
		f := t.Fold(somebody, ev)
		for _, start := range f.Dropped {
			delete(rows, start)
		}
		for _, row := range f.Sessions {
			rows[row.StartedAt] = row
		}
		changes = append(changes, f.Changes...)
		t = f.Track
	}
	return t, changes, rows
}

func drawEvidence() *rapid.Generator[event.Evidence] {
	return rapid.Custom(func(t *rapid.T) event.Evidence {
		return event.Evidence{
			Sign:  rapid.SampledFrom([]event.Sign{event.SignActivity, event.SignLogin, event.SignLogout}).Draw(t, "sign"),
			At:    second(rapid.IntRange(0, 12).Draw(t, "at") * rapid.SampledFrom([]int{1, 1, 60}).Draw(t, "scale")),
			World: event.World(rapid.SampledFrom([]int{1, 10}).Draw(t, "world")),
			Zone:  event.Zone(rapid.SampledFrom([]int{0, 2, 4}).Draw(t, "zone")),
		}
	})
}

func TestPresenceDoesNotDependOnOrderOrRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evs := rapid.SliceOfN(drawEvidence(), 1, 10).Draw(t, "evidence")
		shuffled := rapid.Permutation(evs).Draw(t, "order")
		shuffled = append(shuffled, shuffled[:rapid.IntRange(0, len(shuffled)).Draw(t, "repeated")]...)
		a, _, _ := fold(evs...)
		b, _, rows := fold(shuffled...)

		login, logout, other := newest(evs, event.SignLogin), newest(evs, event.SignLogout), newest(evs, event.SignActivity)
		byLogin := !login.IsZero() && !login.Before(logout)
		online := byLogin || other.After(logout)
		if b.Online.Online != online {
			t.Fatalf("online is %v, want %v: %v", b.Online.Online, online, shuffled)
		}
		if a.World != b.World || a.Zone != b.Zone || a.LastSeen != b.LastSeen || a.LoggedOut != b.LoggedOut {
			t.Fatalf("order decides:\n%+v\n%+v", a, b)
		}
		if byLogin && (b.Session != login || b.Inferred) {
			t.Fatalf("session began at %v, inferred %v, want the login at %v", b.Session, b.Inferred, login)
		}
		if logout.IsZero() && a.Session != b.Session {
			t.Fatalf("order decides the start: %v, %v", a.Session, b.Session)
		}
		checkRows(t, b, rows)
	})
}

func newest(evs []event.Evidence, s event.Sign) (at time.Time) {
	for _, ev := range evs {
		if ev.Sign == s && ev.At.After(at) {
			at = ev.At
		}
	}
	return at
}

// checkRows holds the sessions to what the track says.
func checkRows(t *rapid.T, track event.Track, rows map[time.Time]event.Session) {
	running := 0
	for _, row := range rows {
		if row.EndedAt.IsZero() {
			running++
			if row.StartedAt != track.Session || !track.Online.Online {
				t.Fatalf("session %+v runs, the track says %+v", row, track)
			}
		} else if row.EndedAt.Before(row.StartedAt) {
			t.Fatalf("session %+v ends before it begins", row)
		}
	}
	if want := map[bool]int{true: 1}[track.Online.Online]; running != want {
		t.Fatalf("%d sessions run, want %d", running, want)
	}
}

func TestFoldingAgainWhatWasFoldedChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evs := rapid.SliceOfN(drawEvidence(), 1, 10).Draw(t, "evidence")
		slices.SortStableFunc(evs, func(a, b event.Evidence) int {
			if c := a.At.Compare(b.At); c != 0 {
				return c
			}
			return int(a.Sign) - int(b.Sign)
		})
		track, _, _ := fold(evs...)
		for _, ev := range evs {
			f := track.Fold(somebody, ev)
			if f.Track != track || len(f.Changes) > 0 || len(f.Sessions) > 0 && f.Track.LoggedOut.IsZero() {
				t.Fatalf("%+v again: %+v", ev, f)
			}
		}
	})
}

func TestFoldRules(t *testing.T) {
	const (
		in, out, act = event.SignLogin, event.SignLogout, event.SignActivity
		on, off, idl = event.SignObservedOn, event.SignObservedOff, event.SignTimeout
	)
	tests := []struct {
		name    string
		evs     []event.Evidence
		online  bool
		session int // second of the session's start
		end     event.EndReason
		rows    int
	}{
		{"a login begins a session", []event.Evidence{sign(in, 10)}, true, 10, "", 1},
		{"a logout ends it", []event.Evidence{sign(in, 10), sign(out, 20)}, false, 10, event.EndLogout, 1},
		{"a logout alone begins nothing", []event.Evidence{sign(out, 20)}, false, -1, event.EndLogout, 0},
		{"any sign of life begins an inferred session", []event.Evidence{sign(act, 10)}, true, 10, "", 1},
		{"a late login becomes the inferred session's start", []event.Evidence{sign(act, 10), sign(in, 7)}, true, 7, "", 1},
		{"a login stamped just after its first sign of life does too", []event.Evidence{sign(act, 10), sign(in, 11)}, true, 11, "", 1},
		{"a login without a logout begins another session", []event.Evidence{sign(in, 10), sign(act, 30), sign(in, 500)}, true, 500, "", 2},
		{"a late logout splits the session", []event.Evidence{sign(in, 10), sign(act, 30), sign(out, 20)}, true, 30, "", 2},
		{"logout beats activity in one second", []event.Evidence{sign(out, 10), sign(act, 10)}, false, -1, event.EndLogout, 0},
		{"login beats logout in one second", []event.Evidence{sign(in, 5), sign(in, 10), sign(out, 10)}, true, 10, "", 2},
		{"silence ends a session at its last sign of life", []event.Evidence{sign(in, 10), sign(act, 30), sign(idl, 900)}, false, 10, event.EndTimeout, 1},
		{"a logout after a timeout corrects it", []event.Evidence{sign(in, 10), sign(idl, 900), sign(out, 600)}, false, 10, event.EndLogout, 1},
		{"life after a timeout begins another session", []event.Evidence{sign(in, 10), sign(idl, 900), sign(act, 1000)}, true, 1000, "", 2},
		{"a login ended by timeout does not come back when it is repeated", []event.Evidence{sign(in, 10), sign(idl, 900), sign(in, 10)}, false, 10, event.EndTimeout, 1},
		{"observed offline ends a session", []event.Evidence{sign(in, 10), sign(off, 300)}, false, 10, event.EndObserved, 1},
		{"observed offline before the last sign of life is old", []event.Evidence{sign(in, 10), sign(act, 300), sign(off, 300)}, true, 10, "", 1},
		{"observed online begins a session", []event.Evidence{sign(on, 10)}, true, 10, "", 1},
		{"observed offline of somebody never seen says nothing", []event.Evidence{sign(off, 10)}, false, -1, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, rows := fold(tt.evs...)
			want := time.Time{}
			if tt.session >= 0 {
				want = second(tt.session)
			}
			if got.Online.Online != tt.online || got.Session != want || got.End != tt.end || len(rows) != tt.rows {
				t.Errorf("got %+v with %d sessions", got, len(rows))
			}
		})
	}
}

func TestARelogIsSeenAsOffAndOn(t *testing.T) {
	_, changes, rows := fold(sign(event.SignLogin, 0), sign(event.SignActivity, 100), sign(event.SignLogin, 1000))
	if len(changes) != 3 {
		t.Fatalf("changes: %+v", changes)
	}
	off, on := changes[1], changes[2]
	if off.After.Online || off.Reason != event.EndRelogin || off.After.LoggedOut != second(100) {
		t.Errorf("off: %+v", off)
	}
	if on.Before.Online || !on.After.Online || !on.ByLogin || on.Before.LoggedOut != second(100) || on.After.Since != second(1000) {
		t.Errorf("on: %+v", on)
	}
	if row := rows[second(0)]; row.EndedAt != second(100) || row.End != event.EndRelogin {
		t.Errorf("first session: %+v", row)
	}
}

func TestAnEventFromTheFutureCountsWhenItArrived(t *testing.T) {
	e := event.Event{At: second(86400), ReceivedAt: second(5).Add(300 * time.Millisecond), Future: true}
	if got := e.EvidenceAt(); !got.Equal(second(5)) {
		t.Errorf("got %v", got)
	}
}

func TestAnObservationKeepsTheZone(t *testing.T) {
	seen := sign(event.SignActivity, 10)
	seen.Zone = 6
	got, _, _ := fold(seen, sign(event.SignObservedOn, 20))
	if got.Zone != 6 || got.LastSeen != second(20) {
		t.Errorf("got zone %d, last seen %v", got.Zone, got.LastSeen)
	}
}
