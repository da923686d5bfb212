package bot

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"muster/internal/catalogue"
)

var writeDocument = flag.Bool("write-document", false, "write docs/commands.md anew")

const document = "../docs/commands.md"

// TestTheDocumentOfCommandsIsTrue compares docs/commands.md with what is registered.
func TestTheDocumentOfCommandsIsTrue(t *testing.T) {
	want := commandsDocument(definitions(texts(t), true), commandTable())
	if *writeDocument {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil { //nolint:gosec // everybody may read it
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("docs/commands.md is not what the bot registers: go test ./bot -run TheDocument -write-document")
	}
}

func commandsDocument(defs []commandDef, table map[string]command) string {
	var s strings.Builder
	s.WriteString(`# Commands

What people can type to the bot, in direct messages, in a guild, and wherever they have installed it for themselves. Written by
` + "`go test ./bot -run TheDocument -write-document`" + ` from the definitions that are registered at Discord; a test compares.

Options suggest while one types. *Private* answers are seen by the asker only.
`)
	for _, d := range defs {
		if d.Type == commandOnPerson {
			fmt.Fprintf(&s, "\n## %s\n\nIn the menu of a person, under Apps: names their linked characters, if they let others know (`/settings`). Seen by: private.\n", d.Name)
			continue
		}
		subs := 0
		for _, o := range d.Options {
			if o.Type == optionSubcommand {
				subs++
				describe(&s, d.Name+" "+o.Name, o.Description, o.Options, table)
			}
		}
		if subs == 0 {
			describe(&s, d.Name, d.Description, d.Options, table)
		}
	}
	inOtherLanguages(&s, defs)
	return s.String()
}

// inOtherLanguages lists what each command and option is called.
func inOtherLanguages(s *strings.Builder, defs []commandDef) {
	languages := catalogue.Languages()[1:]
	s.WriteString("\n## In other languages\n\nDiscord shows each person the names of their language, and sends the English ones to the bot. How to add a language: [languages.md](languages.md).\n")
	head, line := "\n| English |", "\n|---|"
	for _, l := range languages {
		head, line = head+" "+l.Name+" |", line+"---|"
	}
	options := map[string]map[string]string{}
	row := func(slash, english string, names map[string]string) {
		fmt.Fprintf(s, "\n| `%s%s` |", slash, english)
		for _, l := range languages {
			fmt.Fprintf(s, " `%s%s` |", slash, names[l.Locales[0]])
		}
	}
	var walk func(path string, above map[string]string, list []optionDef)
	walk = func(path string, above map[string]string, list []optionDef) {
		for _, o := range list {
			if o.Type != optionSubcommand {
				options[o.Name] = o.Names
				continue
			}
			names := map[string]string{}
			for locale, name := range o.Names {
				names[locale] = above[locale] + " " + name
			}
			row("/", path+" "+o.Name, names)
			walk(path+" "+o.Name, names, o.Options)
		}
	}
	s.WriteString(head + line)
	for _, d := range defs {
		if d.Type == commandOnPerson {
			row("", d.Name, d.Names)
			continue
		}
		if len(d.Options) == 0 || d.Options[0].Type != optionSubcommand {
			row("/", d.Name, d.Names)
		}
		walk(d.Name, d.Names, d.Options)
	}
	s.WriteString("\n" + strings.Replace(head, "English", "Option", 1) + line)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		row("", name, options[name])
	}
	s.WriteString("\n")
}

func describe(s *strings.Builder, path, description string, options []optionDef, table map[string]command) {
	who := "everybody who is there"
	if table[path].private {
		who = "private"
	}
	fmt.Fprintf(s, "\n## `/%s`\n\n%s. Seen by: %s.\n", path, description, who)
	if len(options) == 0 {
		return
	}
	s.WriteString("\n| Option | | |\n|---|---|---|\n")
	for _, o := range options {
		needed := "may be left out"
		if o.Required {
			needed = "needed"
		}
		fmt.Fprintf(s, "| `%s` | %s | %s |\n", o.Name, o.Description, needed)
	}
}

// Every command that is registered can be run, and the other way round.
func TestEveryCommandHasADefinition(t *testing.T) {
	defined := map[string]bool{}
	for _, d := range definitions(texts(t), false) {
		path := []string{}
		for _, o := range d.Options {
			if o.Type == optionSubcommand {
				path = append(path, d.Name+" "+o.Name)
			}
		}
		if len(path) == 0 {
			path = []string{d.Name}
		}
		for _, p := range path {
			defined[p] = true
			if commandTable()[p].run == nil {
				t.Errorf("/%s is registered and does nothing", p)
			}
		}
	}
	for p := range commandTable() {
		if !defined[p] {
			t.Errorf("/%s can be run and is not registered", p)
		}
	}
}
