package storage

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"muster/event"
)

// refreshShape writes when somebody was last seen where the row is otherwise as it
// was known. Rows of presence are never deleted, so none is made.
var refreshShape = newShape("presence", trackWords, "character_id").onConflict("", " ON DUPLICATE KEY UPDATE last_seen_at = CASE WHEN online = 1"+
	" AND world = VALUES(world) AND zone = VALUES(zone) AND session_at = VALUES(session_at) AND logged_out_at = VALUES(logged_out_at)"+
	" AND last_seen_at < VALUES(last_seen_at) THEN VALUES(last_seen_at) ELSE last_seen_at END")

// lookAfter brings the table of presence up to what the cache has absorbed, and
// the cache up to what other processes have written, when it is time for either. It
// has a transaction of its own, and one statement in it, so that nobody waits for
// it. That it fails does no harm: it is tried again.
func (s *Store) lookAfter(ctx context.Context, now time.Time) {
	c := s.cache
	if !c.shared {
		return
	}
	c.mu.Lock()
	due := c.takeDue(now)
	list := c.takeUnsure(now, due)
	c.mu.Unlock()
	if len(list) == 0 {
		return
	}
	if err := s.refreshDue(ctx, due); err != nil {
		s.log.DebugContext(ctx, "refresh presence", "err", err)
	}
	if err := s.compare(ctx, list); err != nil {
		s.log.DebugContext(ctx, "compare presence", "err", err)
		c.mu.Lock()
		c.unsure = append(c.unsure, list...)
		c.mu.Unlock()
	}
}

func byID(a, b touch) int { return cmp.Compare(a.id, b.id) }

// takeUnsure returns whom to look at now, in the order of their ids: those who are
// due at least. It needs mu.
func (c *presenceCache) takeUnsure(now time.Time, due []touch) []touch {
	list := due
	if len(c.unsure) > 0 && now.Sub(c.unsureAt).Abs() >= dueEvery {
		c.unsureAt = now
		list = c.unsure
		c.unsure = nil
	}
	kept := make([]touch, 0, len(list))
	for _, t := range list {
		if c.get(t.id) == t.h { // else folded or ended since
			kept = append(kept, touch{t.h, t.id, max(t.h.lastSeen, t.at)})
		}
	}
	slices.SortFunc(kept, byID)
	return kept
}

func (s *Store) refreshDue(ctx context.Context, due []touch) error {
	if len(due) == 0 {
		return nil
	}
	slices.SortFunc(due, byID)
	var args []any
	for _, t := range due {
		args = append(args, int64(t.id), 1, int64(t.h.world), int64(t.h.zone), t.at, t.h.loggedOut, t.h.session, 0, "")
	}
	_, err := s.once(ctx, &tx{s: s, attempt: 1}, s.w, func(t *tx) error {
		_, err := t.insert(ctx, refreshShape, args)
		return err
	})
	return err
}

// compare reads the rows of list. Who is in them as in the cache is sure for now;
// what is known of the others is to be folded.
func (s *Store) compare(ctx context.Context, list []touch) error {
	ids := make([]event.CharacterID, len(list))
	for i, t := range list {
		ids[i] = t.id
	}
	rows := make(map[event.CharacterID]event.Track, len(list))
	err := eachIn(ids, func(marks string, args []any) error {
		return s.each(ctx, ask("SELECT "+trackCols+" FROM presence WHERE character_id IN ("+marks+")", args...), func(found *sql.Rows) error {
			track, err := scanTrack(found)
			rows[track.Character] = track
			return err
		})
	})
	if err != nil {
		return err
	}
	c := s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range list {
		row := rows[t.id]
		if seen := sec(row.LastSeen); t.h.is(row) && t.at < seen+cacheStep {
			c.stored(touch{t.h, t.id, seen})
		} else {
			c.strange[t.id] = t.sign()
		}
		if t.h.unsure = t.h.lastSeen > t.at; t.h.unsure { // seen meanwhile
			c.unsure = append(c.unsure, t)
		}
	}
	return nil
}
