package main

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage/storagetest"
)

// servers are the variables for roles in processes of their own, over the real
// RabbitMQ, Redis and MariaDB of the tests.
func servers(t *testing.T) []string {
	t.Helper()
	broker, redis := os.Getenv("MUSTER_TEST_AMQP_URL"), os.Getenv("MUSTER_TEST_REDIS_ADDRS")
	if broker == "" || redis == "" {
		t.Skip("MUSTER_TEST_AMQP_URL or MUSTER_TEST_REDIS_ADDRS is not set: they name a RabbitMQ and three Redis servers")
	}
	leases := "redis://" + strings.ReplaceAll(redis, ",", ",redis://")
	return []string{"MUSTER_BUS_URL=" + broker, "MUSTER_BUS_NAMESPACE=test-" + strings.ToLower(rand.Text()),
		"MUSTER_LEASE_URLS=" + leases, "MUSTER_DATABASE_URL=" + storagetest.MySQL(t)(t)}
}

func TestEachRoleInAProcessOfItsOwnGivesTheSameFlow(t *testing.T) {
	env := servers(t)
	world, people := startGame(t, func(c *game.Config) { c.EventsPerSecond = 50 }), startDiscord(t)
	env = append(env, settings("", world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test")[1:]...)
	procs := map[string]*proc{}
	run := func(name, role string) *proc {
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
	for _, role := range []string{"dispatcher", "notifier", "bot", "roster", "listener"} {
		run(role, role)
	}
	addr := procs["notifier"].err.find(t, `muster runs.* page=(\S+)`)
	procs["bot"].err.find(t, "commands registered")
	procs["listener"].err.find(t, "state=reconciling")

	feed := follow(t, addr, "world=10")
	feed.wait(t, 10)
	kestrel, user := person(t, world, "Kestrel"), people.Users()[0].ID
	answer, err := people.Command(t.Context(), discord.CommandInput{User: user, Text: "/link player:Kestrel"})
	if err != nil || answer.Message == nil || !strings.Contains(answer.Message.Content, "linked") {
		t.Fatalf("/link answers %+v: %v", answer, err)
	}
	toldOf(t, people, user, comesOn(t, world, kestrel))

	// Another dispatcher and another listener take over from killed ones.
	run("second dispatcher", "dispatcher").err.find(t, "muster runs")
	second := run("second listener", "listener")
	second.err.find(t, "muster runs")
	for _, role := range []string{"dispatcher", "listener"} {
		if err := procs[role].cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	second.err.find(t, "msg=leading role=listener")
	second.err.find(t, "state=reconciling")
	toldOf(t, people, user, comesOn(t, world, kestrel))

	for _, name := range []string{"second listener", "roster", "second dispatcher", "notifier", "bot"} {
		if err := procs[name].cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := procs[name].wait(t); err != nil {
			t.Errorf("%s ends with %v", name, err)
		}
	}
	if len(feed.repeats) > 0 {
		t.Errorf("came twice on the feed: %v", feed.repeats)
	}
}

// comesOn logs in a friend who is not online.
func comesOn(t *testing.T, world *game.Server, of game.Person) game.Person {
	t.Helper()
	friend := offlineFriend(t, world, of)
	if err := world.Login(friend.ID); err != nil {
		t.Fatal(err)
	}
	return friend
}

// toldOf waits for the message about a friend.
func toldOf(t *testing.T, people *discord.Server, user string, friend game.Person) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	about := func(msg discord.Message) bool {
		return strings.Contains(msg.Content, friend.Name) && strings.Contains(msg.Content, "is online")
	}
	if _, err := people.WaitMessage(ctx, discord.MessageFilter{User: user}, about); err != nil {
		t.Fatalf("no message about %s: %v", friend.Name, err)
	}
}
