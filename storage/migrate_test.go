package storage_test

import (
	"errors"
	"testing"

	"muster/storage"
	"muster/storage/storagetest"
)

// TestMigrationsThatAlterTablesCanRunAgain has the process die after each change
// and before it is noted: DDL does not roll back on MySQL.
func TestMigrationsThatAlterTablesCanRunAgain(t *testing.T) {
	url := storagetest.MySQL(t)(t)
	s, err := storage.Open(t.Context(), url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := storagetest.Raw(t, url).ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id >= 3"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Migrate(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}
