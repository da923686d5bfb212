package discord_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/sim/discord"
)

// An event is an interaction as a bot gets it.
type event struct {
	ID     string         `json:"id"`
	Token  string         `json:"token"`
	Type   int            `json:"type"`
	Owners map[string]any `json:"authorizing_integration_owners"`
}

func (e event) callback() string { return "/interactions/" + e.ID + "/" + e.Token + "/callback" }
func (e event) webhook() string  { return "/webhooks/" + app + "/" + e.Token }

// provoke lets Ana call /ping and returns the interaction; the answer comes
// on the channel.
func provoke(t *testing.T, s *discord.Server, in discord.CommandInput) (event, <-chan error) {
	t.Helper()
	call(t, s, "PUT", "/applications/"+app+"/commands", []any{object{"name": "ping", "description": "d", "integration_types": []int{0, 1}, "contexts": []int{0, 1}}})
	c := dial(t, s)
	c.login()
	errs := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { _, err := s.Command(within(t), in); errs <- err })
	t.Cleanup(wg.Wait)
	var e event
	if err := json.Unmarshal(c.want(0, "INTERACTION_CREATE").Data, &e); err != nil {
		t.Fatal(err)
	}
	return e, errs
}

var ping = discord.CommandInput{User: "ana", Text: "/ping", NoWait: true}

func reply(kind int, data object) object { return object{"type": kind, "data": data} }

func TestALateFirstResponseFindsNoInteraction(t *testing.T) {
	s := start(t, func(c *discord.Config) { c.InteractionDeadline = 20 * time.Millisecond })
	e, errs := provoke(t, s, ping)
	if err := <-errs; !errors.Is(err, discord.ErrNoResponse) {
		t.Fatalf("got %v", err)
	}
	if a := call(t, s, "POST", e.callback(), reply(4, object{"content": "hi"})); a.status != 404 || a.code() != 10062 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if a := call(t, s, "POST", e.webhook(), object{"content": "hi"}); a.code() != 10015 {
		t.Errorf("got %s", a.raw)
	}
	if got := s.Stats().Missed; got != 1 {
		t.Errorf("got %d missed", got)
	}
}

