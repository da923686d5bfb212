package roster_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/census"
	"muster/event"
)

// base is the first of the made-up characters.
const base event.CharacterID = 5428000000000000000

// ids returns n made-up characters.
func ids(n int) []event.CharacterID {
	all := make([]event.CharacterID, n)
	for i := range all {
		all[i] = base + event.CharacterID(i)
	}
	return all
}

// fakeStore remembers what it was told.
type fakeStore struct {
	mu         sync.Mutex
	characters map[event.CharacterID]event.Character
	unresolved []event.CharacterID
	saves      int
	saveErrs   int // saves that fail first
	friends    map[event.CharacterID][]event.Friend
	readAt     map[event.CharacterID]time.Time
	linked     []event.CharacterID
	lookups    map[string][]event.Lookup
	stale      []event.Online
	outfits    []event.Outfit
	members    map[event.OutfitID][]event.Member
	followed   []event.Outfit
	hidden     []event.CharacterID
	players    []event.Player // of any friends list
	off        []event.CharacterID
	gaps       []event.Gap
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		characters: make(map[event.CharacterID]event.Character),
		friends:    make(map[event.CharacterID][]event.Friend),
		readAt:     make(map[event.CharacterID]time.Time),
		lookups:    make(map[string][]event.Lookup),
		members:    make(map[event.OutfitID][]event.Member),
	}
}

func (s *fakeStore) Friends(context.Context, event.CharacterID) ([]event.Player, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.players), time.Time{}, nil
}

func (s *fakeStore) Gaps(context.Context, time.Time, time.Time) ([]event.Gap, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gaps), nil
}

func (s *fakeStore) WatchedOff(_ context.Context, world event.World, _ time.Time, _ int) ([]event.CharacterID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if world != 10 {
		return nil, nil
	}
	return slices.Clone(s.off), nil
}

func (s *fakeStore) AllHidden(context.Context) ([]event.CharacterID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hidden), nil
}

func (s *fakeStore) Unresolved(_ context.Context, _ time.Time, limit int) ([]event.CharacterID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []event.CharacterID
	for _, id := range s.unresolved {
		if _, known := s.characters[id]; !known && len(due) < limit {
			due = append(due, id)
		}
	}
	return due, nil
}

func (s *fakeStore) Characters(_ context.Context, want []event.CharacterID) (map[event.CharacterID]event.Character, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[event.CharacterID]event.Character)
	for _, id := range want {
		if c, ok := s.characters[id]; ok {
			out[id] = c
		}
	}
	return out, nil
}

func (s *fakeStore) SaveCharacters(ctx context.Context, all []event.Character) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.saves++
	if s.saveErrs > 0 {
		s.saveErrs--
		return fmt.Errorf("disk is full")
	}
	for _, c := range all {
		s.characters[c.ID] = c
	}
	return nil
}

func (s *fakeStore) SaveFriends(_ context.Context, owner event.CharacterID, friends []event.Friend, readAt time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readAt[owner] = readAt
	if len(friends) > 0 {
		s.friends[owner] = friends
	}
	return nil
}

func (s *fakeStore) FriendsDue(_ context.Context, before time.Time, limit int) ([]event.CharacterID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []event.CharacterID
	for _, id := range s.linked {
		if s.readAt[id].Before(before) && len(due) < limit {
			due = append(due, id)
		}
	}
	return due, nil
}

func (s *fakeStore) Lookups(_ context.Context, category string) ([]event.Lookup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookups[category], nil
}

func (s *fakeStore) SaveLookups(_ context.Context, rows []event.Lookup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range rows {
		s.lookups[row.Category] = append(s.lookups[row.Category], row)
	}
	return nil
}

func (s *fakeStore) StaleOnline(_ context.Context, before time.Time, _ int) ([]event.Online, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []event.Online
	for _, o := range s.stale {
		if o.LastSeen.Before(before) {
			out = append(out, o)
		}
	}
	return out, nil
}

func (s *fakeStore) CharacterByName(_ context.Context, name string) (event.Character, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.characters {
		if strings.EqualFold(c.Name, name) {
			return c, true, nil
		}
	}
	return event.Character{}, false, nil
}

func (s *fakeStore) OutfitsByTag(_ context.Context, tag string) ([]event.Outfit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.outfits), func(o event.Outfit) bool {
		return !strings.EqualFold(o.Tag, tag)
	}), nil
}

func (s *fakeStore) SaveOutfits(_ context.Context, outfits []event.Outfit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outfits = append(s.outfits, outfits...)
	return nil
}

func (s *fakeStore) SaveMembers(_ context.Context, id event.OutfitID, members []event.Member) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[id] = members
	return nil
}

