package discord_test

import (
	"fmt"
	"strings"
	"testing"
)

type object = map[string]any

func rows(n int, components ...any) []any {
	var out []any
	for range n {
		out = append(out, object{"type": 1, "components": components})
	}
	return out
}

func button(id string) object { return object{"type": 2, "style": 1, "label": "b", "custom_id": id} }

// checks are bodies and where Discord finds fault with them; those with
// schema set are found by the OpenAPI document alone.
var messageChecks = []struct {
	name   string
	body   object
	at     string // "" is none
	schema bool
}{
	{name: "an ordinary one", body: object{"content": "hi", "embeds": nil, "components": nil, "tts": false, "flags": 4096}},
	{name: "content over 2,000", body: object{"content": strings.Repeat("é", 2001)}, at: "content"},
	{name: "content of 2,000 characters", body: object{"content": strings.Repeat("é", 2000)}},
	{name: "embeds over 6,000 together", body: object{"embeds": []any{object{"description": strings.Repeat("a", 3001)}, object{"description": strings.Repeat("a", 3000)}}}, at: "embeds"},
	{name: "eleven embeds", body: object{"embeds": make11()}, at: "embeds"},
	{name: "an empty field name", body: object{"embeds": []any{object{"fields": []any{object{"name": " ", "value": "v"}}}}}, at: "embeds.0.fields.0.name"},
	{name: "no field value", body: object{"embeds": []any{object{"fields": []any{object{"name": "n"}}}}}, at: "embeds.0.fields.0.value"},
	{name: "a title over 256", body: object{"embeds": []any{object{"title": strings.Repeat("a", 257)}}}, at: "embeds.0.title"},
	{name: "six rows", body: object{"content": "x", "components": rows6()}, at: "components"},
	{name: "six buttons in a row", body: object{"content": "x", "components": rows(1, button("1"), button("2"), button("3"), button("4"), button("5"), button("6"))}, at: "components.0.components"},
	{name: "the same custom_id twice", body: object{"content": "x", "components": rows(2, button("same"))}, at: "components.1.components.0.custom_id"},
	{name: "a select beside a button", body: object{"content": "x", "components": rows(1, button("1"), object{"type": 5, "custom_id": "u"})}, at: "components.0.components"},
	{name: "a text input in a message", body: object{"content": "x", "components": rows(1, object{"type": 4, "custom_id": "u", "label": "l", "style": 1})}, at: "components.0.components.0.type"},
	{name: "an ephemeral channel message", body: object{"content": "x", "flags": 64}, at: "flags"},
	{name: "parse together with ids", body: object{"content": "x", "allowed_mentions": object{"parse": []any{"users"}, "users": []any{ana}}}, at: "allowed_mentions.parse.0"},
	{name: "an unknown property", body: object{"content": "x", "embed": object{}}, at: "embed"},
	{name: "a misspelt embed", body: object{"embeds": []any{object{"titel": "x"}}}, at: "embeds.0.titel"},
	{name: "a nonce over 25", body: object{"content": "x", "nonce": strings.Repeat("n", 26)}, at: "nonce"},
	{name: "enforce_nonce without a nonce", body: object{"content": "x", "enforce_nonce": true}, at: "nonce"},
	{name: "a timestamp that is none", body: object{"embeds": []any{object{"color": "red"}}}, at: "embeds.0.color", schema: true},
	{name: "content that is no text", body: object{"content": 5}, at: "content"},
}

func make11() []any {
	var out []any
	for range 11 {
		out = append(out, object{"title": "t"})
	}
	return out
}

func rows6() []any {
	var out []any
	for i := range 6 {
		out = append(out, rows(1, button(fmt.Sprint(i)))...)
	}
	return out
}

