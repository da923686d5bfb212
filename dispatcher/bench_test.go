package dispatcher

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/bus"
	"muster/event"
	"muster/storage"
)

const (
	benchEvents     = 60_000
	benchBatch      = 1000
	benchCharacters = 3000
	benchPerSecond  = 2000 // events of one game second
)

// BenchmarkFromMemory is the dispatcher with an in-memory bus into SQLite, beside
// raw multi-row inserts of the very same rows in transactions of 1,000. Target:
// a ratio of 0.7.
func BenchmarkFromMemory(b *testing.B) {
	bodies := benchBodies(benchEvents)
	var ours, raw time.Duration
	for b.Loop() {
		store, _ := benchStore(b)
		m := bus.NewMemory(topology())
		for chunk := range slices.Chunk(bodies, benchBatch) {
			benchPublish(b, m, chunk)
		}
		took, rows := benchRun(b, m, store, func() {})
		ours += took
		raw += benchRaw(b, rows)
	}
	benchReport(b, ours, raw)
}

// BenchmarkThroughSpool publishes to the durable spool while the dispatcher
// works, beside a bare loop: bodies into a table by 1,000, read, rows inserted,
// bodies deleted, committed. Target: a ratio of 0.8.
func BenchmarkThroughSpool(b *testing.B) {
	bodies := benchBodies(benchEvents)
	var ours, bare time.Duration
	for b.Loop() {
		store, db := benchStore(b)
		s, err := bus.OpenSpool(context.Background(), db, bus.SpoolConfig{Topology: topology(), Shared: true})
		if err != nil {
			b.Fatal(err)
		}
		took, rows := benchRun(b, s, store, func() {
			for chunk := range slices.Chunk(bodies, benchBatch) {
				benchPublish(b, s, chunk)
			}
		})
		ours += took
		bare += benchBare(b, bodies, rows)
	}
	benchReport(b, ours, bare)
}

