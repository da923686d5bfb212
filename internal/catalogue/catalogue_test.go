package catalogue

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// forms are the plural forms that whole numbers of a language need (CLDR).
var forms = map[string][]string{
	"en": {"one", "other"}, "de": {"one", "other"}, "fr": {"one", "many", "other"}, "es": {"one", "many", "other"},
	"ru": {"one", "few", "many", "other"},
}

// raw are the texts of a language as they are written, by key and plural form; "" is
// the form of a text that has none.
func raw(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	b, err := files.ReadFile(lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatalf("%s: %v", lang, err)
	}
	out := map[string]map[string]string{}
	for key, v := range list {
		out[key] = map[string]string{}
		switch v := v.(type) {
		case string:
			out[key][""] = v
		case map[string]any:
			for form, s := range v {
				out[key][form], _ = s.(string)
			}
		default:
			t.Errorf("%s %s is a %T", lang, key, v)
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{\.([a-z]+)\}\}`)

func placeholders(s string) []string {
	var all []string
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// set returns the catalogues; whatever is reported fails the test.
func set(t *testing.T) *Set {
	t.Helper()
	s, err := Load(func(lang, key string, err error) { t.Errorf("%s %s: %v", lang, key, err) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	english := raw(t, Default)
	for _, l := range Languages() {
		texts := raw(t, l.Code)
		for _, key := range slices.Sorted(maps.Keys(english)) {
			if texts[key] == nil {
				t.Errorf("%s: %s is missing", l.Code, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			if english[key] == nil {
				t.Errorf("%s: %s is not in the English catalogue", l.Code, key)
			}
		}
	}
}

// A text has the placeholders of the English one, whatever its plural form, and nothing
// else that a template could do.
func TestTranslationsHaveTheSamePlaceholders(t *testing.T) {
	english := raw(t, Default)
	for _, l := range Languages() {
		for key, texts := range raw(t, l.Code) {
			var want []string
			for _, s := range english[key] {
				want = placeholders(s)
			}
			for form, s := range texts {
				if got := placeholders(s); !slices.Equal(got, want) {
					t.Errorf("%s %s %s: placeholders %v, want %v", l.Code, key, form, got, want)
				}
				if rest := placeholder.ReplaceAllString(s, ""); strings.ContainsAny(rest, "{}") {
					t.Errorf("%s %s %s: braces that are no placeholder: %q", l.Code, key, form, s)
				}
				if strings.TrimSpace(s) != s || s == "" {
					t.Errorf("%s %s %s: empty, or space at an end: %q", l.Code, key, form, s)
				}
			}
		}
	}
}

func TestTextsThatCountHaveEveryForm(t *testing.T) {
	english := raw(t, Default)
	for _, l := range Languages() {
		for key, texts := range raw(t, l.Code) {
			_, plain := english[key][""]
			have := slices.Sorted(maps.Keys(texts))
			want := []string{""}
			if !plain {
				want = slices.Sorted(slices.Values(forms[l.Code]))
			}
			if !slices.Equal(have, want) {
				t.Errorf("%s %s: forms %q, want %q", l.Code, key, have, want)
			}
		}
	}
}

// The forms above are all that occur: no number finds a text without one.
func TestEveryNumberHasAForm(t *testing.T) {
	s := set(t)
	for _, l := range Languages() {
		p := s.For(l.Code)
		for n := range 1200 {
			p.N("mutes.count", n)
			p.N("mutes.count", n*1000)
		}
	}
}

// same are texts that are the same in a language as in English, and meant to be.
var same = map[string]string{
	"de": "faction.nso watch_name.outfit span.seconds span.minutes span.hours span.full_hours status.live platform.pc alerts.title alerts.unnamed " +
		"set.pause pause.half_hour pause.two_hours config.fails why.line " +
		"command.online command.outfit command.alerts command.status command.config.test option.outfit option.name",
	"fr": "faction.nso watch_name.outfit span.seconds span.minutes span.hours span.full_hours platform.pc set.pause pause.half_hour " +
		"pause.two_hours post.pause command.outfit command.population command.config.test option.outfit option.continent platform.eu",
	"es": "faction.nso watch_name.outfit span.seconds span.minutes span.hours span.full_hours platform.pc pause.half_hour pause.two_hours " +
		"config.fails command.outfit option.outfit",
	"ru": "faction.vs faction.nc faction.tr faction.nso config.fails",
}

func TestNoTextIsLeftInEnglish(t *testing.T) {
	english := raw(t, Default)
	for _, l := range Languages()[1:] {
		meant := map[string]bool{}
		for _, key := range strings.Fields(same[l.Code]) {
			meant[key] = false
		}
		for key, texts := range raw(t, l.Code) {
			for form, s := range texts {
				_, ok := meant[key]
				if s == english[key][form] && !ok {
					t.Errorf("%s %s is the English %q: translate it, or list it", l.Code, key, s)
				}
				if s == english[key][form] {
					meant[key] = true
				}
			}
		}
		for key, found := range meant {
			if !found {
				t.Errorf("%s: %s is listed as the same and is not", l.Code, key)
			}
		}
	}
}

// What people are called is shown as it is, and never read as a template.
func TestNamesAreNotTemplates(t *testing.T) {
	s := set(t)
	for _, name := range []string{"{{.text}}", "{{", "}}", `{{printf "%d" 1}}`, "{{template \"x\"}}", "%s%d%n", "<no value>", "\x00", strings.Repeat("{{.n}}", 1000)} {
		for _, l := range Languages() {
			if got := s.For(l.Code).T("link.done", "who", name); !strings.Contains(got, name) {
				t.Errorf("%s: %.60q became %.60q", l.Code, name, got)
			}
			if got := s.For(l.Code).N("summary.head", 3, "me", name); !strings.Contains(got, name) {
				t.Errorf("%s: %.60q became %.60q", l.Code, name, got)
			}
		}
	}
}

func TestALocaleFindsItsLanguage(t *testing.T) {
	s := set(t)
	// Every locale that Discord has (its OpenAPI document, AvailableLocalesEnum).
	for _, locale := range strings.Fields("ar bg cs da de el en-GB en-US es-419 es-ES fi fr he hi hr hu id it ja ko lt nl no pl pt-BR ro ru " +
		"sv-SE th tr uk vi zh-CN zh-TW") {
		want := Default
		switch locale {
		case "de", "fr", "ru":
			want = locale
		case "es-419", "es-ES":
			want = "es"
		}
		if got := s.For(locale).Code(); got != want {
			t.Errorf("%s: %s, want %s", locale, got, want)
		}
	}
	for _, odd := range []string{"", "x", "de_DE_and_more", "\x00", "de-", strings.Repeat("de-", 5000), "i-klingon"} {
		if got := s.For(odd); got == nil || got.T("button.back") == "" {
			t.Errorf("%.20q has no language", odd)
		}
	}
}

// Whatever is wrong, somebody reads something, nobody panics, and it is reported once.
func TestWhatIsMissingIsReportedAndNotShown(t *testing.T) {
	var told []string
	s, err := Load(func(lang, key string, err error) {
		if err == nil {
			t.Error("reported without an error")
		}
		told = append(told, lang+" "+key)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, c := range []struct{ got, want string }{
			{s.For("de").T("there.is.no.such.text"), "there.is.no.such.text"},
			{s.For("ru").N("there.is.no.such.text", 5), "there.is.no.such.text"},
			{s.For("en").T("link.done"), "✅  is linked to you."},
			{s.For("de").T("link.done", "whom", "Kestrel"), "✅  is linked to you."},
			{s.For("en").T("link.done", "who"), "✅  is linked to you."},
			{s.For("en").T("link.done", 5, "Kestrel"), "✅  is linked to you."},
			{s.For("en").T("link.done", "who", 1.5), "✅  is linked to you."},
		} {
			if c.got != c.want {
				t.Errorf("%q, want %q", c.got, c.want)
			}
		}
	}
	want := []string{"de link.done", "de there.is.no.such.text", "en link.done", "en there.is.no.such.text", "ru there.is.no.such.text"}
	if slices.Sort(told); !slices.Equal(told, want) {
		t.Errorf("reported %q, want %q", told, want)
	}
	if quiet, err := Load(nil); err != nil || quiet.For("de").T("nothing") != "nothing" {
		t.Errorf("without a report: %v", err)
	}
}

// A text that a language lacks, or has wrong, is said in English.
func TestALanguageWithAHoleSpeaksEnglish(t *testing.T) {
	catalogues := fstest.MapFS{}
	for _, l := range Languages() {
		catalogues[l.Code+".json"] = &fstest.MapFile{Data: []byte(`{"other": "x"}`)}
	}
	catalogues["en.json"].Data = []byte(`{"hole": "English {{.who}}", "torn": "English", "blank": "English", "few": {"one": "{{.n}} thing", "other": "{{.n}} things"}}`)
	catalogues["de.json"].Data = []byte(`{"torn": "Deutsch {{.who", "blank": "", "few": {"one": "{{.n}} Ding", "other": "{{.nn}} Dinge"}}`)
	told := map[string]int{}
	s, err := load(catalogues, func(lang, key string, _ error) { told[lang+" "+key]++ })
	if err != nil {
		t.Fatal(err)
	}
	p := s.For("de")
	for range 2 {
		for _, c := range []struct{ got, want string }{
			{p.T("hole", "who", "Kestrel"), "English Kestrel"}, {p.T("torn"), "English"}, {p.T("blank"), "English"},
			{p.N("few", 3), "3 things"}, {p.N("few", 1), "1 Ding"},
		} {
			if c.got != c.want {
				t.Errorf("%q, want %q", c.got, c.want)
			}
		}
	}
	if want := map[string]int{"de hole": 1, "de torn": 1, "de blank": 1, "de few": 1}; !maps.Equal(told, want) {
		t.Errorf("reported %v, want %v", told, want)
	}
	catalogues["ru.json"].Data = []byte(`{"torn`)
	if _, err := load(catalogues, nil); err == nil {
		t.Error("a catalogue that is no JSON is taken")
	}
	delete(catalogues, "ru.json")
	if _, err := load(catalogues, nil); err == nil {
		t.Error("a catalogue is missing, and nobody minds")
	}
}

func TestPluralsOfRussian(t *testing.T) {
	p := set(t).For("ru")
	for n, want := range map[int]string{
		0: "0 игроков", 1: "1 игрок", 2: "2 игрока", 5: "5 игроков", 11: "11 игроков", 12: "12 игроков", 21: "21 игрок", 22: "22 игрока",
		25: "25 игроков", 101: "101 игрок", 111: "111 игроков", 1001: "1\u00a0001 игрок", 1000000: "1\u00a0000\u00a0000 игроков",
	} {
		if got := p.N("mutes.count", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := set(t).For("fr").N("mutes.count", 2_000_000); got != "2\u00a0000\u00a0000 de joueurs" {
		t.Errorf("French millions: %q", got)
	}
}

func TestNumbersAreWrittenAsTheLanguageDoes(t *testing.T) {
	s := set(t)
	for lang, want := range map[string][4]string{
		"en": {"0", "999", "1,234,567", "34%"}, "de": {"0", "999", "1.234.567", "34\u00a0%"}, "fr": {"0", "999", "1\u00a0234\u00a0567", "34\u00a0%"},
		"es": {"0", "999", "1.234.567", "34\u00a0%"}, "ru": {"0", "999", "1\u00a0234\u00a0567", "34\u00a0%"},
	} {
		p := s.For(lang)
		if got := [4]string{p.Number(0), p.Number(999), p.Number(1234567), p.Percent(33.6)}; got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	p := s.For("de")
	if got := p.T("hide.too_late", "seen", 1234, "n", int32(5)); !strings.Contains(got, "1.234 von 5") {
		t.Errorf("a number in a text: %q", got)
	}
}

func TestMessagesAreSaidInTheLanguageOfTheReader(t *testing.T) {
	s := set(t)
	m := Say("cannot.post", "channel", "<#1>", "reason", Say("refusal.other", "code", "7"))
	for lang, want := range map[string]string{
		"en": "I cannot post in <#1>: Discord refuses it (code 7). Then try again.",
		"de": "In <#1> kann ich nicht posten: Discord lehnt es ab (Code 7). Versuch es dann noch einmal.",
	} {
		if got := m.In(s.For(lang)); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	for lang, want := range map[string]string{"en": "5 groups", "ru": "5 групп"} {
		if got := Count("privacy.groups", 5).In(s.For(lang)); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	for _, c := range []struct {
		list Or
		want string
	}{{nil, ""}, {Or{"a"}, "a"}, {Or{"a", "b"}, "a oder b"}, {Or{"a", "b", "c"}, "a, b oder c"}} {
		if got := s.For("de").T("link.done", "who", c.list); got != "✅ "+c.want+" ist jetzt mit dir verknüpft." {
			t.Errorf("%v: %q", c.list, got)
		}
	}
}

func TestPrintersCanBeSharedAtOnce(t *testing.T) {
	s := set(t)
	done := make(chan bool)
	for i := range 20 {
		go func() {
			defer func() { done <- true }()
			for n := range 50 {
				for _, l := range Languages() {
					s.For(l.Code).N("summary.head", n, "me", "Kestrel")
					_ = s.For(l.Code).Number(n * i)
				}
			}
		}()
	}
	for range 20 {
		<-done
	}
}
