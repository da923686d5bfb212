package bot

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
)

func TestEverySettingCanBeSeenAndChangedByClicking(t *testing.T) {
	b, s := newRealBench(t)
	c := b.talk("/settings")
	wants(t, readable(c.msg), "When I write to you", "**Quiet hours** — none", "at most once in 30 min", "one is enough", "one message for all",
		"I list who is on", "news as always", "**Muted players** — nobody")
	const menu = "Change one of these"

	wants(t, c.press(menu, "zone"), "UTC, not chosen yet")
	wants(t, c.press("Where are you", "Europe/Berlin"), "When I write to you")
	wants(t, c.press(menu, "zone"), "Europe/Berlin, where it is")
	wants(t, c.write("Somewhere else", map[string]string{"zone": "denver"}), "America/Denver")
	wants(t, c.write("Somewhere else", map[string]string{"zone": "Atlantis"}), "no time zone called “Atlantis”", "America/Denver")
	wants(t, c.press("Back"), "When I write to you")

	wants(t, c.press(menu, "quiet"), "Now: **none**")
	wants(t, c.press("In quiet hours", "silent"), "23:00 to 07:00, without a sound")
	wants(t, c.press(menu, "quiet"), "without a sound")
	wants(t, c.write("Set the hours", map[string]string{"from": "22:30", "to": "6"}), "22:30 to 06:00")
	wants(t, c.form, "by the clock of Denver")
	wants(t, c.write("Set the hours", map[string]string{"from": "late", "to": "6"}), "write times like 23:00")
	c.press("Back")

	wants(t, c.press(menu, "pause"), "nothing is told")
	wants(t, c.press("2 h"), "**Pause** — until <t:")
	wants(t, c.press("End the pause"), "**Pause** — none")
	c.press(menu, "pause")
	wants(t, c.press("Until I end it"), "until you end it")
	c.press("End the pause")

	for panel, choice := range map[string][]string{"cooldown": {"How often", "2h0m0s"}, "least": {"How many", "3"}} {
		c.press(menu, panel)
		c.press(choice[0], choice[1])
	}
	for panel, label := range map[string]string{"away": "No news while I play", "digest": "One message each", "summary": "Nothing", "leave": "Leave the message", "shown": "Tell them"} {
		c.press(menu, panel)
		c.press(label)
	}
	got, err := s.Settings(t.Context(), ana)
	if err != nil {
		t.Fatal(err)
	}
	got.UpdatedAt, got.PausedUntil = time.Time{}, time.Time{}
	want := alert.Settings{User: ana, Zone: "America/Denver", Quiet: alert.QuietHours{From: 22*60 + 30, To: 6 * 60}, QuietMode: alert.QuietSilent,
		Cooldown: 2 * time.Hour, OnlyWhenAway: true, AtLeast: 3, Shown: true}
	if got != want {
		t.Errorf("stored %+v\nwant   %+v", got, want)
	}
	wants(t, readable(b.talk("/settings").msg), "at most once in 2 h", "only when 3 or more", "no news while one of your characters is on",
		"one message each", "**When you log in** — nothing", "the message stays")
	wants(t, c.press(menu, "why"), "Nobody whom you follow came online")
}

