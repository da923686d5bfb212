package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
	"muster/storage"
	"muster/storage/storagetest"
)

// A mortalStore is a real store whose process is killed at a step of the alert
// loop: nothing of what it is asked from then on is done or answered.
type mortalStore struct {
	*storage.Store
	last string // the step at which it dies: "claim 2 after", "settle 1 before"; "" never
	dead atomic.Bool

	mu             sync.Mutex
	claims, settle int
}

var errKilled = errors.New("the process was killed")

// passes reports whether the process lives on after step.
func (s *mortalStore) passes(step string) bool {
	if step == s.last {
		s.dead.Store(true)
	}
	return !s.dead.Load()
}

func (s *mortalStore) ClaimUsers(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.Turn, error) {
	if s.dead.Load() {
		return nil, errKilled
	}
	turns, err := s.Store.ClaimUsers(ctx, now, limit, hold)
	if len(turns) > 0 {
		s.mu.Lock()
		s.claims++
		n := s.claims
		s.mu.Unlock()
		if !s.passes(fmt.Sprintf("claim %d after", n)) {
			return nil, errKilled
		}
	}
	return turns, err
}

func (s *mortalStore) SettleTurn(ctx context.Context, st alert.Settlement, now time.Time) error {
	s.mu.Lock()
	s.settle++
	n := s.settle
	s.mu.Unlock()
	if !s.passes(fmt.Sprintf("settle %d before", n)) {
		return errKilled
	}
	err := s.Store.SettleTurn(ctx, st, now)
	if !s.passes(fmt.Sprintf("settle %d after", n)) {
		return errKilled
	}
	return err
}

// An evening is one run: friends of Ana come on, and leave, while bots are killed.
type evening struct {
	*bench
	store *storage.Store
	ahead atomic.Int64 // how far the evening's clock is ahead of ours
}

func (e *evening) now() time.Time { return time.Now().Add(time.Duration(e.ahead.Load())).UTC() }

func (e *evening) pass(d time.Duration) { e.ahead.Add(int64(d)) }

// lark is one of Ana's friends.
func lark(i int) (event.CharacterID, string) { return 5000 + event.CharacterID(i), "Lark" + itoa(i) }

