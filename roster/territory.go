package roster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"muster/event"
)

// territoryAge is how old an answer of who holds what may be: many ask at once when a
// continent is about to fall.
const territoryAge = 20 * time.Second

// territories remembers who holds what, by world.
type territories struct {
	mu    sync.Mutex
	known map[event.World]*territoryOf
}

// A territoryOf is one world's, asked for by one at a time.
type territoryOf struct {
	asking chan struct{} // holds one while somebody asks
	mu     sync.Mutex
	list   []event.Territory
	at     time.Time
}

func (t *territories) of(w event.World) *territoryOf {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[event.World]*territoryOf{}
	}
	if t.known[w] == nil {
		t.known[w] = &territoryOf{asking: make(chan struct{}, 1)}
	}
	return t.known[w]
}

func (t *territoryOf) get(now time.Time) ([]event.Territory, time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list, t.at, !t.at.IsZero() && now.Sub(t.at) < territoryAge
}

// Territory returns who holds the regions of world's continents, and as of when, at most
// twenty seconds ago. world must be one of the game's.
func (d *Directory) Territory(ctx context.Context, world event.World) ([]event.Territory, time.Time, error) {
	if _, ok := world.Info(); !ok {
		return nil, time.Time{}, fmt.Errorf("territory: no world %d", world)
	}
	t := d.territories.of(world)
	if list, at, fresh := t.get(time.Now()); fresh {
		return list, at, nil
	}
	select {
	case t.asking <- struct{}{}:
		defer func() { <-t.asking }()
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
	if list, at, fresh := t.get(time.Now()); fresh { // somebody has asked meanwhile
		return list, at, nil
	}
	at := time.Now()
	list, err := d.cfg.Query.Map(ctx, d.places.environmentOf(world), world)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("territory: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list, t.at = list, at
	return list, at, nil
}
