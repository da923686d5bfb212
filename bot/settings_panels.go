package bot

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/alert"
)

func quietNow(p prefs) string {
	if p.Quiet.IsZero() || p.QuietMode == alert.QuietOff {
		return "none"
	}
	words := "without a sound"
	if p.QuietMode == alert.QuietDrop {
		words = "nothing at all"
	}
	return fmt.Sprintf("%s to %s, %s", p.Quiet.From, p.Quiet.To, words)
}

func quietPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	text := "Now: **" + quietNow(p) + "** (" + zoneNow(p) + ").\n\n" +
		"In quiet hours I write without a sound, so that you find it in the morning, or not at all. " +
		"They follow the clock on your wall, summer and winter."
	mode := func(m alert.QuietMode, label, about string) option {
		return option{Label: label, Value: string(m), Description: about, Default: p.QuietMode == m}
	}
	return box(text,
		choose(controlPut+"quiet", "In quiet hours…",
			mode(alert.QuietSilent, "Without a sound", "The message comes, the phone stays silent"),
			mode(alert.QuietDrop, "Nothing at all", "What happens meanwhile is not told later either"),
			mode(alert.QuietOff, "No quiet hours", "I write at any hour")),
		buttons(button{Label: "Set the hours…", CustomID: controlAsk + "hours", Style: styleMain},
			button{Label: "Time zone", CustomID: controlSet + ":zone"})), nil
}

func zoneNow(p prefs) string {
	name := p.Zone
	if name == "" {
		name = "UTC, not chosen yet"
	}
	loc, err := alert.LoadZone(p.Zone)
	if err != nil {
		return escape(name)
	}
	return escape(name) + ", where it is " + p.now.In(loc).Format("15:04")
}

func zonePanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	var options []option
	for _, name := range commonZones() {
		loc, err := alert.LoadZone(name)
		if err != nil {
			continue
		}
		options = append(options, option{Label: cityOf(name), Value: name, Default: name == p.Zone,
			Description: "It is " + p.now.In(loc).Format("15:04 on Monday") + " there"})
	}
	return box("Now: **"+zoneNow(p)+"**.\n\nChoose a place whose clock shows your time. Only the quiet hours depend on it: "+
		"times in messages are shown in your own zone anyway.",
		choose(controlPut+"zone", "Where are you?", options...),
		buttons(button{Label: "Somewhere else…", CustomID: controlAsk + "zone", Style: styleMain})), nil
}

func pauseNow(p prefs) string {
	switch {
	case !p.PausedAt(p.now):
		return "none"
	case p.PausedUntil.Sub(p.now) > forGood/2:
		return "until you end it"
	}
	return "until " + moment2(p.PausedUntil, p.now)
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
	text := "Now: **" + pauseNow(p) + "**.\n\nWhile you pause, nothing is told, and nothing is told late. What you follow stays saved."
	rows := buttons(
		button{Label: "30 min", CustomID: controlPut + "pause:30m"},
		button{Label: "2 h", CustomID: controlPut + "pause:2h"},
		button{Label: "Today", CustomID: controlPut + "pause:today"},
		button{Label: "Until I end it", CustomID: controlPut + "pause:on"})
	if p.PausedAt(p.now) {
		rows = append(rows, buttons(button{Label: "End the pause", CustomID: controlPut + "pause:off", Style: styleGood})...)
	}
	return box(text, rows), nil
}

func cooldownNow(p prefs) string {
	if p.Cooldown == 0 {
		return "every time"
	}
	return "at most once in " + short(p.Cooldown)
}

func cooldownPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	var options []option
	for _, d := range []time.Duration{0, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 24 * time.Hour} {
		label := "At most once in " + short(d)
		if d == 0 {
			label = "Every time they come online"
		}
		options = append(options, option{Label: label, Value: d.String(), Default: d == p.Cooldown})
	}
	return box("Now: **"+cooldownNow(p)+"**.\n\nSomebody who logs out and in again within three minutes is never news. "+
		"This is for those who come and go all evening.", choose(controlPut+"cooldown", "How often…", options...)), nil
}

