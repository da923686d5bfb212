package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/event"
)

// Widths of columns, in characters. Longer text is cut.
const (
	maxName = 64
	maxTag  = 16
)

var (
	characterShape = newShape("characters",
		"id name name_lower faction world battle_rank resolved_ns missing tries retry_ns", "id",
		"name", "name_lower", "faction", "world", "battle_rank", "resolved_ns", "missing", "tries", "retry_ns")
	outfitNameShape = newShape("outfits", "id tag tag_lower name name_lower faction leader members", "id",
		"tag", "tag_lower", "name", "name_lower")
	outfitShape = newShape("outfits", "id tag tag_lower name name_lower faction leader members", "id",
		"tag", "tag_lower", "name", "name_lower", "faction", "leader", "members")
	memberPlaceShape = newShape("memberships", "character_id outfit_id member_rank ordinal since_at", "character_id", "outfit_id")
	memberShape      = newShape("memberships", "character_id outfit_id member_rank ordinal since_at", "character_id",
		"outfit_id", "member_rank", "ordinal", "since_at")
)

// SaveCharacters stores what the query service said of characters, and their
// outfits and memberships.
//
// An answer without a world, rank or faction keeps the ones known before. One without an
// outfit ends the membership, unless it has no world either: such an answer is
// partial (census 6). A Missing one, or one without a name, keeps what is known
// and is asked for again after a delay that grows from 10 minutes to a week.
func (s *Store) SaveCharacters(ctx context.Context, list []event.Character) error {
	list = slices.Clone(list)
	for _, c := range list {
		if c.ID <= 0 || c.Outfit.ID < 0 {
			return fmt.Errorf("save characters: %w: character %d in outfit %d", ErrData, c.ID, c.Outfit.ID)
		}
	}
	slices.SortStableFunc(list, func(a, b event.Character) int { return cmp.Compare(a.ID, b.ID) })
	err := s.write(ctx, func(t *tx) error { return t.saveCharacters(ctx, list) })
	if err != nil {
		return fmt.Errorf("save characters: %w", err)
	}
	return nil
}

// stored is what a new answer may have to keep.
type stored struct {
	character event.Character
	tries     int64
}

func (t *tx) saveCharacters(ctx context.Context, list []event.Character) error {
	ids := make([]event.CharacterID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	old, err := t.storedCharacters(ctx, ids)
	if err != nil {
		return err
	}
	var rows, outfits, members []any
	var left []event.CharacterID
	outfitOf := map[event.CharacterID]event.OutfitID{}
	for _, answer := range list {
		c, tries, retry := merged(answer, old[answer.ID])
		rows = append(rows, int64(c.ID), c.Name, strings.ToLower(c.Name), int64(c.Faction), int64(c.World),
			int64(c.Rank), nano(c.ResolvedAt), bit(c.Missing), tries, retry)
		switch {
		case c.Missing || c.Name == "":
		case !c.Outfit.IsZero():
			outfitOf[c.ID] = c.Outfit.ID
			outfits = append(outfits, outfitRow(c.Outfit)...)
			members = append(members, int64(c.ID), int64(c.Outfit.ID), "", 0, 0)
		case answer.World != 0:
			outfitOf[c.ID] = 0
			left = append(left, c.ID)
		}
	}
	if _, err := t.insert(ctx, characterShape, rows); err != nil {
		return err
	}
	if _, err := t.insert(ctx, outfitNameShape, outfits); err != nil {
		return err
	}
	subs, err := t.wantedByChannels(ctx)
	if err != nil {
		return err
	}
	if len(subs) > 0 {
		moved, err := t.movesOf(ctx, outfitOf)
		if err != nil {
			return err
		}
		for outfit, gone := range moved {
			if err := t.outfitNews(ctx, subs, outfit, nil, gone, time.Now()); err != nil {
				return err
			}
		}
	}
	if _, err := t.insert(ctx, memberPlaceShape, members); err != nil {
		return err
	}
	if err := t.noteMembers(ctx, list); err != nil {
		return err
	}
	return eachIn(left, func(marks string, args []any) error {
		_, err := t.exec(ctx, "DELETE FROM memberships WHERE character_id IN ("+marks+")", args...)
		return err
	})
}

// noteMembers tells of characters who are in an outfit that is watched.
func (t *tx) noteMembers(ctx context.Context, list []event.Character) error {
	var outfits []event.OutfitID
	for _, c := range list {
		if !c.Outfit.IsZero() {
			outfits = append(outfits, c.Outfit.ID)
		}
	}
	watched, err := t.watchedOutfits(ctx, outfits)
	if err != nil {
		return err
	}
	var ids []int64
	for _, c := range list {
		if watched[c.Outfit.ID] {
			ids = append(ids, int64(c.ID))
		}
	}
	return t.noteWatched(ctx, changedCharacter, ids...)
}

// watchedOutfits returns those of outfits that anybody watches.
func (t *tx) watchedOutfits(ctx context.Context, outfits []event.OutfitID) (map[event.OutfitID]bool, error) {
	watched := map[event.OutfitID]bool{}
	slices.Sort(outfits)
	err := eachIn(slices.Compact(outfits), func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT DISTINCT target FROM watches WHERE target IN ("+marks+") AND kind IN ('outfit', 'leaders')", args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var id event.OutfitID
			err := rows.Scan((*int64)(&id))
			watched[id] = true
			return err
		})
	})
	return watched, err
}

func (t *tx) storedCharacters(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]stored, error) {
	old := make(map[event.CharacterID]stored, len(ids))
	err := eachIn(ids, func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT id, name, faction, world, battle_rank, tries FROM characters WHERE id IN ("+marks+")"+
			t.s.d.forUpdate(), args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var o stored
			c := &o.character
			err := rows.Scan((*int64)(&c.ID), &c.Name, &c.Faction, (*int32)(&c.World), &c.Rank, &o.tries)
			old[c.ID] = o
			return err
		})
	})
	return old, err
}