func benchReport(b *testing.B, ours, base time.Duration) {
	n := float64(benchEvents * b.N)
	b.ReportMetric(n/ours.Seconds(), "events/s")
	b.ReportMetric(n/base.Seconds(), "base-events/s")
	b.ReportMetric(base.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

// benchRun lets a dispatcher work until all events are settled, while publish
// runs, and proves that every event was stored and told. It returns the rows.
func benchRun(b *testing.B, m bus.Bus, store *storage.Store, publish func()) (time.Duration, []benchRow) {
	b.Helper()
	var heard, lost atomic.Int64
	ready, all := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	listened := make(chan error, 1)
	go func() {
		listened <- m.Listen(ctx, event.TopicFeed, func() { close(ready) }, func(_ bus.Message, n int) {
			lost.Add(int64(n))
			if heard.Add(1)+lost.Load() == benchEvents {
				close(all)
			}
		})
	}()
	<-ready
	ran := make(chan error, 1)
	began := time.Now()
	go func() { ran <- New(Config{Bus: m, Store: store}).Run(ctx) }()
	publish()
	select {
	case <-all:
	case err := <-ran:
		b.Fatalf("the dispatcher ended: %v", err)
	}
	took := time.Since(began)
	cancel()
	if err := <-ran; err != nil {
		b.Fatal(err)
	}
	if err := <-listened; err != nil {
		b.Fatal(err)
	}
	if n, err := m.Depth(context.Background(), event.QueueDispatcher); err != nil || n != 0 {
		b.Fatalf("%d messages left (%v)", n, err)
	}
	rows := benchRows(b, store)
	if len(rows) != benchEvents {
		b.Fatalf("%d rows stored, want %d", len(rows), benchEvents)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	return took, rows
}

func benchStore(b *testing.B) (*storage.Store, *sql.DB) {
	b.Helper()
	ctx := context.Background()
	s, err := storage.Open(ctx, "sqlite:"+filepath.Join(b.TempDir(), "bench.db"), storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	return s, s.SpoolDB()
}

func benchPublish(b *testing.B, m bus.Bus, bodies [][]byte) {
	messages := make([]bus.Message, len(bodies))
	for i, body := range bodies {
		messages[i] = bus.Message{ID: "e", Key: "ps2.10.event", Body: body}
	}
	if err := m.Publish(context.Background(), event.TopicEvents, messages...); err != nil {
		b.Fatal(err)
	}
}

// A benchRow is a stored event as the tables have it.
type benchRow struct {
	table      string
	receivedNS int64
	values     []any
}

var benchTables = []string{"event_experience", "event_kill", "event_vehicle_kill", "event_login", "event_logout"}

// benchRows reads all rows back, in the order of arrival.
func benchRows(b *testing.B, s *storage.Store) (all []benchRow) {
	b.Helper()
	for _, table := range benchTables {
		rows, err := s.SpoolDB().Query("SELECT received_ns, * FROM " + table)
		if err != nil {
			b.Fatal(err)
		}
		cols, err := rows.Columns()
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			r := benchRow{table: table, values: make([]any, len(cols)-1)}
			into := []any{&r.receivedNS}
			for i := range r.values {
				into = append(into, &r.values[i])
			}
			if err := rows.Scan(into...); err != nil {
				b.Fatal(err)
			}
			all = append(all, r)
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
	}
	slices.SortFunc(all, func(x, y benchRow) int { return int(x.receivedNS - y.receivedNS) })
	return all
}

// benchInsert writes rows with one statement per table.
func benchInsert(b *testing.B, tx *sql.Tx, rows []benchRow) {
	b.Helper()
	for _, table := range benchTables {
		var args []any
		n, width := 0, 0
		for i := range rows {
			if rows[i].table == table {
				args = append(args, rows[i].values...)
				n, width = n+1, len(rows[i].values)
			}
		}
		if n == 0 {
			continue
		}
		row := "(" + strings.Repeat("?,", width-1) + "?)"
		text := "INSERT INTO " + table + " VALUES " + strings.Repeat(row+",", n-1) + row + " ON CONFLICT DO NOTHING"
		if _, err := tx.Exec(text, args...); err != nil {
			b.Fatal(err)
		}
	}
}

// benchRaw is the baseline of BenchmarkFromMemory.
func benchRaw(b *testing.B, rows []benchRow) time.Duration {
	b.Helper()
	store, db := benchStore(b)
	defer store.Close() // nothing is written any more
	began := time.Now()
	for chunk := range slices.Chunk(rows, benchBatch) {
		tx := benchBegin(b, db)
		benchInsert(b, tx, chunk)
		benchCommit(b, tx)
	}
	took := time.Since(began)
	benchCount(b, db, len(rows))
	return took
}

// benchBare is the baseline of BenchmarkThroughSpool.
func benchBare(b *testing.B, bodies [][]byte, rows []benchRow) time.Duration {
	b.Helper()
	store, db := benchStore(b)
	defer store.Close() // nothing is written any more
	if _, err := db.Exec(`CREATE TABLE bare (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT`); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for from := 0; from < len(bodies); from += benchBatch {
		n := min(benchBatch, len(bodies)-from)
		args := make([]any, n)
		for i := range n {
			args[i] = bodies[from+i]
		}
		tx := benchBegin(b, db)
		if _, err := tx.Exec("INSERT INTO bare (body) VALUES "+strings.Repeat("(?),", n-1)+"(?)", args...); err != nil {
			b.Fatal(err)
		}
		benchCommit(b, tx)
		tx = benchBegin(b, db)
		if got := benchRead(b, tx); got != n {
			b.Fatalf("read %d bodies, want %d", got, n)
		}
		benchInsert(b, tx, rows[from:from+n])
		if _, err := tx.Exec("DELETE FROM bare"); err != nil {
			b.Fatal(err)
		}
		benchCommit(b, tx)
	}
	took := time.Since(began)
	benchCount(b, db, len(rows))
	return took
}

func benchRead(b *testing.B, tx *sql.Tx) (n int) {
	b.Helper()
	found, err := tx.Query(`SELECT id, body FROM bare ORDER BY id LIMIT ?`, benchBatch)
	if err != nil {
		b.Fatal(err)
	}
	defer found.Close() // Err below says what matters
	for found.Next() {
		var id int64
		var body []byte
		if err := found.Scan(&id, &body); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := found.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}

func benchBegin(b *testing.B, db *sql.DB) *sql.Tx {
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	return tx
}

func benchCommit(b *testing.B, tx *sql.Tx) {
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func benchCount(b *testing.B, db *sql.DB, want int) {
	b.Helper()
	total := 0
	for _, table := range benchTables {
		n := 0
		if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
			b.Fatal(err)
		}
		total += n
	}
	if total != want {
		b.Fatalf("%d rows, want %d", total, want)
	}
}

// benchBodies returns n different sightings: 80 % experience, 12 % deaths, the
// rest vehicles, logins and logouts.
func benchBodies(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Now().Add(-time.Hour)
	seen := make(map[event.Key]bool, n)
	bodies := make([][]byte, 0, n)
	for len(bodies) < n {
		i := len(bodies)
		second := start.Unix() + int64(i/benchPerSecond)
		at := start.Add(time.Duration(i) * time.Second / benchPerSecond)
		body := event.EncodeSighting([]byte(benchPayload(r, second)), at, 0)
		m, err := event.DecodeMessage(body)
		if err != nil {
			panic(err)
		}
		if key := m.Event.Key(); !seen[key] {
			seen[key] = true
			bodies = append(bodies, body)
		}
	}
	return bodies
}

func benchPayload(r *rand.Rand, second int64) string {
	who := func() int64 { return 5428010618015000000 + r.Int64N(benchCharacters)*977 }
	head := func(name string) string {
		return fmt.Sprintf(`{"event_name":"%s","timestamp":"%d","world_id":"%d","zone_id":"%d"`, name, second, []int{1, 10, 40}[r.IntN(3)], 2+2*r.IntN(4))
	}
	switch p := r.IntN(100); {
	case p < 80:
		return head("GainExperience") + fmt.Sprintf(`,"character_id":"%d","other_id":"%d","experience_id":"%d","amount":"%d","loadout_id":"%d","team_id":"%d"}`,
			who(), who(), 1+r.IntN(300), r.IntN(500), 1+r.IntN(30), 1+r.IntN(3))
	case p < 92:
		return head("Death") + fmt.Sprintf(`,"character_id":"%d","attacker_character_id":"%d","attacker_fire_mode_id":"%d","attacker_loadout_id":"%d",`+
			`"attacker_team_id":"%d","attacker_vehicle_id":"0","attacker_weapon_id":"%d","character_loadout_id":"%d","is_critical":"0","is_headshot":"%d","team_id":"%d"}`,
			who(), who(), r.IntN(90000), 1+r.IntN(30), 1+r.IntN(3), 7000+r.IntN(1000), 1+r.IntN(30), r.IntN(2), 1+r.IntN(3))
	case p < 96:
		return head("VehicleDestroy") + fmt.Sprintf(`,"character_id":"%d","attacker_character_id":"%d","attacker_loadout_id":"%d","attacker_team_id":"%d",`+
			`"attacker_vehicle_id":"%d","attacker_weapon_id":"%d","facility_id":"0","faction_id":"%d","team_id":"%d","vehicle_id":"%d"}`,
			who(), who(), 1+r.IntN(30), 1+r.IntN(3), r.IntN(15), 7000+r.IntN(1000), 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(15))
	case p < 98:
		return head("PlayerLogin") + fmt.Sprintf(`,"character_id":"%d"}`, who())
	default:
		return head("PlayerLogout") + fmt.Sprintf(`,"character_id":"%d"}`, who())
	}
}
