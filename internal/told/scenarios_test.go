package told

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

// A scenario is what happens, and what people must see.
type scenario struct {
	name string
	play func(s *stage)
}

func TestEverybodyIsToldWhatTheyShould(t *testing.T) {
	all := slicesOf(comingAndGoing, whenToHear, messages, following, faults, crowds)
	if len(all) < 40 {
		t.Fatalf("%d scenarios only", len(all))
	}
	for name, on := range transports(t) {
		t.Run(name, func(t *testing.T) {
			for _, sc := range all {
				t.Run(sc.name, func(t *testing.T) { sc.play(newStage(t, on)) })
			}
		})
	}
}

func slicesOf(lists ...[]scenario) (all []scenario) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// noCooldown lets the same person be told again at once.
func noCooldown(s *alert.Settings) { s.Cooldown = 0 }

var comingAndGoing = []scenario{
	{"a login is told once", func(s *stage) {
		s.login(wren)
		s.sees(ana, on(wren))
		s.sees(ben)
	}},
	{"a login that comes on two connections is told once", func(s *stage) {
		twice := s.presences("PlayerLogin", 0, wren)
		s.play(twice[0], twice[0])
		s.play(twice[0])
		s.sees(ana, on(wren))
	}},
	{"a relog after 60 s is nothing", func(s *stage) {
		s.set(ana, noCooldown)
		s.login(wren)
		s.pass(10 * time.Minute)
		s.relog(60*time.Second, wren)
		s.pass(10 * time.Minute)
		s.sees(ana, on(wren))
	}},
	{"a relog after 179 s is nothing", func(s *stage) {
		s.set(ana, noCooldown)
		s.login(wren)
		s.pass(10 * time.Minute)
		s.relog(179*time.Second, wren)
		s.pass(10 * time.Minute)
		s.sees(ana, on(wren))
	}},
	{"a login 181 s after the logout is news", func(s *stage) {
		s.set(ana, noCooldown)
		s.login(wren)
		s.pass(10 * time.Minute)
		s.relog(181*time.Second, wren)
		s.sees(ana, was(wren), on(wren))
	}},
	{"a change of characters within the account is told: it cannot be known", func(s *stage) {
		s.login(wren)
		s.logout(wren)
		s.login(lapwing)
		s.sees(ana, on(wren), on(lapwing))
	}},
	{"a logout that was lost does not hide the next login", func(s *stage) {
		s.login(wren)
		s.pass(10 * time.Minute)
		s.fights(wren)
		s.pass(2 * time.Hour)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.login(wren)
		s.sees(ana, "Wren", on(wren))
	}},
	{"a login that was lost is told by the first sign of life", func(s *stage) {
		s.set(ana, noCooldown)
		s.login(wren)
		s.pass(10 * time.Minute)
		s.logout(wren)
		s.pass(time.Hour)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.fights(wren)
		s.fights(wren)
		s.sees(ana, was(wren), on(wren))
	}},
	{"who is seen for the first time, and not logging in, was there already", func(s *stage) {
		s.fights(wren, lapwing)
		s.sees(ana)
	}},
	{"what comes in the wrong order by 3 s is told once", func(s *stage) {
		s.play(append(s.gains(wainwright, wren), s.presences("PlayerLogin", 3*time.Second, wren)...)...)
		s.sees(ana, on(wren))
	}},
	{"a logout that arrives after the login that followed it is a relog", func(s *stage) {
		s.set(ana, noCooldown)
		s.login(wren)
		s.pass(20 * time.Minute)
		s.fights(wren)
		s.pass(4 * time.Second)
		s.login(wren)
		s.logoutAgo(3*time.Second, wren)
		s.pass(10 * time.Minute)
		s.sees(ana, on(wren))
	}},
	{"a login stamped a day ahead counts for the moment it came", func(s *stage) {
		s.loginAgo(-24*time.Hour, wren)
		s.sees(ana, on(wren))
		s.pass(10 * time.Minute)
		s.logout(wren)
		s.pass(4 * time.Minute)
		s.sees(ana, was(wren))
	}},
	{"a login older than its lifetime is not told", func(s *stage) {
		s.loginAgo(5*time.Minute+2*time.Second, wren)
		s.sees(ana)
	}},
	{"a login a little younger than its lifetime is told", func(s *stage) {
		s.loginAgo(4*time.Minute+50*time.Second, wren)
		s.sees(ana, on(wren))
	}},
	{"who came and went while the bot was away is not told", func(s *stage) {
		s.stopBot()
		s.login(wren)
		s.pass(time.Minute)
		s.logout(wren)
		s.pass(3*time.Minute + time.Second)
		s.startBot()
		s.settle()
		s.sees(ana)
		s.why(ana, alert.Gone)
	}},
	{"who came while the bot was away is told when it is back in time", func(s *stage) {
		s.stopBot()
		s.login(wren)
		s.pass(4 * time.Minute)
		s.startBot()
		s.settle()
		s.sees(ana, on(wren))
	}},
	{"who came while the bot was away for long is old news", func(s *stage) {
		s.stopBot()
		s.login(wren)
		s.pass(6 * time.Minute)
		s.startBot()
		s.settle()
		s.sees(ana)
		s.why(ana, alert.Expired)
	}},
	{"restarts announce nobody of 50 friends who are on", func(s *stage) {
		many := s.strangers(50)
		s.friends(kestrel, many...)
		logins := s.presences("PlayerLogin", 0, many...)
		s.play(logins...)
		s.pass(10 * time.Second)
		before := s.digested(ana, 50)
		s.pass(20 * time.Minute)
		for range 2 {
			s.stopBot()
			s.stopDispatcher()
			s.startDispatcher()
			s.startBot()
			s.fights(many...)
			s.play(logins...) // and the queue gives what it had given before
			s.pass(10 * time.Minute)
		}
		after := s.seen(ana)
		if len(after) != len(before) {
			s.Errorf("%d messages, want the %d of before", len(after), len(before))
		}
		for i, m := range before {
			if !after[i].EditedAt.Equal(m.EditedAt) {
				s.Errorf("message %d was edited", i+1)
			}
		}
	}},
	{"after an outage of ten minutes in which five came and three went nobody is announced, and the summary is right", func(s *stage) {
		friends := s.strangers(10)
		stays, gone, came, off := friends[:1], friends[1:4], friends[4:9], friends[9]
		s.friends(kestrel, friends...)
		s.loginAtOnce(slices.Concat(stays, gone)...)
		s.pass(20 * time.Minute)
		s.stream(wainwright, event.StreamDown, 0)
		s.pass(10 * time.Minute)
		s.stream(wainwright, event.StreamReconciling, 0)
		s.fights(slices.Concat(stays, came[:2])...)
		for _, id := range slices.Concat(stays, came) {
			s.observe(id, true)
		}
		for _, id := range append(gone, off) {
			s.observe(id, false)
		}
		s.stream(wainwright, event.StreamLive, 0)
		s.pass(10 * time.Minute)
		s.sees(ana, "4 players whom you follow came online")
		s.login(kestrel)
		s.sees(ana, "", "6 players whom you follow are on")
		for i, id := range friends {
			want := i < 1 || i >= 4 && i < 9
			if got := strings.Contains(text(s.seen(ana)[1]), "Stranger"+strconv.Itoa(i)+"*"); got != want {
				s.Errorf("the summary lists %s: %v, want %v:\n%s", id, got, want, text(s.seen(ana)[1]))
			}
		}
	}},
	{"a merger of worlds announces nobody", func(s *stage) {
		s.fights(wren, lapwing, teal)
		s.pass(time.Hour)
		s.stream(osprey, event.StreamLive, 6*time.Hour)
		s.play(s.gains(osprey, wren, lapwing, teal)...)
		s.sees(ana)
	}},
	{"a rename announces nobody", func(s *stage) {
		s.login(wren)
		s.pass(time.Hour)
		s.ok(s.store.SaveCharacters(s.Context(), []event.Character{{ID: wren, Name: "Wrenna", Faction: event.NC, World: wainwright, ResolvedAt: s.clock.now()}}))
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.fights(wren)
		s.sees(ana, on(wren))
	}},
}

