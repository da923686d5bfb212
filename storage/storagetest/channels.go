package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
	"muster/storage"
)

var channelTests = []named{
	{"a subscription is stored once, changed in place, and gone with what waits for it", channelSubscribe},
	{"a guild has a bounded number of subscriptions, and none that cannot be", channelBounds},
	{"each channel is told what it wants and nothing else", channelWants},
	{"the same news is told once, however often it comes", channelOnce},
	{"a continent is open again when an outfit takes a base there, once", channelReopened},
	{"members who come and go are told together, and a relog is not told", channelMembers},
	{"members of whom it is not certain, who hide, or whose news is old are not told", channelNoFalseNews},
	{"an alert of the game is changed until it is settled", channelAlert},
	{"a turn belongs to one bot, and the next one does the same", channelTurns},
	{"a channel that cannot be written to waits and goes on", channelPaused},
	{"a message is deleted when its time is over", channelDeletes},
	{"a message that Discord has no more is sent anew", channelGone},
	{"who joined and who left is told, not who was there before", channelJoins},
	{"a world that is ill for long is told once until it is well", channelIllness},
	{"who took part in a capture is known", channelContributors},
	{"a board stands for ever, and goes with its message", channelBoard},
	{"what happened during an alert of the game is summed up", channelAlertSummary},
	{"a guild is of one outfit", channelGuildOutfit},
	{"outfits that anybody follows are known", channelFollowed},
	{"two bots that claim at once get each post once", channelTwoBots},
}

const (
	guild alert.Snowflake = 41771983423143937
	room  alert.Snowflake = 41771983423143938
	noBot                 = 24 * time.Hour
)

func (w *world) subscribe(change func(*alert.Subscription)) alert.Subscription {
	w.Helper()
	sub := alert.Subscription{Guild: guild, Channel: room, Topic: alert.TopicLocks, By: ann, CreatedAt: at(0), Locale: "de"}
	change(&sub)
	saved, _, err := w.Subscribe(w.Context(), sub)
	w.ok(err)
	return saved
}

func (w *world) claimChannels(second int) []alert.ChannelTurn {
	w.Helper()
	turns, err := w.ClaimChannels(w.Context(), at(second), 10, time.Minute)
	w.ok(err)
	return turns
}

// shown settles all posts of turns as sent, for good or until next, and returns what they told.
func (w *world) shown(turns []alert.ChannelTurn, second int, next time.Time) (what []string) {
	w.Helper()
	for _, turn := range turns {
		for i, p := range turn.Posts {
			line := string(turn.Topic)
			for _, n := range p.News {
				line += " " + n.What
			}
			if p.Delete {
				line += " delete"
			}
			what = append(what, line)
			message := p.Message
			if message == 0 {
				message = alert.Snowflake(900 + i)
			}
			w.settlePost(turn, alert.PostResult{Key: p.Key, Message: message, Next: next}, at(second))
		}
		w.ok(w.ReleaseChannel(w.Context(), turn))
	}
	return what
}

func (w *world) settlePost(turn alert.ChannelTurn, r alert.PostResult, now time.Time) (paused bool) {
	w.Helper()
	paused, err := w.SettlePost(w.Context(), turn, r, now)
	w.ok(err)
	return paused
}

func (w *world) tells(second int, want ...string) {
	w.Helper()
	got := w.shown(w.claimChannels(second), second, time.Time{})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Errorf("at %d s channels are told %q, want %q", second, got, want)
	}
}

func (w *world) posts() int64 {
	w.Helper()
	var n int64
	w.ok(Raw(w.T, w.url).QueryRowContext(w.Context(), "SELECT COUNT(*) FROM channel_posts").Scan(&n))
	return n
}

func (w *world) members(ids ...event.CharacterID) {
	w.Helper()
	var list []event.Member
	for _, id := range ids {
		list = append(list, event.Member{Character: id})
	}
	w.ok(w.SaveMembers(w.Context(), clan, list))
}

func lock(s int, on event.World, zone event.Zone) event.Event {
	e := ev(event.ContinentLock, s, event.Lock{By: event.NC})
	e.World, e.Zone = on, zone
	return e
}

func capture(s int, by event.OutfitID) event.Event {
	e := ev(event.FacilityControl, s, event.Control{Facility: 2103, Old: 1, New: 2, HeldSeconds: 60, Outfit: by})
	e.Zone = 2
	return e
}

