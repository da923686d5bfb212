package discord_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"muster/sim/discord"
)

const commandsPath = "/applications/" + app + "/commands"

// german is a command with names and descriptions in German and, but for one, Spanish.
func german() []any {
	return []any{object{"name": "watch", "description": "who", "name_localizations": object{"de": "folgen", "es-ES": "seguir"},
		"description_localizations": object{"de": "wem"}, "options": []any{object{"type": 1, "name": "add", "description": "more",
			"name_localizations": object{"de": "hinzufügen"}, "description_localizations": object{"de": "mehr"}, "options": []any{
				object{"type": 3, "name": "player", "description": "whom", "required": true, "autocomplete": true, "name_localizations": object{"de": "spieler"}},
				object{"type": 3, "name": "topic", "description": "what", "name_localizations": object{"de": "thema"}, "choices": []any{
					object{"name": "alerts", "value": "a", "name_localizations": object{"de": "Alerts im Spiel"}}}},
			}}}}}
}

// heavy is a command that is too large in one language alone.
func heavy() []any {
	var options []any
	for i := range 25 {
		var choices []any
		for n := range 25 {
			choices = append(choices, object{"name": fmt.Sprint("n", n), "value": fmt.Sprint(n), "name_localizations": object{"ru": strings.Repeat("я", 20)}})
		}
		options = append(options, object{"type": 3, "name": fmt.Sprint("o", i), "description": "d", "choices": choices})
	}
	return []any{object{"name": "watch", "description": "d", "options": options}}
}

func TestNamesInOtherLanguagesAreChecked(t *testing.T) {
	one := func(more object) []any {
		c := object{"name": "watch", "description": "d"}
		for k, v := range more {
			c[k] = v
		}
		return []any{c}
	}
	option := func(name string, names object) object {
		return object{"type": 3, "name": name, "description": "d", "name_localizations": names}
	}
	tests := []struct {
		name string
		body any
		at   string
	}{
		{"an ordinary one", german(), ""},
		{"letters of other alphabets", one(object{"name_localizations": object{"ru": "отслеживать", "hi": "देखना", "th": "ดู", "fr": "délier", "zh-CN": "关注"}}), ""},
		{"a language that Discord lacks", one(object{"name_localizations": object{"es": "seguir"}}), "0.name_localizations.es"},
		{"a description in such a one", one(object{"description_localizations": object{"de-DE": "x"}}), "0.description_localizations.de-DE"},
		{"an upper-case name", one(object{"name_localizations": object{"de": "Folgen"}}), "0.name_localizations.de"},
		{"an upper-case name in Russian", one(object{"name_localizations": object{"ru": "Отслеживать"}}), "0.name_localizations.ru"},
		{"a space", one(object{"name_localizations": object{"de": "folge ich"}}), "0.name_localizations.de"},
		{"a name over 32", one(object{"name_localizations": object{"de": strings.Repeat("ü", 33)}}), "0.name_localizations.de"},
		{"a name of 32 that has more bytes", one(object{"name_localizations": object{"de": strings.Repeat("ü", 32)}}), ""},
		{"an empty name", one(object{"name_localizations": object{"de": ""}}), "0.name_localizations.de"},
		{"a name that is no text", one(object{"name_localizations": object{"de": 5}}), "0.name_localizations.de"},
		{"names that are a list", one(object{"name_localizations": []any{"de"}}), "0.name_localizations"},
		{"a description over 100", one(object{"description_localizations": object{"ru": strings.Repeat("я", 101)}}), "0.description_localizations.ru"},
		{"an endless one", one(object{"description_localizations": object{"ru": strings.Repeat("я", 4000)}}), "0.description_localizations.ru"},
		{"an option's name", one(object{"options": []any{option("a", object{"de": "Ä"})}}), "0.options.0.name_localizations.de"},
		{"a choice over 100", one(object{"options": []any{object{"type": 3, "name": "a", "description": "d", "choices": []any{
			object{"name": "n", "value": "v", "name_localizations": object{"de": strings.Repeat("x", 101)}}}}}}), "0.options.0.choices.0.name_localizations.de"},
		{"two options of one name in German", one(object{"options": []any{option("a", object{"de": "x"}), option("b", object{"de": "x"})}}), "0.options.1.name_localizations.de"},
		{"an option that is called in German as another is plainly", one(object{"options": []any{option("a", object{"de": "b"}), option("b", nil)}}), "0.options.1.name_localizations.de"},
		{"two that change places", one(object{"options": []any{option("a", object{"de": "b"}), option("b", object{"de": "a"})}}), ""},
		{"two commands of one name in German", append(one(object{"name_localizations": object{"de": "x"}}),
			object{"name": "other", "description": "d", "name_localizations": object{"de": "x"}}), "1.name_localizations.de"},
		{"a command and one in the menu of a person", append(one(object{"name_localizations": object{"de": "x"}}),
			object{"name": "other", "type": 2, "name_localizations": object{"de": "x"}}), ""},
		{"a menu's name may have spaces and capitals", []any{object{"name": "Who?", "type": 2, "name_localizations": object{"de": "Wer ist das?"}}}, ""},
		{"more than 8,000 in the longest language", heavy(), "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, call(t, start(t, nil), "PUT", commandsPath, tt.body), tt.at)
		})
	}
}

