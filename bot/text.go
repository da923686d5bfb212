package bot

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"muster/event"
	"muster/internal/catalogue"
)

// Limits of what one message holds, in characters (discord notes 5), with room
// for what goes around.
const (
	maxContent     = 1900 // of 2,000
	maxDescription = 3800 // of 4,096
)

// A lang says things in the language of whoever reads them.
type lang struct{ *catalogue.Printer }

// A userError is shown to the person, in their language: it says what is the matter
// and what to do.
type userError struct{ said catalogue.Message }

func (e *userError) Error() string { return "told the person: " + e.said.Key() }

// tell returns a userError with the text of a key and its placeholders (catalogue.Say).
func tell(key string, args ...any) error { return &userError{said: catalogue.Say(key, args...)} }

// tellCount is tell for a text with plural forms.
func tellCount(key string, n int, args ...any) error {
	return &userError{said: catalogue.Count(key, n, args...)}
}

// plain returns a message of text only, cut to what Discord takes.
func plain(text string) message { return message{Content: cut(text, maxContent)} }

// cut shortens text to n characters.
func cut(text string, n int) string {
	if short := clip(text, n-1); len(short) < len(text) {
		return short + "…"
	}
	return text
}

// escape makes a name harmless: no markdown, no mentions, no links, nothing
// invisible or that turns the direction of writing (discord notes 5).
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case unicode.Is(unicode.Cf, r), unicode.IsControl(r), unicode.Is(unicode.Co, r), r == '\u2028', r == '\u2029':
			continue
		case r == '@' || r == ':' && strings.HasPrefix(s[i:], "://"):
			b.WriteRune(r)
			b.WriteString("\u200b")
		case strings.ContainsRune("\\*_~`|>#[]<", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// bare is escape for places where Discord renders no markdown: buttons, choices.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || unicode.Is(unicode.Co, r) {
			return -1
		}
		return r
	}, s)
}

// nameOf returns the character's name for prose, escaped.
func (in lang) nameOf(c event.Character) string {
	if c.Name == "" {
		return in.unnamed(c.ID)
	}
	return escape(clip(c.Name, 40))
}

// unnamed stands for a name that is not known: the last digits tell two apart.
func (in lang) unnamed(id event.CharacterID) string {
	digits := id.String()
	return in.T("player.unnamed", "digits", digits[max(len(digits)-4, 0):])
}

// titled returns the name with the outfit's tag, in bold, escaped.
func (in lang) titled(c event.Character) string { return "**" + in.characterTitle(c) + "**" }

// characterTitle returns the name with the outfit's tag for a title, escaped.
func (in lang) characterTitle(c event.Character) string {
	if c.Outfit.Tag != "" {
		return "[" + escape(clip(c.Outfit.Tag, 8)) + "] " + in.nameOf(c)
	}
	return in.nameOf(c)
}

// factionKeys are the names of the factions, as the game writes them where it is
// known how it does.
var factionKeys = map[event.Faction]string{event.VS: "faction.vs", event.NC: "faction.nc", event.TR: "faction.tr", event.NSO: "faction.nso"}

// faction names f, "" if it is not known.
func (in lang) faction(f event.Faction) string {
	if key, ok := factionKeys[f]; ok {
		return in.T(key)
	}
	return ""
}

// outfitOf returns the outfit for prose, in bold, escaped.
func outfitOf(o event.Outfit) string { return "**" + outfitTitle(o) + "**" }

// outfitTitle returns the outfit for a title, escaped.
func outfitTitle(o event.Outfit) string {
	name, tag := escape(clip(o.Name, 40)), escape(clip(o.Tag, 8))
	switch {
	case o.Tag == "":
		return name
	case o.Name == "":
		return "[" + tag + "]"
	}
	return "[" + tag + "] " + name
}

// ago renders t as "3 minutes ago" in the reader's language.
func ago(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":R>" }

// timeOfDay renders t as a time of day in the reader's language.
func timeOfDay(t time.Time) string { return "<t:" + strconv.FormatInt(t.Unix(), 10) + ":t>" }

// moment renders t as a time of day in the reader's language, with the date if it
// was long before now: "since" wants a moment, not an age.
func moment(t, now time.Time) string {
	style := ":t>"
	if now.Sub(t) > 12*time.Hour {
		style = ":f>"
	}
	return "<t:" + strconv.FormatInt(t.Unix(), 10) + style
}

// place says where somebody is: "Wainwright, Indar".
func place(o event.Online) string {
	if zone := o.Zone.String(); zone != "" {
		return o.World.String() + ", " + zone
	}
	return o.World.String()
}

// onLine is one line of a list of players who are on: name, place, and since
// when. Short, for phones.
func (in lang) onLine(name string, o event.Online, now time.Time) string {
	s := name + " · " + place(o)
	if !o.Since.IsZero() {
		s += " · " + in.T("since", "when", moment(o.Since, now))
	}
	return s
}

// span writes a duration for people: "40 s", "12 min", "3 h 5 min".
func (in lang) span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return in.T("span.seconds", "n", int(d.Seconds()))
	case d < 2*time.Hour:
		return in.T("span.minutes", "n", int(d.Minutes()))
	}
	return in.T("span.hours", "h", int(d.Hours()), "m", int(d.Minutes())%60)
}

// list joins lines up to limit characters, and says how many did not fit.
func (in lang) list(lines []string, limit int) string {
	var b strings.Builder
	size := 0
	for i, line := range lines {
		n := len([]rune(line)) + 1
		if size+n > limit-20 {
			return b.String() + in.T("list.more", "n", len(lines)-i)
		}
		b.WriteString(line)
		b.WriteByte('\n')
		size += n
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// maxLinked is the longest name that the page knows, in bytes; the game's have 32.
const maxLinked = 64

// page returns a link to the public page, "" if there is none. part and name are
// a path of two pieces.
func (b *Bot) page(label, part, name string) string {
	if b.cfg.PageURL == "" || name == "" || len(name) > maxLinked {
		return ""
	}
	return "[" + label + "](" + b.cfg.PageURL + "/" + part + "/" + strings.ReplaceAll(url.PathEscape(name), "@", "%40") + ")"
}

// color is the empire's, for the bar beside a message.
func color(f event.Faction) int {
	switch f {
	case event.VS:
		return 0x7b4dab
	case event.NC:
		return 0x2f6fd0
	case event.TR:
		return 0xc8312f
	}
	return 0x8a929b
}
