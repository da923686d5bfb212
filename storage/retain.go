package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/internal/backoff"
)

// DefaultRetention is how long the rows of events are kept.
const DefaultRetention = 90 * 24 * time.Hour

// keep is the retention in seconds.
func (s *Store) keep() int64 { return int64(s.opt.Retention / time.Second) }

// How Retain works.
const (
	retainEvery = time.Hour // when nothing was left to do
	// clockSlack is how far this machine's clock and the database's may differ, and
	// how far now may be ahead of the newest event, before neither is believed: a
	// clock that is wrong must not drop days.
	clockSlack = 24 * time.Hour
	// pruneRows go in one statement, pruneShare of the time, and pruneFor in one
	// call, so that other writers hardly notice.
	pruneRows  = 500
	pruneShare = 4
	pruneFor   = 10 * time.Second
	// ddlWait is how long altering a table waits for the transactions that use it.
	// Whoever comes after waits behind it, so it is short and tried again.
	ddlWait = 5 * time.Second
)

// A retention remembers when Retain is next to do something.
type retention struct {
	mu   sync.Mutex
	done time.Time // by the caller's clock; zero: something is left
}

// Retain lets go of the rows of events that are older than Options.Retention, whole
// days of game time, after the hours in them are summed up; the sums stay for ever.
// On MySQL it also makes the partitions of the days ahead. It is to be called every
// minute or so by whoever is alive, any number of processes at once: most calls do
// nothing.
//
// Rows of the future are kept as long, from their receipt on. A row so late that
// its day is gone is stored all the same, and goes within hours; it counts in the
// sums only where they have no more, for what it may double is forgotten.
//
// A clock that is a day ahead of the newest event, or of the database's clock,
// is not believed: then nothing is dropped.
func (s *Store) Retain(ctx context.Context, now time.Time) error {
	if !s.retention.mu.TryLock() {
		return nil
	}
	defer s.retention.mu.Unlock()
	if done := s.retention.done; !done.IsZero() && now.Sub(done).Abs() < retainEvery {
		return nil
	}
	s.retention.done = time.Time{}
	all, err := s.retain(ctx, now)
	if err != nil {
		return fmt.Errorf("retain: %w", s.d.denied(err))
	}
	if all {
		s.retention.done = now
	}
	return nil
}

func (s *Store) retain(ctx context.Context, now time.Time) (all bool, err error) {
	if s.d.mysql {
		mine, err := s.retainDays(ctx, now)
		if err != nil || !mine {
			return true, err
		}
	}
	before, err := s.sumBefore(ctx, s.r, now)
	if err != nil || before == 0 {
		return true, err
	}
	return s.prune(ctx, now, before)
}

// sumBefore returns the second before which rows may go by now. The hours before
// it are summed up when it returns.
func (s *Store) sumBefore(ctx context.Context, q queryer, now time.Time) (int64, error) {
	newest := int64(0)
	for _, t := range tables {
		at, err := maxAt(ctx, q, t.table)
		if err != nil {
			return 0, err
		}
		newest = max(newest, at)
	}
	before := dayOf(min(now.Unix(), newest+int64(clockSlack/time.Second)) - s.keep())
	if before <= 0 {
		return 0, nil
	}
	if _, err := s.rollup(ctx, now, before); err != nil {
		return 0, err
	}
	return before, nil
}

func maxAt(ctx context.Context, q queryer, table string) (at int64, err error) {
	rows, err := q.QueryContext(ctx, "SELECT COALESCE(MAX(at), 0) FROM "+table)
	err = collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&at) })
	if err != nil {
		return 0, fmt.Errorf("newest row of %s: %w", table, err)
	}
	return at, nil
}