func channelSubscribe(w *world) {
	first := w.subscribe(func(s *alert.Subscription) { s.World, s.Zone = 10, 2 })
	again, added, err := w.Subscribe(w.Context(), alert.Subscription{Guild: guild, Channel: room, Topic: alert.TopicLocks, World: 10, Zone: 2,
		By: ben, CreatedAt: at(9), Mention: 77, DeleteAfter: time.Hour, AtLeast: 3, Locale: "fr"})
	w.ok(err)
	if added || again.ID != first.ID || again.By != ben || again.Mention != 77 || again.DeleteAfter != time.Hour || again.AtLeast != 3 || again.Locale != "fr" ||
		!again.CreatedAt.Equal(at(0)) {
		w.Errorf("again: added %v, %+v", added, again)
	}
	w.ok(w.SaveOutfits(w.Context(), []event.Outfit{{ID: clan, Tag: "VIPR", Name: "Vipers", Faction: event.NC}}))
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.TopicCaptures, clan })
	list, err := w.Subscriptions(w.Context(), guild)
	w.ok(err)
	if len(list) != 2 || list[0].ID != first.ID || list[1].Of.Tag != "VIPR" || list[1].Of.Faction != event.NC {
		w.Fatalf("list: %+v", list)
	}
	w.record(10, lock(9, 10, 2))
	same(w, "posts", w.posts(), 1)
	if gone, _, err := w.Unsubscribe(w.Context(), guild+1, first.ID); err != nil || gone {
		w.Errorf("another guild took it away: %v %v", gone, err)
	}
	if gone, shown, err := w.Unsubscribe(w.Context(), guild, first.ID); err != nil || !gone || shown != 0 {
		w.Errorf("not removed: %v %v", gone, err)
	}
	same(w, "posts that wait for nobody", w.posts(), 0)
	w.record(12, lock(11, 10, 2))
	same(w, "posts afterwards", w.posts(), 0)
}

func channelBounds(w *world) {
	for i := range alert.MaxSubscriptions {
		w.subscribe(func(s *alert.Subscription) { s.Channel = room + alert.Snowflake(i) })
	}
	w.subscribe(func(s *alert.Subscription) { s.Channel, s.Mention = room, 5 }) // one it has
	var limit *alert.LimitError
	if _, _, err := w.Subscribe(w.Context(), alert.Subscription{Guild: guild, Channel: 1, Topic: alert.TopicLocks, By: ann}); !errors.As(err, &limit) {
		w.Errorf("one too many: %v", err)
	}
	w.subscribe(func(s *alert.Subscription) { s.Guild = guild + 1 }) // another guild
	for name, bad := range map[string]func(*alert.Subscription){
		"topic": func(s *alert.Subscription) { s.Topic = "weather" }, "no guild": func(s *alert.Subscription) { s.Guild = 0 },
		"no outfit": func(s *alert.Subscription) { s.Topic = alert.TopicJoins }, "outfit": func(s *alert.Subscription) { s.Outfit = clan },
		"nobody": func(s *alert.Subscription) { s.By = 0 }, "world": func(s *alert.Subscription) { s.World = -1 },
		"least": func(s *alert.Subscription) { s.AtLeast = alert.MaxTookPart + 1 }, "for ever": func(s *alert.Subscription) { s.DeleteAfter = alert.MaxDeleteAfter + 1 },
		"locale": func(s *alert.Subscription) { s.Locale = "a locale that is too long" },
	} {
		sub := alert.Subscription{Guild: guild + 2, Channel: room, Topic: alert.TopicLocks, By: ann}
		bad(&sub)
		if _, _, err := w.Subscribe(w.Context(), sub); !errors.Is(err, alert.ErrSubscription) {
			w.Errorf("%s: %v", name, err)
		}
	}
}

func channelWants(w *world) {
	w.subscribe(func(*alert.Subscription) {})
	w.subscribe(func(s *alert.Subscription) { s.Channel, s.World = room+1, 10 })
	w.subscribe(func(s *alert.Subscription) { s.Channel, s.World, s.Zone = room+2, 10, 2 })
	w.subscribe(func(s *alert.Subscription) { s.Channel, s.Topic, s.Outfit = room+3, alert.TopicCaptures, clan })
	w.record(10, lock(8, 10, 2), lock(9, 1, 4), capture(9, clan), capture(9, clan+1), gain(9, alice, 1))
	count := map[alert.Snowflake]int{}
	for _, turn := range w.claimChannels(10 + 20) {
		count[turn.Channel] += len(turn.Posts)
	}
	for i, want := range []int{2, 1, 1, 1} {
		same(w, fmt.Sprintf("posts of channel %d", i), count[room+alert.Snowflake(i)], want)
	}
}