func newEvening(t *testing.T, url string, larks int) *evening {
	t.Helper()
	e := &evening{bench: newBench(t, nil), store: storagetest.Open(t, url)}
	ctx := context.Background()
	for i := range larks {
		id, name := lark(i)
		if err := e.store.SaveCharacters(ctx, []event.Character{{ID: id, Name: name, World: 10, ResolvedAt: e.now()}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.store.AddWatch(ctx, alert.Watch{User: ana, Kind: alert.WatchCharacter, Character: id, CreatedAt: e.now()}); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// life starts a bot that dies at step.
func (e *evening) life(step string) *mortalStore {
	s := &mortalStore{Store: e.store, last: step}
	next := *e.bench
	next.ended = make(chan error, 1)
	next.start(func(c *Config) { c.Store, c.Directory, c.Now = s, &realDirectory{store: e.store}, e.now })
	return s
}

func (e *evening) play(kind event.Kind, larks ...int) {
	e.t.Helper()
	var events []event.Event
	for _, i := range larks {
		id, _ := lark(i)
		events = append(events, event.Event{Kind: kind, World: 10, At: e.now().Truncate(time.Second), ReceivedAt: e.now(), Detail: event.Presence{Character: id}})
	}
	if _, err := e.store.Record(context.Background(), e.now(), event.Record{Events: events}, nil); err != nil {
		e.t.Fatal(err)
	}
}

// fates counts Ana's alerts by what became of them.
func (e *evening) fates() map[alert.Fate]int {
	e.t.Helper()
	list, err := e.store.RecentAlerts(context.Background(), ana, 100)
	if err != nil {
		e.t.Fatal(err)
	}
	n := map[alert.Fate]int{}
	for _, r := range list {
		n[r.Fate]++
	}
	return n
}

// shown counts in how many messages each of n larks is, alone and on a list, and
// how many messages there are that say of each that it has left.
func (e *evening) shown(n int) (alone, listed, left []int) {
	alone, listed, left = make([]int, n), make([]int, n), make([]int, n)
	for _, m := range e.dms() {
		for i := range n {
			_, name := lark(i)
			bold := "**" + name + "**"
			switch {
			case strings.Contains(m.Content, bold):
				alone[i]++
				if strings.Contains(m.Content, "⚪") {
					left[i]++
				}
			case len(m.Embeds) > 0 && strings.Contains(m.Embeds[0].Description, bold):
				listed[i]++
				if strings.Contains(m.Embeds[0].Description, "⚪ "+bold) {
					left[i]++
				}
			}
		}
	}
	return alone, listed, left
}

const larks = 5

// run plays the evening with a bot that dies at step and another one after it.
func (e *evening) run(step string) (died bool) {
	first := e.life(step)
	wait := func(what string, ok func() bool) {
		e.until(what, func() bool {
			if !died && first.dead.Load() {
				died = true
				e.pass(claimHold) // what the dead had claimed they hold until now
				e.life("")
			}
			return ok()
		})
	}
	told := func(n int) {
		wait(fmt.Sprintf("%d are told", n), func() bool { return e.fates()[alert.Told] == n })
	}
	e.play(event.Login, 0, 1)
	told(2)
	e.play(event.Login, 2, 3)
	told(4)
	e.play(event.Login, 4)
	told(5)
	e.pass(10 * time.Minute)
	e.play(event.Logout, 0, 1, 2, 3, 4)
	e.pass(event.Relog)
	wait("all messages say that they have left", func() bool {
		e.pass(time.Second) // edits of one person are some seconds apart
		alone, listed, left := e.shown(larks)
		for i := range larks {
			if left[i] != alone[i]+listed[i] {
				return false
			}
		}
		return true
	})
	return died
}

// holds checks that everybody is told of once, and never more than on one list.
func (e *evening) holds() {
	e.t.Helper()
	alone, listed, _ := e.shown(larks)
	for i := range larks {
		if alone[i] > 1 || listed[i] > 1 || alone[i]+listed[i] == 0 {
			e.t.Errorf("lark %d is in %d messages alone and in %d lists", i, alone[i], listed[i])
		}
	}
	if n := len(e.dms()); n > larks+1 {
		e.t.Errorf("%d messages about %d friends", n, larks)
	}
	if f := e.fates(); f[alert.Told] != larks || len(f) != 1 {
		e.t.Errorf("fates %v", f)
	}
}

// TestABotThatIsKilledAtAnyStepTellsNobodyTwice kills a bot after each claim, and
// before and after each settlement, of an evening with messages, a digest that
// grows, and departures; another bot takes over.
func TestABotThatIsKilledAtAnyStepTellsNobodyTwice(t *testing.T) {
	database := storagetest.SQLite(t)
	var steps []string
	for n := range 8 {
		steps = append(steps, fmt.Sprintf("claim %d after", n+1), fmt.Sprintf("settle %d before", n+1), fmt.Sprintf("settle %d after", n+1))
	}
	var deaths atomic.Int32
	t.Run("step", func(t *testing.T) {
		for _, step := range steps {
			t.Run(step, func(t *testing.T) {
				e := newEvening(t, database(t), larks)
				if e.run(step) {
					deaths.Add(1)
				}
				e.holds()
			})
		}
	})
	if n := deaths.Load(); n < 15 {
		t.Errorf("only %d bots were killed", n)
	}
}

// TestBotsThatAreKilledWhileDiscordFailsTellNobodyTwice does the same with an
// answer lost behind each message and edit, on the real database server as well.
func TestBotsThatAreKilledWhileDiscordFailsTellNobodyTwice(t *testing.T) {
	for name, database := range map[string]func(*testing.T) func(*testing.T) string{"sqlite": storagetest.SQLite, "mysql": storagetest.MySQL} {
		t.Run(name, func(t *testing.T) {
			e := newEvening(t, database(t)(t), larks)
			e.fault(discord.Fault{Kind: discord.FaultLost, Route: createMessage, Count: 3})
			e.fault(discord.Fault{Kind: discord.FaultLost, Route: editMessage, Count: 3})
			if !e.run("settle 2 before") {
				t.Error("nobody was killed")
			}
			e.holds()
		})
	}
}
