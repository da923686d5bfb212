package storage

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"muster/alert"
	"muster/event"
)

var hiddenShape = newShape("hidden_characters", "character_id user_id hidden_ns", "character_id", "user_id", "hidden_ns")

// unlessHidden is a WHERE that leaves out characters who have hidden themselves;
// id is the column with theirs.
func unlessHidden(id string) string {
	return " WHERE NOT EXISTS (SELECT 1 FROM hidden_characters h WHERE h.character_id = " + id + ")"
}

// Hide keeps a character from being named: no alert, no feed item, no page and no
// list shows it from now on, though what the game said of it stays stored. by has
// shown that the character is theirs; an earlier Hide by somebody else passes to
// them. Hiding twice changes nothing else.
func (s *Store) Hide(ctx context.Context, c event.CharacterID, by alert.UserID, now time.Time) error {
	if c <= 0 || by <= 0 {
		return fmt.Errorf("hide: %w: character %d, user %d", ErrData, c, by)
	}
	return wrap("hide", s.write(ctx, func(t *tx) error {
		if _, err := t.addCharacters(ctx, []event.CharacterID{c}); err != nil {
			return err
		}
		_, err := t.insert(ctx, hiddenShape, []any{int64(c), int64(by), nano(now)})
		return err
	}))
}

// Unhide undoes Hide; false: by has not hidden this character.
func (s *Store) Unhide(ctx context.Context, c event.CharacterID, by alert.UserID) (removed bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM hidden_characters WHERE character_id = ? AND user_id = ?", int64(c), int64(by))
		t.changed(&removed, n)
		return err
	})
	return removed, wrap("unhide", err)
}

// Hidden returns those of ids who are hidden, with who hid them: 0 if that user's
// data was deleted since.
func (s *Store) Hidden(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]alert.UserID, error) {
	out := map[event.CharacterID]alert.UserID{}
	err := eachIn(ids, func(marks string, args []any) error {
		return s.each(ctx, ask("SELECT character_id, user_id FROM hidden_characters WHERE character_id IN ("+marks+")", args...), func(rows *sql.Rows) error {
			var c event.CharacterID
			var u alert.UserID
			err := rows.Scan((*int64)(&c), (*int64)(&u))
			out[c] = u
			return err
		})
	})
	return out, wrap("hidden", err)
}

// AllHidden returns everybody who is hidden, by id.
func (s *Store) AllHidden(ctx context.Context) ([]event.CharacterID, error) {
	ids, err := readIDs[event.CharacterID](ctx, s, "SELECT character_id FROM hidden_characters ORDER BY character_id")
	return ids, wrap("all hidden", err)
}

// HiddenBy returns the characters that a user has hidden, by name. It is the one
// read that names them: for their owner.
func (s *Store) HiddenBy(ctx context.Context, by alert.UserID) ([]event.Character, error) {
	list, err := s.characters(ctx, "JOIN hidden_characters h ON h.character_id = c.id WHERE h.user_id = ? ORDER BY c.name_lower, c.id", int64(by))
	return list, wrap("hidden by", err)
}

// OwnDeaths returns when a character killed itself on game seconds from from up to
// and with to, oldest first: what shows that somebody plays it (adr on hiding). It
// reads the kills of all that time, so that should be minutes.
func (s *Store) OwnDeaths(ctx context.Context, c event.CharacterID, from, to time.Time) ([]time.Time, error) {
	seconds, err := readIDs[int64](ctx, s, "SELECT at FROM event_kill WHERE at >= ? AND at <= ? AND victim_id = ? AND attacker_id = ? ORDER BY at, k",
		sec(from), sec(to), int64(c), int64(c))
	out := make([]time.Time, len(seconds))
	for i, n := range seconds {
		out[i] = fromSec(n)
	}
	return out, wrap("own deaths", err)
}
