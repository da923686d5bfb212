package bot

import (
	"context"
	"strings"
	"time"

	"muster/alert"
)

// Ids of what changes settings: "set" shows a panel, "put" saves a choice.
const (
	controlSet = controlVersion + "set"
	controlPut = controlVersion + "put:"
	controlAsk = controlVersion + "ask:"
)

// A setting is one line of /settings: how it reads, and the panel that changes it.
type setting struct {
	key   string
	icon  string
	title string // the key of its name
	about string // that of one line under the name in the menu
	now   func(p prefs) string
	panel func(ctx context.Context, b *Bot, p prefs) (message, error)
}

// prefs are one person's settings and what the panels need beside them.
type prefs struct {
	alert.Settings
	muted int
	now   time.Time
	in    lang
}

// settingTable lists the settings in the order in which they are shown.
func settingTable() []setting {
	return []setting{
		{key: "quiet", icon: "🌙", title: "set.quiet", about: "set.quiet.about", now: quietNow, panel: quietPanel},
		{key: "zone", icon: "🌍", title: "set.zone", about: "set.zone.about", now: zoneNow, panel: zonePanel},
		{key: "pause", icon: "⏸️", title: "set.pause", about: "set.pause.about", now: pauseNow, panel: pausePanel},
		{key: "cooldown", icon: "🔁", title: "set.cooldown", about: "set.cooldown.about", now: cooldownNow, panel: cooldownPanel},
		{key: "away", icon: "🎮", title: "set.away", about: "set.away.about", now: awayNow, panel: awayPanel},
		{key: "least", icon: "👥", title: "set.least", about: "set.least.about", now: leastNow, panel: leastPanel},
		{key: "digest", icon: "📦", title: "set.digest", about: "set.digest.about", now: digestNow, panel: digestPanel},
		{key: "summary", icon: "👋", title: "set.summary", about: "set.summary.about", now: summaryNow, panel: summaryPanel},
		{key: "leave", icon: "✏️", title: "set.leave", about: "set.leave.about", now: leaveNow, panel: leavePanel},
		{key: "language", icon: "🌐", title: "set.language", about: "set.language.about", now: languageNow, panel: languagePanel},
		{key: "shown", icon: "🪪", title: "set.shown", about: "set.shown.about", now: shownNow, panel: shownPanel},
		{key: "mutes", icon: "🔇", title: "set.mutes", about: "set.mutes.about", now: mutesNow, panel: mutesPanel},
		{key: "why", icon: "🔎", title: "set.why", about: "set.why.about", now: nil, panel: whyPanel},
	}
}

// settings shows everything that can be set.
func (b *Bot) settings(ctx context.Context, i *interaction) (message, error) {
	return b.showSettings(ctx, i, "")
}

// pressSettings is the button of a message: it opens the settings beside it.
func (b *Bot) pressSettings(ctx context.Context, i *interaction, _ string) (message, error) {
	return b.showSettings(ctx, i, "")
}

// showPanel shows the panel that was chosen in the menu or named by a button;
// without one, all settings.
func (b *Bot) showPanel(ctx context.Context, i *interaction, arg string) (message, error) {
	return b.showSettings(ctx, i, firstOf(i.value(), arg))
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (b *Bot) showSettings(ctx context.Context, i *interaction, key string) (message, error) {
	p, err := b.prefs(ctx, i)
	if err != nil {
		return message{}, err
	}
	for _, s := range settingTable() {
		if s.key != key {
			continue
		}
		m, err := s.panel(ctx, b, p)
		if err != nil {
			return message{}, err
		}
		m.Embeds[0].Title = s.icon + " " + p.in.T(s.title)
		return p.in.withBack(m), nil
	}
	return b.allSettings(ctx, i, p), nil
}

// withBack adds the way back to all settings, in the last row of buttons if that
// has room.
func (in lang) withBack(m message) message {
	back := button{Label: in.T("button.back"), CustomID: controlSet}
	if n := len(m.Components); n > 0 {
		last := m.Components[n-1].Components
		if _, ok := last[0].(button); ok && len(last) < 5 {
			m.Components[n-1].Components = append(last, buttons(back)[0].Components[0])
			return m
		}
	}
	m.Components = append(m.Components, buttons(back)...)
	return m
}

// prefs reads what the panels show.
func (b *Bot) prefs(ctx context.Context, i *interaction) (prefs, error) {
	set, err := b.cfg.Store.Settings(ctx, i.by)
	if err != nil {
		return prefs{}, err
	}
	mutes, err := b.cfg.Store.Mutes(ctx, i.by)
	if err != nil {
		return prefs{}, err
	}
	return prefs{Settings: set, muted: len(mutes), now: b.now(), in: i.lang}, nil
}

func (b *Bot) allSettings(ctx context.Context, i *interaction, p prefs) message {
	var lines []string
	var options []option
	for _, s := range settingTable() {
		if s.now != nil {
			lines = append(lines, s.icon+" **"+p.in.T(s.title)+"** — "+s.now(p))
		}
		options = append(options, option{Label: s.icon + " " + p.in.T(s.title), Value: s.key, Description: p.in.T(s.about)})
	}
	m := message{
		Content: b.reach(ctx, i, false),
		Embeds: []embed{{Title: p.in.T("settings.title"), Description: strings.Join(lines, "\n"), Color: 0x4c7bd9,
			Footer: &footer{Text: p.in.T("settings.footer")}}},
		Components: choose(controlSet, p.in.T("settings.menu"), options...),
	}
	if p.PausedAt(p.now) {
		m.Components = append(m.Components, buttons(button{Label: p.in.T("pause.end"), CustomID: controlPut + "pause:off", Style: styleGood})...)
	}
	return m
}

// put saves one choice and shows the result: the key and, for a button, the value
// stand in arg, and what was chosen in a menu in i.
func (b *Bot) put(ctx context.Context, i *interaction, arg string) (message, error) {
	key, value, _ := strings.Cut(arg, ":")
	value = firstOf(i.value(), value)
	set, err := b.cfg.Store.Settings(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	change, ok := settingChanges()[key]
	if !ok || !change(&set, value, b.now()) {
		return b.oldControl(ctx, i, arg)
	}
	if err := b.saveSettings(ctx, i, set); err != nil {
		return message{}, err
	}
	i.lang = b.in(set.Language, i.locale()) // it may be what has changed
	return b.showSettings(ctx, i, "")       // where the new state can be seen beside the others
}

// saveSettings writes set as the asker's.
func (b *Bot) saveSettings(ctx context.Context, i *interaction, set alert.Settings) error {
	set.User, set.UpdatedAt = i.by, b.now()
	return b.cfg.Store.SaveSettings(ctx, set)
}

// box is a panel with what the setting does, in words.
func box(text string, rows ...[]row) message {
	m := message{Embeds: []embed{{Description: text, Color: 0x4c7bd9}}}
	for _, r := range rows {
		m.Components = append(m.Components, r...)
	}
	return m
}

// short writes a duration of a setting: "30 min", "2 h", "1 h 30 min", "1 day".
func (in lang) short(d time.Duration) string {
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case d == 24*time.Hour:
		return in.N("span.days", 1)
	case h == 0:
		return in.T("span.minutes", "n", m)
	case m == 0:
		return in.T("span.full_hours", "n", h)
	}
	return in.T("span.hours", "h", h, "m", m)
}
