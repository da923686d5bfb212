package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/alert"
)

// Errors a caller branches on.
var (
	// ErrURL says that the database URL is not one this package can open.
	ErrURL = errors.New("bad database URL")
	// ErrUnreachable says that the database could not be opened: a directory that
	// is missing, a server that refuses.
	ErrUnreachable = errors.New("cannot open the database")
	// ErrRefused says that the database answered and will not have us: account,
	// password, a database that is not there, a permission that is missing, a
	// certificate. No retry helps.
	ErrRefused = errors.New("the database refuses")
	// ErrData says that a value cannot be stored, or that a stored one cannot be
	// right. No retry helps: it says Permanent() true to those who cannot import
	// this package.
	ErrData error = dataError{}
)

// Options tune a Store. The zero value is usable.
type Options struct {
	Log           *slog.Logger          // nil discards
	AlertLifetime time.Duration         // how old a login may be and still be told; 0: alert.DefaultLifetime
	Registerer    prometheus.Registerer // nil registers nothing
	// Conns is how many connections one process has at most: for reading on SQLite
	// (0: 4), for everything on MySQL (0: 16; never fewer than 6).
	Conns int
	// Replicas are read replicas of a MySQL database, as "mysql:DSN", for Lagging.
	// One that answers nothing, or what was true longer than ReplicaLag ago, is left
	// out until it does better. Each gets up to Conns connections.
	Replicas   []string
	ReplicaLag time.Duration // 0: DefaultReplicaLag
	// Retention is how long the rows of events are kept, in whole days; 0:
	// DefaultRetention. What they were summed up to is kept for ever.
	Retention time.Duration
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
	if o.ReplicaLag <= 0 {
		o.ReplicaLag = DefaultReplicaLag
	}
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	if o.CachedCharacters <= 0 {
		o.CachedCharacters = 200_000
	}
	return o
}

// A Store is the one door to the database. Its methods are safe for concurrent
// use. On SQLite writes wait for each other; reads do not wait for writes.
type Store struct {
	*shared
	lagging bool // reads may be answered by a replica
}

// shared is what a Store and its Lagging have in common.
type shared struct {
	opt    Options
	log    *slog.Logger
	d      dialect
	w, r   *sql.DB // the same on MySQL
	long   *sql.DB // for statements that take long; w on SQLite
	dsn    string  // MySQL only
	packet int     // bytes of a statement at most; MySQL only
	writer int64   // tells this Store's beats from those of others

	replicas *replicas
	metrics  *metrics

	cache *presenceCache
	known *idCache // characters that have a row

	watched  watchedIndex
	channels channelIndex
	trace    func(text string) // of tests: sees the statements of transactions

	running   runningHour // of Rollup
	dirty     dirtyMarks
	retention retention // of Retain

	mu     sync.Mutex
	stmts  map[string]*sql.Stmt // prepared on w; SQLite only
	wanted map[string]struct{}  // to be prepared once the transaction is over
}

// Open opens the database at url, "sqlite:PATH" or "mysql:DSN" (the DSN as
// go-sql-driver writes it). It does not create or change tables: see Migrate.
//
// Errors wrap ErrURL, ErrUnreachable or ErrRefused and never hold a password.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{shared: &shared{
		opt: o, log: o.Log, writer: rand.Int64N(1 << 31), replicas: &replicas{}, metrics: newMetrics(),
		cache: newPresenceCache(o.CachedCharacters), known: newIDCache(o.CachedCharacters),
		stmts: map[string]*sql.Stmt{}, wanted: map[string]struct{}{},
	}}
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
	s.metrics.register(o.Registerer)
	return s, nil
}

// Close ends all connections. Calls in progress fail.
func (s *Store) Close() error {
	errs := []error{s.replicas.close()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, st := range s.stmts {
		errs = append(errs, st.Close())
		delete(s.stmts, text)
	}
	for _, db := range slices.Compact([]*sql.DB{s.r, s.w, s.long}) {
		errs = append(errs, db.Close())
	}
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
