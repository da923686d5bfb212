package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"muster/alert"
)

// States of a row of alert_posts.
const (
	postUnsent = iota
	postChanged
	postCalm
	postGone
	postNeverSent
)

var postShape = newShape("alert_posts", "k user_id kind silent state channel message opened_ns news_ns retry_ns attempts changed", "k")

// A turnWriter stores what was planned.
type turnWriter struct {
	t     *tx
	now   time.Time
	until time.Time // how long those with something to do are held
	turns []any
}

// write stores one turn's plan, but for its row of alert_turns.
func (w *turnWriter) write(ctx context.Context, turn *alert.Turn) error {
	s := turn.Steps
	if err := w.drop(ctx, s.Drop); err != nil {
		return fmt.Errorf("drop alerts: %w", err)
	}
	if err := w.abandon(ctx, turn); err != nil {
		return fmt.Errorf("abandon messages: %w", err)
	}
	for _, p := range slices.Concat(s.Send, s.Edit) {
		if err := w.post(ctx, turn.User, p); err != nil {
			return fmt.Errorf("message: %w", err)
		}
	}
	edited := turn.EditedAt
	if len(s.Edit) > 0 {
		edited = w.now
	}
	due, held := maybe(s.LookAt), int64(0)
	if !s.Idle() {
		held = nano(w.until)
		due = held // for whoever takes over if the holder dies
	}
	w.turns = append(w.turns, int64(turn.User), due, maybe(s.EditAt), held, maybe(s.LookAt), turn.Claim, nano(edited))
	return nil
}

func (w *turnWriter) flush(ctx context.Context) error {
	_, err := w.t.insert(ctx, turnShape, w.turns)
	return err
}

// maybe is a wall clock as it is stored where none is NULL.
func maybe(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return nano(t)
}

// drop settles alerts that will not be told, those of one reason together.
func (w *turnWriter) drop(ctx context.Context, all []alert.Dropping) error {
	type why struct {
		reason alert.Reason
		detail string
	}
	byReason := map[why][]any{}
	for _, d := range all {
		r := why{d.Reason, d.Detail}
		byReason[r] = append(byReason[r], slices.Clone(d.Key[:]))
	}
	for r, keys := range byReason {
		for part := range slices.Chunk(keys, inList) {
			n, err := w.t.exec(ctx, "UPDATE alerts SET state = 2, reason = ?, settled_ns = ? WHERE k IN ("+marks(len(part))+")",
				append([]any{reasonText(r.reason, r.detail), nano(w.now)}, part...)...)
			if err != nil {
				return err
			}
			w.t.drops(r.reason, n)
		}
	}
	return nil
}

func reasonText(r alert.Reason, detail string) string {
	if detail == "" {
		return string(r)
	}
	return clip(string(r)+": "+detail, 255)
}

// abandon ends the messages that were never sent and whose alerts were all dropped.
func (w *turnWriter) abandon(ctx context.Context, turn *alert.Turn) error {
	for _, p := range turn.Posts {
		sent := slices.ContainsFunc(turn.Steps.Send, func(s alert.Post) bool { return s.Key == p.Key })
		if p.Message != "" || sent || w.now.Before(p.RetryAt) && !w.now.After(p.ExpiresAt()) && turn.Recipient.Closed == "" {
			continue
		}
		if _, err := w.t.exec(ctx, "UPDATE alert_posts SET state = ? WHERE k = ? AND state = 0", postNeverSent, p.Key[:]); err != nil {
			return err
		}
	}
	return nil
}

