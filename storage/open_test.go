package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/storage"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("this is no database. ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, url string
		want      error
		says      string
	}{
		{"empty", "", storage.ErrURL, "sqlite:PATH"},
		{"another scheme", "postgres://u:secret@h/db", storage.ErrURL, "sqlite:PATH"},
		{"no path", "sqlite:", storage.ErrURL, "path"},
		{"in memory", "sqlite::memory:", storage.ErrURL, "path"},
		{"missing directory", "sqlite:" + filepath.Join(dir, "no", "such", "muster.db"), storage.ErrUnreachable, "does not exist"},
		{"a directory that is a file", "sqlite:" + filepath.Join(junk, "muster.db"), storage.ErrUnreachable, "not a directory"},
		{"a file that is no database", "sqlite:" + junk, storage.ErrUnreachable, "junk.db"},
		{"a directory in place of the file", "sqlite:" + dir, storage.ErrUnreachable, ""},
		{"DSN that cannot be read", "mysql:user:secret@nowhere", storage.ErrURL, "mysql"},
		{"DSN without a database", "mysql:user:secret@tcp(127.0.0.1:1)/", storage.ErrURL, "no database"},
		{"server that refuses", "mysql:user:secret@tcp(127.0.0.1:1)/muster", storage.ErrUnreachable, "127.0.0.1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := storage.Open(t.Context(), tt.url, storage.Options{})
			if err == nil {
				t.Fatal("opened", s.Close())
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20é'.db")
	s, err := storage.Open(t.Context(), "sqlite:"+path, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if s.SpoolDB() == nil || s.SpoolDB().Stats().MaxOpenConnections != 1 {
		t.Error("the spool's handle must have one connection")
	}
}
