package dispatcher

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
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

	mu         sync.RWMutex
	characters map[event.CharacterID]*known
	outfits    map[event.OutfitID]event.Outfit
	hidden     map[event.CharacterID]struct{} // never changed, only replaced
	lookups    map[string]map[int64]string
	things     int // how many lookups there are
	nextLoad   time.Time
	loadDelay  time.Duration

	missed atomic.Bool // a lookup was asked for and not there
}

// known is a character with its JSON as the feed shows it (event.Who).
type known struct {
	named bool
	json  []byte
}

func newNames(s Store, log *slog.Logger) *names {
	return &names{store: s, log: log, loadDelay: lookupEvery,
		characters: make(map[event.CharacterID]*known), outfits: make(map[event.OutfitID]event.Outfit)}
}

// learn takes what the roster says.
func (n *names) learn(characters []event.Character) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range characters {
		if _, hidden := n.hidden[c.ID]; !hidden {
			n.put(c)
		}
	}
}

// hiddenNow returns who is hidden. The caller must not change it.
func (n *names) hiddenNow() map[event.CharacterID]struct{} {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.hidden
}

// readHidden asks the store who is hidden by now, and returns who was not before.
// What is remembered of those who have hidden, or have shown themselves, is
// forgotten.
func (n *names) readHidden(ctx context.Context) ([]event.CharacterID, error) {
	ids, err := n.store.AllHidden(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := make(map[event.CharacterID]struct{}, len(ids))
	var fresh []event.CharacterID
	for _, id := range ids {
		now[id] = struct{}{}
		if _, before := n.hidden[id]; !before {
			fresh = append(fresh, id)
			delete(n.characters, id)
		}
	}
	for id := range n.hidden {
		if _, still := now[id]; !still {
			delete(n.characters, id)
		}
	}
	n.hidden = now
	return fresh, nil
}

func (n *names) put(c event.Character) {
	drop(n.characters, maxCharacters)
	n.characters[c.ID] = &known{named: c.Name != "", json: appendWho(nil, c)}
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

// read asks the store for characters not in memory. Those it does not know are
// remembered without a name: the roster says when one is learned.
func (n *names) read(ctx context.Context, missing []event.CharacterID) {
	slices.Sort(missing)
	missing = slices.Compact(missing)
	found, err := n.store.Characters(ctx, missing)
	if err != nil {
		n.log.DebugContext(ctx, "names for the feed cannot be read", "characters", len(missing), "err", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range missing {
		if k, ok := n.characters[id]; ok && k.named {
			continue // the roster has spoken while the store was being read
		}
		c, ok := found[id]
		if !ok {
			c = event.Character{ID: id}
		}
		n.put(c)
	}
}

// lookup returns the name of id, "" if it has none. n.mu is held for reading.
func (n *names) lookup(category string, id int64) string {
	if id == 0 {
		return ""
	}
	name, ok := n.lookups[category][id]
	if !ok && !n.missed.Load() {
		n.missed.Store(true)
	}
	return name
}

// outfit returns what is known of id. n.mu is held for reading.
func (n *names) outfit(id event.OutfitID) event.Outfit {
	if o, ok := n.outfits[id]; ok {
		return o
	}
	return event.Outfit{ID: id}
}

// refresh reads the tables of names again if one was missing: soon at first, as
// the roster may just be filling them, then ever more seldom.
func (n *names) refresh(ctx context.Context) {
	n.mu.RLock()
	due := n.missed.Load() && !time.Now().Before(n.nextLoad)
	n.mu.RUnlock()
	if due {
		n.loadLookups(ctx)
	}
}

func (n *names) loadLookups(ctx context.Context) {
	fresh := make(map[string]map[int64]string)
	things := 0
	n.missed.Store(false)
	for _, category := range []string{event.LookupItem, event.LookupFacility, event.LookupMetagame,
		event.LookupExperience, event.LookupAchievement} {
		rows, err := n.store.Lookups(ctx, category)
		if err != nil {
			n.missed.Store(true)
			n.log.DebugContext(ctx, "names of things cannot be read", "category", category, "err", err)
			return
		}
		byID := make(map[int64]string, len(rows))
		for _, l := range rows {
			byID[l.ID] = l.Name
		}
		fresh[category], things = byID, things+len(byID)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if things != n.things {
		n.loadDelay = lookupEvery
	}
	n.lookups, n.things = fresh, things
	n.nextLoad = time.Now().Add(n.loadDelay)
	n.loadDelay = min(2*n.loadDelay, lookupLimit)
}
