package notifier

import (
	"bytes"
	"slices"
	"time"

	"muster/event"
)

// Bounds of what is remembered about names, oldest forgotten first.
const (
	maxNamesLearned = 20_000
	maxPlaceholders = 20_000
	maxNameFrames   = 600
	namesPerFrame   = 200
)

// names remembers which characters went out without a name, and what was
// learned since, so that a placeholder is repaired wherever it still shows.
type names struct {
	learned bounded[event.CharacterID, event.Character]
	waiting bounded[event.CharacterID, time.Time] // shown without a name
	log     []nameFrame                           // what was sent, oldest first
}

type nameFrame struct {
	id    string // the moment it was sent, as pointID
	frame *frame
}

func newNames() names {
	return names{
		learned: newBounded[event.CharacterID, event.Character](maxNamesLearned),
		waiting: newBounded[event.CharacterID, time.Time](maxPlaceholders),
	}
}

// namesNews is the data of the event "names".
type namesNews struct {
	Characters []*event.Who `json:"characters"`
}

// fill puts names into it that the dispatcher did not have yet.
func (n *names) fill(it *event.FeedItem) {
	for _, who := range []*event.Who{it.Character, it.Other} {
		if who == nil || who.Name != "" {
			continue
		}
		if c, ok := n.learned.get(who.ID); ok {
			*who = *event.NewWho(c)
		}
	}
}

// await notes whose name is missing from it.
func (n *names) await(it *event.FeedItem, now time.Time) {
	for _, who := range []*event.Who{it.Character, it.Other} {
		if who != nil && who.Name == "" {
			n.waiting.put(who.ID, now)
		}
	}
}

// learn returns the events that repair placeholders shown before; none for
// names that nobody waits for.
func (n *names) learn(list []event.Character, now time.Time) (known []event.Character, frames []*frame) {
	var news namesNews
	flush := func() {
		if len(news.Characters) > 0 {
			frames = append(frames, newControl("", "names", news))
			news = namesNews{}
		}
	}
	for _, c := range list {
		if c.Hidden {
			n.learned.remove(c.ID)
			n.waiting.remove(c.ID)
		}
		if c.ID == 0 || c.Name == "" || c.Hidden {
			continue
		}
		n.learned.put(c.ID, c)
		if _, ok := n.waiting.get(c.ID); !ok {
			continue
		}
		n.waiting.remove(c.ID)
		known = append(known, c)
		if news.Characters = append(news.Characters, event.NewWho(c)); len(news.Characters) == namesPerFrame {
			flush()
		}
	}
	flush()
	for _, f := range frames {
		n.log = append(n.log, nameFrame{id: pointID(now), frame: f})
	}
	n.log = n.log[max(0, len(n.log)-maxNameFrames):]
	return known, frames
}

// since returns the repairs sent after id, for a client that was away.
func (n *names) since(id string) []*frame {
	var frames []*frame
	for _, f := range n.log {
		if f.id > id {
			frames = append(frames, f.frame)
		}
	}
	return frames
}

// learnNames repairs the ring and tells every client.
func (h *hub) learnNames(list []event.Character, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, frames := h.names.learn(list, now)
	if hidden := slices.DeleteFunc(slices.Clone(list), func(c event.Character) bool { return !c.Hidden }); len(hidden) > 0 {
		h.names.forgetFrames(hidden)
		h.ring.rename(hidden)
	}
	if len(known) == 0 {
		return
	}
	h.ring.rename(known)
	for _, f := range frames {
		h.broadcast(f, nil)
	}
}

// forgetFrames drops repairs that name one of hidden.
func (n *names) forgetFrames(hidden []event.Character) {
	n.log = slices.DeleteFunc(n.log, func(f nameFrame) bool {
		return slices.ContainsFunc(hidden, func(c event.Character) bool {
			return bytes.Contains(f.frame.data, []byte(`"id":"`+c.ID.String()+`"`))
		})
	})
}

// rename encodes the entries anew that showed one of list without a name, or that
// show one who is hidden by now.
func (r *ring) rename(list []event.Character) {
	byID := make(map[event.CharacterID]event.Character, len(list))
	for _, c := range list {
		byID[c.ID] = c
	}
	for i := range r.entries {
		r.entries[i].rename(byID, &r.bytes)
	}
}

func (e *entry) rename(byID map[event.CharacterID]event.Character, bytes *int) {
	changed := false
	for _, who := range []**event.Who{&e.item.Character, &e.item.Other} {
		if *who == nil {
			continue
		}
		c, ok := byID[(*who).ID]
		switch {
		case ok && c.Hidden:
			c.Faction = (*who).Faction
		case !ok || (*who).Name != "":
			continue
		}
		*who, changed = event.NewWho(c), true
	}
	if !changed {
		return
	}
	f, err := newItemFrame(&e.item)
	if err != nil {
		return // cannot be: it was encoded before
	}
	*bytes -= e.cost()
	e.frame, e.subject = f, subjectOf(&e.item)
	*bytes += e.cost()
}

// shown notes characters that a snapshot showed without a name.
func (h *hub) shown(ids []event.CharacterID, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		h.names.waiting.put(id, now)
	}
}

// bounded is a map that forgets what was put in first once it is full.
type bounded[K comparable, V any] struct {
	limit int
	m     map[K]V
	order []K
}

func newBounded[K comparable, V any](limit int) bounded[K, V] {
	return bounded[K, V]{limit: limit, m: map[K]V{}}
}

func (b *bounded[K, V]) get(k K) (V, bool) { v, ok := b.m[k]; return v, ok }

func (b *bounded[K, V]) remove(k K) { delete(b.m, k) }

func (b *bounded[K, V]) put(k K, v V) {
	if _, ok := b.m[k]; !ok {
		b.order = append(b.order, k)
	}
	b.m[k] = v
	for len(b.order) > b.limit {
		delete(b.m, b.order[0])
		b.order = b.order[1:]
	}
}