var whenToHear = []scenario{
	{"in quiet hours nothing is told", func(s *stage) {
		s.quiet(alert.QuietDrop, "Europe/Berlin", "2026-11-26T02:00:00+01:00")
		s.login(wren)
		s.sees(ana)
		s.why(ana, alert.Quiet)
	}},
	{"in quiet hours a message comes without a sound, if that is wanted", func(s *stage) {
		s.quiet(alert.QuietSilent, "Europe/Berlin", "2026-11-26T02:00:00+01:00")
		s.login(wren)
		s.sees(ana, on(wren))
		if s.seen(ana)[0].Flags&discord.FlagSuppressNotifications == 0 {
			s.Error("it makes a sound")
		}
	}},
	{"quiet hours end on the wall's clock when clocks go forward", func(s *stage) {
		s.quiet(alert.QuietDrop, "Europe/Berlin", "2027-03-28T06:59:00+02:00")
		s.login(wren)
		s.sees(ana)
		s.pass(2 * time.Minute)
		s.login(lapwing)
		s.sees(ana, on(lapwing))
	}},
	{"quiet hours end on the wall's clock when clocks go back", func(s *stage) {
		s.quiet(alert.QuietDrop, "Europe/Berlin", "2027-10-31T06:59:00+01:00")
		s.login(wren)
		s.sees(ana)
		s.pass(2 * time.Minute)
		s.login(lapwing)
		s.sees(ana, on(lapwing))
	}},
	{"a pause tells nothing, and nothing later", func(s *stage) {
		s.set(ana, func(set *alert.Settings) { set.PausedUntil = s.clock.now().Add(2 * time.Hour) })
		s.login(wren)
		s.pass(time.Hour)
		s.sees(ana)
		s.why(ana, alert.Paused)
		s.pass(time.Hour + time.Second)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.login(lapwing)
		s.sees(ana, on(lapwing))
	}},
	{"the same player is not told again within the cooldown", func(s *stage) {
		s.login(wren)
		s.pass(5 * time.Minute)
		s.logout(wren)
		s.pass(5 * time.Minute)
		s.login(wren)
		s.sees(ana, was(wren))
		s.why(ana, alert.Cooldown)
		s.logout(wren)
		s.pass(31 * time.Minute)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.login(wren)
		s.sees(ana, was(wren), on(wren))
	}},
	{"nothing is told while one is in the game, if that is wanted", func(s *stage) {
		s.set(ana, func(set *alert.Settings) { set.OnlyWhenAway, set.Summary = true, false })
		s.login(kestrel)
		s.login(wren)
		s.sees(ana)
		s.why(ana, alert.InGame)
		s.pass(time.Minute)
		s.logout(kestrel)
		s.pass(4 * time.Minute)
		s.login(lapwing)
		s.sees(ana, on(lapwing))
	}},
	{"nothing is told before three are on, if that is wanted", func(s *stage) {
		s.set(ana, func(set *alert.Settings) { set.AtLeast = 3 })
		s.login(wren)
		s.pass(2 * time.Minute)
		s.login(lapwing)
		s.sees(ana)
		s.why(ana, alert.TooFew)
		s.pass(2 * time.Minute)
		s.login(teal)
		s.sees(ana, on(teal)+" … 2 others")
	}},
	{"a muted player is not told of, until the mute is over", func(s *stage) {
		s.ok(s.store.SaveMute(s.Context(), alert.Mute{User: ana, Character: wren, Until: s.clock.now().Add(time.Hour)}, s.clock.now()))
		s.login(wren)
		s.sees(ana)
		s.logout(wren)
		s.pass(time.Hour + time.Second)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.login(wren)
		s.sees(ana, on(wren))
	}},
}

