package roster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"muster/event"
)

// A characterReader tells what is stored of characters.
type characterReader interface {
	Characters(ctx context.Context, ids []event.CharacterID) (map[event.CharacterID]event.Character, error)
}

// places knows in which environment to ask for a character: that of its world,
// and where the world is not known, each in turn.
type places struct {
	store        characterReader
	environments []event.Environment
}

// environmentOf returns the environment of w, the first one configured for a
// world that is not known or not followed.
func (p places) environmentOf(w event.World) event.Environment {
	info, ok := w.Info()
	if !ok || !slices.Contains(p.environments, info.Environment) {
		return p.environments[0]
	}
	return info.Environment
}

// group is ids to ask one environment for.
type group struct {
	env event.Environment
	ids []event.CharacterID
}

type groups []group

// sort groups ids by environment. With one environment the store is not asked.
func (p places) sort(ctx context.Context, ids []event.CharacterID) (groups, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(p.environments) == 1 {
		return groups{{p.environments[0], ids}}, nil
	}
	stored, err := p.store.Characters(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("worlds of characters: %w", err)
	}
	var g groups
	for _, id := range ids {
		g = g.add(p.environmentOf(stored[id].World), id)
	}
	return g, nil
}

// one returns the environment of one character.
func (p places) one(ctx context.Context, id event.CharacterID) (event.Environment, error) {
	g, err := p.sort(ctx, []event.CharacterID{id})
	if err != nil {
		return "", err
	}
	return g[0].env, nil
}

func (g groups) add(env event.Environment, ids ...event.CharacterID) groups {
	for i := range g {
		if g[i].env == env {
			g[i].ids = append(g[i].ids, ids...)
			return g
		}
	}
	return append(g, group{env, slices.Clone(ids)})
}

// next adds ids that env does not know to the environment after it; ids that the
// last one does not know are dropped: see gone.
func (g groups) next(all []event.Environment, env event.Environment, unknown []event.CharacterID) groups {
	i := slices.Index(all, env)
	if len(unknown) == 0 || i < 0 || i+1 >= len(all) {
		return g
	}
	return g.add(all[i+1], unknown...)
}

// gone returns ids as missing, at now, once the last environment does not know
// them.
func gone(ids []event.CharacterID, env event.Environment, all []event.Environment, now time.Time) []event.Character {
	if env != all[len(all)-1] {
		return nil
	}
	missing := make([]event.Character, len(ids))
	for i, id := range ids {
		missing[i] = event.Character{ID: id, Missing: true, ResolvedAt: now}
	}
	return missing
}