func channelOnce(w *world) {
	w.subscribe(func(*alert.Subscription) {})
	w.record(10, lock(9, 10, 2))
	w.record(10, lock(9, 10, 2), gain(9, alice, 1))
	w.tells(11, "locks locked")
	w.record(12, lock(9, 10, 2))
	w.tells(13)
	w.record(14, lock(13, 10, 2))
	w.tells(15, "locks locked")
}

func channelReopened(w *world) {
	w.subscribe(func(s *alert.Subscription) { s.World, s.Zone = 10, 2 })
	took := func(s int, zone event.Zone, by event.OutfitID) event.Event {
		e := capture(s, by)
		e.Zone = zone
		return e
	}
	const minute = 60
	w.record(10, took(8, 2, clan)) // never known to be locked
	w.record(10, lock(9, 10, 2))
	w.tells(11, "locks locked")
	w.record(5*minute, took(4*minute, 2, clan)) // goes with the lock
	defence := ev(event.FacilityControl, 20*minute, event.Control{Facility: 1, Old: 2, New: 2, Outfit: clan})
	defence.Zone = 2
	w.record(21*minute, took(20*minute, 4, clan), took(20*minute, 2, 0), defence) // another continent, the game itself, a defence
	w.tells(22 * minute)
	w.record(31*minute, took(30*minute, 2, clan), took(30*minute+5, 2, clan+1))
	w.tells(32*minute, "locks unlocked")
	w.record(41*minute, took(40*minute, 2, clan))
	w.tells(42 * minute)
	// Whoever subscribes now hears nothing of what has been open for long.
	w.subscribe(func(s *alert.Subscription) { s.Channel, s.World, s.CreatedAt = room+1, 10, at(43*minute) })
	w.record(51*minute, took(50*minute, 2, clan))
	w.tells(52 * minute)
	w.record(61*minute, lock(60*minute, 10, 2))
	w.tells(62*minute, "locks locked", "locks locked")
	w.record(81*minute, took(80*minute, 2, clan))
	w.tells(82*minute, "locks unlocked", "locks unlocked")
}

func channelMembers(w *world) {
	w.members(alice, bob)
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.TopicMembers, clan })
	w.record(11, login(10, alice), login(11, bob), login(11, carol))
	if turns := w.claimChannels(12); len(turns) != 0 {
		w.Errorf("told before others can join: %+v", turns)
	}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice", Faction: event.NC, World: 10, Outfit: event.Outfit{ID: clan}, ResolvedAt: at(1)}}))
	turns := w.claimChannels(30)
	if len(turns) != 1 || len(turns[0].Posts) != 1 || len(turns[0].Posts[0].News) != 2 || turns[0].Posts[0].News[0].Who.Name != "Alice" ||
		turns[0].Posts[0].News[1].Who.ID != bob {
		w.Fatalf("both logins: %+v", turns)
	}
	w.shown(turns, 30, time.Time{})

	w.record(100, logout(100, alice))
	w.record(150, login(150, alice)) // a relog
	w.record(160, logout(160, bob))
	w.tells(340) // alice is back, and bob's is too young
	w.tells(360, "members off")
}

func channelNoFalseNews(w *world) {
	w.members(alice, bob, carol)
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.TopicMembers, clan })
	w.ok(w.Hide(w.Context(), carol, ann, at(1)))
	w.record(3000, gain(2999, alice, 1))                        // seen, without a login: perhaps there all the time
	w.record(3000, login(3000-700, bob), logout(3000-650, bob)) // ten minutes ago
	w.record(3000, login(2999, carol))                          // hides
	same(w, "posts", w.posts(), 0)
	w.ok(errOf(w.Unhide(w.Context(), carol, ann)))
	w.record(3200, logout(3100, carol))
	w.record(3400, login(3400, carol)) // not a relog: more than three minutes
	w.ok(w.Hide(w.Context(), carol, ann, at(3401)))
	w.tells(3420)
}

