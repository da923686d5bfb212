package storage

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

// States of a row of alerts.
const (
	alertPending = iota
	alertSent
	alertGaveUp
	alertTelling
)

var (
	alertShape = newShape("alerts",
		"k user_id character_id world cause login_at created_ns expires_ns due_ns attempts state message reason settled_ns", "k")
	// dueShape makes a person's turn due, no later than it is already.
	dueShape = newShape("alert_turns", "user_id due_ns held_ns claim edited_ns", "user_id").onConflict(
		" ON CONFLICT (user_id) DO UPDATE SET due_ns = MIN(COALESCE(due_ns, excluded.due_ns), excluded.due_ns)",
		" ON DUPLICATE KEY UPDATE due_ns = LEAST(COALESCE(due_ns, VALUES(due_ns)), VALUES(due_ns))")
)

// alerts writes who must be told of the logins of this Record, in its
// transaction: a subscription made before it counts, one made after does not.
func (r *recording) alerts(ctx context.Context) error {
	due, err := r.due(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	worlds := make(map[event.CharacterID]event.World, len(due))
	for _, n := range due {
		worlds[n.change.After.Character] = n.change.After.World
	}
	ids := slices.Sorted(maps.Keys(worlds))
	found, stars, err := r.t.matches(ctx, ids, func(id event.CharacterID) event.World { return worlds[id] }, r.now)
	if err != nil {
		return err
	}
	b := newOutbox(r.now, r.lifetime())
	for _, n := range due {
		after := n.change.After
		if _, star := slices.BinarySearch(stars, after.Character); star {
			if err := r.t.fanOut(ctx, n, r.now); err != nil {
				return err
			}
			r.out.Alerts++
			continue
		}
		told := map[alert.UserID]bool{}
		if !n.replaced.IsZero() {
			if told, err = r.t.told(ctx, after.Character, after.LoggedOut); err != nil {
				return err
			}
		}
		for _, m := range found[after.Character] {
			if !told[m.user] && !b.telling[person{m.user, after.Character}].After(after.LoggedOut) {
				b.add(m, after)
			}
		}
	}
	written, err := b.flush(ctx, r.t)
	r.out.Alerts += int(written)
	return err
}

// An outbox collects alerts that are written together.
type outbox struct {
	now      time.Time
	lifetime time.Duration
	rows     []any
	telling  map[person]time.Time // of the session told
	users    map[alert.UserID]bool
}

func newOutbox(now time.Time, lifetime time.Duration) *outbox {
	return &outbox{now: now, lifetime: lifetime, telling: map[person]time.Time{}, users: map[alert.UserID]bool{}}
}

func (b *outbox) add(m match, o event.Online) {
	key := alert.NewKey(m.user, o.Character, o.Session)
	b.rows = append(b.rows, key[:], int64(m.user), int64(o.Character), int64(o.World), string(m.cause), sec(o.Session),
		nano(b.now), nano(o.Session.Add(b.lifetime)), nano(b.now), 0, alertPending, "", "", 0)
	b.telling[person{m.user, o.Character}] = o.Session
	b.users[m.user] = true
}

// flush writes the alerts and makes the turns of their users due, in one order for
// every transaction.
func (b *outbox) flush(ctx context.Context, t *tx) (int64, error) {
	written, err := t.insert(ctx, alertShape, b.rows)
	if err != nil || written == 0 {
		return 0, err
	}
	var turns []any
	for _, u := range slices.Sorted(maps.Keys(b.users)) {
		turns = append(turns, int64(u), nano(b.now), 0, 0, 0)
	}
	_, err = t.insert(ctx, dueShape, turns)
	return written, err
}

// told returns who has an alert of this sitting of a character, under whatever
// start: all that was written since its last logout is of this sitting, however
// often its start has moved.
func (t *tx) told(ctx context.Context, c event.CharacterID, loggedOut time.Time) (map[alert.UserID]bool, error) {
	out := map[alert.UserID]bool{}
	rows, err := t.query(ctx, "SELECT user_id FROM alerts WHERE character_id = ? AND login_at > ?", int64(c), sec(loggedOut))
	err = collect(rows, err, func(rows *sql.Rows) error {
		var u alert.UserID
		err := rows.Scan((*int64)(&u))
		out[u] = true
		return err
	})
	return out, err
}

// due returns the news that is worth an alert and that somebody may watch.
func (r *recording) due(ctx context.Context) ([]news, error) {
	return r.fresh(ctx, r.lifetime(), r.t.s.watched.has)
}

// fresh returns who of those whom anybody cares for came on, no longer than lifetime
// ago and for certain.
func (r *recording) fresh(ctx context.Context, lifetime time.Duration, cared func(event.CharacterID) bool) ([]news, error) {
	var due []news
	for _, n := range r.news {
		if !alert.Due(n.change, true, lifetime, r.now) || !cared(n.change.After.Character) {
			continue
		}
		if !n.change.ByLogin {
			if n.before != event.EndLogout && n.before != event.EndObserved {
				continue // it may have been there all the time
			}
			if r.whole == nil {
				var err error
				if r.whole, err = r.watchfulness(ctx); err != nil {
					return nil, err
				}
			}
			known := r.whole.unbroken(n.change.After.World, n.change.Before.LoggedOut, r.now)
			if !alert.Due(n.change, known, lifetime, r.now) {
				continue
			}
		}
		due = append(due, n)
	}
	return due, nil
}

// watchfulness is what is known of the completeness of the record.
type watchfulness struct {
	states map[event.World]event.StreamState
	gapTo  map[event.World]time.Time // end of the newest gap
}

func (r *recording) watchfulness(ctx context.Context) (*watchfulness, error) {
	w := &watchfulness{map[event.World]event.StreamState{}, map[event.World]time.Time{}}
	rows, err := r.t.query(ctx, "SELECT "+streamCols+" FROM stream_states")
	err = collect(rows, err, func(rows *sql.Rows) error {
		state, err := scanStream(rows)
		w.states[state.World] = state
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = r.t.query(ctx, "SELECT world, MAX(to_ns) FROM stream_gaps GROUP BY world")
	err = collect(rows, err, func(rows *sql.Rows) error {
		var world event.World
		var to int64
		err := rows.Scan((*int32)(&world), &to)
		w.gapTo[world] = fromNano(to)
		return err
	})
	return w, err
}

// unbroken reports whether nothing of world can have been missed from since to
// now. A world of which no state was ever reported is not known to be whole.
func (w *watchfulness) unbroken(world event.World, since, now time.Time) bool {
	state, ok := w.states[world]
	return ok && state.At(now).Health.Flowing() && !w.gapTo[world].After(since)
}
