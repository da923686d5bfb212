package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/alert"
	"muster/event"
	"muster/storage"
)

var togetherTests = []named{
	{"any interleaving of several dispatchers gives what one would, and each alert once", togetherFold},
}

// What is written by several dispatchers at once. Batches come in the order of time
// from one queue, as they do from a bus: one can overtake only those that others
// work on at the moment, so what lies further apart than that is in order.
const (
	togetherPlayers  = 40
	togetherSessions = 3
	togetherBatch    = 30      // seconds of the game
	togetherFar      = 12 * 60 // seconds between two sittings of one player; many batches
	// togetherSlack is by how much a process may be late to tell the table of plain
	// activity: a minute, and what lies between two looks.
	togetherSlack = 90 * time.Second
)

func togetherFold(w *world) {
	seed := rand.Uint64()
	w.Logf("seed %d", seed)
	g := &together{world: w, rnd: rand.New(rand.NewPCG(seed, 0)), left: map[int]int{}}
	stores := 1 // on SQLite one process writes
	if strings.HasPrefix(w.url, "mysql:") {
		stores = 2 + g.rnd.IntN(2)
	}
	for range stores {
		g.stores = append(g.stores, OpenWith(w.T, w.url, storage.Options{AlertLifetime: 24 * time.Hour}))
	}
	g.script()
	for c := range togetherPlayers {
		w.watch(ann, g.player(c))
		w.watch(ben, g.player(c))
	}
	g.play()
	g.settleCaches()
	g.compare()
}

type together struct {
	*world
	rnd    *rand.Rand
	stores []*storage.Store
	events []event.Event // in the order of time
	logins int

	mu    sync.Mutex
	moved sync.Cond
	left  map[int]int // batches under way, and how often each is still to be given
	fresh map[event.Key]int
}

func (g *together) player(i int) event.CharacterID { return event.CharacterID(7000 + i) }

// script makes up what happens: sittings with or without a login and a logout.
func (g *together) script() {
	for i := range togetherPlayers {
		who, s, quiet := g.player(i), g.rnd.IntN(600), 0
		for range togetherSessions {
			if g.rnd.IntN(10) > 0 {
				g.events = append(g.events, login(s, who))
				g.logins++
				s += quiet // see below
			}
			zone := event.Zone(2 + g.rnd.IntN(2))
			for end := s + 400 + g.rnd.IntN(500); s < end; {
				s += 5 + g.rnd.IntN(60)
				if g.rnd.IntN(8) == 0 {
					zone = event.Zone(2 + g.rnd.IntN(3))
				}
				e := gain(s, who, int64(1+g.rnd.IntN(1000)))
				if g.rnd.IntN(4) == 0 {
					e = kill(s, who, event.CharacterID(999))
				}
				e.Zone = zone
				g.events = append(g.events, e)
			}
			quiet = 0
			if s += 1 + g.rnd.IntN(5); g.rnd.IntN(5) > 0 {
				g.events = append(g.events, logout(s, who))
			} else {
				// Activity that overtakes the login after a lost logout is taken for
				// that of the old sitting: nobody could know better.
				quiet = 300
			}
			s += togetherFar + g.rnd.IntN(600)
		}
	}
	slices.SortStableFunc(g.events, func(a, b event.Event) int { return a.At.Compare(b.At) })
}

// play has each batch written once or several times, by whichever dispatcher is
// free, with attempts that fail and connections that are cut.
func (g *together) play() {
	batches := g.batches()
	type turn struct{ batch, seed int }
	turns := make(chan turn)
	g.moved.L, g.fresh = &g.mu, map[event.Key]int{}
	var all sync.WaitGroup
	workers := 2 + g.rnd.IntN(3)
	for n := range workers {
		s := g.stores[n%len(g.stores)]
		all.Go(func() {
			for t := range turns {
				g.give(s, batches[t.batch], rand.New(rand.NewPCG(uint64(t.seed), 1)))
				g.mu.Lock()
				if g.left[t.batch]--; g.left[t.batch] == 0 {
					delete(g.left, t.batch)
				}
				g.moved.Broadcast()
				g.mu.Unlock()
			}
		})
	}
	for i := range batches {
		times := 1 + g.rnd.IntN(2)*g.rnd.IntN(3)
		g.mu.Lock()
		for g.oldest(i) < i-workers { // what a queue holds back
			g.moved.Wait()
		}
		g.left[i] = times
		g.mu.Unlock()
		for range times {
			turns <- turn{i, g.rnd.Int()}
		}
	}
	close(turns)
	all.Wait()
}

// batches cuts the events by time: what can be overtaken is bounded by it.
func (g *together) batches() (all [][]event.Event) {
	for from, i := 0, 1; i <= len(g.events); i++ {
		if i == len(g.events) || g.events[i].At.Sub(g.events[from].At) >= togetherBatch*time.Second {
			all = append(all, g.events[from:i])
			from = i
		}
	}
	return all
}

// oldest returns the first batch under way, i if there is none.
func (g *together) oldest(i int) int {
	for n := range g.left {
		i = min(i, n)
	}
	return i
}

var errGivenUp = errors.New("given up")

