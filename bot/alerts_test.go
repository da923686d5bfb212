package bot

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
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
	if !o.Sent || len(all) != before+1 || o.Message != all[before].ID {
		t.Fatalf("outcome %+v, %d new messages", o, len(all)-before)
	}
	m := all[before]
	wants(t, readable(m), "🟢 **Lapwing** is online on Wainwright", "New Conglomerate · battle rank 87\nCame online <t:",
		"1 other friend is on", "https://muster.example/characters/Lapwing", "From your in-game friends list")
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
	wants(t, press(pressStop+other.String()), "You do not watch **Lapwing** any more", "friends list of **[MUST] Kestrel**", "/unlink")
	if w, _ := b.store.Watches(b.ctx(), ana); len(w) != 1 {
		t.Errorf("watches left: %+v", w)
	}
}

func TestOldButtonsSayThatTheyAreOld(t *testing.T) {
	b := &Bot{controls: controlTable()}
	for _, id := range []string{"", "v0:what", "v1:stop:x", "v1:stop:-1"} {
		_, err := b.press(t.Context(), &interaction{pressed: id})
		if err == nil || !strings.Contains(err.Error(), "another version") {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAMessageStoredBehindA502AppearsOnce(t *testing.T) {
	b := newBench(t, nil)
	b.fault(discord.Fault{Kind: discord.FaultLost, Route: createMessage, Count: 2})
	b.start(nil)
	o := b.settle(b.store.queue(ana, friend, alert.ByFriend))
	if n := len(b.dms()); !o.Sent || n != 1 {
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
			if n := len(b.dms()); !o.Sent || n != 1 {
				t.Errorf("outcome %+v, %d messages", o, n)
			}
			if tries := b.store.row(k).tries; len(tries) != 2 {
				t.Errorf("%d tries, want 2: %+v", len(tries), tries)
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
	wants(t, o.GaveUp, "50007")
	if r, _ := b.store.Recipient(b.ctx(), ana); r.Closed != "50007" {
		t.Errorf("recipient %+v", r)
	}
	sends := b.sim.Stats().Routes[createMessage]
	wants(t, b.settle(b.store.queue(ana, other, alert.ByFriend)).GaveUp, "closed: 50007")
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
	if o := b.settle(b.store.queue(ana, kesID, alert.ByCharacter)); !o.Sent {
		t.Errorf("after reopening: %+v", o)
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
	if o := b.settle(b.store.queue(ana, other, alert.ByFriend)); !o.Sent {
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
	if after := time.Until(b.store.row(k).outcome.RetryAt); after < time.Minute {
		t.Errorf("tried again in %v", after)
	}
	k = b.store.queue(chris, friend, alert.ByFriend)
	b.until("the next one waits too", func() bool { return len(b.store.row(k).tries) > 0 })
	if n := b.sim.Stats().Routes["POST /users/@me/channels"]; n != 2 {
		t.Errorf("%d opens, want 2: one before and one refused", n)
	}
	if o := b.settle(b.store.queue(ana, other, alert.ByFriend)); !o.Sent {
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
			wants(t, o.GaveUp, itoa(code))
			if n := len(b.store.row(k).tries); n != 1 {
				t.Errorf("%d tries", n)
			}
		})
	}
}

func TestMissingAccessIsTriedAFewTimes(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	a := alert.Alert{Key: alert.Key{1}, Attempts: 6} // it has waited for its name
	r := alert.Recipient{User: ana}
	missing := &apiError{Status: 403, Code: 50001}
	for n := range accessTries - 1 {
		if o, _ := b.bot.alerts.refused(b.ctx(), a, &r, missing); o.RetryAt.IsZero() || r.Closed != "" {
			t.Errorf("try %d: %+v, %+v", n+1, o, r)
		}
	}
	if o, _ := b.bot.alerts.refused(b.ctx(), a, &r, missing); o.GaveUp == "" || r.Closed != "50001" {
		t.Errorf("last try: %+v, %+v", o, r)
	}
}

func TestOldNewsIsNotSent(t *testing.T) {
	b := newBench(t, nil)
	k := b.store.queue(ana, friend, alert.ByFriend)
	b.store.alerts[k].ExpiresAt = time.Now().Add(-time.Second)
	b.start(nil)
	if o := b.settle(k); o.GaveUp != "expired" {
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
	if n := len(b.dms()); !o.Sent || n != 1 {
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
	var keys []alert.Key
	for i := range 30 {
		keys = append(keys, b.store.queue(ana+alert.UserID(i%3), friend+event.CharacterID(i), alert.ByFriend))
	}
	b.start(nil)
	second.start(nil)
	for _, k := range keys {
		b.settle(k)
	}
	sum := 0
	for i := range alert.UserID(3) {
		sum += len(b.sim.DMs((ana + i).String()))
	}
	if n := b.sim.Stats().Routes[createMessage]; sum != len(keys) || n != len(keys) {
		t.Errorf("%d messages by %d sends, want %d", sum, n, len(keys))
	}
}

// TestNobodyWaitsForAnAnswerBehindAlerts runs commands while the outbox is full
// and Discord's limits hold.
func TestNobodyWaitsForAnAnswerBehindAlerts(t *testing.T) {
	b := newBench(t, func(c *discord.Config) {
		c.Limits = discord.DefaultLimits()
		// The stand-in counts all interactions of the bot together.
		for route := range c.Limits.Routes {
			if strings.Contains(route, "/interactions/") || strings.Contains(route, "/webhooks/") {
				delete(c.Limits.Routes, route)
			}
		}
		c.Limits.Default = discord.Bucket{Limit: 1000, Window: time.Second}
	})
	b.start(nil)
	b.ready()
	for i := range 300 {
		b.store.queue(ana+alert.UserID(i%3), friend+event.CharacterID(i), alert.ByFriend)
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
