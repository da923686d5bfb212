package dispatcher

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"muster/event"
)

// Bounds of the cache of names; above them arbitrary entries go.
const (
	maxCharacters = 200_000
	maxOutfits    = 50_000
)

// names is what the feed calls things. It is filled from the store, kept fresh by
// the roster's news, and never makes the feed wait for a name: what is not known
// is empty, and repaired by readers later.
type names struct {
	store Store
	log   *slog.Logger

	mu         sync.Mutex
	characters map[event.CharacterID]event.Character
	outfits    map[event.OutfitID]event.Outfit
	lookups    map[string]map[int64]string
	known      int  // how many lookups there are
	missed     bool // a lookup was asked for and not there
	nextLoad   time.Time
	loadDelay  time.Duration
}

func newNames(s Store, log *slog.Logger) *names {
	return &names{store: s, log: log, loadDelay: lookupEvery,
		characters: make(map[event.CharacterID]event.Character), outfits: make(map[event.OutfitID]event.Outfit)}
}

// learn takes what the roster says.
func (n *names) learn(characters []event.Character) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range characters {
		n.put(c)
	}
}

func (n *names) put(c event.Character) {
	drop(n.characters, maxCharacters)
	n.characters[c.ID] = c
	if !c.Outfit.IsZero() {
		drop(n.outfits, maxOutfits)
		n.outfits[c.Outfit.ID] = c.Outfit
	}
}

// drop makes room for one entry.
func drop[K comparable, V any](m map[K]V, limit int) {
	for k := range m {
		if len(m) < limit {
			return
		}
		delete(m, k)
	}
}

// forget makes every character be read again.
func (n *names) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.characters)
}

// cast returns the characters of events, from memory or the store. Without the
// store's answer it holds what is in memory.
func (n *names) cast(ctx context.Context, events []event.Event, changes []event.PresenceChange) map[event.CharacterID]event.Character {
	all := make(map[event.CharacterID]event.Character, len(events)/2+len(changes))
	var missing []event.CharacterID
	n.mu.Lock()
	add := func(id event.CharacterID) {
		if _, seen := all[id]; seen || id == 0 {
			return
		}
		c, ok := n.characters[id]
		if !ok {
			c = event.Character{ID: id}
			missing = append(missing, id)
		}
		all[id] = c
	}
	for i := range events {
		a, b := events[i].Characters()
		add(a)
		add(b)
	}
	for _, c := range changes {
		add(c.After.Character)
	}
	n.mu.Unlock()
	if len(missing) > 0 {
		n.read(ctx, missing, all)
	}
	return all
}

// read asks the store. Those it does not know are remembered without a name: the
// roster says when one is learned.
func (n *names) read(ctx context.Context, missing []event.CharacterID, all map[event.CharacterID]event.Character) {
	found, err := n.store.Characters(ctx, missing)
	if err != nil {
		n.log.DebugContext(ctx, "names for the feed cannot be read", "characters", len(missing), "err", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range missing {
		c, ok := found[id]
		if !ok {
			c = event.Character{ID: id}
		}
		// The roster may have spoken while the store was being read.
		if newer, ok := n.characters[id]; ok && newer.Name != "" {
			c = newer
		}
		n.put(c)
		all[id] = c
	}
}

// lookup returns the name of id, "" if it has none.
func (n *names) lookup(category string, id int64) string {
	if id == 0 {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name, ok := n.lookups[category][id]
	if !ok {
		n.missed = true
	}
	return name
}

func (n *names) outfit(id event.OutfitID) event.Outfit {
	n.mu.Lock()
	defer n.mu.Unlock()
	if o, ok := n.outfits[id]; ok {
		return o
	}
	return event.Outfit{ID: id}
}

// refresh reads the tables of names again if one was missing: soon at first, as
// the roster may just be filling them, then ever more seldom.
func (n *names) refresh(ctx context.Context) {
	n.mu.Lock()
	due := n.missed && !time.Now().Before(n.nextLoad)
	n.mu.Unlock()
	if due {
		n.loadLookups(ctx)
	}
}

func (n *names) loadLookups(ctx context.Context) {
	fresh := make(map[string]map[int64]string)
	known := 0
	for _, category := range []string{event.LookupItem, event.LookupFacility, event.LookupMetagame,
		event.LookupExperience, event.LookupAchievement} {
		rows, err := n.store.Lookups(ctx, category)
		if err != nil {
			n.log.DebugContext(ctx, "names of things cannot be read", "category", category, "err", err)
			return
		}
		byID := make(map[int64]string, len(rows))
		for _, l := range rows {
			byID[l.ID] = l.Name
		}
		fresh[category], known = byID, known+len(byID)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if known != n.known {
		n.loadDelay = lookupEvery
	}
	n.lookups, n.known, n.missed = fresh, known, false
	n.nextLoad = time.Now().Add(n.loadDelay)
	n.loadDelay = min(2*n.loadDelay, lookupLimit)
}
