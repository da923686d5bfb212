package census

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"muster/event"
)

type outfitRow struct {
	ID      str `json:"outfit_id"`
	Tag     str `json:"alias"`
	Name    str `json:"name"`
	Leader  str `json:"leader_character_id"`
	Members str `json:"member_count"`
	Joined  part[struct {
		Faction str `json:"faction_id"`
	}] `json:"leader"`
}

func (r outfitRow) outfit() event.Outfit {
	o := event.Outfit{ID: r.ID.outfit(), Tag: string(r.Tag), Name: string(r.Name),
		Leader: r.Leader.character(), Members: int(r.Members.int32())}
	if r.Joined.v != nil {
		o.Faction = r.Joined.v.Faction.faction()
	}
	return o
}

// leaderJoin asks for the leader's faction, which is the outfit's.
func leaderJoin() term {
	return term{"c:join", "character^on:leader_character_id^to:character_id^show:faction_id^inject_at:leader"}
}

// OutfitsByTag returns the outfits with that tag in any case, largest first.
// Several rows are normal: old and empty outfits keep their tags (census 5.4).
func (q *Query) OutfitsByTag(ctx context.Context, env event.Environment, tag string) ([]event.Outfit, error) {
	lower, ok := lowerName(tag)
	if !ok {
		return nil, nil
	}
	got, err := q.outfits(ctx, env, []term{{"alias_lower", lower}, leaderJoin(), {"c:limit", "50"}})
	slices.SortStableFunc(got, func(a, b event.Outfit) int { return cmp.Compare(b.Members, a.Members) })
	return got, err
}

// Outfits returns each outfit that the service knows, in batches of 50. When a
// batch fails, those before it are returned with the error.
func (q *Query) Outfits(ctx context.Context, env event.Environment, ids []event.OutfitID) ([]event.Outfit, error) {
	var out []event.Outfit
	for batch := range slices.Chunk(ids, maxBatch) {
		got, err := q.outfits(ctx, env, []term{{"outfit_id", join(batch)}, leaderJoin(),
			{"c:limit", strconv.Itoa(len(batch))}})
		if err != nil {
			return out, err
		}
		out = append(out, got...)
	}
	return out, nil
}

func (q *Query) outfits(ctx context.Context, env event.Environment, terms []term) ([]event.Outfit, error) {
	list, _, err := rows[outfitRow](ctx, q, question{env: env, collection: "outfit", terms: terms})
	if err != nil {
		return nil, err
	}
	var out []event.Outfit
	for _, r := range list {
		if o := r.outfit(); o.ID != 0 {
			out = append(out, o)
		}
	}
	return out, nil
}

type memberRow struct {
	Outfit    str `json:"outfit_id"`
	Character str `json:"character_id"`
	Since     str `json:"member_since"`
	Rank      str `json:"rank"`
	Ordinal   str `json:"rank_ordinal"`
}

// Members returns an outfit's roster, each character once, paged by 5,000. It
// lags the game by minutes to hours. Half a roster is never returned: readers
// take who is absent for one who left.
func (q *Query) Members(ctx context.Context, env event.Environment, outfit event.OutfitID) ([]event.Member, error) {
	if outfit <= 0 {
		return nil, fmt.Errorf("%w: outfit %d", ErrBadQuery, outfit)
	}
	list, err := pages[memberRow](ctx, q, question{env: env, collection: "outfit_member", terms: []term{
		{"outfit_id", outfit.String()},
		{"c:show", "outfit_id,character_id,member_since,rank,rank_ordinal"},
		{"c:sort", "character_id"},
	}})
	if err != nil {
		return nil, err
	}
	var out []event.Member
	seen := map[event.CharacterID]bool{0: true}
	for _, r := range list {
		id := r.Character.character()
		if r.Outfit.outfit() != outfit || seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, event.Member{Outfit: outfit, Character: id, Rank: string(r.Rank),
			Ordinal: int(r.Ordinal.int32()), Since: r.Since.time()})
	}
	return out, nil
}

// pages asks for a list page by page until one is short.
func pages[T any](ctx context.Context, q *Query, qu question) ([]T, error) {
	var out []T
	own := qu.terms
	for page := range maxPages {
		qu.terms = append(slices.Clone(own),
			term{"c:limit", strconv.Itoa(pageSize)}, term{"c:start", strconv.Itoa(page * pageSize)})
		list, raw, err := rows[T](ctx, q, qu)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
		if raw < pageSize {
			return out, nil
		}
	}
	return nil, fmt.Errorf("query %s: %w: more than %d rows", qu.collection, ErrUnavailable, maxPages*pageSize)
}
