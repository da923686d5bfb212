package bot

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/event"
)

func TestNamesCannotFormatMentionOrHide(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Kestrel", "Kestrel"},
		{"markdown", "*_~`|", "\\*\\_\\~\\`\\|"},
		{"everyone", "@everyone", "@\u200beveryone"},
		{"user mention", "<@123>", "\\<@\u200b123\\>"},
		{"link", "[a](http://x)", "\\[a\\](http:\u200b//x)"},
		{"right to left", "abc\u202edef\u2066", "abcdef"},
		{"zero width and control", "a\u200bb\x00c\nd", "abcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := escape(tt.in); got != tt.want {
				t.Errorf("escape(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestLongListsSayHowManyDidNotFit(t *testing.T) {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("line number %d", i))
	}
	got := english(t).list(lines, 500)
	if n := utf8.RuneCountInString(got); n > 500 {
		t.Errorf("%d characters, more than 500", n)
	}
	shown := strings.Count(got, "line number")
	if want := fmt.Sprintf("… and %d more", 100-shown); !strings.HasSuffix(got, want) {
		t.Errorf("ends with %q, want %q", got[len(got)-30:], want)
	}
	if got := english(t).list(lines[:3], 500); strings.Contains(got, "more") {
		t.Errorf("a short list is cut: %q", got)
	}
}

func TestUnknownNamesShowAPlaceholder(t *testing.T) {
	if got := english(t).titled(event.Character{ID: 5428010618015189713}); got != "**Player …9713**" {
		t.Errorf("titled = %q", got)
	}
}

func TestDefinitionsKeepDiscordsRules(t *testing.T) {
	table := commandTable()
	for _, user := range []bool{false, true} {
		for _, d := range definitions(texts(t), user) {
			if d.Type == commandOnPerson {
				if n := utf8.RuneCountInString(d.Name); n > 32 || d.Description != "" || len(d.Options) > 0 {
					t.Errorf("%s: %d characters, description %q, %d options", d.Name, n, d.Description, len(d.Options))
				}
				continue
			}
			checkOption(t, table, d.Name, optionDef{Name: d.Name, Description: d.Description, Options: d.Options})
			if len(d.Contexts) == 0 || len(d.IntegrationTypes) == 0 {
				t.Errorf("/%s leaves contexts or integration types to defaults", d.Name)
			}
		}
	}
}

// checkOption walks a definition and finds a handler for each leaf.
func checkOption(t *testing.T, table map[string]command, path string, o optionDef) {
	t.Helper()
	if n := utf8.RuneCountInString(o.Description); n == 0 || n > 100 {
		t.Errorf("/%s: description of %d characters", path, n)
	}
	leaf := true
	for _, sub := range o.Options {
		if sub.Type == optionSubcommand {
			leaf = false
			checkOption(t, table, path+" "+sub.Name, sub)
			continue
		}
		if _, ok := table[path].suggest[sub.Name]; sub.Autocomplete && !ok {
			t.Errorf("/%s %s promises autocomplete and has none", path, sub.Name)
		}
	}
	if _, ok := table[path]; leaf && !ok {
		t.Errorf("/%s has no handler", path)
	}
}

func TestCommandsAreComparedInAnyOrder(t *testing.T) {
	a := definitions(texts(t), true)
	b := definitions(texts(t), true)
	b[0], b[3] = b[3], b[0]
	b[1].Contexts = []int{2, 0, 1}
	if !sameCommands(a, b) {
		t.Error("the same commands in another order differ")
	}
	b[2].Description = "something else"
	if sameCommands(a, b) {
		t.Error("another description makes no difference")
	}
	if sameCommands(a, definitions(texts(t), false)) {
		t.Error("another installation makes no difference")
	}
}
