package storage

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

// A match is one person to be told of one character.
type match struct {
	user  alert.UserID
	cause alert.Cause
}

// causes in the order of the ranks of matchText; own characters come last.
var causes = []alert.Cause{alert.ByCharacter, alert.ByFriend, alert.ByGroup, alert.ByLeader, alert.ByOutfit, alert.OwnLogin}

const ownCharacter = 5

// matchText finds who watches any of the characters in marks, which stands for
// their list, in the order of users beyond the last parameter of each part. Of own
// characters "muted" says that no summary is wanted.
func matchText(marks string) string {
	tail := " IN (" + marks + ") AND w.user_id > ?"
	return "SELECT 0 AS cause_rank, w.user_id AS user_id, w.target AS character_id, w.worlds AS worlds, w.muted AS muted, " +
		"w.muted_until_ns AS muted_until_ns FROM watches w WHERE w.kind = 'character' AND w.target" + tail +
		" UNION ALL SELECT 1, w.user_id, f.friend_id, w.worlds, w.muted, w.muted_until_ns FROM friends f JOIN links l ON l.character_id = f.owner_id" +
		" JOIN watches w ON w.user_id = l.user_id AND w.kind = 'friends' WHERE f.friend_id" + tail +
		" UNION ALL SELECT 2, w.user_id, g.character_id, w.worlds, w.muted, w.muted_until_ns FROM watch_group_members g" +
		" JOIN watches w ON w.target = g.group_id AND w.kind = 'group' WHERE g.character_id" + tail +
		" UNION ALL SELECT 3, w.user_id, m.character_id, w.worlds, w.muted, w.muted_until_ns FROM memberships m" +
		" JOIN watches w ON w.target = m.outfit_id AND w.kind = 'leaders' AND m.ordinal BETWEEN 1 AND w.max_ordinal WHERE m.character_id" + tail +
		" UNION ALL SELECT 4, w.user_id, m.character_id, w.worlds, w.muted, w.muted_until_ns FROM memberships m" +
		" JOIN watches w ON w.target = m.outfit_id AND w.kind = 'outfit' WHERE m.character_id" + tail +
		" UNION ALL SELECT 5, w.user_id, w.character_id, '', 1 - COALESCE(s.summary, 1), 0 FROM links w" +
		" LEFT JOIN alert_settings s ON s.user_id = w.user_id WHERE w.character_id" + tail
}

// A person is a user and a character of whom the user may be told.
type person struct {
	user alert.UserID
	id   event.CharacterID
}

// A watcher is one row of matchText.
type watcher struct {
	person
	rank int
	alert.Watch
}

// matched turns watchers into who is to be told of whom at now on which world: each
// person once, for the strongest cause. Nobody is told of a character of their own,
// but of who else is on.
func matched(list []watcher, world func(event.CharacterID) event.World, now time.Time) map[event.CharacterID][]match {
	best, own := map[person]int{}, map[person]bool{}
	for _, w := range list {
		if w.rank == ownCharacter {
			own[w.person] = true
		}
		if w.MutedAt(now) || !w.Counts(world(w.id)) {
			continue
		}
		if old, ok := best[w.person]; !ok || w.rank < old {
			best[w.person] = w.rank
		}
	}
	out := map[event.CharacterID][]match{}
	for p, rank := range best {
		switch {
		case rank == ownCharacter:
		case own[p]:
			if !slices.ContainsFunc(list, func(w watcher) bool { return w.person == p && w.rank == ownCharacter && !w.Muted }) {
				continue
			}
			rank = ownCharacter
		}
		out[p.id] = append(out[p.id], match{p.user, causes[rank]})
	}
	for _, found := range out {
		slices.SortFunc(found, func(a, b match) int { return cmp.Compare(a.user, b.user) })
	}
	return out
}

// matchMost is how many watchers one query returns at most.
const matchMost = 4096

// watchers returns who watches ids, without those who have muted the character; no
// character that is hidden has any. Only users above after are returned, and when
// there are more than matchMost of them, those with the lowest ids and full as true.
func (t *tx) watchers(ctx context.Context, ids []event.CharacterID, after alert.UserID, now time.Time) (list []watcher, full bool, err error) {
	err = eachIn(ids, func(marks string, args []any) error {
		var all []any
		for range ownCharacter + 1 {
			all = append(append(all, args...), int64(after))
		}
		rows, err := t.query(ctx, "SELECT x.cause_rank, x.user_id, x.character_id, x.worlds, x.muted, x.muted_until_ns FROM ("+matchText(marks)+") x"+
			unlessHidden("x.character_id")+" AND NOT EXISTS (SELECT 1 FROM mutes q WHERE q.user_id = x.user_id AND q.character_id = x.character_id "+
			"AND x.cause_rank < 5 AND (q.until_ns = 0 OR q.until_ns > ?)) ORDER BY x.user_id LIMIT ?", append(all, nano(now), matchMost+1)...)
		n := 0
		err = collect(rows, err, func(rows *sql.Rows) error {
			w, err := scanWatcher(rows)
			list = append(list, w)
			n++
			return err
		})
		full = full || n > matchMost
		return err
	})
	return list, full, err
}

func scanWatcher(rows *sql.Rows) (watcher, error) {
	var w watcher
	var worlds string
	var muted, until int64
	if err := rows.Scan(&w.rank, (*int64)(&w.user), (*int64)(&w.id), &worlds, &muted, &until); err != nil {
		return w, err
	}
	w.Muted, w.MutedUntil = muted != 0, fromNano(until)
	var err error
	w.Worlds, err = alert.ParseWorlds(worlds)
	return w, err
}

// matches returns the people to be told of each of ids, sorted. Those with more
// than fanoutFrom watchers are left out and returned as stars.
func (t *tx) matches(ctx context.Context, ids []event.CharacterID, world func(event.CharacterID) event.World, now time.Time) (
	found map[event.CharacterID][]match, stars []event.CharacterID, err error) {
	list, full, err := t.watchers(ctx, ids, 0, now)
	if err != nil {
		return nil, nil, err
	}
	if full && len(ids) > 1 { // one of them has very many
		half := len(ids) / 2
		found, stars, err = t.matches(ctx, ids[:half], world, now)
		if err != nil {
			return nil, nil, err
		}
		rest, more, err := t.matches(ctx, ids[half:], world, now)
		for id, m := range rest {
			found[id] = m
		}
		return found, append(stars, more...), err
	}
	if full {
		return map[event.CharacterID][]match{}, ids, nil
	}
	found = matched(list, world, now)
	for id, m := range found {
		if len(m) > fanoutFrom {
			stars = append(stars, id)
			delete(found, id)
		}
	}
	slices.Sort(stars)
	return found, stars, nil
}
