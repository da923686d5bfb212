package bus_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver under test

	"muster/bus"
	"muster/bus/bustest"
)

const pragmas = "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)&_txlock=immediate"

func openDB(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+pragmas)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func mustDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := openDB(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // some tests close it themselves
	return db
}

func mustSpool(t *testing.T, db *sql.DB, cfg bus.SpoolConfig) *bus.Spool {
	t.Helper()
	if cfg.Topology == nil {
		cfg.Topology = bustest.Topology()
	}
	s, err := bus.OpenSpool(t.Context(), db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests close it themselves
	return s
}

func openSpool(shared bool) bustest.Open {
	return func(t *testing.T) (bus.Bus, func() bus.Bus) {
		path := filepath.Join(t.TempDir(), "spool.db")
		db := mustDB(t, path)
		cfg := bus.SpoolConfig{Shared: shared}
		s := mustSpool(t, db, cfg)
		return s, func() bus.Bus {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = mustDB(t, path)
			s = mustSpool(t, db, cfg)
			return s
		}
	}
}

func TestSpoolKeepsTheContract(t *testing.T) { bustest.Run(t, openSpool(false)) }

func TestSharedSpoolKeepsTheContract(t *testing.T) { bustest.Run(t, openSpool(true)) }

func TestSharedSpoolSettlesInTheCallersTransaction(t *testing.T) {
	open := openSpool(true)
	bustest.RunSettleIn(t, func(t *testing.T) (bus.Bus, *sql.DB, func() (bus.Bus, *sql.DB)) {
		b, reopen := open(t)
		return b, bus.DBOf(b), func() (bus.Bus, *sql.DB) {
			b := reopen()
			return b, bus.DBOf(b)
		}
	})
}
