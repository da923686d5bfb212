package bot

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

const createMessage = "POST /channels/{channel_id}/messages"

func TestAFriendsLoginArrivesAsADirectMessage(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	b.run("/link player:Kestrel")
	before := len(b.dms())
	k := b.store.queue(ana, other, alert.ByFriend)
	b.bus.nudges <- struct{}{}
	o := b.settle(k)
	all := b.dms()
	if !o.sent || len(all) != before+1 || o.message != all[before].ID {
		t.Fatalf("outcome %+v, %d new messages", o, len(all)-before)
	}
	m := all[before]
	wants(t, readable(m), "🟢 **Lapwing** is online on Wainwright", "New Conglomerate · battle rank 87\nCame online <t:",
		"https://muster.example/characters/Lapwing", "From your in-game friends list")
	if m.Nonce != k.Nonce() {
		t.Errorf("nonce %v, want %v", m.Nonce, k.Nonce())
	}
	if m.MentionEveryone || len(m.Mentions) > 0 {
		t.Error("the message pings")
	}
}

func TestButtonsAnswer(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	b.run("/link player:Kestrel")
	b.run("/watch add player:Lapwing")
	b.settle(b.store.queue(ana, other, alert.ByCharacter))
	all := b.dms()
	id := all[len(all)-1].ID
	press := func(custom string) string {
		t.Helper()
		a, err := b.sim.Press(b.ctx(), discord.PressInput{User: ana.String(), Message: id, CustomID: custom})
		if err != nil || a.Message == nil {
			t.Fatalf("%s: %v", custom, err)
		}
		if !a.Ephemeral {
			t.Errorf("%s: the answer is not private", custom)
		}
		return readable(*a.Message)
	}
	wants(t, press(pressWho), "1 friend is on", "Wren")
	wants(t, press(controlMute+other.String()), "For how long", "Lapwing")
	// Messages of former versions have this button still.
	m, err := b.bot.press(b.ctx(), &interaction{lang: english(t), by: ana, pressed: pressStop + other.String()})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, m.Content, "You do not watch **Lapwing** any more", "friends list of **[MUST] Kestrel**", "/unlink")
	if w, _ := b.store.Watches(b.ctx(), ana); len(w) != 1 {
		t.Errorf("watches left: %+v", w)
	}
}

