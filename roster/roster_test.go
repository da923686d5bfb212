package roster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/lease"
	"muster/roster"
)

// world is a roster with everything around it.
type world struct {
	store  *fakeStore
	query  *fakeQuery
	bus    *bus.Memory
	locker *lease.Memory
	config roster.Config

	mu    sync.Mutex
	names []event.Character // heard on the bus
}

func newWorld(environments ...event.Environment) *world {
	if len(environments) == 0 {
		environments = []event.Environment{event.PC}
	}
	w := &world{store: newFakeStore(), query: newFakeQuery()}
	w.config = roster.Config{Store: w.store, Query: w.query, Environments: environments}
	for _, category := range []string{event.LookupItem, event.LookupFacility, event.LookupMetagame,
		event.LookupExperience, event.LookupAchievement} {
		rows := []event.Lookup{{Category: category, ID: 1, Name: "one"}}
		w.query.tables[category] = rows
		w.store.lookups[category] = rows
	}
	return w
}

// open makes what starts goroutines and channels; call it in the bubble.
func (w *world) open() {
	w.locker = lease.NewMemory()
	w.bus = bus.NewMemory(bus.Topology{event.TopicEvents: {event.QueueDispatcher},
		event.TopicLookups: nil, event.TopicNames: nil})
	w.config.Bus, w.config.Locker = w.bus, w.locker
}

// run runs the roster and f beside it, in fake time, and stops it.
func (w *world) run(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.open()
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		tasks.Go(func() { w.hearNames(t, ctx) })
		tasks.Go(func() {
			if err := w.mustRoster(t).Run(ctx); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		f(ctx)
		stop()
		tasks.Wait()
		if err := w.bus.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) mustRoster(t *testing.T) *roster.Roster {
	t.Helper()
	r, err := roster.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) hearNames(t *testing.T, ctx context.Context) {
	err := w.bus.Listen(ctx, event.TopicNames, nil, func(m bus.Message, _ int) {
		var heard []event.Character
		if err := json.Unmarshal(m.Body, &heard); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.names = append(w.names, heard...)
	})
	if err != nil {
		t.Error(err)
	}
}

// ask publishes ids as a dispatcher does.
func (w *world) ask(t *testing.T, ctx context.Context, want ...event.CharacterID) {
	t.Helper()
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bus.Publish(ctx, event.TopicLookups, bus.Message{Body: body}); err != nil {
		t.Fatal(err)
	}
}

// pass lets fake time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// wantNamed checks that all of want are stored with a name, and heard once.
func (w *world) wantNamed(t *testing.T, want []event.CharacterID) {
	t.Helper()
	stored := w.store.all()
	for _, id := range want {
		if stored[id].Name == "" {
			t.Errorf("%s has no name", id)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.names) != len(want) {
		t.Errorf("%d names published, want %d", len(w.names), len(want))
	}
}

func TestIDsThatComeTogetherAreAskedForTogetherAndOnce(t *testing.T) {
	w := newWorld()
	all := ids(20)
	w.query.teach(event.PC, 10, all...)
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all[:10]...)
		pass(100 * time.Millisecond)
		w.ask(t, ctx, all[5:]...)
		w.ask(t, ctx, 17199964770, 0) // a vehicle and nobody
		pass(time.Second)
		w.wantNamed(t, all)
		if asked := w.query.about("characters"); len(asked) != 1 || !slices.Equal(asked[0].ids, all) {
			t.Errorf("asked %v, want all 20 at once", asked)
		}
	})
}

func TestABatchHasFiftyIDsAtMost(t *testing.T) {
	w := newWorld()
	all := ids(120)
	w.query.teach(event.PC, 10, all...)
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all...)
		pass(time.Second)
		w.wantNamed(t, all)
		asked := w.query.about("characters")
		if len(asked) != 3 || len(asked[0].ids) != 50 || len(asked[1].ids) != 50 || len(asked[2].ids) != 20 {
			t.Errorf("asked %d times", len(asked))
		}
	})
}

func TestWhoIsSeenNowComesBeforeWhoHasWaited(t *testing.T) {
	w := newWorld()
	all := ids(300)
	w.query.teach(event.PC, 10, all...)
	w.store.unresolved = all[:299]
	w.query.answering = func() { <-time.After(time.Second) }
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all[299])
		pass(3 * time.Second)
		if w.store.all()[all[299]].Name == "" {
			t.Error("still waits behind old ones")
		}
	})
}

func TestWhileTheServiceIsDownIDsAreKept(t *testing.T) {
	w := newWorld()
	all := ids(3)
	w.query.teach(event.PC, 10, all...)
	begin := time.Now()
	down := 3 * time.Minute
	w.query.fail = func(q question) error {
		if begin.IsZero() || q.at.Sub(begin) < down {
			return fmt.Errorf("collection character: %w", census.ErrUnavailable)
		}
		return nil
	}
	w.run(t, func(ctx context.Context) {
		begin = time.Now()
		w.ask(t, ctx, all...)
		pass(down)
		if len(w.store.all()) != 0 {
			t.Error("an outage was taken for an answer")
		}
		pass(2 * time.Minute)
		w.wantNamed(t, all)
		if n := len(w.query.about("characters")); n < 5 || n > 16 {
			t.Errorf("asked %d times in %v: the pauses do not grow", n, down)
		}
	})
}

