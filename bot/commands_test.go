package bot

import (
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

func TestEveryCommandAnswersWellFormed(t *testing.T) {
	api := openAPI(t)
	b := newBench(t, func(c *discord.Config) { c.OpenAPIPath = api })
	b.store.streams = []event.StreamState{
		{World: 10, Health: event.StreamLive, Since: time.Now().Add(-time.Hour), ReportedAt: time.Now()},
		{World: 1, Health: event.StreamDown, Since: time.Now().Add(-time.Minute), ReportedAt: time.Now(), Reason: "refused"},
	}
	b.store.gaps = []event.Gap{{World: 1, From: time.Now().Add(-time.Hour), To: time.Now().Add(-50 * time.Minute), Cause: "silent"}}
	b.start(nil)
	b.ready()

	wants(t, b.run("/help"), "/link player:", "/watch add")
	wants(t, b.run("/friends show"), "`/link player:`")
	wants(t, b.run("/watch list"), "nobody yet")
	wants(t, b.run("/link player:kestrel"), "**[MUST] Kestrel** is linked", "2 friends", "**[MUST] Wren**", "direct message")
	wants(t, b.run("/link player:Kestrel"), "already")
	wants(t, b.run("/friends show"), "Friends of Kestrel", "**[MUST] Wren** · Wainwright, Indar · since <t:", "1 of 2 on")
	wants(t, b.run("/watch add player:Lapwing"), "I will write to you when **Lapwing**")
	wants(t, b.run("/watch add player:Lapwing"), "already")
	wants(t, b.run("/watch add outfit:MUST"), "anybody of **[MUST] Outfit MUST**")
	wants(t, b.run("/watch list"), "Friends of **[MUST] Kestrel**", "Lapwing", "Outfit MUST")
	wants(t, b.run("/watch remove watch:Lapwing"), "Removed")
	wants(t, b.run("/online"), "Friends of Kestrel", "Wren")
	wants(t, b.run("/online outfit:must"), "[MUST] Outfit MUST", "1 member is on", "Wren", "No news from the game for: Osprey")
	wants(t, b.run("/status"), "**Wainwright** — 🟢 live since <t:", "321 players", "**Osprey** — 🔴 down", "Holes", "10 min", "connected to Discord")
	wants(t, b.run("/watch remove watch:Friends lists of your characters"), "Removed")
	wants(t, b.run("/link player:Kestrel"), "already", "write to you when one comes on")
	wants(t, b.run("/watch list"), "Friends of **[MUST] Kestrel**")
	wants(t, b.run("/unlink player:Kestrel"), "not linked to you any more")
	wants(t, b.run("/unlink player:Kestrel"), "have not linked")
	if got := len(b.dms()); got != 1 {
		t.Errorf("%d direct messages, want the one test message", got)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	wants(t, b.run("/link player:Kestrell"), "No player called “Kestrell”", "Did you mean **Kestrel**?")
	wants(t, b.run("/link player:Kes"), "No player called “Kes”", "Did you mean **Kestrel**?")
	wants(t, b.run("/link player:Zzyzx"), "No player called “Zzyzx”", "Check the spelling")
	wants(t, b.run("/watch add player:bad!name"), "cannot be a player's name")
	wants(t, b.run("/watch add player:#12"), "No player called")
	wants(t, b.run("/watch add"), "Whom?", "/watch add player:Kestrel")
	wants(t, b.run("/watch add player:Wren outfit:MUST"), "One at a time")
	wants(t, b.run("/watch remove watch:Wren"), "nothing to remove")
	wants(t, b.run("/online"), "/link") // of whose friends?
	wants(t, b.runIn("general", "/online"), "Give an outfit's tag")
	wants(t, b.run("/online outfit:NOPE"), "No outfit with the tag or name “NOPE”")
	wants(t, b.run("/online outfit:MUS"), "Did you mean **[MUST] Outfit MUST**?")
	b.dir.down.Store(true)
	wants(t, b.run("/link player:Unheard"), "query service does not answer", "try again")
	wants(t, b.run("/link player:Kestrel"), "is linked to you", "I keep trying")
	wants(t, b.run("/online outfit:ZZZZ"), "query service does not answer")
}

func TestAnswersArePrivateWhereTheyArePersonal(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	for text, private := range map[string]bool{
		"/help": true, "/friends show": true, "/link player:Kestrel": true, "/watch list": true, "/status": false, "/online outfit:MUST": false,
	} {
		a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Channel: "general", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		if a.Ephemeral != private {
			t.Errorf("%s: ephemeral = %v, want %v", text, a.Ephemeral, private)
		}
	}
}

func TestSuggestionsCanBePicked(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	suggest := func(text string) []discord.Choice {
		t.Helper()
		all, err := b.sim.Autocomplete(b.ctx(), discord.CommandInput{User: ana.String(), Text: text})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return all
	}
	got := suggest("/link player:kes")
	if len(got) != 2 || got[0].Name != "[MUST] Kestrel · NC · Wainwright" || got[1].Value != "kes" {
		t.Fatalf("suggestions for kes: %+v", got)
	}
	a, err := b.sim.Command(b.ctx(), discord.CommandInput{
		User: ana.String(), Text: "/link player:x", Values: map[string]any{"player": got[0].Value}})
	if err != nil || a.Message == nil {
		t.Fatal(err)
	}
	wants(t, a.Message.Content, "Kestrel** is linked")
	if got := suggest("/link player:Unheard"); len(got) != 1 || got[0].Value != "Unheard" {
		t.Errorf("typed text is not offered: %+v", got)
	}
	if got := suggest("/online outfit:[mu"); len(got) != 2 || got[0].Name != "[MUST] Outfit MUST" {
		t.Errorf("outfits: %+v", got)
	}
	if got := suggest("/unlink player:"); len(got) != 1 {
		t.Errorf("links: %+v", got)
	}
	if got := suggest("/watch remove watch:"); len(got) != 1 || got[0].Name != "Friends lists of your characters" {
		t.Errorf("watches: %+v", got)
	}
	b.store.slow.Store(true)
	if got := suggest("/link player:kest"); len(got) != 1 || got[0].Value != "kest" {
		t.Errorf("a slow store: %+v", got)
	}
}

func TestLongListsFitIntoAMessage(t *testing.T) {
	b := newBench(t, checked)
	var many []event.CharacterID
	for i := range 120 {
		id := friend + 100 + event.CharacterID(i)
		b.store.add(id, "Player_with_a_long_name_"+strings.Repeat("x", i%8), "MUST", 10)
		many = append(many, id)
	}
	b.store.befriend(kesID, many...)
	b.start(nil)
	b.ready()
	wants(t, b.run("/link player:Kestrel"), "120 friends", "more")
	wants(t, b.run("/friends show"), "… and", "120 of 120 on")
	wants(t, b.run("/online outfit:MUST"), "… and", "121 members are on")
}

func TestCommandsAreRegisteredOnlyWhenTheyChanged(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.fault(discord.Fault{Kind: discord.FaultDrop})
	b.until("the bot is back", func() bool { return b.sim.Stats().Identifies >= 2 })
	b.ready()
	b.stop()
	if err := <-b.ended; err != nil {
		t.Fatal(err)
	}

	second := *b
	second.ended = make(chan error, 1)
	second.start(nil)
	second.until("the second bot is told that they are there", func() bool {
		return contains(b.logs.String(), "registered already")
	})
	b.ended <- nil
	if n := b.sim.Stats().Routes["PUT /applications/{application_id}/commands"]; n != 1 {
		t.Errorf("%d overwrites, want 1", n)
	}
}

func TestUserInstallRefusedIsSaidOnce(t *testing.T) {
	b := newBench(t, func(c *discord.Config) { c.UserInstall = false })
	b.start(nil)
	b.until("it is said", func() bool { return contains(b.logs.String(), "commands not registered") })
	wants(t, b.logs.String(), "user install")
	if n := b.sim.Stats().Routes["PUT /applications/{application_id}/commands"]; n != 1 {
		t.Errorf("%d overwrites, want 1", n)
	}
	b.allowViolations = true
}

func TestAPanicInAHandlerIsApologisedFor(t *testing.T) {
	b := newBench(t, nil)
	b.store.panics = true
	b.start(nil)
	b.ready()
	wants(t, b.run("/friends show"), "Something went wrong on my side")
	wants(t, b.logs.String(), "a bug in a handler")
	wants(t, b.run("/help"), "/link")
}

func TestABrokenStoreIsApologisedFor(t *testing.T) {
	b := newBench(t, nil)
	b.store.broken = errDown
	b.start(nil)
	b.ready()
	for _, text := range []string{"/friends show", "/status", "/online outfit:MUST", "/link player:Kestrel"} {
		wants(t, b.run(text), "Something went wrong on my side")
	}
}

func TestALateCallbackIsDropped(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	callback := "POST /interactions/{interaction_id}/{interaction_token}/callback"
	b.fault(discord.Fault{Kind: discord.FaultStatus, Status: 404, Code: 10062, Route: callback, Count: 1})
	if _, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/friends show"}); err == nil {
		t.Error("answered, although Discord said unknown interaction")
	}
	if n := b.sim.Stats().Routes[callback]; n != 1 {
		t.Errorf("%d callbacks, want 1", n)
	}
	wants(t, b.run("/help"), "/link")
}

func TestALostAcknowledgementIsContinuedWithTheEdit(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	// The first callback is taken and answered with a 502; the second one gets 40060.
	b.fault(discord.Fault{Kind: discord.FaultLost, Count: 1,
		Route: "POST /interactions/{interaction_id}/{interaction_token}/callback"})
	wants(t, b.run("/friends show"), "I do not know who you are")
}

func TestAFailedEditIsRepeated(t *testing.T) {
	for _, f := range []discord.Fault{
		{Kind: discord.FaultStatus, Status: 503}, {Kind: discord.FaultReset}, {Kind: discord.FaultLimit, RetryAfter: 0.05},
	} {
		t.Run(f.Kind, func(t *testing.T) {
			b := newBench(t, nil)
			b.start(nil)
			b.ready()
			f.Count, f.Route = 2, "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original"
			b.fault(f)
			wants(t, b.run("/friends show"), "I do not know who you are")
		})
	}
}

func TestAnInteractionIsAnsweredDuringAGlobalLimit(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.fault(discord.Fault{Kind: discord.FaultGlobal, RetryAfter: 60, Count: 1, Route: "POST /channels/{channel_id}/messages"})
	k := b.store.queue(ana, friend, alert.ByFriend)
	b.until("the limit was met", func() bool { return len(b.store.row(k).tries) > 0 })
	a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/friends show"})
	if err != nil || a.Message == nil {
		t.Fatalf("not answered during the pause: %v", err)
	}
	if retry := b.retryOf(k); time.Until(retry) < 50*time.Second {
		t.Errorf("the alert comes again in %v, within the pause", time.Until(retry))
	}
}
