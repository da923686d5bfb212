package storagetest

import (
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/storage"
)

// Run holds storage to its contract. database returns the URL of a new, empty
// database each time.
func Run(t *testing.T, database func(*testing.T) string) {
	for _, group := range [][]named{recordTests, presenceTests, alertTests, turnTests, peopleTests, streamTests, rollupTests, retainTests, togetherTests, damageTests, termTests, fenceTests, settingsTests, languageTests, worldNowTests, channelTests, shardTests} {
		for _, n := range group {
			t.Run(n.name, func(t *testing.T) {
				url := database(t)
				n.f(&world{T: t, Store: Open(t, url), url: url})
			})
		}
	}
}

type named struct {
	name string
	f    func(*world)
}

// A world is one test with its store and shorthands. Seconds are counted from
// a fixed moment.
type world struct {
	*testing.T
	*storage.Store
	url string
}

// again opens another Store on the same database: another process.
func (w *world) again() *storage.Store { return Open(w.T, w.url) }

// day is when every test begins.
var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s int) time.Time { return day.Add(time.Duration(s) * time.Second) }

const (
	alice event.CharacterID = 5428010618015189601
	bob   event.CharacterID = 5428010618015189602
	carol event.CharacterID = 5428010618015189603
	clan  event.OutfitID    = 37509488620601569

	ann alert.UserID = 80351110224678912
	ben alert.UserID = 80351110224678913
)

func ev(k event.Kind, s int, d event.Detail) event.Event {
	return event.Event{Kind: k, World: 10, At: at(s), ReceivedAt: at(s).Add(700 * time.Millisecond), Detail: d}
}

func login(s int, c event.CharacterID) event.Event {
	return ev(event.Login, s, event.Presence{Character: c})
}

func logout(s int, c event.CharacterID) event.Event {
	return ev(event.Logout, s, event.Presence{Character: c})
}

func gain(s int, c event.CharacterID, amount int64) event.Event {
	e := ev(event.Experience, s, event.Gain{Character: c, ID: 1, Amount: amount, Loadout: 4, Team: 1})
	e.Zone = 2
	return e
}

func kill(s int, attacker, victim event.CharacterID) event.Event {
	e := ev(event.Kill, s, event.Death{Attacker: attacker, Victim: victim, Weapon: 7233, AttackerTeam: 1, VictimTeam: 2, Headshot: true})
	e.Zone = 2
	return e
}

// record stores events as of the second now.
func (w *world) record(now int, events ...event.Event) event.Recorded {
	w.Helper()
	return w.write(now, event.Record{Events: events})
}

func (w *world) write(now int, rec event.Record) event.Recorded {
	w.Helper()
	got, err := w.Record(w.Context(), at(now), rec, nil)
	if err != nil {
		w.Fatalf("record: %v", err)
	}
	return got
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) player(c event.CharacterID) event.Player {
	w.Helper()
	p, found, err := w.Player(w.Context(), c)
	w.ok(err)
	if !found {
		w.Fatalf("player %d is not known", c)
	}
	return p
}

func (w *world) sessions(c event.CharacterID) []event.Session {
	w.Helper()
	list, err := w.RecentSessions(w.Context(), c, 100)
	w.ok(err)
	return list
}

// same fails unless got equals want.
func same[T comparable](w *world, what string, got, want T) {
	w.Helper()
	if got != want {
		w.Errorf("%s: got %v, want %v", what, got, want)
	}
}
