package main

import (
	"flag"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"muster/sim/discord"
	"muster/sim/game"
)

var interactions = flag.Int("interactions", 600, "how many commands are typed, 200 a second; from 50,000 on their times and the memory are judged")

// watching is how many people are told of friends meanwhile.
const watching = 20

// People type 200 commands a second while friends come and go and are told of. Every
// command is answered; in a long run each acknowledgement comes within a second, and the
// process does not grow.
func TestManyCommandsAtOnceAreAllAnsweredWhilePeopleAreTold(t *testing.T) {
	// Few events: what the notifier keeps of them for its readers would count as growth.
	world := startGame(t, func(c *game.Config) { c.EventsPerSecond, c.PresenceEvery = 2, 200*time.Millisecond })
	people := startDiscordWith(t, func(c *discord.Config) {
		c.OpenAPIPath, c.Limits = "", discord.Limits{}
		for i := range 200 {
			c.Users = append(c.Users, discord.User{ID: strconv.Itoa(1_200_000_000_000_001_000 + i), Username: "reader" + strconv.Itoa(i)})
		}
	})
	p := start(t, "muster", settings("sqlite:muster.db", world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test"), "all")
	p.err.find(t, "commands registered")
	users := people.Users()
	for _, u := range users[:watching] {
		for _, text := range []string{"/link player:Kestrel", "/watch add outfit:HNW"} {
			if a, err := people.Command(t.Context(), discord.CommandInput{User: u.ID, Text: text}); err != nil || a.Message == nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	texts := []string{"/help", "/population", "/alerts", "/status", "/character player:Kestrel", "/watch list", "/settings", "/friends show"}
	var work sync.WaitGroup
	var mu sync.Mutex
	var waits []time.Duration
	var memory []float64
	failed := 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := range *interactions {
		<-tick.C
		work.Go(func() {
			a, err := people.Command(t.Context(), discord.CommandInput{User: users[i%len(users)].ID, Text: texts[i%len(texts)]})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || a.Message == nil {
				if failed++; failed < 5 {
					t.Errorf("%s: %+v, %v", texts[i%len(texts)], a.Kind, err)
				}
				return
			}
			waits = append(waits, a.AnsweredAt.Sub(a.SentAt))
		})
		if i%(max(*interactions/40, 1)) == 0 {
			memory = append(memory, residentMB(t, p.cmd.Process.Pid))
		}
	}
	work.Wait()
	if failed > 0 {
		t.Errorf("%d of %d commands were not answered", failed, *interactions)
	}
	routes := people.Stats().Routes
	told := routes["POST /channels/{channel_id}/messages"] + routes["PATCH /channels/{channel_id}/messages/{message_id}"]
	if told <= watching { // each got one message when they began to watch
		t.Error("nobody was told of anything meanwhile")
	}
	slices.Sort(waits)
	at := func(share float64) time.Duration {
		return waits[int(share*float64(len(waits)-1))].Round(time.Millisecond)
	}
	quarter := len(memory) / 4
	second, last := mean(memory[quarter:2*quarter]), mean(memory[len(memory)-quarter:])
	t.Logf("%d commands, acknowledged after p50 %s, p99 %s, at most %s; %d messages and edits meanwhile; resident %.0f MB in the second quarter, %.0f MB in the last",
		len(waits), at(.5), at(.99), at(1), told, second, last)
	if *interactions < 50_000 {
		return
	}
	if at(1) >= time.Second {
		t.Errorf("an acknowledgement took %s", at(1))
	}
	if last > 1.1*second+8 {
		t.Errorf("memory grew from %.0f to %.0f MB", second, last)
	}
}

func mean(list []float64) (sum float64) {
	for _, v := range list {
		sum += v
	}
	return sum / float64(max(len(list), 1))
}
