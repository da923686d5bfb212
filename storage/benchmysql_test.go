package storage_test

import (
	"database/sql"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// BenchmarkRecordMySQL compares Record with bare multi-row inserts of the same
// rows in batches of 1,000, by one worker, by two of one dispatcher and by two
// dispatchers, round by round in one run: "ratio" is Record's rate over the bare
// one, which the same number of goroutines write. Both commit durably, into tables
// partitioned by day.
func BenchmarkRecordMySQL(b *testing.B) {
	for _, c := range []struct {
		name            string
		stores, workers int
		size            int
	}{
		{"workers=1", 1, 1, 1000},
		{"workers=2", 1, 2, 1000},
		{"dispatchers=2", 2, 1, 1000},
		{"workers=1,batch=50", 1, 1, 50},
		{"workers=1,batch=1", 1, 1, 1},
	} {
		b.Run(c.name, func(b *testing.B) { benchRecordMySQL(b, c.stores, c.workers, c.size) })
	}
}

func benchRecordMySQL(b *testing.B, stores, workers, size int) {
	url := storagetest.NewMySQL(b)
	var all []*storage.Store
	for range stores * workers {
		if len(all) < stores {
			all = append(all, storagetest.Open(b, url))
		} else {
			all = append(all, all[len(all)%stores])
		}
	}
	bare := newBareMySQL(b)
	t := newTraffic(7)
	watchSome(b, all[0], t)
	for range 60 { // everybody has been seen: that costs once a day, not in each batch
		events := t.batch(1000)
		for _, s := range all[:stores] {
			record(b, s, events)
		}
		bare.insert(b, events)
	}
	for _, s := range all[:stores] {
		if err := s.LoadWatched(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	// The dispatcher's clock goes as clocks do, while the game's goes faster here.
	began := time.Now()
	clock := func() time.Time { return benchDay.Add(time.Since(began)) }
	round := max(10, 2000/size)
	var full, raw time.Duration
	for b.Loop() {
		batches := make(chan []event.Event, len(all)*round)
		again := make(chan []event.Event, cap(batches))
		for range cap(batches) {
			events := t.batch(size)
			batches <- events
			again <- events
		}
		close(batches)
		close(again)
		full += timed(func() {
			spread(len(all), batches, func(n int, events []event.Event) {
				if _, err := all[n].Record(b.Context(), clock(), event.Record{Events: events}, nil); err != nil {
					b.Error(err)
				}
			})
		})
		raw += timed(func() { spread(len(all), again, func(_ int, events []event.Event) { bare.insert(b, events) }) })
	}
	n := float64(size*round*len(all)) * float64(b.N)
	b.ReportMetric(n/full.Seconds(), "events/s")
	b.ReportMetric(n/raw.Seconds(), "bare/s")
	b.ReportMetric(raw.Seconds()/full.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
	if ours, theirs := all[0].CountAll(b), bare.count(b); ours != theirs {
		b.Fatalf("stored %d, the bare one %d", ours, theirs)
	}
}

// spread runs f for each batch, in that many goroutines.
func spread(workers int, batches <-chan []event.Event, f func(worker int, events []event.Event)) {
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for batch := range batches {
				f(n, batch)
			}
		})
	}
	all.Wait()
}

// bareMySQL inserts rows of events and does nothing else, as somebody would write
// it with the driver and interpolateParams.
type bareMySQL struct {
	db    *sql.DB
	store *storage.Store
}

func newBareMySQL(b *testing.B) *bareMySQL {
	url := storagetest.NewMySQL(b)
	return &bareMySQL{driverPool(b, url, true), storagetest.Open(b, url)}
}

func driverPool(b *testing.B, url string, interpolate bool) *sql.DB {
	cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql:"))
	if err != nil {
		b.Fatal(err)
	}
	cfg.InterpolateParams = interpolate
	return storagetest.Raw(b, "mysql:"+cfg.FormatDSN())
}

func (s *bareMySQL) insert(b *testing.B, events []event.Event) {
	tables, args, err := storage.BareRows(events)
	if err != nil {
		b.Error(err)
		return
	}
	tx, err := s.db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Error(err)
		return
	}
	for i, table := range tables {
		if _, err := tx.Exec(insertText(table, len(args[i])/len(table.Cols)), args[i]...); err != nil {
			b.Error(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Error(err)
	}
}

func insertText(table storage.BareTable, rows int) string {
	row := "(" + strings.Repeat("?, ", len(table.Cols)-1) + "?)"
	return insertHead(table) + strings.Repeat(row+", ", rows-1) + row + insertTail
}

const insertTail = " ON DUPLICATE KEY UPDATE at = at"

func insertHead(table storage.BareTable) string {
	return "INSERT INTO " + table.Name + " (" + strings.Join(table.Cols, ", ") + ") VALUES "
}

func (s *bareMySQL) count(b *testing.B) int64 { return s.store.CountAll(b) }

// BenchmarkStatements compares the ways to send 1,000 rows of experience in one
// statement: values put into the text by the driver, a prepared statement, and text
// of our own with numbers and hexadecimal.
func BenchmarkStatements(b *testing.B) {
	url := storagetest.NewMySQL(b)
	storagetest.Open(b, url)
	const rows = 1000
	interpolated, plain := driverPool(b, url, true), driverPool(b, url, false)
	events := gains(benchDay, rows)
	tables, args, err := storage.BareRows(events)
	if err != nil {
		b.Fatal(err)
	}
	table, values := tables[0], args[0]
	prepared, err := plain.Prepare(insertText(table, rows)) //nolint:sqlclosecheck // closed below
	if err != nil {
		b.Fatal(err)
	}
	defer prepared.Close()
	ways := []struct {
		name string
		send func([]any) error
		took time.Duration
	}{
		{name: "interpolated", send: func(v []any) error { _, err := interpolated.Exec(insertText(table, rows), v...); return err }},
		{name: "prepared", send: func(v []any) error { _, err := prepared.Exec(v...); return err }},
		{name: "literal", send: func(v []any) error { _, err := interpolated.Exec(literal(table, v)); return err }},
	}
	for second := benchDay.Unix(); b.Loop(); {
		for i := range ways { // in turns, so that what else the machine does is shared
			for at := 0; at < len(values); at += len(table.Cols) {
				second++
				values[at] = second / 100
			}
			ways[i].took += timed(func() { err = ways[i].send(values) })
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, w := range ways {
		b.ReportMetric(float64(rows*b.N)/w.took.Seconds(), w.name+"/s")
	}
	b.ReportMetric(0, "ns/op")
}

// literal writes rows of numbers and bytes into the text of a statement.
func literal(table storage.BareTable, values []any) string {
	text := append(make([]byte, 0, 160*len(values)/len(table.Cols)), insertHead(table)...)
	for i, v := range values {
		text = append(text, "(,"[min(i%len(table.Cols), 1)])
		switch v := v.(type) {
		case int64:
			text = strconv.AppendInt(text, v, 10)
		case []byte:
			text = append(hex.AppendEncode(append(text, "X'"...), v), '\'')
		}
		if i%len(table.Cols) == len(table.Cols)-1 {
			text = append(text, "),"...)
		}
	}
	return string(text[:len(text)-1]) + insertTail
}
