package storage

import (
	"sync"

	"muster/event"
)

// A presenceCache remembers whom this process knows to be online, so that
// ordinary activity costs no SQL. It is changed only after a commit.
//
// A stale entry does no harm. It can only make Record skip a sign of life, and
// only one that is newer than the last logout known here and less than
// cacheStep newer than what is stored; the next one after that goes to the
// table, whose row decides. So with several dispatchers a character that another
// one has ended is back at most cacheStep of game time late, and an entry that is
// missing costs one read. A sign of life wrongly skipped is not lost either: the
// event itself is stored, and what was skipped takes part in the next fold.
//
// It keeps at most about limit entries: when the young half is full, the old
// half is forgotten, and what is asked for again becomes young.
type presenceCache struct {
	mu         sync.Mutex
	half       int
	young, old map[event.CharacterID]*hot
}

// cacheStep is how far, in seconds of game time, the stored last sign of life
// may lag behind.
const cacheStep = 60

// hot is a character that is online. Times are game seconds.
type hot struct {
	world      event.World
	zone       event.Zone
	session    int64
	loggedOut  int64
	storedSeen int64
	lastSeen   int64
}

func newPresenceCache(limit int) *presenceCache {
	return &presenceCache{half: max(limit/2, 1), young: map[event.CharacterID]*hot{}}
}

// get needs mu.
func (c *presenceCache) get(id event.CharacterID) *hot {
	if h := c.young[id]; h != nil {
		return h
	}
	h := c.old[id]
	if h != nil {
		c.put(id, h)
	}
	return h
}

// put needs mu.
func (c *presenceCache) put(id event.CharacterID, h *hot) {
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[event.CharacterID]*hot, c.half/4)
	}
	c.young[id] = h
}

// ordinary reports whether activity at (at, world, zone) adds nothing to what is
// stored but a few seconds.
func (h *hot) ordinary(at int64, world event.World, zone event.Zone) bool {
	return h != nil && h.world == world && h.zone == zone &&
		at > h.loggedOut && at >= h.session && at < h.storedSeen+cacheStep
}

// A touch is ordinary activity: only the cache is told.
type touch struct {
	h  *hot
	id event.CharacterID
	at int64
}

func (c *presenceCache) committed(touched []touch, tracks []event.Track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range touched {
		t.h.lastSeen = max(t.h.lastSeen, t.at)
	}
	for i := range tracks {
		t := &tracks[i]
		if !t.Online.Online {
			delete(c.young, t.Character)
			delete(c.old, t.Character)
			continue
		}
		seen := t.LastSeen.Unix()
		c.put(t.Character, &hot{world: t.World, zone: t.Zone, session: sec(t.Session),
			loggedOut: sec(t.LoggedOut), storedSeen: seen, lastSeen: seen})
	}
}

// forget drops characters that were ended by other ways than Record.
func (c *presenceCache) forget(ids []event.CharacterID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.young, id)
		delete(c.old, id)
	}
}

// An idCache remembers which characters have a row. Rows of characters are never
// deleted, so an entry cannot become wrong. Bounded like presenceCache.
type idCache struct {
	mu         sync.Mutex
	half       int
	young, old map[event.CharacterID]struct{}
}

func newIDCache(limit int) *idCache {
	return &idCache{half: max(limit/2, 1), young: map[event.CharacterID]struct{}{}}
}

// has needs mu.
func (c *idCache) has(id event.CharacterID) bool {
	if _, ok := c.young[id]; ok {
		return true
	}
	if _, ok := c.old[id]; ok {
		c.put(id)
		return true
	}
	return false
}

func (c *idCache) put(id event.CharacterID) {
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[event.CharacterID]struct{}, c.half/4)
	}
	c.young[id] = struct{}{}
}

func (c *idCache) add(ids []event.CharacterID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		c.put(id)
	}
}
