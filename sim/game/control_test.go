package game

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestControlOverHTTP(t *testing.T) {
	dir := t.TempDir()
	line := `{"payload":{"character_id":"5428010618015189601","event_name":"PlayerLogin","timestamp":"1000","world_id":"17"},"service":"event","type":"serviceMessage"}`
	if err := os.WriteFile(filepath.Join(dir, "short.jsonl"), []byte(line+"\n"+line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := quiet()
	cfg.StaticDir = dir
	s := mustStart(t, cfg)
	c := mustDial(t, s, "ps2")
	c.subscribe()
	quoted, _ := json.Marshal(line)
	tests := []struct {
		path, body string
		status     int
		want       string // event that comes of it
	}{
		{"/sim/login", `{"character":"ravenholt"}`, 200, "PlayerLogin"},
		{"/sim/logout", `{"character":"Ravenholt"}`, 200, "PlayerLogout"},
		{"/sim/login", `{"character":"Nobody"}`, 400, ""},
		{"/sim/login", `{"who":"Ravenholt"}`, 400, ""},
		{"/sim/kill", `{"attacker":"Kestrel","victim":"Marlowe","weapon":"78","headshot":true}`, 200, "Death"},
		{"/sim/emit", `{"event_name":"BrandNew","world_id":"10","character_id":"5"}`, 200, "BrandNew"},
		{"/sim/emit", `[`, 400, ""},
		{"/sim/rate", `{"events_per_second":200}`, 200, ""},
		{"/sim/rate", `{"events_per_second":-1}`, 400, ""},
		{"/sim/pause", ``, 200, ""},
		{"/sim/resume", ``, 200, ""},
		{"/sim/step", `{"steps":0}`, 200, ""},
		{"/sim/fault", `{"fault":"silent_world","world":"40","duration_ms":60000}`, 200, ""},
		{"/sim/fault", `{"fault":"gremlins"}`, 400, ""},
		{"/sim/outfit", `{"character":"Sundew","tag":""}`, 200, ""},
		{"/sim/replay", `{"path":"short.jsonl"}`, 200, "PlayerLogin"},
		{"/sim/replay", `{"path":"../../../etc/hostname"}`, 400, ""},
		{"/sim/replay", `{"lines":[` + line + `,` + string(quoted) + `]}`, 200, "PlayerLogin"},
		{"/sim/nonsense", `{}`, 404, ""},
	}
	for _, tt := range tests {
		status, body := post(t, s, tt.path, tt.body)
		if status != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.path, tt.body, status, body, tt.status)
		}
		events := c.events()
		if tt.want == "" && len(events) > 0 || tt.want != "" && (len(events) == 0 || events[0]["event_name"] != tt.want) {
			t.Errorf("%s %s: got events %v, want %q", tt.path, tt.body, events, tt.want)
		}
	}
	for path, want := range map[string]string{
		"/sim/state": `"events_per_second":200`, "/sim/faults": `"silent_world"`, "/sim/characters?name=kest": `"Kestrel"`,
		"/sim/journal?after=1&limit=1": `"n":2`, "/": "Game simulator",
	} {
		if body, resp := mustGet(t, s, path); resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	req, _ := http.NewRequest(http.MethodDelete, s.QueryURL()+"/sim/fault", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK || len(s.Faults()) != 0 {
		t.Errorf("clearing: %v %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestEveryFaultOfTheCatalogueCanBeSetAndCleared(t *testing.T) {
	s := mustStart(t, quiet())
	for _, k := range Catalogue() {
		if _, err := s.SetFault(Fault{Name: k.Name, World: "10", Character: "Kestrel", DurationMS: 60_000}); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
	s.ClearFault(0)
	if got := s.Faults(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestTheGeneratorKeepsThePaceItIsToldAndStopsWhenPaused(t *testing.T) {
	for _, rate := range []float64{25, 200, 1000} {
		cfg := quiet()
		cfg.Players = 120
		cfg.EventsPerSecond = rate
		s := mustStart(t, cfg)
		s.Step(200)
		got := float64(s.State().Emitted) / 20
		if got < rate*0.9 || got > rate*1.2+10 {
			t.Errorf("at %g/s it made %g/s of game time", rate, got)
		}
		s.Pause()
		before := s.State().Emitted
		s.Step(100)
		if s.State().Emitted != before {
			t.Error("paused, and events came")
		}
	}
}

func TestTheGeneratorRunsByItself(t *testing.T) {
	cfg := DefaultConfig()
	cfg.EventsPerSecond = 500
	s := mustStart(t, cfg)
	c := mustDial(t, s, "ps2")
	c.subscribe()
	for range 50 {
		c.event()
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no environment":      func(c *Config) { c.Environments = nil },
		"unknown environment": func(c *Config) { c.Environments = []string{"ps3"} },
		"unknown world":       func(c *Config) { c.Worlds = []string{"77"} },
		"too few players":     func(c *Config) { c.Players = 1 },
		"negative pace":       func(c *Config) { c.EventsPerSecond = -1 },
		"no heartbeat":        func(c *Config) { c.HeartbeatEvery = 0 },
		"no captures":         func(c *Config) { c.CaptureEvery = 0 },
		"no nodes":            func(c *Config) { c.Nodes = 0 },
	} {
		cfg := quiet()
		spoil(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestManyHandsAtOnce drives everything together, for the race detector.
func TestManyHandsAtOnce(t *testing.T) {
	cfg := DefaultConfig()
	cfg.EventsPerSecond, cfg.Players, cfg.HeartbeatEvery = 300, 30, 20*time.Millisecond
	s := mustStart(t, cfg)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			c := mustDial(t, s, "ps2")
			c.subscribe()
			for range 40 {
				c.event()
			}
			_ = c.ws.Close()
		})
		wg.Go(func() {
			for n := range 20 {
				f, err := s.SetFault(Fault{Name: []string{"duplicates", "clock", "node_loss", "rest_slow"}[i], Share: 0.5, DelayMS: 1, DurationMS: 1})
				if err != nil {
					t.Error(err)
				}
				_ = s.Login("Ravenholt")
				_ = mustQuery(t, s, "character?name.first_lower=kestrel&c:resolve=online_status,friends")
				s.State()
				s.Journal(int64(n), 10)
				s.ClearFault(f.ID)
			}
		})
	}
	wg.Wait()
}

func TestACloseEndsEverything(t *testing.T) {
	s := mustStart(t, quiet())
	c := mustDial(t, s, "ps2")
	c.subscribe()
	mustFault(t, s, Fault{Name: "rest_hang"})
	gone := make(chan error, 1)
	go func() {
		resp, err := http.Get(s.QueryURL() + "/s:test/get/ps2/item")
		if err == nil {
			err = fmt.Errorf("answered %d", resp.StatusCode)
			_ = resp.Body.Close()
		}
		gone <- err
	}()
	eventually(t, "the request hangs", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.faults.active[0].struck == 1
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-gone; err == nil || strings.Contains(err.Error(), "answered") {
		t.Errorf("the hanging request: %v", err)
	}
	if _, _, err := c.ws.ReadMessage(); err == nil {
		t.Error("the stream goes on after Close")
	}
}

func TestAPageOfElsewhereCannotDriveTheGame(t *testing.T) {
	s := mustStart(t, quiet())
	for _, req := range []struct {
		method, path string
		header       http.Header
	}{
		{http.MethodPost, "/sim/pause", http.Header{"Origin": {"https://evil.example"}, "Content-Type": {"text/plain"}}},
		{http.MethodGet, "/sim/journal", http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		{http.MethodGet, "/streaming?environment=ps2&service-id=s:test", http.Header{"Origin": {"https://evil.example"},
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), req.method, s.QueryURL()+req.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = req.header
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s %s: status %d, want 403", req.method, req.path, res.StatusCode)
		}
	}
}
