package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"muster/event"
	"muster/internal/backoff"
)

// A watchedIndex knows in memory who is watched by anybody, so that the login of
// somebody else costs no query. It may say yes too often, and does: until it is
// loaded, when it cannot be kept up to date, and of those nobody watches any more
// until it is loaded the next time. It says no wrongly only of who began to be
// watched by another process within the last refreshEvery.
//
// It holds characters that are watched themselves, are on the friends list of a
// linked one, are linked, belong to a group, or are members of a watched outfit:
// eight bytes each.
type watchedIndex struct {
	mu     sync.RWMutex
	loaded bool
	sorted []event.CharacterID
	more   map[event.CharacterID]struct{} // since sorted was made
	before map[event.CharacterID]struct{} // since the one before was made

	// refreshing guards what follows.
	refreshing sync.Mutex
	triedAt    time.Time
	freshAt    time.Time            // when a refresh last worked
	seen       map[watchChange]bool // changes taken in; true: when they were young no more
}

// How the index is kept up to date.
const (
	refreshEvery = time.Second
	// refreshBack is how far each refresh looks back: a change can be committed
	// later than it is dated, and by a clock that is behind ours.
	refreshBack = time.Minute
	// refreshLost is how long refreshes may fail or not be made before changes can
	// have been missed: then the index says yes to everybody until it is loaded.
	refreshLost = 20 * time.Minute
	// changesKept is how long changes stay in the database.
	changesKept = time.Hour
)

// A watchChange is a row of watch_changes: that a character, the friends of an
// owner, the members of an outfit or of a group are watched since then.
type watchChange struct {
	at     int64
	kind   string
	target int64
}

// Kinds of a watchChange.
const (
	changedCharacter = "character"
	changedFriends   = "friends" // of an owner; it is linked itself
	changedOutfit    = "outfit"
	changedGroup     = "group"
)

var watchChangeShape = newShape("watch_changes", "at_ns kind target", "at_ns, kind, target")

// has reports whether somebody may watch id.
func (x *watchedIndex) has(id event.CharacterID) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if !x.loaded {
		return true
	}
	if _, ok := x.more[id]; ok {
		return true
	}
	if _, ok := x.before[id]; ok {
		return true
	}
	_, ok := slices.BinarySearch(x.sorted, id)
	return ok
}

func (x *watchedIndex) add(ids []event.CharacterID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range ids {
		if _, ok := slices.BinarySearch(x.sorted, id); !ok {
			x.more[id] = struct{}{}
		}
	}
}

func (x *watchedIndex) lose() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.loaded = false
}

func (x *watchedIndex) ready() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.loaded
}

const watchedText = "SELECT target FROM watches WHERE kind = 'character'" +
	" UNION ALL SELECT character_id FROM links UNION ALL SELECT friend_id FROM friends" +
	" UNION ALL SELECT character_id FROM watch_group_members" +
	" UNION ALL SELECT m.character_id FROM memberships m JOIN (SELECT DISTINCT target FROM watches WHERE kind IN ('outfit', 'leaders')) w ON w.target = m.outfit_id"

// LoadWatched reads whom anybody watches into memory. Until it was called once,
// and where it was not for half an hour, Record asks the database about everybody
// who comes on. It is for who calls Record much: about every ten minutes, because
// nothing else takes out those whom nobody watches any more. It holds up nobody.
func (s *Store) LoadWatched(ctx context.Context) error {
	x := &s.watched
	began := time.Now()
	ids, err := readIDs[event.CharacterID](ctx, s, watchedText)
	if err != nil {
		return fmt.Errorf("load watched: %w", err)
	}
	slices.Sort(ids)
	ids = slices.Clone(slices.Compact(ids)) // which frees what the repeated ones took
	x.refreshing.Lock()
	defer x.refreshing.Unlock()
	x.mu.Lock()
	x.sorted, x.before, x.more, x.loaded = ids, x.more, map[event.CharacterID]struct{}{}, true
	x.mu.Unlock()
	x.freshAt, x.seen = began, map[watchChange]bool{}
	if err := s.refreshWatched(ctx); err != nil { // what came while it was read
		x.lose()
		return fmt.Errorf("load watched: %w", err)
	}
	return wrap("load watched", s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM watch_changes WHERE at_ns < ?", began.Add(-changesKept).UnixNano())
		return err
	}))
}