// merged returns c as it is to be stored, with how often it was asked for in
// vain and when to ask again (nil: not).
func merged(c event.Character, old stored) (event.Character, int64, any) {
	if c.ResolvedAt.IsZero() {
		c.ResolvedAt = time.Now()
	}
	if c.World == 0 {
		c.World = old.character.World
	}
	if c.Rank == 0 {
		c.Rank = old.character.Rank
	}
	if c.Faction == event.NoFaction {
		c.Faction = old.character.Faction
	}
	c.Name = clip(c.Name, maxName)
	if c.Name != "" && !c.Missing {
		return c, 0, nil
	}
	c.Name = old.character.Name
	delay := min(10*time.Minute<<min(old.tries, 12), 7*24*time.Hour)
	return c, old.tries + 1, nano(c.ResolvedAt.Add(delay))
}

func outfitRow(o event.Outfit) []any {
	tag, name := clip(o.Tag, maxTag), clip(o.Name, maxName)
	return []any{int64(o.ID), tag, strings.ToLower(tag), name, strings.ToLower(name),
		int64(o.Faction), int64(o.Leader), max(o.Members, 0)}
}

// Unresolved returns up to limit characters without a name that are to be asked
// for at now, those longest due first. They stay due until SaveCharacters.
func (s *Store) Unresolved(ctx context.Context, now time.Time, limit int) ([]event.CharacterID, error) {
	ids, err := readIDs[event.CharacterID](ctx, s,
		"SELECT id FROM characters WHERE retry_ns <= ? ORDER BY retry_ns, id LIMIT ?", nano(now), atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("unresolved characters: %w", err)
	}
	return ids, nil
}

// SaveOutfits stores outfits whole.
func (s *Store) SaveOutfits(ctx context.Context, list []event.Outfit) error {
	var args []any
	for _, o := range list {
		if o.ID <= 0 || o.Leader < 0 {
			return fmt.Errorf("save outfits: %w: outfit %d with leader %d", ErrData, o.ID, o.Leader)
		}
		args = append(args, outfitRow(o)...)
	}
	err := s.write(ctx, func(t *tx) error {
		_, err := t.insert(ctx, outfitShape, args)
		return err
	})
	if err != nil {
		return fmt.Errorf("save outfits: %w", err)
	}
	return nil
}

// SaveMembers makes list the roster of outfit: who is not in it has left. An
// empty list changes nothing, for it is more likely a failed answer than an
// outfit without anybody. Characters not known yet become unresolved.
func (s *Store) SaveMembers(ctx context.Context, outfit event.OutfitID, list []event.Member) error {
	if len(list) == 0 {
		return nil
	}
	var args []any
	ids := make([]event.CharacterID, 0, len(list))
	for _, m := range list {
		if m.Character <= 0 || outfit <= 0 {
			return fmt.Errorf("save members: %w: character %d in outfit %d", ErrData, m.Character, outfit)
		}
		ids = append(ids, m.Character)
		args = append(args, int64(m.Character), int64(outfit), clip(m.Rank, maxName), max(m.Ordinal, 0), sec(m.Since))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	err := s.write(ctx, func(t *tx) error {
		if _, err := t.addCharacters(ctx, ids); err != nil {
			return err
		}
		subs, err := t.wantedByChannels(ctx)
		if err != nil {
			return err
		}
		if len(subs) > 0 {
			gone, err := t.goneFrom(ctx, outfit, ids)
			if err != nil {
				return err
			}
			if err := t.outfitNews(ctx, subs, outfit, list, gone, time.Now()); err != nil {
				return err
			}
		}
		if err := t.dropOthers(ctx, "memberships", "outfit_id", int64(outfit), "character_id", ids); err != nil {
			return err
		}
		if _, err := t.insert(ctx, memberShape, args); err != nil {
			return err
		}
		watched, err := t.watchedOutfits(ctx, []event.OutfitID{outfit})
		if err != nil || !watched[outfit] {
			return err
		}
		return t.noteWatched(ctx, changedOutfit, int64(outfit))
	})
	if err != nil {
		return fmt.Errorf("save members of outfit %d: %w", outfit, err)
	}
	return nil
}

// dropOthers deletes the rows of owner whose id is not in keep, which is sorted.
func (t *tx) dropOthers(ctx context.Context, table, ownerCol string, owner int64, idCol string, keep []event.CharacterID) error {
	var gone []event.CharacterID
	rows, err := t.query(ctx, "SELECT "+idCol+" FROM "+table+" WHERE "+ownerCol+" = ?", owner)
	err = collect(rows, err, func(rows *sql.Rows) error {
		var id event.CharacterID
		err := rows.Scan((*int64)(&id))
		if _, ok := slices.BinarySearch(keep, id); !ok {
			gone = append(gone, id)
		}
		return err
	})
	if err != nil {
		return err
	}
	return eachIn(gone, func(marks string, args []any) error {
		_, err := t.exec(ctx, "DELETE FROM "+table+" WHERE "+ownerCol+" = ? AND "+idCol+" IN ("+marks+")",
			slices.Concat([]any{owner}, args)...)
		return err
	})
}

func readIDs[T ~int64](ctx context.Context, s *Store, text string, args ...any) ([]T, error) {
	var out []T
	err := s.each(ctx, ask(text, args...), func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		out = append(out, T(id))
		return err
	})
	return out, err
}

// atMost bounds a caller's limit; 0 and less mean the bound.
func atMost(limit int) int {
	if limit <= 0 || limit > 10_000 {
		return 10_000
	}
	return limit
}
