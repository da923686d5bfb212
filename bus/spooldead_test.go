package bus_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/bus"
	"muster/bus/bustest"
)

// besides opens a spool, and its dead letters through a handle of their own, as
// another process would.
func besides(t *testing.T) (*bus.Spool, *bus.SpoolBox, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	s := mustSpool(t, mustDB(t, path), bus.SpoolConfig{})
	db := mustDB(t, path)
	return s, mustBox(t, db), db
}

func mustBox(t *testing.T, db *sql.DB) *bus.SpoolBox {
	t.Helper()
	box, err := bus.OpenSpoolBox(t.Context(), db, bustest.Topology())
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestDeadLettersOfARunningSpoolAreWorkedOnFromOutside(t *testing.T) {
	var path string
	open := func(t *testing.T) (bus.Bus, func() bus.Bus) {
		path = filepath.Join(t.TempDir(), "s.db")
		return mustSpool(t, mustDB(t, path), bus.SpoolConfig{}), nil
	}
	bustest.RunDeadLetters(t, open, func(t *testing.T, _ bus.Bus) bus.DeadLetterBox { return mustBox(t, mustDB(t, path)) })
}

// buryOne makes message 0 a dead letter.
func buryOne(t *testing.T, s *bus.Spool) {
	t.Helper()
	if err := s.Publish(t.Context(), bustest.Solo, msg(0)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := s.Consume(ctx, bustest.Only, func(context.Context, bus.Batch) error {
		cancel()
		return &bus.Rejected{Reasons: map[int]error{0: errors.New("poison")}}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsReplayedWhileNoSpoolRunsIsTakenByTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db := mustDB(t, path)
	s := mustSpool(t, db, bus.SpoolConfig{})
	buryOne(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := mustBox(t, db).Replay(t.Context(), bustest.Only, bus.EveryLetter); n != 1 || err != nil {
		t.Fatalf("replay: got %d, %v, want 1", n, err)
	}
	s = mustSpool(t, db, bus.SpoolConfig{})
	wantComes(t, s)
}

// wantComes consumes until message 0 has come.
func wantComes(t *testing.T, s *bus.Spool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	err := s.Consume(ctx, bustest.Only, func(_ context.Context, b bus.Batch) error {
		for _, d := range b.Deliveries {
			got = append(got, d.ID)
		}
		cancel()
		return nil
	})
	if err != nil || strings.Join(got, " ") != msg(0).ID {
		t.Fatalf("got %v (%v), want message 0", got, err)
	}
}

func TestWhatIsReplayedIntoAFullSpoolWaitsBesideIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db := mustDB(t, path)
	s := mustSpool(t, db, bus.SpoolConfig{MaxMessages: 1})
	buryOne(t, s)
	if err := s.Publish(t.Context(), bustest.Solo, msg(1)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Replay(t.Context(), bustest.Only, bus.EveryLetter); n != 1 || err != nil {
		t.Fatalf("replay: got %d, %v, want 1", n, err)
	}
	if n, _ := s.Depth(t.Context(), bustest.Only); n != 1 {
		t.Fatalf("depth %d, want the 1 that there is room for", n)
	}
	if got := drain(t, s); strings.Join(got, " ") != msg(1).ID {
		t.Fatalf("got %v, want message 1", got)
	}
	wantComes(t, s)
}

func TestALetterNumberThatIsUsedAgainIsAnotherLetter(t *testing.T) {
	s, box, _ := besides(t)
	buryOne(t, s)
	first, err := box.List(t.Context(), bustest.Only, 1)
	if err != nil || len(first) != 1 {
		t.Fatalf("got %v, %v, want one letter", first, err)
	}
	if n, err := box.Drop(t.Context(), bustest.Only, first[0].Ref); n != 1 || err != nil {
		t.Fatalf("drop: got %d, %v, want 1", n, err)
	}
	buryOne(t, s) // SQLite gives the same number again
	if _, err := box.Show(t.Context(), bustest.Only, first[0].Ref); !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("show the old reference: got %v, want ErrNoLetter", err)
	}
	if n, err := box.Drop(t.Context(), bustest.Only, first[0].Ref); n != 0 || !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("drop the old reference: got %d, %v, want 0 and ErrNoLetter", n, err)
	}
}

func TestALockedFileIsAnErrorNotAHang(t *testing.T) {
	s, box, db := besides(t)
	buryOne(t, s)
	if _, err := db.ExecContext(t.Context(), `PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	other, err := bus.DBOf(s).BeginTx(t.Context(), nil) // immediate: it holds the lock
	if err != nil {
		t.Fatal(err)
	}
	_, err = box.Drop(t.Context(), bustest.Only, bus.EveryLetter)
	if rollback := other.Rollback(); rollback != nil {
		t.Fatal(rollback)
	}
	if err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("got %v, want the database's own error", err)
	}
	if n, err := box.Drop(t.Context(), bustest.Only, bus.EveryLetter); n != 1 || err != nil {
		t.Errorf("once the lock is free: got %d, %v, want 1", n, err)
	}
}
