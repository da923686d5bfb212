package roster_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"muster/alert"
	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/lease"
	"muster/roster"
	"muster/sim/game"
	"muster/storage"
)

// simulator starts a quiet game with people on Wainwright, and a client of it.
func simulator(t *testing.T) (*game.Server, *census.Query) {
	t.Helper()
	cfg := game.DefaultConfig()
	cfg.Environments, cfg.Worlds, cfg.EventsPerSecond = []string{"ps2"}, []string{"10"}, 0
	s, err := game.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	q, err := census.NewQuery(census.QueryConfig{URL: s.QueryURL(), ServiceID: "example", Rate: 1000, Burst: 100,
		Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s, q
}

func mustStore(t *testing.T) *storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "muster.db"), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func person(t *testing.T, s *game.Server, name string) event.CharacterID {
	t.Helper()
	found := s.Characters(name)
	if len(found) == 0 {
		t.Fatalf("nobody is called %s", name)
	}
	id, err := event.ParseCharacterID(found[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestNamesFriendsAndTablesComeFromTheGameIntoTheStore(t *testing.T) {
	sim, query := simulator(t)
	store := mustStore(t)
	hub := bus.NewMemory(bus.Topology{event.TopicEvents: {event.QueueDispatcher},
		event.TopicLookups: nil, event.TopicNames: nil})
	locker := lease.NewMemory()
	r, err := roster.New(roster.Config{Store: store, Query: query, Bus: hub, Locker: locker,
		Environments: []event.Environment{event.PC}, Gather: time.Millisecond,
		PollEvery: 20 * time.Millisecond, FriendsEvery: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	owner := person(t, sim, "Kestrel")
	if _, err := store.Link(t.Context(), alert.Link{User: 7, Character: owner, LinkedAt: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait(); _ = hub.Close() })

	body, err := json.Marshal([]event.CharacterID{owner})
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Publish(ctx, event.TopicLookups, bus.Message{Body: body}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a name", func() bool {
		c, err := store.Characters(ctx, []event.CharacterID{owner})
		return err == nil && c[owner].Name == "Kestrel"
	})
	eventually(t, "friends with names", func() bool {
		friends, readAt, err := store.Friends(ctx, owner)
		if err != nil || readAt.IsZero() || len(friends) == 0 {
			return false
		}
		for _, f := range friends {
			if f.Character.Name == "" {
				return false
			}
		}
		return true
	})
	for _, category := range []string{event.LookupItem, event.LookupFacility, event.LookupMetagame,
		event.LookupExperience, event.LookupAchievement} {
		eventually(t, "the table "+category, func() bool {
			rows, err := store.Lookups(ctx, category)
			return err == nil && len(rows) > 0
		})
	}
}

func TestTheDirectoryFindsWhoTheGameKnows(t *testing.T) {
	sim, query := simulator(t)
	store := mustStore(t)
	d := roster.NewDirectory(roster.DirectoryConfig{Store: store, Query: query, Environments: []event.Environment{event.PC}})
	c, err := d.FindCharacter(t.Context(), "kestrel")
	if err != nil || c.Name != "Kestrel" || c.ID != person(t, sim, "Kestrel") {
		t.Fatalf("got %+v, %v", c, err)
	}
	if c.Outfit.IsZero() {
		t.Fatal("Kestrel has no outfit to look for")
	}
	other := mustStore(t) // which has never heard of it
	d = roster.NewDirectory(roster.DirectoryConfig{Store: other, Query: query, Environments: []event.Environment{event.PC}})
	found, err := d.FindOutfits(t.Context(), c.Outfit.Tag)
	if err != nil || len(found) == 0 {
		t.Fatalf("got %+v, %v", found, err)
	}
	members, err := other.Members(t.Context(), c.Outfit.ID, 1000)
	if err != nil || len(members) == 0 {
		t.Errorf("got %d members, %v", len(members), err)
	}
	if list, _, err := d.Territory(t.Context(), 10); err != nil || len(list) == 0 || len(list[0].Regions) == 0 {
		t.Errorf("got territory %+v, %v", list, err)
	}
	if n, err := d.ReadFriends(t.Context(), c.ID); err != nil || n == 0 {
		t.Errorf("got %d friends, %v", n, err)
	}
}
