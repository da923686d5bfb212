package main

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage"
	"muster/storage/storagetest"
)

// followFifty has a user follow 50 players who are off, and returns them.
func followFifty(t *testing.T, database string, world *game.Server, user string) (all []game.Person) {
	t.Helper()
	s, err := storage.Open(t.Context(), database, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := alert.ParseUserID(user)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range world.Everyone() {
		if p.Online || len(all) == 50 {
			continue
		}
		id, err := event.ParseCharacterID(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.AddWatch(t.Context(), alert.Watch{User: u, Kind: alert.WatchCharacter, Character: id, CreatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 50 {
		t.Fatalf("only %d players are off", len(all))
	}
	return all
}

// TestRestartsOfEveryRoleTellNobodyAgain kills each role in turn, or the one process
// that has them all, while 50 players whom somebody follows are on.
func TestRestartsOfEveryRoleTellNobodyAgain(t *testing.T) {
	t.Run("roles apart", func(t *testing.T) {
		restarts(t, servers(t), "dispatcher", "notifier", "bot", "roster", "listener")
	})
	t.Run("one process", func(t *testing.T) {
		restarts(t, []string{"MUSTER_DATABASE_URL=sqlite:" + t.TempDir() + "/muster.db"}, "all")
	})
}

func restarts(t *testing.T, env []string, roles ...string) {
	world, people := startGame(t, func(c *game.Config) { c.EventsPerSecond = 200 }), startDiscord(t)
	database := databaseOf(env)
	user := people.Users()[0].ID
	friends := followFifty(t, database, world, user)
	env = append(env, settings("", world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test")[1:]...)
	procs := map[string]*proc{}
	for _, role := range roles {
		procs[role] = start(t, "muster", env, role)
	}
	with := func(role string) *proc { return cmp.Or(procs[role], procs["all"]) }
	with("bot").err.find(t, "commands registered")
	with("listener").err.find(t, "state=reconciling")
	for _, p := range friends {
		if err := world.Login(p.ID); err != nil {
			t.Fatal(err)
		}
	}
	db := storagetest.Raw(t, database)
	until(t, "all 50 are told of", func() bool { return one[int](t, db, "SELECT COUNT(*) FROM alerts WHERE state = 1") == 50 })
	before := people.DMs(user)

	feed := follow(t, with("notifier").err.find(t, `muster runs.* page=(\S+)`), "")
	for _, role := range roles {
		if err := procs[role].cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = procs[role].wait(t)
		procs[role] = start(t, "muster", env, role)
		procs[role].err.find(t, map[string]string{"bot": "connected to discord", "roster": "msg=leading", "listener": "state=reconciling", "all": "state=reconciling"}[role])
		if role == "notifier" || role == "all" {
			feed = follow(t, procs[role].err.find(t, `muster runs.* page=(\S+)`), "")
		}
		feed.waitPast(t, time.Now().Add(2*time.Second)) // all give signs of life
	}
	with("roster").err.find(t, "presence corrected after a hole")
	feed.waitPast(t, time.Now().Add(2*time.Second))

	if n := one[int](t, db, "SELECT COUNT(*) FROM alerts"); n != 50 {
		t.Errorf("%d alerts, want the 50 of before", n)
	}
	after := people.DMs(user)
	if len(after) != len(before) {
		t.Errorf("%d messages, want the %d of before: %s", len(after), len(before), contents(after))
	}
	for i := range min(len(before), len(after)) {
		if !after[i].EditedAt.Equal(before[i].EditedAt) {
			t.Errorf("message %d was edited: %s", i+1, contents(after[i:i+1]))
		}
	}
	on := one[int](t, db, "SELECT COUNT(*) FROM presence JOIN alerts USING (character_id) WHERE online = 1")
	if on != 50 {
		t.Errorf("%d count as on, want 50", on)
	}
}

func contents(all []discord.Message) string {
	var b strings.Builder
	for _, m := range all {
		b.WriteString(m.Content + "\n")
	}
	return b.String()
}
