package bot

import (
	"fmt"
	"strings"

	"muster/alert"
	"muster/event"
)

// postMessage writes the message that a post is, as of now: what is told, and who
// of them has left since. Its first line is what a phone shows. It is pure, so the
// same post gives the same message.
func (b *Bot) postMessage(t alert.Turn, post alert.Post) message {
	var m message
	switch {
	case post.Kind == alert.Summary:
		m = b.summaryMessage(t, post)
	case post.Kind == alert.Single && len(post.Alerts) == 1:
		m = b.singleMessage(t, post.Alerts[0])
	default:
		m = b.digestMessage(t, post)
	}
	m.Content = cut(m.Content, maxContent)
	if post.Silent && post.Message == "" {
		m.Flags = flagSilent
	}
	return m
}

// flagSilent delivers a message without a sound (discord notes 5).
const flagSilent = 1 << 12

// Labels of the buttons below every message.
const (
	labelPause    = "Pause 2 h"
	labelWho      = "Who else is on"
	labelSettings = "Settings"
)

func (b *Bot) singleMessage(t alert.Turn, a alert.Alert) message {
	who := a.Who
	who.ID = a.Character
	var facts []string
	if f := who.Faction.Name(); f != "" {
		facts = append(facts, f)
	}
	if who.Rank > 0 {
		facts = append(facts, fmt.Sprintf("battle rank %d", who.Rank))
	}
	e := embed{Color: color(who.Faction), Footer: causeFooter(a.Cause)}
	if !a.LeftAt.IsZero() {
		e.Description = joinLines(strings.Join(facts, " · "), "Left "+ago(a.LeftAt))
		e.Color = colorGone
		return message{
			Content: "⚪ " + titled(who) + " was online on " + escape(a.World.String()) + " for " + span(a.LeftAt.Sub(a.LoginAt)),
			Embeds:  []embed{e},
			Components: buttons(
				button{Label: labelWho, CustomID: pressWho}, button{Label: labelSettings, CustomID: controlSettings}),
		}
	}
	e.Description = joinLines(strings.Join(facts, " · "), "Came online "+ago(a.LoginAt), othersOn(t, a.Character),
		b.page("See what "+nameOf(who)+" is doing", "characters", who.Name))
	return message{
		Content: "🟢 " + titled(who) + " is online on " + escape(a.World.String()),
		Embeds:  []embed{e},
		Components: buttons(
			button{Label: "Mute " + cut(bare(firstOf(who.Name, "this player")), 40), CustomID: controlMute + a.Character.String()},
			button{Label: labelPause, CustomID: controlPause + "2h"},
			button{Label: labelWho, CustomID: pressWho},
			button{Label: labelSettings, CustomID: controlSettings}),
	}
}

// colorGone is for messages about people who have left.
const colorGone = 0x6b7280

func causeFooter(c alert.Cause) *footer {
	if words := causeWords[c]; words != "" {
		return &footer{Text: words}
	}
	return nil
}

// othersOn says how many others of those whom the person follows are on.
func othersOn(t alert.Turn, but event.CharacterID) string {
	n := 0
	for _, p := range t.On {
		if p.Character.ID != but {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return count(n, "other whom you follow is", "others whom you follow are") + " on"
}

// digestMessage tells of several at once. Discord shows no more than its first
// line in a notification, so that names the first of them.
func (b *Bot) digestMessage(t alert.Turn, post alert.Post) message {
	var lines []string
	var first []string
	left := 0
	for _, a := range post.Alerts {
		who := a.Who
		who.ID = a.Character
		if a.LeftAt.IsZero() {
			lines = append(lines, "🟢 "+titled(who)+" · "+escape(a.World.String())+" · "+ago(a.LoginAt))
		} else {
			left++
			lines = append(lines, "⚪ "+titled(who)+" · was on for "+span(a.LeftAt.Sub(a.LoginAt)))
		}
		if len(first) < 3 {
			first = append(first, nameOf(who))
		}
	}
	n := len(post.Alerts)
	head := "🟢 " + strings.Join(first, ", ")
	if n > len(first) {
		head += fmt.Sprintf(" and %d more", n-len(first))
	}
	head += " are online"
	if left == n {
		head = "⚪ " + strings.TrimSuffix(strings.TrimPrefix(head, "🟢 "), " are online") + " were online"
	}
	more := ""
	if n > alert.MaxLines {
		more = fmt.Sprintf("… and %d more", n-alert.MaxLines)
		lines = lines[:alert.MaxLines]
	}
	e := embed{Title: count(n, "player whom you follow came online", "players whom you follow came online"), Color: colorOn,
		Description: joinLines(list(lines, maxDescription-len(more)), more)}
	if left == n {
		e.Color = colorGone
	}
	return message{Content: head, Embeds: []embed{e}, Components: buttons(
		button{Label: labelPause, CustomID: controlPause + "2h"},
		button{Label: labelWho, CustomID: pressWho},
		button{Label: labelSettings, CustomID: controlSettings})}
}

// colorOn is for messages about several people who are on.
const colorOn = 0x3fa34d

// summaryMessage tells who is on when the person's own character comes on.
func (b *Bot) summaryMessage(t alert.Turn, post alert.Post) message {
	var lines []string
	for _, p := range t.On {
		lines = append(lines, onLine(titled(p.Character), p.Online, b.now()))
	}
	more := ""
	if n := len(lines); n > alert.MaxLines {
		more = fmt.Sprintf("… and %d more", n-alert.MaxLines)
		lines = lines[:alert.MaxLines]
	}
	me := "your character"
	if len(post.Alerts) > 0 {
		who := post.Alerts[0].Who
		who.ID = post.Alerts[0].Character
		me = titled(who)
	}
	return message{
		Content: "👋 " + me + " is in the game, and " + count(len(t.On), "player whom you follow is", "players whom you follow are") + " on",
		Embeds: []embed{{Color: colorOn, Description: joinLines(list(lines, maxDescription-len(more)), more),
			Footer: &footer{Text: "You get this when you log in; /settings can end it"}}},
		Components: buttons(button{Label: labelPause, CustomID: controlPause + "2h"}, button{Label: labelSettings, CustomID: controlSettings}),
	}
}
