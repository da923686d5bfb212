package dispatcher

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
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
	benchEvents     = 200_000
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
			benchPublish(b, m, benchBundles(chunk, benchWorlds(chunk)))
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
	worlds := benchWorlds(bodies)
	var ours, bare time.Duration
	for b.Loop() {
		store, db := benchStore(b)
		s, err := bus.OpenSpool(context.Background(), db, bus.SpoolConfig{Topology: topology(), Shared: true})
		if err != nil {
			b.Fatal(err)
		}
		took, rows := benchRun(b, s, store, func() {
			for from := 0; from < len(bodies); from += benchBatch {
				to := min(from+benchBatch, len(bodies))
				benchPublish(b, s, benchBundles(bodies[from:to], worlds[from:to]))
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
	var heard int
	var lost atomic.Int64
	ready, all := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	listened := make(chan error, 1)
	go func() {
		listened <- m.Listen(ctx, event.TopicFeed, func() { close(ready) }, func(m bus.Message, n int) {
			lost.Add(int64(n))
			before := heard
			benchItems(m.Body, func([]byte) { heard++ })
			if before < benchEvents && heard >= benchEvents {
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
	case <-time.After(time.Minute):
		b.Fatalf("the feed had not all of %d items after a minute, and lost %d messages", benchEvents, lost.Load())
	}
	took := time.Since(began)
	if n := lost.Load(); n > 0 {
		b.Fatalf("the feed lost %d messages", n)
	}
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
	rows := benchRows(b, store.SpoolDB())
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

// benchItems calls f with the id of each item of a feed message: its kind follows it.
func benchItems(body []byte, f func(id []byte)) {
	for rest := body; ; {
		at := bytes.Index(rest, []byte(`","kind":"`))
		if at < event.FeedIDLen {
			return
		}
		f(rest[at-event.FeedIDLen : at])
		rest = rest[at+1:]
	}
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

func benchPublish(b *testing.B, m bus.Bus, messages []bus.Message) {
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
func benchRows(b *testing.B, db *sql.DB) (all []benchRow) {
	b.Helper()
	for _, table := range benchTables {
		all = append(all, benchTable(b, db, table)...)
	}
	slices.SortFunc(all, func(x, y benchRow) int { return int(x.receivedNS - y.receivedNS) })
	return all
}

func benchTable(b *testing.B, db *sql.DB, table string) (all []benchRow) {
	b.Helper()
	rows, err := db.Query("SELECT received_ns, e.* FROM " + table + " e")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close() // Err below says what matters
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
	return all
}

// benchStatements are prepared INSERTs by text. Rows go in runs of powers of two,
// so that the baselines never pay for parsing.
type benchStatements struct {
	db  *sql.DB
	all map[string]*sql.Stmt
}

func newBenchStatements(db *sql.DB) *benchStatements {
	return &benchStatements{db: db, all: map[string]*sql.Stmt{}}
}

// prepare readies every statement that rows can need, before the clock starts.
func (s *benchStatements) prepare(b *testing.B, rows []benchRow) {
	b.Helper()
	widths := map[string]int{"bare (body)": 1}
	for i := range rows {
		widths[rows[i].table] = len(rows[i].values)
	}
	for into, width := range widths {
		for n := 1; n <= benchBatch; n *= 2 {
			text := benchText(into, width, n)
			stmt, err := s.db.Prepare(text)
			if err != nil {
				continue // the table "bare" is not in every baseline
			}
			s.all[text] = stmt
			b.Cleanup(func() { _ = stmt.Close() })
		}
	}
}

func benchText(into string, width, n int) string {
	row := "(" + strings.Repeat("?,", width-1) + "?)"
	return "INSERT INTO " + into + " VALUES " + strings.Repeat(row+",", n-1) + row
}

func (s *benchStatements) insert(b *testing.B, tx *sql.Tx, into string, width int, args []any) {
	b.Helper()
	for rows := len(args) / width; rows > 0; rows = len(args) / width {
		n := 1
		for 2*n <= min(rows, benchBatch) {
			n *= 2
		}
		stmt := tx.Stmt(s.all[benchText(into, width, n)]) //nolint:sqlclosecheck // the transaction closes it
		if _, err := stmt.Exec(args[:n*width]...); err != nil {
			b.Fatal(err)
		}
		args = args[n*width:]
	}
}

// rows writes a batch, table by table.
func (s *benchStatements) rows(b *testing.B, tx *sql.Tx, rows []benchRow) {
	b.Helper()
	for _, table := range benchTables {
		var args []any
		width := 1
		for i := range rows {
			if rows[i].table == table {
				args, width = append(args, rows[i].values...), len(rows[i].values)
			}
		}
		s.insert(b, tx, table, width, args)
	}
}

// benchRaw is the baseline of BenchmarkFromMemory.
func benchRaw(b *testing.B, rows []benchRow) time.Duration {
	b.Helper()
	store, db := benchStore(b)
	defer store.Close() // nothing is written any more
	statements := newBenchStatements(db)
	statements.prepare(b, rows)
	began := time.Now()
	for chunk := range slices.Chunk(rows, benchBatch) {
		tx := benchBegin(b, db)
		statements.rows(b, tx, chunk)
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
	statements := newBenchStatements(db)
	statements.prepare(b, rows)
	began := time.Now()
	for from := 0; from < len(bodies); from += benchBatch {
		n := min(benchBatch, len(bodies)-from)
		args := make([]any, n)
		for i := range n {
			args[i] = bodies[from+i]
		}
		tx := benchBegin(b, db)
		statements.insert(b, tx, "bare (body)", 1, args)
		benchCommit(b, tx)
		tx = benchBegin(b, db)
		if got := benchRead(b, tx); got != n {
			b.Fatalf("read %d bodies, want %d", got, n)
		}
		statements.rows(b, tx, rows[from:from+n])
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

// BenchmarkLatency publishes 200 events a second to the durable spool and takes
// the time from before the publish until the item is heard on the feed.
func BenchmarkLatency(b *testing.B) {
	const perSecond, total = 200, 600
	bodies := benchBodies(benchEvents)[:total]
	var all []time.Duration
	for b.Loop() {
		store, db := benchStore(b)
		s, err := bus.OpenSpool(context.Background(), db, bus.SpoolConfig{Topology: topology(), Shared: true})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ready, ran, listened := make(chan struct{}), make(chan error, 1), make(chan error, 1)
		heard := make(chan time.Time, total)
		go func() {
			listened <- s.Listen(ctx, event.TopicFeed, func() { close(ready) }, func(bus.Message, int) { heard <- time.Now() })
		}()
		<-ready
		go func() { ran <- New(Config{Bus: s, Store: store}).Run(ctx) }()
		tick := time.NewTicker(time.Second / perSecond)
		for i := range bodies {
			<-tick.C
			began := time.Now()
			benchPublish(b, s, []bus.Message{{ID: "e", Key: "ps2.10.event", Body: bodies[i]}})
			all = append(all, (<-heard).Sub(began))
		}
		tick.Stop()
		cancel()
		if err := errors.Join(<-ran, <-listened, s.Close(), store.Close()); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}