// freshenWatched brings the index up to date if that was not done for refreshEvery.
// When it cannot, the index goes on as it is for a while.
func (s *Store) freshenWatched(ctx context.Context) {
	x := &s.watched
	if !x.ready() {
		return
	}
	x.refreshing.Lock()
	defer x.refreshing.Unlock()
	if time.Since(x.triedAt) < refreshEvery {
		return
	}
	x.triedAt = time.Now()
	if time.Since(x.freshAt) > refreshLost {
		x.lose()
		s.log.WarnContext(ctx, "who is watched is not known any more, every login is looked up until it is loaded again")
		return
	}
	if err := s.refreshWatched(ctx); err != nil {
		x.lose()
		s.log.DebugContext(ctx, "who is watched cannot be refreshed, every login is looked up", "err", err)
	}
}

// RefreshWatched takes in at once what has changed, which Record does by itself
// once a second. It does nothing before LoadWatched.
func (s *Store) RefreshWatched(ctx context.Context) error {
	if !s.watched.ready() {
		return nil
	}
	s.watched.refreshing.Lock()
	defer s.watched.refreshing.Unlock()
	return wrap("refresh watched", s.refreshWatched(ctx))
}

// refreshWatched takes in what has changed; it needs refreshing. A change is taken
// in when it is first seen, and again when it is no longer young: an outfit that
// began to be watched may get a member by a transaction that does not know of it.
func (s *Store) refreshWatched(ctx context.Context) error {
	x := &s.watched
	now := time.Now()
	var found []watchChange
	err := s.each(ctx, ask("SELECT at_ns, kind, target FROM watch_changes WHERE at_ns >= ? ORDER BY at_ns",
		x.freshAt.Add(-refreshBack).UnixNano()), func(rows *sql.Rows) error {
		var c watchChange
		err := rows.Scan(&c.at, &c.kind, &c.target)
		found = append(found, c)
		return err
	})
	if err != nil {
		return err
	}
	seen := make(map[watchChange]bool, len(found))
	for _, c := range found {
		settled, known := x.seen[c]
		old := now.UnixNano()-c.at > int64(refreshBack/2)
		if !known || old && !settled {
			if err := s.takeIn(ctx, c); err != nil {
				return err
			}
		}
		seen[c] = old || settled
	}
	x.seen, x.freshAt = seen, now
	return nil
}

// takeIn adds whom c speaks of.
func (s *Store) takeIn(ctx context.Context, c watchChange) error {
	var text string
	switch c.kind {
	case changedFriends:
		s.watched.add([]event.CharacterID{event.CharacterID(c.target)})
		text = "SELECT friend_id FROM friends WHERE owner_id = ?"
	case changedOutfit:
		text = "SELECT character_id FROM memberships WHERE outfit_id = ?"
	case changedGroup:
		text = "SELECT character_id FROM watch_group_members WHERE group_id = ?"
	default:
		s.watched.add([]event.CharacterID{event.CharacterID(c.target)})
		return nil
	}
	ids, err := readIDs[event.CharacterID](ctx, s, text, c.target)
	if err == nil {
		s.watched.add(ids)
	}
	return err
}

// AwaitWatched returns once whatever began to be watched before the call is known to
// every Store that records: at once on SQLite, where that is this one, and in a
// little more than a second elsewhere, or when ctx ends. Who tells a person that
// they will be told calls it first, so that it is true.
func (s *Store) AwaitWatched(ctx context.Context) error {
	if !s.d.mysql {
		return nil
	}
	return backoff.Sleep(ctx, refreshEvery+refreshEvery/4)
}

// noteWatched tells every Store, this one included, of changes; it belongs into the
// transaction that makes them.
func (t *tx) noteWatched(ctx context.Context, kind string, targets ...int64) error {
	if kind == "" {
		return nil
	}
	args := make([]any, 0, 3*len(targets))
	for _, target := range targets {
		args = append(args, time.Now().UnixNano(), kind, target)
	}
	_, err := t.insert(ctx, watchChangeShape, args)
	return err
}

// watchedNow makes this Store's own index know of a change that was just
// committed, without waiting for its next refresh.
func (s *Store) watchedNow(ctx context.Context, kind string, target int64) {
	if kind == "" || !s.watched.ready() {
		return
	}
	if err := s.takeIn(ctx, watchChange{kind: kind, target: target}); err != nil {
		s.watched.lose()
	}
}
