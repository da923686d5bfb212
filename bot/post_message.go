package bot

import (
	"strings"

	"muster/alert"
	"muster/event"
)

// postMessage writes the message that a post is, as of now: what is told, and who
// of them has left since. Its first line is what a phone shows. It is pure, so the
// same post gives the same message.
func (b *Bot) postMessage(t alert.Turn, post alert.Post) message {
	var m message
	in := b.in(t.Recipient.Locale)
	switch {
	case post.Kind == alert.Summary:
		m = b.summaryMessage(in, t, post)
	case post.Kind == alert.Single && len(post.Alerts) == 1:
		m = b.singleMessage(in, t, post.Alerts[0])
	default:
		m = b.digestMessage(in, post)
	}
	m.Content = cut(m.Content, maxContent)
	if post.Silent && post.Message == "" {
		m.Flags = flagSilent
	}
	return m
}

// flagSilent delivers a message without a sound (discord notes 5).
const flagSilent = 1 << 12

// Buttons below the messages.
func (in lang) pauseButton() button {
	return button{Label: in.T("post.pause"), CustomID: controlPause + "2h"}
}

func (in lang) whoButton() button { return button{Label: in.T("post.who"), CustomID: pressWho} }

func (in lang) settingsButton() button {
	return button{Label: in.T("button.settings"), CustomID: controlSettings}
}

func (b *Bot) singleMessage(in lang, t alert.Turn, a alert.Alert) message {
	who := a.Who
	who.ID = a.Character
	var facts []string
	if f := in.faction(who.Faction); f != "" {
		facts = append(facts, f)
	}
	if who.Rank > 0 {
		facts = append(facts, in.T("battle_rank", "rank", who.Rank))
	}
	e := embed{Color: color(who.Faction), Footer: in.causeFooter(a.Cause)}
	if !a.LeftAt.IsZero() {
		e.Description = joinLines(strings.Join(facts, " · "), in.T("post.left", "when", ago(a.LeftAt)))
		e.Color = colorGone
		return message{
			Content:    in.T("post.was_on", "who", in.titled(who), "world", escape(a.World.String()), "span", in.span(a.LeftAt.Sub(a.LoginAt))),
			Embeds:     []embed{e},
			Components: buttons(in.whoButton(), in.settingsButton()),
		}
	}
	e.Description = joinLines(strings.Join(facts, " · "), in.T("post.came", "when", ago(a.LoginAt)), in.othersOn(t, a.Character),
		b.page(in.T("post.doing", "name", in.nameOf(who)), "characters", who.Name))
	return message{
		Content: in.T("post.on", "who", in.titled(who), "world", escape(a.World.String())),
		Embeds:  []embed{e},
		Components: buttons(
			button{Label: in.T("mute.who", "name", cut(bare(firstOf(who.Name, in.T("mute.someone"))), 40)), CustomID: controlMute + a.Character.String()},
			in.pauseButton(), in.whoButton(), in.settingsButton()),
	}
}

// colorGone is for messages about people who have left.
const colorGone = 0x6b7280

func (in lang) causeFooter(c alert.Cause) *footer {
	if key, ok := causeKeys[c]; ok {
		return &footer{Text: in.T(key)}
	}
	return nil
}

// othersOn says how many others of those whom the person follows are on.
func (in lang) othersOn(t alert.Turn, but event.CharacterID) string {
	n := 0
	for _, p := range t.On {
		if p.Character.ID != but {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return in.N("post.others", n)
}

// digestMessage tells of several at once. Discord shows no more than its first
// line in a notification, so that names the first of them.
func (b *Bot) digestMessage(in lang, post alert.Post) message {
	var lines []string
	var first []string
	left := 0
	for _, a := range post.Alerts {
		who := a.Who
		who.ID = a.Character
		if a.LeftAt.IsZero() {
			lines = append(lines, "🟢 "+in.titled(who)+" · "+escape(a.World.String())+" · "+ago(a.LoginAt))
		} else {
			left++
			lines = append(lines, "⚪ "+in.titled(who)+" · "+in.T("digest.left", "span", in.span(a.LeftAt.Sub(a.LoginAt))))
		}
		if len(first) < 3 {
			first = append(first, in.nameOf(who))
		}
	}
	n := len(post.Alerts)
	names := strings.Join(first, ", ")
	if n > len(first) {
		names = in.T("names.more", "names", names, "n", n-len(first))
	}
	head := in.T("digest.are_on", "names", names)
	if left == n {
		head = in.T("digest.were_on", "names", names)
	}
	more := ""
	if n > alert.MaxLines {
		more = in.T("list.more", "n", n-alert.MaxLines)
		lines = lines[:alert.MaxLines]
	}
	e := embed{Title: in.N("digest.title", n), Color: colorOn,
		Description: joinLines(in.list(lines, maxDescription-len(more)), more)}
	if left == n {
		e.Color = colorGone
	}
	return message{Content: head, Embeds: []embed{e}, Components: buttons(in.pauseButton(), in.whoButton(), in.settingsButton())}
}

// colorOn is for messages about several people who are on.
const colorOn = 0x3fa34d

// summaryMessage tells who is on when the person's own character comes on.
func (b *Bot) summaryMessage(in lang, t alert.Turn, post alert.Post) message {
	var lines []string
	for _, p := range t.On {
		lines = append(lines, in.onLine(in.titled(p.Character), p.Online, b.now()))
	}
	more := ""
	if n := len(lines); n > alert.MaxLines {
		more = in.T("list.more", "n", n-alert.MaxLines)
		lines = lines[:alert.MaxLines]
	}
	me := in.T("summary.me")
	if len(post.Alerts) > 0 {
		who := post.Alerts[0].Who
		who.ID = post.Alerts[0].Character
		me = in.titled(who)
	}
	return message{
		Content: in.N("summary.head", len(t.On), "me", me),
		Embeds: []embed{{Color: colorOn, Description: joinLines(in.list(lines, maxDescription-len(more)), more),
			Footer: &footer{Text: in.T("summary.footer")}}},
		Components: buttons(in.pauseButton(), in.settingsButton()),
	}
}
