package storage_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"muster/storage"
	"muster/storage/storagetest"
)

func TestAnAccountThatIsRefusedIsToldApartFromAServerThatIsAway(t *testing.T) {
	url := storagetest.NewMySQL(t)
	admin := storagetest.Raw(t, url)
	name, password := "muster_"+strings.ToLower(rand.Text()[:12]), "p@ss/w:rd?#%&+é"
	exec := func(statement string) {
		t.Helper()
		if _, err := admin.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	exec("CREATE USER '" + name + "'@'%' IDENTIFIED BY '" + password + "'")
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP USER '" + name + "'@'%'"); err != nil {
			t.Error(err)
		}
	})
	cfg, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql:"))
	if err != nil {
		t.Fatal(err)
	}
	database := cfg.DBName
	as := func(password, database string) string {
		cfg.User, cfg.Passwd, cfg.DBName = name, password, database
		return "mysql:" + cfg.FormatDSN()
	}
	refused := func(t *testing.T, err error, says string) {
		t.Helper()
		if !errors.Is(err, storage.ErrRefused) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), password) {
			t.Errorf("got %v, want ErrRefused that says %q", err, says)
		}
	}
	open := func(url string) (*storage.Store, error) { return storage.Open(t.Context(), url, storage.Options{}) }
	migrate := func(t *testing.T, url string) error {
		t.Helper()
		s, err := open(url)
		if err != nil {
			t.Fatal(err)
		}
		return errors.Join(s.Migrate(t.Context()), s.Close())
	}

	_, err = open(as("another", database))
	refused(t, err, "Access denied")
	_, err = open(as(password, database))
	refused(t, err, "to database '"+database+"'")
	_, err = open(as(password, "muster_there_is_none"))
	refused(t, err, "muster_there_is_none")

	exec("GRANT SELECT ON " + database + ".* TO '" + name + "'@'%'")
	refused(t, migrate(t, as(password, database)), "muster migrate")
	if err := migrate(t, url); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t, as(password, database)); err != nil {
		t.Errorf("with nothing to do for one who may only read: %v", err)
	}
}
