// Package catalogue holds everything that the bot says, in each language that it speaks.
//
// The texts stand in catalogues, one file per language, by key. Whoever writes to a
// person takes the Printer of that person's language. docs/languages.md says how to
// add a language.
package catalogue

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed *.json
var files embed.FS

// Default is the language of whoever uses one that there is no catalogue of.
const Default = "en"

// A Language is one that there is a catalogue of.
type Language struct {
	Code string // names the catalogue: "de"
	Name string // as its speakers call it
	// Locales are Discord's names of it, but for English, which needs none.
	Locales []string
}

// Languages returns every language, English first.
func Languages() []Language {
	return []Language{
		{Code: Default, Name: "English"},
		{Code: "de", Name: "Deutsch", Locales: []string{"de"}},
		{Code: "fr", Name: "Français", Locales: []string{"fr"}},
		{Code: "es", Name: "Español", Locales: []string{"es-ES", "es-419"}},
		{Code: "ru", Name: "Русский", Locales: []string{"ru"}},
	}
}

// Known reports whether there is a catalogue called code.
func Known(code string) bool {
	for _, l := range Languages() {
		if l.Code == code {
			return true
		}
	}
	return false
}

// A Set is the texts of all languages. It is safe for concurrent use.
type Set struct {
	printers map[string]*Printer
	report   func(lang, key string, err error)
	reported sync.Map // what report has been told
}

// Load reads the catalogues, which are part of the program. report is told, once
// for each text and language, that a text is missing or wrong; it may be nil.
func Load(report func(lang, key string, err error)) (*Set, error) { return load(files, report) }

func load(files fs.FS, report func(lang, key string, err error)) (*Set, error) {
	bundle := i18n.NewBundle(language.English)
	s := &Set{printers: map[string]*Printer{}, report: report}
	for _, l := range Languages() {
		if _, err := bundle.LoadMessageFileFS(files, l.Code+".json"); err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", l.Code, err)
		}
	}
	for _, l := range Languages() {
		s.printers[l.Code] = &Printer{set: s, code: l.Code, texts: i18n.NewLocalizer(bundle, l.Code), numbers: message.NewPrinter(language.Make(l.Code))}
	}
	return s, nil
}

// For returns the printer for a locale of Discord's ("es-419") or the code of a
// catalogue; English for any other. A language that is merely near does not do:
// who reads Ukrainian did not ask for Russian.
func (s *Set) For(locale string) *Printer {
	tag, err := language.Parse(locale)
	if err == nil {
		base, _ := tag.Base()
		if p := s.printers[base.String()]; p != nil {
			return p
		}
	}
	return s.printers[Default]
}

// wrong reports what is wrong with a text, once.
func (s *Set) wrong(lang, key string, err error) {
	if _, told := s.reported.LoadOrStore(lang+" "+key, true); !told && s.report != nil {
		s.report(lang, key, err)
	}
}

// A Message is a text that is said later, in the language of whoever reads it.
type Message struct {
	key    string
	count  int
	plural bool
	args   []any
}

// Say returns the message of a key, with its placeholders as Printer.T takes them.
func Say(key string, args ...any) Message { return Message{key: key, args: args} }

// Count is Say for a text with plural forms.
func Count(key string, n int, args ...any) Message {
	return Message{key: key, count: n, plural: true, args: args}
}

// Key returns the key of the text.
func (m Message) Key() string { return m.key }

// In returns the message in the language of p.
func (m Message) In(p *Printer) string {
	if m.plural {
		return p.N(m.key, m.count, m.args...)
	}
	return p.T(m.key, m.args...)
}

// Or is a placeholder's value of which one holds: "a, b or c".
type Or []string

// parser refuses a text whose placeholder nobody has filled.
var parser template.Parser = &template.TextParser{Option: "missingkey=error"}

var (
	errArgs  = errors.New("placeholders are names and values in turn")
	errEmpty = errors.New("the text is empty")
)

// A Printer says things in one language. It is safe for concurrent use.
type Printer struct {
	set     *Set
	code    string
	texts   *i18n.Localizer
	numbers *message.Printer
}

// Code names the language: "de".
func (p *Printer) Code() string { return p.code }

// T returns the text of a key. Its placeholders are given as names and values in
// turn: text, which is taken as it is, numbers, which are written as the language
// does, an Or, a Message, or what has a String method.
//
// What is missing or wrong is reported and never shown: the English text stands in,
// and if there is none, the key.
func (p *Printer) T(key string, args ...any) string { return p.print(key, nil, args) }

// N is T in the plural form that n needs. n itself is a placeholder too: {{.n}}.
func (p *Printer) N(key string, n int, args ...any) string {
	return p.print(key, n, append([]any{"n", n}, args...))
}

func (p *Printer) print(key string, count any, args []any) string {
	values, err := p.values(args)
	if err != nil {
		p.set.wrong(p.code, key, err)
	}
	out, err := p.texts.Localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: count, TemplateData: values, TemplateParser: parser})
	if err == nil && out == "" {
		err = errEmpty
	}
	if err == nil {
		return out
	}
	p.set.wrong(p.code, key, err)
	if english := p.set.printers[Default]; english != p {
		return english.print(key, count, args)
	}
	return cmp.Or(p.bare(key), key)
}

// bare is the English text with its placeholders left out.
func (p *Printer) bare(key string) string {
	out, _ := p.texts.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateParser: template.IdentityParser{}})
	var b strings.Builder
	for out != "" {
		before, rest, _ := strings.Cut(out, "{{")
		b.WriteString(before)
		_, out, _ = strings.Cut(rest, "}}")
	}
	return b.String()
}

// values renders the placeholders' values.
func (p *Printer) values(args []any) (map[string]string, error) {
	var err error
	if len(args)%2 != 0 {
		err = errArgs
	}
	out := make(map[string]string, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok {
			err = errArgs
			continue
		}
		switch v := args[i+1].(type) {
		case string:
			out[name] = v
		case int:
			out[name] = p.Number(v)
		case int32:
			out[name] = p.Number(int(v))
		case Or:
			out[name] = p.or(v)
		case Message:
			out[name] = v.In(p)
		case fmt.Stringer:
			out[name] = v.String()
		default:
			err = fmt.Errorf("%w: %q is a %T", errArgs, name, v)
		}
	}
	return out, err
}

func (p *Printer) or(list Or) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	last := len(list) - 1
	return p.T("list.or", "first", strings.Join(list[:last], ", "), "last", list[last])
}
