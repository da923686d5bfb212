package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"muster/alert"
	"muster/event"
)

const (
	// fanoutFrom is how many people are told of one login in the transaction that
	// stores it. More are written down as one row and told in steps.
	fanoutFrom = 1000
	// fanoutStep is how many people a step tells, and how many turns may be due
	// when one is made: so that whoever hears of somebody else waits behind few of
	// them.
	fanoutStep = 250
)

var fanoutShape = newShape("alert_fanouts", "character_id after_at session_at world created_ns cursor_id", "character_id, after_at")

// fanOut notes a login that very many watch. One sitting is noted once, however
// often its start moves.
func (t *tx) fanOut(ctx context.Context, n news, now time.Time) error {
	o := n.change.After
	_, err := t.insert(ctx, fanoutShape, []any{int64(o.Character), sec(o.LoggedOut), sec(o.Session), int64(o.World), nano(now), 0})
	return err
}

// A fanout is a row of alert_fanouts.
type fanout struct {
	event.Online
	created time.Time
	cursor  alert.UserID
}

// stepFanout tells the next people of the oldest fan-out that no other process is
// at, if few turns are due. A step is one transaction, so one that is broken off
// leaves nothing undone.
func (s *Store) stepFanout(ctx context.Context, now time.Time) error {
	waiting, err := readIDs[int64](ctx, s, "SELECT COUNT(*) FROM alert_fanouts")
	if err != nil || waiting[0] == 0 {
		return wrap("fan out", err)
	}
	due, err := readIDs[int64](ctx, s, "SELECT COUNT(*) FROM (SELECT user_id FROM alert_turns WHERE due_ns <= ? LIMIT ?) x", nano(now), fanoutStep)
	if err != nil || due[0] >= fanoutStep {
		return wrap("fan out", err)
	}
	return wrap("fan out", s.write(ctx, func(t *tx) error {
		f, found, err := t.oldestFanout(ctx)
		if err != nil || !found {
			return err
		}
		return t.tellNext(ctx, f, now)
	}))
}

func (t *tx) oldestFanout(ctx context.Context) (f fanout, found bool, err error) {
	var after, session, created int64
	rows, err := t.query(ctx, "SELECT character_id, after_at, session_at, world, created_ns, cursor_id FROM alert_fanouts "+
		"ORDER BY created_ns, character_id LIMIT 1"+t.s.d.skipLocked())
	err = collect(rows, err, func(rows *sql.Rows) error {
		found = true
		return rows.Scan((*int64)(&f.Character), &after, &session, (*int32)(&f.World), &created, (*int64)(&f.cursor))
	})
	f.LoggedOut, f.Session, f.created = fromSec(after), fromSec(session), fromNano(created)
	return f, found, err
}

// tellNext writes the alerts of the next fanoutStep people of f, and moves its
// cursor behind them; at the end, or when it is old news, it goes.
func (t *tx) tellNext(ctx context.Context, f fanout, now time.Time) error {
	lifetime := t.s.opt.AlertLifetime
	if now.Sub(f.Session) > lifetime {
		missed, err := t.countFanout(ctx, f, now)
		if err != nil {
			return err
		}
		t.drops(alert.Expired, missed)
		t.s.log.WarnContext(ctx, "a login that very many watch has become old before all were told", "character", f.Character, "missed", missed)
		return t.endFanout(ctx, f)
	}
	found, next, full, err := t.fanoutPage(ctx, f, now)
	if err != nil {
		return err
	}
	told, err := t.told(ctx, f.Character, f.LoggedOut)
	if err != nil {
		return err
	}
	b := newOutbox(now, lifetime)
	for i, m := range found {
		if len(b.users) == fanoutStep {
			return t.moveFanout(ctx, f, found[i-1].user, b)
		}
		if !told[m.user] {
			b.add(m, f.Online)
		}
	}
	if full {
		return t.moveFanout(ctx, f, next, b)
	}
	if _, err := b.flush(ctx, t); err != nil {
		return err
	}
	return t.endFanout(ctx, f)
}

// fanoutPage returns the next people of f, and behind whom to go on if there are more.
func (t *tx) fanoutPage(ctx context.Context, f fanout, now time.Time) (found []match, next alert.UserID, full bool, err error) {
	list, full, err := t.watchers(ctx, []event.CharacterID{f.Character}, f.cursor, now)
	if err != nil {
		return nil, 0, false, err
	}
	if full { // the last one's watches may have been cut off
		last := list[len(list)-1].user
		for len(list) > 0 && list[len(list)-1].user == last {
			list = list[:len(list)-1]
		}
	}
	if len(list) > 0 {
		next = list[len(list)-1].user
	}
	return matched(list, func(event.CharacterID) event.World { return f.World }, now)[f.Character], next, full, nil
}

// countFanout counts the people whom f has not reached.
func (t *tx) countFanout(ctx context.Context, f fanout, now time.Time) (n int64, err error) {
	told, err := t.told(ctx, f.Character, f.LoggedOut)
	for full := true; full && err == nil; {
		var found []match
		found, f.cursor, full, err = t.fanoutPage(ctx, f, now)
		for _, m := range found {
			if !told[m.user] {
				n++
			}
		}
	}
	return n, err
}

func (t *tx) moveFanout(ctx context.Context, f fanout, cursor alert.UserID, b *outbox) error {
	if _, err := b.flush(ctx, t); err != nil {
		return err
	}
	n, err := t.exec(ctx, "UPDATE alert_fanouts SET cursor_id = ? WHERE character_id = ? AND after_at = ?", int64(cursor), int64(f.Character), sec(f.LoggedOut))
	if err == nil && n == 0 {
		err = fmt.Errorf("fan-out of %d has gone from under a lock", f.Character)
	}
	return err
}

func (t *tx) endFanout(ctx context.Context, f fanout) error {
	_, err := t.exec(ctx, "DELETE FROM alert_fanouts WHERE character_id = ? AND after_at = ?", int64(f.Character), sec(f.LoggedOut))
	return err
}
