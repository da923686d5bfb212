package storage_test

import (
	"path/filepath"
	"testing"

	"muster/storage"
	"muster/storage/storagetest"
)

func TestSQLite(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) *storage.Store {
		return storagetest.OpenSQLite(t, filepath.Join(t.TempDir(), "muster.db"))
	})
}

func TestMySQL(t *testing.T) {
	storagetest.Run(t, storagetest.OpenMySQL)
}
