package discord_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/sim/discord"
)

func TestEveryRequestNeedsTheBotsToken(t *testing.T) {
	s := start(t, nil)
	for _, header := range []string{"", token, "Bot wrong", "Bearer " + token} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/api/v10/users/@me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		if a := send(t, req); a.status != 401 {
			t.Errorf("%q: got %d", header, a.status)
		}
	}
	if a := call(t, s, "GET", "/users/@me", nil); a.status != 200 || a.body["bot"] != true {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	if got := s.Stats().Invalid; got != 4 {
		t.Errorf("got %d invalid requests, want 4", got)
	}
}

func TestErrorsHaveDiscordsCodes(t *testing.T) {
	s := start(t, func(c *discord.Config) {
		c.Users = append(discord.DefaultConfig().Users, discord.User{ID: "1200000000000000009", Username: "dora", NoMutual: true})
		g := discord.DefaultConfig().Guilds[0]
		g.Channels = append(g.Channels, discord.Channel{ID: "1300000000000000013", Name: "officers", Hidden: true}, discord.Channel{ID: "1300000000000000014", Name: "rules", ReadOnly: true})
		c.Guilds = []discord.Guild{g}
	})
	if err := s.SetDMs("ben", false); err != nil {
		t.Fatal(err)
	}
	say := map[string]any{"content": "hi"}
	tests := []struct {
		name, method, path string
		body               any
		status, code       int
	}{
		{"unknown route", "GET", "/nowhere", nil, 404, 0},
		{"method not allowed", "DELETE", "/users/@me", nil, 405, 0},
		{"unknown channel", "POST", "/channels/99/messages", say, 404, 10003},
		{"unknown message", "PATCH", "/channels/" + general + "/messages/99", say, 404, 10008},
		{"unknown guild", "GET", "/guilds/99", nil, 404, 10004},
		{"unknown user", "GET", "/users/99", nil, 404, 10013},
		{"unknown recipient", "POST", "/users/@me/channels", map[string]any{"recipient_id": "99"}, 400, 50033},
		{"unknown command", "DELETE", "/applications/" + app + "/commands/99", nil, 404, 10063},
		{"unknown interaction", "POST", "/interactions/99/token/callback", map[string]any{"type": 4, "data": say}, 404, 10062},
		{"unknown webhook", "POST", "/webhooks/" + app + "/token", say, 404, 10015},
		{"missing access", "POST", "/channels/1300000000000000013/messages", say, 403, 50001},
		{"missing permission", "POST", "/channels/1300000000000000014/messages", say, 403, 50013},
		{"closed dms", "POST", "/channels/" + openDM(t, s, "1200000000000000002") + "/messages", say, 403, 50007},
		{"no mutual guild", "POST", "/channels/" + openDM(t, s, "1200000000000000009") + "/messages", say, 403, 50278},
		{"empty message", "POST", "/channels/" + general + "/messages", map[string]any{"content": " "}, 400, 50006},
		{"no snowflake", "GET", "/channels/general", nil, 400, 50035},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a := call(t, s, tt.method, tt.path, tt.body); a.status != tt.status || a.code() != tt.code {
				t.Errorf("got %d %s, want %d %d", a.status, a.raw, tt.status, tt.code)
			}
		})
	}
}

func TestAnEnforcedNonceReturnsTheFirstMessage(t *testing.T) {
	s := start(t, nil)
	path := "/channels/" + openDM(t, s, ana) + "/messages"
	body := map[string]any{"content": "hi", "nonce": "k1", "enforce_nonce": true}
	first, second := call(t, s, "POST", path, body), call(t, s, "POST", path, body)
	if first.body["id"] != second.body["id"] || len(s.DMs(ana)) != 1 || s.Stats().Deduplicated != 1 {
		t.Errorf("got %v and %v, %d messages", first.body["id"], second.body["id"], len(s.DMs(ana)))
	}
	body["enforce_nonce"] = false
	if third := call(t, s, "POST", path, body); third.body["id"] == first.body["id"] || third.body["nonce"] != "k1" {
		t.Errorf("got %s", third.raw)
	}
}

