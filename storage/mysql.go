package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"

	"muster/internal/tlsfiles"
)

// Bounds of what a MySQL server may take. The DSN may say otherwise of dialling,
// reading and writing (timeout, readTimeout, writeTimeout).
const (
	dialLimit = 5 * time.Second
	// answerLimit is how long one statement may go unanswered; then the server
	// counts as gone.
	answerLimit = 30 * time.Second
	// longLimit is answerLimit of what takes long by nature: roll-ups, partitions.
	longLimit = 15 * time.Minute
	// lockLimit is how long the server lets a statement wait for a row, tableLimit
	// for a table that is being altered. Both are below answerLimit, so that the
	// server's clear answer comes first.
	lockLimit, tableLimit = 10 * time.Second, 20 * time.Second
	// commitLimit is how long a commit may still take once its caller has gone,
	// undoLimit how long a rollback may: the server does that too when it misses us.
	commitLimit, undoLimit = 2 * time.Second, time.Second
	// frozenLimit is how long the server keeps the transaction, and so the locks, of
	// a process that has stopped in the middle of it. A connection idle in the pool
	// is closed before.
	frozenLimit = 15 * time.Second
	idleLimit   = frozenLimit / 2
	// lifeLimit makes connections follow a name that leads to another server.
	lifeLimit = 3 * time.Minute
)

// Connections of one process.
const (
	defaultConns = 16
	minConns     = 6
	longConns    = 2
)

// openMySQL opens the pools of one server: one for everything that is short, and
// within the same bound a small one for what takes long.
func (s *Store) openMySQL(ctx context.Context, dsn string) error {
	s.d, s.dsn = dialect{mysql: true}, dsn
	s.cache.shared = true
	conns := s.opt.Conns
	if conns <= 0 {
		conns = defaultConns
	}
	conns = max(conns, minConns)
	var err error
	if s.w, err = openPool(dsn, conns-longConns, answerLimit); err != nil {
		return err
	}
	s.r = s.w
	if s.long, err = openPool(dsn, longConns, longLimit); err != nil {
		return errors.Join(err, s.w.Close())
	}
	if err := s.w.PingContext(ctx); err != nil {
		err = tlsfiles.Explain(err)
		kind := ErrUnreachable
		if refusedAccess(err) || errors.Is(err, tlsfiles.ErrTrust) {
			kind = ErrRefused
		}
		return errors.Join(fmt.Errorf("%w: mysql at %s: %w", kind, address(dsn), err), s.w.Close(), s.long.Close())
	}
	if err := s.askPacket(ctx); err != nil {
		return errors.Join(err, s.w.Close(), s.long.Close())
	}
	if s.replicas, err = s.openReplicas(); err != nil {
		return errors.Join(err, s.w.Close(), s.long.Close())
	}
	return nil
}

// A statement has at most that many bytes, or what the server takes, which must be
// enough for the largest row.
const maxPacket, minPacket = 1 << 20, 256 << 10

// askPacket asks the server how large a statement may be.
func (s *Store) askPacket(ctx context.Context) error {
	var most int
	if err := s.w.QueryRowContext(ctx, "SELECT @@max_allowed_packet").Scan(&most); err != nil {
		return fmt.Errorf("%w: mysql at %s: %w", ErrUnreachable, address(s.dsn), err)
	}
	if most < minPacket {
		return fmt.Errorf("%w: mysql: max_allowed_packet is %d, at least %d is needed", ErrRefused, most, minPacket)
	}
	s.packet = min(most, maxPacket) - 1<<10 // its header, and room to be wrong
	return nil
}

// openPool makes a pool of at most conns connections. It connects to nothing.
func openPool(dsn string, conns int, answer time.Duration) (*sql.DB, error) {
	cfg, err := mysqlConfig(dsn, answer)
	if err != nil {
		return nil, err
	}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: mysql: %w", ErrURL, err)
	}
	db := sql.OpenDB(sessions{c})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(idleLimit)
	db.SetConnMaxLifetime(lifeLimit)
	return db, nil
}

// address returns the host and port of dsn, which is one that can be read.
func address(dsn string) string {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return ""
	}
	return cfg.Addr
}

// mysqlConfig reads dsn and makes all sessions the same, whatever it and the
// server's defaults say: UTC, strict, no rows that are counted as changed without
// being so, no second statement in one text.
func mysqlConfig(dsn string, answer time.Duration) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: mysql: %w", ErrURL, err)
	}
	if cfg.DBName == "" {
		return nil, fmt.Errorf("%w: mysql: the DSN names no database", ErrURL)
	}
	cfg.ParseTime, cfg.Loc = true, time.UTC
	cfg.InterpolateParams, cfg.ClientFoundRows, cfg.MultiStatements = true, false, false
	cfg.RejectReadOnly = false // its error would not say why
	cfg.CheckConnLiveness = true
	cfg.Collation = "utf8mb4_bin"
	cfg.MaxAllowedPacket = 64 << 20 // what we send is bound by Store.packet
	cfg.Logger = &mysql.NopLogger{}
	cfg.DialFunc = dial
	if cfg.Timeout == 0 {
		cfg.Timeout = dialLimit
	}
	if cfg.ReadTimeout == 0 || answer > answerLimit {
		cfg.ReadTimeout = answer
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = answerLimit
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	if err := secure(cfg); err != nil {
		return nil, fmt.Errorf("%w: mysql: %w", ErrURL, err)
	}
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["sql_mode"] = "'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'"
	cfg.Params["innodb_lock_wait_timeout"] = seconds(lockLimit)
	cfg.Params["lock_wait_timeout"] = seconds(tableLimit)
	cfg.Params["wait_timeout"] = seconds(frozenLimit)
	return cfg, nil
}

// secure sets up TLS where the DSN names files for it, as cacertfile, certfile,
// keyfile or server_name_indication: the driver by itself knows names only that a
// program has registered. Without them the DSN's tls= says what it says.
func secure(cfg *mysql.Config) error {
	files := tlsfiles.Cut(func(name string) string {
		defer delete(cfg.Params, name)
		return cfg.Params[name]
	})
	if !files.Given() {
		return nil
	}
	if cfg.TLSConfig != "" && cfg.TLSConfig != "true" {
		return fmt.Errorf("tls=%s contradicts the certificates that are named: leave it out", cfg.TLSConfig)
	}
	var err error
	cfg.TLS, err = files.Config()
	return err
}

func seconds(d time.Duration) string { return fmt.Sprint(int(d / time.Second)) }

// dial connects so that a peer that has vanished without a word is noticed within
// half a minute, also while a statement runs that may take longer.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}}
	return d.DialContext(ctx, network, addr)
}
