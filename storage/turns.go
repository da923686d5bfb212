package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"muster/alert"
)

// claimMost bounds one claim; every user in it costs some statements.
const claimMost = 100

var turnShape = newShape("alert_turns", "user_id due_ns edit_ns held_ns next_ns claim edited_ns", "user_id",
	"due_ns", "edit_ns", "held_ns", "next_ns", "claim", "edited_ns")

// ClaimUsers takes up to limit people who are due, holds them for the caller until
// now+hold, and returns those for whom there is something to do, with what: no
// other bot gets them before. People with news come first, those who have waited
// longest foremost, then those whose messages are to change.
//
// What is planned is stored in the same transaction, so that a bot that dies leaves
// its turn to another, which does the same under the same nonce. What is dropped or
// put off is settled here already. The caller ends each turn with SettleTurn.
//
// It also takes the next step of logins that very many watch, and of logouts that
// have become certain.
func (s *Store) ClaimUsers(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.Turn, error) {
	if err := s.stepDepartures(ctx, now); err != nil {
		return nil, err
	}
	if err := s.stepFanout(ctx, now); err != nil {
		return nil, err
	}
	due, err := s.anyDue(ctx, now)
	if err != nil || !due || limit <= 0 {
		return nil, wrap("claim users", err)
	}
	var out []alert.Turn
	claim := rand.Int64()
	err = s.write(ctx, func(t *tx) (err error) {
		out, err = t.claimUsers(ctx, now, min(limit, claimMost), hold, claim)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim users: %w", err)
	}
	return out, nil
}

// anyDue looks before anything is locked: an idle bot must not take SQLite's write
// lock each second.
func (s *Store) anyDue(ctx context.Context, now time.Time) (bool, error) {
	for _, col := range []string{"due_ns", "edit_ns"} {
		some, err := readIDs[int64](ctx, s, "SELECT user_id FROM alert_turns WHERE "+col+" <= ? AND held_ns <= ? LIMIT 1", nano(now), nano(now))
		if err != nil || len(some) > 0 {
			return len(some) > 0, err
		}
	}
	return false, nil
}

// claimUsers claims, plans, and stores the plan. claim names the call.
func (t *tx) claimUsers(ctx context.Context, now time.Time, limit int, hold time.Duration, claim int64) ([]alert.Turn, error) {
	if t.doubt > 0 { // what may have been claimed without our knowing is claimed anew
		if _, err := t.exec(ctx, "UPDATE alert_turns SET held_ns = 0, due_ns = ? WHERE claim = ? AND held_ns > 0", nano(now), claim); err != nil {
			return nil, err
		}
	}
	turns, err := t.dueUsers(ctx, "due_ns", now, limit, nil)
	if err != nil {
		return nil, err
	}
	if turns, err = t.dueUsers(ctx, "edit_ns", now, limit, turns); err != nil || len(turns) == 0 {
		return nil, err
	}
	l := newTurnLoader(t, now, turns)
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	w := turnWriter{t: t, now: now, until: now.Add(hold)}
	var out []alert.Turn
	for i := range turns {
		turn := &turns[i]
		if l.unknown(turn.User) {
			if err := t.forgetTurn(ctx, turn.User); err != nil {
				return nil, err
			}
			continue
		}
		turn.Steps = alert.Plan(*turn, now)
		turn.Claim = claim
		if err := w.write(ctx, turn); err != nil {
			return nil, err
		}
		if !turn.Steps.Idle() {
			out = append(out, *turn)
		}
	}
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	return out, l.nameOn(ctx, out)
}

// dueUsers adds to turns those that are due by col and that nobody holds, up to
// limit in all.
func (t *tx) dueUsers(ctx context.Context, col string, now time.Time, limit int, turns []alert.Turn) ([]alert.Turn, error) {
	have := map[alert.UserID]bool{}
	for _, turn := range turns {
		have[turn.User] = true
	}
	room := limit - len(turns)
	if room == 0 {
		return turns, nil
	}
	rows, err := t.query(ctx, "SELECT user_id, edited_ns FROM alert_turns WHERE "+col+" <= ? AND held_ns <= ? ORDER BY "+col+", user_id LIMIT ?"+t.s.d.skipLocked(),
		nano(now), nano(now), limit)
	err = collect(rows, err, func(rows *sql.Rows) error {
		var turn alert.Turn
		var edited int64
		err := rows.Scan((*int64)(&turn.User), &edited)
		turn.EditedAt = fromNano(edited)
		if !have[turn.User] && room > 0 {
			turns, room = append(turns, turn), room-1
		}
		return err
	})
	return turns, err
}

// forgetTurn deletes what was written for a user while their data was deleted.
func (t *tx) forgetTurn(ctx context.Context, u alert.UserID) error {
	for _, table := range []string{"alerts", "alert_posts", "alert_turns"} {
		if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE user_id = ?", int64(u)); err != nil {
			return err
		}
	}
	return nil
}
