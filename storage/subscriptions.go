package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"muster/alert"
	"muster/event"
)

var (
	linkShape      = newShape("links", "user_id character_id linked_ns", "user_id, character_id")
	watchShape     = newShape("watches", "user_id kind target created_ns worlds muted muted_until_ns max_ordinal", "target, kind, user_id")
	recipientShape = newShape("recipients", "user_id dm_channel closed closed_ns locale", "user_id", "dm_channel", "closed", "closed_ns")
)

// Link notes that a user plays a character; added is false if that was known.
// With a user's first link comes a watch on friends. Beyond alert.MaxLinks it
// fails with an *alert.LimitError.
func (s *Store) Link(ctx context.Context, l alert.Link) (added bool, err error) {
	if l.User <= 0 || l.Character <= 0 {
		return false, fmt.Errorf("link: %w: user %d, character %d", ErrData, l.User, l.Character)
	}
	err = s.write(ctx, func(t *tx) error {
		others, err := t.count(ctx, "SELECT COUNT(*) FROM links WHERE user_id = ? AND character_id <> ?", int64(l.User), int64(l.Character))
		if err != nil {
			return err
		}
		first, err := t.count(ctx, "SELECT COUNT(*) FROM links WHERE user_id = ?", int64(l.User))
		if err != nil {
			return err
		}
		if others >= alert.MaxLinks && others == first {
			return &alert.LimitError{What: "links", Most: alert.MaxLinks}
		}
		if _, err := t.addCharacters(ctx, []event.CharacterID{l.Character}); err != nil {
			return err
		}
		n, err := t.insert(ctx, linkShape, []any{int64(l.User), int64(l.Character), nano(l.LinkedAt)})
		if err != nil {
			return err
		}
		t.changed(&added, n)
		if err := t.noteWatched(ctx, changedFriends, int64(l.Character)); err != nil {
			return err
		}
		if first == 0 {
			_, err = t.insert(ctx, watchShape, watchRow(alert.Watch{User: l.User, Kind: alert.WatchFriends, CreatedAt: l.LinkedAt}, 0))
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("link: %w", err)
	}
	s.watchedNow(ctx, changedFriends, int64(l.Character))
	return added, nil
}

// Unlink undoes Link; false: there was no such link. The watch on friends goes
// with the user's last link, the friends list with the character's.
func (s *Store) Unlink(ctx context.Context, u alert.UserID, c event.CharacterID) (removed bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM links WHERE user_id = ? AND character_id = ?", int64(u), int64(c))
		if err != nil {
			return err
		}
		t.changed(&removed, n)
		left, err := t.count(ctx, "SELECT COUNT(*) FROM links WHERE user_id = ?", int64(u))
		if err != nil || !removed {
			return err
		}
		if err := t.dropFriends(ctx, []event.CharacterID{c}); err != nil || left > 0 {
			return err
		}
		_, err = t.exec(ctx, "DELETE FROM watches WHERE user_id = ? AND kind = 'friends'", int64(u))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("unlink: %w", err)
	}
	return removed, nil
}

func (t *tx) count(ctx context.Context, text string, args ...any) (n int64, err error) {
	rows, err := t.query(ctx, text, args...)
	err = collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

// Links returns the characters that a user plays, in the order they were linked.
// One that somebody else has hidden comes without a name.
func (s *Store) Links(ctx context.Context, u alert.UserID) ([]event.Character, error) {
	list, err := s.characters(ctx, "JOIN links l ON l.character_id = c.id WHERE l.user_id = ? ORDER BY l.linked_ns, c.id", int64(u))
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	ids := make([]event.CharacterID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	hidden, err := s.Hidden(ctx, ids)
	for i, c := range list {
		if by, ok := hidden[c.ID]; ok && by != u {
			list[i] = event.Character{ID: c.ID, World: c.World, Hidden: true}
		}
	}
	return list, wrap("links", err)
}

// AddWatch stores a wish to be told and returns it with its id and name. added is
// false when the user had it already, which then stays as it is: see UpdateWatch.
// Beyond alert.MaxWatches it fails with an *alert.LimitError.
func (s *Store) AddWatch(ctx context.Context, w alert.Watch) (_ alert.Watch, added bool, err error) {
	target, err := watchTarget(w)
	if err != nil {
		return w, false, fmt.Errorf("add watch: %w", err)
	}
	err = s.write(ctx, func(t *tx) error {
		if w.Kind == alert.WatchCharacter {
			if _, err := t.addCharacters(ctx, []event.CharacterID{w.Character}); err != nil {
				return err
			}
		}
		if w.Kind == alert.WatchGroup {
			if err := t.ownGroup(ctx, w.User, w.Group); err != nil {
				return err
			}
		}
		n, err := t.insert(ctx, watchShape, watchRow(w, target))
		if t.changed(&added, n); err != nil || !added {
			return err
		}
		if err := t.noteWatched(ctx, changeOf(w.Kind), target); err != nil || w.Kind == alert.WatchFriends {
			return err
		}
		all, err := t.count(ctx, "SELECT COUNT(*) FROM watches WHERE user_id = ?", int64(w.User))
		if err == nil && all > alert.MaxWatches {
			err = &alert.LimitError{What: "watches", Most: alert.MaxWatches}
		}
		return err
	})
	if err != nil {
		return w, false, fmt.Errorf("add watch: %w", err)
	}
	s.watchedNow(ctx, changeOf(w.Kind), target)
	found, err := s.watches(ctx, "w.target = ? AND w.kind = ? AND w.user_id = ?", target, string(w.Kind), int64(w.User))
	if err != nil {
		return w, added, fmt.Errorf("add watch: %w", err)
	}
	if len(found) == 0 { // removed meanwhile
		return w, added, nil
	}
	return found[0], added, nil
}

// changeOf returns what kind of change a new watch is; of friends none, for whoever
// is on the list of a linked character counts as watched anyway.
func changeOf(k alert.WatchKind) string {
	switch k {
	case alert.WatchCharacter:
		return changedCharacter
	case alert.WatchGroup:
		return changedGroup
	case alert.WatchOutfit, alert.WatchLeaders:
		return changedOutfit
	}
	return ""
}

// maxOrdinal is more ranks than any outfit has.
const maxOrdinal = 100

func watchRow(w alert.Watch, target int64) []any {
	if w.MaxOrdinal <= 0 || w.MaxOrdinal > maxOrdinal {
		w.MaxOrdinal = alert.DefaultOrdinal
	}
	if !w.Muted {
		w.MutedUntil = time.Time{}
	}
	return []any{int64(w.User), string(w.Kind), target, nano(w.CreatedAt), alert.FormatWorlds(w.Worlds), bit(w.Muted),
		nano(w.MutedUntil), w.MaxOrdinal}
}

// UpdateWatch stores the worlds, the mute and, for leaders, the rank of the watch
// with w's id and user; false: the user has none with this id.
func (s *Store) UpdateWatch(ctx context.Context, w alert.Watch) (found bool, err error) {
	if err := checkWorlds(w.Worlds); err != nil {
		return false, fmt.Errorf("update watch: %w", err)
	}
	row := watchRow(w, 0)
	err = s.write(ctx, func(t *tx) error {
		n, err := t.count(ctx, "SELECT COUNT(*) FROM watches WHERE id = ? AND user_id = ?", w.ID, int64(w.User))
		if found = n > 0; err != nil || !found {
			return err
		}
		_, err = t.exec(ctx, "UPDATE watches SET worlds = ?, muted = ?, muted_until_ns = ?, max_ordinal = ? WHERE id = ?", append(row[4:8:8], w.ID)...)
		return err
	})
	return found, wrap("update watch", err)
}

func checkWorlds(worlds []event.World) error {
	if len(worlds) > alert.MaxWorlds {
		return &alert.LimitError{What: "worlds", Most: alert.MaxWorlds}
	}
	for _, w := range worlds {
		if w <= 0 {
			return fmt.Errorf("%w: world %d", ErrData, w)
		}
	}
	return nil
}

func watchTarget(w alert.Watch) (int64, error) {
	if err := checkWorlds(w.Worlds); err != nil {
		return 0, err
	}
	switch {
	case w.User <= 0:
	case w.Kind == alert.WatchFriends:
		return 0, nil
	case w.Kind == alert.WatchCharacter && w.Character > 0:
		return int64(w.Character), nil
	case (w.Kind == alert.WatchOutfit || w.Kind == alert.WatchLeaders) && w.Outfit > 0:
		return int64(w.Outfit), nil
	case w.Kind == alert.WatchGroup && w.Group > 0:
		return w.Group, nil
	}
	return 0, fmt.Errorf("%w: watch %q by user %d on character %d, outfit %d", ErrData, w.Kind, w.User, w.Character, w.Outfit)
}

// RemoveWatch deletes a user's watch; false: the user has none with this id.
func (s *Store) RemoveWatch(ctx context.Context, u alert.UserID, id int64) (removed bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM watches WHERE id = ? AND user_id = ?", id, int64(u))
		t.changed(&removed, n)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("remove watch: %w", err)
	}
	return removed, nil
}

// Watches returns what a user watches, oldest first.
func (s *Store) Watches(ctx context.Context, u alert.UserID) ([]alert.Watch, error) {
	list, err := s.watches(ctx, "w.user_id = ?", int64(u))
	if err != nil {
		return nil, fmt.Errorf("watches: %w", err)
	}
	return list, nil
}

func (s *Store) watches(ctx context.Context, where string, args ...any) ([]alert.Watch, error) {
	var out []alert.Watch
	err := s.each(ctx, ask("SELECT w.id, w.user_id, w.kind, w.target, w.created_ns, "+
		"w.worlds, w.muted, w.muted_until_ns, w.max_ordinal, "+
		"COALESCE(c.name, ''), COALESCE(o.tag, ''), COALESCE(o.name, ''), COALESCE(g.name, '') FROM watches w "+
		"LEFT JOIN characters c ON w.kind = 'character' AND c.id = w.target AND NOT EXISTS "+
		"(SELECT 1 FROM hidden_characters h WHERE h.character_id = c.id) "+
		"LEFT JOIN outfits o ON w.kind IN ('outfit', 'leaders') AND o.id = w.target "+
		"LEFT JOIN watch_groups g ON w.kind = 'group' AND g.id = w.target WHERE "+where+" ORDER BY w.created_ns, w.id", args...),
		func(rows *sql.Rows) error {
			w, err := scanWatch(rows)
			out = append(out, w)
			return err
		})
	return out, err
}

func scanWatch(rows *sql.Rows) (alert.Watch, error) {
	var w alert.Watch
	var target, created, muted, until int64
	var worlds, character, tag, outfit, group string
	err := rows.Scan(&w.ID, (*int64)(&w.User), (*string)(&w.Kind), &target, &created, &worlds, &muted, &until, &w.MaxOrdinal,
		&character, &tag, &outfit, &group)
	if err != nil {
		return w, err
	}
	w.CreatedAt, w.Muted, w.MutedUntil = fromNano(created), muted != 0, fromNano(until)
	if w.Kind != alert.WatchLeaders {
		w.MaxOrdinal = 0
	}
	if w.Worlds, err = alert.ParseWorlds(worlds); err != nil {
		return w, err
	}
	switch w.Kind {
	case alert.WatchFriends:
	case alert.WatchCharacter:
		w.Character, w.Name = event.CharacterID(target), character
	case alert.WatchGroup:
		w.Group, w.Name = target, group
	case alert.WatchOutfit, alert.WatchLeaders:
		w.Outfit, w.Name = event.OutfitID(target), outfit
		if tag != "" {
			w.Name = "[" + tag + "] " + outfit
		}
	default:
		return w, fmt.Errorf("watch %d is of kind %.40q", w.ID, w.Kind)
	}
	return w, nil
}

// Recipient returns how to reach a user; one never saved is all empty but for
// the id.
func (s *Store) Recipient(ctx context.Context, u alert.UserID) (alert.Recipient, error) {
	out := alert.Recipient{User: u}
	err := s.each(ctx, ask("SELECT dm_channel, closed, closed_ns, locale FROM recipients WHERE user_id = ?", int64(u)), func(rows *sql.Rows) error {
		var at int64
		err := rows.Scan(&out.DMChannel, &out.Closed, &at, &out.Locale)
		out.ClosedAt = fromNano(at)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("recipient: %w", err)
	}
	return out, nil
}

// SaveRecipient stores r, but for the language of a user who is known: a turn that ends
// knows less of that than SaveLocale does. If messages reach the user, what waits for
// them is due at once.
func (s *Store) SaveRecipient(ctx context.Context, r alert.Recipient) error {
	if r.User <= 0 {
		return fmt.Errorf("save recipient: %w: user %d", ErrData, r.User)
	}
	return wrap("save recipient", s.write(ctx, func(t *tx) error {
		if err := t.saveRecipient(ctx, r); err != nil || r.Closed != "" {
			return err
		}
		_, err := t.exec(ctx, "UPDATE alert_turns SET due_ns = 1 WHERE user_id = ? AND due_ns IS NOT NULL", int64(r.User))
		return err
	}))
}

// maxLocale is how long the name of a language may be, in characters.
const maxLocale = 16

// SaveLocale sets the language of a user who is known. Of others nothing is stored.
func (s *Store) SaveLocale(ctx context.Context, u alert.UserID, locale string) error {
	return wrap("save locale", s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, "UPDATE recipients SET locale = ? WHERE user_id = ?", clip(locale, maxLocale), int64(u))
		return err
	}))
}

