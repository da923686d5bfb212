package storage_test

import (
	"database/sql"
	"fmt"
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
// rows, in batches of 1,000, by one worker and by two side by side, round by round
// in one run: "ratio" is Record's rate over the bare one.
func BenchmarkRecordMySQL(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) { benchRecordMySQL(b, workers) })
	}
}

func benchRecordMySQL(b *testing.B, workers int) {
	s := storagetest.Open(b, storagetest.NewMySQL(b))
	bare := newBareMySQL(b)
	t := newTraffic(7)
	watchSome(b, s, t)
	for range 60 { // everybody has been seen: that costs once a day, not in each batch
		events := t.batch(1000)
		record(b, s, events)
		bare.insert(b, events)
	}
	const size, round = 1000, 10
	var full, raw time.Duration
	for b.Loop() {
		var batches [][]event.Event
		for range workers * round {
			batches = append(batches, t.batch(size))
		}
		full += timed(func() { spread(workers, batches, func(e []event.Event) { record(b, s, e) }) })
		raw += timed(func() { spread(workers, batches, func(e []event.Event) { bare.insert(b, e) }) })
	}
	n := float64(size*round*workers) * float64(b.N)
	b.ReportMetric(n/full.Seconds(), "events/s")
	b.ReportMetric(n/raw.Seconds(), "bare/s")
	b.ReportMetric(raw.Seconds()/full.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

// spread runs f for each batch, by that many goroutines.
func spread(workers int, batches [][]event.Event, f func([]event.Event)) {
	work := make(chan []event.Event)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for batch := range work {
				f(batch)
			}
		})
	}
	for _, batch := range batches {
		work <- batch
	}
	close(work)
	wg.Wait()
}

// bareMySQL inserts rows of events and does nothing else.
type bareMySQL struct{ db *sql.DB }

func newBareMySQL(b *testing.B) *bareMySQL {
	url := storagetest.NewMySQL(b)
	storagetest.Open(b, url)
	cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql:"))
	if err != nil {
		b.Fatal(err)
	}
	cfg.InterpolateParams = true
	return &bareMySQL{storagetest.Raw(b, "mysql:"+cfg.FormatDSN())}
}

func (s *bareMySQL) insert(b *testing.B, events []event.Event) {
	tables, args, err := storage.BareRows(events)
	if err != nil {
		b.Fatal(err)
	}
	tx, err := s.db.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for i, table := range tables {
		wide := len(table.Cols)
		n := len(args[i]) / wide
		row := "(" + strings.Repeat("?, ", wide-1) + "?)"
		text := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s ON DUPLICATE KEY UPDATE at = at", table.Name, strings.Join(table.Cols, ", "),
			strings.Repeat(row+", ", n-1)+row)
		if _, err := tx.Exec(text, args[i]...); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}
