// Package storagetest holds every dialect of storage to one behaviour.
package storagetest

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"muster/storage"
)

// File returns the URL of a new SQLite file in the test's directory.
func File(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
}

// SQLite returns a function that gives the URL of a new file, migrated already:
// a copy is quicker than the migrations.
func SQLite(t *testing.T) func(*testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.db")
	s, err := storage.Open(t.Context(), "sqlite:"+path, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Migrate(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "muster.db")
		if err := os.WriteFile(path, template, 0o600); err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + path
	}
}

// MySQL makes a new database as NewMySQL does. What it returns empties the
// database and gives its URL: that is much quicker than a new one.
func MySQL(t *testing.T) func(*testing.T) string {
	t.Helper()
	url := NewMySQL(t)
	empty := Emptied(t, url)
	return func(t *testing.T) string {
		empty(t)
		return url
	}
}

// Emptied returns a function that deletes what is in the database at url, which is
// MySQL's, but for the tables.
func Emptied(t *testing.T, url string) func(*testing.T) {
	t.Helper()
	cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql:"))
	if err != nil {
		t.Fatal(err)
	}
	db := Raw(t, url)
	return func(t *testing.T) { empty(t, db, cfg.DBName) }
}

// NewMySQL makes a new database on the server of MUSTER_TEST_MYSQL_DSN, whose user
// must be allowed to, drops it with t, and returns its URL. Without the variable
// the test is skipped.
func NewMySQL(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("MUSTER_TEST_MYSQL_DSN")
	if dsn == "" {
		t.Skip("MUSTER_TEST_MYSQL_DSN is not set: it names a MySQL or MariaDB server whose user may create databases")
	}
	return NewDatabase(t, dsn)
}

// NewDatabase makes a new database on the server of dsn, as root@tcp(HOST:PORT)/,
// drops it with t, and returns its URL.
func NewDatabase(t testing.TB, dsn string) string {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("DSN of the test server: %v", err)
	}
	name := "muster_test_" + strings.ToLower(rand.Text())
	cfg.DBName = ""
	admin := Raw(t, "mysql:"+cfg.FormatDSN())
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	cfg.DBName = name
	return "mysql:" + cfg.FormatDSN()
}

// empty deletes all rows but those that say which migrations ran.
func empty(t *testing.T, db *sql.DB, name string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT table_name FROM information_schema.tables "+
		"WHERE table_schema = ? AND table_name <> 'goose_db_version'", name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if _, err := db.ExecContext(t.Context(), "DELETE FROM "+name+"."+table); err != nil {
			t.Fatal(err)
		}
	}
}

// Open opens and migrates the database at url, and closes it with the test.
func Open(t testing.TB, url string) *storage.Store {
	t.Helper()
	return OpenWith(t, url, storage.Options{})
}

// OpenWith is Open with options.
func OpenWith(t testing.TB, url string, o storage.Options) *storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), url, o)
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
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}
