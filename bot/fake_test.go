package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/alert"
	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/internal/backoff"
)

// fakeStore keeps in memory what alerts and the older commands ask of storage.
// What it lacks is for tests that run on a real store: see newRealBench.
type fakeStore struct {
	PreferenceStore
	PrivacyStore
	groupStore
	ChannelStore
	ShardStore
	mu         sync.Mutex
	characters map[event.CharacterID]event.Player
	outfits    map[event.OutfitID]event.Outfit
	friends    map[event.CharacterID][]event.CharacterID
	readAt     map[event.CharacterID]time.Time
	links      map[alert.UserID][]event.CharacterID
	watches    []alert.Watch
	recipients map[alert.UserID]alert.Recipient
	outbox
	population map[event.World]map[event.Faction]int
	alertRuns  []event.AlertRun
	sessions   map[event.CharacterID][]event.Session

	streams []event.StreamState
	gaps    []event.Gap
	broken  error       // returned by reads of the game
	panics  bool        // Links panics
	slow    atomic.Bool // FindCharacters takes a minute
}

// groupStore is the part of SubscriptionStore that fakeStore leaves out.
type groupStore interface {
	UpdateWatch(ctx context.Context, w alert.Watch) (bool, error)
	Groups(ctx context.Context, user alert.UserID) ([]alert.Group, error)
	SaveGroup(ctx context.Context, g alert.Group) (alert.Group, error)
	RemoveGroup(ctx context.Context, user alert.UserID, id int64) (bool, error)
}

func (s *fakeStore) ClaimChannels(context.Context, time.Time, int, time.Duration) ([]alert.ChannelTurn, error) {
	return nil, nil
}

func (s *fakeStore) GuildOutfit(context.Context, alert.Snowflake) (event.Outfit, bool, error) {
	return event.Outfit{}, false, nil
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		characters: map[event.CharacterID]event.Player{}, outfits: map[event.OutfitID]event.Outfit{},
		friends: map[event.CharacterID][]event.CharacterID{}, readAt: map[event.CharacterID]time.Time{},
		links: map[alert.UserID][]event.CharacterID{}, recipients: map[alert.UserID]alert.Recipient{},
		outbox: newOutbox(),
	}
}

// add stores a character; online tells where, 0 for off.
func (s *fakeStore) add(id event.CharacterID, name, tag string, online event.World) event.Character {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := event.Character{ID: id, Name: name, Faction: event.NC, World: 10, Rank: 87}
	if tag != "" {
		c.Outfit = event.Outfit{ID: event.OutfitID(len(tag)) + 37500000000000000, Tag: tag, Name: "Outfit " + tag, Faction: event.NC}
		s.outfits[c.Outfit.ID] = c.Outfit
	}
	p := event.Player{Character: c}
	if online != 0 {
		now := time.Now().UTC().Truncate(time.Second)
		p.Online = event.Online{Character: id, Online: true, World: online, Zone: 2, Since: now, LastSeen: now}
	}
	s.characters[id] = p
	return c
}

func (s *fakeStore) befriend(owner event.CharacterID, friends ...event.CharacterID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.friends[owner] = friends
}

func (s *fakeStore) Recipient(_ context.Context, user alert.UserID) (alert.Recipient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.recipients[user]
	r.User = user
	return r, nil
}

func (s *fakeStore) SaveRecipient(_ context.Context, r alert.Recipient) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, known := s.recipients[r.User]; known {
		r.Locale = was.Locale
	}
	s.recipients[r.User] = r
	return nil
}

func (s *fakeStore) SaveLocale(_ context.Context, user alert.UserID, locale string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, known := s.recipients[user]; known {
		r.Locale = locale
		s.recipients[user] = r
	}
	return nil
}

// Settings are the defaults: whoever changes them needs a real store.
func (s *fakeStore) Settings(_ context.Context, user alert.UserID) (alert.Settings, error) {
	return alert.DefaultSettings(user), nil
}

func (s *fakeStore) Link(_ context.Context, l alert.Link) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return false, s.broken
	}
	if slices.Contains(s.links[l.User], l.Character) {
		return false, nil
	}
	if len(s.links[l.User]) == 0 {
		s.watches = append(s.watches, alert.Watch{ID: 1 << 40, User: l.User, Kind: alert.WatchFriends, CreatedAt: l.LinkedAt})
	}
	s.links[l.User] = append(s.links[l.User], l.Character)
	return true, nil
}

func (s *fakeStore) Unlink(_ context.Context, user alert.UserID, id event.CharacterID) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.links[user])
	s.links[user] = slices.DeleteFunc(s.links[user], func(c event.CharacterID) bool { return c == id })
	if len(s.links[user]) == 0 {
		s.watches = slices.DeleteFunc(s.watches, func(w alert.Watch) bool { return w.User == user && w.Kind == alert.WatchFriends })
	}
	return len(s.links[user]) < n, nil
}

func (s *fakeStore) Links(_ context.Context, user alert.UserID) ([]event.Character, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics {
		panic("a bug in a handler")
	}
	var all []event.Character
	for _, id := range s.links[user] {
		all = append(all, s.characters[id].Character)
	}
	return all, s.broken
}