func errOf(_ bool, err error) error { return err }

func channelAlert(w *world) {
	w.subscribe(func(s *alert.Subscription) { s.Topic = alert.TopicAlerts })
	told := func(s int, state event.MetagameState) event.Event {
		return ev(event.Metagame, s, event.Alert{ID: 147, Instance: 5, State: state, VS: 30})
	}
	w.record(5, ev(event.Metagame, 4, event.Alert{ID: 147, Instance: 4, State: event.MetagameEnded})) // began before anybody asked
	w.record(11, told(10, event.MetagameStarted))
	turns := w.claimChannels(11)
	if len(turns) != 1 || len(turns[0].Posts) != 1 || turns[0].Posts[0].News[0].Subject != 5 || turns[0].Posts[0].Message != 0 {
		w.Fatalf("the beginning: %+v", turns)
	}
	w.shown(turns, 11, at(71))
	w.tells(70)
	w.record(30, told(10, event.MetagameStarted), told(20, event.MetagameStarted)) // told again
	w.tells(29)
	if turns = w.claimChannels(72); len(turns) != 1 || turns[0].Posts[0].Message != 900 {
		w.Fatalf("a minute later: %+v", turns)
	}
	w.shown(turns, 72, at(132))
	w.record(90, told(89, event.MetagameEnded))
	if turns = w.claimChannels(91); len(turns) != 1 || turns[0].Posts[0].Message != 900 || len(turns[0].Posts[0].News) != 1 {
		w.Fatalf("at its end: %+v", turns)
	}
	w.shown(turns, 91, time.Time{})
	w.record(300, told(299, event.MetagameEnded))
	w.tells(400)
	w.record(9001, told(9000, event.MetagameStarted)) // a restarted server counts anew
	w.tells(9002, "alerts began")
}

func channelTurns(w *world) {
	w.members(alice, bob, carol)
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.TopicMembers, clan })
	w.record(11, login(10, alice), login(10, bob))
	first := w.claimChannels(30)
	if len(first) != 1 || len(w.claimChannels(40)) != 0 {
		w.Fatalf("first claim %+v, and another one got it too", first)
	}
	w.record(60, login(59, carol))
	second := w.claimChannels(95) // the hold is over
	if len(second) != 1 || len(second[0].Posts) != 2 || second[0].Posts[0].Key != first[0].Posts[0].Key || len(second[0].Posts[0].News) != 2 ||
		second[0].Posts[0].Nonce() != first[0].Posts[0].Nonce() || len(second[0].Posts[1].News) != 1 {
		w.Fatalf("the second bot is to do %+v, the first had %+v", second, first)
	}
	// The first one comes late: that its message was sent counts, that it failed does not.
	w.settlePost(first[0], alert.PostResult{Key: first[0].Posts[0].Key, Failed: true, Next: at(9999)}, at(96))
	w.settlePost(first[0], alert.PostResult{Key: first[0].Posts[0].Key, Message: 33}, at(96))
	w.ok(w.ReleaseChannel(w.Context(), first[0]))
	if turns := w.claimChannels(97); len(turns) != 0 {
		w.Errorf("the late one has let go of another's turn: %+v", turns)
	}
	w.settlePost(second[0], alert.PostResult{Key: second[0].Posts[1].Key, Failed: true, Next: at(120)}, at(98))
	w.ok(w.ReleaseChannel(w.Context(), second[0]))
	w.tells(119)
	third := w.claimChannels(121)
	if len(third) != 1 || len(third[0].Posts) != 1 || third[0].Posts[0].Attempts != 1 || third[0].Posts[0].Nonce() != second[0].Posts[1].Nonce() {
		w.Fatalf("what failed: %+v", third)
	}
	w.settlePost(third[0], alert.PostResult{Key: third[0].Posts[0].Key, Drop: true}, at(122))
	w.ok(w.ReleaseChannel(w.Context(), third[0]))
	w.tells(5000)
}