func TestAMessageIsEditedListedAndDeleted(t *testing.T) {
	s := start(t, nil)
	path := "/channels/" + general + "/messages"
	id := call(t, s, "POST", path, map[string]any{"content": "one", "embeds": []any{map[string]any{"title": "t"}}}).body["id"].(string)
	edited := call(t, s, "PATCH", path+"/"+id, map[string]any{"content": "two", "embeds": []any{}})
	if edited.body["content"] != "two" || edited.body["edited_timestamp"] == nil || len(edited.body["embeds"].([]any)) != 0 {
		t.Errorf("got %s", edited.raw)
	}
	if a := call(t, s, "PATCH", path+"/"+id, map[string]any{"content": ""}); a.code() != 50006 {
		t.Errorf("emptied: got %s", a.raw)
	}
	if a := call(t, s, "GET", path+"?limit=1", nil); !strings.Contains(a.raw, id) {
		t.Errorf("got %s", a.raw)
	}
	if a := call(t, s, "DELETE", path+"/"+id, nil); a.status != 204 || len(s.Messages(discord.MessageFilter{Channel: general})) != 0 {
		t.Errorf("got %d %s", a.status, a.raw)
	}
	m, err := s.Say("ana", "general", "mine")
	if err != nil {
		t.Fatal(err)
	}
	if a := call(t, s, "PATCH", path+"/"+m.ID, map[string]any{"content": "yours"}); a.code() != 50005 {
		t.Errorf("got %s", a.raw)
	}
}

func TestAFileIsUploadedBesideItsMessage(t *testing.T) {
	s := start(t, nil)
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	_ = w.WriteField("payload_json", `{"content":"chart","embeds":[{"image":{"url":"attachment://chart.png"}}],"attachments":[{"id":"0","filename":"chart.png"}]}`)
	f, err := w.CreateFormFile("files[0]", "chart.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write([]byte("not really"))
	_ = w.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/api/v9/channels/"+general+"/messages", &buf)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Authorization", "Bot "+token)
	if a := send(t, req); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	m := s.Messages(discord.MessageFilter{Channel: "general"})[0]
	if len(m.Attachments) != 1 || m.Attachments[0].Filename != "chart.png" || string(m.Attachments[0].Content) != "not really" {
		t.Fatalf("got %+v", m.Attachments)
	}
	if m.Embeds[0].Image.URL != m.Attachments[0].URL {
		t.Errorf("the embed shows %q", m.Embeds[0].Image.URL)
	}
	if file := control(t, s, "GET", m.Attachments[0].URL, ""); file.raw != "not really" {
		t.Errorf("got %d %s", file.status, file.raw)
	}
	call(t, s, "PATCH", "/channels/"+general+"/messages/"+m.ID, object{"attachments": []any{}})
	if m := s.Messages(discord.MessageFilter{Channel: "general"})[0]; len(m.Attachments) != 0 {
		t.Errorf("an attachment that was left out stayed: %+v", m.Attachments)
	}
}

func TestOnlyAllowedMentionsPing(t *testing.T) {
	s := start(t, nil)
	path := "/channels/" + general + "/messages"
	text := "@everyone <@" + ana + ">"
	loud := call(t, s, "POST", path, map[string]any{"content": text})
	quiet := call(t, s, "POST", path, map[string]any{"content": text, "allowed_mentions": map[string]any{"parse": []any{}}})
	if loud.body["mention_everyone"] != true || len(loud.body["mentions"].([]any)) != 1 {
		t.Errorf("got %s", loud.raw)
	}
	if quiet.body["mention_everyone"] != false || len(quiet.body["mentions"].([]any)) != 0 {
		t.Errorf("got %s", quiet.raw)
	}
}

func TestLimitsAnswerWithTheRealHeaders(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := start(t, func(c *discord.Config) {
		c.Limits = discord.DefaultLimits()
		c.Limits.Global = 8
		c.Now = func() time.Time { return now }
	})
	dm := openDM(t, s, ana)
	path := "/channels/" + dm + "/messages"
	for i := range 5 {
		a := call(t, s, "POST", path, map[string]any{"content": "hi"})
		if got, want := a.header.Get("X-RateLimit-Remaining"), strconv.Itoa(4-i); a.status != 200 || got != want {
			t.Errorf("request %d: got %d, remaining %s, want %s", i, a.status, got, want)
		}
	}
	a := call(t, s, "POST", path, map[string]any{"content": "hi"})
	if a.status != 429 || a.header.Get("X-RateLimit-Scope") != "user" || a.header.Get("Retry-After") != "5" || a.body["retry_after"] != 5.0 || a.body["global"] != false {
		t.Errorf("got %d %v %s", a.status, a.header, a.raw)
	}
	if a := call(t, s, "POST", "/channels/"+general+"/messages", map[string]any{"content": "hi"}); a.status != 200 {
		t.Errorf("another channel shares the bucket: %s", a.raw)
	}
	a = call(t, s, "GET", "/users/@me", nil)
	if a.status != 429 || a.header.Get("X-RateLimit-Global") != "true" || a.header.Get("X-RateLimit-Scope") != "global" || a.body["global"] != true {
		t.Errorf("got %d %v %s", a.status, a.header, a.raw)
	}
	if a := call(t, s, "POST", "/webhooks/"+app+"/token", map[string]any{"content": "hi"}); a.code() != 10015 {
		t.Errorf("an interaction endpoint met the global limit: %s", a.raw)
	}
}