func TestOtherLanguagesAreReturnedOnRequest(t *testing.T) {
	s := start(t, nil)
	expect(t, call(t, s, "PUT", commandsPath, german()), "")
	for query, want := range map[string]bool{"": false, "?with_localizations=false": false, "?with_localizations=true": true, "?with_localizations=perhaps": false} {
		a := call(t, s, "GET", commandsPath+query, nil)
		if got := strings.Contains(a.raw, "localizations"); a.status != 200 || got != want {
			t.Errorf("%q: %d, %s", query, a.status, a.raw)
		}
	}
	var back []map[string]any
	if err := json.Unmarshal([]byte(call(t, s, "GET", commandsPath+"?with_localizations=true", nil).raw), &back); err != nil {
		t.Fatal(err)
	}
	sent, _ := json.Marshal(german()[0].(object)["name_localizations"])
	got, _ := json.Marshal(back[0]["name_localizations"])
	if !reflect.DeepEqual(sent, got) {
		t.Errorf("%s came back as %s", sent, got)
	}
	// What was returned without them is still there.
	if len(s.Commands("")[0].Options[0].Options[0].NameLocalizations) != 1 {
		t.Error("asking without the languages has deleted them")
	}
}

// typed lets Ana type a command and returns the interaction that the bot gets.
func typed(t *testing.T, s *discord.Server, c *client, in discord.CommandInput) map[string]any {
	t.Helper()
	in.User, in.NoWait = "ana", true
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = s.Command(within(t), in) })
	var e struct {
		event
		Locale string         `json:"locale"`
		Guild  string         `json:"guild_locale"`
		Data   map[string]any `json:"data"`
	}
	if err := json.Unmarshal(c.want(0, "INTERACTION_CREATE").Data, &e); err != nil {
		t.Fatal(err)
	}
	call(t, s, "POST", e.callback(), reply(4, object{"content": "hi"}))
	wg.Wait()
	e.Data["locale"], e.Data["guild"] = e.Locale, e.Guild
	return e.Data
}

