package discord_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"muster/sim/discord"
)

// control sends a request to the control API.
func control(t *testing.T, s *discord.Server, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return send(t, req)
}

func TestControlOverHTTPDoesWhatTheMethodsDo(t *testing.T) {
	s := running(t)
	a := control(t, s, "POST", "/sim/command", `{"user":"ana","channel":"general","text":"/watch add player:Kestrel"}`)
	if a.status != 200 || a.body["kind"] != "deferred" || a.body["message"].(object)["content"] != "watching Kestrel" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if a := control(t, s, "POST", "/sim/command", `{"user":"ana","text":"/nothing"}`); a.status != 422 || a.body["error"] == nil {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	var seen []struct {
		Content    string `json:"content"`
		ReceivedNS int64  `json:"received_ns"`
		OnlyFor    string `json:"only_for"`
	}
	if err := json.Unmarshal([]byte(control(t, s, "GET", "/sim/messages?user=ana&channel="+general, "").raw), &seen); err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || seen[0].ReceivedNS == 0 || seen[0].OnlyFor != ana {
		t.Errorf("got %+v", seen)
	}
	id := a.body["message"].(object)["id"].(string)
	if a := control(t, s, "DELETE", "/sim/messages/"+id, ""); a.status != 204 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	for _, m := range s.Messages(discord.MessageFilter{User: "ana", Channel: "general"}) {
		if m.ID == id {
			t.Error("a dismissed message is still there")
		}
	}
}

func TestFaultsAreSwitchedOverHTTP(t *testing.T) {
	s := start(t, nil)
	if a := control(t, s, "POST", "/sim/faults", `{"kind":"status","code":10003,"route":"GET /users/@me"}`); a.status != 200 || a.body["id"] != 1.0 {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	if a := call(t, s, "GET", "/users/@me", nil); a.code() != 10003 {
		t.Errorf("got %s", a.raw)
	}
	if a := control(t, s, "DELETE", "/sim/faults/1", ""); a.status != 204 || len(s.Faults()) != 0 {
		t.Errorf("got %d, %+v", a.status, s.Faults())
	}
	if a := control(t, s, "POST", "/sim/faults", `{"kind":"nonsense"}`); a.status != 422 {
		t.Errorf("got %d", a.status)
	}
}

func TestAnotherSiteCannotControl(t *testing.T) {
	s := start(t, nil)
	if a := control(t, s, "POST", "/sim/say", `{"user":"ana","text":"hi"}`, "Origin", "http://elsewhere.example", "Sec-Fetch-Site", "cross-site"); a.status != 403 {
		t.Errorf("got %d", a.status)
	}
	if got := len(s.DMs("ana")); got != 0 {
		t.Errorf("%d messages", got)
	}
	// The gateway too: with the demonstration's token, which is no secret, a page
	// could play the bot.
	header := http.Header{"Origin": {"http://elsewhere.example"}}
	ws, res, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(s.URL(), "http", "ws", 1)+"/?v=10&encoding=json", header)
	if err == nil {
		_ = ws.Close()
		t.Fatal("a page of elsewhere has the gateway")
	}
	if res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("the gateway answers %v: %v", res, err)
	}
}

func TestTheConsoleLoadsNothingFromElsewhere(t *testing.T) {
	s := start(t, nil)
	page := control(t, s, "GET", "/", "")
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("got policy %q", policy)
	}
	for _, name := range []string{"/", "/app.js", "/api.js", "/composer.js", "/faults.js", "/markdown.js", "/message.js"} {
		a := control(t, s, "GET", name, "")
		if a.status != 200 || strings.Contains(a.raw, "innerHTML") || strings.Contains(a.raw, `src="http`) || strings.Contains(a.raw, "<style") {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

func TestEventsAreStreamed(t *testing.T) {
	s := start(t, nil)
	req, err := http.NewRequestWithContext(within(t), http.MethodGet, s.URL()+"/sim/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := s.Say("ana", "", "hi"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if !strings.Contains(data, `"content":"hi"`) {
				t.Errorf("got %s", data)
			}
			return
		}
	}
	t.Error("the stream ended")
}

func TestAClosedServerEndsEverything(t *testing.T) {
	s := start(t, nil)
	c := dial(t, s)
	c.login()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, code := c.read(); code == 0 {
		t.Error("the gateway is still there")
	}
	if err := s.Start("127.0.0.1:0"); err == nil {
		t.Error("a closed stand-in was started")
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*discord.Config)
		want   string
	}{
		{"application id", func(c *discord.Config) { c.AppID = "muster" }, "application id"},
		{"the same id twice", func(c *discord.Config) { c.Users = []discord.User{{ID: "5"}, {ID: "5"}} }, "used twice"},
		{"no such document", func(c *discord.Config) { c.OpenAPIPath = "/nowhere.json" }, "openapi"},
	} {
		cfg := discord.DefaultConfig()
		tt.change(&cfg)
		if _, err := discord.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