func (t *tx) saveRecipient(ctx context.Context, r alert.Recipient) error {
	_, err := t.insert(ctx, recipientShape, []any{int64(r.User), clip(r.DMChannel, 32), clip(r.Closed, 255), nano(r.ClosedAt), clip(r.Locale, maxLocale)})
	return err
}

// EndStale ends the sessions of characters of whom no sign of life came for
// idle: somebody whose logout was lost (census 3, S10). They end at their last
// sign of life, which may be up to a minute later than the table says and is
// known in memory only.
func (s *Store) EndStale(ctx context.Context, now time.Time, idle time.Duration) ([]event.PresenceChange, error) {
	var all []event.PresenceChange
	cutoff := now.Add(-idle).Truncate(time.Second).UTC()
	s.lookAfter(ctx, now)
	for range maxStaleRounds {
		var r *recording
		err := s.write(ctx, func(t *tx) error {
			r = &recording{t: t, now: now}
			s.cache.mu.Lock()
			r.takeLate()
			s.cache.mu.Unlock()
			ids, err := t.ids(ctx, "SELECT character_id FROM presence WHERE online = 1 AND last_seen_at < ? "+
				"ORDER BY character_id LIMIT ?"+t.s.d.forUpdate(), cutoff.Unix(), inList)
			if err != nil {
				return err
			}
			for _, id := range ids {
				r.signs = append(r.signs, sign{id, false, event.Evidence{Sign: event.SignTimeout, At: cutoff}})
			}
			return r.presence(ctx)
		})
		if err != nil {
			return all, fmt.Errorf("end stale sessions: %w", err)
		}
		r.remember(s)
		all = append(all, r.out.Changes...)
		if len(r.tracks) < inList {
			break
		}
	}
	return all, nil
}

// maxStaleRounds bounds one EndStale to some 50,000 characters; the rest is for
// the next.
const maxStaleRounds = 100

func (t *tx) ids(ctx context.Context, text string, args ...any) ([]event.CharacterID, error) {
	var out []event.CharacterID
	rows, err := t.query(ctx, text, args...)
	err = collect(rows, err, func(rows *sql.Rows) error {
		var id event.CharacterID
		err := rows.Scan((*int64)(&id))
		out = append(out, id)
		return err
	})
	return out, err
}