func channelPaused(w *world) {
	w.subscribe(func(*alert.Subscription) {})
	w.record(10, lock(9, 10, 2))
	w.subscribe(func(s *alert.Subscription) { s.Topic = alert.TopicStream })   // of the same channel
	w.subscribe(func(s *alert.Subscription) { s.Channel, s.Zone = room+1, 8 }) // of another
	turns := w.claimChannels(11)
	first := w.settlePost(turns[0], alert.PostResult{Key: turns[0].Posts[0].Key, Pause: "50013"}, at(12))
	again := w.settlePost(turns[0], alert.PostResult{Key: turns[0].Posts[0].Key, Pause: "50013"}, at(12))
	if !first || again {
		w.Errorf("paused by the first call %v, by the second %v: somebody would be told of it twice", first, again)
	}
	w.ok(w.ReleaseChannel(w.Context(), turns[0]))
	w.tells(80)
	list, err := w.Subscriptions(w.Context(), guild)
	w.ok(err)
	if len(list) != 3 || list[0].Paused != "50013" || !list[0].PausedAt.Equal(at(12)) || list[1].Paused != "50013" || list[2].Paused != "" {
		w.Fatalf("paused: %+v", list)
	}
	n, err := w.ResumeChannel(w.Context(), guild, room)
	w.ok(err)
	same(w, "resumed", n, 2)
	w.tells(90, "locks locked")
}

func channelDeletes(w *world) {
	w.subscribe(func(s *alert.Subscription) { s.DeleteAfter = time.Hour })
	w.record(10, lock(9, 10, 2))
	w.tells(11, "locks locked")
	w.tells(11 + 3599)
	turns := w.claimChannels(11 + 3601)
	if len(turns) != 1 || !turns[0].Posts[0].Delete || turns[0].Posts[0].Message != 900 {
		w.Fatalf("an hour later: %+v", turns)
	}
	w.settlePost(turns[0], alert.PostResult{Key: turns[0].Posts[0].Key, Drop: true}, at(3700))
	w.ok(w.ReleaseChannel(w.Context(), turns[0]))
	w.tells(9000)
}

func channelGone(w *world) {
	w.subscribe(func(s *alert.Subscription) { s.Topic = alert.TopicAlerts })
	w.record(11, ev(event.Metagame, 10, event.Alert{ID: 147, Instance: 5, State: event.MetagameStarted}))
	first := w.claimChannels(11)
	w.shown(first, 11, at(60))
	second := w.claimChannels(61)
	w.settlePost(second[0], alert.PostResult{Key: second[0].Posts[0].Key, Gone: true}, at(62))
	w.ok(w.ReleaseChannel(w.Context(), second[0]))
	third := w.claimChannels(63)
	if len(third) != 1 || third[0].Posts[0].Message != 0 || third[0].Posts[0].Nonce() == first[0].Posts[0].Nonce() || len(third[0].Posts[0].Nonce()) > 25 {
		w.Fatalf("sent anew: %+v", third)
	}
}

func channelJoins(w *world) {
	now := time.Now().UTC().Truncate(time.Second) // SaveMembers goes by the wall clock
	long, lately := now.Add(-30*24*time.Hour), now.Add(-time.Minute)
	save := func(list ...event.Member) { w.Helper(); w.ok(w.SaveMembers(w.Context(), clan, list)) }
	save(event.Member{Character: alice, Since: long})
	w.subscribe(func(s *alert.Subscription) {
		s.Topic, s.Outfit, s.CreatedAt = alert.TopicJoins, clan, now.Add(-time.Hour)
	})
	claims := func() (what []string) {
		w.Helper()
		turns, err := w.ClaimChannels(w.Context(), now.Add(time.Minute), 10, time.Minute)
		w.ok(err)
		return w.shown(turns, 0, time.Time{})
	}
	both := []event.Member{{Character: alice, Since: long}, {Character: bob, Since: lately}, {Character: carol, Since: now.Add(-2 * time.Hour)}}
	save(both...)
	save(both...)
	if got := claims(); !slices.Equal(got, []string{"joins joined"}) {
		w.Errorf("after a join: %q", got)
	}
	save(both[1:]...)
	save(both[1:]...)
	if got := claims(); !slices.Equal(got, []string{"joins left"}) {
		w.Errorf("after a leave: %q", got)
	}
	// A character is seen in another outfit before the roster is read again.
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: bob, Name: "Bob", World: 10, Faction: event.NC, Outfit: event.Outfit{ID: clan + 1}, ResolvedAt: now}}))
	save(both[2:]...)
	if got := claims(); !slices.Equal(got, []string{"joins left"}) {
		w.Errorf("after a move: %q", got)
	}
}

