package main

import (
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage/storagetest"
)

// servers are the variables for roles in processes of their own, over the real
// RabbitMQ, Redis and MariaDB of the tests.
func servers(t testing.TB) []string {
	t.Helper()
	broker, redis := os.Getenv("MUSTER_TEST_AMQP_URL"), os.Getenv("MUSTER_TEST_REDIS_ADDRS")
	if broker == "" || redis == "" {
		t.Skip("MUSTER_TEST_AMQP_URL or MUSTER_TEST_REDIS_ADDRS is not set: they name a RabbitMQ and three Redis servers")
	}
	leases := "redis://" + strings.ReplaceAll(redis, ",", ",redis://")
	return []string{"MUSTER_BUS_URL=" + broker, "MUSTER_BUS_NAMESPACE=test-" + strings.ToLower(rand.Text()),
		"MUSTER_LEASE_URLS=" + leases, "MUSTER_DATABASE_URL=" + storagetest.NewMySQL(t)}
}

// databaseOf returns the database that variables name.
func databaseOf(env []string) (url string) {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "MUSTER_DATABASE_URL="); ok {
			url = value
		}
	}
	return url
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
	friendsAreKnown(t, env, kestrel, feed)
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

// friendsAreKnown waits until the dispatchers, which ask each second, know whom
// somebody has made watched through another process.
func friendsAreKnown(t *testing.T, env []string, of game.Person, feed *reader) {
	t.Helper()
	database := databaseOf(env)
	db := storagetest.Raw(t, database)
	until(t, "the friends are stored", func() bool {
		return one[int](t, db, "SELECT COUNT(*) FROM friends WHERE owner_id = ?", of.ID) > 0
	})
	feed.waitPast(t, time.Now().Add(time.Second))
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

// toldOf waits for what a message says of a friend: one of its own, or a line of a
// digest where others came on too.
func toldOf(t *testing.T, people *discord.Server, user string, friend game.Person) {
	t.Helper()
	until(t, "a message about "+friend.Name, func() bool {
		return slices.ContainsFunc(people.DMs(user), func(msg discord.Message) bool {
			text := msg.Content
			for _, e := range msg.Embeds {
				text += e.Description
			}
			return strings.Contains(msg.Content, " online") && strings.Contains(text, friend.Name)
		})
	})
}