func TestAFailedSaveIsTriedAgain(t *testing.T) {
	w := newWorld()
	all := ids(3)
	w.query.teach(event.PC, 10, all...)
	w.store.saveErrs = 2
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all...)
		pass(time.Minute)
		w.wantNamed(t, all)
	})
}

func TestWhoNoEnvironmentKnowsIsMissing(t *testing.T) {
	w := newWorld(event.PC, event.PS4US, event.PS4EU)
	all := ids(4)
	w.query.teach(event.PC, 10, all[0])
	w.query.teach(event.PS4US, 1000, all[1])
	w.query.teach(event.PS4EU, 2000, all[2])
	w.store.characters[all[1]] = event.Character{ID: all[1], World: 1000} // seen there, without a name
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all...)
		pass(time.Second)
		w.wantNamed(t, all[:3])
		if c := w.store.all()[all[3]]; !c.Missing || c.ResolvedAt.IsZero() {
			t.Errorf("got %+v, want it missing", c)
		}
		for _, q := range w.query.about("characters") {
			if q.env == event.PC && slices.Contains(q.ids, all[1]) {
				t.Error("a PS4 character was asked for on PC")
			}
		}
	})
}

func TestOneIDThatCannotBeAskedForDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld()
	all := ids(10)
	w.query.teach(event.PC, 10, all...)
	w.query.fail = func(q question) error {
		if slices.Contains(q.ids, all[6]) {
			return fmt.Errorf("%w: bad term", census.ErrBadQuery)
		}
		return nil
	}
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all...)
		pass(time.Second)
		w.wantNamed(t, slices.Concat(all[:6], all[7:]))
		if !w.store.all()[all[6]].Missing {
			t.Error("the bad id is not set aside")
		}
	})
}

func TestTheStoreIsPolledForWhatNobodySaid(t *testing.T) {
	w := newWorld()
	all := ids(60)
	w.query.teach(event.PC, 10, all...)
	w.store.unresolved = all
	w.run(t, func(context.Context) {
		pass(10 * time.Second)
		w.wantNamed(t, all)
	})
}

func TestWhatWasAskedForIsStoredThoughTheEndHasCome(t *testing.T) {
	w := newWorld()
	all := ids(2)
	w.query.teach(event.PC, 10, all...)
	synctest.Test(t, func(t *testing.T) {
		w.open()
		asking, answer := make(chan struct{}), make(chan struct{})
		w.query.answering = func() { close(asking); <-answer }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.mustRoster(t).Run(ctx) }()
		synctest.Wait()
		w.ask(t, ctx, all...)
		<-asking
		stop()
		close(answer)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(w.store.all()) != 2 {
			t.Errorf("%d stored, want 2", len(w.store.all()))
		}
		_ = w.bus.Close()
	})
}

func TestOnlyTheHolderOfTheLeaseWorks(t *testing.T) {
	w := newWorld()
	synctest.Test(t, func(t *testing.T) {
		w.open()
		w.store.linked = ids(1)
		ctx1, stop1 := context.WithCancel(t.Context())
		ctx2, stop2 := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- w.mustRoster(t).Run(ctx1) }()
		synctest.Wait()
		second := w.config
		query := newFakeQuery()
		second.Query = query
		other, err := roster.New(second)
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- other.Run(ctx2) }()
		pass(3 * time.Hour)
		if len(query.about("friends")) != 0 {
			t.Error("the second works while the first leads")
		}
		stop1()
		pass(3 * time.Hour)
		if len(query.about("friends")) == 0 {
			t.Error("the second does not take over")
		}
		stop2()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestALostLeaseServiceEndsTheRole(t *testing.T) {
	w := newWorld()
	synctest.Test(t, func(t *testing.T) {
		w.open()
		done := make(chan error)
		go func() { done <- w.mustRoster(t).Run(t.Context()) }()
		synctest.Wait()
		if err := w.locker.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err == nil {
			t.Error("no error")
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	w := newWorld()
	w.open()
	good := w.config
	for name, spoil := range map[string]func(*roster.Config){
		"no store":            func(c *roster.Config) { c.Store = nil },
		"no environment":      func(c *roster.Config) { c.Environments = nil },
		"unknown environment": func(c *roster.Config) { c.Environments = []event.Environment{"xbox"} },
	} {
		bad := good
		spoil(&bad)
		if _, err := roster.New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTheNameOfWhoIsHiddenIsSavedAndNotTold(t *testing.T) {
	w := newWorld()
	all := ids(3)
	w.query.teach(event.PC, 10, all...)
	w.store.hidden = all[1:2]
	w.run(t, func(ctx context.Context) {
		w.ask(t, ctx, all...)
		pass(time.Second)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.names {
		if c.ID == all[1] {
			t.Errorf("told: %+v", c)
		}
	}
	if len(w.names) != 2 || w.store.all()[all[1]].Name == "" {
		t.Errorf("%d names told, stored: %+v", len(w.names), w.store.all()[all[1]])
	}
}
