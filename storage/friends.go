package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"muster/event"
)

var (
	friendShape = newShape("friends", "owner_id friend_id last_login_at online_world", "owner_id, friend_id",
		"last_login_at", "online_world")
	friendListShape = newShape("friend_lists", "owner_id read_ns tried_ns empties empty_ns", "owner_id",
		"read_ns", "tried_ns", "empties", "empty_ns")
)

// When an empty answer is believed although friends are stored: the query service
// answers so for hours when it is ill (census 5.2), and people seldom remove all
// their friends.
const (
	emptyReads = 6                  // so many answers in a row without any friend …
	emptySpan  = 12 * time.Hour     // … over so long, while the service knows others' friends …
	emptyAlive = 2 * time.Hour      // … not longer ago than that;
	emptySure  = 3 * 24 * time.Hour // or over so long, whatever it knows.
)

// SaveFriends makes friends the list of owner, read at readAt. Repeated entries
// count once. An empty list keeps the one that is stored, with its age, until
// emptiness was confirmed by emptyReads answers over emptySpan.
func (s *Store) SaveFriends(ctx context.Context, owner event.CharacterID, friends []event.Friend, readAt time.Time) error {
	ids := make([]event.CharacterID, 0, len(friends))
	for _, f := range friends {
		if f.Character <= 0 || owner <= 0 {
			return fmt.Errorf("save friends: %w: friend %d of %d", ErrData, f.Character, owner)
		}
		ids = append(ids, f.Character)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	added := false
	err := s.write(ctx, func(t *tx) (err error) {
		added, err = t.saveFriends(ctx, owner, friends, ids, readAt)
		return err
	})
	if err != nil {
		return fmt.Errorf("save friends of %d: %w", owner, err)
	}
	if added {
		s.watchedNow(ctx, changedFriends, int64(owner))
	}
	return nil
}

// A friendList is a row of friend_lists.
type friendList struct {
	read, tried, empties, emptySince int64
}

func (t *tx) saveFriends(ctx context.Context, owner event.CharacterID, friends []event.Friend, ids []event.CharacterID, readAt time.Time) (added bool, err error) {
	l, err := t.friendList(ctx, owner)
	if err != nil {
		return false, err
	}
	stored, err := t.ids(ctx, "SELECT friend_id FROM friends WHERE owner_id = ? ORDER BY friend_id", int64(owner))
	if err != nil {
		return false, err
	}
	l.tried = nano(readAt)
	if len(ids) == 0 && len(stored) > 0 {
		if l.empties++; l.empties == 1 {
			l.emptySince = nano(readAt)
		}
		sure, err := t.emptyForSure(ctx, owner, l, readAt)
		if err != nil {
			return false, err
		}
		if !sure {
			return false, t.saveFriendList(ctx, owner, l)
		}
	}
	l.read, l.empties, l.emptySince = nano(readAt), 0, 0
	if err := t.replaceFriends(ctx, owner, friends, ids, stored); err != nil {
		return false, err
	}
	for _, id := range ids {
		if _, had := slices.BinarySearch(stored, id); !had {
			added = true
		}
	}
	if added {
		if err := t.noteWatched(ctx, changedFriends, int64(owner)); err != nil {
			return false, err
		}
	}
	return added, t.saveFriendList(ctx, owner, l)
}

func (t *tx) friendList(ctx context.Context, owner event.CharacterID) (l friendList, err error) {
	rows, err := t.query(ctx, "SELECT read_ns, tried_ns, empties, empty_ns FROM friend_lists WHERE owner_id = ?"+t.s.d.forUpdate(), int64(owner))
	err = collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&l.read, &l.tried, &l.empties, &l.emptySince) })
	return l, err
}

func (t *tx) saveFriendList(ctx context.Context, owner event.CharacterID, l friendList) error {
	_, err := t.insert(ctx, friendListShape, []any{int64(owner), l.read, l.tried, l.empties, l.emptySince})
	return err
}

// emptyForSure reports whether a list that had friends has none any more.
func (t *tx) emptyForSure(ctx context.Context, owner event.CharacterID, l friendList, readAt time.Time) (bool, error) {
	span := readAt.Sub(fromNano(l.emptySince))
	if l.empties < emptyReads || span < emptySpan {
		return false, nil
	}
	if span >= emptySure {
		return true, nil
	}
	others, err := t.ids(ctx, "SELECT l.owner_id FROM friend_lists l WHERE l.owner_id <> ? AND l.read_ns >= ? AND l.empties = 0 "+
		"AND EXISTS (SELECT 1 FROM friends f WHERE f.owner_id = l.owner_id) LIMIT 1", int64(owner), nano(readAt.Add(-emptyAlive)))
	return len(others) > 0, err
}

// replaceFriends writes the list; ids are its friends and stored those before, both
// sorted.
func (t *tx) replaceFriends(ctx context.Context, owner event.CharacterID, friends []event.Friend, ids, stored []event.CharacterID) error {
	if _, err := t.addCharacters(ctx, ids); err != nil {
		return err
	}
	var gone []event.CharacterID
	for _, id := range stored {
		if _, kept := slices.BinarySearch(ids, id); !kept {
			gone = append(gone, id)
		}
	}
	err := eachIn(gone, func(marks string, args []any) error {
		_, err := t.exec(ctx, "DELETE FROM friends WHERE owner_id = ? AND friend_id IN ("+marks+")", append([]any{int64(owner)}, args...)...)
		return err
	})
	if err != nil {
		return err
	}
	var args []any
	for _, f := range friends {
		args = append(args, int64(owner), int64(f.Character), sec(f.LastLogin), int64(f.Online))
	}
	_, err = t.insert(ctx, friendShape, args)
	return err
}

// FriendsDue returns up to limit linked characters whose friends list was last
// asked for before triedBefore, or never; those longest ago first.
func (s *Store) FriendsDue(ctx context.Context, triedBefore time.Time, limit int) ([]event.CharacterID, error) {
	ids, err := readIDs[event.CharacterID](ctx, s, "SELECT l.character_id FROM links l "+
		"LEFT JOIN friend_lists f ON f.owner_id = l.character_id WHERE COALESCE(f.tried_ns, 0) < ? "+
		"GROUP BY l.character_id ORDER BY MIN(COALESCE(f.tried_ns, 0)), l.character_id LIMIT ?", nano(triedBefore), atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("friends due: %w", err)
	}
	return ids, nil
}