func channelIllness(w *world) {
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.World = alert.TopicStream, 10 })
	say := func(s int, on event.World, health event.StreamHealth, since int) {
		w.Helper()
		w.write(s, event.Record{Streams: []event.StreamState{{World: on, Health: health, Since: at(since), ReportedAt: at(s), LastEventAt: at(since)}}})
	}
	say(0, 10, event.StreamLive, 0)
	say(0, 1, event.StreamLive, 0)
	say(20, 10, event.StreamSilent, 15)
	say(20, 1, event.StreamSilent, 15)
	w.tells(30)
	say(100, 10, event.StreamSilent, 15)
	say(100, 1, event.StreamSilent, 15)
	turns := w.claimChannels(110)
	if len(turns) != 1 || len(turns[0].Posts) != 1 || turns[0].Posts[0].News[0].World != 10 || !turns[0].Posts[0].News[0].At.Equal(at(15)) {
		w.Fatalf("after 95 s: %+v", turns)
	}
	w.shown(turns, 110, at(170))
	say(150, 10, event.StreamDown, 140) // worse, and the same illness
	w.tells(160)
	if turns = w.claimChannels(171); len(turns) != 1 || turns[0].Posts[0].Message != 900 {
		w.Fatalf("a minute later: %+v", turns)
	}
	say(175, 10, event.StreamLive, 172)
	w.shown(turns, 176, time.Time{})
	say(290, 10, event.StreamLive, 172)
	w.tells(300)
	// Nobody reports any more: the world is not known to be well, and that is told too.
	w.tells(300+1000, "stream ill")
}

func channelContributors(w *world) {
	part := func(s int, c event.CharacterID, facility event.FacilityID) event.Event {
		e := ev(event.FacilityCapture, s, event.Contribution{Character: c, Facility: facility, Outfit: clan})
		e.Zone = 2
		return e
	}
	w.members(alice, bob)
	w.record(20, capture(10, clan), part(10, alice, 2103), part(11, carol, 2103), part(10, bob, 9), part(10-200, bob, 2103))
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice", Faction: event.NC, World: 10, Outfit: event.Outfit{ID: clan}, ResolvedAt: at(1)}}))
	own, others, err := w.Contributors(w.Context(), alert.News{What: alert.Captured, World: 10, Zone: 2, Outfit: clan, Subject: 2103, At: at(10)})
	w.ok(err)
	if len(own) != 1 || own[0].Name != "Alice" || others != 1 {
		w.Errorf("%+v and %d others", own, others)
	}
	own, others, err = w.Contributors(w.Context(), alert.News{What: alert.Defended, World: 10, Zone: 2, Outfit: clan, Subject: 2103, At: at(10)})
	if err != nil || len(own) != 0 || others != 0 {
		w.Errorf("of a defence: %+v and %d others: %v", own, others, err)
	}
}

func channelBoard(w *world) {
	sub := w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.BoardOnline, clan })
	turns := w.claimChannels(1)
	if len(turns) != 1 || len(turns[0].Posts) != 1 || turns[0].Topic != alert.BoardOnline || turns[0].Posts[0].News[0].What != alert.Standing {
		w.Fatalf("at once: %+v", turns)
	}
	w.shown(turns, 1, at(61))
	w.tells(60)
	const month = 30 * 24 * 3600
	w.ok(w.TidyAlerts(w.Context(), at(month)))
	if turns = w.claimChannels(month); len(turns) != 1 || turns[0].Posts[0].Message != 900 {
		w.Fatalf("a month later: %+v", turns)
	}
	w.shown(turns, month, at(month+60))
	w.subscribe(func(s *alert.Subscription) {
		s.Topic, s.Outfit, s.Mention, s.CreatedAt = alert.BoardOnline, clan, 5, at(month+1)
	})
	if turns = w.claimChannels(month + 2); len(turns) != 1 || turns[0].Posts[0].Message != 900 || turns[0].Mention != 5 {
		w.Fatalf("changed: %+v", turns)
	}
	w.shown(turns, month+2, at(month+60))
	same(w, "posts", w.posts(), 1)
	gone, shown, err := w.Unsubscribe(w.Context(), guild, sub.ID)
	w.ok(err)
	if !gone || shown != 900 {
		w.Errorf("gone %v with message %d", gone, shown)
	}
}