func TestThereIsOneFirstResponse(t *testing.T) {
	s := start(t, nil)
	e, errs := provoke(t, s, ping)
	if a := call(t, s, "POST", e.callback(), reply(6, nil)); a.code() != 50035 {
		t.Errorf("a deferred update of a command: got %s", a.raw)
	}
	if a := call(t, s, "POST", e.callback(), reply(5, object{"flags": 64})); a.status != 204 {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	if a := call(t, s, "POST", e.callback(), reply(4, object{"content": "hi"})); a.status != 400 || a.code() != 40060 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestADeferralFixesWhoSeesTheAnswer(t *testing.T) {
	s := start(t, nil)
	e, _ := provoke(t, s, discord.CommandInput{User: "ana", Channel: general, Text: "/ping", NoWait: true})
	call(t, s, "POST", e.callback(), reply(5, object{"flags": 64}))
	a := call(t, s, "PATCH", e.webhook()+"/messages/@original", object{"content": "mine alone"})
	if a.status != 200 || a.body["flags"] != 64.0 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if got := s.Messages(discord.MessageFilter{User: "ben", Channel: general}); len(got) != 0 {
		t.Errorf("ben sees %+v", got)
	}
	id := a.body["id"].(string)
	if a := call(t, s, "GET", "/channels/"+general+"/messages/"+id, nil); a.code() != 10008 {
		t.Errorf("an ephemeral message is in the channel: %s", a.raw)
	}
	if a := call(t, s, "DELETE", e.webhook()+"/messages/@original", nil); a.status != 204 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if a := call(t, s, "PATCH", e.webhook()+"/messages/@original", object{"content": "gone"}); a.code() != 10008 {
		t.Errorf("got %s", a.raw)
	}
}

func TestAnInteractionsTokenDies(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	s := start(t, func(c *discord.Config) {
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	e, _ := provoke(t, s, ping)
	call(t, s, "POST", e.callback(), reply(4, object{"content": "hi"}))
	mu.Lock()
	now = now.Add(15*time.Minute + time.Second)
	mu.Unlock()
	if a := call(t, s, "POST", e.webhook(), object{"content": "late"}); a.status != 401 || a.code() != 50027 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
}

func TestAUserInstalledAppHasFiveFollowups(t *testing.T) {
	s := start(t, func(c *discord.Config) {
		c.Guilds = append(discord.DefaultConfig().Guilds, discord.Guild{ID: "1300000000000000002", Name: "Elsewhere", OwnerID: ana, UserInstalledOnly: true,
			Channels: []discord.Channel{{ID: "1300000000000000021", Name: "lounge"}}})
	})
	e, _ := provoke(t, s, discord.CommandInput{User: "ana", Channel: "lounge", Text: "/ping", NoWait: true})
	if e.Owners["1"] != ana {
		t.Errorf("got owners %v", e.Owners)
	}
	call(t, s, "POST", e.callback(), reply(4, object{"content": "hi"}))
	for i := range 6 {
		a := call(t, s, "POST", e.webhook(), object{"content": "more"})
		if want := map[bool]int{true: 40094}[i == 5]; a.code() != want {
			t.Errorf("follow-up %d: got %s", i+1, a.raw)
		}
	}
	if a := call(t, s, "POST", "/channels/1300000000000000021/messages", object{"content": "hi"}); a.code() != 50001 {
		t.Errorf("got %s", a.raw)
	}
}

func TestMalformedResponsesAreRefused(t *testing.T) {
	var choices []any
	for range 26 {
		choices = append(choices, object{"name": "n", "value": "v"})
	}
	input := func(id string) object { return object{"type": 4, "custom_id": id, "label": "l", "style": 1} }
	tests := []struct {
		name string
		body object
		at   string
	}{
		{"unknown type", reply(99, nil), "type"},
		{"content over 2,000", reply(4, object{"content": strings.Repeat("a", 2001)}), "data.content"},
		{"26 choices", reply(8, object{"choices": choices}), "data.choices"},
		{"a modal of six inputs", reply(9, object{"custom_id": "m", "title": "t", "components": append(rows(5, input("a")), rows(1, input("b"))...)}), "data.components"},
		{"a modal title over 45", reply(9, object{"custom_id": "m", "title": strings.Repeat("t", 46), "components": rows(1, input("a"))}), "data.title"},
		{"a button in a modal", reply(9, object{"custom_id": "m", "title": "t", "components": rows(1, button("b"))}), "data.components.0.components.0.type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, call(t, start(t, nil), "POST", "/interactions/99/token/callback", tt.body), tt.at)
		})
	}
}

func TestACommandIsCheckedAsDiscordsClientWould(t *testing.T) {
	s := start(t, nil)
	a := call(t, s, "PUT", "/applications/"+app+"/commands", []any{
		object{"name": "set", "description": "d", "contexts": []int{0}, "options": []any{
			object{"type": 4, "name": "count", "description": "d", "required": true, "min_value": 1, "max_value": 9},
			object{"type": 3, "name": "mode", "description": "d", "choices": []any{object{"name": "Quiet", "value": "q"}}},
		}},
		object{"name": "admin", "description": "d", "default_member_permissions": "0"},
	})
	if a.status != 200 {
		t.Fatal(a.raw)
	}
	for _, tt := range []struct{ user, channel, text, want string }{
		{"ana", general, "/sett count:1", "no such command"},
		{"ana", "", "/set count:1", "no such command"},
		{"ana", general, "/set", "count is required"},
		{"ana", general, "/set count:ten", "no whole number"},
		{"ana", general, "/set count:10", "9 at most"},
		{"ana", general, "/set count:1 mode:loud", "not one of its choices"},
		{"ben", general, "/admin", "no such command"},
		{"nobody", "", "/set", "no such user"},
		{"ben", "nowhere", "/set", "no such channel"},
	} {
		if _, err := s.Command(within(t), discord.CommandInput{User: tt.user, Channel: tt.channel, Text: tt.text}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s in %q: %s: got %v, want %q", tt.user, tt.channel, tt.text, err, tt.want)
		}
	}
}

func TestSuggestionsFollowTheText(t *testing.T) {
	s := running(t)
	for _, tt := range []struct{ text, focused, first string }{
		{"/", "", "/ping"},
		{"/watch a", "", "/watch add"},
		{"/watch add ", "", "player"},
		{"/watch add player:Kes", "player", ""},
		{"/nothing", "", ""},
	} {
		got, err := s.Suggest(discord.CommandInput{User: "ana", Text: tt.text})
		if err != nil {
			t.Fatal(err)
		}
		first := ""
		if len(got.Items) > 0 {
			first = got.Items[0].Label
		}
		if got.Focused != tt.focused || first != tt.first {
			t.Errorf("%q: got focus %q and %q, want %q and %q", tt.text, got.Focused, first, tt.focused, tt.first)
		}
	}
}