// quiet gives Ana quiet hours from 23:00 to 07:00, and moves the clock.
func (s *stage) quiet(mode alert.QuietMode, zone, now string) {
	s.Helper()
	at, err := time.Parse(time.RFC3339, now)
	s.ok(err)
	s.moveTo(at)
	s.set(ana, func(set *alert.Settings) {
		set.Quiet, set.QuietMode, set.Zone = alert.QuietHours{From: 23 * 60, To: 7 * 60}, mode, zone
	})
	s.stream(wainwright, event.StreamLive, 6*time.Hour)
	s.stream(osprey, event.StreamLive, 6*time.Hour)
}

var messages = []scenario{
	{"three at once are one message", func(s *stage) {
		s.loginAtOnce(wren, lapwing, teal)
		s.sees(ana, "Wren … Lapwing … Teal … are online")
	}},
	{"the third within a minute makes a digest, to which more are added", func(s *stage) {
		s.login(wren)
		s.pass(10 * time.Second)
		s.login(lapwing)
		s.pass(10 * time.Second)
		s.login(teal)
		s.sees(ana, on(wren), on(lapwing), "3 players whom you follow came online")
		s.pass(10 * time.Second)
		s.login(heron)
		s.pass(10 * time.Second)
		s.login(egret)
		s.pass(10 * time.Second)
		s.sees(ana, on(wren), on(lapwing), "5 players whom you follow came online … Heron … Egret")
	}},
	{"a minute after the last of a digest, news are news again", func(s *stage) {
		s.loginAtOnce(wren, lapwing, teal)
		s.pass(61 * time.Second)
		s.login(heron)
		s.sees(ana, "3 players", on(heron))
	}},
	{"without a digest each has a message", func(s *stage) {
		s.set(ana, func(set *alert.Settings) { set.Digest = false })
		s.login(wren)
		s.login(lapwing)
		s.login(teal)
		s.sees(ana, on(wren), on(lapwing), on(teal))
	}},
	{"when one leaves the message says so once, after three minutes", func(s *stage) {
		s.login(wren)
		s.pass(72 * time.Minute)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.logout(wren)
		s.pass(2 * time.Minute)
		s.sees(ana, on(wren))
		s.pass(61 * time.Second)
		s.sees(ana, was(wren)+" 72 min")
		edited := s.seen(ana)[0].EditedAt
		s.pass(10 * time.Minute)
		if again := s.seen(ana)[0].EditedAt; !again.Equal(edited) {
			s.Error("it was edited twice")
		}
	}},
	{"the message stays as it is, if that is wanted", func(s *stage) {
		s.set(ana, func(set *alert.Settings) { set.EditOnLeave = false })
		s.login(wren)
		s.pass(time.Hour)
		s.logout(wren)
		s.pass(10 * time.Minute)
		s.sees(ana, on(wren))
	}},
	{"who logs in is told who is on", func(s *stage) {
		s.login(wren)
		s.login(lapwing)
		s.pass(10 * time.Minute)
		s.login(kestrel)
		s.sees(ana, on(wren), on(lapwing), "Kestrel** is in the game, and 2 players whom you follow are on … Wren … Lapwing")
	}},
	{"who logs in is told nothing where nobody is on", func(s *stage) {
		s.login(kestrel)
		s.sees(ana)
	}},
}

