package bot

import (
	"context"
	"strconv"
	"strings"
	"time"

	"muster/alert"
	"muster/internal/catalogue"
)

func quietNow(p prefs) string {
	if p.Quiet.IsZero() || p.QuietMode == alert.QuietOff {
		return p.in.T("quiet.none")
	}
	if p.QuietMode == alert.QuietDrop {
		return p.in.T("quiet.drop", "from", p.Quiet.From, "to", p.Quiet.To)
	}
	return p.in.T("quiet.silent", "from", p.Quiet.From, "to", p.Quiet.To)
}

func quietPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	text := p.in.T("settings.now_in", "now", quietNow(p), "zone", zoneNow(p)) + "\n\n" + p.in.T("quiet.panel")
	mode := func(m alert.QuietMode, label, about string) option {
		return option{Label: label, Value: string(m), Description: about, Default: p.QuietMode == m}
	}
	return box(text,
		choose(controlPut+"quiet", p.in.T("quiet.menu"),
			mode(alert.QuietSilent, p.in.T("quiet.choose_silent"), p.in.T("quiet.choose_silent.about")),
			mode(alert.QuietDrop, p.in.T("quiet.choose_drop"), p.in.T("quiet.choose_drop.about")),
			mode(alert.QuietOff, p.in.T("quiet.choose_off"), p.in.T("quiet.choose_off.about"))),
		buttons(button{Label: p.in.T("quiet.set_hours"), CustomID: controlAsk + "hours", Style: styleMain},
			button{Label: p.in.T("set.zone"), CustomID: controlSet + ":zone"})), nil
}

func zoneNow(p prefs) string {
	name := p.Zone
	if name == "" {
		name = p.in.T("zone.unset")
	}
	loc, err := alert.LoadZone(p.Zone)
	if err != nil {
		return escape(name)
	}
	return p.in.T("zone.now", "zone", escape(name), "time", p.now.In(loc).Format("15:04"))
}

func zonePanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	var options []option
	for _, name := range commonZones() {
		loc, err := alert.LoadZone(name)
		if err != nil {
			continue
		}
		options = append(options, option{Label: cityOf(name), Value: name, Default: name == p.Zone,
			Description: p.in.T("zone.there", "time", p.now.In(loc).Format("15:04"), "day", p.in.T(dayKeys[p.now.In(loc).Weekday()]))})
	}
	return box(p.in.panel(zoneNow(p), "zone.panel"),
		choose(controlPut+"zone", p.in.T("zone.menu"), options...),
		buttons(button{Label: p.in.T("zone.other"), CustomID: controlAsk + "zone", Style: styleMain})), nil
}

// dayKeys are the names of the days of the week.
var dayKeys = map[time.Weekday]string{
	time.Sunday: "day.sunday", time.Monday: "day.monday", time.Tuesday: "day.tuesday", time.Wednesday: "day.wednesday",
	time.Thursday: "day.thursday", time.Friday: "day.friday", time.Saturday: "day.saturday",
}

// panel is what most panels begin with: how it is now, and what about says of it.
func (in lang) panel(now, about string) string {
	return in.T("settings.now", "now", now) + "\n\n" + in.T(about)
}

func pauseNow(p prefs) string {
	switch {
	case !p.PausedAt(p.now):
		return p.in.T("pause.none")
	case p.PausedUntil.Sub(p.now) > forGood/2:
		return p.in.T("until.you_end")
	}
	return p.in.T("until", "when", moment2(p.PausedUntil, p.now))
}

// moment2 writes a moment to come, with the date if it is not within half a day.
func moment2(t, now time.Time) string {
	if t.Sub(now) > 12*time.Hour {
		return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":f>"
	}
	return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":t>"
}

// forGood is how long a pause lasts that has no end: alert.MaxPause, less what a
// message may take.
const forGood = alert.MaxPause - time.Hour

func pausePanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	text := p.in.panel(pauseNow(p), "pause.panel")
	rows := buttons(
		button{Label: p.in.T("pause.half_hour"), CustomID: controlPut + "pause:30m"},
		button{Label: p.in.T("pause.two_hours"), CustomID: controlPut + "pause:2h"},
		button{Label: p.in.T("pause.today"), CustomID: controlPut + "pause:today"},
		button{Label: p.in.T("pause.until_i_end"), CustomID: controlPut + "pause:on"})
	if p.PausedAt(p.now) {
		rows = append(rows, buttons(button{Label: p.in.T("pause.end"), CustomID: controlPut + "pause:off", Style: styleGood})...)
	}
	return box(text, rows), nil
}

func cooldownNow(p prefs) string {
	if p.Cooldown == 0 {
		return p.in.T("cooldown.always")
	}
	return p.in.T("cooldown.once", "span", p.in.short(p.Cooldown))
}

func cooldownPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	var options []option
	for _, d := range []time.Duration{0, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 24 * time.Hour} {
		label := p.in.T("cooldown.choose_once", "span", p.in.short(d))
		if d == 0 {
			label = p.in.T("cooldown.choose_always")
		}
		options = append(options, option{Label: label, Value: d.String(), Default: d == p.Cooldown})
	}
	return box(p.in.panel(cooldownNow(p), "cooldown.panel"), choose(controlPut+"cooldown", p.in.T("cooldown.menu"), options...)), nil
}

func awayNow(p prefs) string {
	if p.OnlyWhenAway {
		return p.in.T("away.on")
	}
	return p.in.T("away.off")
}

func awayPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box(p.in.panel(awayNow(p), "away.panel"),
		onOff("away", p.OnlyWhenAway, p.in.T("away.choose_on"), p.in.T("away.choose_off"))), nil
}

func leastNow(p prefs) string {
	if p.AtLeast <= 1 {
		return p.in.T("least.one")
	}
	return p.in.N("least.many", p.AtLeast)
}

func leastPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	var options []option
	for _, n := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50} {
		label := p.in.N("least.choose", n)
		if n == 1 {
			label = p.in.T("least.choose_one")
		}
		options = append(options, option{Label: label, Value: strconv.Itoa(n), Default: n == p.AtLeast})
	}
	return box(p.in.panel(leastNow(p), "least.panel"), choose(controlPut+"least", p.in.T("least.menu"), options...)), nil
}

func digestNow(p prefs) string {
	if p.Digest {
		return p.in.T("digest.on")
	}
	return p.in.T("digest.off")
}

func digestPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box(p.in.panel(digestNow(p), "digest.panel"),
		onOff("digest", p.Digest, p.in.T("digest.choose_on"), p.in.T("digest.choose_off"))), nil
}

func summaryNow(p prefs) string {
	if p.Summary {
		return p.in.T("summary.on")
	}
	return p.in.T("summary.off")
}

func summaryPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box(p.in.panel(summaryNow(p), "summary.panel"),
		onOff("summary", p.Summary, p.in.T("summary.choose_on"), p.in.T("summary.choose_off"))), nil
}

func leaveNow(p prefs) string {
	if p.EditOnLeave {
		return p.in.T("leave.on")
	}
	return p.in.T("leave.off")
}

func leavePanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box(p.in.panel(leaveNow(p), "leave.panel"),
		onOff("leave", p.EditOnLeave, p.in.T("leave.choose_on"), p.in.T("leave.choose_off"))), nil
}

func shownNow(p prefs) string {
	if p.Shown {
		return p.in.T("shown.on")
	}
	return p.in.T("shown.off")
}

func shownPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box(p.in.panel(shownNow(p), "shown.panel"),
		onOff("shown", p.Shown, p.in.T("shown.choose_on"), p.in.T("shown.choose_off"))), nil
}

// onOff are two buttons, the one that holds pressed.
func onOff(key string, on bool, yes, no string) []row {
	a, b := button{Label: yes, CustomID: controlPut + key + ":on"}, button{Label: no, CustomID: controlPut + key + ":off"}
	if on {
		a.Style, a.Disabled = styleGood, true
	} else {
		b.Style, b.Disabled = styleGood, true
	}
	return buttons(a, b)
}

