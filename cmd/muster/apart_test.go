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
	for _, role := range []string{"dispatcher", "notifier", "bot", "roster", "listener"} {
		procs[role] = start(t, "muster", env, role)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s said:\n%s", role, tail(procs[role].err.String(), 3000))
			}
		})
	}
	addr := procs["notifier"].err.find(t, `muster runs.* page=(\S+)`)
	procs["bot"].err.find(t, "commands registered")
	procs["listener"].err.find(t, "state=reconciling")

	follow(t, addr, "world=10").wait(t, 10)
	kestrel, user := person(t, world, "Kestrel"), people.Users()[0].ID
	answer, err := people.Command(t.Context(), discord.CommandInput{User: user, Text: "/link player:Kestrel"})
	if err != nil || answer.Message == nil || !strings.Contains(answer.Message.Content, "linked") {
		t.Fatalf("/link answers %+v: %v", answer, err)
	}
	friend := offlineFriend(t, world, kestrel)
	if err := world.Login(friend.ID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told := func(msg discord.Message) bool { return strings.Contains(msg.Content, friend.Name) }
	if _, err := people.WaitMessage(ctx, discord.MessageFilter{User: user}, told); err != nil {
		t.Fatalf("no message about %s: %v", friend.Name, err)
	}
	for _, role := range []string{"listener", "roster", "dispatcher", "notifier", "bot"} {
		if err := procs[role].cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := procs[role].wait(t); err != nil {
			t.Errorf("%s ends with %v", role, err)
		}
	}
}
