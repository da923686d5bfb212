package storage

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// Bounds of a migration on MySQL.
const (
	migrateConns = 4         // the lock's, goose's, and one or two to work on
	migrateLimit = time.Hour // one statement
	migrateWait  = time.Minute
)

// versionDays is the migration that partitions the tables of events on MySQL. It
// is not a file: what it does depends on what is there.
const versionDays = 4

// Migrate brings the tables to what this build needs. It may be called by
// several processes at once, and again at any time; on MySQL they wait for each
// other up to a minute, and a table with many rows can take long: one statement
// up to an hour. Where nothing is to be done, an account that may only read serves;
// ErrRefused says that more is to be done than the account may do, ErrUnreachable that
// another try may succeed: the server was lost, or others have migrated for a minute.
func (s *Store) Migrate(ctx context.Context) error {
	if s.d.mysql {
		err := s.migrateMySQL(ctx)
		switch {
		case refusedAccess(err):
			return fmt.Errorf("the tables are to be changed, let muster migrate do it with an account that may: %w", s.d.denied(err))
		case s.d.fault(ctx, err) != noFault:
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return err
	}
	return migrate(ctx, goose.DialectSQLite3, "sqlite", s.w)
}

func migrate(ctx context.Context, d goose.Dialect, name string, db *sql.DB, more ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(d, db, files, more...)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// migrateMySQL works on connections of its own, for the others give up on a
// statement too early.
func (s *Store) migrateMySQL(ctx context.Context) error {
	db, err := openPool(s.dsn, migrateConns, migrateLimit)
	if err != nil {
		return err
	}
	defer func() {
		if err := db.Close(); err != nil {
			s.log.DebugContext(ctx, "close migration connections", "err", err)
		}
	}()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { _ = conn.Close() }() // db's Close says it
	unlock, err := s.lockMigrations(ctx, conn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer unlock()
	days := goose.NewGoMigration(versionDays, &goose.GoFunc{RunDB: s.partitionTables}, nil)
	return migrate(ctx, goose.DialectMySQL, "mysql", db, goose.WithGoMigrations(days))
}

// lockMigrations takes a lock of the server that ends with its connection, so
// that a killed process leaves nothing behind.
func (s *Store) lockMigrations(ctx context.Context, conn *sql.Conn) (func(), error) {
	// It is silent for as long as the migrations take.
	if _, err := conn.ExecContext(ctx, "SET SESSION wait_timeout = "+seconds(2*migrateLimit)); err != nil {
		return nil, err
	}
	unlock, got, err := s.serverLock(ctx, conn, "migrate", migrateWait)
	if err == nil && !got {
		err = fmt.Errorf("%w: another process has been migrating for a minute", ErrUnreachable)
	}
	return unlock, err
}

// serverLock takes a lock of the server for conn, which waits for it at most that
// long. Its name is the database's and what's.
func (s *Store) serverLock(ctx context.Context, conn *sql.Conn, what string, wait time.Duration) (unlock func(), got bool, err error) {
	var db string
	if err := conn.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&db); err != nil {
		return nil, false, err
	}
	name := fmt.Sprintf("muster-%s-%x", what, sha256.Sum256([]byte(db)))[:40]
	var answer *int64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, int(wait/time.Second)).Scan(&answer); err != nil {
		return nil, false, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
		defer cancel()
		if _, err := conn.ExecContext(ctx, "DO RELEASE_LOCK(?)", name); err != nil {
			s.log.WarnContext(ctx, "a lock is left to the end of its connection", "lock", what, "err", err)
		}
	}, answer != nil && *answer == 1, nil
}

// tryLock is serverLock without waiting, for work that does no harm when two do
// it: where the server has no such locks, it is taken for granted.
func (s *Store) tryLock(ctx context.Context, conn *sql.Conn, what string) (unlock func(), mine bool) {
	unlock, mine, err := s.serverLock(ctx, conn, what, 0)
	if err != nil {
		s.log.DebugContext(ctx, "the server has no locks to give", "lock", what, "err", err)
		return func() {}, true
	}
	return unlock, mine
}
