package bus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A SpoolBox is the dead letters in a spool's file. It needs no Spool, and may
// work beside one of another process: what it replays lies in a table of its own
// until a Spool on the file takes it, which one that runs does within a second
// or two.
type SpoolBox struct {
	db       *sql.DB
	topology Topology
}

var _ DeadLetterBox = (*SpoolBox)(nil)

// OpenSpoolBox makes the tables if they are missing. db is a handle on the
// spool's file that may write, and stays the caller's to close.
func OpenSpoolBox(ctx context.Context, db *sql.DB, t Topology) (*SpoolBox, error) {
	b := &SpoolBox{db: db, topology: t}
	for _, stmt := range spoolTables {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return nil, fmt.Errorf("open dead letters: %w", err)
		}
	}
	return b, nil
}

func (b *SpoolBox) known(queue string) error {
	if slices.Contains(b.topology.Queues(), queue) {
		return nil
	}
	return fmt.Errorf("%w: queue %q", ErrTopic, queue)
}

// List implements DeadLetterBox.
func (b *SpoolBox) List(ctx context.Context, queue string, limit int) ([]Letter, error) {
	if err := b.known(queue); err != nil {
		return nil, err
	}
	return b.read(ctx, `SELECT id, queue, name, key, body, reason, at FROM bus_dead
		WHERE queue = ? ORDER BY id DESC LIMIT ?`, queue, max(0, limit))
}

// Show implements DeadLetterBox.
func (b *SpoolBox) Show(ctx context.Context, queue, ref string) (Letter, error) {
	if err := b.known(queue); err != nil {
		return Letter{}, err
	}
	if id, ok := refID(ref); ok {
		found, err := b.read(ctx, `SELECT id, queue, name, key, body, reason, at FROM bus_dead
			WHERE queue = ? AND id = ?`, queue, id)
		if err != nil {
			return Letter{}, err
		}
		if len(found) == 1 && found[0].Ref == ref {
			return found[0], nil
		}
	}
	return Letter{}, NewWanted([]string{ref}).Missing(queue)
}

func (b *SpoolBox) read(ctx context.Context, query string, args ...any) ([]Letter, error) {
	rows, err := b.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	defer rows.Close() // only reads; Err below says what matters
	var all []Letter
	for rows.Next() {
		var l Letter
		var id, at int64
		if err := rows.Scan(&id, &l.Queue, &l.ID, &l.Key, &l.Body, &l.Reason, &at); err != nil {
			return nil, fmt.Errorf("read dead letters: %w", err)
		}
		l.At = time.UnixMicro(at).UTC()
		l.Ref = makeRef(id, l.At)
		all = append(all, l)
	}
	return all, rows.Err()
}

// Replay implements DeadLetterBox. The letters move in one transaction.
func (b *SpoolBox) Replay(ctx context.Context, queue string, refs ...string) (int, error) {
	return b.remove(ctx, queue, refs, `INSERT INTO bus_replay (queue, name, key, body)
		SELECT queue, name, key, body FROM bus_dead WHERE queue = ?1 AND id BETWEEN ?2 AND ?3 ORDER BY id`)
}

// Drop implements DeadLetterBox.
func (b *SpoolBox) Drop(ctx context.Context, queue string, refs ...string) (int, error) {
	return b.remove(ctx, queue, refs, "")
}

