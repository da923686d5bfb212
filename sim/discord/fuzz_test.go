package discord_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"muster/sim/discord"
)

// fresh returns a stand-in that does not listen.
func fresh(t testing.TB) *discord.Server {
	t.Helper()
	cfg := discord.DefaultConfig()
	cfg.Limits = discord.Limits{}
	s, err := discord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func FuzzAnyBodyHasAnAnswer(f *testing.F) {
	for _, tt := range messageChecks {
		f.Add(0, mustJSON(f, tt.body))
	}
	f.Add(1, `{"type":9,"data":{"custom_id":"m","title":"t","components":[{"type":1,"components":[{"type":4}]}]}}`)
	f.Add(2, `[{"name":"a","description":"d","options":[{"type":1,"options":[null]}]},5]`)
	f.Add(3, `{"recipient_id":5}`)
	s := fresh(f)
	paths := []string{"POST /channels/" + general + "/messages", "POST /interactions/9/t/callback", "PUT /applications/" + app + "/commands",
		"POST /users/@me/channels", "POST /applications/" + app + "/commands", "POST /webhooks/" + app + "/t"}
	f.Fuzz(func(t *testing.T, which int, body string) {
		method, path, _ := strings.Cut(paths[(which%len(paths)+len(paths))%len(paths)], " ")
		req := httptest.NewRequestWithContext(t.Context(), method, "/api/v10"+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bot x")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if !slices.Contains([]int{200, 201, 204, 400, 404}, w.Code) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}

func FuzzAnyTextHasSuggestions(f *testing.F) {
	for _, text := range []string{"", "/", "/watch", "/watch add ", "/watch add player:", "/watch add player:a player:b", "/ watch", "/watch add é:"} {
		f.Add(text)
	}
	s := fresh(f)
	req := httptest.NewRequestWithContext(f.Context(), "PUT", "/api/v10/applications/"+app+"/commands", strings.NewReader(mustJSON(f, commands())))
	req.Header.Set("Authorization", "Bot x")
	s.ServeHTTP(httptest.NewRecorder(), req)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := s.Suggest(discord.CommandInput{User: "ana", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		if got.Focused != "" && !strings.HasPrefix(text, "/"+got.Command) {
			t.Errorf("%q is not %q", text, got.Command)
		}
	})
}