func awayNow(p prefs) string {
	if p.OnlyWhenAway {
		return "no news while one of your characters is on"
	}
	return "news as always"
}

func awayPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box("Now: **"+awayNow(p)+"**.\n\nIn the game you see your friends come online yourself.",
		onOff("away", p.OnlyWhenAway, "No news while I play", "News as always")), nil
}

func leastNow(p prefs) string {
	if p.AtLeast <= 1 {
		return "one is enough"
	}
	return fmt.Sprintf("only when %d or more of them are on", p.AtLeast)
}

func leastPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	var options []option
	for _, n := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50} {
		label := fmt.Sprintf("%d of those I follow", n)
		if n == 1 {
			label = "One is enough"
		}
		options = append(options, option{Label: label, Value: strconv.Itoa(n), Default: n == p.AtLeast})
	}
	return box("Now: **"+leastNow(p)+"**.\n\nWhoever comes online counts. Below the number I stay silent; "+
		"the message that reaches it says who is on.", choose(controlPut+"least", "How many…", options...)), nil
}

func digestNow(p prefs) string {
	if p.Digest {
		return "one message for all"
	}
	return "one message each"
}

func digestPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box("Now: **"+digestNow(p)+"**.\n\nWhen three or more come online within a minute, I can put them into one message "+
		"and add to it, without another sound, while more come. One message each ends at ten a minute all the same.",
		onOff("digest", p.Digest, "One message for all", "One message each")), nil
}

func summaryNow(p prefs) string {
	if p.Summary {
		return "I list who is on"
	}
	return "nothing"
}

func summaryPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box("Now: **"+summaryNow(p)+"**.\n\nWhen one of your linked characters comes online, I can write to you which of those "+
		"you follow are on already.", onOff("summary", p.Summary, "List who is on", "Nothing")), nil
}

func leaveNow(p prefs) string {
	if p.EditOnLeave {
		return "I note it in the message, without a sound"
	}
	return "the message stays as it is"
}

func leavePanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box("Now: **"+leaveNow(p)+"**.\n\nThree minutes after somebody left, and is not back, the message about them says how long "+
		"they were on.", onOff("leave", p.EditOnLeave, "Note it in the message", "Leave the message")), nil
}

func shownNow(p prefs) string {
	if p.Shown {
		return "others may ask"
	}
	return "nobody is told"
}

func shownPanel(_ context.Context, _ *Bot, p prefs) (message, error) {
	return box("Now: **"+shownNow(p)+"**.\n\nOthers can press your name in Discord and ask me who you are in the game. If you let them, I "+
		"name your linked characters, and whether they are on.", onOff("shown", p.Shown, "Tell them", "Tell nobody")), nil
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
		return "nobody"
	}
	return count(p.muted, "player", "players")
}

func mutesPanel(ctx context.Context, b *Bot, p prefs) (message, error) {
	mutes, err := b.cfg.Store.Mutes(ctx, p.User)
	if err != nil {
		return message{}, err
	}
	if len(mutes) == 0 {
		return box("Nobody. The button **Mute** below a message about somebody mutes them: for an hour, for today or for good."), nil
	}
	var lines []string
	var options []option
	for _, m := range mutes {
		until := "for good"
		if !m.Until.IsZero() {
			until = "until " + moment2(m.Until, p.now)
		}
		name := firstOf(m.Name, "a player whose name I do not know")
		lines = append(lines, "🔇 **"+escape(name)+"** — "+until)
		options = append(options, option{Label: name, Value: m.Character.String()})
	}
	return box("You hear nothing of these, whatever you follow:\n"+list(lines, 1500), choose(controlVersion+"unmute", "Hear again of…", options...)), nil
}

