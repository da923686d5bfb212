package discord_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"

	"muster/sim/discord"
)

const (
	token   = "test-token"
	ana     = "1200000000000000001"
	guild   = "1300000000000000001"
	general = "1300000000000000011"
	app     = "1100000000000000001"
)

// openapi returns the path of Discord's document, or "" where it is not at
// hand.
func openapi() string {
	if dir := os.Getenv("MUSTER_SHARED"); dir != "" {
		return filepath.Join(dir, "discord-openapi.json")
	}
	return ""
}

// start returns a running stand-in, without rate limits unless change sets
// them.
func start(t *testing.T, change func(*discord.Config)) *discord.Server {
	t.Helper()
	cfg := discord.DefaultConfig()
	cfg.Token = token
	cfg.Limits = discord.Limits{}
	cfg.IdentifyEvery = -1
	cfg.OpenAPIPath = openapi()
	if change != nil {
		change(&cfg)
	}
	s, err := discord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// within bounds a test's waiting.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it does not come true that %s", what)
		}
	}
}

// redirect sends what is meant for Discord to the stand-in (notes 4).
type redirect struct{ host string }

func (r redirect) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", r.host
	return http.DefaultTransport.RoundTrip(req)
}

// session returns a discordgo session pointed at s.
func session(t *testing.T, s *discord.Server) *discordgo.Session {
	t.Helper()
	d, err := discordgo.New("Bot " + token)
	if err != nil {
		t.Fatal(err)
	}
	d.Client = &http.Client{Transport: redirect{s.URL()[len("http://"):]}}
	d.StateEnabled = false
	d.ShouldReconnectOnError = false
	d.Identify.Intents = discordgo.IntentsGuilds
	d.MaxRestRetries = 0
	return d
}

// connect opens d and closes it with the test.
func connect(t *testing.T, d *discordgo.Session) {
	t.Helper()
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
}

// An answer is what a raw request got.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) code() int {
	n, _ := a.body["code"].(float64)
	return int(n)
}

// call sends a raw REST request as the bot.
func call(t *testing.T, s *discord.Server, method, path string, body any) answer {
	t.Helper()
	var r io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+"/api/v10"+path, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot "+token)
	req.Header.Set("Content-Type", "application/json")
	return send(t, req)
}

func send(t *testing.T, req *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

// openDM returns the channel id of a DM.
func openDM(t *testing.T, s *discord.Server, user string) string {
	t.Helper()
	a := call(t, s, "POST", "/users/@me/channels", map[string]any{"recipient_id": user})
	if a.status != 200 {
		t.Fatalf("open dm: %d %s", a.status, a.raw)
	}
	return a.body["id"].(string)
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
