package storage

import (
	"context"
	"time"

	"muster/alert"
)

// How long what was told is kept: for "why was I not told?", and messages for as
// long as they may change.
const (
	alertsKept = 7 * 24 * time.Hour
	postsKept  = 2 * 24 * time.Hour
	tidyStep   = 1000 // rows of one transaction
	// goneKept is how long the data of an account is kept that Discord does not know
	// any more (code 10013), should that be a fault of Discord's.
	goneKept = 7 * 24 * time.Hour
)

// accountGone is the code in recipients of an account that is not there.
const accountGone = "10013"

// TidyAlerts deletes alerts and messages that are too old to matter, a bounded
// number at a time, until ctx ends or there are no more, and everything about
// people whose account Discord has not known for a week.
func (s *Store) TidyAlerts(ctx context.Context, now time.Time) error {
	for _, table := range []struct {
		name, keys, old string
		before          time.Time
	}{
		{"alerts", "k", "state IN (0, 1, 2, 3) AND created_ns < ?", now.Add(-alertsKept)},
		{"alert_posts", "k", "opened_ns < ?", now.Add(-postsKept)},
		{"alert_departures", "character_id", "due_ns < ?", now.Add(-postsKept)},
		{"channel_posts", "k", "due_ns IS NULL AND opened_ns < ?", now.Add(-channelPostsKept)},
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
	return s.forgetGone(ctx, now)
}

func (s *Store) forgetGone(ctx context.Context, now time.Time) error {
	const gone = "closed = '" + accountGone + "' AND closed_ns < ?"
	before := nano(now.Add(-goneKept))
	users, err := readIDs[int64](ctx, s, "SELECT user_id FROM recipients WHERE "+gone+" LIMIT ?", before, tidyStep)
	if err != nil {
		return wrap("forget accounts that are gone", err)
	}
	for _, u := range users {
		err := s.write(ctx, func(t *tx) error {
			n, err := t.count(ctx, "SELECT COUNT(*) FROM recipients WHERE user_id = ? AND "+gone, u, before)
			if err != nil || n == 0 {
				return err
			}
			return t.forget(ctx, u, &alert.Forgotten{})
		})
		if err != nil {
			return wrap("forget accounts that are gone", err)
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
