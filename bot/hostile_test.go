package bot

import (
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

// hostileNames are what a player or outfit may be called if nobody stops it.
func hostileNames() map[string]string {
	return map[string]string{
		"endless":     strings.Repeat("x", 5000),
		"markdown":    strings.Repeat("*_`|~>#[](){}\\<", 400),
		"mentions":    "@everyone <@123> <@&5> <#7> @here",
		"link":        "https://evil.example/ [here](https://evil.example)",
		"right left":  "\u202egnp.exe\u2066\u200f",
		"nothing":     "\u200b\u200d\u2060",
		"combining":   "Z" + strings.Repeat("\u0301", 3000),
		"not unicode": "a\xff\xfeb",
		"lines":       "a\nb\r\n# c\u2028d",
	}
}

func TestEveryMessageIsTakenWhateverPeopleAreCalled(t *testing.T) {
	for what, name := range hostileNames() {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, checked)
			const bad = friend + 5000
			c := event.Character{ID: bad, Name: name, Faction: event.NC, World: 10, Rank: 1,
				Outfit: event.Outfit{ID: 37599999999999999, Tag: name, Name: name, Faction: event.NC}}
			b.store.mu.Lock()
			now := time.Now().UTC().Truncate(time.Second)
			b.store.characters[bad] = event.Player{Character: c, MembershipRank: name,
				Online: event.Online{Character: bad, Online: true, World: 10, Zone: 2, Since: now, LastSeen: now}}
			b.store.outfits[c.Outfit.ID] = c.Outfit
			b.store.mu.Unlock()
			b.store.befriend(kesID, bad)
			b.start(nil)
			b.ready()
			b.run("/link player:Kestrel")
			player, outfit := pick(int64(bad)), pick(int64(c.Outfit.ID))
			for _, text := range []string{"/link player:" + player, "/watch add player:" + player, "/watch add outfit:" + outfit,
				"/watch list", "/friends show", "/online outfit:" + outfit, "/status", "/unlink player:" + player} {
				got := b.run(text)
				if strings.Contains(got, "went wrong") {
					t.Errorf("%s: %s", text, got)
				}
				if strings.Contains(got, "@everyone") || strings.Contains(got, "<@1") || strings.Contains(got, "https://evil") || strings.ContainsAny(got, "\u202e\u2066") {
					t.Errorf("%s lets a name act: %q", text, got)
				}
			}
			if o := b.settle(b.store.queue(ana, bad, alert.ByCharacter)); !o.sent {
				t.Errorf("the alert is not sent: %+v", o)
			}
			all := b.dms()
			if _, err := b.sim.Press(b.ctx(), discord.PressInput{User: ana.String(), Message: all[len(all)-1].ID,
				CustomID: controlMute + bad.String()}); err != nil {
				t.Errorf("its button: %v", err)
			}
			for _, text := range []string{"/unlink player:", "/watch remove watch:"} {
				if _, err := b.sim.Autocomplete(b.ctx(), discord.CommandInput{User: ana.String(), Text: text}); err != nil {
					t.Errorf("suggestions for %s: %v", text, err)
				}
			}
		})
	}
}

func TestACharacterWithoutANameCanBeLinkedAndSuggested(t *testing.T) {
	b := newBench(t, checked)
	const nameless = friend + 6000
	b.store.mu.Lock()
	b.store.characters[nameless] = event.Player{Character: event.Character{ID: nameless}}
	b.store.mu.Unlock()
	b.start(nil)
	b.ready()
	b.run("/link player:" + pick(int64(nameless)))
	got, err := b.sim.Autocomplete(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/unlink player:"})
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Name, event.Placeholder(nameless)) {
		t.Errorf("suggestions: %+v, %v", got, err)
	}
}

func TestALongRosterFitsBesideEveryWarning(t *testing.T) {
	b := newBench(t, checked)
	for i := range 120 {
		b.store.add(friend+100+event.CharacterID(i), "Player_with_a_long_name_"+strings.Repeat("x", i%8), "MUST", 10)
	}
	for _, w := range event.Worlds() {
		b.store.streams = append(b.store.streams, event.StreamState{World: w.ID, Health: event.StreamDown,
			Since: time.Now().Add(-time.Hour), ReportedAt: time.Now()})
	}
	b.start(nil)
	b.ready()
	wants(t, b.run("/online outfit:MUST"), "… and", "No news from the game")
}

// One person's button says nothing about another person's watches, whoever sends
// its id.
func TestAForgedButtonTouchesNobodyElse(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	b.run("/watch add player:Lapwing")
	users := b.sim.Users()
	stranger := users[len(users)-1]
	if stranger.ID == ana.String() {
		t.Fatal("there is nobody else")
	}
	uid, err := alert.ParseUserID(stranger.ID)
	if err != nil {
		t.Fatal(err)
	}
	i := &interaction{lang: english(t), by: uid, pressed: pressStop + other.String()}
	bot := &Bot{cfg: Config{Store: b.store}, controls: controlTable()}
	if _, err := bot.press(b.ctx(), i); err != nil {
		t.Fatal(err)
	}
	watches, err := b.store.Watches(b.ctx(), ana)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, w := range watches {
		found = found || w.Character == other
	}
	if !found {
		t.Error("a stranger's button removed the watch")
	}
}
