package notifier

import "muster/event"

// indexKey is one exact thing that clients wait for. A character or outfit
// stands alone; otherwise the key is a world and a kind, zero meaning any.
type indexKey struct {
	character event.CharacterID
	outfit    event.OutfitID
	world     event.World
	kind      string
}

// An index finds the clients that an event concerns without looking at the
// others: what an event costs is what matches it.
type index map[indexKey]map[*client]struct{}

// keys returns where a client with filter f must be found: by its characters
// and outfits if it has any, for they are rarest.
func (f filter) keys() []indexKey {
	var keys []indexKey
	for c := range f.characters {
		keys = append(keys, indexKey{character: c})
	}
	for o := range f.outfits {
		keys = append(keys, indexKey{outfit: o})
	}
	if len(keys) > 0 {
		return keys
	}
	worlds, kinds := f.worlds, f.kinds
	if len(worlds) == 0 {
		worlds = map[event.World]struct{}{0: {}}
	}
	if len(kinds) == 0 {
		kinds = map[string]struct{}{"": {}}
	}
	for w := range worlds {
		for k := range kinds {
			keys = append(keys, indexKey{world: w, kind: k})
		}
	}
	return keys
}

func (x index) add(c *client) {
	for _, f := range c.filters {
		for _, k := range f.keys() {
			if x[k] == nil {
				x[k] = map[*client]struct{}{}
			}
			x[k][c] = struct{}{}
			c.keys = append(c.keys, k)
		}
	}
}

func (x index) remove(c *client) {
	for _, k := range c.keys {
		delete(x[k], c)
		if len(x[k]) == 0 {
			delete(x, k)
		}
	}
	c.keys = nil
}

// each calls do once for every client that asks for s. stamp must differ from
// that of every other call.
func (x index) each(s subject, stamp uint64, do func(*client)) {
	visit := func(k indexKey) {
		for c := range x[k] {
			if c.stamp != stamp && c.wants(s) {
				c.stamp = stamp
				do(c)
			}
		}
	}
	for _, id := range s.characters {
		if id != 0 {
			visit(indexKey{character: id})
		}
	}
	for _, id := range s.outfits {
		if id != 0 {
			visit(indexKey{outfit: id})
		}
	}
	visit(indexKey{world: s.world, kind: s.kind})
	visit(indexKey{world: s.world})
	visit(indexKey{kind: s.kind})
	visit(indexKey{})
}
