// Package storagetest holds every dialect of storage to one behaviour.
package storagetest

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"

	"muster/storage"
)

// OpenSQLite opens and migrates the file at path, and closes it with the test.
func OpenSQLite(t testing.TB, path string) *storage.Store {
	t.Helper()
	return open(t, "sqlite:"+path)
}

// OpenMySQL makes a new database on the server of MUSTER_TEST_MYSQL_DSN, whose
// user must be allowed to, and drops it with the test. Without the variable the
// test is skipped.
func OpenMySQL(t *testing.T) *storage.Store {
	t.Helper()
	return open(t, "mysql:"+NewMySQL(t))
}

// NewMySQL makes a new database as OpenMySQL does and returns its DSN.
func NewMySQL(t testing.TB) string {
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
	return cfg.FormatDSN()
}

func open(t testing.TB, url string) *storage.Store {
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
