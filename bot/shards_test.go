package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/lease"
	"muster/sim/discord"
	"muster/storage"
	"muster/storage/storagetest"
)

// fourGuilds are guilds of one channel each, the nth of shard n of four.
func fourGuilds(c *discord.Config) {
	checked(c)
	c.Shards, c.MaxConcurrency = 4, 2
	c.Guilds = nil
	for i := range uint64(4) {
		id := (uint64(310_000_000_000)*4 + i) << 22
		c.Guilds = append(c.Guilds, discord.Guild{ID: strconv.FormatUint(id, 10), Name: fmt.Sprintf("Guild %d", i), OwnerID: ana.String(),
			Channels: []discord.Channel{{ID: strconv.FormatUint(id+1, 10), Name: fmt.Sprintf("room-%d", i)}}})
	}
}

// A fleet is several bots that share a stand-in, a store and a lease service.
type fleet struct {
	*bench
	store  *storage.Store
	locker *cutLocker
}

// A cutLocker is a lease service that can go away, with which all leases end.
type cutLocker struct {
	*lease.Memory
	mu   sync.Mutex
	away bool
	held map[string]lease.Lease
}

// Acquire implements lease.Locker.
func (c *cutLocker) Acquire(ctx context.Context, name string) (lease.Lease, error) {
	got, err := c.Memory.Acquire(ctx, name)
	if err == nil {
		c.mu.Lock()
		c.held[name] = got
		c.mu.Unlock()
	}
	return got, err
}

// set says whether the service is away. All leases end, as their time runs out then.
func (c *cutLocker) set(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
	for _, l := range c.held {
		l.Release()
	}
	clear(c.held)
}

// heldShards counts the leases of shards that last.
func (c *cutLocker) heldShards() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, l := range c.held {
		if strings.HasPrefix(name, "bot.shard.") && lease.Held(l) {
			n++
		}
	}
	return n
}

func (c *cutLocker) ready(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return context.DeadlineExceeded
	}
	return nil
}

func newFleet(t *testing.T, change func(*discord.Config)) *fleet {
	t.Helper()
	f := &fleet{bench: newBench(t, change), locker: &cutLocker{Memory: lease.NewMemory(), held: map[string]lease.Lease{}}}
	f.store = storagetest.Open(t, "sqlite:"+t.TempDir()+"/muster.db")
	return f
}

// member starts one more bot; the function stops it.
func (f *fleet) member(change func(*Config)) (*Bot, func()) {
	f.t.Helper()
	b := &bench{t: f.t, sim: f.sim, bus: f.bench.bus, logs: f.logs, ended: make(chan error, 1)}
	b.start(func(c *Config) {
		c.Store, c.Directory, c.Locker, c.LockerReady = f.store, &realDirectory{store: f.store}, f.locker, f.locker.ready
		c.ShardsEvery = 50 * time.Millisecond
		if change != nil {
			change(c)
		}
	})
	return b.bot, func() {
		b.stop()
		if fatal := b.ends(); fatal != nil {
			f.t.Errorf("a bot ended with %v", fatal)
		}
	}
}

// holds waits until each shard has one session, and each bot so many of them.
func (f *fleet) holds(want map[*Bot]int) {
	f.t.Helper()
	f.until("each shard has one session", func() bool {
		n := 0
		for b, share := range want {
			b.shards.mu.Lock()
			held, up := len(b.shards.held), len(b.shards.up)
			b.shards.mu.Unlock()
			if held != share || up != share {
				return false
			}
			n += share
		}
		list := f.sim.Shards()
		slices.SortFunc(list, func(a, b [2]int) int { return a[0] - b[0] })
		return len(list) == n && len(slices.Compact(list)) == n
	})
}

// answers types a command in each guild and in a direct message.
func (f *fleet) answers() {
	f.t.Helper()
	before := f.sim.Stats().Doubled
	for _, where := range []string{"", "room-0", "room-1", "room-2", "room-3"} {
		wants(f.t, f.runIn(where, "/help"), "/watch add")
	}
	if n := f.sim.Stats().Doubled - before; n != 0 {
		f.t.Errorf("%d interactions went to two sessions", n)
	}
}

