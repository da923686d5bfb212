package bot

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"muster/event"
)

func TestThePopulationIsShownWorldByWorld(t *testing.T) {
	b := newBench(t, checked)
	b.store.population = map[event.World]map[event.Faction]int{
		1:  {event.NC: 3},
		10: {event.VS: 1200, event.NC: 410, event.TR: 395, event.NSO: 12, event.NoFaction: 6},
	}
	b.store.streams = []event.StreamState{{World: 1, Health: event.StreamDown, Since: time.Now().Add(-time.Minute), ReportedAt: time.Now()}}
	b.start(nil)
	b.ready()
	text := b.run("/population")
	wants(t, text, "2,026 players on", "**Wainwright** — 2,023 on", "VS 1,200 · NC 410 · TR 395 · NSO 12 · not known yet 6",
		"**Osprey** — 3 on", "VS 0 · NC 3 · TR 0", "⚠️ no news since <t:", "how it was then")
	if strings.Index(text, "Wainwright") > strings.Index(text, "Osprey") {
		t.Errorf("the larger world is to be first: %s", text)
	}
	if strings.Count(text, "⚠️") != 1 {
		t.Errorf("only Osprey is without news: %s", text)
	}
	b.store.population = nil
	wants(t, b.run("/population"), "I see nobody on any world", "`/status`")
}

func TestWhoHoldsAWorldIsShown(t *testing.T) {
	b := newBench(t, checked)
	b.dir.holds = map[event.World][]event.Territory{
		10: {{World: 10, Zone: 2, Regions: map[event.Faction]int{event.VS: 1, event.NC: 1, event.TR: 1, event.NoFaction: 1}},
			{World: 10, Zone: 4, Regions: map[event.Faction]int{event.TR: 80}}, {World: 10, Zone: 6}},
	}
	b.store.population = map[event.World]map[event.Faction]int{1: {event.NC: 3}, 10: {event.NC: 4}}
	b.start(nil)
	b.ready()
	const wainwright = "Who holds Wainwright"
	wants(t, b.run("/territory"), wainwright, "**Indar**\n🟪🟪🟪🟦🟦🟦🟥🟥🟥▫️▫️▫️\nVS 25% · NC 25% · TR 25%", "🔒 **Hossin** — locked by TR", "as of <t:")
	c := b.talk("/territory world:Osprey")
	wants(t, readable(c.msg), "Who holds Osprey", "The game says nothing of this world")
	wants(t, c.press("Wainwright"), wainwright)
	b.run("/link player:Kestrel") // of Wainwright
	b.store.population = map[event.World]map[event.Faction]int{1: {event.NC: 300}}
	wants(t, b.run("/territory"), wainwright)
	b.dir.down.Store(true)
	wants(t, c.press("Osprey"), "does not say at the moment who holds what on Osprey")
	b.dir.down.Store(false)
	wants(t, c.press("Wainwright"), wainwright)
}

func TestABarShowsEverybodyWhoIsThere(t *testing.T) {
	for _, test := range []struct {
		by   map[event.Faction]int
		want string
	}{
		{nil, ""},
		{map[event.Faction]int{event.VS: 5}, "🟪🟪🟪🟪🟪🟪🟪🟪🟪🟪🟪🟪"},
		{map[event.Faction]int{event.VS: 100, event.NC: 100, event.TR: 100}, "🟪🟪🟪🟪🟦🟦🟦🟦🟥🟥🟥🟥"},
		{map[event.Faction]int{event.VS: 1, event.NC: 9999, event.NSO: 1}, "🟪🟦🟦🟦🟦🟦🟦🟦🟦🟦🟦⬜"},
		{map[event.Faction]int{event.TR: 1, event.NoFaction: 1}, "🟥🟥🟥🟥🟥🟥▫️▫️▫️▫️▫️▫️"},
	} {
		if got := bar(test.by); got != test.want {
			t.Errorf("%v: %s, want %s", test.by, got, test.want)
		}
	}
}

