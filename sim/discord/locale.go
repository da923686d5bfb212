package discord

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// defaultLocale is the language of a person or a guild that has chosen none.
const defaultLocale = "en-US"

// Locales returns Discord's names of the languages that it can be used in (its OpenAPI
// document, AvailableLocalesEnum).
func Locales() []string {
	return strings.Fields("ar bg cs da de el en-GB en-US es-419 es-ES fi fr he hi hr hu id it ja ko lt nl no pl pt-BR ro ru sv-SE th tr uk vi zh-CN zh-TW")
}

// locale is the language that u uses Discord in.
func (u User) locale() string { return cmp.Or(u.Locale, defaultLocale) }

// locale is the language of the guild.
func (g Guild) locale() string { return cmp.Or(g.Locale, defaultLocale) }

// SetLocale sets the language that a user uses Discord in; "" is en-US. The error says
// that there is no such user or language.
func (s *Server) SetLocale(user, locale string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.findUser(user)
	switch {
	case u == nil:
		return fmt.Errorf("there is no such user: %q", user)
	case locale != "" && !slices.Contains(Locales(), locale):
		return fmt.Errorf("discord has no such language: %q", locale)
	}
	u.Locale = locale
	s.hub.publish("world", map[string]any{"user": u.ID})
	return nil
}

// fallbacks are the languages that are shown where one has no text of its own.
var fallbacks = map[string]string{"en-US": "en-GB", "en-GB": "en-US", "es-419": "es-ES"}

// localized returns the text of a language, or else text itself.
func localized(texts map[string]string, locale, text string) string {
	return cmp.Or(texts[locale], texts[fallbacks[locale]], text)
}

// in returns c as somebody sees it who uses Discord in locale. What is sent keeps its
// own name.
func (c Command) in(locale string) Command {
	c.sent = c.Name
	c.Name = localized(c.NameLocalizations, locale, c.Name)
	c.Description = localized(c.DescriptionLocalizations, locale, c.Description)
	c.Options = optionsIn(c.Options, locale)
	return c
}

func optionsIn(options []CommandOption, locale string) []CommandOption {
	options = slices.Clone(options)
	for i := range options {
		o := &options[i]
		o.sent = o.Name
		o.Name = localized(o.NameLocalizations, locale, o.Name)
		o.Description = localized(o.DescriptionLocalizations, locale, o.Description)
		o.Options = optionsIn(o.Options, locale)
		o.Choices = slices.Clone(o.Choices)
		for n := range o.Choices {
			ch := &o.Choices[n]
			ch.Name = localized(ch.NameLocalizations, locale, ch.Name)
		}
	}
	return options
}

func inLocale(cmds []Command, locale string) []Command {
	cmds = slices.Clone(cmds)
	for i := range cmds {
		cmds[i] = cmds[i].in(locale)
	}
	return cmds
}

// parseAs parses text as u types it: with the names of their language, or with the
// commands' own. It needs s.mu.
func parseAs(u *User, cmds []Command, text string) (parsed, bool) {
	for _, locale := range []string{u.locale(), ""} {
		if p, ok := parse(inLocale(cmds, locale), text); ok {
			return p, true
		}
	}
	return parsed{}, false
}

// bare returns c without the texts of other languages, which a request must ask for.
func (c Command) bare() Command {
	c.NameLocalizations, c.DescriptionLocalizations = nil, nil
	c.Options = bareOptions(c.Options)
	return c
}

func bareOptions(options []CommandOption) []CommandOption {
	options = slices.Clone(options)
	for i := range options {
		o := &options[i]
		o.NameLocalizations, o.DescriptionLocalizations, o.Options = nil, nil, bareOptions(o.Options)
		o.Choices = slices.Clone(o.Choices)
		for n := range o.Choices {
			o.Choices[n].NameLocalizations = nil
		}
	}
	return options
}

// localizations checks the member name of m, which has a text for each language; valid,
// if not nil, checks each.
func (c *checker) localizations(path []string, m map[string]any, name string, hi int, valid func(path []string, text string)) {
	if m[name] == nil {
		return
	}
	texts, ok := c.object(at(path, name), m[name])
	if !ok {
		return
	}
	for _, locale := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(Locales(), locale) {
			c.add(at(path, name, locale), "ENUM_TYPE_COERCE", "Value %q is not a valid enum value.", locale)
			continue
		}
		if text := c.text(at(path, name), texts, locale, 1, hi); text != "" && valid != nil {
			valid(at(path, name, locale), text)
		}
	}
}

// namesIn returns the name of a command or an option, and its names by language.
func namesIn(m map[string]any) (plain string, others map[string]string) {
	plain, _ = m["name"].(string)
	others = map[string]string{}
	texts, _ := m["name_localizations"].(map[string]any)
	for locale, v := range texts {
		others[locale], _ = v.(string)
	}
	return plain, others
}

// nameAt is where a name stands, "" being the plain one's language.
func nameAt(path []string, locale string) []string {
	if locale == "" {
		return at(path, "name")
	}
	return at(path, "name_localizations", locale)
}

// A nameSet finds names that are given twice among siblings, in any language: one
// without a name of its own in a language has the plain one there.
type nameSet []siblingName

type siblingName struct {
	plain  string
	others map[string]string
}

// taken adds a name and returns the languages in which it is another's already, "" for
// the plain one.
func (n *nameSet) taken(plain string, others map[string]string) (locales []string) {
	for _, locale := range append([]string{""}, Locales()...) {
		mine := cmp.Or(others[locale], plain)
		for _, s := range *n {
			own := locale == "" || others[locale] != "" || s.others[locale] != ""
			if own && cmp.Or(s.others[locale], s.plain) == mine {
				locales = append(locales, locale)
			}
		}
	}
	*n = append(*n, siblingName{plain, others})
	return locales
}

// localizedSize is textSize with the longest of all languages for each member, as
// Discord counts.
func localizedSize(m map[string]any, names ...string) int {
	n := 0
	for _, name := range names {
		longest := textSize(m, name)
		texts, _ := m[name+"_localizations"].(map[string]any)
		for _, v := range texts {
			if s, ok := v.(string); ok {
				longest = max(longest, utf8.RuneCountInString(s))
			}
		}
		n += longest
	}
	return n
}
