package bot

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"muster/alert"
	"muster/internal/catalogue"
)

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
		"language": putLanguage,
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

// asDiscord chooses no language: Discord's.
const asDiscord = "discord"

func putLanguage(s *alert.Settings, value string, _ time.Time) bool {
	s.Language = value
	if value == asDiscord {
		s.Language = ""
		return true
	}
	return catalogue.Known(value)
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
		return ask(controlVersion+"said:hours", p.in.T("quiet.form", "city", cityOf(cmp.Or(p.Zone, "UTC"))),
			input{CustomID: "from", Label: p.in.T("quiet.from"), Value: q.From.String(), Placeholder: "23:00", MaxLength: 5},
			input{CustomID: "to", Label: p.in.T("quiet.to"), Value: q.To.String(), Placeholder: "07:00", MaxLength: 5}), nil
	case "zone":
		return ask(controlVersion+"said:zone", p.in.T("zone.form"),
			input{CustomID: "zone", Label: p.in.T("zone.input"), Value: p.Zone, Placeholder: p.in.T("zone.example"), MaxLength: 64}), nil
	}
	return form{}, tell("form.old")
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
			return b.mistake(ctx, i, "quiet", i.lang.T("quiet.mistake", "from", escape(clip(i.fields["from"], 20)), "to", escape(clip(i.fields["to"], 20))))
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
			return b.mistake(ctx, i, "zone", i.lang.T("zone.mistake", "text", escape(clip(i.fields["zone"], 40))))
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
	m.Content = "⚠️ " + text
	return m, err
}