func (g *together) give(s *storage.Store, batch []event.Event, rnd *rand.Rand) {
	now := batch[len(batch)-1].At.Add(2 * time.Second)
	if rnd.IntN(3) == 0 {
		defer g.give(s, batch, rnd) // a part of it comes before
		batch = batch[rnd.IntN(len(batch)):]
	}
	var settle func(context.Context, *sql.Tx) error
	switch rnd.IntN(12) {
	case 0:
		settle = func(context.Context, *sql.Tx) error { return errGivenUp }
	case 1:
		if strings.HasPrefix(g.url, "mysql:") {
			settle = g.cut()
		}
	}
	got, err := s.Record(context.Background(), now, event.Record{Events: batch}, settle)
	if errors.Is(err, errGivenUp) {
		got, err = s.Record(context.Background(), now, event.Record{Events: batch}, nil)
	}
	if err != nil {
		g.Errorf("record: %v", err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, isNew := range got.New {
		if isNew {
			g.fresh[batch[i].Key()]++
		}
	}
}

// cut ends the transaction's connection before its first commit.
func (g *together) cut() func(context.Context, *sql.Tx) error {
	done := false
	return func(ctx context.Context, tx *sql.Tx) error {
		if done {
			return nil
		}
		done = true
		_, err := tx.ExecContext(ctx, "KILL CONNECTION_ID()")
		if err == nil {
			err = errors.New("a killed connection answered")
		}
		return err
	}
}

// settleCaches gives each dispatcher the time to look at what it knows of those who
// were active last.
func (g *together) settleCaches() {
	end := g.events[len(g.events)-1].At
	for i := range 3 {
		for _, s := range g.stores {
			_, err := s.EndStale(g.Context(), end.Add(time.Duration(20*(i+1))*time.Second), 24*time.Hour)
			g.ok(err)
		}
	}
}

// compare holds the tables to a fold of all events in order.
func (g *together) compare() {
	for k, n := range g.fresh {
		if n != 1 {
			g.Errorf("event %s was new %d times", k, n)
		}
	}
	same(g.world, "new events", len(g.fresh), len(g.events))
	for i := range togetherPlayers {
		track, sessions := event.Track{}, map[time.Time]event.Session{}
		for _, e := range g.events {
			if a, _ := e.Characters(); a == g.player(i) {
				f := track.Fold(a, evidence(e))
				track = f.Track
				for _, start := range f.Dropped {
					delete(sessions, start)
				}
				for _, row := range f.Sessions {
					sessions[row.StartedAt] = row
				}
			}
		}
		g.comparePlayer(track, sessions)
	}
	g.compareAlerts()
}

func evidence(e event.Event) event.Evidence {
	ev := event.Evidence{Sign: event.SignActivity, At: e.At, World: e.World, Zone: e.Zone}
	switch e.Kind {
	case event.Login:
		ev.Sign = event.SignLogin
	case event.Logout:
		ev.Sign = event.SignLogout
	}
	return ev
}

func (g *together) comparePlayer(want event.Track, sessions map[time.Time]event.Session) {
	who := want.Character
	got := g.world.player(who)
	o := got.Online
	if o.Online != want.Online.Online || o.World != want.World || o.Zone != want.Zone && want.Online.Online ||
		!near(o.LastSeen, want.LastSeen, true) || !near(o.LoggedOut, want.LoggedOut, want.End != event.EndLogout) {
		g.Errorf("player %d is\n%+v, want\n%+v", who, o, want.Online)
	}
	list := g.sessions(who)
	slices.Reverse(list)
	ordered := make([]event.Session, 0, len(sessions))
	for _, s := range sessions {
		ordered = append(ordered, s)
	}
	slices.SortFunc(ordered, func(a, b event.Session) int { return a.StartedAt.Compare(b.StartedAt) })
	matches := len(list) == len(ordered)
	for i := 0; matches && i < len(list); i++ {
		a, b := list[i], ordered[i]
		matches = a.Inferred == b.Inferred && a.End == b.End && a.World == b.World &&
			near(b.StartedAt, a.StartedAt, b.Inferred) && near(a.EndedAt, b.EndedAt, b.End == event.EndRelogin)
	}
	if !matches {
		g.Errorf("sessions of %d:\n%s\nwant\n%s", who, lines(list), lines(ordered))
	}
}

// near reports whether two times are equal or, with slack, got is early by little.
func near(got, want time.Time, slack bool) bool {
	late := want.Sub(got)
	return late == 0 || slack && late > 0 && late <= togetherSlack
}

func lines[T any](list []T) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%+v\n", v)
	}
	return b.String()
}

func (g *together) compareAlerts() {
	rows, err := Raw(g.T, g.url).QueryContext(g.Context(), "SELECT user_id, character_id, login_at FROM alerts")
	g.ok(err)
	defer rows.Close()
	type told struct{ user, who, at int64 }
	times := map[told]int{}
	for rows.Next() {
		var t told
		g.ok(rows.Scan(&t.user, &t.who, &t.at))
		times[t]++
	}
	g.ok(rows.Err())
	for _, e := range g.events {
		if e.Kind != event.Login {
			continue
		}
		who, _ := e.Characters()
		for _, user := range []alert.UserID{ann, ben} {
			t := told{int64(user), int64(who), e.At.Unix()}
			if times[t] != 1 {
				g.Errorf("the login of %d at %s was told to %d %d times", who, e.At, user, times[t])
			}
			delete(times, t)
		}
	}
	for t := range times {
		g.Errorf("told of no login: %+v", t)
	}
}
