package storage_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// traffic makes up what a busy hour looks like: players who stay for long, three
// kills and a vehicle in a hundred events, the rest experience.
type traffic struct {
	rnd     *rand.Rand
	players []event.CharacterID
	n       int
}

const perSecond = 800 // events of one game second: twenty times the average of all worlds

func newTraffic(seed uint64) *traffic {
	t := &traffic{rnd: rand.New(rand.NewPCG(seed, 1))}
	for range 4000 {
		t.players = append(t.players, 5428010618000000000+event.CharacterID(t.rnd.Int64N(1e12)))
	}
	return t
}

func (t *traffic) player() (event.CharacterID, event.Zone) {
	i := t.rnd.IntN(len(t.players))
	return t.players[i], event.Zone(2 + 2*(i%4))
}

func (t *traffic) batch(n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		at := benchDay.Add(time.Duration(t.n/perSecond) * time.Second)
		who, zone := t.player()
		e := event.Event{World: 10, Zone: zone, At: at, ReceivedAt: at.Add(time.Duration(t.n) * time.Microsecond)}
		switch k := t.rnd.IntN(1000); {
		case k < 2: // somebody comes back
			e.Kind, e.Zone, e.Detail = event.Login, 0, event.Presence{Character: who}
		case k < 4:
			e.Kind, e.Zone, e.Detail = event.Logout, 0, event.Presence{Character: who}
		case k < 130:
			e.Kind, e.Detail = event.Kill, event.Death{Attacker: who, Victim: who + 1, Weapon: 7233, AttackerLoadout: 6, VictimLoadout: 13,
				AttackerTeam: 2, VictimTeam: 3, FireMode: 7531}
		case k < 165:
			e.Kind, e.Detail = event.VehicleKill, event.VehicleDestroy{Attacker: who, Owner: t.players[t.n%len(t.players)], Vehicle: 4, Weapon: 3, AttackerTeam: 2, OwnerTeam: 1}
		default:
			e.Kind, e.Detail = event.Experience, event.Gain{Character: who, Other: event.CharacterID(t.n), ID: 4, Amount: 10, Loadout: 4, Team: 2}
		}
		if e.Kind == event.Kill {
			d := e.Detail.(event.Death)
			d.Victim = t.players[(int(d.Attacker)+t.n)%len(t.players)/4*4+int(zone-2)/2] // fights on one continent
			e.Detail = d
		}
		events[i] = e
		t.n++
	}
	return events
}

var benchDay = time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)

// BenchmarkRecord compares Record with bare multi-row inserts of the same rows,
// in batches of 1,000 into a SQLite file, batch by batch in one run: "ratio" is
// Record's rate over the bare one.
func BenchmarkRecord(b *testing.B) {
	s := storagetest.Open(b, storagetest.File(b))
	bare := newBare(b, storagetest.File(b))
	t := newTraffic(7)
	watchSome(b, s, t)
	var stored int64
	for range 60 { // everybody has been seen: that costs once a day, not in each batch
		events := t.batch(1000)
		stored += record(b, s, events)
		bare.insert(events)
	}
	const size = 1000
	var full, raw time.Duration
	for b.Loop() {
		events := t.batch(size)
		full += timed(func() { stored += record(b, s, events) })
		raw += timed(func() { bare.insert(events) })
	}
	n := float64(size) * float64(b.N)
	b.ReportMetric(n/full.Seconds(), "events/s")
	b.ReportMetric(n/raw.Seconds(), "bare/s")
	b.ReportMetric(raw.Seconds()/full.Seconds(), "ratio")
	count, err := s.CountEvents(b.Context())
	if err != nil || sum(count) != stored || bare.count() != stored || stored < int64(t.n)*99/100 {
		b.Fatalf("stored %d and %d, said %d, of %d events (%v)", sum(count), bare.count(), stored, t.n, err)
	}
}

func timed(f func()) time.Duration {
	from := time.Now()
	f()
	return time.Since(from)
}

// record returns how many of events were new: nearly all, for two can be equal.
func record(b *testing.B, s *storage.Store, events []event.Event) (n int64) {
	got, err := s.Record(b.Context(), events[len(events)-1].At, event.Record{Events: events}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, isNew := range got.New {
		if isNew {
			n++
		}
	}
	return n
}

// watchSome makes a thousand people watch somebody.
func watchSome(b *testing.B, s *storage.Store, t *traffic) {
	for i := range 1000 {
		_, _, err := s.AddWatch(b.Context(), alert.Watch{User: alert.UserID(1000 + i), Kind: alert.WatchCharacter, Character: t.players[i], CreatedAt: benchDay})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func sum(count map[event.Kind]int64) (n int64) {
	for _, c := range count {
		n += c
	}
	return n
}

// bareStore inserts rows of events and does nothing else.
type bareStore struct {
	b    *testing.B
	db   *sql.DB
	rows map[string]*sql.Stmt
}

func newBare(b *testing.B, url string) *bareStore {
	s := storagetest.Open(b, url)
	return &bareStore{b: b, db: s.SpoolDB(), rows: map[string]*sql.Stmt{}}
}

const bareRows = 256

// insert writes events in the transaction and with the statements a person would
// write who wanted nothing but speed: multi-row, prepared, sorted by key.
func (s *bareStore) insert(events []event.Event) {
	tables, args, err := storage.BareRows(events)
	if err != nil {
		s.b.Fatal(err)
	}
	tx, err := s.db.BeginTx(s.b.Context(), nil)
	if err != nil {
		s.b.Fatal(err)
	}
	var wanted []string
	for i, table := range tables {
		wide := len(table.Cols)
		for left := args[i]; len(left) > 0; {
			n := min(bareRows, len(left)/wide)
			if n < bareRows {
				for p := 1; ; p *= 2 {
					if p*2 > n {
						n = p
						break
					}
				}
			}
			row := "(" + strings.Repeat("?, ", wide-1) + "?)"
			text := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s ON CONFLICT DO NOTHING", table.Name, strings.Join(table.Cols, ", "),
				strings.Repeat(row+", ", n-1)+row)
			if st := s.rows[text]; st != nil {
				_, err = tx.Stmt(st).Exec(left[:n*wide]...) //nolint:sqlclosecheck // ends with the transaction
			} else {
				wanted = append(wanted, text)
				_, err = tx.Exec(text, left[:n*wide]...)
			}
			if err != nil {
				s.b.Fatal(err)
			}
			left = left[n*wide:]
		}
	}
	if err := tx.Commit(); err != nil {
		s.b.Fatal(err)
	}
	for _, text := range wanted {
		if s.rows[text], err = s.db.Prepare(text); err != nil { //nolint:sqlclosecheck // ends with the database
			s.b.Fatal(err)
		}
	}
}

func (s *bareStore) count() (n int64) {
	for _, kind := range []string{"login", "logout", "kill", "vehicle_kill", "experience"} {
		var c int64
		if err := s.db.QueryRow("SELECT COUNT(*) FROM event_" + kind).Scan(&c); err != nil {
			s.b.Fatal(err)
		}
		n += c
	}
	return n
}