// reasonWords say why somebody was not told, after "not told: ".
var reasonWords = map[alert.Reason]string{
	alert.Expired:    "it could not be sent in time",
	alert.Gone:       "had left again before it was your turn",
	alert.Unfollowed: "you did not follow them any more",
	alert.Muted:      "you have muted them",
	alert.Paused:     "you had paused",
	alert.InGame:     "you were in the game yourself",
	alert.TooFew:     "too few were on",
	alert.Cooldown:   "you had heard of them a short while before",
	alert.Quiet:      "it was in your quiet hours",
	alert.NobodyOn:   "nobody was on",
	alert.Closed:     "Discord did not let me write to you",
	alert.Refused:    "Discord refused the message",
}

func whyPanel(ctx context.Context, b *Bot, p prefs) (message, error) {
	recent, err := b.cfg.Store.RecentAlerts(ctx, p.User, 10)
	if err != nil {
		return message{}, err
	}
	var lines []string
	for _, r := range recent {
		icon, words := "⚪", ""
		switch r.Fate {
		case alert.Told:
			icon, words = "🟢", "told"
		case alert.Waiting:
			icon, words = "⏳", "on its way"
		default:
			words = "not told: " + firstOf(reasonWords[r.Reason], escape(string(r.Reason)))
		}
		lines = append(lines, icon+" "+titled(r.Who)+", online "+ago(r.LoginAt)+" — "+words)
	}
	if len(lines) == 0 {
		return box("Nobody whom you follow came online in the last days, as far as I saw. " +
			"Whom you follow is in `/watch list`; whether the game reaches me, in `/status`."), nil
	}
	return box(list(lines, 3000) + "\n\nWho logs out and in again within three minutes is no news, and neither is who was on already when I came to see it."), nil
}

// settingChanges are what "put" does by key. Each returns false for a value that
// no version of the bot has offered.
func settingChanges() map[string]func(s *alert.Settings, value string, now time.Time) bool {
	flag := func(field func(*alert.Settings) *bool) func(*alert.Settings, string, time.Time) bool {
		return func(s *alert.Settings, value string, _ time.Time) bool {
			*field(s) = value == "on"
			return value == "on" || value == "off"
		}
	}
	return map[string]func(*alert.Settings, string, time.Time) bool{
		"quiet":    putQuiet,
		"pause":    putPause,
		"zone":     func(s *alert.Settings, v string, _ time.Time) bool { s.Zone = v; return s.Validate() == nil },
		"cooldown": putCooldown,
		"least":    putLeast,
		"away":     flag(func(s *alert.Settings) *bool { return &s.OnlyWhenAway }),
		"digest":   flag(func(s *alert.Settings) *bool { return &s.Digest }),
		"summary":  flag(func(s *alert.Settings) *bool { return &s.Summary }),
		"leave":    flag(func(s *alert.Settings) *bool { return &s.EditOnLeave }),
		"shown":    flag(func(s *alert.Settings) *bool { return &s.Shown }),
	}
}

// putQuiet sets what quiet hours do; who has none yet gets 23:00 to 07:00.
func putQuiet(s *alert.Settings, value string, _ time.Time) bool {
	s.QuietMode = alert.QuietMode(value)
	if s.Quiet.IsZero() {
		s.Quiet = alert.QuietHours{From: 23 * 60, To: 7 * 60}
	}
	return s.Validate() == nil
}

func putPause(s *alert.Settings, value string, now time.Time) bool {
	switch value {
	case "off":
		s.PausedUntil = time.Time{}
	case "on":
		s.PausedUntil = now.Add(forGood)
	case "today":
		s.PausedUntil = midnight(*s, now)
	default:
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 || d > alert.MaxPause {
			return false
		}
		s.PausedUntil = now.Add(d)
	}
	return true
}

// midnight returns the end of the day on the person's wall.
func midnight(s alert.Settings, now time.Time) time.Time {
	loc, err := alert.LoadZone(s.Zone)
	if err != nil {
		loc = time.UTC
	}
	y, m, d := now.In(loc).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, loc).UTC()
}

