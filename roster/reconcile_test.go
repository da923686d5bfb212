package roster_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/bus"
	"muster/event"
	"muster/roster"
)

// observations runs f while what is published about presence is heard, and returns
// it.
func (w *world) observations(t *testing.T, f func(ctx context.Context)) map[event.CharacterID]event.Observation {
	t.Helper()
	var mu sync.Mutex
	got := map[event.CharacterID]event.Observation{}
	w.run(t, func(ctx context.Context) {
		listening, stop := context.WithCancel(ctx)
		var consumer sync.WaitGroup
		consumer.Go(func() {
			err := w.bus.Consume(listening, event.QueueDispatcher, func(_ context.Context, b bus.Batch) error {
				mu.Lock()
				defer mu.Unlock()
				for _, d := range b.Deliveries {
					m, err := event.DecodeMessage(d.Body)
					if err != nil || m.Observation == nil {
						t.Errorf("got %q: %v", d.Body, err)
						continue
					}
					got[m.Observation.Character] = *m.Observation
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		f(ctx)
		pass(time.Second)
		stop()
		consumer.Wait()
	})
	return got
}

func TestAfterAHoleEverybodyWhoMayHaveComeOrGoneIsAskedAbout(t *testing.T) {
	w := newWorld()
	w.query.online = map[event.CharacterID]event.World{base: 0, base + 1: 10, base + 2: 10, base + 3: 0, base + 9: 17}
	w.config.StaleAge = 24 * time.Hour // its round has nothing to ask about
	got := w.observations(t, func(context.Context) {
		now := time.Now().UTC()
		w.store.mu.Lock()
		w.store.stale = []event.Online{
			{Character: base, Online: true, World: 10, LastSeen: now.Add(-11 * time.Minute)},
			{Character: base + 1, Online: true, World: 10, LastSeen: now.Add(-11 * time.Minute)},
			{Character: base + 9, Online: true, World: 17, LastSeen: now.Add(-11 * time.Minute)}, // whose record is whole
		}
		w.store.off = []event.CharacterID{base + 2, base + 3}
		w.store.gaps = []event.Gap{{World: 10, From: now.Add(-10 * time.Minute), To: now}, {World: 1, From: now}}
		w.store.mu.Unlock()
		pass(time.Minute)
		if n := len(w.query.about("online")); n != 2 {
			t.Errorf("asked %d times about one hole, want 2", n)
		}
	})
	if len(got) != 3 || got[base].Online || !got[base+1].Online || !got[base+2].Online || got[base+2].World != 10 {
		t.Errorf("observed %+v", got)
	}
}

func TestAHoleIsCorrectedOnceTheServiceAnswers(t *testing.T) {
	w := newWorld()
	w.query.online = map[event.CharacterID]event.World{base: 10}
	w.store.off = []event.CharacterID{base}
	down := true
	w.query.fail = func(q question) error {
		if q.what == "online" && down {
			return errors.New("away")
		}
		return nil
	}
	got := w.observations(t, func(context.Context) {
		w.store.mu.Lock()
		w.store.gaps = []event.Gap{{World: 10, From: time.Now().Add(-time.Minute), To: time.Now()}}
		w.store.mu.Unlock()
		pass(20 * time.Second)
		w.query.mu.Lock()
		down = false
		w.query.mu.Unlock()
		pass(10 * time.Second)
	})
	if !got[base].Online {
		t.Errorf("observed %+v", got)
	}
}

func TestAFriendsListSaysWhoIsOnOnlyWhereTheStreamCannot(t *testing.T) {
	owner := base + 50
	now := time.Now().UTC()
	player := func(id event.CharacterID, online bool, seen time.Duration) event.Player {
		p := event.Player{Character: event.Character{ID: id}}
		if seen != 0 {
			at := now.Add(-seen)
			p.Online = event.Online{Character: id, Online: online, World: 10, Since: at, LastSeen: at, LoggedOut: at}
		}
		return p
	}
	s := newFakeStore()
	s.players = []event.Player{player(base, false, 0), player(base+1, false, time.Hour), player(base+2, false, time.Minute),
		player(base+3, true, time.Hour), player(base+4, false, time.Hour)}
	s.gaps = []event.Gap{{World: 10, From: now.Add(-40 * time.Minute), To: now.Add(-30 * time.Minute)}, {World: 17, From: now.Add(-time.Minute), To: now}}
	q := newFakeQuery()
	for i := range 4 {
		q.friends[owner] = append(q.friends[owner], event.Friend{Character: base + event.CharacterID(i), Online: 10})
	}
	q.friends[owner] = append(q.friends[owner], event.Friend{Character: base + 4})
	heard := &heardEvents{}
	d := roster.NewDirectory(roster.DirectoryConfig{Store: s, Query: q, Environments: []event.Environment{event.PC}, Bus: heard})
	n, err := d.ReadFriends(t.Context(), owner)
	if err != nil || n != 5 {
		t.Fatalf("%d friends: %v", n, err)
	}
	slices.Sort(heard.on)
	if want := []event.CharacterID{base, base + 1}; !slices.Equal(heard.on, want) {
		t.Errorf("on by the list: %v, want who was never seen and who was seen last before the hole: %v", heard.on, want)
	}
}

// heardEvents keeps the observations published on TopicEvents.
type heardEvents struct{ on []event.CharacterID }

func (h *heardEvents) Publish(_ context.Context, topic string, messages ...bus.Message) error {
	for _, m := range messages {
		if topic != event.TopicEvents {
			continue
		}
		decoded, err := event.DecodeMessage(m.Body)
		if err != nil {
			return err
		}
		h.on = append(h.on, decoded.Observation.Character)
	}
	return nil
}
