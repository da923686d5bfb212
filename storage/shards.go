package storage

import (
	"context"
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

// ShareShards notes that the bot process called me is there, and returns how many are that were
// seen within life, whole seconds, and by how many shards all of them go: by at least
// the most that any of them asked for, or if exact by want.
func (s *Store) ShareShards(ctx context.Context, me int64, want int, exact bool, life time.Duration) (shards, bots int, err error) {
	if me <= 0 || want <= 0 {
		return 0, 0, fmt.Errorf("share shards: %w: process %d wants %d", ErrData, me, want)
	}
	update := map[bool][2]string{true: {"excluded.shards", "VALUES(shards)"},
		false: {"MAX(shards, excluded.shards)", "GREATEST(shards, VALUES(shards))"}}[exact]
	conflict := " ON CONFLICT (id) DO UPDATE SET shards = " + update[0]
	if s.d.mysql {
		conflict = " ON DUPLICATE KEY UPDATE shards = " + update[1]
	}
	err = s.write(ctx, func(t *tx) error {
		now := s.d.now()
		for _, step := range []struct {
			text string
			args []any
		}{
			{"INSERT INTO bot_processes (id, seen_at) VALUES (?, " + now + ")" + s.d.upsert("id", "seen_at"), []any{me}},
			{"DELETE FROM bot_processes WHERE seen_at < " + now + " - ?", []any{int64(life / time.Second)}},
			{"INSERT INTO bot_shards (id, shards) VALUES (1, ?)" + conflict, []any{want}},
		} {
			if _, err := t.exec(ctx, step.text, step.args...); err != nil {
				return err
			}
		}
		n, err := t.count(ctx, "SELECT COUNT(*) FROM bot_processes")
		if err != nil {
			return err
		}
		m, err := t.count(ctx, "SELECT shards FROM bot_shards WHERE id = 1")
		shards, bots = int(m), int(n)
		return err
	})
	return shards, bots, wrap("share shards", err)
}

// LeaveShards forgets a bot process that ends.
func (s *Store) LeaveShards(ctx context.Context, me int64) error {
	return wrap("leave shards", s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM bot_processes WHERE id = ?", me)
		return err
	}))
}
