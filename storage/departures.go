package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

const (
	// departuresMost is how many logouts are looked at in one go, departureStep how
	// many alerts one transaction marks.
	departuresMost = 100
	departureStep  = 500
)

var (
	departureShape = newShape("alert_departures", "character_id left_at due_ns", "character_id, left_at")
	// editShape makes it due to change a person's messages, no later than it is.
	editShape = newShape("alert_turns", "user_id edit_ns held_ns claim edited_ns", "user_id").onConflict(
		" ON CONFLICT (user_id) DO UPDATE SET edit_ns = MIN(COALESCE(edit_ns, excluded.edit_ns), excluded.edit_ns)",
		" ON DUPLICATE KEY UPDATE edit_ns = LEAST(COALESCE(edit_ns, VALUES(edit_ns)), VALUES(edit_ns))")
)

// departures notes the logouts of characters whom somebody may watch: when they
// are certain, the messages that told of them change.
func (r *recording) departures(ctx context.Context) error {
	var args []any
	for _, c := range r.out.Changes {
		if !c.After.Online && r.t.s.watched.has(c.After.Character) {
			left := c.After.LoggedOut
			args = append(args, int64(c.After.Character), sec(left), nano(left.Add(event.Relog)))
		}
	}
	_, err := r.t.insert(ctx, departureShape, args)
	return err
}

// A departure is a row of alert_departures.
type departure struct {
	id   event.CharacterID
	left int64 // game second
}

// stepDepartures takes up the logouts that are certain by now, and marks the
// alerts and messages that tell of them.
func (s *Store) stepDepartures(ctx context.Context, now time.Time) error {
	some, err := readIDs[int64](ctx, s, "SELECT character_id FROM alert_departures WHERE due_ns <= ? LIMIT 1", nano(now))
	if err != nil || len(some) == 0 {
		return wrap("departures", err)
	}
	return wrap("departures", s.write(ctx, func(t *tx) error {
		var due []departure
		rows, err := t.query(ctx, "SELECT character_id, left_at FROM alert_departures WHERE due_ns <= ? ORDER BY due_ns, character_id LIMIT ?"+t.s.d.skipLocked(),
			nano(now), departuresMost)
		err = collect(rows, err, func(rows *sql.Rows) error {
			var d departure
			err := rows.Scan((*int64)(&d.id), &d.left)
			due = append(due, d)
			return err
		})
		if err != nil {
			return err
		}
		m := leaving{t: t, now: now, users: map[alert.UserID]bool{}}
		for _, d := range due {
			if err := m.depart(ctx, d); err != nil {
				return err
			}
		}
		return m.flush(ctx)
	}))
}

// leaving is one transaction that marks alerts and messages.
type leaving struct {
	t      *tx
	now    time.Time
	marked int
	posts  []any
	users  map[alert.UserID]bool
}

// depart marks what told of one character, up to departureStep in the transaction;
// where that does not suffice, the row stays for the next.
func (m *leaving) depart(ctx context.Context, d departure) error {
	if m.marked >= departureStep {
		return nil
	}
	back, err := m.returned(ctx, d)
	if err != nil {
		return err
	}
	if !back {
		var keys []any
		rows, err := m.t.query(ctx, "SELECT k, user_id, post_k, also_k FROM alerts WHERE character_id = ? AND login_at <= ? AND left_at = 0 AND +state IN (1, 3) AND cause <> 'own' LIMIT ?",
			int64(d.id), d.left, departureStep)
		err = collect(rows, err, func(rows *sql.Rows) error {
			var k, post, also []byte
			var u alert.UserID
			err := rows.Scan(&k, (*int64)(&u), &post, &also)
			keys = append(keys, k)
			for _, p := range [][]byte{post, also} {
				if len(p) > 0 {
					m.posts, m.users[u] = append(m.posts, p), true
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			m.marked += len(keys)
			if _, err := m.t.exec(ctx, "UPDATE alerts SET left_at = ? WHERE k IN ("+marks(len(keys))+")", append([]any{d.left}, keys...)...); err != nil {
				return err
			}
		}
		if len(keys) == departureStep {
			return nil
		}
	}
	_, err = m.t.exec(ctx, "DELETE FROM alert_departures WHERE character_id = ? AND left_at = ?", int64(d.id), d.left)
	return err
}

// returned reports whether the character came back soon enough for the sitting to
// go on.
func (m *leaving) returned(ctx context.Context, d departure) (bool, error) {
	n, err := m.t.count(ctx, "SELECT COUNT(*) FROM sessions WHERE character_id = ? AND started_at >= ? AND started_at < ?",
		int64(d.id), d.left, d.left+int64(event.Relog/time.Second))
	return n > 0, err
}

// flush makes the messages count as changed and their people's turns due.
func (m *leaving) flush(ctx context.Context) error {
	for part := range slices.Chunk(m.posts, departureStep) {
		_, err := m.t.exec(ctx, "UPDATE alert_posts SET changed = changed + 1, state = CASE WHEN state = 2 THEN 1 ELSE state END WHERE k IN ("+
			marks(len(part))+") AND state IN (0, 1, 2)", part...)
		if err != nil {
			return fmt.Errorf("mark messages: %w", err)
		}
	}
	var turns []any
	for _, u := range sortedUsers(m.users) {
		turns = append(turns, int64(u), nano(m.now), 0, 0, 0)
	}
	_, err := m.t.insert(ctx, editShape, turns)
	return err
}

func sortedUsers(set map[alert.UserID]bool) []alert.UserID {
	list := make([]alert.UserID, 0, len(set))
	for u := range set {
		list = append(list, u)
	}
	slices.Sort(list)
	return list
}
