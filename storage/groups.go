package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/alert"
	"muster/event"
)

var (
	groupShape       = newShape("watch_groups", "user_id name name_lower", "user_id, name_lower")
	groupMemberShape = newShape("watch_group_members", "group_id character_id", "group_id, character_id")
)

// Groups returns a user's groups by name, their members by name. Members that
// have hidden themselves are left out.
func (s *Store) Groups(ctx context.Context, u alert.UserID) ([]alert.Group, error) {
	var out []alert.Group
	err := s.each(ctx, ask("SELECT g.id, g.name, COALESCE(m.character_id, 0) FROM watch_groups g "+
		"LEFT JOIN watch_group_members m ON m.group_id = g.id AND NOT EXISTS (SELECT 1 FROM hidden_characters h WHERE h.character_id = m.character_id) "+
		"LEFT JOIN characters c ON c.id = m.character_id "+
		"WHERE g.user_id = ? ORDER BY g.name_lower, g.id, COALESCE(c.name_lower, ''), m.character_id", int64(u)),
		func(rows *sql.Rows) error {
			g := alert.Group{User: u}
			var member event.CharacterID
			if err := rows.Scan(&g.ID, &g.Name, (*int64)(&member)); err != nil {
				return err
			}
			if len(out) == 0 || out[len(out)-1].ID != g.ID {
				out = append(out, g)
			}
			if last := &out[len(out)-1]; member != 0 {
				last.Members = append(last.Members, member)
			}
			return nil
		})
	return out, wrap("groups", err)
}

// SaveGroup stores g whole and returns it with its id; an ID of 0 makes a new one.
// It does not make a watch. The error wraps alert.ErrTaken when the user has
// another group of that name, and is an *alert.LimitError beyond alert.MaxGroups
// and alert.MaxMembers.
func (s *Store) SaveGroup(ctx context.Context, g alert.Group) (alert.Group, error) {
	g.Name = strings.TrimSpace(g.Name)
	g.Members = slices.Compact(slices.Sorted(slices.Values(g.Members)))
	switch n := utf8.RuneCountInString(g.Name); {
	case g.User <= 0 || n == 0 || n > alert.MaxGroupName || len(g.Members) > 0 && g.Members[0] <= 0:
		return g, fmt.Errorf("save group: %w: group %.80q of user %d", ErrData, g.Name, g.User)
	case len(g.Members) > alert.MaxMembers:
		return g, fmt.Errorf("save group: %w", &alert.LimitError{What: "members", Most: alert.MaxMembers})
	}
	id := g.ID
	err := s.write(ctx, func(t *tx) error {
		g.ID = id
		return t.saveGroup(ctx, &g)
	})
	if err != nil {
		return g, fmt.Errorf("save group: %w", err)
	}
	s.watchedNow(ctx, changedGroup, g.ID)
	return g, nil
}

func (t *tx) saveGroup(ctx context.Context, g *alert.Group) error {
	lower := clip(strings.ToLower(g.Name), 64)
	taken, err := t.count(ctx, "SELECT COUNT(*) FROM watch_groups WHERE user_id = ? AND name_lower = ? AND id <> ?", int64(g.User), lower, g.ID)
	if err != nil {
		return err
	}
	if taken > 0 {
		return alert.ErrTaken
	}
	if g.ID != 0 {
		if err := t.ownGroup(ctx, g.User, g.ID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "UPDATE watch_groups SET name = ?, name_lower = ? WHERE id = ?", g.Name, lower, g.ID); err != nil {
			return err
		}
	} else if err := t.newGroup(ctx, g, lower); err != nil {
		return err
	}
	if _, err := t.addCharacters(ctx, g.Members); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM watch_group_members WHERE group_id = ?", g.ID); err != nil {
		return err
	}
	var args []any
	for _, m := range g.Members {
		args = append(args, g.ID, int64(m))
	}
	if _, err = t.insert(ctx, groupMemberShape, args); err != nil {
		return err
	}
	return t.noteWatched(ctx, changedGroup, g.ID)
}

// ownGroup refuses a group that is not u's.
func (t *tx) ownGroup(ctx context.Context, u alert.UserID, id int64) error {
	n, err := t.count(ctx, "SELECT COUNT(*) FROM watch_groups WHERE id = ? AND user_id = ?", id, int64(u))
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: user %d has no group %d", ErrData, u, id)
	}
	return err
}

func (t *tx) newGroup(ctx context.Context, g *alert.Group, lower string) error {
	have, err := t.count(ctx, "SELECT COUNT(*) FROM watch_groups WHERE user_id = ?", int64(g.User))
	if err != nil {
		return err
	}
	if have >= alert.MaxGroups {
		return &alert.LimitError{What: "groups", Most: alert.MaxGroups}
	}
	if _, err := t.insert(ctx, groupShape, []any{int64(g.User), g.Name, lower}); err != nil {
		return err
	}
	g.ID, err = t.count(ctx, "SELECT id FROM watch_groups WHERE user_id = ? AND name_lower = ?", int64(g.User), lower)
	return err
}

// RemoveGroup deletes a user's group and the watch on it; false: the user has
// none with this id.
func (s *Store) RemoveGroup(ctx context.Context, u alert.UserID, id int64) (removed bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM watch_groups WHERE id = ? AND user_id = ?", id, int64(u))
		t.changed(&removed, n)
		if err != nil || !removed {
			return err
		}
		if _, err := t.exec(ctx, "DELETE FROM watch_group_members WHERE group_id = ?", id); err != nil {
			return err
		}
		_, err = t.exec(ctx, "DELETE FROM watches WHERE target = ? AND kind = 'group' AND user_id = ?", id, int64(u))
		return err
	})
	return removed, wrap("remove group", err)
}
