package roster_test

import (
	"errors"
	"testing"

	"muster/census"
	"muster/event"
	"muster/roster"
)

func newDirectory(environments ...event.Environment) (*roster.Directory, *fakeStore, *fakeQuery) {
	store, query := newFakeStore(), newFakeQuery()
	return roster.NewDirectory(roster.DirectoryConfig{Store: store, Query: query, Environments: environments}), store, query
}

func TestAPlayerIsLookedForInTheStoreFirst(t *testing.T) {
	d, store, query := newDirectory(event.PC, event.PS4EU)
	store.characters[base] = event.Character{ID: base, Name: "Higby"}
	query.teach(event.PS4EU, 2000, base+1)
	if c, err := d.FindCharacter(t.Context(), " higby "); err != nil || c.ID != base || len(query.asked) != 0 {
		t.Errorf("got %+v, %v after %d questions", c, err, len(query.asked))
	}
	if c, err := d.FindCharacter(t.Context(), "p0001"); err != nil || c.ID != base+1 || store.characters[base+1].Name != "P0001" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestAPlayerNobodyKnowsIsNotFound(t *testing.T) {
	d, _, query := newDirectory(event.PC, event.PS4EU)
	for _, name := range []string{"", "no such", "a^b", "Ünlü", "NoSuchPlayer", "ThisNameIsLongerThanAnyNameInTheGame"} {
		if _, err := d.FindCharacter(t.Context(), name); !errors.Is(err, census.ErrNotFound) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if n := len(query.about("name")); n != 2 {
		t.Errorf("asked %d times, want only for what can be a name, in each environment", n)
	}
}

func TestAnOutageIsNotTakenForNotFound(t *testing.T) {
	d, _, query := newDirectory(event.PC, event.PS4EU)
	query.fail = func(q question) error {
		if q.env == event.PC {
			return census.ErrUnavailable
		}
		return nil
	}
	if _, err := d.FindCharacter(t.Context(), "Nobody"); !errors.Is(err, census.ErrUnavailable) || errors.Is(err, census.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := d.FindOutfits(t.Context(), "FNO"); !errors.Is(err, census.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestAnOutfitComesWithItsMembers(t *testing.T) {
	d, store, query := newDirectory(event.PC)
	query.outfits[event.PC] = []event.Outfit{{ID: 7, Tag: "FNO", Name: "Ferrets", Members: 2}, {ID: 8, Tag: "fno", Name: "Old"}}
	query.members[7] = []event.Member{{Outfit: 7, Character: base}, {Outfit: 7, Character: base + 1}}
	found, err := d.FindOutfits(t.Context(), "fno")
	if err != nil || len(found) != 2 || len(store.outfits) != 2 || len(store.members[7]) != 2 {
		t.Errorf("got %+v, %v; stored %+v with %d members", found, err, store.outfits, len(store.members[7]))
	}
	if n := len(query.about("members")); n != 1 {
		t.Errorf("rosters read: %d, want none of the empty outfit", n)
	}
	if _, err := d.FindOutfits(t.Context(), "FNO"); err != nil || len(query.about("tag")) != 1 {
		t.Errorf("a stored outfit was asked for again, %v", err)
	}
	if _, err := d.FindOutfits(t.Context(), "NONE"); !errors.Is(err, census.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAnOutfitIsFoundThoughItsMembersAreNot(t *testing.T) {
	d, _, query := newDirectory(event.PC)
	query.outfits[event.PC] = []event.Outfit{{ID: 7, Tag: "FNO", Members: 2}}
	query.fail = func(q question) error {
		if q.what == "members" {
			return census.ErrUnavailable
		}
		return nil
	}
	if found, err := d.FindOutfits(t.Context(), "FNO"); err != nil || len(found) != 1 {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestFriendsAreReadInTheEnvironmentOfTheirOwner(t *testing.T) {
	d, store, query := newDirectory(event.PC, event.PS4EU)
	store.characters[base] = event.Character{ID: base, World: 2000}
	query.friends[base] = []event.Friend{{Character: base + 1}}
	if n, err := d.ReadFriends(t.Context(), base); err != nil || n != 1 || len(store.friends[base]) != 1 {
		t.Errorf("got %d, %v", n, err)
	}
	if asked := query.about("friends"); asked[0].env != event.PS4EU {
		t.Errorf("asked %v", asked)
	}
	query.fail = func(question) error { return census.ErrUnavailable }
	if _, err := d.ReadFriends(t.Context(), base); !errors.Is(err, census.ErrUnavailable) || len(store.friends[base]) != 1 {
		t.Errorf("got %v, stored %v", err, store.friends[base])
	}
}
