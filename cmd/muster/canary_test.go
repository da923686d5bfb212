package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"muster/sim/discord"
	"muster/sim/game"
)

// Secrets that must never come out again, whoever repeats them to us.
const (
	canaryService = "canaryServiceId7f3a"
	canaryToken   = "CanaryToken.9c1e-4b.xyz_77"
)

// nowhere fails the test where text holds a secret.
func nowhere(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{canaryService, canaryToken} {
		for _, form := range []string{secret, url.QueryEscape(secret), strings.ToLower(secret)} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows a secret: …%s…", where, text[max(0, i-200):min(len(text), i+len(form)+40)])
				return
			}
		}
	}
}

// lookEverywhere reads all that the process shows to anybody.
func lookEverywhere(t *testing.T, page, admin string) {
	t.Helper()
	for _, address := range []string{
		page + "/", page + "/status", page + "/nonsense", page + "/characters/Kestrel", page + "/outfits/NONE",
		page + "/api/v1/status", page + "/api/v1/snapshot", page + "/api/v1/characters/nobody", page + "/api/v1/feed?world=nonsense",
		admin + "/healthz", admin + "/readyz", admin + "/metrics", admin + "/debug/pprof/cmdline",
		admin + "/debug/pprof/goroutine?debug=2", admin + "/debug/pprof/heap?debug=1", admin + "/debug/pprof/",
	} {
		nowhere(t, address, get(t, address))
	}
}

func TestSecretsThatAreAcceptedAreNeverShown(t *testing.T) {
	world := startGame(t, func(c *game.Config) { c.EventsPerSecond = 50 })
	cfg := discord.DefaultConfig()
	cfg.Token = canaryToken
	people, err := discord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := people.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = people.Close() })
	env := append(settings("sqlite:"+filepath.Join(t.TempDir(), "muster.db"), world), "MUSTER_GAME_SERVICE_ID="+canaryService,
		"MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN="+canaryToken, "MUSTER_LOG_LEVEL=debug")
	m := start(t, "muster", env, "all")
	addr := page(t, m.err)
	admin := m.err.find(t, `muster runs.* admin=(\S+)`)
	m.err.find(t, "commands registered")
	user := people.Users()[0].ID
	for _, text := range []string{"/link player:Kestrel", "/watch add player:" + canaryName, "/friends show", "/status", "/online outfit:NONE"} {
		if _, err := people.Command(t.Context(), discord.CommandInput{User: user, Text: text}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, msg := range people.Messages(discord.MessageFilter{}) {
		nowhere(t, "a message", fmt.Sprintf("%+v", msg))
	}
	follow(t, addr, "").wait(t, 5)
	lookEverywhere(t, addr, admin)
	code, stdout, stderr := call(t, env, "config", "check")
	nowhere(t, "config check", stdout+stderr)
	if code != exitOK {
		t.Errorf("config check: %d", code)
	}
	// Losing both sides is when errors with addresses in them are written.
	if err := world.Close(); err != nil {
		t.Error(err)
	}
	if err := people.Close(); err != nil {
		t.Error(err)
	}
	m.err.find(t, "stream cannot be reached")
	lookEverywhere(t, addr, admin)
	nowhere(t, "standard output", m.out.String())
	nowhere(t, "the log", m.err.String())
}

// canaryName is a player whom nobody knows: it is asked of the query service.
const canaryName = "Nobody-At-All"

// A repeater refuses everything and repeats what it was told, secrets and all.
func repeater(t *testing.T, status int, body func(r *http.Request) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Echo", r.RequestURI)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body(r))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestSecretsThatAreRefusedAndRepeatedAreNeverShown(t *testing.T) {
	stream := repeater(t, http.StatusForbidden, func(r *http.Request) string { return "forbidden: " + r.RequestURI })
	bot := repeater(t, http.StatusUnauthorized, func(r *http.Request) string {
		return fmt.Sprintf(`{"code":0,"message":"401: %s"}`, r.Header.Get("Authorization"))
	})
	tests := []struct {
		name  string
		query func(r *http.Request) string
		said  string
	}{
		{"an unknown service id", func(r *http.Request) string {
			return fmt.Sprintf(`{"error":"Provided Service ID is not registered: %s"}`, r.URL.Path)
		}, "Service ID"},
		{"a server error", func(r *http.Request) string {
			return fmt.Sprintf(`{"errorCode":"SERVER_ERROR","errorMessage":"no answer for %s"}`, r.RequestURI)
		}, "SERVER_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			query := repeater(t, http.StatusOK, tt.query)
			env := []string{"MUSTER_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "muster.db"), "MUSTER_LOG_LEVEL=debug",
				"MUSTER_GAME_STREAM_URL=" + strings.Replace(stream, "http", "ws", 1) + "/streaming", "MUSTER_GAME_QUERY_URL=" + query,
				"MUSTER_GAME_SERVICE_ID=" + canaryService, "MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0",
				"MUSTER_DISCORD_URL=" + bot, "MUSTER_DISCORD_TOKEN=" + canaryToken}
			m := start(t, "muster", env, "all")
			addr, admin := m.err.find(t, `muster runs.* page=(\S+)`), m.err.find(t, `muster runs.* admin=(\S+)`)
			m.err.find(t, "stream refuses us")
			m.err.find(t, "role is off")
			m.err.find(t, tt.said)
			lookEverywhere(t, addr, admin)
			nowhere(t, "standard output", m.out.String())
			nowhere(t, "the log", m.err.String())
		})
	}
}

func TestARefusedStartShowsNoSecret(t *testing.T) {
	password := "canaryPassword.5d"
	for _, extra := range [][]string{
		{"MUSTER_DATABASE_URL=mysql:muster:" + password + "@tcp(127.0.0.1:1)/muster"},
		{"MUSTER_DATABASE_URL=mysql://muster:" + password + "@127.0.0.1:1/muster"},
		{"MUSTER_DISCORD_TOKEN=" + canaryToken + " and more"},
		{"MUSTER_GAME_SERVICE_ID=s:" + canaryService + "/.."},
		{"MUSTER_GAME_STREAM_URL=wss://user:" + password + "@%zz/", "MUSTER_GAME_SERVICE_ID=" + canaryService},
	} {
		env := append([]string{"MUSTER_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "muster.db"), "MUSTER_HTTP_ADDR=127.0.0.1:0",
			"MUSTER_ADMIN_ADDR=127.0.0.1:0", "MUSTER_LOG_LEVEL=debug", "MUSTER_GAME_SERVICE_ID=" + canaryService}, extra...)
		code, stdout, stderr := call(t, env, "all")
		if code != exitSetting {
			t.Errorf("%s: exit status %d, want %d", strings.SplitN(extra[0], "=", 2)[0], code, exitSetting)
		}
		nowhere(t, "a refused start", stdout+stderr)
		if strings.Contains(stdout+stderr, password) {
			t.Errorf("a refused start shows the password: %s", stderr)
		}
	}
}