func TestMalformedMessagesAreRefusedAndRemembered(t *testing.T) {
	for _, tt := range messageChecks {
		t.Run(tt.name, func(t *testing.T) {
			if tt.schema && openapi() == "" {
				t.Skip("MUSTER_SHARED is not set: Discord's OpenAPI document is not at hand")
			}
			s := start(t, nil)
			expect(t, call(t, s, "POST", "/channels/"+general+"/messages", tt.body), tt.at)
			if got, want := len(s.Violations()), min(len(tt.at), 1); got != want {
				t.Errorf("%d violations, want %d", got, want)
			}
		})
	}
}

// expect checks that an answer finds fault at a path, or with nothing.
func expect(t *testing.T, a answer, path string) {
	t.Helper()
	if path == "" {
		if a.status/100 != 2 {
			t.Errorf("got %d %s", a.status, a.raw)
		}
		return
	}
	if a.status != 400 || a.code() != 50035 {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	node, _ := a.body["errors"].(object)
	for step := range strings.SplitSeq(path, ".") {
		next, ok := node[step].(object)
		if !ok {
			t.Fatalf("nothing at %s in %s", path, a.raw)
		}
		node = next
	}
	if _, ok := node["_errors"]; !ok {
		t.Errorf("nothing at %s in %s", path, a.raw)
	}
}

func TestMalformedCommandsAreRefused(t *testing.T) {
	option := func(name string, more object) object {
		o := object{"type": 3, "name": name, "description": "d"}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	command := func(name string, options ...any) []any {
		return []any{object{"name": name, "description": "d", "options": options}}
	}
	tests := []struct {
		name string
		body any
		at   string
	}{
		{"an ordinary one", command("watch", option("player", object{"required": true, "autocomplete": true}), option("quiet", nil)), ""},
		{"an upper-case name", command("Watch"), "0.name"},
		{"a name with a space", command("watch add"), "0.name"},
		{"a name over 32", command(strings.Repeat("a", 33)), "0.name"},
		{"no description", []any{object{"name": "a"}}, "0.description"},
		{"required after optional", command("a", option("x", nil), option("y", object{"required": true})), "0.options.1"},
		{"choices with autocomplete", command("a", option("x", object{"autocomplete": true, "choices": []any{object{"name": "n", "value": "v"}}})), "0.options.0.autocomplete"},
		{"two options of one name", command("a", option("x", nil), option("x", nil)), "0.options.1.name"},
		{"subcommands beside options", command("a", object{"type": 1, "name": "s", "description": "d"}, option("x", nil)), "0.options"},
		{"two commands of one name", append(command("a"), command("a")...), "1.name"},
		{"an unknown property", []any{object{"name": "a", "description": "d", "colour": "d"}}, "0.colour"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, call(t, start(t, nil), "PUT", "/applications/"+app+"/commands", tt.body), tt.at)
		})
	}
}

func TestCommandsKeepTheirIDAndNewOnesAreCounted(t *testing.T) {
	s := start(t, nil)
	path := "/applications/" + app + "/commands"
	first := call(t, s, "POST", path, object{"name": "one", "description": "d"})
	again := call(t, s, "POST", path, object{"name": "one", "description": "other"})
	if first.status != 201 || again.status != 200 || first.body["id"] != again.body["id"] {
		t.Errorf("got %d %s, then %d %s", first.status, first.raw, again.status, again.raw)
	}
	for i := range 99 {
		if a := call(t, s, "POST", path, object{"name": fmt.Sprint("c", i), "description": "d"}); a.status != 201 {
			t.Fatalf("got %d %s", a.status, a.raw)
		}
	}
	if a := call(t, s, "POST", path, object{"name": "over", "description": "d"}); a.code() != 30032 {
		t.Errorf("got %s", a.raw)
	}
	put := func(prefix string) answer {
		var all []any
		for i := range 60 {
			all = append(all, object{"name": fmt.Sprint(prefix, i), "description": "d"})
		}
		return call(t, s, "PUT", path, all)
	}
	if a := put("x"); a.status != 200 {
		t.Errorf("160 creates: got %s", a.raw)
	}
	if a := put("y"); a.code() != 30034 {
		t.Errorf("220 creates: got %s", a.raw)
	}
}
