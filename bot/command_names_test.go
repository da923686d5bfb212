package bot

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/internal/catalogue"
)

// typedName is Discord's rule for what people type, besides lower case.
var typedName = regexp.MustCompile(`^[-_'\p{L}\p{N}\p{Devanagari}\p{Thai}]{1,32}$`)

func TestNamesOfCommandsKeepDiscordsRules(t *testing.T) {
	english := written(t, "en")
	for _, d := range definitions(texts(t), true) {
		for key, name := range namesOf(d) {
			if got := english[key][""]; got != name {
				t.Errorf("%s is %q in the English catalogue, and %q to Discord", key, got, name)
			}
		}
	}
	for _, locale := range locales() {
		for _, user := range []bool{false, true} {
			seen := map[string]string{}
			for _, d := range definitions(texts(t), user) {
				name := d.Names[locale]
				if d.Type == commandOnPerson {
					if n := utf8.RuneCountInString(name); n == 0 || n > 32 {
						t.Errorf("%s: %q has %d characters", locale, name, n)
					}
					continue
				}
				checkName(t, locale, d.Name, name, seen)
				checkAbout(t, locale, d.Name, d.Descriptions[locale])
				checkNames(t, locale, d.Name, d.Options)
				if n := size(d); n > 8000 {
					t.Errorf("/%s has %d characters, of 8,000", d.Name, n)
				}
			}
		}
	}
}

// locales are Discord's names of the languages that there is a catalogue of.
func locales() (all []string) {
	for _, l := range catalogue.Languages() {
		all = append(all, l.Locales...)
	}
	return all
}

func checkNames(t *testing.T, locale, path string, options []optionDef) {
	t.Helper()
	seen := map[string]string{}
	for _, o := range options {
		checkName(t, locale, path+" "+o.Name, o.Names[locale], seen)
		checkAbout(t, locale, path+" "+o.Name, o.Descriptions[locale])
		checkNames(t, locale, path+" "+o.Name, o.Options)
		choices := map[string]bool{}
		for _, c := range o.Choices {
			name := firstOf(c.NameLocalizations[locale], c.Name)
			if n := utf8.RuneCountInString(name); n == 0 || n > 100 || choices[name] || c.key != "" && c.NameLocalizations[locale] == "" {
				t.Errorf("%s: %s has a choice %q of %d characters, there already: %v", locale, path, name, n, choices[name])
			}
			choices[name] = true
		}
	}
}

func checkName(t *testing.T, locale, path, name string, seen map[string]string) {
	t.Helper()
	if !typedName.MatchString(name) || strings.ToLower(name) != name {
		t.Errorf("%s: /%s is called %q, which Discord refuses", locale, path, name)
	}
	if other, taken := seen[name]; taken {
		t.Errorf("%s: /%s and /%s are both called %q", locale, path, other, name)
	}
	seen[name] = path
}

func checkAbout(t *testing.T, locale, path, about string) {
	t.Helper()
	if n := utf8.RuneCountInString(about); n == 0 || n > 100 {
		t.Errorf("%s: /%s says of itself %q, %d characters", locale, path, about, n)
	}
}

// size counts a command as Discord does: of each text the longest translation.
func size(d commandDef) int {
	longest := func(english string, others map[string]string) int {
		n := utf8.RuneCountInString(english)
		for _, s := range others {
			n = max(n, utf8.RuneCountInString(s))
		}
		return n
	}
	n := longest(d.Name, d.Names) + longest(d.Description, d.Descriptions)
	var walk func(options []optionDef)
	walk = func(options []optionDef) {
		for _, o := range options {
			n += longest(o.Name, o.Names) + longest(o.Description, o.Descriptions)
			for _, c := range o.Choices {
				n += longest(c.Name, c.NameLocalizations) + utf8.RuneCountInString(c.Value)
			}
			walk(o.Options)
		}
	}
	walk(d.Options)
	return n
}