func channelAlertSummary(w *world) {
	took := func(s int, from, to event.Faction, by event.OutfitID, zone event.Zone) event.Event {
		e := ev(event.FacilityControl, s, event.Control{Facility: event.FacilityID(s), Old: from, New: to, Outfit: by})
		e.Zone = zone
		return e
	}
	w.ok(w.SaveOutfits(w.Context(), []event.Outfit{{ID: clan, Tag: "VIPR", Name: "Vipers", Faction: event.NC}}))
	w.record(100, took(9, 1, 2, clan, 2), took(10, 1, 2, clan, 2), took(11, 1, 2, clan, 2), took(12, 2, 1, clan+1, 2), took(13, 1, 2, 0, 2),
		took(14, 2, 2, clan+1, 2), took(15, 1, 2, clan+1, 4), took(51, 1, 2, clan, 2))
	sides, outfits, err := w.AlertSummary(w.Context(), event.AlertRun{World: 10, Zone: 2, StartedAt: at(10), EndsAt: at(50)})
	w.ok(err)
	if len(sides) != 2 || sides[event.NC] != 3 || sides[event.VS] != 1 {
		w.Errorf("sides: %v", sides)
	}
	if len(outfits) != 2 || outfits[0] != (event.OutfitCount{Outfit: event.Outfit{ID: clan, Tag: "VIPR", Name: "Vipers", Faction: event.NC}, N: 2}) || outfits[1].N != 1 {
		w.Errorf("outfits: %+v", outfits)
	}
}

func channelGuildOutfit(w *world) {
	if o, linked, err := w.GuildOutfit(w.Context(), guild); err != nil || linked {
		w.Errorf("before: %+v %v", o, err)
	}
	w.ok(w.SaveOutfits(w.Context(), []event.Outfit{{ID: clan, Tag: "VIPR", Leader: alice}}))
	w.ok(w.LinkGuild(w.Context(), guild, clan+1, ann, at(1)))
	w.ok(w.LinkGuild(w.Context(), guild, clan, ben, at(2)))
	o, linked, err := w.GuildOutfit(w.Context(), guild)
	if err != nil || !linked || o.Tag != "VIPR" {
		w.Errorf("afterwards: %+v %v %v", o, linked, err)
	}
	followed, err := w.FollowedOutfits(w.Context())
	if err != nil || len(followed) != 1 || followed[0].ID != clan {
		w.Errorf("followed: %+v %v", followed, err)
	}
	if err := w.LinkGuild(w.Context(), guild, 0, ann, at(3)); !errors.Is(err, storage.ErrData) {
		w.Errorf("no outfit: %v", err)
	}
}

func channelFollowed(w *world) {
	w.ok(w.SaveOutfits(w.Context(), []event.Outfit{{ID: clan, Tag: "VIPR", Leader: alice}}))
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.TopicJoins, clan })
	w.subscribe(func(s *alert.Subscription) { s.Topic, s.Outfit = alert.TopicMembers, clan })
	_, _, err := w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchOutfit, Outfit: clan + 1, CreatedAt: at(1)})
	w.ok(err)
	got, err := w.FollowedOutfits(w.Context())
	w.ok(err)
	if want := []event.Outfit{{ID: clan, Leader: alice}, {ID: clan + 1}}; !slices.Equal(got, want) {
		w.Errorf("followed: %+v", got)
	}
}

func channelTwoBots(w *world) {
	for i := range 20 {
		w.subscribe(func(s *alert.Subscription) { s.Channel = room + alert.Snowflake(i) })
	}
	var events []event.Event
	for i := range 5 {
		events = append(events, lock(i, 10, event.Zone(2+2*i)))
	}
	w.record(10, events...)
	type got struct {
		turns []alert.ChannelTurn
		err   error
	}
	results := make(chan got, 4)
	for range 4 {
		s := w.again()
		go func(s *storage.Store) {
			turns, err := s.ClaimChannels(w.Context(), at(11), 50, noBot)
			results <- got{turns, err}
		}(s)
	}
	seen := map[alert.Key]int{}
	for range 4 {
		r := <-results
		w.ok(r.err)
		for _, turn := range r.turns {
			for _, p := range turn.Posts {
				seen[p.Key]++
			}
		}
	}
	same(w, "posts", len(seen), 100)
	for k, n := range seen {
		if n != 1 {
			w.Errorf("post %s was claimed %d times", k.Nonce(), n)
		}
	}
}
