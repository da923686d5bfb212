package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage/storagetest"
)

// TestTwoDispatchersAndTwoBotsKilledInTurnTellEverybodyOnce has friends come on
// while one of each is killed and another one started, over the real servers.
func TestTwoDispatchersAndTwoBotsKilledInTurnTellEverybodyOnce(t *testing.T) {
	env := servers(t)
	world, people := startGame(t, func(c *game.Config) { c.EventsPerSecond = 100 }), startDiscord(t)
	database := databaseOf(env)
	env = append(env, settings("", world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test")[1:]...)
	procs := map[string]*proc{}
	run := func(name string) *proc {
		role, _, _ := strings.Cut(name, " ")
		procs[name] = start(t, "muster", env, role)
		return procs[name]
	}
	t.Cleanup(func() {
		for name, p := range procs {
			if t.Failed() {
				t.Logf("%s said:\n%s", name, tail(p.err.String(), 3000))
			}
		}
	})
	for _, name := range []string{"dispatcher 1", "dispatcher 2", "bot 1", "roster", "listener"} {
		run(name)
	}
	procs["bot 1"].err.find(t, "commands registered")
	procs["listener"].err.find(t, "state=reconciling")
	kestrel, user := person(t, world, "Kestrel"), people.Users()[0].ID
	answer, err := people.Command(t.Context(), discord.CommandInput{User: user, Text: "/link player:Kestrel"})
	if err != nil || answer.Message == nil || !strings.Contains(answer.Message.Content, "linked") {
		t.Fatalf("/link answers %+v: %v", answer, err)
	}
	run("bot 2").err.find(t, "muster runs") // it stands by for commands, and tells people as the first one does

	db := storagetest.Raw(t, database)
	var came []game.Person
	told := func(p game.Person) bool {
		alone, listed := mentions(people.DMs(user), p.Name)
		return alone+listed > 0
	}
	for round := range 3 {
		for range 2 {
			came = append(came, comesOn(t, world, kestrel))
		}
		for _, role := range []string{"dispatcher", "bot"} {
			name := fmt.Sprintf("%s %d", role, 1+rand.IntN(2))
			if err := procs[name].cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = procs[name].wait(t)
			run(name).err.find(t, "muster runs")
		}
		// What the dead bot had begun it holds for a minute. Here that is five seconds.
		until(t, fmt.Sprintf("everybody of round %d is told of", round), func() bool {
			now := time.Now()
			if _, err := db.ExecContext(t.Context(), "UPDATE alert_turns SET held_ns = 0, due_ns = 1 WHERE held_ns > ? AND held_ns < ?",
				now.UnixNano(), now.Add(55*time.Second).UnixNano()); err != nil {
				t.Fatal(err)
			}
			for _, p := range came {
				if !told(p) {
					return false
				}
			}
			return true
		})
	}
	for _, p := range came {
		if alone, listed := mentions(people.DMs(user), p.Name); alone > 1 || listed > 1 {
			t.Errorf("%s is in %d messages and %d digests", p.Name, alone, listed)
		}
	}
	if v := people.Violations(); len(v) > 0 {
		t.Errorf("Discord would refuse: %+v", v)
	}
}
