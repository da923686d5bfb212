package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// openSQLite opens one connection for writing and some for reading.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return fmt.Errorf("%w: sqlite: needs the path of a file", ErrURL)
	}
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: directory %s does not exist", ErrUnreachable, dir)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory", ErrUnreachable, dir)
	}
	var err error
	if s.w, err = openFile(ctx, path, 1, "_txlock=immediate"); err != nil {
		return err
	}
	conns := s.opt.Conns
	if conns <= 0 {
		conns = 4
	}
	if s.r, err = openFile(ctx, path, conns, "_pragma=query_only(1)"); err != nil {
		return errors.Join(err, s.w.Close())
	}
	s.long = s.w
	return nil
}

func openFile(ctx context.Context, path string, conns int, extra string) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		"&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(16384)&" + extra
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	// A file that is no database opens well and fails at the first read.
	if _, err := db.ExecContext(ctx, "SELECT count(*) FROM sqlite_schema"); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrUnreachable, path, err), db.Close())
	}
	return db, nil
}