func TestSomebodyIsMutedAndHeardAgain(t *testing.T) {
	b, s := newRealBench(t)
	muted := func() []alert.Mute {
		t.Helper()
		all, err := s.Mutes(t.Context(), ana)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	c := b.talk("/settings")
	text, err := b.bot.press(t.Context(), &interaction{lang: english(t), by: ana, pressed: controlMute + friend.String()})
	if err != nil || !strings.Contains(text.Embeds[0].Description, "**[MUST] Wren**") {
		t.Fatalf("%+v, %v", text, err)
	}
	for _, step := range []struct {
		how   string
		lasts time.Duration // 0: for good
	}{{"1h", time.Hour}, {"today", 24 * time.Hour}, {"on", 0}} {
		how, lasts := step.how, step.lasts
		if _, err := b.bot.press(t.Context(), &interaction{lang: english(t), by: ana, pressed: controlMuteFor + friend.String(), values: []string{how}}); err != nil {
			t.Fatal(err)
		}
		all := muted()
		if len(all) != 1 || all[0].Until.IsZero() != (lasts == 0) || lasts > 0 && time.Until(all[0].Until) > lasts {
			t.Errorf("%s: %+v", how, all)
		}
	}
	wants(t, c.press("Change one of these", "mutes"), "**Wren** — for good")
	wants(t, c.press("Hear again", friend.String()), "Nobody.")
	if len(muted()) != 0 {
		t.Error("still muted")
	}
	m, err := b.bot.press(t.Context(), &interaction{lang: english(t), by: ana, pressed: controlPause + "2h"})
	if err != nil || !strings.Contains(m.Embeds[0].Description, "I write nothing until") {
		t.Errorf("%+v, %v", m, err)
	}
	for _, odd := range []string{controlPause + "-2h", controlPause + "9999999h", controlMute + "x", controlPut + "nothing:on", controlPut + "away:maybe", controlAsk + "what"} {
		i := &interaction{lang: english(t), by: ana, pressed: odd}
		if ctl, _ := b.bot.control(odd); ctl.how == asks {
			if _, err := b.bot.openForm(t.Context(), i, "what"); err == nil {
				t.Errorf("%s opens a form", odd)
			}
			continue
		}
		if _, err := b.bot.press(t.Context(), i); err == nil || !strings.Contains(err.Error(), "control.old") {
			t.Errorf("%s: %v", odd, err)
		}
	}
}

func TestAWatchIsMutedLimitedAndRemovedFromTheList(t *testing.T) {
	b, s := newRealBench(t)
	b.run("/link player:Kestrel")
	wants(t, b.run("/watch add leaders:MUST"), "the leader of **[MUST] Outfit MUST**")
	wants(t, b.run("/watch add leaders:MUST"), "already")
	wants(t, b.run("/watch group name:Squad add:Lapwing"), "**Lapwing** is in the group")
	wants(t, b.run("/watch group name:squad add:Wren"), "**[MUST] Wren** is in the group", "Squad", "🟢")
	wants(t, b.run("/watch group name:Squad add:Wren"), "already")
	wants(t, b.run("/watch group name:Squad remove:Lapwing"), "not in the group any more")
	wants(t, b.run("/watch group name:Nobody"), "no group called “Nobody”")
	wants(t, b.run("/watch group name:Squad remove:Nobody"), "is not in the group")

	c := b.talk("/watch list")
	wants(t, readable(c.msg), "(3)", "Friends of **[MUST] Kestrel**", "⭐ **Leaders of", "📋 **Group Squad**")
	watches, err := s.Watches(t.Context(), ana)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(watches, func(w alert.Watch) bool { return w.Kind == alert.WatchLeaders })
	id := itoa(int(watches[i].ID))
	wants(t, c.press("Mute, limit", id), "Leaders of", "Followed since")
	wants(t, c.press("Mute 1 h"), "muted for a while", "Muted until <t:")
	wants(t, c.press("Unmute"), "Leaders of")
	wants(t, c.press("Only on these servers", "10", "1"), "only on Osprey, Wainwright")
	watches, err = s.Watches(t.Context(), ana)
	if err != nil || !slices.Equal(watches[i].Worlds, []event.World{1, 10}) || watches[i].Muted {
		t.Errorf("%+v, %v", watches[i], err)
	}
	wants(t, c.press("Remove"), "Removed: **Leaders of", "(2)")

	g := b.talk("/watch group name:Squad")
	wants(t, g.press("Delete the group"), "Delete the group **Squad** with its ", "cannot be undone")
	wants(t, g.press("Keep it"), "Squad", "Wren")
	if groups, err := s.Groups(t.Context(), ana); err != nil || len(groups) != 1 {
		t.Errorf("groups left after keeping it: %+v, %v", groups, err)
	}
	g.press("Delete the group")
	wants(t, g.press("Delete it"), "**Squad** is deleted")
	if groups, err := s.Groups(t.Context(), ana); err != nil || len(groups) != 0 {
		t.Errorf("groups left: %+v, %v", groups, err)
	}
}

func TestFriendsAreReadAgainWhenAsked(t *testing.T) {
	b, s := newRealBench(t)
	wants(t, b.run("/friends sync"), "`/link player:`")
	b.run("/link player:Kestrel")
	dir := b.bot.cfg.Directory.(*realDirectory)
	before := dir.reads.Load()
	wants(t, b.run("/friends sync"), "Friends of Kestrel", "1 of 2 on")
	if dir.reads.Load() != before {
		t.Error("a list that is seconds old was read again")
	}
	if err := s.SaveFriends(t.Context(), kesID, []event.Friend{{Character: friend}}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	c := b.talk("/friends show")
	wants(t, readable(c.msg), "1 of 1 on")
	wants(t, c.press("Read the list again"), "1 of 2 on")
	if err := s.SaveFriends(t.Context(), kesID, []event.Friend{{Character: friend}}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	dir.down.Store(true)
	wants(t, b.run("/friends sync"), "does not give me the list of **[MUST] Kestrel**", "stays", "1 of 1 on")
}

func TestPeopleGetTheirDataAndCanDeleteIt(t *testing.T) {
	b, s := newRealBench(t)
	b.run("/link player:Kestrel")
	b.run("/watch add player:Lapwing")
	c := b.talk("/privacy")
	wants(t, readable(c.msg), "1 linked character", "2 things you follow", "Nothing else")

	file := *c
	file.press("Give me all of it")
	if len(file.msg.Attachments) != 1 {
		t.Fatalf("attachments: %+v", file.msg.Attachments)
	}
	var export alert.PrivacyExport
	if err := json.Unmarshal(file.msg.Attachments[0].Content, &export); err != nil {
		t.Fatal(err)
	}
	if export.User != ana || len(export.Links) != 1 || len(export.Links[0].Friends) != 2 || len(export.Watches) != 2 {
		t.Errorf("export: %+v", export)
	}

	wants(t, c.press("Delete all of it"), "cannot be undone")
	wants(t, c.press("Keep it"), "Your data")
	c.press("Delete all of it")
	wants(t, c.press("Delete everything"), "entries are deleted")
	if len(c.msg.Components) != 0 || len(c.msg.Embeds) != 0 {
		t.Errorf("the old panel is still there: %+v", c.msg)
	}
	if watches, err := s.Watches(t.Context(), ana); err != nil || len(watches) != 0 {
		t.Errorf("watches left: %+v, %v", watches, err)
	}
}

func TestACharacterIsHiddenByWhoShowsToPlayIt(t *testing.T) {
	b, s := newRealBench(t)
	b.run("/link player:Kestrel")
	c := b.talk("/privacy")
	wants(t, c.press("Hide a character", kesID.String()), "/suicide", "**Kestrel**")
	var n int
	for _, r := range c.msg.Components {
		for _, one := range r.Components {
			if rest, ok := strings.CutPrefix(one.CustomID, controlProved+kesID.String()+":"); ok {
				n = int(rest[0] - '0')
			}
		}
	}
	if n < proofLeast || n > proofMost {
		t.Fatalf("asked for %d", n)
	}
	forged := strings.Replace(c.id("Done"), kesID.String(), friend.String(), 1)
	if _, err := b.bot.press(t.Context(), &interaction{lang: english(t), by: ana, pressed: forged}); err == nil {
		t.Error("a forged button is obeyed")
	}
	if _, err := b.bot.press(t.Context(), &interaction{lang: english(t), by: ana + 1, pressed: c.id("Done")}); err == nil {
		t.Error("somebody else's button is obeyed")
	}
	die := func(k int) {
		t.Helper()
		at := time.Now().UTC().Truncate(time.Second).Add(time.Duration(k) * time.Second)
		death := event.Event{Kind: event.Kill, World: 10, Zone: 2, At: at, ReceivedAt: at, Detail: event.Death{Attacker: kesID, Victim: kesID}}
		if _, err := s.Record(t.Context(), at, event.Record{Events: []event.Event{death}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for k := range n {
		wants(t, c.press("Done"), itoa(k)+" of "+itoa(n))
		die(k - 4)
	}
	wants(t, c.press("Done"), "is hidden")
	if hidden, err := s.HiddenBy(t.Context(), ana); err != nil || len(hidden) != 1 {
		t.Errorf("hidden: %+v, %v", hidden, err)
	}
	wants(t, c.press("Your data"), "**[MUST] Kestrel** is hidden")
	c.press("Show a hidden character", kesID.String())
	if hidden, err := s.HiddenBy(t.Context(), ana); err != nil || len(hidden) != 0 {
		t.Errorf("hidden still: %+v, %v", hidden, err)
	}
}
