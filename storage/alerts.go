package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
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
)

var alertShape = newShape("alerts",
	"k user_id character_id world cause login_at created_ns expires_ns due_ns attempts state message reason settled_ns", "k")

// alerts writes who must be told of the logins of this Record, in its
// transaction: a subscription made before it counts, one made after does not.
func (r *recording) alerts(ctx context.Context) error {
	due, err := r.due(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	ids := make([]event.CharacterID, 0, len(due))
	for _, n := range due {
		ids = append(ids, n.change.After.Character)
	}
	slices.Sort(ids)
	found, err := r.t.matches(ctx, slices.Compact(ids))
	if err != nil || len(found) == 0 {
		return err
	}
	var args []any
	telling := map[person]time.Time{}
	for _, n := range due {
		for _, m := range found[n.change.After.Character] {
			told, err := r.told(ctx, n, m.user, telling)
			if err != nil {
				return err
			}
			if !told {
				args = append(args, r.alertRow(n, m)...)
				telling[person{m.user, n.change.After.Character}] = n.change.After.Session
			}
		}
	}
	written, err := r.t.insert(ctx, alertShape, args)
	r.out.Alerts = int(written)
	return err
}

func (r *recording) alertRow(n news, m match) []any {
	after := n.change.After
	key := alert.NewKey(m.user, after.Character, after.Session)
	return []any{key[:], int64(m.user), int64(after.Character), int64(after.World), string(m.cause),
		sec(after.Session), nano(r.now), nano(after.Session.Add(r.lifetime())), nano(r.now), 0, alertPending, "", "", 0}
}

// told reports whether user heard of the session already, under a start that it
// had before its login was known. All that was told of the character since its
// last logout is of this session, however often its start has moved.
func (r *recording) told(ctx context.Context, n news, user alert.UserID, telling map[person]time.Time) (yes bool, err error) {
	after := n.change.After
	if n.replaced.IsZero() {
		return false, nil
	}
	if telling[person{user, after.Character}].After(after.LoggedOut) {
		return true, nil
	}
	rows, err := r.t.query(ctx, "SELECT 1 FROM alerts WHERE state IN (0, 1, 2) AND created_ns >= ? AND user_id = ? AND character_id = ? AND login_at > ?",
		nano(r.now.Add(-r.lifetime()-time.Minute)), int64(user), int64(after.Character), sec(after.LoggedOut))
	err = collect(rows, err, func(*sql.Rows) error { yes = true; return nil })
	return yes, err
}

// due returns the news that is worth an alert.
func (r *recording) due(ctx context.Context) ([]news, error) {
	var due []news
	var w *watchfulness
	for _, n := range r.news {
		if !alert.Due(n.change, true, r.lifetime(), r.now) {
			continue
		}
		if !n.change.ByLogin {
			if n.before != event.EndLogout && n.before != event.EndObserved {
				continue // it may have been there all the time
			}
			if w == nil {
				var err error
				if w, err = r.watchfulness(ctx); err != nil {
					return nil, err
				}
			}
			known := w.unbroken(n.change.After.World, n.change.Before.LoggedOut, r.now)
			if !alert.Due(n.change, known, r.lifetime(), r.now) {
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

// A match is one person to be told of one character.
type match struct {
	user  alert.UserID
	cause alert.Cause
}

// causes in the order of matchText's ranks.
var causes = []alert.Cause{alert.ByCharacter, alert.ByFriend, alert.ByOutfit}

// matchText finds who watches any of the characters in marks, which stands for
// their list. Nobody is told of a character of their own.
func matchText(marks string) string {
	return "SELECT 0, w.user_id, w.target FROM watches w WHERE w.kind = 'character' AND w.target IN (" + marks + ")" +
		" UNION ALL SELECT 1, l.user_id, f.friend_id FROM friends f JOIN links l ON l.character_id = f.owner_id" +
		" JOIN watches w ON w.user_id = l.user_id AND w.kind = 'friends' WHERE f.friend_id IN (" + marks + ")" +
		" UNION ALL SELECT 2, w.user_id, m.character_id FROM memberships m JOIN watches w ON w.target = m.outfit_id" +
		" AND w.kind = 'outfit' WHERE m.character_id IN (" + marks + ")" +
		" UNION ALL SELECT 3, l.user_id, l.character_id FROM links l WHERE l.character_id IN (" + marks + ")"
}

const ownCharacter = 3

// A person is a user and a character of whom the user may be told.
type person struct {
	user alert.UserID
	id   event.CharacterID
}

// matches returns the people to be told of each of ids, each once, for the
// strongest of their causes.
func (t *tx) matches(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID][]match, error) {
	best, own := map[person]int{}, map[person]bool{}
	err := eachIn(ids, func(marks string, args []any) error {
		rows, err := t.query(ctx, matchText(marks), slices.Concat(args, args, args, args)...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var rank int
			var p person
			if err := rows.Scan(&rank, (*int64)(&p.user), (*int64)(&p.id)); err != nil {
				return err
			}
			if rank == ownCharacter {
				own[p] = true
			} else if old, ok := best[p]; !ok || rank < old {
				best[p] = rank
			}
			return nil
		})
	})
	out := map[event.CharacterID][]match{}
	for p, rank := range best {
		if !own[p] {
			out[p.id] = append(out[p.id], match{p.user, causes[rank]})
		}
	}
	for _, found := range out {
		slices.SortFunc(found, func(a, b match) int { return cmp.Compare(a.user, b.user) })
	}
	return out, err
}

// ClaimAlerts takes up to limit alerts that are due, oldest first, and holds them
// for the caller: no other bot gets them before now+hold. A claim counts as an
// attempt. Alerts past their time are settled as expired, those of people who no
// longer follow the character as unfollowed, and people who have closed their
// messages are passed over.
func (s *Store) ClaimAlerts(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.Alert, error) {
	var out []alert.Alert
	err := s.write(ctx, func(t *tx) (err error) {
		if err := t.expireAlerts(ctx, now); err != nil {
			return err
		}
		if out, err = t.claim(ctx, now, limit); err != nil {
			return err
		}
		if out, err = t.wished(ctx, now, out); err != nil || len(out) == 0 {
			return err
		}
		args := []any{nano(now.Add(hold))}
		for _, a := range out {
			args = append(args, slices.Clone(a.Key[:]))
		}
		_, err = t.exec(ctx, "UPDATE alerts SET due_ns = ?, attempts = attempts + 1 WHERE k IN ("+marks(len(out))+")", args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim alerts: %w", err)
	}
	return out, s.nameAlerts(ctx, out)
}

// expireAlerts settles what is too old, without waiting for rows that another
// bot holds in its transaction.
func (t *tx) expireAlerts(ctx context.Context, now time.Time) error {
	var keys []any
	rows, err := t.query(ctx, "SELECT k FROM alerts WHERE state = 0 AND expires_ns < ? AND due_ns <= ? LIMIT 1000"+t.s.d.skipLocked(),
		nano(now), nano(now))
	err = collect(rows, err, func(rows *sql.Rows) error {
		var k []byte
		err := rows.Scan(&k)
		keys = append(keys, k)
		return err
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	_, err = t.exec(ctx, "UPDATE alerts SET state = 2, reason = 'expired', settled_ns = ? WHERE k IN ("+marks(len(keys))+")",
		append([]any{nano(now)}, keys...)...)
	return err
}

func (t *tx) claim(ctx context.Context, now time.Time, limit int) ([]alert.Alert, error) {
	var out []alert.Alert
	rows, err := t.query(ctx, "SELECT k, user_id, character_id, world, cause, login_at, created_ns, expires_ns, attempts FROM alerts "+
		"WHERE state = 0 AND due_ns <= ? AND expires_ns >= ? AND user_id NOT IN (SELECT user_id FROM recipients WHERE closed <> '') "+
		"ORDER BY created_ns, k LIMIT ?"+t.s.d.skipLocked(), nano(now), nano(now), min(max(limit, 0), 1000))
	err = collect(rows, err, func(rows *sql.Rows) error {
		a, err := scanAlert(rows)
		out = append(out, a)
		return err
	})
	return out, err
}

// wished returns those of alerts whose user follows the character still, and
// settles the others: who has just been told "you do not watch them any more"
// hears no more of them.
func (t *tx) wished(ctx context.Context, now time.Time, alerts []alert.Alert) ([]alert.Alert, error) {
	ids := make([]event.CharacterID, len(alerts))
	for i, a := range alerts {
		ids[i] = a.Character
	}
	slices.Sort(ids)
	found, err := t.matches(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	args := []any{nano(now)}
	alerts = slices.DeleteFunc(alerts, func(a alert.Alert) bool {
		if slices.ContainsFunc(found[a.Character], func(m match) bool { return m.user == a.User }) {
			return false
		}
		args = append(args, a.Key[:])
		return true
	})
	if len(args) > 1 {
		_, err = t.exec(ctx, "UPDATE alerts SET state = 2, reason = 'unfollowed', settled_ns = ? WHERE k IN ("+marks(len(args)-1)+")", args...)
	}
	return alerts, err
}

func scanAlert(rows *sql.Rows) (alert.Alert, error) {
	var a alert.Alert
	var k []byte
	var login, created, expires int64
	err := rows.Scan(&k, (*int64)(&a.User), (*int64)(&a.Character), (*int32)(&a.World), (*string)(&a.Cause),
		&login, &created, &expires, &a.Attempts)
	if err != nil {
		return a, err
	}
	if len(k) != len(a.Key) || a.User <= 0 || a.Character <= 0 {
		return a, fmt.Errorf("alert %x for user %d and character %d cannot be right", k, a.User, a.Character)
	}
	a.Key = alert.Key(k)
	a.LoginAt, a.CreatedAt, a.ExpiresAt = fromSec(login), fromNano(created), fromNano(expires)
	return a, nil
}

func (s *Store) nameAlerts(ctx context.Context, alerts []alert.Alert) error {
	ids := make([]event.CharacterID, len(alerts))
	for i, a := range alerts {
		ids[i] = a.Character
	}
	names, err := s.Characters(ctx, ids)
	if err != nil {
		return fmt.Errorf("claim alerts: %w", err)
	}
	for i := range alerts {
		alerts[i].Who = names[alerts[i].Character]
		alerts[i].Who.ID = alerts[i].Character
	}
	return nil
}

// SettleAlert writes what became of an attempt. Settling one that is settled, or
// that does not exist, changes nothing.
func (s *Store) SettleAlert(ctx context.Context, key alert.Key, o alert.Outcome, now time.Time) error {
	set, args := "state = 1, message = ?, settled_ns = ?", []any{clip(o.Message, 32), nano(now)}
	switch {
	case o.Sent:
	case o.GaveUp != "":
		set, args = "state = 2, reason = ?, settled_ns = ?", []any{clip(o.GaveUp, 255), nano(now)}
	case !o.RetryAt.IsZero():
		set, args = "due_ns = ?", []any{nano(o.RetryAt)}
	default:
		return fmt.Errorf("settle alert: %w: an outcome that says nothing", ErrData)
	}
	err := s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "UPDATE alerts SET "+set+" WHERE k = ? AND state = 0", append(args, key[:])...)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle alert: %w", err)
	}
	return nil
}
