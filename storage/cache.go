package storage

import (
	"sync"
	"time"

	"muster/event"
)

// A presenceCache remembers whom this process knows to be online, so that
// ordinary activity costs no SQL. It is changed only after a commit.
//
// A stale entry does little harm. It can only make Record skip a sign of life that
// is newer than the last logout known here and less than cacheStep newer than what
// is stored. Where several processes write, which is on MySQL, what was skipped is
// compared with the table every dueEvery, and folded where another process knew
// better; so a character that another one has ended is back seconds late at most.
// An entry that is missing costs one read.
//
// It keeps at most about limit entries: when the young half is full, the old
// half is forgotten, and what is asked for again becomes young.
type presenceCache struct {
	mu         sync.Mutex
	half       int
	young, old map[event.CharacterID]*hot
	// due are characters whose row lags by cacheStep. They are written together,
	// for their rows share pages, and pages are what a commit pays for.
	due   map[event.CharacterID]touch
	dueAt time.Time // when they were last taken

	// Where other processes write too: unsure are those of whom a sign of life was
	// skipped since the table was last looked at, strange is what it must learn of
	// those whom it has otherwise.
	shared   bool
	unsure   []touch
	unsureAt time.Time // when they were last looked at
	strange  map[event.CharacterID]sign
}

// Bounds of what is due: that many, or that old by the dispatcher's clock.
const (
	dueMost  = 1000
	dueEvery = 10 * time.Second
)

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
	unsure     bool // it is on the list
}

func newPresenceCache(limit int) *presenceCache {
	return &presenceCache{half: max(limit/2, 1), young: map[event.CharacterID]*hot{}, due: map[event.CharacterID]touch{},
		strange: map[event.CharacterID]sign{}}
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

// ordinary reports whether activity at (at, world, zone) says nothing but that
// somebody is still there.
func (h *hot) ordinary(at int64, world event.World, zone event.Zone) bool {
	return h != nil && h.world == world && h.zone == zone && at > h.loggedOut && at >= h.session
}

// is reports whether t is as h has it, but for when it was last seen.
func (h *hot) is(t event.Track) bool {
	return t.Online.Online && t.World == h.world && t.Zone == h.zone && sec(t.Session) == h.session && sec(t.LoggedOut) == h.loggedOut
}

// lags reports whether the table must hear of activity at at.
func (h *hot) lags(at int64) bool { return at >= h.storedSeen+cacheStep }

// A touch is ordinary activity. As long as the table does not lag too far
// behind, only the cache is told.
type touch struct {
	h  *hot
	id event.CharacterID
	at int64
}

// note puts t on the list of what is due; it needs mu. That the transaction may
// yet fail does no harm: the event was seen all the same.
func (c *presenceCache) note(t touch) {
	if t.at > c.due[t.id].at {
		c.due[t.id] = t
	}
}

// takeDue returns what is to be written now, if anything; it needs mu. It stays on
// the list until it is committed.
func (c *presenceCache) takeDue(now time.Time) []touch {
	if len(c.due) == 0 || len(c.due) < dueMost && now.Sub(c.dueAt).Abs() < dueEvery {
		return nil
	}
	c.dueAt = now
	list := make([]touch, 0, len(c.due))
	for id, t := range c.due {
		if c.get(id) != t.h { // folded or ended since
			delete(c.due, id)
			continue
		}
		list = append(list, t)
	}
	return list
}

// committed takes in what a transaction has stored: touched were seen, of those
// refreshed the table knows it too, tracks were folded.
func (c *presenceCache) committed(touched, refreshed []touch, tracks []event.Track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range touched {
		t.h.lastSeen = max(t.h.lastSeen, t.at)
		if c.shared && !t.h.unsure {
			t.h.unsure = true
			c.unsure = append(c.unsure, t)
		}
	}
	for _, t := range refreshed {
		c.stored(t)
	}
	for i := range tracks {
		t := &tracks[i]
		delete(c.strange, t.Character)
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

// stored notes that the table knows of t; it needs mu.
func (c *presenceCache) stored(t touch) {
	t.h.storedSeen = max(t.h.storedSeen, t.at)
	if d := c.due[t.id]; d.h == t.h && d.at <= t.at {
		delete(c.due, t.id)
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
