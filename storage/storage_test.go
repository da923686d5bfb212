package storage_test

import (
	"testing"

	"muster/storage/storagetest"
)

func TestSQLite(t *testing.T) {
	storagetest.Run(t, storagetest.SQLite(t))
}

func TestMySQL(t *testing.T) {
	storagetest.Run(t, storagetest.MySQL(t))
}
