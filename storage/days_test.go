package storage_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// midnight begins the day that is that many days from today.
func midnight(days int) time.Time {
	return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, days)
}

func gains(at time.Time, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.Event{Kind: event.Experience, World: 10, At: at.Add(time.Duration(i) * time.Second), ReceivedAt: at,
			Detail: event.Gain{Character: 7, ID: 1, Amount: int64(i)}}
	}
	return events
}

func put(t *testing.T, s *storage.Store, events []event.Event) {
	t.Helper()
	if _, err := s.Record(t.Context(), time.Now().UTC(), event.Record{Events: events}, nil); err != nil {
		t.Fatal(err)
	}
}

func retain(t *testing.T, s *storage.Store, now time.Time) {
	t.Helper()
	if err := s.Retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

// days returns the names of a table's partitions, and how many rows each has.
func days(t *testing.T, db *sql.DB, table string) (names []string, rows map[string]int) {
	t.Helper()
	found, err := db.QueryContext(t.Context(), "SELECT partition_name FROM information_schema.partitions "+
		"WHERE table_schema = DATABASE() AND table_name = ? ORDER BY partition_ordinal_position", table)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var name sql.NullString
		if err := found.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name.String)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	rows = map[string]int{}
	for _, name := range names {
		var n int
		if name != "" {
			if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+" PARTITION ("+name+")").Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
		rows[name] = n
	}
	return names, rows
}

// named are the names of the days from to to, and of the last partition.
func named(from, to int) (names []string) {
	for d := from; d <= to; d++ {
		names = append(names, dayName(d))
	}
	return append(names, "pmax")
}

func dayName(d int) string { return "p" + midnight(d).Format("20060102") }

var eventTables = storage.EventTables()

func TestDaysAreMadeAheadOnce(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s, db := storagetest.Open(t, url), storagetest.Raw(t, url)
	for _, table := range eventTables {
		if names, _ := days(t, db, table); !slices.Equal(names, []string{"pmax"}) {
			t.Errorf("%s begins with partitions %v", table, names)
		}
	}
	put(t, s, gains(midnight(0), 5))
	for _, store := range []*storage.Store{s, storagetest.Open(t, url)} {
		retain(t, store, time.Now())
		for _, table := range eventTables {
			if names, _ := days(t, db, table); !slices.Equal(names, named(-1, 7)) {
				t.Errorf("%s has partitions %v, want %v", table, names, named(-1, 7))
			}
		}
	}
	if _, rows := days(t, db, "event_experience"); rows[dayName(0)] != 5 {
		t.Errorf("rows of today lie in %v", rows)
	}
	retain(t, s, time.Now().Add(20*time.Hour)) // at most the next day is due
	if names, _ := days(t, db, "event_kill"); len(names) > 11 || !slices.Equal(names[:10], named(-1, 7)[:9:9]) && !slices.Equal(names, named(-1, 8)) && !slices.Equal(names, named(-1, 7)) {
		t.Errorf("most of a day later: %v", names)
	}
}

func TestRowsThatCameBeforeTheirDayWasMadeMoveIntoIt(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s, db := storagetest.Open(t, url), storagetest.Raw(t, url)
	const table = "event_experience"
	// As it is after twelve days in which nobody looked after it.
	if _, err := db.Exec(fmt.Sprintf("ALTER TABLE %s PARTITION BY RANGE (at) (PARTITION %s VALUES LESS THAN (%d), PARTITION pmax VALUES LESS THAN MAXVALUE)",
		table, dayName(-12), midnight(-11).Unix())); err != nil {
		t.Fatal(err)
	}
	for _, d := range []int{-30, -12, -11, -4, 0, 1, 7, 8, 3000} {
		put(t, s, gains(midnight(d), 3))
	}
	retain(t, s, time.Now())
	names, rows := days(t, db, table)
	if !slices.Equal(names, named(-12, 7)) {
		t.Fatalf("partitions %v", names)
	}
	for _, d := range []int{-11, -4, 0, 1, 7} {
		if rows[dayName(d)] != 3 {
			t.Errorf("day %d has %d rows", d, rows[dayName(d)])
		}
	}
	if rows[dayName(-12)] != 6 || rows["pmax"] != 6 {
		t.Errorf("the first has %d rows and the last %d, want 6 and 6", rows[dayName(-12)], rows["pmax"])
	}
}

