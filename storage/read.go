package storage

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"muster/event"
)

const (
	characterCols = "c.id, c.name, c.faction, c.world, c.battle_rank, c.resolved_ns, c.missing, COALESCE(m.outfit_id, 0), " +
		"COALESCE(o.tag, ''), COALESCE(o.name, ''), COALESCE(o.faction, 0), COALESCE(o.leader, 0), COALESCE(o.members, 0)"
	characterJoin = " LEFT JOIN memberships m ON m.character_id = c.id LEFT JOIN outfits o ON o.id = m.outfit_id "
	playerCols    = characterCols + ", COALESCE(m.member_rank, ''), c.id, COALESCE(p.online, 0), COALESCE(p.world, 0), COALESCE(p.zone, 0), " +
		"COALESCE(p.last_seen_at, 0), COALESCE(p.logged_out_at, 0), COALESCE(p.session_at, 0), COALESCE(p.inferred, 0), COALESCE(p.end_reason, '')"
)

// characterRow is what characterCols select.
type characterRow struct {
	c                 event.Character
	resolved, missing int64
}

func (r *characterRow) into() []any {
	c := &r.c
	return []any{(*int64)(&c.ID), &c.Name, &c.Faction, (*int32)(&c.World), &c.Rank, &r.resolved, &r.missing,
		(*int64)(&c.Outfit.ID), &c.Outfit.Tag, &c.Outfit.Name, &c.Outfit.Faction, (*int64)(&c.Outfit.Leader), &c.Outfit.Members}
}

func (r *characterRow) character() (event.Character, error) {
	if r.c.ID <= 0 || r.c.Outfit.ID < 0 {
		return r.c, fmt.Errorf("character %d in outfit %d cannot be right", r.c.ID, r.c.Outfit.ID)
	}
	r.c.ResolvedAt, r.c.Missing = fromNano(r.resolved), r.missing != 0
	return r.c, nil
}

// characters selects with rest after the joins; "c" is the character.
func (s *Store) characters(ctx context.Context, rest string, args ...any) ([]event.Character, error) {
	var out []event.Character
	err := s.each(ctx, ask("SELECT "+characterCols+" FROM characters c"+characterJoin+rest, args...), func(rows *sql.Rows) error {
		var r characterRow
		if err := rows.Scan(r.into()...); err != nil {
			return err
		}
		c, err := r.character()
		out = append(out, c)
		return err
	})
	return out, err
}

// players selects from from, which must join characters as c, with presence.
func (s *Store) players(ctx context.Context, from, rest string, args ...any) ([]event.Player, error) {
	var out []event.Player
	err := s.each(ctx, ask("SELECT "+playerCols+" FROM "+from+characterJoin+rest, args...), func(rows *sql.Rows) error {
		var r characterRow
		var t trackRow
		var p event.Player
		if err := rows.Scan(append(append(r.into(), &p.MembershipRank), t.into()...)...); err != nil {
			return err
		}
		track, err := t.track()
		if err != nil {
			return err
		}
		p.Online = track.Online
		p.Character, err = r.character()
		out = append(out, p)
		return err
	})
	return out, err
}

