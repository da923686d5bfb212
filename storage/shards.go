package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// now is the database's clock in Unix seconds, by which processes with clocks of their
// own can be compared.
func (d dialect) now() string {
	if d.mysql {
		return "UNIX_TIMESTAMP()"
	}
	return "CAST(strftime('%s', 'now') AS INTEGER)"
}

// SetShards makes n the number of shards that all bot processes go by; unless exact, only
// if it is larger than the one before. n below 1 is ErrData.
func (s *Store) SetShards(ctx context.Context, n int, exact bool) error {
	if n < 1 {
		return fmt.Errorf("set shards: %w: %d", ErrData, n)
	}
	update := map[bool][2]string{true: {"excluded.shards", "VALUES(shards)"},
		false: {"MAX(shards, excluded.shards)", "GREATEST(shards, VALUES(shards))"}}[exact]
	conflict := " ON CONFLICT (id) DO UPDATE SET shards = " + update[0]
	if s.d.mysql {
		conflict = " ON DUPLICATE KEY UPDATE shards = " + update[1]
	}
	return wrap("set shards", s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO bot_shards (id, shards) VALUES (1, ?)"+conflict, n)
		return err
	}))
}

// ShareShards notes that the bot process called me, a number above 0, is there. It returns
// how many are that were seen within life, whole seconds, how many of them have a smaller
// number, and what SetShards has set, 0 before.
func (s *Store) ShareShards(ctx context.Context, me int64, life time.Duration) (shards, bots, before int, err error) {
	if me <= 0 {
		return 0, 0, 0, fmt.Errorf("share shards: %w: process %d", ErrData, me)
	}
	err = s.write(ctx, func(t *tx) error {
		now := s.d.now()
		if _, err := t.exec(ctx, "INSERT INTO bot_processes (id, seen_at) VALUES (?, "+now+")"+s.d.upsert("id", "seen_at"), me); err != nil {
			return err
		}
		rows, err := t.query(ctx, "SELECT COALESCE((SELECT shards FROM bot_shards WHERE id = 1), 0), COUNT(*), COALESCE(SUM(CASE WHEN id < ? THEN 1 ELSE 0 END), 0) "+
			"FROM bot_processes WHERE seen_at >= "+now+" - ?", me, int64(life/time.Second))
		return collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&shards, &bots, &before) })
	})
	return shards, bots, before, wrap("share shards", err)
}

// forgotten is after how many seconds the row of a process that was killed is removed.
const forgotten = 3600

// LeaveShards forgets a bot process that ends, and those that were killed long ago.
func (s *Store) LeaveShards(ctx context.Context, me int64) error {
	return wrap("leave shards", s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM bot_processes WHERE id = ? OR seen_at < "+s.d.now()+" - ?", me, int64(forgotten))
		return err
	}))
}