func TestOldDaysAreDroppedWhole(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s := storagetest.OpenWith(t, url, storage.Options{Retention: 3 * 24 * time.Hour})
	db := storagetest.Raw(t, url)
	for d := -6; d <= 0; d++ {
		put(t, s, gains(midnight(d), 4))
	}
	const table = "event_experience"
	if _, err := db.Exec("ALTER TABLE " + table + " PARTITION BY RANGE (at) " + storage.DaysUntil(midnight(-6), midnight(7))); err != nil {
		t.Fatal(err)
	}
	retain(t, s, time.Now())
	names, rows := days(t, db, table)
	if !slices.Equal(names, named(-3, 7)) || rows[dayName(-3)] != 4 {
		t.Errorf("partitions %v with rows %v", names, rows)
	}
	var n int
	if err := db.QueryRow("SELECT COUNT(*), SUM(n) FROM experience_hourly").Scan(&n, new(int)); err != nil || n != 3 {
		t.Errorf("%d hours summed up, want the 3 that went (%v)", n, err)
	}
}

// The tables of older versions had no partitions.
func TestTablesWithoutPartitionsAreConverted(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s, db := storagetest.Open(t, url), storagetest.Raw(t, url)
	for i, table := range eventTables {
		if i%3 == 0 {
			continue // as if the migration had been cut off in the middle
		}
		if _, err := db.Exec("ALTER TABLE " + table + " REMOVE PARTITIONING"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec("DELETE FROM goose_db_version WHERE version_id >= 4"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []int{-20000, -200, -3, -2, 0, 5, 20000} {
		put(t, s, gains(midnight(d), 2))
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range eventTables {
		names, rows := days(t, db, table)
		if names[len(names)-1] != "pmax" {
			t.Errorf("%s has partitions %v", table, names)
		}
		if table != "event_experience" {
			continue
		}
		if rows[dayName(-3)] != 2 || rows[dayName(-2)] != 2 || rows[dayName(0)] != 2 || rows[dayName(5)] != 2 || rows["pmax"] != 2 || rows[names[0]] != 4 {
			t.Errorf("rows lie in %v", rows)
		}
		if want := storage.DefaultRetention/(24*time.Hour) + 10; len(names) > int(want) {
			t.Errorf("%d partitions, want %d at most", len(names), want)
		}
	}
}

// Without a lock of the server, as behind some proxies, two processes may work
// from the same view.
func TestTwoProcessesMakeAndDropTheSameDays(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s := storagetest.Open(t, url)
	put(t, s, gains(midnight(-4), 2))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.RetainFromOneView(context.Background(), midnight(-4).Unix(), midnight(0).Unix()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := storagetest.Raw(t, url)
	if names, _ := days(t, db, "event_experience"); names[0] != dayName(0) || names[len(names)-1] != "pmax" {
		t.Errorf("partitions %v", names)
	}
}

func TestATableWithoutALastPartitionIsSaidSo(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s, db := storagetest.Open(t, url), storagetest.Raw(t, url)
	if _, err := db.Exec("ALTER TABLE event_kill REMOVE PARTITIONING"); err != nil {
		t.Fatal(err)
	}
	if err := s.Retain(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "event_kill") {
		t.Errorf("got %v", err)
	}
}

func TestDaysAreMadeWhileATransactionUsesTheTable(t *testing.T) {
	url := storagetest.NewMySQL(t)
	s, db := storagetest.Open(t, url), storagetest.Raw(t, url)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT COUNT(*) FROM event_experience").Scan(&n); err != nil {
		t.Fatal(err)
	}
	stuck := make(chan error, 1)
	go func() { stuck <- s.Retain(context.Background(), time.Now()) }()
	// Whoever writes meanwhile waits behind the alteration, which gives up first.
	put(t, storagetest.Open(t, url), gains(midnight(0), 3))
	err = <-stuck
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Error("the table was altered under a transaction")
	}
	retain(t, s, time.Now())
	if _, rows := days(t, db, "event_experience"); rows[dayName(0)] != 3 {
		t.Errorf("rows lie in %v", rows)
	}
}
