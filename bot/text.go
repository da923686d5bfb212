package bot

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"muster/event"
)

// Limits of what one message holds, in characters (discord notes 5), with room
// for what goes around.
const (
	maxContent     = 1900 // of 2,000
	maxDescription = 3800 // of 4,096
)

const textBroken = "Something went wrong on my side, and it has been noted. Please try again in a minute."

// A userError is shown to the person as it is: it says what is the matter and
// what to do.
type userError struct{ text string }

func (e *userError) Error() string { return e.text }

// tell returns a userError.
func tell(format string, a ...any) error { return &userError{text: fmt.Sprintf(format, a...)} }

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
func nameOf(c event.Character) string {
	if c.Name == "" {
		return event.Placeholder(c.ID)
	}
	return escape(clip(c.Name, 40))
}

// titled returns the name with the outfit's tag, in bold, escaped.
func titled(c event.Character) string { return "**" + characterTitle(c) + "**" }

// characterTitle returns the name with the outfit's tag for a title, escaped.
func characterTitle(c event.Character) string {
	if c.Outfit.Tag != "" {
		return "[" + escape(clip(c.Outfit.Tag, 8)) + "] " + nameOf(c)
	}
	return nameOf(c)
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
func onLine(name string, o event.Online, now time.Time) string {
	s := name + " · " + place(o)
	if !o.Since.IsZero() {
		s += " · since " + moment(o.Since, now)
	}
	return s
}

// span writes a duration for people: "40 s", "12 min", "3 h 5 min".
func span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// list joins lines up to limit characters, and says how many did not fit.
func list(lines []string, limit int) string {
	var b strings.Builder
	size := 0
	for i, line := range lines {
		n := len([]rune(line)) + 1
		if size+n > limit-20 {
			fmt.Fprintf(&b, "… and %d more", len(lines)-i)
			return b.String()
		}
		b.WriteString(line)
		b.WriteByte('\n')
		size += n
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// count writes "1 friend", "2 friends".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
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