var following = []scenario{
	{"a friend, a member and a watched player in one is told once", func(s *stage) {
		s.watch(alert.Watch{User: ana, Kind: alert.WatchCharacter, Character: egret})
		s.watch(alert.Watch{User: ana, Kind: alert.WatchOutfit, Outfit: outfitMust})
		s.login(egret)
		s.sees(ana, on(egret))
	}},
	{"a friend of two characters of mine is told once", func(s *stage) {
		s.link(ana, rook, wren, wren)
		s.login(wren)
		s.sees(ana, on(wren))
	}},
	{"leaders are told of, others are not", func(s *stage) {
		s.watch(alert.Watch{User: ben, Kind: alert.WatchLeaders, Outfit: outfitMust})
		s.login(egret, rook)
		s.sees(ben, on(rook))
	}},
	{"a group of my own is told of", func(s *stage) {
		g, err := s.store.SaveGroup(s.Context(), alert.Group{User: ben, Name: "Squad", Members: []event.CharacterID{rook, teal}})
		s.ok(err)
		s.watch(alert.Watch{User: ben, Kind: alert.WatchGroup, Group: g.ID})
		s.login(rook)
		s.sees(ben, on(rook))
	}},
	{"a watch for another server does not count", func(s *stage) {
		s.watch(alert.Watch{User: ben, Kind: alert.WatchCharacter, Character: rook, Worlds: []event.World{osprey}})
		s.login(rook)
		s.sees(ben)
	}},
	{"a friend who was taken off the list is not told of", func(s *stage) {
		s.friends(kestrel, lapwing, teal)
		s.login(wren)
		s.sees(ana)
	}},
	{"a list that could not be read for a day is good still", func(s *stage) {
		s.pass(24 * time.Hour)
		s.stream(wainwright, event.StreamLive, 6*time.Hour)
		s.login(wren)
		s.sees(ana, on(wren))
	}},
	{"who is unlinked before the message is not told", func(s *stage) {
		s.stopBot()
		s.login(wren)
		_, err := s.store.Unlink(s.Context(), ana, kestrel)
		s.ok(err)
		s.startBot()
		s.settle()
		s.sees(ana)
	}},
	{"a hidden character is told to nobody", func(s *stage) {
		s.ok(s.store.Hide(s.Context(), wren, ben, s.clock.now()))
		s.login(wren)
		s.sees(ana)
	}},
	{"who has their data deleted hears nothing more", func(s *stage) {
		s.stopBot()
		s.login(wren)
		_, err := s.store.Forget(s.Context(), ana)
		s.ok(err)
		s.startBot()
		s.login(lapwing)
		s.sees(ana)
	}},
}