func putCooldown(s *alert.Settings, value string, _ time.Time) bool {
	d, err := time.ParseDuration(value)
	s.Cooldown = d
	return err == nil && s.Validate() == nil
}

func putLeast(s *alert.Settings, value string, _ time.Time) bool {
	n, err := strconv.Atoi(value)
	s.AtLeast = n
	return err == nil && s.Validate() == nil
}

// unmute lets a person hear of somebody again.
func (b *Bot) unmute(ctx context.Context, i *interaction, arg string) (message, error) {
	id, err := parseCharacter(firstOf(i.value(), arg))
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	if _, err := b.cfg.Store.RemoveMute(ctx, i.by, id); err != nil {
		return message{}, err
	}
	return b.showSettings(ctx, i, "mutes")
}

// openForm opens the form for hours or a zone.
func (b *Bot) openForm(ctx context.Context, i *interaction, arg string) (form, error) {
	p, err := b.prefs(ctx, i)
	if err != nil {
		return form{}, err
	}
	switch arg {
	case "hours":
		q := p.Quiet
		if q.IsZero() {
			q = alert.QuietHours{From: 23 * 60, To: 7 * 60}
		}
		return ask(controlVersion+"said:hours", "Quiet hours, by the clock of "+cityOf(cmp.Or(p.Zone, "UTC")),
			input{CustomID: "from", Label: "From", Value: q.From.String(), Placeholder: "23:00", MaxLength: 5},
			input{CustomID: "to", Label: "To", Value: q.To.String(), Placeholder: "07:00", MaxLength: 5}), nil
	case "zone":
		return ask(controlVersion+"said:zone", "Your time zone",
			input{CustomID: "zone", Label: "A city, or a zone's name", Value: p.Zone, Placeholder: "Lisbon, or America/Denver", MaxLength: 64}), nil
	}
	return form{}, tell("This form is from another version of me.")
}

// said takes what was written into a form.
func (b *Bot) said(ctx context.Context, i *interaction, arg string) (message, error) {
	set, err := b.cfg.Store.Settings(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	switch arg {
	case "hours":
		from, errFrom := alert.ParseMinute(i.fields["from"])
		to, errTo := alert.ParseMinute(i.fields["to"])
		if errFrom != nil || errTo != nil {
			return b.mistake(ctx, i, "quiet", "I could not read “"+clip(i.fields["from"], 20)+"” to “"+clip(i.fields["to"], 20)+"”: write times like 23:00 and 07:00.")
		}
		set.Quiet = alert.QuietHours{From: from, To: to}
		if set.QuietMode == alert.QuietOff {
			set.QuietMode = alert.QuietSilent
		}
		if from == to {
			set.QuietMode = alert.QuietOff
		}
	case "zone":
		name, ok := findZone(i.fields["zone"])
		if !ok {
			return b.mistake(ctx, i, "zone", "I know no time zone called “"+clip(i.fields["zone"], 40)+"”. Try the nearest large city, or a name like America/Denver.")
		}
		set.Zone = name
	default:
		return b.oldControl(ctx, i, arg)
	}
	if err := b.saveSettings(ctx, i, set); err != nil {
		return message{}, err
	}
	return b.showSettings(ctx, i, map[string]string{"hours": "quiet", "zone": "zone"}[arg])
}

// mistake shows a panel again with what was wrong.
func (b *Bot) mistake(ctx context.Context, i *interaction, panel, text string) (message, error) {
	m, err := b.showSettings(ctx, i, panel)
	m.Content = "⚠️ " + escape(text)
	return m, err
}

// cityOf names a zone for people: "America/New_York" is "New York".
func cityOf(zone string) string {
	return strings.ReplaceAll(zone[strings.LastIndex(zone, "/")+1:], "_", " ")
}