func TestATranslationMakesADifference(t *testing.T) {
	a, b := definitions(texts(t), true), definitions(texts(t), true)
	if !sameCommands(a, b) {
		t.Fatal("the same definitions differ")
	}
	var back []commandDef // as Discord returns them
	sent, _ := json.Marshal(a)
	if err := json.Unmarshal(sent, &back); err != nil || !sameCommands(a, back) {
		t.Fatalf("what comes back from Discord differs: %v", err)
	}
	b[3].Options[0].Options[0].Names["de"] = "anders"
	if sameCommands(a, b) {
		t.Error("another name of an option in German makes no difference")
	}
	b = definitions(texts(t), true)
	delete(b[0].Descriptions, "ru")
	if sameCommands(a, b) {
		t.Error("a description that is not there makes no difference")
	}
}

// spoken are the commands as somebody types them in a language.
type spoken struct {
	options map[string]map[string]optionDef // by the path of the command, and the option's name
	any     map[string]bool                 // the names of all options
}

func speaking(t *testing.T, code string) spoken {
	t.Helper()
	locale := ""
	for _, l := range catalogue.Languages() {
		if l.Code == code && len(l.Locales) > 0 {
			locale = l.Locales[0]
		}
	}
	s := spoken{options: map[string]map[string]optionDef{}, any: map[string]bool{}}
	var walk func(path string, options []optionDef)
	walk = func(path string, options []optionDef) {
		s.options[path] = map[string]optionDef{}
		for _, o := range options {
			name := firstOf(o.Names[locale], o.Name)
			if o.Type == optionSubcommand {
				walk(path+" "+name, o.Options)
				continue
			}
			for i := range o.Choices {
				o.Choices[i].Name = firstOf(o.Choices[i].NameLocalizations[locale], o.Choices[i].Name)
			}
			s.options[path][name], s.any[name] = o, true
		}
	}
	for _, d := range definitions(texts(t), true) {
		walk(firstOf(d.Names[locale], d.Name), d.Options)
	}
	return s
}

// What people are told to type, in backticks and without.
var (
	bySlash  = regexp.MustCompile("`/([^`]+)`")
	bareWord = regexp.MustCompile(`(^|[^\p{L}\x60<])/(\p{L}[\p{L}-]+(?: \p{L}+)?)`)
	byColon  = regexp.MustCompile("`([\\p{L}_]+):[^`]*`")
)

// Commands that a text names can be typed as it says, in its language.
func TestCommandsInTextsCanBeTyped(t *testing.T) {
	for _, l := range catalogue.Languages() {
		s := speaking(t, l.Code)
		found := 0
		list := written(t, l.Code)
		for _, key := range slices.Sorted(maps.Keys(list)) {
			for _, text := range list[key] {
				for _, m := range bySlash.FindAllStringSubmatch(text, -1) {
					if m[1] != "suicide" { // the game's own
						found++
						if why := s.typed(m[1]); why != "" {
							t.Errorf("%s %s: `/%s`: %s", l.Code, key, m[1], why)
						}
					}
				}
				for _, m := range bareWord.FindAllStringSubmatch(bySlash.ReplaceAllString(text, ""), -1) {
					found++
					word, _, _ := strings.Cut(m[2], " ")
					if s.options[m[2]] == nil && s.options[word] == nil {
						t.Errorf("%s %s: /%s is no command", l.Code, key, m[2])
					}
				}
				for _, m := range byColon.FindAllStringSubmatch(text, -1) {
					if !s.any[m[1]] {
						t.Errorf("%s %s: `%s:` is no option", l.Code, key, m[1])
					}
				}
			}
		}
		if found < 60 {
			t.Errorf("%s: %d commands found in the texts", l.Code, found)
		}
	}
}

// typed says what is wrong with a command, "" if nothing is.
func (s spoken) typed(line string) string {
	path := ""
	for p := range s.options {
		if (line == p || strings.HasPrefix(line, p+" ")) && len(p) > len(path) {
			path = p
		}
	}
	if path == "" {
		return "no such command"
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(line, path), " ")
	for rest != "" {
		name, value, ok := strings.Cut(rest, ":")
		o, known := s.options[path][name]
		if !ok || !known {
			return "no option " + name
		}
		rest = ""
		for other := range s.options[path] {
			if before, after, more := strings.Cut(value, " "+other+":"); more {
				value, rest = before, other+":"+after
			}
		}
		if len(o.Choices) > 0 && !slices.ContainsFunc(o.Choices, func(c choice) bool { return c.Name == value || c.Value == value }) {
			return "no choice " + value
		}
	}
	return ""
}
