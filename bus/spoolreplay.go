package bus

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
)

// replayEvery is how often a spool looks for letters that another process has
// replayed in its file.
const replayEvery = time.Second

// watchReplays takes what others have replayed, at once and until the spool is
// closed.
func (s *Spool) watchReplays() {
	tick := time.NewTicker(replayEvery)
	defer tick.Stop()
	for {
		var waiting bool
		err := s.db.QueryRowContext(s.ctx, `SELECT EXISTS (SELECT 1 FROM bus_replay)`).Scan(&waiting)
		if err == nil && waiting {
			err = s.takeReplayed()
		}
		if err != nil && s.ctx.Err() == nil {
			s.log.Debug("replayed messages cannot be taken", "err", err)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// takeReplayed has the writer move replayed letters into their queues.
func (s *Spool) takeReplayed() error {
	op := &spoolOp{replays: true, done: make(chan error, 1)}
	s.ops <- op
	return <-op.done
}

// adopt moves all that was replayed, some in each transaction.
func (s *Spool) adopt() error {
	for {
		n, err := s.adoptSome()
		if err != nil || n == 0 {
			return err
		}
		s.log.Info("dead letters were replayed", "messages", n)
	}
}

func (s *Spool) adoptSome() (n int, err error) {
	ctx := context.Background() // the caller waits for the outcome
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("spool: %w", err)
	}
	defer tx.Rollback() // does nothing after the commit
	op := &spoolOp{}
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if op.messages, err = cutReplayed(ctx, tx, name); err != nil {
			return 0, fmt.Errorf("spool: %w", err)
		}
		if len(op.messages) > 0 {
			op.queues, op.bytes = []*queue{s.queues[name]}, sizeAll(op.messages)
			break // the next queue's turn comes with the next transaction
		}
	}
	if len(op.messages) == 0 {
		return 0, nil
	}
	if err := s.reserve(op.count(), op.total()); err != nil {
		return 0, err
	}
	fresh := collect([]*spoolOp{op})
	if err = s.perform(ctx, tx, fresh, nil); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		s.release(op.count(), op.total())
		return 0, fmt.Errorf("spool: %w", err)
	}
	s.hand(fresh)
	return op.count(), nil
}

// cutReplayed takes the oldest replayed messages of a queue out of their table.
func cutReplayed(ctx context.Context, tx *sql.Tx, queue string) ([]Message, error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT id, name, key, body FROM bus_replay WHERE queue = ? ORDER BY id LIMIT ?`, queue, MaxBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // only reads; Err below says what matters
	var all []Message
	var last int64
	for bytes := 0; bytes < commitBytes && rows.Next(); {
		var m Message
		if err := rows.Scan(&last, &m.ID, &m.Key, &m.Body); err != nil {
			return nil, err
		}
		all = append(all, m)
		bytes += size(m)
	}
	if err := rows.Err(); err != nil || len(all) == 0 {
		return nil, err
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM bus_replay WHERE queue = ? AND id <= ?`, queue, last)
	return all, err
}
