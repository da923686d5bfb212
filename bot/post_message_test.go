package bot

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"muster/alert"
	"muster/event"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func postBot(t *testing.T) *Bot {
	t.Helper()
	return &Bot{texts: texts(t), cfg: Config{PageURL: "https://muster.example", Now: func() time.Time { return noon }}}
}

func news(id event.CharacterID, name, tag string, left time.Duration) alert.Alert {
	a := alert.Alert{Character: id, World: 10, Cause: alert.ByFriend, LoginAt: noon.Add(-time.Hour),
		Who: event.Character{ID: id, Name: name, Faction: event.NC, Rank: 87, Outfit: event.Outfit{ID: 1, Tag: tag}}}
	if left > 0 {
		a.LeftAt = a.LoginAt.Add(left)
	}
	return a
}

func (m message) text() string {
	s := m.Content
	for _, e := range m.Embeds {
		s += "\n" + e.Title + "\n" + e.Description
		if e.Footer != nil {
			s += "\n" + e.Footer.Text
		}
	}
	for _, r := range m.Components {
		for _, c := range r.Components {
			if one, ok := c.(button); ok {
				s += "\n[" + one.Label + "]"
			}
		}
	}
	return s
}

func TestASingleMessageSaysWhoWhereAndSinceWhen(t *testing.T) {
	on := []event.Player{{Character: event.Character{ID: friend}}, {Character: event.Character{ID: other}}, {Character: event.Character{ID: kesID}}}
	m := postBot(t).postMessage(alert.Turn{On: on}, alert.Post{Kind: alert.Single, Alerts: []alert.Alert{news(friend, "Wren", "MUST", 0)}})
	wants(t, m.text(), "🟢 **[MUST] Wren** is online on Wainwright", "New Conglomerate · battle rank 87", "Came online <t:1795604400:R>",
		"2 others whom you follow are on", "See what Wren is doing", "From your in-game friends list",
		"[Mute Wren]", "[Pause 2 h]", "[Who else is on]", "[Settings]")
	if m.Flags != 0 {
		t.Errorf("flags %d", m.Flags)
	}
	quiet := postBot(t).postMessage(alert.Turn{}, alert.Post{Kind: alert.Single, Silent: true, Alerts: []alert.Alert{news(friend, "", "", 0)}})
	wants(t, quiet.text(), "[Mute this player]")
	if quiet.Flags != flagSilent {
		t.Errorf("flags %d, want the silent one", quiet.Flags)
	}
}

func TestAMessageSaysOnceThatSomebodyLeft(t *testing.T) {
	m := postBot(t).postMessage(alert.Turn{}, alert.Post{Kind: alert.Single, Silent: true, Message: "7", Alerts: []alert.Alert{news(friend, "Wren", "", 72*time.Minute)}})
	wants(t, m.text(), "⚪ **Wren** was online on Wainwright for 72 min", "Left <t:")
	if strings.Contains(m.text(), "Mute") || m.Flags != 0 {
		t.Errorf("an edit offers to mute, or has flags %d:\n%s", m.Flags, m.text())
	}
}

func TestADigestNamesTheFirstAndListsAll(t *testing.T) {
	var alerts []alert.Alert
	for i := range 5 {
		alerts = append(alerts, news(event.CharacterID(100+i), fmt.Sprintf("Player%d", i), "MUST", 0))
	}
	alerts[1].LeftAt = alerts[1].LoginAt.Add(5 * time.Minute)
	post := alert.Post{Kind: alert.Digest, Alerts: alerts}
	m := postBot(t).postMessage(alert.Turn{}, post)
	wants(t, m.text(), "🟢 Player0, Player1, Player2 and 2 more are online", "5 players whom you follow came online",
		"🟢 **[MUST] Player0** · Wainwright · <t:", "⚪ **[MUST] Player1** · was on for 5 min")
	for i := range alerts {
		alerts[i].LeftAt = alerts[i].LoginAt.Add(time.Hour)
	}
	wants(t, postBot(t).postMessage(alert.Turn{}, post).text(), "⚪ Player0, Player1, Player2 and 2 more were online")
}

func TestNoMessageIsTooLongOrNamesAnybodyLiterally(t *testing.T) {
	hostile := strings.Repeat("@everyone *_~`|<@1>", 10)
	var alerts []alert.Alert
	var on []event.Player
	for i := range 600 {
		alerts = append(alerts, news(event.CharacterID(100+i), hostile, hostile, 0))
		on = append(on, event.Player{Character: alerts[i].Who, Online: event.Online{Online: true, World: 10, Zone: 2, Since: noon}})
	}
	turn := alert.Turn{On: on}
	for _, post := range []alert.Post{
		{Kind: alert.Single, Alerts: alerts[:1]}, {Kind: alert.Digest, Alerts: alerts}, {Kind: alert.Summary, Alerts: alerts[:1]},
	} {
		m := postBot(t).postMessage(turn, post)
		total, rendered := 0, m.Content // Discord renders no markdown on buttons
		for _, e := range m.Embeds {
			rendered += e.Title + e.Description
			total += utf8.RuneCountInString(e.Title) + utf8.RuneCountInString(e.Description)
		}
		if utf8.RuneCountInString(m.Content) > 2000 || total > 4096 {
			t.Errorf("%s: %d and %d characters", post.Kind, utf8.RuneCountInString(m.Content), total)
		}
		if strings.Contains(rendered, "@everyone") || strings.Contains(rendered, "<@1>") {
			t.Errorf("%s names people literally:\n%s", post.Kind, m.text())
		}
		if post.Kind != alert.Single {
			wants(t, m.text(), "… and")
		}
	}
}

func TestTheSummaryListsWhoIsOn(t *testing.T) {
	p := event.Player{Character: event.Character{ID: friend, Name: "Wren"}, Online: event.Online{Online: true, World: 10, Zone: 2, Since: noon.Add(-time.Minute)}}
	m := postBot(t).postMessage(alert.Turn{On: []event.Player{p}}, alert.Post{Kind: alert.Summary, Alerts: []alert.Alert{news(kesID, "Kestrel", "", 0)}})
	wants(t, m.text(), "👋 **Kestrel** is in the game, and 1 player whom you follow is on", "**Wren** · Wainwright, Indar · since <t:", "/settings can end it")
}
