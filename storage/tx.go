package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/alert"
	"muster/internal/backoff"
)

// A tx is one transaction, with statements prepared beforehand where that pays.
type tx struct {
	s *Store
	*sql.Tx
	attempt int // from 1
	// doubt is the newest attempt that may have been committed without our knowing:
	// the connection was lost while it was. 0: none.
	doubt int
	// dropped counts alerts that are settled without being told, for the metric once
	// that is committed.
	dropped map[alert.Reason]int64
}

// drops notes that n alerts are not told.
func (t *tx) drops(r alert.Reason, n int64) {
	if t.dropped == nil {
		t.dropped = map[alert.Reason]int64{}
	}
	t.dropped[r] += n
}

// changed notes in done whether n rows were changed, or were in an attempt that
// may have been committed before.
func (t *tx) changed(done *bool, n int64) { *done = n > 0 || *done && t.doubt > 0 }

// Bounds of a transaction that meets faults of the server.
const (
	// attemptLimit is how long one attempt may take, waiting for a connection
	// included. It is above answerLimit, which says more of what was wrong.
	attemptLimit = answerLimit + 10*time.Second
	// patience is how long a transaction is repeated. An outage that lasts longer is
	// the caller's.
	patience = 40 * time.Second
	// conflictPause and lostPause bound the pauses in between, which grow.
	conflictPause, lostPause = 250 * time.Millisecond, 2 * time.Second
)

// write runs f in one transaction and commits. On MySQL it runs all of it again
// after a deadlock, a lock timeout, a lost connection or a failover, for up to 40 s,
// so f must begin anew each time. f's argument is not valid afterwards.
func (s *Store) write(ctx context.Context, f func(*tx) error) error {
	return s.repeat(ctx, s.w, attemptLimit, f)
}

// writeLong is write for what takes long by nature.
func (s *Store) writeLong(ctx context.Context, f func(*tx) error) error {
	return s.repeat(ctx, s.long, longLimit+attemptLimit, f)
}

func (s *Store) repeat(ctx context.Context, db *sql.DB, limit time.Duration, f func(*tx) error) error {
	if !s.d.mysql {
		_, err := s.once(ctx, &tx{s: s, attempt: 1}, db, f)
		return err
	}
	doubt := 0
	var began time.Time
	for attempt := 1; ; attempt++ {
		bounded, cancel := context.WithTimeout(ctx, limit)
		commits, err := s.once(bounded, &tx{s: s, attempt: attempt, doubt: doubt}, db, f)
		cancel()
		kind := s.d.fault(ctx, err)
		if kind == noFault {
			return s.d.denied(err)
		}
		if commits && kind == lost {
			doubt = attempt
		}
		s.repeats(ctx, kind, attempt, err)
		if began.IsZero() {
			began = time.Now()
		}
		if time.Since(began) > patience {
			return fmt.Errorf("given up after %d attempts: %w", attempt, err)
		}
		if backoff.Sleep(ctx, pause(kind, attempt)) != nil {
			return fmt.Errorf("%w while repeating after: %w", context.Cause(ctx), err)
		}
	}
}

// pause returns how long to wait before the next attempt.
func pause(kind fault, attempt int) time.Duration {
	step, most := 5*time.Millisecond, conflictPause
	if kind != conflict {
		step, most = 50*time.Millisecond, lostPause
	}
	return backoff.UpTo(min(step<<min(attempt, 16), most))
}

// repeats notes that a transaction failed by a fault of the server. After the loss
// of one connection, those that wait in the pools are not trusted either: their
// server has gone, or is one that takes no writes any more.
func (s *Store) repeats(ctx context.Context, kind fault, attempt int, err error) {
	s.metrics.repeats.WithLabelValues(kind.String()).Inc()
	s.log.DebugContext(ctx, "transaction is repeated", "attempt", attempt, "fault", kind.String(), "err", err)
	if kind != conflict {
		s.dropIdle()
	}
}

// dropIdle closes the connections that are not in use.
func (s *Store) dropIdle() {
	for _, db := range []*sql.DB{s.w, s.long} {
		most := db.Stats().MaxOpenConnections
		db.SetMaxIdleConns(-1)
		db.SetMaxIdleConns(most)
	}
}

// once is one attempt. commits says that it got as far as to commit: then its
// error does not tell whether anything was written.
func (s *Store) once(ctx context.Context, t *tx, db *sql.DB, f func(*tx) error) (commits bool, err error) {
	if t.Tx, err = db.BeginTx(ctx, nil); err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	if err := f(t); err != nil {
		if undo := t.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			s.log.DebugContext(ctx, "rollback", "err", undo)
		}
		return false, err
	}
	if err := t.Commit(); err != nil {
		return true, fmt.Errorf("commit: %w", err)
	}
	for r, n := range t.dropped {
		s.metrics.dropped.WithLabelValues(string(r)).Add(float64(n))
	}
	s.prepareWanted(ctx)
	return true, nil
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
	if t.s.trace != nil {
		t.s.trace(text)
	}
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
	if t.s.trace != nil {
		t.s.trace(text)
	}
	if st := t.prepared(text); st != nil {
		return t.StmtContext(ctx, st).QueryContext(ctx, args...)
	}
	return t.QueryContext(ctx, text, args...)
}