const createMessage = "POST /channels/{channel_id}/messages"

var faults = []scenario{
	{"closed messages stop, keep what is followed, and begin again by a command", func(s *stage) {
		s.ok(s.discord.SetDMs(ana.String(), false))
		s.login(wren)
		s.sees(ana)
		s.ok(s.discord.SetDMs(ana.String(), true))
		s.pass(time.Minute)
		a, err := s.discord.Command(s.Context(), discord.CommandInput{User: ana.String(), Text: "/watch list"})
		s.ok(err)
		if a.Message == nil {
			s.Fatal("no answer")
		}
		s.login(lapwing)
		s.sees(ana, "", on(lapwing))
	}},
	{"a message stored behind a 502 appears once", func(s *stage) {
		s.fault(discord.Fault{Kind: discord.FaultLost, Route: createMessage, Count: 2})
		s.login(wren)
		s.pass(time.Minute)
		s.sees(ana, on(wren))
	}},
	{"a refusal of all for a second delays", func(s *stage) {
		s.fault(discord.Fault{Kind: discord.FaultGlobal, RetryAfter: 0.3, Count: 1})
		s.login(wren)
		s.until("it is told", func() bool { s.pass(time.Second); return len(s.seen(ana)) == 1 })
		s.sees(ana, on(wren))
	}},
	{"a burst of 40003 pauses the opening of conversations, not those that are open, and nobody is forgotten", func(s *stage) {
		s.login(wren)
		late := []alert.UserID{ben + 1000, ben + 1001, ben + 1002, ben + 1003}
		for i, u := range late {
			_, err := s.discord.AddUser(discord.User{ID: u.String(), Username: "late" + u.String()})
			s.ok(err)
			s.link(u, rook+1+event.CharacterID(i), lapwing)
		}
		fault, err := s.discord.AddFault(discord.Fault{Kind: discord.FaultStatus, Route: "POST /users/@me/channels", Status: 403, Code: 40003})
		s.ok(err)
		s.login(lapwing)
		s.sees(ana, on(wren), on(lapwing))
		s.discord.ClearFault(fault)
		s.pass(time.Minute)
		for _, u := range late {
			s.sees(u)
		}
		s.pass(time.Minute + 2*time.Second)
		for _, u := range late {
			s.until("they are told", func() bool { return len(s.seen(u)) == 1 })
			s.sees(u, on(lapwing))
		}
	}},
	{"op 7 before READY changes nothing", func(s *stage) {
		s.stopBot()
		s.fault(discord.Fault{Kind: discord.FaultReconnect, At: discord.AtIdentify, Count: 1})
		s.startBot()
		s.login(wren)
		s.ok(s.discord.WaitReady(s.Context(), 1))
		s.sees(ana, on(wren))
	}},
	{"a token that is refused stops the bot, which says so; nothing is lost", func(s *stage) {
		s.fault(discord.Fault{Kind: discord.FaultStatus, Route: createMessage, Status: 401, Code: 40001, Count: 1})
		s.ok(s.bus.Publish(s.Context(), event.TopicEvents, s.presences("PlayerLogin", 0, wren)...))
		var err error
		select {
		case err = <-s.bot.done:
		case <-time.After(patience):
		}
		if err == nil {
			s.Fatalf("the bot goes on, or ends without saying why: %v", err)
		}
		s.bot = nil
		s.store.abandoned()
		s.startBot()
		s.pass(2 * time.Minute)
		s.sees(ana, on(wren))
	}},
	{"a conversation that is gone is opened anew", func(s *stage) {
		s.login(wren)
		s.ok(s.discord.RemoveChannel(s.seen(ana)[0].ChannelID))
		s.pass(5 * time.Minute)
		s.login(lapwing)
		s.sees(ana, on(lapwing))
	}},
	{"a dispatcher that dies between store and announcement tells once", func(s *stage) {
		messages := s.presences("PlayerLogin", 0, wren)
		s.play(messages...)
		s.stopDispatcher()
		s.startDispatcher()
		s.play(messages...)
		s.sees(ana, on(wren))
	}},
}

