// Package storagetest holds every dialect of storage to one behaviour.
package storagetest

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"muster/storage"
)

// SQLite returns the URL of a new file in the test's directory.
func SQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
}

// MySQL makes a new database on the server of MUSTER_TEST_MYSQL_DSN, whose user
// must be allowed to, drops it with the test, and returns its URL. Without the
// variable the test is skipped.
func MySQL(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("MUSTER_TEST_MYSQL_DSN")
	if dsn == "" {
		t.Skip("MUSTER_TEST_MYSQL_DSN is not set: it names a MySQL or MariaDB server whose user may create databases")
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("MUSTER_TEST_MYSQL_DSN: %v", err)
	}
	var b [6]byte
	rand.Read(b[:])
	name := "muster_test_" + hex.EncodeToString(b[:])
	cfg.DBName = ""
	admin, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
		admin.Close()
	})
	cfg.DBName = name
	return "mysql:" + cfg.FormatDSN()
}

// Open opens and migrates the database at url, and closes it with the test.
func Open(t testing.TB, url string) *storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), url, storage.Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return s
}

// Raw opens the database at url past the Store, to look at rows or spoil them.
func Raw(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, dsn, _ := strings.Cut(url, ":")
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
