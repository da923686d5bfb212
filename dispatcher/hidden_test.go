package dispatcher

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/bus"
	"muster/event"
)

// hide makes the store hide or show a character.
func (s *fakeStore) hide(id event.CharacterID, hidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.characters[id]
	c.ID, c.Hidden = id, hidden
	s.characters[id] = c
}

func TestWhoIsHiddenIsNotNamedOnTheFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.characters[alice] = event.Character{ID: alice, Name: "Alice", Faction: event.VS, Outfit: event.Outfit{ID: 1, Tag: "T", Name: "O"}}
		s.characters[bob] = event.Character{ID: bob, Name: "Bob"}
		r := startRig(t, s)
		// secret publishes a fight and a login of alice, and returns what is new on the
		// feed.
		seen := 0
		secret := func(second int64) []event.FeedItem {
			r.publish(event.TopicEvents, sightings(death(bob, alice, second), death(alice, bob, second), login(alice, second), login(bob, second))...)
			all := r.feed()
			fresh := all[seen:]
			seen = len(all)
			return fresh
		}
		if items := secret(1000); len(items) != 4 || items[0].Character.Name != "Alice" {
			t.Fatalf("before: %+v", items)
		}
		s.hide(alice, true)
		time.Sleep(2 * hiddenEvery) // of the bubble's clock
		items := secret(2000)
		if len(items) != 3 {
			t.Fatalf("%d items, want two kills and bob's login", len(items))
		}
		for _, it := range items {
			for _, who := range []*event.Who{it.Character, it.Other} {
				if who != nil && (who.ID == alice || who.Name == "Alice" || who.Name == event.HiddenName && (who.ID != 0 || who.Outfit != nil)) {
					t.Errorf("named: %+v", who)
				}
			}
		}
		if it := items[0]; it.Character.Name != event.HiddenName || it.Character.Faction != event.VS || it.Other.Name != "Bob" {
			t.Errorf("the kill is %+v by %+v", it, it.Character)
		}
		// The roster has read her name meanwhile.
		if err := r.bus.Publish(t.Context(), event.TopicNames, bus.Message{Body: []byte(`[{"id":"` + alice.String() + `","name":"Alice"}]`)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if items := secret(3000); items[0].Character.Name != event.HiddenName {
			t.Errorf("after news from the roster: %+v", items[0].Character)
		}
		s.hide(alice, false)
		time.Sleep(2 * hiddenEvery)
		if items := secret(4000); len(items) != 4 || items[0].Character.Name != "Alice" || items[0].Character.ID != alice {
			t.Errorf("shown again: %+v", items)
		}
		r.stop()
	})
}

func TestWhoIsHiddenAlreadyIsNotNamedByTheFirstEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.characters[alice] = event.Character{ID: alice, Faction: event.VS, Hidden: true}
		r := startRig(t, s)
		r.publish(event.TopicEvents, sightings(login(alice, 1000), death(bob, alice, 1000))...)
		items := r.feed()
		r.stop()
		if len(items) != 1 || items[0].Character.Name != event.HiddenName {
			t.Errorf("items %+v", items)
		}
	})
}

func TestNotifiersHearWhoHasHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		r := startRig(t, s)
		heard := make(chan string, 10)
		go func() {
			_ = r.bus.Listen(t.Context(), event.TopicNames, nil, func(m bus.Message, _ int) { heard <- string(m.Body) })
		}()
		synctest.Wait()
		s.hide(alice, true)
		time.Sleep(10 * hiddenEvery)
		if got := <-heard; !strings.Contains(got, `"id":"`+alice.String()+`"`) || !strings.Contains(got, `"hidden":true`) {
			t.Errorf("heard %s", got)
		}
		if len(heard) > 0 {
			t.Errorf("and again: %s", <-heard)
		}
		r.stop()
	})
}