// fault puts a fault in force.
func (s *stage) fault(f discord.Fault) {
	s.Helper()
	_, err := s.discord.AddFault(f)
	s.ok(err)
}

// abandoned forgets the turns of a bot that has died.
func (s *watchedStore) abandoned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = 0
}

var crowds = []scenario{
	{"500 friends at once are one message, and another's turn does not wait for it", func(s *stage) {
		many := s.strangers(500)
		s.friends(kestrel, many...)
		s.link(ben, rook, wren)
		s.play(append(s.presences("PlayerLogin", 0, many...), s.presences("PlayerLogin", 0, wren)...)...)
		s.pass(10 * time.Second)
		s.digested(ana, 500)
		s.sees(ben, on(wren))
	}},
	{"2,000 people who come back within a minute are a digest for who follows 60 of them, and one message for who follows one", func(s *stage) {
		many := s.strangers(2000)
		s.friends(kestrel, many[:60]...)
		s.link(ben, rook, many[1000])
		began := s.clock.now()
		rand.New(rand.NewPCG(townSeed, 2)).Shuffle(len(many), func(i, j int) { many[i], many[j] = many[j], many[i] })
		second := 0
		for some := range slices.Chunk(many, 34) {
			s.moveTo(began.Add(time.Duration(second) * time.Second))
			s.login(some...)
			second++
		}
		s.pass(10 * time.Second)
		s.digested(ana, 60)
		s.sees(ben, "Stranger1000** is online")
	}},
}