// post stores a message that is to be sent or edited, and which alerts it tells.
func (w *turnWriter) post(ctx context.Context, u alert.UserID, p alert.Post) error {
	if p.Message == "" {
		_, err := w.t.insert(ctx, postShape, []any{p.Key[:], int64(u), string(p.Kind), bit(p.Silent), postUnsent, "", "",
			nano(p.OpenedAt), nano(p.NewsAt), 0, 0, 0})
		if err != nil {
			return err
		}
	}
	var fresh, again []any
	for _, a := range p.Alerts {
		switch {
		case a.Telling:
			fresh = append(fresh, slices.Clone(a.Key[:]))
		case p.Message == "":
			again = append(again, slices.Clone(a.Key[:]))
		}
	}
	// The plus keeps SQLite from going through all that wait by the index of states.
	for part := range slices.Chunk(fresh, inList) {
		_, err := w.t.exec(ctx, "UPDATE alerts SET state = 3, post_k = ?, told_ns = ? WHERE k IN ("+marks(len(part))+") AND +state = 0",
			append([]any{p.Key[:], nano(w.now)}, part...)...)
		if err != nil {
			return err
		}
	}
	for part := range slices.Chunk(again, inList) {
		_, err := w.t.exec(ctx, "UPDATE alerts SET also_k = ? WHERE k IN ("+marks(len(part))+")", append([]any{p.Key[:]}, part...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// SettleTurn ends a turn of ClaimUsers with what came of each of its steps. What
// is certain is recorded even if another bot has taken the turn over meanwhile;
// when it comes next is not ours to say then. Settling twice changes nothing.
func (s *Store) SettleTurn(ctx context.Context, st alert.Settlement, now time.Time) error {
	return wrap("settle turn", s.write(ctx, func(t *tx) error { return t.settle(ctx, st, now) }))
}

// A turnRow is a row of alert_turns as far as it is settled.
type turnRow struct {
	due, edit, next sql.NullInt64
	held, claim     int64
}

func (t *tx) settle(ctx context.Context, st alert.Settlement, now time.Time) error {
	var row turnRow
	rows, err := t.query(ctx, "SELECT due_ns, edit_ns, next_ns, held_ns, claim FROM alert_turns WHERE user_id = ?"+t.s.d.forUpdate(), int64(st.User))
	err = collect(rows, err, func(rows *sql.Rows) error {
		return rows.Scan(&row.due, &row.edit, &row.next, &row.held, &row.claim)
	})
	if err != nil {
		return err
	}
	ours := row.claim == st.Claim && row.held != 0
	due := row.next // what was planned to follow
	if row.due.Valid && row.due.Int64 < row.held {
		due = sooner(due, time.Unix(0, row.due.Int64)) // somebody came on meanwhile
	}
	renewed := false
	for _, r := range st.Results {
		again, err := t.settleResult(ctx, st.User, r, now, ours)
		if err != nil {
			return err
		}
		due, renewed = sooner(due, again), renewed || !again.IsZero()
	}
	if !ours { // its holder says what follows, but for what this has made news again
		_, err = t.exec(ctx, "UPDATE alert_turns SET due_ns = ? WHERE user_id = ? AND ? = 1 AND (due_ns IS NULL OR due_ns > ?)",
			nano(now), int64(st.User), bit(renewed), nano(now))
		return err
	}
	if st.Recipient != nil {
		if err := t.saveRecipient(ctx, *st.Recipient); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, "UPDATE alert_turns SET due_ns = ?, held_ns = 0 WHERE user_id = ?", due, int64(st.User))
	return err
}

// sooner returns the earlier of a, if there is one, and b, if it is not zero.
func sooner(a sql.NullInt64, b time.Time) sql.NullInt64 {
	if b.IsZero() || a.Valid && a.Int64 <= b.UnixNano() {
		return a
	}
	return sql.NullInt64{Int64: b.UnixNano(), Valid: true}
}

// settleResult records what became of one message, and returns when its person is
// to be looked at again; zero: not because of this.
func (t *tx) settleResult(ctx context.Context, u alert.UserID, r alert.Result, now time.Time, ours bool) (time.Time, error) {
	k := r.Post[:]
	lines := func(set string, args ...any) (int64, error) {
		return t.exec(ctx, "UPDATE alerts SET "+set+" WHERE user_id = ? AND state = 3 AND post_k = ?", append(args, int64(u), k)...)
	}
	post := func(set string, args ...any) error {
		_, err := t.exec(ctx, "UPDATE alert_posts SET "+set+" WHERE k = ?", append(args, k)...)
		return err
	}
	switch {
	case r.Message != "":
		if _, err := lines("state = 1, message = ?, told_ns = ?, settled_ns = ?", clip(r.Message, 32), nano(now), nano(now)); err != nil {
			return time.Time{}, err
		}
		// MySQL's SET sees what those before it have set, so state and changed come after whoever reads them.
		return time.Time{}, post("opened_ns = CASE WHEN state = 0 THEN ? ELSE opened_ns END, news_ns = CASE WHEN ? = 1 THEN ? ELSE news_ns END, "+
			"state = CASE WHEN changed = ? THEN 2 ELSE 1 END, changed = CASE WHEN changed = ? THEN 0 ELSE changed END, "+
			"channel = ?, message = ?, retry_ns = 0, attempts = 0", nano(now), bit(r.News), nano(now), r.Changed, r.Changed, clip(r.Channel, 32), clip(r.Message, 32))
	case r.Gone:
		n, err := lines("state = 0, post_k = ?, told_ns = 0", []byte{})
		if err != nil {
			return time.Time{}, err
		}
		if err := post("state = 3, changed = 0"); err != nil || n == 0 {
			return time.Time{}, err
		}
		return now, nil
	case r.GaveUp != "":
		n, err := lines("state = 2, reason = ?, settled_ns = ?", reasonText(r.GaveUp, r.Detail), nano(now))
		if err != nil {
			return time.Time{}, err
		}
		t.drops(r.GaveUp, n)
		return time.Time{}, post("state = CASE WHEN state = 0 THEN 4 ELSE 2 END, changed = 0")
	case !r.RetryAt.IsZero():
		if !ours {
			return time.Time{}, nil
		}
		return r.RetryAt, post("retry_ns = ?, attempts = attempts + 1", nano(r.RetryAt))
	}
	return time.Time{}, fmt.Errorf("%w: a result that says nothing", ErrData)
}
