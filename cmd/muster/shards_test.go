package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage"
	"muster/storage/storagetest"
)

// Two bot processes and four shards: one is killed, one is suspended for longer than its
// leases last. The other takes the shards, everybody gets an answer, and each post is
// made once.
func TestTwoBotsShareFourShardsWhicheverDies(t *testing.T) {
	env := servers(t)
	const owner = "1200000000000000001"
	var rooms []string
	people := startDiscordWith(t, func(c *discord.Config) {
		c.Shards, c.MaxConcurrency, c.Guilds, c.Limits = 4, 4, nil, discord.Limits{}
		for i := range uint64(4) {
			id := (uint64(310_000_000_000)*4 + i) << 22
			rooms = append(rooms, strconv.FormatUint(id+1, 10))
			c.Guilds = append(c.Guilds, discord.Guild{ID: strconv.FormatUint(id, 10), Name: fmt.Sprintf("Guild %d", i), OwnerID: owner,
				Channels: []discord.Channel{{ID: rooms[i], Name: fmt.Sprintf("room-%d", i)}}})
		}
	})
	world := startGame(t, func(*game.Config) {})
	database := databaseOf(env)
	env = append(env, settings("", world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test")[1:]...)
	bots := []*proc{start(t, "muster", env, "bot"), nil}
	holds := func(what string) {
		t.Helper()
		until(t, what, func() bool {
			list := people.Shards()
			slices.SortFunc(list, func(a, b [2]int) int { return a[0] - b[0] })
			return len(list) == 4 && len(slices.Compact(list)) == 4
		})
	}
	answers := func() {
		t.Helper()
		before := people.Stats().Doubled
		for _, room := range append([]string{""}, rooms...) {
			a, err := people.Command(t.Context(), discord.CommandInput{User: owner, Channel: room, Text: "/help"})
			if err != nil || a.Message == nil {
				t.Errorf("no answer in %q: %v", room, err)
			}
		}
		if n := people.Stats().Doubled - before; n != 0 {
			t.Errorf("%d interactions went to two processes", n)
		}
	}
	posts := func(room string) (n int) {
		for _, m := range people.Messages(discord.MessageFilter{Channel: room}) {
			if m.Interaction == nil {
				n++
			}
		}
		return n
	}
	handed := func(p *proc) int { return strings.Count(p.err.String(), "shard handed over") }

	holds("the first bot has all shards")
	bots[0].err.find(t, "commands registered")
	store, err := storage.Open(t.Context(), database, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for i, room := range rooms {
		channel, _ := alert.ParseSnowflake(room)
		if _, _, err := store.Subscribe(t.Context(), alert.Subscription{Guild: channel - 1, Channel: channel, Topic: alert.TopicLocks,
			By: alert.UserID(1200000000000000001), CreatedAt: time.Now(), AtLeast: i}); err != nil {
			t.Fatal(err)
		}
	}
	locks := 0
	happens := func(n int) {
		t.Helper()
		var list []event.Event
		for range n {
			now := time.Now().UTC().Truncate(time.Second)
			list = append(list, event.Event{Kind: event.ContinentLock, World: 10, Zone: event.Zone(locks<<16 | 2), At: now, ReceivedAt: now, Detail: event.Lock{By: event.NC}})
			locks++
		}
		if _, err := store.Record(t.Context(), time.Now(), event.Record{Events: list}, nil); err != nil {
			t.Fatal(err)
		}
	}
	happens(5)
	bots[1] = start(t, "muster", env, "bot")
	until(t, "the first hands two over", func() bool { return handed(bots[0]) == 2 })
	holds("both have two")
	answers()

	happens(5)
	killed := time.Now()
	if err := bots[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = bots[0].wait(t)
	happens(5)
	holds("the second has all")
	t.Logf("all sessions stand %v after SIGKILL", time.Since(killed).Round(10*time.Millisecond))
	answers()

	bots[0] = start(t, "muster", env, "bot")
	until(t, "the second hands two over", func() bool { return handed(bots[1]) == 2 })
	holds("both have two again")
	if n := people.Stats().Overlaps; n != 0 {
		t.Errorf("%d sessions began beside another one of their shard", n)
	}
	if err := bots[1].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	happens(5)
	// The frozen one's sessions stand at Discord until it misses their heartbeats; what
	// counts is that the first one has all.
	until(t, "the first has all", func() bool { return strings.Count(bots[0].err.String(), "shard taken") == 4 })
	if err := bots[1].cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, "the first hands two back", func() bool { return handed(bots[0]) == 2 })
	holds("both have two at the end")
	answers()
	began, overlaps := time.Now(), people.Stats().Overlaps
	if err := bots[0].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := bots[0].wait(t); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	ended := time.Since(began)
	holds("the second has all when the first has ended")
	t.Logf("the first ended %v after SIGTERM, all sessions stand after %v", ended.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
	if n := people.Stats().Overlaps - overlaps; n != 0 {
		t.Errorf("%d sessions began beside another one of their shard", n)
	}
	answers()

	db := storagetest.Raw(t, database)
	until(t, "all is posted", func() bool {
		// What the dead bot had begun it holds for a minute. Here that is five seconds.
		now := time.Now()
		if _, err := db.ExecContext(t.Context(), "UPDATE channel_subs SET held_ns = 0 WHERE held_ns > ? AND held_ns < ?",
			now.UnixNano(), now.Add(55*time.Second).UnixNano()); err != nil {
			t.Fatal(err)
		}
		for _, room := range rooms {
			if posts(room) < locks {
				return false
			}
		}
		return true
	})
	for _, room := range rooms {
		if n := posts(room); n != locks {
			t.Errorf("%d posts of %d locks in %s", n, locks, room)
		}
	}
	if n := people.Stats().Routes["PUT /applications/{application_id}/commands"]; n != 1 {
		t.Errorf("the commands were registered %d times", n)
	}
	if v := people.Violations(); len(v) > 0 {
		t.Errorf("Discord would refuse: %+v", v)
	}
}