func TestTooManyInvalidRequestsAreBanned(t *testing.T) {
	s := start(t, func(c *discord.Config) { c.Limits = discord.Limits{Enabled: true, Invalid: 3} })
	if err := s.SetDMs("ana", false); err != nil {
		t.Fatal(err)
	}
	path := "/channels/" + openDM(t, s, ana) + "/messages"
	for range 4 {
		call(t, s, "POST", path, map[string]any{"content": "hi"})
	}
	a := call(t, s, "GET", "/users/@me", nil)
	if a.status != 429 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %v", a.status, a.header)
	}
}

func TestRESTFaultsStrikeAsTold(t *testing.T) {
	const messages = "POST /channels/{channel_id}/messages"
	tests := []struct {
		name   string
		fault  discord.Fault
		status int
		code   int
		stored int
	}{
		{"any status", discord.Fault{Kind: discord.FaultStatus, Status: 503, Route: messages}, 503, 0, 0},
		{"any code with its status", discord.Fault{Kind: discord.FaultStatus, Code: 50001}, 403, 50001, 0},
		{"stored, then lost", discord.Fault{Kind: discord.FaultLost, Route: messages}, 502, 0, 1},
		{"ban page", discord.Fault{Kind: discord.FaultBan}, 429, 0, 0},
		{"global limit", discord.Fault{Kind: discord.FaultGlobal}, 429, 0, 0},
		{"shared limit", discord.Fault{Kind: discord.FaultShared, Route: "* /channels/*"}, 429, 0, 0},
		{"closed dms of one user", discord.Fault{Kind: discord.FaultUndeliverable, User: ana}, 403, 50007, 0},
		{"another user's fault", discord.Fault{Kind: discord.FaultUndeliverable, User: "1200000000000000002"}, 200, 0, 1},
		{"another route's fault", discord.Fault{Kind: discord.FaultStatus, Route: "GET /users/@me"}, 200, 0, 1},
		{"delay", discord.Fault{Kind: discord.FaultDelay, DelayMS: 1}, 200, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, nil)
			path := "/channels/" + openDM(t, s, ana) + "/messages"
			tt.fault.Count = 1
			if _, err := s.AddFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			if a := call(t, s, "POST", path, map[string]any{"content": "hi"}); a.status != tt.status || a.code() != tt.code {
				t.Errorf("got %d %s, want %d %d", a.status, a.raw, tt.status, tt.code)
			}
			if got := len(s.DMs(ana)); got != tt.stored {
				t.Errorf("%d messages stored, want %d", got, tt.stored)
			}
		})
	}
}

func TestAFaultEndsAfterItsCountAndStrikesItsShare(t *testing.T) {
	s := start(t, nil)
	if _, err := s.AddFault(discord.Fault{Kind: discord.FaultStatus, Status: 500, Share: 0.25, Count: 2}); err != nil {
		t.Fatal(err)
	}
	got := ""
	for range 12 {
		got += fmt.Sprint(call(t, s, "GET", "/users/@me", nil).status/100) + " "
	}
	if want := "2 2 2 5 2 2 2 5 2 2 2 2 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAHangingRequestAndACutOneEndWithoutAnAnswer(t *testing.T) {
	s := start(t, nil)
	for _, kind := range []string{discord.FaultReset, discord.FaultHang} {
		if _, err := s.AddFault(discord.Fault{Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Timeout: 100 * time.Millisecond}
		if kind == discord.FaultReset {
			client.Timeout = 20 * time.Second
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/api/v9/channels/"+general+"/messages", strings.NewReader(`{"content":"hi"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bot "+token)
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: got %d", kind, resp.StatusCode)
		}
	}
}