// TestAStarIsToldToEverybodyAndNobodyWaits is what happens when somebody comes on
// whom very many watch.
func TestAStarIsToldToEverybodyAndNobodyWaits(t *testing.T) {
	fans := 1500 // more than are told in one transaction
	if full() {
		fans = 20_000
	}
	for name, open := range transports(t) {
		t.Run(name, func(t *testing.T) {
			// At Discord's pace it takes longer than news live: that is not what this is about.
			s := newStageWhere(t, time.Hour, open)
			s.link(ben, rook, lapwing)
			s.ok(s.store.SaveRecipient(s.Context(), alert.Recipient{User: ben, DMChannel: s.discord.DMChannel(ben.String())}))
			s.fans(fans, wren)
			s.ok(s.bus.Publish(s.Context(), event.TopicEvents, s.presences("PlayerLogin", 0, wren, lapwing)...))
			sends := func() int { return s.discord.Stats().Routes[createMessage] }
			for n := sends(); n < fans+3; n = sends() { // however long it takes, it goes on
				s.until("more are told", func() bool { return sends() >= min(n+500, fans+3) })
			}
			s.settle()
			told := s.told(wren)
			if told != fans+1 {
				s.Errorf("%d messages about Wren, want %d", told, fans+1)
			}
			s.sees(ana, on(lapwing), on(wren))
			s.sees(ben, on(lapwing))
			before := 0
			bens := s.seen(ben)[0]
			for _, m := range s.discord.Messages(discord.MessageFilter{}) {
				if m.Author.Bot && m.Interaction == nil && m.ID < bens.ID {
					before++
				}
			}
			s.Logf("%d people were told of one, and somebody else after %d of them", told, before)
			if before > 500 {
				s.Errorf("Ben waited behind %d others", before)
			}
		})
	}
}

// digested fails unless a user has a digest of n, and no more than the two messages
// before it that come when not all are there at once. It returns what there is.
func (s *stage) digested(u alert.UserID, n int) []discord.Message {
	s.Helper()
	all := s.seen(u)
	if last := len(all) - 1; last < 0 || last > 2 || !strings.Contains(text(all[last]), strconv.Itoa(n)+" players whom you follow came online") {
		s.Fatalf("%d messages, want a digest of %d: %+v", len(all), n, all)
	}
	return all
}

// strangers makes characters that are told apart by number.
func (s *stage) strangers(n int) []event.CharacterID {
	s.Helper()
	var ids []event.CharacterID
	var all []event.Character
	for i := range n {
		id := event.CharacterID(5428100000000000000 + int64(i))
		ids = append(ids, id)
		all = append(all, event.Character{ID: id, Name: "Stranger" + strconv.Itoa(i), Faction: event.TR, World: wainwright, ResolvedAt: s.clock.now()})
	}
	s.ok(s.store.SaveCharacters(s.Context(), all))
	return ids
}

// fans are users who watch one character.
func (s *stage) fans(n int, of event.CharacterID) {
	s.Helper()
	for i := range n {
		u := alert.UserID(1300000000000000000 + int64(i))
		_, err := s.discord.AddUser(discord.User{ID: u.String(), Username: "fan" + u.String()})
		s.ok(err)
		s.watch(alert.Watch{User: u, Kind: alert.WatchCharacter, Character: of})
		// Opening conversations is paced to one a second: these are open already.
		s.ok(s.store.SaveRecipient(s.Context(), alert.Recipient{User: u, DMChannel: s.discord.DMChannel(u.String())}))
	}
}

// told counts the messages about one, over all people.
func (s *stage) told(id event.CharacterID) int {
	n := 0
	for _, m := range s.discord.Messages(discord.MessageFilter{}) {
		if m.Author.Bot && m.Interaction == nil && strings.Contains(text(m), on(id)) {
			n++
		}
	}
	return n
}