// Characters returns those of ids that have a row, also those without a name yet.
// Of hidden ones it says only that they are, their faction and their world.
func (s *Store) Characters(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Character, error) {
	out := make(map[event.CharacterID]event.Character, len(ids))
	err := eachIn(ids, func(marks string, args []any) error {
		list, err := s.characters(ctx, "WHERE c.id IN ("+marks+")", args...)
		for _, c := range list {
			out[c.ID] = c
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("characters: %w", err)
	}
	hidden, err := s.Hidden(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("characters: %w", err)
	}
	for id := range hidden {
		out[id] = event.Character{ID: id, World: out[id].World, Faction: out[id].Faction, Hidden: true}
	}
	return out, nil
}

// notHidden leaves out characters, as "c", who have hidden themselves.
var notHidden = unlessHidden("c.id")

// prefixRange returns the bounds of all lower-case texts that begin with prefix.
// A range uses the index, and needs no escaping as LIKE does.
func prefixRange(prefix string) (from, to string) {
	from = strings.ToLower(strings.ToValidUTF8(prefix, "\uFFFD"))
	return from, from + "\U0010FFFF"
}

// FindCharacters returns up to limit named characters whose name begins with
// prefix, in any case, in the order of names.
func (s *Store) FindCharacters(ctx context.Context, prefix string, limit int) ([]event.Character, error) {
	from, to := prefixRange(prefix)
	list, err := s.characters(ctx, notHidden+" AND c.name_lower >= ? AND c.name_lower < ? AND c.name_lower <> '' ORDER BY c.name_lower, c.id LIMIT ?",
		from, to, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("find characters: %w", err)
	}
	return list, nil
}

// CharacterByName returns the character of that name, in any case.
func (s *Store) CharacterByName(ctx context.Context, name string) (event.Character, bool, error) {
	from, _ := prefixRange(name)
	list, err := s.characters(ctx, notHidden+" AND c.name_lower = ? AND c.name_lower <> '' ORDER BY c.missing, c.id LIMIT 1", from)
	if err != nil {
		return event.Character{}, false, fmt.Errorf("character by name: %w", err)
	}
	if len(list) == 0 {
		return event.Character{}, false, nil
	}
	return list[0], true, nil
}

func (s *Store) outfits(ctx context.Context, rest string, args ...any) ([]event.Outfit, error) {
	var out []event.Outfit
	err := s.each(ctx, ask("SELECT o.id, o.tag, o.name, o.faction, o.leader, o.members FROM outfits o WHERE "+rest, args...), func(rows *sql.Rows) error {
		var o event.Outfit
		err := rows.Scan((*int64)(&o.ID), &o.Tag, &o.Name, &o.Faction, (*int64)(&o.Leader), &o.Members)
		out = append(out, o)
		return err
	})
	return out, err
}

// FindOutfits returns up to limit outfits whose tag or name begins with prefix,
// in any case: those by tag first.
func (s *Store) FindOutfits(ctx context.Context, prefix string, limit int) ([]event.Outfit, error) {
	from, to := prefixRange(prefix)
	limit = atMost(limit)
	list, err := s.outfits(ctx, "o.tag_lower >= ? AND o.tag_lower < ? AND o.tag_lower <> '' ORDER BY o.tag_lower, o.id LIMIT ?", from, to, limit)
	if err != nil {
		return nil, fmt.Errorf("find outfits: %w", err)
	}
	if len(list) == limit {
		return list, nil
	}
	byName, err := s.outfits(ctx, "o.name_lower >= ? AND o.name_lower < ? AND NOT (o.tag_lower >= ? AND o.tag_lower < ? AND o.tag_lower <> '') "+
		"ORDER BY o.name_lower, o.id LIMIT ?", from, to, from, to, limit-len(list))
	if err != nil {
		return nil, fmt.Errorf("find outfits: %w", err)
	}
	return append(list, byName...), nil
}

// OutfitsByTag returns the outfits with exactly that tag, in any case. Tags are
// not unique across platforms.
func (s *Store) OutfitsByTag(ctx context.Context, tag string) ([]event.Outfit, error) {
	from, _ := prefixRange(tag)
	list, err := s.outfits(ctx, "o.tag_lower = ? AND o.tag_lower <> '' ORDER BY o.id LIMIT 100", from)
	if err != nil {
		return nil, fmt.Errorf("outfits by tag: %w", err)
	}
	return list, nil
}

// Outfit returns one outfit; false: not known.
func (s *Store) Outfit(ctx context.Context, id event.OutfitID) (event.Outfit, bool, error) {
	list, err := s.outfits(ctx, "o.id = ?", int64(id))
	if err != nil || len(list) == 0 {
		return event.Outfit{}, false, wrap("outfit", err)
	}
	return list[0], true, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

const fromCharacters = "characters c LEFT JOIN presence p ON p.character_id = c.id"

// Player returns one character with its presence; false: never heard of.
func (s *Store) Player(ctx context.Context, id event.CharacterID) (event.Player, bool, error) {
	list, err := s.players(ctx, fromCharacters, notHidden+" AND c.id = ?", int64(id))
	if err != nil || len(list) == 0 {
		return event.Player{}, false, wrap("player", err)
	}
	return list[0], true, nil
}

// Members returns up to limit members of an outfit with their presence: those
// online first, then by rank and name.
func (s *Store) Members(ctx context.Context, o event.OutfitID, limit int) ([]event.Player, error) {
	list, err := s.players(ctx, fromCharacters, notHidden+" AND m.outfit_id = ? ORDER BY COALESCE(p.online, 0) DESC, "+
		"CASE WHEN m.ordinal = 0 THEN 1000 ELSE m.ordinal END, c.name_lower, c.id LIMIT ?", int64(o), atMost(limit))
	return list, wrap("members", err)
}

// OnlineInOutfit returns the members of an outfit that are online, by name.
func (s *Store) OnlineInOutfit(ctx context.Context, o event.OutfitID) ([]event.Player, error) {
	list, err := s.players(ctx, fromCharacters, notHidden+" AND m.outfit_id = ? AND p.online = 1 ORDER BY c.name_lower, c.id", int64(o))
	return list, wrap("online in outfit", err)
}

// Friends returns the stored friends list of owner with presence, online ones
// first, and when it was read; a zero time says never.
func (s *Store) Friends(ctx context.Context, owner event.CharacterID) ([]event.Player, time.Time, error) {
	list, err := s.players(ctx, "friends f JOIN "+"characters c ON c.id = f.friend_id LEFT JOIN presence p ON p.character_id = c.id",
		notHidden+" AND f.owner_id = ? ORDER BY COALESCE(p.online, 0) DESC, c.name_lower, c.id", int64(owner))
	if err != nil {
		return nil, time.Time{}, wrap("friends", err)
	}
	at, err := readIDs[int64](ctx, s, "SELECT read_ns FROM friend_lists WHERE owner_id = ?", int64(owner))
	if err != nil || len(at) == 0 {
		return list, time.Time{}, wrap("friends", err)
	}
	return list, fromNano(at[0]), nil
}

// OnlineNow returns up to limit characters that are online on world (0: on any),
// the latest to come first.
func (s *Store) OnlineNow(ctx context.Context, world event.World, limit int) ([]event.Player, error) {
	where, args := notHidden+" AND p.online = 1 ", []any{}
	if world != 0 {
		where += "AND p.world = ? "
		args = append(args, int64(world))
	}
	list, err := s.players(ctx, "presence p JOIN characters c ON c.id = p.character_id",
		where+"ORDER BY p.session_at DESC, c.id LIMIT ?", append(args, atMost(limit))...)
	return list, wrap("online now", err)
}

// OnlineCount returns how many characters are online on each world that has any.
func (s *Store) OnlineCount(ctx context.Context) (map[event.World]int, error) {
	out := map[event.World]int{}
	err := s.each(ctx, ask("SELECT world, COUNT(*) FROM presence WHERE online = 1 GROUP BY world"), func(rows *sql.Rows) error {
		var w event.World
		var n int
		err := rows.Scan((*int32)(&w), &n)
		out[w] = n
		return err
	})
	return out, wrap("online count", err)
}

// StaleOnline returns up to limit characters that count as online but were last
// seen before lastSeenBefore, the longest silent first. The stored last sign of
// life can lag up to a minute behind.
func (s *Store) StaleOnline(ctx context.Context, lastSeenBefore time.Time, limit int) ([]event.Online, error) {
	var out []event.Online
	err := s.each(ctx, ask("SELECT "+trackCols+" FROM presence WHERE online = 1 AND last_seen_at < ? "+
		"ORDER BY last_seen_at, character_id LIMIT ?", sec(lastSeenBefore), atMost(limit)),
		func(rows *sql.Rows) error {
			t, err := scanTrack(rows)
			out = append(out, t.Online)
			return err
		})
	return out, wrap("stale online", err)
}

// WatchedOff returns up to limit characters whom anybody watches, who count as
// offline and were last seen on world, not before seenSince; those seen last come
// first.
func (s *Store) WatchedOff(ctx context.Context, world event.World, seenSince time.Time, limit int) ([]event.CharacterID, error) {
	ids, err := readIDs[event.CharacterID](ctx, s, "SELECT p.character_id FROM presence p WHERE p.online = 0 AND p.world = ? AND p.last_seen_at >= ? AND ("+
		"EXISTS (SELECT 1 FROM watches w WHERE w.target = p.character_id AND w.kind = 'character') OR "+
		"EXISTS (SELECT 1 FROM friends f WHERE f.friend_id = p.character_id) OR "+
		"EXISTS (SELECT 1 FROM watch_group_members g WHERE g.character_id = p.character_id) OR "+
		"EXISTS (SELECT 1 FROM links l WHERE l.character_id = p.character_id) OR "+
		"EXISTS (SELECT 1 FROM memberships m JOIN watches w ON w.target = m.outfit_id AND w.kind IN ('outfit', 'leaders') WHERE m.character_id = p.character_id)"+
		") ORDER BY p.last_seen_at DESC, p.character_id LIMIT ?", int64(world), sec(seenSince), atMost(limit))
	return ids, wrap("watched and off", err)
}

// RecentSessions returns up to limit sittings of a character, the latest first.
func (s *Store) RecentSessions(ctx context.Context, id event.CharacterID, limit int) ([]event.Session, error) {
	var out []event.Session
	err := s.each(ctx, ask("SELECT character_id, world, started_at, inferred, ended_at, end_reason FROM sessions "+
		unlessHidden("character_id")[1:]+" AND character_id = ? ORDER BY started_at DESC LIMIT ?", int64(id), atMost(limit)),
		func(rows *sql.Rows) error {
			var row event.Session
			var start, inferred, end int64
			err := rows.Scan((*int64)(&row.Character), (*int32)(&row.World), &start, &inferred, &end, (*string)(&row.End))
			row.StartedAt, row.Inferred, row.EndedAt = fromSec(start), inferred != 0, fromSec(end)
			out = append(out, row)
			return err
		})
	return out, wrap("recent sessions", err)
}

// CountEvents returns how many events of each kind are stored, kinds without any
// included. It reads every table whole: for tests and the demo.
func (s *Store) CountEvents(ctx context.Context) (map[event.Kind]int64, error) {
	out := map[event.Kind]int64{}
	for kind, t := range tables {
		n, err := readIDs[int64](ctx, s, "SELECT COUNT(*) FROM "+t.table)
		if err != nil {
			return nil, wrap("count events", err)
		}
		out[event.Kind(kind)] = n[0]
	}
	return out, nil
}

var lookupShape = newShape("lookups", "category id name extra", "category, id", "name", "extra")

// SaveLookups stores names of the game's tables, replacing older ones.
func (s *Store) SaveLookups(ctx context.Context, list []event.Lookup) error {
	args := make([]any, 0, 4*len(list))
	for _, l := range list {
		if l.ID < 0 || l.Category == "" || len(l.Category) > 64 {
			return fmt.Errorf("save lookups: %w: id %d in category %.70q", ErrData, l.ID, l.Category)
		}
		args = append(args, l.Category, l.ID, clip(l.Name, 255), clip(l.Extra, 255))
	}
	return wrap("save lookups", s.write(ctx, func(t *tx) error {
		_, err := t.insert(ctx, lookupShape, args)
		return err
	}))
}

// Lookup returns one name; false: it is not known.
func (s *Store) Lookup(ctx context.Context, category string, id int64) (l event.Lookup, found bool, err error) {
	err = s.each(ctx, ask("SELECT category, id, name, extra FROM lookups WHERE category = ? AND id = ?", category, id), func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&l.Category, &l.ID, &l.Name, &l.Extra)
	})
	return l, found, wrap("lookup", err)
}

// Lookups returns all names of one category, by id.
func (s *Store) Lookups(ctx context.Context, category string) ([]event.Lookup, error) {
	var out []event.Lookup
	err := s.each(ctx, ask("SELECT category, id, name, extra FROM lookups WHERE category = ? ORDER BY id", category), func(rows *sql.Rows) error {
		var l event.Lookup
		err := rows.Scan(&l.Category, &l.ID, &l.Name, &l.Extra)
		out = append(out, l)
		return err
	})
	return out, wrap("lookups", err)
}