func (s *fakeStore) AddWatch(_ context.Context, w alert.Watch) (alert.Watch, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.watches {
		if old.User == w.User && old.Kind == w.Kind && old.Character == w.Character && old.Outfit == w.Outfit {
			return old, false, nil
		}
	}
	w.ID = int64(len(s.watches) + 1)
	s.watches = append(s.watches, w)
	return w, true, nil
}

func (s *fakeStore) AwaitWatched(context.Context) error { return nil }

func (s *fakeStore) RemoveWatch(_ context.Context, user alert.UserID, id int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.watches)
	s.watches = slices.DeleteFunc(s.watches, func(w alert.Watch) bool { return w.User == user && w.ID == id })
	return len(s.watches) < n, nil
}

func (s *fakeStore) Watches(_ context.Context, user alert.UserID) ([]alert.Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var mine []alert.Watch
	for _, w := range s.watches {
		if w.User == user {
			mine = append(mine, w)
		}
	}
	return mine, nil
}

func (s *fakeStore) FindCharacters(ctx context.Context, prefix string, limit int) ([]event.Character, error) {
	if s.slow.Load() {
		if err := backoff.Sleep(ctx, time.Minute); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []event.Character
	for _, p := range s.characters {
		if strings.HasPrefix(strings.ToLower(p.Character.Name), strings.ToLower(prefix)) && len(found) < limit {
			found = append(found, p.Character)
		}
	}
	slices.SortFunc(found, func(a, b event.Character) int { return cmp.Compare(a.ID, b.ID) })
	return found, s.broken
}

func (s *fakeStore) FindOutfits(_ context.Context, prefix string, _ int) ([]event.Outfit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []event.Outfit
	for _, o := range s.outfits {
		if strings.HasPrefix(strings.ToLower(o.Tag), strings.ToLower(prefix)) {
			found = append(found, o)
		}
	}
	return found, s.broken
}

func (s *fakeStore) Friends(_ context.Context, owner event.CharacterID) ([]event.Player, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []event.Player
	for _, id := range s.friends[owner] {
		all = append(all, s.characters[id])
	}
	return all, s.readAt[owner], s.broken
}

func (s *fakeStore) OnlineInOutfit(_ context.Context, outfit event.OutfitID) ([]event.Player, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var on []event.Player
	for _, p := range s.characters {
		if p.Character.Outfit.ID == outfit && p.Online.Online {
			on = append(on, p)
		}
	}
	return on, s.broken
}

func (s *fakeStore) OnlineCount(context.Context) (map[event.World]int, error) {
	return map[event.World]int{10: 321}, s.broken
}

func (s *fakeStore) Population(context.Context) (map[event.World]map[event.Faction]int, error) {
	return s.population, s.broken
}

func (s *fakeStore) AlertRuns(context.Context, time.Time) ([]event.AlertRun, error) {
	return s.alertRuns, s.broken
}

func (s *fakeStore) RecentSessions(_ context.Context, id event.CharacterID, limit int) ([]event.Session, error) {
	sessions := s.sessions[id]
	return sessions[:min(limit, len(sessions))], s.broken
}

func (s *fakeStore) Player(_ context.Context, id event.CharacterID) (event.Player, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.characters[id]
	return p, ok, s.broken
}

func (s *fakeStore) Outfit(_ context.Context, id event.OutfitID) (event.Outfit, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.outfits[id]
	return o, ok, s.broken
}

func (s *fakeStore) StreamStates(context.Context) ([]event.StreamState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams), s.broken
}

func (s *fakeStore) Gaps(context.Context, time.Time, time.Time) ([]event.Gap, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gaps), s.broken
}

// fakeDirectory answers from the store, unless the query service is down.
type fakeDirectory struct {
	store *fakeStore
	down  atomic.Bool
	holds map[event.World][]event.Territory
}

func (d *fakeDirectory) Territory(_ context.Context, w event.World) ([]event.Territory, time.Time, error) {
	if d.down.Load() {
		return nil, time.Time{}, errDown
	}
	return d.holds[w], time.Now(), nil
}

var errDown = errors.New("query service does not answer")

func (d *fakeDirectory) FindCharacter(_ context.Context, name string) (event.Character, error) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	for _, p := range d.store.characters {
		if strings.EqualFold(p.Character.Name, name) {
			return p.Character, nil
		}
	}
	if d.down.Load() {
		return event.Character{}, errDown
	}
	return event.Character{}, fmt.Errorf("character %q: %w", name, census.ErrNotFound)
}

func (d *fakeDirectory) FindOutfits(_ context.Context, tag string) ([]event.Outfit, error) {
	if d.down.Load() {
		return nil, errDown
	}
	return nil, fmt.Errorf("outfit %q: %w", tag, census.ErrNotFound)
}

func (d *fakeDirectory) ReadFriends(_ context.Context, owner event.CharacterID) (int, error) {
	if d.down.Load() {
		return 0, errDown
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.store.readAt[owner] = time.Now()
	return len(d.store.friends[owner]), nil
}

// fakeBus delivers nudges.
type fakeBus struct{ nudges chan struct{} }

func (f *fakeBus) Listen(ctx context.Context, _ string, ready func(), h func(bus.Message, int)) error {
	if ready != nil {
		ready()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.nudges:
			h(bus.Message{}, 0)
		}
	}
}