func (s *fakeStore) FollowedOutfits(context.Context) ([]event.Outfit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.followed), nil
}

// all returns what is stored.
func (s *fakeStore) all() map[event.CharacterID]event.Character {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.characters)
}

// question is one call of the query service.
type question struct {
	what string
	env  event.Environment
	ids  []event.CharacterID
	at   time.Time
}

// fakeQuery knows characters and remembers what it was asked.
type fakeQuery struct {
	mu        sync.Mutex
	asked     []question
	known     map[event.Environment]map[event.CharacterID]event.Character
	friends   map[event.CharacterID][]event.Friend
	online    map[event.CharacterID]event.World
	tables    map[string][]event.Lookup
	outfits   map[event.Environment][]event.Outfit
	members   map[event.OutfitID][]event.Member
	territory []event.Territory
	fail      func(q question) error // nil: never
	answering func()                 // called before an answer of Characters
}

func newFakeQuery() *fakeQuery {
	return &fakeQuery{
		known:   make(map[event.Environment]map[event.CharacterID]event.Character),
		friends: make(map[event.CharacterID][]event.Friend),
		online:  make(map[event.CharacterID]event.World),
		tables:  make(map[string][]event.Lookup),
		outfits: make(map[event.Environment][]event.Outfit),
		members: make(map[event.OutfitID][]event.Member),
	}
}

// teach makes characters known in env.
func (q *fakeQuery) teach(env event.Environment, world event.World, known ...event.CharacterID) {
	if q.known[env] == nil {
		q.known[env] = make(map[event.CharacterID]event.Character)
	}
	for _, id := range known {
		q.known[env][id] = event.Character{ID: id, Name: "P" + id.String()[15:], Faction: event.TR, World: world}
	}
}

func (q *fakeQuery) note(what string, env event.Environment, about ...event.CharacterID) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked := question{what, env, slices.Clone(about), time.Now()}
	q.asked = append(q.asked, asked)
	if q.fail != nil {
		return q.fail(asked)
	}
	return nil
}

// about returns the questions of one sort.
func (q *fakeQuery) about(what string) []question {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(q.asked), func(q question) bool { return q.what != what })
}

func (q *fakeQuery) Characters(_ context.Context, env event.Environment, want []event.CharacterID) ([]event.Character, error) {
	if err := q.note("characters", env, want...); err != nil {
		return nil, err
	}
	if q.answering != nil {
		q.answering()
	}
	var out []event.Character
	for _, id := range want {
		if c, ok := q.known[env][id]; ok {
			out = append(out, c)
		}
	}
	return out, nil
}

func (q *fakeQuery) Friends(_ context.Context, env event.Environment, id event.CharacterID) ([]event.Friend, error) {
	if err := q.note("friends", env, id); err != nil {
		return nil, err
	}
	return q.friends[id], nil
}

func (q *fakeQuery) OnlineStatus(_ context.Context, env event.Environment, want []event.CharacterID) (map[event.CharacterID]event.World, error) {
	if err := q.note("online", env, want...); err != nil {
		return nil, err
	}
	out := make(map[event.CharacterID]event.World)
	for _, id := range want {
		if w, ok := q.online[id]; ok {
			out[id] = w
		}
	}
	return out, nil
}

func (q *fakeQuery) Lookups(_ context.Context, env event.Environment, category string) ([]event.Lookup, error) {
	if err := q.note(category, env); err != nil {
		return nil, err
	}
	return q.tables[category], nil
}

func (q *fakeQuery) CharacterByName(_ context.Context, env event.Environment, name string) (event.Character, error) {
	if err := q.note("name", env); err != nil {
		return event.Character{}, err
	}
	for _, c := range q.known[env] {
		if strings.EqualFold(c.Name, name) {
			return c, nil
		}
	}
	return event.Character{}, fmt.Errorf("character: %w", census.ErrNotFound)
}

func (q *fakeQuery) OutfitsByTag(_ context.Context, env event.Environment, tag string) ([]event.Outfit, error) {
	if err := q.note("tag", env); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(q.outfits[env]), func(o event.Outfit) bool {
		return !strings.EqualFold(o.Tag, tag)
	}), nil
}

func (q *fakeQuery) Map(_ context.Context, env event.Environment, _ event.World) ([]event.Territory, error) {
	if err := q.note("map", env); err != nil {
		return nil, err
	}
	return q.territory, nil
}

func (q *fakeQuery) Members(_ context.Context, env event.Environment, id event.OutfitID) ([]event.Member, error) {
	if err := q.note("members", env, event.CharacterID(id)); err != nil {
		return nil, err
	}
	return q.members[id], nil
}
