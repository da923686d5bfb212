package storage

import (
	"context"
	"time"
)

// How long what was told is kept: for "why was I not told?", and messages for as
// long as they may change.
const (
	alertsKept = 7 * 24 * time.Hour
	postsKept  = 2 * 24 * time.Hour
	tidyStep   = 1000 // rows of one transaction
)

// TidyAlerts deletes alerts and messages that are too old to matter, a bounded
// number at a time, until ctx ends or there are no more.
func (s *Store) TidyAlerts(ctx context.Context, now time.Time) error {
	for _, table := range []struct {
		name, keys, old string
		before          time.Time
	}{
		{"alerts", "k", "state IN (0, 1, 2, 3) AND created_ns < ?", now.Add(-alertsKept)},
		{"alert_posts", "k", "opened_ns < ?", now.Add(-postsKept)},
		{"alert_departures", "character_id", "due_ns < ?", now.Add(-postsKept)},
	} {
		for deleted := int64(tidyStep); deleted == tidyStep; {
			err := s.write(ctx, func(t *tx) (err error) {
				deleted, err = t.deleteSome(ctx, table.name, table.keys, table.old, nano(table.before))
				return err
			})
			if err != nil {
				return wrap("tidy "+table.name, err)
			}
		}
	}
	return nil
}

// deleteSome deletes up to tidyStep rows: MySQL takes a LIMIT there, SQLite does not.
func (t *tx) deleteSome(ctx context.Context, table, keys, where string, args ...any) (int64, error) {
	if t.s.d.mysql {
		return t.exec(ctx, "DELETE FROM "+table+" WHERE "+where+" LIMIT 1000", args...)
	}
	return t.exec(ctx, "DELETE FROM "+table+" WHERE "+keys+" IN (SELECT "+keys+" FROM "+table+" WHERE "+where+" LIMIT 1000)", args...)
}