func TestOldButtonsSayThatTheyAreOld(t *testing.T) {
	b := &Bot{controls: controlTable()}
	for _, id := range []string{"", "v0:what", "v1:stop:x", "v1:stop:-1"} {
		_, err := b.press(t.Context(), &interaction{lang: english(t), pressed: id})
		if err == nil || !strings.Contains(err.Error(), "control.old") {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAMessageStoredBehindA502AppearsOnce(t *testing.T) {
	b := newBench(t, nil)
	b.fault(discord.Fault{Kind: discord.FaultLost, Route: createMessage, Count: 2})
	b.start(nil)
	o := b.settle(b.store.queue(ana, friend, alert.ByFriend))
	if n := len(b.dms()); !o.sent || n != 1 {
		t.Errorf("outcome %+v, %d messages", o, n)
	}
	if n := b.sim.Stats().Deduplicated; n != 2 {
		t.Errorf("%d sends deduplicated, want 2", n)
	}
}

func TestTroubleDelaysAnAlertAndLosesNone(t *testing.T) {
	faults := map[string]discord.Fault{
		"500":           {Kind: discord.FaultStatus, Status: 500, Route: createMessage},
		"503":           {Kind: discord.FaultStatus, Status: 503, Route: createMessage},
		"overloaded":    {Kind: discord.FaultStatus, Status: 503, Code: 130000, Route: createMessage},
		"reset":         {Kind: discord.FaultReset, Route: createMessage},
		"limit":         {Kind: discord.FaultLimit, RetryAfter: 0.1, Route: createMessage},
		"shared limit":  {Kind: discord.FaultShared, RetryAfter: 0.1, Route: createMessage},
		"missing once":  {Kind: discord.FaultStatus, Status: 403, Code: 50001, Route: createMessage},
		"open fails":    {Kind: discord.FaultStatus, Status: 500, Route: "POST /users/@me/channels"},
		"global limit":  {Kind: discord.FaultGlobal, RetryAfter: 0.2, Route: createMessage},
		"channel limit": {Kind: discord.FaultStatus, Status: 429, Code: 20028, Route: createMessage},
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			f.Count = 1
			b.fault(f)
			b.start(nil)
			k := b.store.queue(ana, friend, alert.ByFriend)
			o := b.settle(k)
			if n := len(b.dms()); !o.sent || n != 1 {
				t.Errorf("outcome %+v, %d messages", o, n)
			}
			if tries := b.store.row(k).tries; len(tries) != 2 {
				t.Errorf("%d tries, want 2: %+v", len(tries), tries)
			}
		})
	}
}

func TestEveryCommandSaysThatMessagesAreRefusedAndOnlyToWhomItConcerns(t *testing.T) {
	for _, text := range []string{
		"/help", "/link player:Kestrel", "/unlink player:Nobody", "/watch add player:Wren", "/watch add", "/watch list", "/watch remove watch:Wren",
		"/watch group name:Squad", "/friends show", "/friends sync", "/settings", "/privacy", "/online outfit:MUST", "/status",
	} {
		t.Run(text, func(t *testing.T) {
			b := newBench(t, checked)
			if err := b.store.SaveRecipient(t.Context(), alert.Recipient{User: ana, DMChannel: "7", Closed: "50007", ClosedAt: time.Now()}); err != nil {
				t.Fatal(err)
			}
			b.start(nil)
			b.ready()
			b.runIn("general", text)
			notices := func() (n int) {
				for _, m := range b.sim.Messages(discord.MessageFilter{User: ana.String(), Channel: "general"}) {
					if strings.Contains(m.Content, "does not let me write to you") {
						n++
						if m.OnlyFor != ana.String() {
							t.Errorf("everybody can read %q", m.Content)
						}
					}
				}
				return n
			}
			b.until("it says so", func() bool { return notices() > 0 })
			b.stop() // and what is in hand is finished
			b.until("the bot has ended", func() bool { return len(b.ended) > 0 })
			if n := notices(); n != 1 {
				t.Errorf("it says so %d times", n)
			}
		})
	}
}

func TestAUserWhoRefusesMessagesIsToldAtTheNextCommand(t *testing.T) {
	b := newBench(t, nil)
	var ahead atomic.Int64
	b.start(func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	b.ready()
	b.run("/link player:Kestrel")
	if err := b.sim.SetDMs(ana.String(), false); err != nil {
		t.Fatal(err)
	}
	o := b.settle(b.store.queue(ana, friend, alert.ByFriend))
	if o.reason != alert.Closed || o.detail != "50007" {
		t.Errorf("outcome %+v", o)
	}
	if r, _ := b.store.Recipient(b.ctx(), ana); r.Closed != "50007" {
		t.Errorf("recipient %+v", r)
	}
	sends := b.sim.Stats().Routes[createMessage]
	missed := b.store.queue(ana, other, alert.ByFriend)
	wants(t, b.run("/friends show"), "does not let me write to you", "stays saved")
	if n := b.sim.Stats().Routes[createMessage]; n != sends {
		t.Errorf("%d sends to a user who refuses them", n-sends)
	}
	ahead.Add(int64(retest + time.Second))
	wants(t, b.run("/watch list"), "does not let me write to you", "Friends of")
	if err := b.sim.SetDMs(ana.String(), true); err != nil {
		t.Fatal(err)
	}
	ahead.Add(int64(retest + time.Second))
	wants(t, b.run("/watch list"), "reach you again")
	if o := b.settle(b.store.queue(ana, kesID, alert.ByCharacter)); !o.sent {
		t.Errorf("after reopening: %+v", o)
	}
	if o := b.settle(missed); !o.sent {
		t.Errorf("what came in between, and is news still: %+v", o)
	}
}

func TestAFirstSubscriptionShowsClosedMessagesAtOnce(t *testing.T) {
	b := newBench(t, nil)
	if err := b.sim.SetDMs(ana.String(), false); err != nil {
		t.Fatal(err)
	}
	b.start(nil)
	b.ready()
	wants(t, b.run("/link player:Kestrel"), "is linked to you", "does not let me write to you", "Privacy")
}

func TestAVanishedChannelIsOpenedAgainOnce(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.settle(b.store.queue(ana, friend, alert.ByFriend))
	r, _ := b.store.Recipient(b.ctx(), ana)
	if err := b.sim.RemoveChannel(r.DMChannel); err != nil {
		t.Fatal(err)
	}
	if o := b.settle(b.store.queue(ana, other, alert.ByFriend)); !o.sent {
		t.Errorf("outcome %+v", o)
	}
	if n := b.sim.Stats().Routes["POST /users/@me/channels"]; n != 2 {
		t.Errorf("%d opens, want 2", n)
	}
	if again, _ := b.store.Recipient(b.ctx(), ana); again.DMChannel == r.DMChannel {
		t.Error("the new channel is not remembered")
	}
}

func TestTheChannelIsOpenedOnce(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	for _, id := range []event.CharacterID{friend, other, kesID} {
		b.settle(b.store.queue(ana, id, alert.ByFriend))
	}
	if n := b.sim.Stats().Routes["POST /users/@me/channels"]; n != 1 {
		t.Errorf("%d opens, want 1", n)
	}
}

func TestOpeningTooFastPausesOpeningOnly(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.settle(b.store.queue(ana, friend, alert.ByFriend)) // Ana's channel is open
	b.fault(discord.Fault{Kind: discord.FaultStatus, Status: 403, Code: 40003, Route: "POST /users/@me/channels"})
	ben, chris := ana+1, ana+2
	k := b.store.queue(ben, friend, alert.ByFriend)
	b.until("the bot was told", func() bool { return len(b.store.row(k).tries) > 0 })
	if after := time.Until(b.retryOf(k)); after < time.Minute {
		t.Errorf("tried again in %v", after)
	}
	k = b.store.queue(chris, friend, alert.ByFriend)
	b.until("the next one waits too", func() bool { return len(b.store.row(k).tries) > 0 })
	if n := b.sim.Stats().Routes["POST /users/@me/channels"]; n != 2 {
		t.Errorf("%d opens, want 2: one before and one refused", n)
	}
	if o := b.settle(b.store.queue(ana, other, alert.ByFriend)); !o.sent {
		t.Errorf("an open channel is paused too: %+v", o)
	}
}

func TestWhatNoRetryHelpsIsGivenUpWithTheReason(t *testing.T) {
	for code, status := range map[int]int{50035: 400, 50006: 400, 10013: 404, 50278: 403} {
		t.Run(itoa(code), func(t *testing.T) {
			b := newBench(t, nil)
			b.fault(discord.Fault{Kind: discord.FaultStatus, Status: status, Code: code, Route: createMessage})
			b.start(nil)
			k := b.store.queue(ana, friend, alert.ByFriend)
			o := b.settle(k)
			wants(t, o.detail, itoa(code))
			if n := len(b.store.row(k).tries); n != 1 {
				t.Errorf("%d tries", n)
			}
		})
	}
}

func TestMissingAccessIsTriedAFewTimes(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	missing := &apiError{Status: 403, Code: 50001}
	post := alert.Post{Key: alert.Key{1}, Attempts: 6} // Discord has been away before
	refused := func() *worker {
		w := &worker{l: b.bot.alerts, reach: alert.Recipient{User: ana}}
		w.refused(post, missing)
		return w
	}
	for n := range accessTries - 1 {
		if w := refused(); len(w.results) != 1 || w.results[0].RetryAt.IsZero() || w.reach.Closed != "" {
			t.Errorf("try %d: %+v, %+v", n+1, w.results, w.reach)
		}
	}
	if w := refused(); len(w.results) != 1 || w.results[0].GaveUp != alert.Closed || w.reach.Closed != "50001" {
		t.Errorf("last try: %+v, %+v", w.results, w.reach)
	}
}

func TestOldNewsIsNotSent(t *testing.T) {
	b := newBench(t, nil)
	k := b.store.queue(ana, friend, alert.ByFriend)
	b.store.alerts[k].ExpiresAt = time.Now().Add(-time.Second)
	b.start(nil)
	if o := b.settle(k); o.reason != alert.Expired {
		t.Errorf("outcome %+v", o)
	}
	if n := len(b.dms()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestATokenThatIsRevokedStopsEverything(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.fault(discord.Fault{Kind: discord.FaultStatus, Status: 401, Route: createMessage})
	k := b.store.queue(ana, friend, alert.ByFriend)
	if fatal := b.ends(); fatal == nil || fatal.Code != 401 {
		t.Fatalf("ended with %v", fatal)
	}
	if n := len(b.store.row(k).tries); n != 0 {
		t.Errorf("the alert was settled %d times; it must wait for a good token", n)
	}
	if n := b.sim.Stats().Routes[createMessage]; n != 1 {
		t.Errorf("%d sends with a revoked token", n)
	}
}

func TestABanOfTheAddressStopsAllRequests(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.fault(discord.Fault{Kind: discord.FaultBan, Count: 1, RetryAfter: 1, Route: createMessage})
	k := b.store.queue(ana, friend, alert.ByFriend)
	b.until("the ban was met", func() bool { return len(b.store.row(k).tries) > 0 })
	before := b.sim.Stats().Requests
	if left := b.bot.transport.limits.ban(time.Now()); left < 9*time.Minute {
		t.Errorf("quiet for %v only", left)
	}
	if _, err := b.bot.rest.openDM(b.ctx(), ana.String()); decide(err).do != wait {
		t.Errorf("a request during the ban: %v", err)
	}
	_, _ = b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/help", NoWait: true})
	if n := b.sim.Stats().Requests; n != before {
		t.Errorf("%d requests during the ban", n-before)
	}
	wants(t, b.logs.String(), "banned this address")
}

func TestASendThatWasNotRecordedIsNotSeenTwice(t *testing.T) {
	b := newBench(t, nil)
	b.store.unsettled = 3
	b.start(nil)
	o := b.settle(b.store.queue(ana, friend, alert.ByFriend))
	if n := len(b.dms()); !o.sent || n != 1 {
		t.Errorf("outcome %+v, %d messages", o, n)
	}
	if n := b.sim.Stats().Deduplicated; n != 3 {
		t.Errorf("%d sends deduplicated, want 3", n)
	}
}

func TestBotsShareTheOutbox(t *testing.T) {
	b := newBench(t, nil)
	second := *b
	second.ended = make(chan error, 1)
	b.start(nil)
	second.start(nil)
	users := b.channels(10)
	var keys []alert.Key
	for round := range 3 {
		for _, u := range users {
			keys = append(keys, b.store.queue(u, friend+event.CharacterID(round), alert.ByFriend))
		}
		for _, k := range keys {
			b.settle(k)
		}
	}
	sum := 0
	for _, u := range users {
		sum += len(b.sim.DMs(u.String()))
	}
	// The third of a minute is a digest.
	if n := b.sim.Stats().Routes[createMessage]; sum != len(keys) || n != len(keys) {
		t.Errorf("%d messages by %d sends, want %d", sum, n, len(keys))
	}
}

// channels opens direct messages with n people, as the bot has long ago.
func (b *bench) channels(n int) []alert.UserID {
	b.t.Helper()
	var users []alert.UserID
	for i := range n {
		u := ana + 100 + alert.UserID(i)
		if _, err := b.sim.AddUser(discord.User{ID: u.String(), Username: "user" + itoa(i)}); err != nil {
			b.t.Fatal(err)
		}
		ch, err := b.bot.rest.openDM(b.ctx(), u.String())
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.store.SaveRecipient(b.ctx(), alert.Recipient{User: u, DMChannel: ch}); err != nil {
			b.t.Fatal(err)
		}
		users = append(users, u)
	}
	return users
}

// TestNobodyWaitsForAnAnswerBehindAlerts runs commands while the outbox is full
// and Discord's limits hold.
func TestNobodyWaitsForAnAnswerBehindAlerts(t *testing.T) {
	b := newBench(t, func(c *discord.Config) {
		c.Limits = discord.DefaultLimits()
		// The stand-in counts all interactions of the bot together.
		for route := range c.Limits.Routes {
			if strings.Contains(route, "/interactions/") || strings.Contains(route, "/webhooks/") || strings.Contains(route, "/users/") {
				delete(c.Limits.Routes, route)
			}
		}
		c.Limits.Default = discord.Bucket{Limit: 1000, Window: time.Second}
	})
	b.start(nil)
	b.ready()
	for i, u := range b.channels(150) {
		b.store.queue(u, friend+event.CharacterID(i), alert.ByFriend)
		b.store.queue(u, other+event.CharacterID(i), alert.ByFriend)
	}
	b.bus.nudges <- struct{}{}
	errs := make(chan error, 60)
	for i := range cap(errs) {
		go func() {
			user := ana + alert.UserID(i%3)
			a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: user.String(), Text: "/friends show"})
			if err == nil && a.Message.Loading() {
				err = errors.New("no answer after the deferral")
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := b.sim.Stats().Missed; n != 0 {
		t.Errorf("%d interactions missed", n)
	}
}

func TestThreeAtOnceAreOneMessageThatGrows(t *testing.T) {
	b := newBench(t, checked)
	for i := range 5 {
		b.store.add(500+event.CharacterID(i), "Lark"+itoa(i), "", 10)
	}
	first := []alert.Key{b.store.queue(ana, 500, alert.ByFriend), b.store.queue(ana, 501, alert.ByFriend), b.store.queue(ana, 502, alert.ByFriend)}
	b.start(nil)
	for _, k := range first {
		b.settle(k)
	}
	all := b.dms()
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	wants(t, readable(all[0]), "Lark0", "Lark1", "Lark2", "are online")
	b.settle(b.store.queue(ana, 503, alert.ByFriend))
	if all = b.dms(); len(all) != 1 || all[0].EditedTimestamp == nil {
		t.Fatalf("%d messages, edited: %v", len(all), all[0].EditedTimestamp)
	}
	wants(t, readable(all[0]), "Lark0", "Lark3")
}

const editMessage = "PATCH /channels/{channel_id}/messages/{message_id}"

func TestAMessageSaysThatTheFriendHasLeft(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	k := b.store.queue(ana, friend, alert.ByFriend)
	b.settle(k)
	b.fault(discord.Fault{Kind: discord.FaultLost, Route: editMessage, Count: 1})
	b.store.leave(k)
	b.until("the message is edited, and again for its outcome was not known", func() bool { return b.sim.Stats().Routes[editMessage] == 2 })
	b.until("that is recorded", func() bool { return len(b.store.row(k).tries) == 3 })
	all := b.dms()
	wants(t, readable(all[0]), "⚪ **[MUST] Wren** was online on Wainwright for 72 min")
	if n := len(all); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestAMessageThatCannotBeEditedIsLeftAlone(t *testing.T) {
	for code, status := range map[int]int{10008: 404, 30046: 400, 10003: 404} {
		t.Run(itoa(code), func(t *testing.T) {
			b := newBench(t, nil)
			b.start(nil)
			k := b.store.queue(ana, friend, alert.ByFriend)
			b.settle(k)
			b.fault(discord.Fault{Kind: discord.FaultStatus, Status: status, Code: code, Route: editMessage})
			b.store.leave(k)
			b.until("the edit was refused", func() bool { return len(b.store.row(k).tries) == 2 })
			if r := b.store.row(k); !r.tries[1].Gone {
				t.Errorf("results %+v", r.tries)
			}
			b.store.queue(ana, other, alert.ByFriend)
			b.until("life goes on", func() bool { return len(b.dms()) == 2 })
			if n := b.sim.Stats().Routes[editMessage]; n != 1 {
				t.Errorf("%d edits", n)
			}
		})
	}
}

func TestWhatADeletedDigestShouldHaveSaidIsSaidAnew(t *testing.T) {
	b := newBench(t, nil)
	var ahead atomic.Int64
	b.start(func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	for i := range 3 {
		b.store.queue(ana, 500+event.CharacterID(i), alert.ByFriend)
	}
	b.until("the digest is there", func() bool { return len(b.dms()) == 1 })
	ahead.Add(int64(20 * time.Second))
	b.fault(discord.Fault{Kind: discord.FaultStatus, Status: 404, Code: 10008, Route: editMessage})
	k := b.store.queue(ana, friend, alert.ByFriend)
	b.until("the edit was refused", func() bool { return len(b.store.row(k).tries) == 1 })
	ahead.Add(int64(time.Minute))
	if o := b.settle(k); !o.sent || len(b.dms()) != 2 {
		t.Errorf("outcome %+v, %d messages", o, len(b.dms()))
	}
}

func TestNewsGoBeforeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		b := newBudget(alertsPerSec)
		const each = 20
		order := make(chan bool, 2*each)
		for i := range 2 * each {
			go func() {
				if news := i%2 == 0; b.pay(ctx, news) == nil {
					order <- news
				}
			}()
		}
		synctest.Wait() // until all wait
		began := time.Now()
		go b.run(ctx)
		for i := range 2 * each {
			if news := <-order; news != (i < each) {
				t.Errorf("number %d tells something new: %v", i, news)
			}
		}
		if d := time.Since(began); d < (2*each-6)*time.Second/alertsPerSec {
			t.Errorf("%d requests within %v", 2*each, d)
		}
		stop()
		if err := b.pay(ctx, true); !errors.Is(err, context.Canceled) {
			t.Errorf("paid after the end: %v", err)
		}
	})
}
