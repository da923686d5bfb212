package roster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/census"
	"muster/event"
)

func followed(n int) []event.Outfit {
	list := make([]event.Outfit, n)
	for i := range list {
		list[i].ID = event.OutfitID(100 + i)
	}
	return list
}

func TestMembersOfFollowedOutfitsAreReadEveryThreeMinutes(t *testing.T) {
	w := newWorld()
	w.store.followed = followed(2)
	w.query.members[100] = []event.Member{{Character: base}}
	w.run(t, func(context.Context) {
		pass(31 * time.Minute)
		if n := len(w.query.about("members")); n != 2*11 {
			t.Errorf("read %d times in half an hour, want 11 for each of two", n)
		}
		if len(w.store.members[100]) != 1 {
			t.Error("the members are not stored")
		}
		w.store.mu.Lock()
		w.store.followed = w.store.followed[:1]
		w.store.mu.Unlock()
		pass(30 * time.Minute)
		if n := len(w.query.about("members")); n != 3*11-1 && n != 3*11 {
			t.Errorf("read %d times in all: the outfit that nobody follows any more is still read", n)
		}
	})
}

// More outfits than can be read in time are read by turns.
func TestNoFollowedOutfitStandsInFrontOfTheOthers(t *testing.T) {
	w := newWorld()
	w.config.OutfitsBatch = 1
	w.store.followed = followed(30)
	w.query.fail = func(q question) error {
		if q.what == "members" && q.ids[0] == 100 {
			return fmt.Errorf("%w: bad term", census.ErrBadQuery)
		}
		return nil
	}
	w.run(t, func(context.Context) {
		pass(10 * time.Minute)
		seen := map[event.CharacterID]int{}
		for _, q := range w.query.about("members") {
			seen[q.ids[0]]++
		}
		for i := range 30 {
			if n := seen[event.CharacterID(100+i)]; n != 2 && n != 3 {
				t.Errorf("outfit %d was asked for %d times in ten minutes, want 2 or 3", 100+i, n)
			}
		}
	})
}

func TestARoundOfOutfitsEndsWhenTheServiceIsDown(t *testing.T) {
	w := newWorld()
	w.store.followed = followed(20)
	w.query.fail = func(q question) error {
		if q.what == "members" {
			return census.ErrUnavailable
		}
		return nil
	}
	w.run(t, func(context.Context) {
		pass(65 * time.Second)
		if n := len(w.query.about("members")); n != 7 {
			t.Errorf("asked %d times in a minute, want once in each round", n)
		}
	})
}