// remove deletes letters in one transaction, after the statement "first", if
// there is one, has copied them. It has the queue and the least and the greatest
// id as parameters.
func (b *SpoolBox) remove(ctx context.Context, queue string, refs []string, first string) (n int, err error) {
	if err := b.known(queue); err != nil {
		return 0, err
	}
	w := NewWanted(refs)
	if w.Nothing() {
		return 0, nil
	}
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("remove dead letters: %w", err)
	}
	defer tx.Rollback() // does nothing after the commit
	ids, err := wantedIDs(ctx, tx, queue, w)
	if err != nil {
		return 0, err
	}
	for _, r := range stretches(ids) {
		for _, stmt := range []string{first, `DELETE FROM bus_dead WHERE queue = ?1 AND id BETWEEN ?2 AND ?3`} {
			if stmt == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, stmt, queue, r[0], r[1]); err != nil {
				return 0, fmt.Errorf("remove dead letters: %w", err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("remove dead letters: %w", err)
	}
	return len(ids), w.Missing(queue)
}

// wantedIDs returns the rows of the wanted letters, oldest first.
func wantedIDs(ctx context.Context, tx *sql.Tx, queue string, w *Wanted) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, at FROM bus_dead WHERE queue = ? ORDER BY id`, queue)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	defer rows.Close() // only reads; Err below says what matters
	var ids []int64
	for rows.Next() {
		var id, at int64
		if err := rows.Scan(&id, &at); err != nil {
			return nil, fmt.Errorf("read dead letters: %w", err)
		}
		if w.Takes(makeRef(id, time.UnixMicro(at))) {
			ids = append(ids, id)
		}
	}
	return ids, rows.Err()
}

// stretches joins ids, which are in order, into ranges of neighbours.
func stretches(ids []int64) [][2]int64 {
	var all [][2]int64
	for _, id := range ids {
		if n := len(all); n > 0 && all[n-1][1] == id-1 {
			all[n-1][1] = id
			continue
		}
		all = append(all, [2]int64{id, id})
	}
	return all
}

// insertDead adds letters and drops the oldest above the bound.
func (s *Spool) insertDead(ctx context.Context, tx *sql.Tx, dead []DeadLetter) error {
	for _, d := range dead {
		body := d.Body
		if body == nil {
			body = []byte{}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO bus_dead (queue, name, key, body, reason, at) VALUES (?, ?, ?, ?, ?, ?)`,
			d.Queue, d.ID, d.Key, body, d.Reason, d.At.UnixMicro())
		if err != nil {
			return fmt.Errorf("keep dead letter: %w", err)
		}
	}
	if len(dead) == 0 {
		return nil
	}
	r, err := tx.ExecContext(ctx, `DELETE FROM bus_dead WHERE queue = ?1 AND id <= (
		SELECT id FROM bus_dead WHERE queue = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, dead[0].Queue, MaxDeadLetters)
	if err != nil {
		return fmt.Errorf("drop old dead letters: %w", err)
	}
	if n, err := r.RowsAffected(); err == nil && n > 0 {
		s.dropped.Add(n)
		s.log.WarnContext(ctx, "oldest dead letters dropped", "queue", dead[0].Queue, "dropped", n)
	}
	return nil
}

// inBox runs f on the dead letters in the spool's own file.
func (s *Spool) inBox(f func(*SpoolBox) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.running.Done()
	return f(&SpoolBox{db: s.db, topology: s.topology})
}

// List implements DeadLetterBox. Like the rest of it, it waits for the handle.
func (s *Spool) List(ctx context.Context, queue string, limit int) (all []Letter, err error) {
	err = s.inBox(func(b *SpoolBox) error {
		all, err = b.List(ctx, queue, limit)
		return err
	})
	return all, err
}

// Show implements DeadLetterBox.
func (s *Spool) Show(ctx context.Context, queue, ref string) (l Letter, err error) {
	err = s.inBox(func(b *SpoolBox) error {
		l, err = b.Show(ctx, queue, ref)
		return err
	})
	return l, err
}

// Replay implements DeadLetterBox. While the spool is full the letters wait
// beside it, in the same file.
func (s *Spool) Replay(ctx context.Context, queue string, refs ...string) (n int, err error) {
	err = s.inBox(func(b *SpoolBox) error {
		if n, err = b.Replay(ctx, queue, refs...); n > 0 {
			if later := s.takeReplayed(); later != nil && !errors.Is(later, ErrFull) {
				s.log.WarnContext(ctx, "replayed messages wait", "queue", queue, "messages", n, "err", later)
			}
		}
		return err
	})
	return n, err
}

// Drop implements DeadLetterBox.
func (s *Spool) Drop(ctx context.Context, queue string, refs ...string) (n int, err error) {
	err = s.inBox(func(b *SpoolBox) error {
		n, err = b.Drop(ctx, queue, refs...)
		return err
	})
	return n, err
}

// State implements Transport. It waits for the handle.
func (s *Spool) State(ctx context.Context, name string) (state QueueState, err error) {
	q, err := s.queue(name)
	if err != nil {
		return state, err
	}
	err = s.inBox(func(b *SpoolBox) error {
		dead := 0
		if err := b.db.QueryRowContext(ctx, `SELECT count(*) FROM bus_dead WHERE queue = ?`, name).Scan(&dead); err != nil {
			return fmt.Errorf("count dead letters: %w", err)
		}
		state = q.state(dead)
		return nil
	})
	return state, err
}

// DeadLetters implements Bus. It waits for the handle.
func (s *Spool) DeadLetters(ctx context.Context, queue string, limit int) ([]DeadLetter, error) {
	letters, err := s.List(ctx, queue, limit)
	return plain(letters), err
}

// plain drops what only a DeadLetterBox tells.
func plain(letters []Letter) []DeadLetter {
	var all []DeadLetter
	for _, l := range letters {
		all = append(all, l.DeadLetter)
	}
	return all
}