// prune deletes rows before before, and rows of the future received so long ago,
// for pruneFor at most; all says that nothing is left.
func (s *Store) prune(ctx context.Context, now time.Time, before int64) (all bool, err error) {
	until := time.Now().Add(pruneFor)
	for _, t := range tables {
		for _, old := range []struct {
			where string
			args  []any
		}{
			{"at < ?", []any{before}},
			{"at >= ? AND received_ns < ?", []any{dayOf(now.Unix()) + (daysAhead+1)*daySeconds, before * int64(time.Second)}},
		} {
			if all, err = s.pruneTable(ctx, t.table, old.where, old.args, until); err != nil || !all {
				return false, err
			}
		}
	}
	return true, nil
}

func (s *Store) pruneTable(ctx context.Context, table, where string, args []any, until time.Time) (all bool, err error) {
	text := "DELETE FROM " + table + " WHERE (at, k) IN (SELECT at, k FROM " + table + " WHERE " + where + " ORDER BY at, k LIMIT ?)"
	if s.d.mysql { // which reads nothing from a table it deletes from
		text = "DELETE FROM " + table + " WHERE " + where + " ORDER BY at, k LIMIT ?"
	}
	args = append(args, pruneRows)
	for {
		var n int64
		from := time.Now()
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.exec(ctx, text, args...)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("delete old rows of %s: %w", table, err)
		}
		if n < pruneRows {
			return true, nil
		}
		if time.Now().After(until) {
			return false, nil
		}
		if err := backoff.Sleep(ctx, (pruneShare-1)*time.Since(from)); err != nil {
			return false, err
		}
	}
}

// retainDays makes and drops days on MySQL. A lock of the server keeps a second
// process from doing the same, which is told that it is not its turn; where there
// is no such lock, both do, and what one of them finds done already is no error.
func (s *Store) retainDays(ctx context.Context, now time.Time) (mine bool, err error) {
	conn, err := s.long.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer s.release(ctx, conn)
	unlock, mine := s.tryLock(ctx, conn, "days")
	if !mine {
		return false, nil
	}
	defer unlock()
	if err := sameClock(ctx, conn, now); err != nil {
		return true, err
	}
	if _, err := conn.ExecContext(ctx, "SET SESSION lock_wait_timeout = "+seconds(ddlWait)); err != nil {
		return true, err
	}
	have := map[string][]partition{}
	for _, t := range tables {
		if have[t.table], err = partitions(ctx, conn, t.table); err != nil {
			return true, err
		}
		if err := s.makeDays(ctx, conn, t.table, have[t.table], now.Unix()); err != nil {
			return true, err
		}
	}
	return true, s.dropAll(ctx, conn, have, now)
}

// dropAll drops the days that are too old, after their hours are summed up.
func (s *Store) dropAll(ctx context.Context, conn *sql.Conn, have map[string][]partition, now time.Time) error {
	before, err := s.sumBefore(ctx, conn, now)
	if err != nil {
		return err
	}
	dropped := 0
	for _, t := range tables {
		n, err := dropDays(ctx, conn, t.table, have[t.table], before)
		if err != nil {
			return err
		}
		dropped += n
	}
	if dropped > 0 {
		s.log.InfoContext(ctx, "old events dropped", "before", fromSec(before).Format(time.DateOnly), "partitions", dropped)
	}
	return nil
}

// sameClock returns an error if the server's clock is far from now.
func sameClock(ctx context.Context, conn *sql.Conn, now time.Time) error {
	var server int64
	if err := conn.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP()").Scan(&server); err != nil {
		return err
	}
	if apart := now.Sub(time.Unix(server, 0)); apart.Abs() > clockSlack {
		return fmt.Errorf("this machine's clock and the database's are %s apart: no day is made or dropped", apart.Round(time.Second))
	}
	return nil
}

// release gives conn back as it was.
func (s *Store) release(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialLimit)
	defer cancel()
	_, err := conn.ExecContext(ctx, "SET SESSION lock_wait_timeout = "+seconds(tableLimit))
	if err := errors.Join(err, conn.Close()); err != nil {
		s.log.DebugContext(ctx, "connection for days is given back", "err", err)
	}
}
