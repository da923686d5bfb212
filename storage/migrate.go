package storage

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the tables to what this build needs. It may be called by
// several processes at once, and again at any time; on MySQL they wait for each
// other up to a minute.
func (s *Store) Migrate(ctx context.Context) error {
	name, kind := "sqlite", goose.DialectSQLite3
	if s.d.mysql {
		name, kind = "mysql", goose.DialectMySQL
		unlock, err := s.lockMigrations(ctx)
		if err != nil {
			return err
		}
		defer unlock()
	}
	files, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(kind, s.w, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockMigrations takes a lock of the server that ends with its connection, so
// that a killed process leaves nothing behind.
func (s *Store) lockMigrations(ctx context.Context) (func(), error) {
	conn, err := s.w.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	var db string
	if err := conn.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&db); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: %w", err), conn.Close())
	}
	name := fmt.Sprintf("muster-migrate-%x", sha256.Sum256([]byte(db)))[:40]
	var got *int64
	err = conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 60)", name).Scan(&got)
	if err == nil && (got == nil || *got != 1) {
		err = errors.New("another process has been migrating for a minute")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: %w", err), conn.Close())
	}
	return func() {
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK(?)", name); err != nil {
			s.log.WarnContext(ctx, "migration lock is left to the end of its connection", "err", err)
		}
		if err := conn.Close(); err != nil {
			s.log.DebugContext(ctx, "close migration connection", "err", err)
		}
	}, nil
}