func TestAlertsAreShownWithTheirEnd(t *testing.T) {
	b := newBench(t, checked)
	now := time.Now() // the test may have waited until here
	run := func(w event.World, state event.MetagameState, over bool, ends time.Duration, vs, nc, tr float64) event.AlertRun {
		return event.AlertRun{World: w, Zone: 2, Name: "Indar Superiority", StartedAt: now.Add(ends - 45*time.Minute), EndsAt: now.Add(ends), Over: over,
			Alert: event.Alert{State: state, VS: vs, NC: nc, TR: tr}}
	}
	b.start(nil)
	b.ready()
	wants(t, b.run("/alerts"), "No alert runs on any world.")
	nameless := run(40, event.MetagameStarted, false, 45*time.Minute-time.Second, 33.3, 33.3, 33.4)
	nameless.Name, nameless.Zone = "", 0
	b.store.alertRuns = []event.AlertRun{
		run(10, event.MetagameBonusChanged, false, 20*time.Minute, 40.4, 29.6, 30), nameless,
		run(1, event.MetagameEnded, true, -time.Minute, 20, 30, 50), run(13, event.MetagameEnded, true, -2*time.Minute, 33, 33, 33),
		run(17, event.MetagameStarted, true, -3*time.Minute, 1, 2, 3), run(19, event.MetagameCanceled, true, -4*time.Minute, 1, 2, 3),
	}
	wants(t, b.run("/alerts"), "2 alerts run now. Below them what ended", "**Indar Superiority** — Wainwright, Indar\nends <t:", ":R> · VS 40% · NC 30% · TR 30%",
		"**Alert** — SolTech\nends <t:", "has just begun", "Osprey, Indar\nended <t:", "TR won · VS 20% · NC 30% · TR 50%",
		"in a draw", "time was up <t:", "last told: VS 1%", "canceled <t:")
	b.store.alertRuns = b.store.alertRuns[2:3]
	wants(t, b.run("/alerts"), "No alert runs on any world. Below what ended")
}

func TestACharacterIsShownAndFollowed(t *testing.T) {
	b := newBench(t, checked)
	now := time.Now().UTC().Truncate(time.Second)
	b.store.sessions = map[event.CharacterID][]event.Session{friend: {
		{Character: friend, World: 10, StartedAt: now.Add(-90 * time.Minute), Inferred: true},
		{Character: friend, World: 1, StartedAt: now.Add(-30 * time.Hour), EndedAt: now.Add(-27*time.Hour - 55*time.Minute)},
	}}
	b.start(nil)
	b.ready()
	wants(t, b.run("/character player:Wren"), "[MUST] Wren", "New Conglomerate · battle rank 87 · Wainwright", "**[MUST] Outfit MUST**",
		"🟢 On: Wainwright, Indar, since <t:", "Last on", "at least 90 min so far · Wainwright", "2 h 5 min · Osprey")
	wants(t, b.run("/character player:Lapwing"), "I have not seen them on since I watch the game")
	wants(t, b.run("/character player:Zzyzx"), "No player called “Zzyzx”")
	wants(t, b.talk("/character player:Wren").press("Tell me when they come on"), "I will write to you when **[MUST] Wren**")
	again := b.talk("/character player:Wren")
	wants(t, again.press("Tell me when they come on"), "already")
	later := b.talk("/character player:Wren")
	b.store.mu.Lock()
	delete(b.store.characters, friend)
	b.store.mu.Unlock()
	wants(t, later.press("Tell me when they come on"), "do not know this player any more")
}

func TestAnOutfitIsShownAndFollowed(t *testing.T) {
	b := newBench(t, checked)
	b.store.mu.Lock()
	o := b.store.characters[friend].Character.Outfit
	b.store.mu.Unlock()
	o.Leader, o.Members = friend, 120
	b.store.outfits[o.ID] = o
	b.start(nil)
	b.ready()
	wants(t, b.run("/outfit show outfit:must"), "[MUST] Outfit MUST", "New Conglomerate · 120 members", "Led by **Wren**, who is on", "🟢 1 member is on")
	wants(t, b.talk("/outfit show outfit:MUST").press("Who is on"), "1 member is on", "Wren")
	wants(t, b.talk("/outfit show outfit:MUST").press("Tell me when anybody comes on"), "I will write to you when anybody of **[MUST] Outfit MUST**")
	wants(t, b.run("/outfit show outfit:NOPE"), "No outfit with the tag or name “NOPE”")
	later := b.talk("/outfit show outfit:MUST")
	b.store.mu.Lock()
	delete(b.store.outfits, o.ID)
	b.store.mu.Unlock()
	wants(t, later.press("Who is on"), "do not know this outfit any more")
}

// Names and numbers of the largest size still make a message that Discord takes.
func TestTheLargestWorldFitsIntoAMessage(t *testing.T) {
	b := newBench(t, checked)
	b.store.population = map[event.World]map[event.Faction]int{}
	for w := range event.World(60) {
		b.store.population[w+1] = map[event.Faction]int{event.VS: 1e9, event.NC: 1e9, event.TR: 1e9, event.NSO: 1e9, event.NoFaction: 1e9}
		b.store.alertRuns = append(b.store.alertRuns, event.AlertRun{World: w + 1, Name: strings.Repeat("Very long ", 30), EndsAt: time.Now().Add(time.Hour)})
	}
	b.start(nil)
	b.ready()
	for _, command := range []string{"/population", "/alerts"} {
		text := b.run(command)
		wants(t, text, "more")
		if n := utf8.RuneCountInString(text); n > 6000 {
			t.Errorf("%s: %d characters", command, n)
		}
	}
}