func mutesNow(p prefs) string {
	if p.muted == 0 {
		return p.in.T("mutes.nobody")
	}
	return p.in.N("mutes.count", p.muted)
}

func mutesPanel(ctx context.Context, b *Bot, p prefs) (message, error) {
	mutes, err := b.cfg.Store.Mutes(ctx, p.User)
	if err != nil {
		return message{}, err
	}
	if len(mutes) == 0 {
		return box(p.in.T("mutes.none")), nil
	}
	var lines []string
	var options []option
	for _, m := range mutes {
		until := p.in.T("mutes.for_good")
		if !m.Until.IsZero() {
			until = p.in.T("until", "when", moment2(m.Until, p.now))
		}
		name := firstOf(m.Name, p.in.T("mutes.unnamed"))
		lines = append(lines, "🔇 **"+escape(name)+"** — "+until)
		options = append(options, option{Label: name, Value: m.Character.String()})
	}
	return box(p.in.T("mutes.list")+"\n"+p.in.list(lines, 1500), choose(controlVersion+"unmute", p.in.T("mutes.menu"), options...)), nil
}

// reasonKeys say why somebody was not told, after "not told: ".
var reasonKeys = map[alert.Reason]string{
	alert.Expired:    "why.expired",
	alert.Gone:       "why.gone",
	alert.Unfollowed: "why.unfollowed",
	alert.Muted:      "why.muted",
	alert.Paused:     "why.paused",
	alert.InGame:     "why.in_game",
	alert.TooFew:     "why.too_few",
	alert.Cooldown:   "why.cooldown",
	alert.Quiet:      "why.quiet",
	alert.NobodyOn:   "why.nobody_on",
	alert.Closed:     "why.closed",
	alert.Refused:    "why.refused",
}

func whyPanel(ctx context.Context, b *Bot, p prefs) (message, error) {
	recent, err := b.cfg.Store.RecentAlerts(ctx, p.User, 10)
	if err != nil {
		return message{}, err
	}
	var lines []string
	for _, r := range recent {
		icon, fate := "⚪", ""
		switch r.Fate {
		case alert.Told:
			icon, fate = "🟢", p.in.T("why.told")
		case alert.Waiting:
			icon, fate = "⏳", p.in.T("why.waiting")
		default:
			fate = p.in.T("why.not_told", "reason", p.in.reason(r.Reason))
		}
		lines = append(lines, p.in.T("why.line", "icon", icon, "who", p.in.titled(r.Who), "when", ago(r.LoginAt), "fate", fate))
	}
	if len(lines) == 0 {
		return box(p.in.T("why.nothing")), nil
	}
	return box(p.in.list(lines, 3000) + "\n\n" + p.in.T("why.foot")), nil
}

// reason says why somebody was not told; one that a newer version has written stays
// as it is.
func (in lang) reason(r alert.Reason) string {
	if key, ok := reasonKeys[r]; ok {
		return in.T(key)
	}
	return escape(string(r))
}

// languageNow says which language was chosen.
func languageNow(p prefs) string {
	for _, l := range catalogue.Languages() {
		if l.Code == p.Language {
			return l.Name
		}
	}
	return p.in.T("language.discord")
}

func languagePanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	options := []option{{Label: p.in.T("language.discord"), Value: asDiscord, Default: p.Language == ""}}
	for _, l := range catalogue.Languages() {
		options = append(options, option{Label: l.Name, Value: l.Code, Default: l.Code == p.Language})
	}
	return box(p.in.panel(languageNow(p), "language.panel"), choose(controlPut+"language", p.in.T("language.menu"), options...)), nil
}

// cityOf names a zone for people: "America/New_York" is "New York".
func cityOf(zone string) string {
	return strings.ReplaceAll(zone[strings.LastIndex(zone, "/")+1:], "_", " ")
}
