package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage"
)

// How BenchmarkLoginToMessage loads the chain: of alertRate logins a second every
// alertEvery-th is of somebody whom one person watches. That leaves Discord's 25
// requests a second for alerts some room, and so measures the way and not a queue.
const (
	alertRate   = 100
	alertEvery  = 5
	alertOthers = 200  // other events a second, or the stream would be taken for a silent one
	alertPeople = 2000 // watched, each by somebody else
)

// BenchmarkLoginToMessage takes the time from a login in the simulated game, at 100
// logins a second of which 20 are watched, until its message is in the stand-in
// Discord: with all roles in one process over SQLite, and with each role in a process
// of its own over RabbitMQ, MariaDB and Redis. b.N counts messages.
func BenchmarkLoginToMessage(b *testing.B) {
	b.Run("one process", func(b *testing.B) {
		loginToMessage(b, []string{"MUSTER_DATABASE_URL=sqlite:" + b.TempDir() + "/muster.db"}, "all")
	})
	b.Run("roles apart", func(b *testing.B) {
		loginToMessage(b, servers(b), "dispatcher", "roster", "bot", "listener")
	})
}

func loginToMessage(b *testing.B, env []string, roles ...string) {
	if b.N > alertPeople {
		b.Skipf("%d are watched, and each comes on once", alertPeople)
	}
	people := startDiscord(b)
	world := startGame(b, func(c *game.Config) {
		c.Worlds, c.Players, c.EventsPerSecond = []string{"1", "10", "40"}, 5000, alertOthers
	})
	env = append(env, settings("", world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test")[1:]...)
	database := databaseOf(env)
	watched, others := fans(b, database, world, people)
	procs := map[string]*proc{}
	for _, role := range roles {
		procs[role] = startBinary(b, env, role)
		procs[role].err.find(b, "muster runs")
	}
	first, last := procs[roles[0]], procs[roles[len(roles)-1]]
	if bot := procs["bot"]; bot != nil {
		first = bot
	}
	first.err.find(b, "commands registered")
	last.err.find(b, "state=reconciling")

	began := map[string]time.Time{} // by the name of the watched
	b.ResetTimer()
	tick := time.NewTicker(time.Second / alertRate)
	defer tick.Stop()
	for n, next := 0, 0; len(began) < b.N; n++ {
		<-tick.C
		p := others[n%len(others)]
		if n%alertEvery == 0 {
			p = watched[next]
			next++
			began[p.Name] = time.Now()
		}
		if err := world.Login(p.ID); err != nil {
			b.Fatal(err)
		}
	}
	var took []time.Duration
	until(b, "all are told", func() bool {
		took = took[:0]
		for _, msg := range people.Messages(discord.MessageFilter{}) {
			name, found := strings.CutPrefix(msg.Content, "🟢 **")
			name, _, ok := strings.Cut(name, "**")
			if _, bare, tagged := strings.Cut(name, "] "); tagged {
				name = bare
			}
			if at, known := began[strings.ReplaceAll(name, `\`, "")]; known && found && ok {
				took = append(took, msg.ReceivedAt.Sub(at))
			}
		}
		return len(took) >= b.N
	})
	b.StopTimer()
	percentiles(b, took, nil, nil)
}

// fans makes users who watch one player each and have an open conversation, and
// returns whom they watch, and all others, of those who are off.
func fans(b *testing.B, database string, world *game.Server, people *discord.Server) (watched, others []game.Person) {
	b.Helper()
	s, err := storage.Open(b.Context(), database, storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	check(s.Migrate(b.Context()))
	var known []event.Character
	for _, p := range world.Everyone() {
		if p.Online {
			continue
		}
		id, err := event.ParseCharacterID(p.ID)
		check(err)
		known = append(known, event.Character{ID: id, Name: p.Name, Faction: event.Faction(p.Faction), World: 10, ResolvedAt: time.Now()})
		others = append(others, p)
	}
	for some := range slices.Chunk(known, 500) {
		check(s.SaveCharacters(b.Context(), some))
	}
	if len(others) < 2*alertPeople {
		b.Fatalf("%d people are off only", len(others))
	}
	watched, others = others[:alertPeople], others[alertPeople:]
	for i := range watched {
		u := alert.UserID(1500000000000000000 + int64(i))
		_, err := people.AddUser(discord.User{ID: u.String(), Username: fmt.Sprintf("fan%d", i)})
		check(err)
		_, _, err = s.AddWatch(b.Context(), alert.Watch{User: u, Kind: alert.WatchCharacter, Character: known[i].ID, CreatedAt: time.Now()})
		check(err)
		check(s.SaveRecipient(b.Context(), alert.Recipient{User: u, DMChannel: people.DMChannel(u.String())}))
	}
	return watched, others
}
