package census

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"muster/event"
)

type characterRow struct {
	ID      str `json:"character_id"`
	Faction str `json:"faction_id"`
	World   str `json:"world_id"`
	Name    part[struct {
		First str `json:"first"`
	}] `json:"name"`
	Rank part[struct {
		Value str `json:"value"`
	}] `json:"battle_rank"`
	Outfit part[outfitRow] `json:"outfit"`
}

func (r characterRow) character(now time.Time) event.Character {
	c := event.Character{ID: r.ID.character(), Faction: r.Faction.faction(),
		World: event.World(r.World.int32()), ResolvedAt: now}
	if r.Name.v != nil {
		c.Name = string(r.Name.v.First)
	}
	if r.Rank.v != nil {
		c.Rank = r.Rank.v.Value.int32()
	}
	if r.Outfit.v != nil {
		c.Outfit = r.Outfit.v.outfit()
		c.Outfit.Faction = cmp.Or(c.Outfit.Faction, c.Faction)
	}
	return c
}

// characterTerms ask for all of a character that Muster keeps.
func characterTerms(limit int) []term {
	return []term{
		{"c:show", "character_id,name,faction_id,battle_rank"},
		{"c:resolve", "world,outfit"},
		{"c:limit", strconv.Itoa(limit)},
	}
}

// Characters returns name, faction, battle rank, world and outfit of each id
// that the service knows, in batches of 50; the others are absent. A world or
// outfit that it could not say is zero. When a batch fails, those before it are
// returned with the error.
func (q *Query) Characters(ctx context.Context, env event.Environment, ids []event.CharacterID) ([]event.Character, error) {
	var out []event.Character
	for batch := range slices.Chunk(ids, maxBatch) {
		terms := append([]term{{"character_id", join(batch)}}, characterTerms(len(batch))...)
		got, err := q.characters(ctx, env, terms)
		if err != nil {
			return out, err
		}
		out = append(out, got...)
	}
	return out, nil
}

func (q *Query) characters(ctx context.Context, env event.Environment, terms []term) ([]event.Character, error) {
	list, _, err := rows[characterRow](ctx, q, question{env: env, collection: "character", terms: terms})
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	var out []event.Character
	for _, r := range list {
		if c := r.character(now); c.ID != 0 && c.Name != "" {
			out = append(out, c)
		}
	}
	return out, nil
}

// CharacterByName returns the character of that name in any case. The error
// wraps ErrNotFound if there is none, also for what cannot be a name.
func (q *Query) CharacterByName(ctx context.Context, env event.Environment, name string) (event.Character, error) {
	lower, ok := lowerName(name)
	if !ok {
		return event.Character{}, fmt.Errorf("character %.40q: %w", name, ErrNotFound)
	}
	terms := append([]term{{"name.first_lower", lower}}, characterTerms(1)...)
	got, err := q.characters(ctx, env, terms)
	if err != nil {
		return event.Character{}, err
	}
	if len(got) == 0 {
		return event.Character{}, fmt.Errorf("character %.40q: %w", name, ErrNotFound)
	}
	return got[0], nil
}

// MinPrefix is how many characters of a name a search needs at least; shorter
// ones are refused by the service or take it too long.
const MinPrefix = 3

// FindCharacters returns at most limit (1 to 100) characters whose names begin
// with prefix, in any case, sorted by name. Only id and name are set. The error
// wraps ErrBadQuery if prefix has fewer than MinPrefix characters.
func (q *Query) FindCharacters(ctx context.Context, env event.Environment, prefix string, limit int) ([]event.Character, error) {
	lower, ok := lowerName(prefix)
	if utf8.RuneCountInString(strings.TrimSpace(prefix)) < MinPrefix {
		return nil, fmt.Errorf("%w: a search needs at least %d characters", ErrBadQuery, MinPrefix)
	}
	if !ok {
		return nil, nil
	}
	list, _, err := rows[characterRow](ctx, q, question{env: env, collection: "character_name", terms: []term{
		{"name.first_lower", "^" + lower},
		{"c:limit", strconv.Itoa(min(max(limit, 1), 100))},
		{"c:sort", "name.first_lower"},
	}})
	if err != nil {
		return nil, err
	}
	var out []event.Character
	for _, r := range list {
		if c := r.character(time.Time{}); c.ID != 0 && c.Name != "" {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b event.Character) int {
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return out[:min(len(out), max(limit, 1))], nil
}

// lowerName returns the lower-case twin of a name or tag that people typed; ok
// is false for what cannot be one. Signs that mean something in a search term
// (census 4.1) never pass.
func lowerName(s string) (lower string, ok bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || len(s) > 64 {
		return "", false
	}
	for _, r := range s {
		if strings.ContainsRune("^*!<>[],&=?#'()\"\\/", r) || r < ' ' || r == 0x7f {
			return "", false
		}
	}
	return s, true
}

type friendsRow struct {
	Character str `json:"character_id"`
	Friends   []struct {
		Character str `json:"character_id"`
		LastLogin str `json:"last_login_time"`
		Online    str `json:"online"`
	} `json:"friend_list"`
}

// Friends returns a character's friends list, each friend once, at most 5,000.
// No list is an empty one: it is not told apart from a fault of the service, so
// an empty answer must not delete stored friends (census 5.2).
func (q *Query) Friends(ctx context.Context, env event.Environment, id event.CharacterID) ([]event.Friend, error) {
	list, _, err := rows[friendsRow](ctx, q, question{env: env, collection: "characters_friend",
		terms: []term{{"character_id", id.String()}}})
	if err != nil {
		return nil, err
	}
	var out []event.Friend
	seen := map[event.CharacterID]bool{0: true, id: true}
	for _, r := range list {
		if r.Character.character() != id {
			continue
		}
		for _, f := range r.Friends {
			friend := f.Character.character()
			if seen[friend] || len(out) == 5000 {
				continue
			}
			seen[friend] = true
			out = append(out, event.Friend{Character: friend, LastLogin: f.LastLogin.time(),
				Online: event.World(f.Online.int32())})
		}
	}
	return out, nil
}

// OnlineStatus returns the world that each character is on, 0 for offline. Who
// is absent is unknown, not offline. When a batch fails, what the ones before it
// said is returned with the error.
func (q *Query) OnlineStatus(ctx context.Context, env event.Environment, ids []event.CharacterID) (map[event.CharacterID]event.World, error) {
	out := make(map[event.CharacterID]event.World, len(ids))
	for batch := range slices.Chunk(ids, maxBatch) {
		list, _, err := rows[struct {
			Character str `json:"character_id"`
			Status    str `json:"online_status"`
		}](ctx, q, question{env: env, collection: "characters_online_status",
			terms: []term{{"character_id", join(batch)}, {"c:limit", strconv.Itoa(len(batch))}}})
		if err != nil {
			return out, err
		}
		for _, r := range list {
			world, ok := r.Status.number(1<<31 - 1)
			if id := r.Character.character(); ok && id != 0 {
				out[id] = event.World(world)
			}
		}
	}
	return out, nil
}

func join[ID ~int64](ids []ID) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}
