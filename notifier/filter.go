package notifier

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"muster/event"
)

// A filter says which events a client wants: those on one of its worlds, of one
// of its kinds, that concern one of its characters, or a member of one of its
// outfits or that outfit itself. An empty part asks for all. Keys are exact.
type filter struct {
	worlds     map[event.World]struct{}
	kinds      map[string]struct{}
	characters map[event.CharacterID]struct{}
	outfits    map[event.OutfitID]struct{}
}

// A badFilter is a filter that cannot be, with what would have been taken.
type badFilter struct {
	text    string
	allowed []string
}

func (e *badFilter) Error() string { return e.text }

// filterSpec is a filter as clients write it.
type filterSpec struct {
	World     []string `json:"world,omitempty"`
	Character []string `json:"character,omitempty"`
	Outfit    []string `json:"outfit,omitempty"`
	Kind      []string `json:"kind,omitempty"`
}

func specFromQuery(q url.Values) filterSpec {
	return filterSpec{World: q["world"], Character: q["character"], Outfit: q["outfit"], Kind: q["kind"]}
}

func (s filterSpec) size() int {
	return len(s.World) + len(s.Character) + len(s.Outfit) + len(s.Kind)
}

// parse checks s. At most limit values are taken; the error is a *badFilter.
func (s filterSpec) parse(limit int) (filter, error) {
	if n := s.size(); n > limit {
		return filter{}, &badFilter{text: fmt.Sprintf("%d filter values, at most %d are taken", n, limit)}
	}
	f := filter{}
	for _, text := range s.World {
		w, ok := parseWorld(text)
		if !ok {
			return filter{}, &badFilter{text: fmt.Sprintf("world %.40q is not known", text), allowed: worldIDs()}
		}
		put(&f.worlds, w)
	}
	for _, kind := range s.Kind {
		if !slices.Contains(event.FeedKinds(), kind) {
			return filter{}, &badFilter{text: fmt.Sprintf("kind %.40q is not known", kind), allowed: event.FeedKinds()}
		}
		put(&f.kinds, kind)
	}
	for _, text := range s.Character {
		id, err := event.ParseCharacterID(text)
		if err != nil || id == 0 {
			return filter{}, &badFilter{text: fmt.Sprintf("character %.40q is not an id: up to 19 digits", text)}
		}
		put(&f.characters, id)
	}
	for _, text := range s.Outfit {
		id, err := event.ParseOutfitID(text)
		if err != nil || id == 0 {
			return filter{}, &badFilter{text: fmt.Sprintf("outfit %.40q is not an id: up to 19 digits", text)}
		}
		put(&f.outfits, id)
	}
	return f, nil
}

func put[K comparable](m *map[K]struct{}, k K) {
	if *m == nil {
		*m = map[K]struct{}{}
	}
	(*m)[k] = struct{}{}
}

// parseWorld takes the id of a known world.
func parseWorld(text string) (event.World, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || text != strconv.FormatUint(n, 10) {
		return 0, false
	}
	_, ok := event.World(n).Info()
	return event.World(n), ok
}

func worldIDs() []string {
	var ids []string
	for _, w := range event.Worlds() {
		ids = append(ids, strconv.Itoa(int(w.ID)))
	}
	return ids
}

// subject is what of an item filters look at.
type subject struct {
	world      event.World
	kind       string
	characters [2]event.CharacterID // 0: nobody
	outfits    [3]event.OutfitID    // of the characters, and for which a base fell; 0: none
}

func subjectOf(it *event.FeedItem) subject {
	s := subject{world: it.World, kind: it.Kind}
	for i, who := range []*event.Who{it.Character, it.Other} {
		if who == nil {
			continue
		}
		s.characters[i] = who.ID
		if who.Outfit != nil {
			s.outfits[i] = who.Outfit.ID
		}
	}
	s.outfits[2] = creditedOutfit(it)
	return s
}

// creditedOutfit returns for which outfit a base was taken or held; its detail is
// described in docs/feed.md.
func creditedOutfit(it *event.FeedItem) event.OutfitID {
	if it.Kind != "capture" && it.Kind != "defend" {
		return 0
	}
	var detail struct {
		Outfit event.WhoOutfit `json:"outfit"`
	}
	if json.Unmarshal(it.Detail, &detail) != nil {
		return 0 // another shape names no outfit
	}
	return detail.Outfit.ID
}

// matches reports whether f asks for s.
func (f filter) matches(s subject) bool {
	return (len(f.worlds) == 0 || has(f.worlds, s.world)) &&
		(len(f.kinds) == 0 || has(f.kinds, s.kind)) &&
		f.matchesWho(s)
}

func (f filter) matchesWho(s subject) bool {
	if len(f.characters) == 0 && len(f.outfits) == 0 {
		return true
	}
	return slices.ContainsFunc(s.characters[:], func(id event.CharacterID) bool { return has(f.characters, id) }) ||
		slices.ContainsFunc(s.outfits[:], func(id event.OutfitID) bool { return has(f.outfits, id) })
}

func has[K comparable](m map[K]struct{}, k K) bool { _, ok := m[k]; return ok }

func (f filter) equal(g filter) bool {
	return maps.Equal(f.worlds, g.worlds) && maps.Equal(f.kinds, g.kinds) &&
		maps.Equal(f.characters, g.characters) && maps.Equal(f.outfits, g.outfits)
}

func (f filter) size() int {
	return len(f.worlds) + len(f.kinds) + len(f.characters) + len(f.outfits)
}

// wantsWorld reports whether news of w's stream concerns f.
func (f filter) wantsWorld(w event.World) bool {
	return len(f.worlds) == 0 || has(f.worlds, w)
}

// spec writes f as clients do, sorted.
func (f filter) spec() filterSpec {
	var s filterSpec
	for w := range f.worlds {
		s.World = append(s.World, strconv.Itoa(int(w)))
	}
	for c := range f.characters {
		s.Character = append(s.Character, c.String())
	}
	for o := range f.outfits {
		s.Outfit = append(s.Outfit, o.String())
	}
	s.Kind = slices.Collect(maps.Keys(f.kinds))
	for _, list := range [][]string{s.World, s.Character, s.Outfit, s.Kind} {
		slices.SortFunc(list, strings.Compare)
	}
	return s
}