func TestBotsShareTheShardsAndTakeOverThoseOfOneThatEnds(t *testing.T) {
	f := newFleet(t, fourGuilds)
	first, stopFirst := f.member(nil)
	f.holds(map[*Bot]int{first: 4})
	f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
	f.answers()
	second, stopSecond := f.member(nil)
	f.holds(map[*Bot]int{first: 2, second: 2})
	f.answers()
	third, stopThird := f.member(nil)
	f.holds(map[*Bot]int{first: 2, second: 1, third: 1})
	f.answers()
	stopThird()
	f.holds(map[*Bot]int{first: 2, second: 2})
	stopFirst()
	f.holds(map[*Bot]int{second: 4})
	f.answers()
	if n := f.sim.Stats().Routes["PUT /applications/{application_id}/commands"]; n != 1 {
		t.Errorf("the commands were registered %d times: %v", n, f.sim.Stats().Routes)
	}
	stopSecond()
	f.until("all sessions are gone", func() bool { return len(f.sim.Shards()) == 0 })
}

func TestABotTooManyStandsBy(t *testing.T) {
	f := newFleet(t, checked)
	first, stopFirst := f.member(nil)
	f.holds(map[*Bot]int{first: 1})
	f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
	second, _ := f.member(nil)
	f.until("it stands by", func() bool { return second.Ready(t.Context()) == nil })
	wants(t, second.StandsBy(), "another bot is connected")
	if s := first.StandsBy(); s != "" {
		t.Errorf("the first says that it stands by: %s", s)
	}
	if list := f.sim.Shards(); len(list) != 1 {
		t.Errorf("sessions: %v", list)
	}
	stopFirst()
	f.holds(map[*Bot]int{second: 1})
	wants(t, f.run("/help"), "/watch add")
}

// People go on getting answers while the lease service is away, and afterwards each
// shard has one session again.
func TestSessionsGoOnWhileTheLeaseServiceIsAway(t *testing.T) {
	f := newFleet(t, fourGuilds)
	first, _ := f.member(nil)
	second, _ := f.member(nil)
	f.holds(map[*Bot]int{first: 2, second: 2})
	// Else one of them still waits for the other's, and gets it when all leases end.
	f.until("both know of each other", func() bool { return first.shards.shareNow() == 2 && second.shards.shareNow() == 2 })
	f.holds(map[*Bot]int{first: 2, second: 2})
	f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
	before := f.sim.Stats().Identifies
	f.locker.set(true)
	f.answers()
	f.locker.set(false)
	f.until("every shard has its lease again", func() bool { return f.locker.heldShards() == 4 })
	f.holds(map[*Bot]int{first: 2, second: 2})
	f.answers()
	if n := f.sim.Stats().Identifies - before; n != 0 {
		t.Errorf("%d sessions were made anew", n)
	}
}

func TestALeaseThatAnotherHasEndsTheSession(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"a service that was never away":            nil,
		"a service of which nobody says how it is": func(c *Config) { c.LockerReady = nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, checked)
			first, _ := f.member(change)
			f.holds(map[*Bot]int{first: 1})
			taken := make(chan lease.Lease, 1)
			ctx := f.ctx()
			go func() {
				l, err := f.locker.Memory.Acquire(ctx, "bot.shard.1.0")
				if err != nil {
					t.Error(err)
				}
				taken <- l
			}()
			var other lease.Lease
			f.until("another has the lease", func() bool {
				f.locker.set(false) // the first one's time runs out
				select {
				case other = <-taken:
					return true
				default:
					return false
				}
			})
			f.until("its session is over", func() bool { return len(f.sim.Shards()) == 0 })
			f.until("it is not ready", func() bool { return errors.Is(first.Ready(ctx), errNotConnected) })
			other.Release()
			f.holds(map[*Bot]int{first: 1})
		})
	}
}

func TestIdentifiesKeepDiscordsPaceAcrossProcesses(t *testing.T) {
	f := newFleet(t, func(c *discord.Config) {
		fourGuilds(c)
		c.IdentifyEvery = 100 * time.Millisecond // sooner ends the session with op 9
	})
	pace := func(c *Config) { c.IdentifyEvery = 150 * time.Millisecond }
	first, _ := f.member(pace)
	second, _ := f.member(pace)
	f.holds(map[*Bot]int{first: 2, second: 2})
	if strings.Contains(f.logs.String(), "invalid session") {
		t.Errorf("an IDENTIFY came too soon")
	}
}
