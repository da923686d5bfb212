package storage_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"muster/event"
	"muster/storage"
	"muster/storage/storagetest"
)

// recordOf stores n gains of experience from second on.
func recordOf(t *testing.T, s *storage.Store, second time.Time, n int, settle func(context.Context, *sql.Tx) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.Record(ctx, benchDay, event.Record{Events: gains(second, n)}, settle); err != nil {
		t.Fatalf("record: %v", err)
	}
}

func TestRecordsOfOneHourDoNotWaitForEachOther(t *testing.T) {
	s := storagetest.Open(t, storagetest.NewMySQL(t))
	recordOf(t, s, benchDay, 3, nil) // the hour has a mark already
	recordOf(t, s, benchDay.Add(time.Minute), 3, func(context.Context, *sql.Tx) error {
		recordOf(t, s, benchDay.Add(2*time.Minute), 3, nil) // within the first, which holds its mark
		return nil
	})
	summed(t, s, 9)
}

func TestARecordDoesNotWaitForACountOfItsHour(t *testing.T) {
	s := storagetest.Open(t, storagetest.NewMySQL(t))
	recordOf(t, s, benchDay, 3, nil)
	// Somebody holds the row that the count is about to write.
	blocker, err := s.WriteDB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Rollback()
	g := gains(benchDay, 1)[0].Detail.(event.Gain)
	if _, err := blocker.ExecContext(t.Context(), "INSERT INTO experience_hourly VALUES (?, ?, ?, 0, 0)",
		int64(g.Character), benchDay.Unix(), int64(g.ID)); err != nil {
		t.Fatal(err)
	}
	counted := make(chan error, 1)
	go func() {
		_, err := s.Rollup(context.Background(), benchDay.Add(24*time.Hour))
		counted <- err
	}()
	awaitLockWait(t, s)
	recordOf(t, s, benchDay.Add(time.Minute), 3, nil)
	select {
	case err := <-counted:
		t.Fatalf("the count was not held up (%v)", err)
	default:
	}
	if err := blocker.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-counted; err != nil {
		t.Fatal(err)
	}
	summed(t, s, 6)
}

// awaitLockWait returns once a count of an hour waits for a lock.
func awaitLockWait(t *testing.T, s *storage.Store) {
	t.Helper()
	// The server gives a copy, made anew only once nobody has read it for 100 ms.
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		n := 0
		err := s.WriteDB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.innodb_trx "+
			"WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE 'INSERT INTO experience_hourly%'").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no count waits")
		}
	}
}

// summed rolls up and holds the sums against how many rows there are.
func summed(t *testing.T, s *storage.Store, want int) {
	t.Helper()
	if _, err := s.Rollup(t.Context(), benchDay.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	var rows, sums int
	if err := s.WriteDB().QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM event_experience), (SELECT SUM(n) FROM experience_hourly)").Scan(&rows, &sums); err != nil {
		t.Fatal(err)
	}
	if rows != want || sums != want {
		t.Errorf("%d rows, %d summed up, want %d", rows, sums, want)
	}
}
