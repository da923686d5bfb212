package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A dialect is what differs between the two databases.
type dialect struct{ mysql bool }

// forUpdate locks the rows of a SELECT. SQLite needs nothing: the transaction
// holds the only write lock from its start.
func (d dialect) forUpdate() string {
	if d.mysql {
		return " FOR UPDATE"
	}
	return ""
}

func (d dialect) skipLocked() string {
	if d.mysql {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// upsert is the tail of an INSERT that meets rows with the same keys: cols get
// the new values; without cols the old row stays as it is. Never INSERT IGNORE,
// which swallows real errors too.
func (d dialect) upsert(keys string, cols ...string) string {
	var b strings.Builder
	if d.mysql {
		b.WriteString(" ON DUPLICATE KEY UPDATE ")
		if len(cols) == 0 {
			key, _, _ := strings.Cut(keys, ",")
			fmt.Fprintf(&b, "%s = %s", key, key)
		}
	} else {
		fmt.Fprintf(&b, " ON CONFLICT (%s) DO ", keys)
		if len(cols) == 0 {
			b.WriteString("NOTHING")
		} else {
			b.WriteString("UPDATE SET ")
		}
	}
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		if d.mysql {
			fmt.Fprintf(&b, "%s = VALUES(%s)", c, c)
		} else {
			fmt.Fprintf(&b, "%s = excluded.%s", c, c)
		}
	}
	return b.String()
}

// retryable reports whether running the whole transaction again can help:
// deadlock, lock wait timeout, and a connection that was lost or has become
// read-only in a failover.
func (d dialect) retryable(err error) bool {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		switch my.Number {
		case 1213, 1205, 1290, 1836, 1053, 1927:
			return true
		}
		return false
	}
	return d.mysql && (errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn))
}

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
	conns := s.opt.ReadConns
	if conns <= 0 {
		conns = 4
	}
	if s.r, err = openFile(ctx, path, conns, "_pragma=query_only(1)"); err != nil {
		return errors.Join(err, s.w.Close())
	}
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

// openMySQL opens a pool whose sessions are all set the same way, whatever the
// server's defaults are.
func (s *Store) openMySQL(ctx context.Context, dsn string) error {
	s.d = dialect{mysql: true}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return fmt.Errorf("%w: mysql: %w", ErrURL, err)
	}
	if cfg.DBName == "" {
		return fmt.Errorf("%w: mysql: the DSN names no database", ErrURL)
	}
	cfg.ParseTime, cfg.Loc = true, time.UTC
	cfg.InterpolateParams, cfg.ClientFoundRows, cfg.MultiStatements = true, false, false
	cfg.RejectReadOnly = true
	cfg.Collation = "utf8mb4_bin"
	cfg.Logger = &mysql.NopLogger{}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["sql_mode"] = "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("%w: mysql: %w", ErrURL, err)
	}
	db := sql.OpenDB(readCommitted{c})
	conns := s.opt.ReadConns
	if conns <= 0 {
		conns = 16
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(3 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		return errors.Join(fmt.Errorf("%w: mysql at %s: %w", ErrUnreachable, cfg.Addr, err), db.Close())
	}
	s.w, s.r = db, db
	return nil
}

// readCommitted sets the isolation of each new connection. The variable has
// different names on MySQL 8 and MariaDB 10; the statement has not.
type readCommitted struct{ driver.Connector }

// Connect opens a connection.
func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	ex, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("the MySQL driver cannot execute"), conn.Close())
	}
	if _, err := ex.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