func TestAPersonTypesInTheirLanguageAndTheCommandsOwnNamesAreSent(t *testing.T) {
	s := start(t, func(c *discord.Config) { c.Guilds = discord.DefaultConfig().Guilds; c.Guilds[0].Locale = "fr" })
	call(t, s, "PUT", commandsPath, german())
	c := dial(t, s)
	c.login()
	want := map[string]any{"name": "watch", "options": []any{map[string]any{"name": "add", "type": 1.0, "options": []any{
		map[string]any{"name": "player", "type": 3.0, "value": "Kestrel"}, map[string]any{"name": "topic", "type": 3.0, "value": "a"}}}}}
	for _, tt := range []struct{ locale, text string }{
		{"", "/watch add player:Kestrel topic:alerts"},
		{"de", "/folgen hinzufügen spieler:Kestrel thema:Alerts im Spiel"},
		{"de", "/folgen hinzufügen Kestrel thema:a"},
		{"de", "/watch add player:Kestrel topic:alerts"},
		{"es-419", "/seguir add player:Kestrel topic:alerts"}, // Spanish falls back to Spain's
		{"pt-BR", "/watch add player:Kestrel topic:alerts"},
	} {
		if err := s.SetLocale("ana", tt.locale); err != nil {
			t.Fatal(err)
		}
		got := typed(t, s, c, discord.CommandInput{Text: tt.text, Channel: "general"})
		if got["locale"] != cmp.Or(tt.locale, "en-US") || got["guild"] != "fr" {
			t.Errorf("%s: in %v, of a guild in %v", tt.text, got["locale"], got["guild"])
		}
		if got["name"] != want["name"] || !reflect.DeepEqual(got["options"], want["options"]) {
			t.Errorf("%s as %q: sent %v", tt.text, tt.locale, got)
		}
	}
	if err := s.SetLocale("ana", "de"); err != nil {
		t.Fatal(err)
	}
	got := typed(t, s, c, discord.CommandInput{Text: "/folgen hinzufügen spieler:x", Values: map[string]any{"player": "#5", "topic": "a"}})
	if list, _ := json.Marshal(got["options"]); !strings.Contains(string(list), `"value":"#5"`) || !strings.Contains(string(list), `"value":"a"`) {
		t.Errorf("values that were picked: %s", list)
	}
	for _, text := range []string{"/folgen", "/folgen hinzufügen", "/folgen hinzufügen spieler:K thema:nichts", "/seguir add player:x"} {
		if _, err := s.Command(within(t), discord.CommandInput{User: "ana", Text: text}); err == nil {
			t.Errorf("%s is sent", text)
		}
	}
	if s.SetLocale("ana", "es") == nil || s.SetLocale("nobody", "de") == nil {
		t.Error("a language that Discord lacks, or nobody, is taken")
	}
	if _, err := discord.New(discord.Config{Users: []discord.User{{ID: "5", Username: "x", Locale: "klingon"}}}); err == nil {
		t.Error("a configured language that Discord lacks is taken")
	}
}

func TestSuggestionsAreInThePersonsLanguage(t *testing.T) {
	s := start(t, nil)
	call(t, s, "PUT", commandsPath, german())
	suggest := func(text string) (labels []string, got discord.Suggestion) {
		t.Helper()
		got, err := s.Suggest(discord.CommandInput{User: "ana", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range got.Items {
			labels = append(labels, i.Label+"|"+i.Detail+"|"+i.Text)
		}
		return labels, got
	}
	if got, _ := suggest("/"); !slices.Equal(got, []string{"/watch add|more|/watch add player:"}) {
		t.Errorf("in English: %q", got)
	}
	if err := s.SetLocale("ana", "de"); err != nil {
		t.Fatal(err)
	}
	if got, _ := suggest("/fol"); !slices.Equal(got, []string{"/folgen hinzufügen|mehr|/folgen hinzufügen spieler:"}) {
		t.Errorf("in German: %q", got)
	}
	got, all := suggest("/folgen hinzufügen spieler:K thema:")
	if !slices.Equal(got, []string{"Alerts im Spiel||/folgen hinzufügen spieler:K thema:Alerts im Spiel "}) || all.Command != "folgen hinzufügen" ||
		all.Description != "mehr" || all.Params[0].Name != "spieler" || all.Focused != "thema" {
		t.Errorf("of an option: %q in %+v", got, all)
	}
}
