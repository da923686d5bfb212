package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/alert"
	"muster/internal/backoff"
)

// Errors a caller branches on.
var (
	// ErrURL says that the database URL is not one this package can open.
	ErrURL = errors.New("bad database URL")
	// ErrUnreachable says that the database could not be opened: a directory that
	// is missing, a server that refuses.
	ErrUnreachable = errors.New("cannot open the database")
	// ErrData says that a value cannot be stored, or that a stored one cannot be
	// right. No retry helps: it says Permanent() true to those who cannot import
	// this package.
	ErrData error = dataError{}
)

// Options tune a Store. The zero value is usable.
type Options struct {
	Log           *slog.Logger  // nil discards
	AlertLifetime time.Duration // how old a login may be and still be told; 0: alert.DefaultLifetime
	ReadConns     int           // connections for reading (SQLite), or for everything (MySQL); 0: 4, or 16
	// CachedCharacters bounds what is remembered in memory of who is online and
	// whose row exists; 0: 200,000. About 100 bytes each.
	CachedCharacters int
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.AlertLifetime <= 0 {
		o.AlertLifetime = alert.DefaultLifetime
	}
	if o.CachedCharacters <= 0 {
		o.CachedCharacters = 200_000
	}
	return o
}

// A Store is the one door to the database. Its methods are safe for concurrent
// use. On SQLite writes wait for each other; reads do not wait for writes.
type Store struct {
	opt    Options
	log    *slog.Logger
	d      dialect
	w, r   *sql.DB // the same on MySQL
	writer int64   // tells this Store's dirty marks from those of others

	cache *presenceCache
	known *idCache // characters that have a row

	running runningHour // of Rollup

	mu     sync.Mutex
	stmts  map[string]*sql.Stmt // prepared on w; SQLite only
	wanted map[string]struct{}  // to be prepared once the transaction is over
}

// Open opens the database at url, "sqlite:PATH" or "mysql:DSN" (the DSN as
// go-sql-driver writes it). It does not create or change tables: see Migrate.
//
// Errors wrap ErrURL or ErrUnreachable and never hold a password.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		opt: o, log: o.Log, writer: rand.Int64N(1 << 31),
		cache: newPresenceCache(o.CachedCharacters), known: newIDCache(o.CachedCharacters),
		stmts: map[string]*sql.Stmt{}, wanted: map[string]struct{}{},
	}
	scheme, rest, _ := strings.Cut(url, ":")
	var err error
	switch scheme {
	case "sqlite":
		err = s.openSQLite(ctx, rest)
	case "mysql":
		err = s.openMySQL(ctx, rest)
	default:
		err = fmt.Errorf("%w: neither sqlite:PATH nor mysql:DSN", ErrURL)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends all connections. Calls in progress fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for text, st := range s.stmts {
		errs = append(errs, st.Close())
		delete(s.stmts, text)
	}
	if s.r != s.w {
		errs = append(errs, s.r.Close())
	}
	errs = append(errs, s.w.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Ping reports whether the database answers. It does not wait for writes.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.r.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// SpoolDB returns the writing handle of the SQLite file, which has one
// connection, for tables of others in the same file (the durable bus). It is
// nil on MySQL. The Store closes it.
func (s *Store) SpoolDB() *sql.DB {
	if s.d.mysql {
		return nil
	}
	return s.w
}

// A tx is one transaction, with statements prepared beforehand where that pays.
type tx struct {
	s *Store
	*sql.Tx
}

// write runs f in one transaction and commits. On MySQL it runs all of it again
// after a deadlock, a lock timeout or a lost connection, so f must begin anew
// each time. f's argument is not valid afterwards.
func (s *Store) write(ctx context.Context, f func(*tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.writeOnce(ctx, f)
		if err == nil || attempt >= maxAttempts || !s.d.retryable(err) || ctx.Err() != nil {
			return err
		}
		s.log.DebugContext(ctx, "transaction is repeated", "attempt", attempt, "err", err)
		if backoff.Sleep(ctx, retryPause(attempt)) != nil {
			return context.Cause(ctx)
		}
	}
}

// maxAttempts bounds how often one transaction is tried. The pauses between
// them add up to about two seconds; an outage that lasts longer is the caller's.
const maxAttempts = 8

func retryPause(attempt int) time.Duration {
	top := min(10*time.Millisecond<<attempt, time.Second)
	return top/4 + rand.N(top*3/4)
}

func (s *Store) writeOnce(ctx context.Context, f func(*tx) error) error {
	raw, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(&tx{s: s, Tx: raw}); err != nil {
		if undo := raw.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			s.log.DebugContext(ctx, "rollback", "err", undo)
		}
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.prepareWanted(ctx)
	return nil
}

// prepared returns the ready statement for text, nil if there is none yet. It
// cannot be prepared now: the transaction holds SQLite's one writing connection.
func (t *tx) prepared(text string) *sql.Stmt {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if st := t.s.stmts[text]; st != nil {
		return st
	}
	if !t.s.d.mysql && len(t.s.stmts)+len(t.s.wanted) < maxPrepared {
		t.s.wanted[text] = struct{}{}
	}
	return nil
}

// maxPrepared bounds the prepared statements; more run unprepared.
const maxPrepared = 600

// prepareWanted must not hold mu while it waits for the writing connection:
// the transaction that has it may be waiting for mu.
func (s *Store) prepareWanted(ctx context.Context) {
	s.mu.Lock()
	texts := slices.Collect(maps.Keys(s.wanted))
	clear(s.wanted)
	s.mu.Unlock()
	for _, text := range texts {
		st, err := s.w.PrepareContext(ctx, text)
		if err != nil {
			return // it works unprepared too, or fails there with a better context
		}
		s.mu.Lock()
		if s.stmts[text] == nil {
			s.stmts[text], st = st, nil
		}
		s.mu.Unlock()
		if st != nil { // another goroutine was first
			_ = st.Close()
		}
	}
}

// steady is the context of one statement. A SQLite statement in a transaction is
// short, and watching ctx costs the driver a goroutine for each; the
// transaction itself ends with ctx.
func (t *tx) steady(ctx context.Context) context.Context {
	if t.s.d.mysql {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

func (t *tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	ctx = t.steady(ctx)
	var res sql.Result
	var err error
	if st := t.prepared(text); st != nil {
		res, err = t.StmtContext(ctx, st).ExecContext(ctx, args...)
	} else {
		res, err = t.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, t.s.d.refused(err)
	}
	return res.RowsAffected()
}

func (t *tx) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	ctx = t.steady(ctx)
	if st := t.prepared(text); st != nil {
		return t.StmtContext(ctx, st).QueryContext(ctx, args...)
	}
	return t.QueryContext(ctx, text, args...)
}
