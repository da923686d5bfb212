package notifier_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"muster/event"
)

func checkProblem(t *testing.T, res *http.Response, body []byte, status int) {
	t.Helper()
	var p struct {
		Title     string
		Status    int
		RequestID string `json:"request_id"`
	}
	err := json.Unmarshal(body, &p)
	if err != nil || res.StatusCode != status || p.Status != status || p.Title == "" ||
		res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s, %s: %s; want problem details with %d", res.Status, res.Header.Get("Content-Type"), body, status)
	}
	if p.RequestID == "" || p.RequestID != res.Header.Get("X-Request-Id") {
		t.Errorf("request id %q, header %q", p.RequestID, res.Header.Get("X-Request-Id"))
	}
}

func into(t *testing.T, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}

func TestWhatIsNotThereIsAProblem(t *testing.T) {
	s := start(t, nil)
	tests := []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/v1/nothing", 404},
		{"GET", "/no/such/page", 404},
		{"GET", "/static/../notifier.go", 404},
		{"GET", "/static/app.js", 404},
		{"GET", "/api/v1/summary", 404},
		{"GET", "/api/v1/characters/Nobody", 404},
		{"GET", "/api/v1/characters/5428010618020691234", 404},
		{"GET", "/api/v1/characters/%00%ff", 404},
		{"GET", "/api/v1/characters/" + strings.Repeat("a", 500), 404},
		{"GET", "/api/v1/outfits/NOPE", 404},
		{"GET", "/api/v1/outfits/37509488620601506", 404},
		{"GET", "/api/v1/outfits/NOPE/roster", 404},
		{"GET", "/api/v1/snapshot?world=9999", 400},
		{"POST", "/api/v1/feed", 405},
		{"DELETE", "/", 405},
		{"PUT", "/no/such/page", 405},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path[:min(40, len(tt.path))], func(t *testing.T) {
			res, body := do(t, tt.method, s.url+tt.path)
			checkProblem(t, res, body, tt.status)
			if tt.status == 405 && res.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", res.Header.Get("Allow"))
			}
		})
	}
}

func TestAPersonGetsAPageInsteadOfAProblem(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/no/such/page", "/characters/Nobody", "/outfits/NOPE"} {
		res, body := get(t, s.url+path, "Accept", "text/html")
		if res.StatusCode != http.StatusNotFound || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(body), "<h1>Not Found</h1>") {
			t.Errorf("%s: %s %s", path, res.Status, body)
		}
	}
}

func TestEveryAnswerIsLockedDownAndNamed(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/", "/status", "/api/v1/status", "/nothing"} {
		res, _ := get(t, s.url+path, "X-Request-Id", "mine-1")
		h := res.Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: no %s in %q", path, want, csp)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("X-Request-Id") != "mine-1" || h.Get("Cache-Control") == "" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
	res, _ := get(t, s.url+"/", "X-Request-Id", "<script>")
	if id := res.Header.Get("X-Request-Id"); id == "<script>" || id == "" {
		t.Errorf("request id %q", id)
	}
}

func TestAssetsAreKeptForEver(t *testing.T) {
	s := start(t, nil)
	_, page := get(t, s.url+"/")
	for _, end := range []string{".css", ".js", ".svg"} {
		_, rest, ok := strings.Cut(string(page), `"/static/`)
		for ok && !strings.HasSuffix(strings.SplitN(rest, `"`, 2)[0], end) {
			_, rest, ok = strings.Cut(rest, `"/static/`)
		}
		if !ok {
			t.Fatalf("the page names no %s", end)
		}
		res, body := get(t, s.url+"/static/"+strings.SplitN(rest, `"`, 2)[0])
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || len(body) == 0 || res.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %s %v", end, res.Status, res.Header)
		}
	}
}

func TestHeadAnswersAndEnds(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/api/v1/feed", "/", "/api/v1/snapshot", "/static/none"} {
		if res, body := do(t, http.MethodHead, s.url+path); len(body) != 0 || res.StatusCode != http.StatusOK && path != "/static/none" {
			t.Errorf("HEAD %s: %s, %d bytes", path, res.Status, len(body))
		}
	}
}

func TestStatusSaysHowStreamsAreNow(t *testing.T) {
	s := start(t, nil)
	now := time.Now().UTC()
	s.store.change(func(m *memory) {
		m.gaps = []event.Gap{{World: 10, From: now.Add(-time.Hour), To: now.Add(-time.Minute), Cause: "cut off"}, {World: 1, From: now.Add(-time.Minute)}}
		m.players[alice] = event.Player{Online: event.Online{Online: true, World: 10}}
	})
	for _, st := range []event.StreamState{
		{World: 10, Health: event.StreamLive, Since: now, ReportedAt: now, LastEventAt: now},
		{World: 40, Health: event.StreamLive, Since: now.Add(-time.Hour), ReportedAt: now.Add(-2 * event.StaleStream)},
	} {
		s.bus.publish(t, event.TopicFeed, event.FeedMessage{Stream: &st})
	}
	_, body := get(t, s.url+"/api/v1/status")
	var got struct {
		Worlds []struct {
			World  int
			Name   string
			Online int
			Stream *struct{ Health, Reason string }
		}
		Gaps     []struct{ Name, Cause string }
		Versions map[string]string
	}
	into(t, body, &got)
	healths := map[int]string{}
	for _, w := range got.Worlds {
		if w.Stream != nil {
			healths[w.World] = w.Stream.Health
		}
		if w.World == 10 && (w.Online != 1 || w.Name != "Wainwright") {
			t.Errorf("world 10: %+v", w)
		}
	}
	if healths[10] != "live" || healths[40] != "down" || healths[1] != "" {
		t.Errorf("healths %v; a stream nobody reports is down", healths)
	}
	if len(got.Gaps) != 2 || got.Gaps[0].Name != "Osprey" || got.Versions["muster"] != "test" {
		t.Errorf("gaps %v, versions %v", got.Gaps, got.Versions)
	}
}

func TestASnapshotAndTheStreamFromItLeaveNoGap(t *testing.T) {
	s := start(t, nil)
	for _, before := range []int{0, 1} { // an empty ring, and one with an event
		for n := range before {
			s.publish(t, item(n, "login", 1, who(alice, "Alice"), nil))
		}
		var snap struct {
			LastID string `json:"last_id"`
		}
		eventually(t, "the snapshot is fresh", func() bool { // it is kept for a second
			_, body := get(t, s.url+"/api/v1/snapshot")
			into(t, body, &snap)
			return before == 0 || snap.LastID == itemID(0)
		})
		// Older than the snapshot by its id, for it waited in a queue, but newer here.
		late := item(-1000-before, "login", 1, who(bob, "Bob"), nil)
		s.publish(t, late)
		f := follow(t, s.url+"/api/v1/feed?last_event_id="+snap.LastID)
		m, got := f.until("resumed")
		if len(got) != 1 || got[0] != late.ID || !strings.Contains(string(m.Data), `"complete":true`) {
			t.Errorf("with %d before: got %v, %s", before, got, m.Data)
		}
		f.close()
	}
}

func TestAPageMayBeginWithWhatHasJustBeen(t *testing.T) {
	for _, events := range []int{0, 10, 400} {
		s := start(t, nil)
		for n := range events {
			s.publish(t, item(2*n, "kill", 10, who(alice, "Alice"), nil), item(2*n+1, "experience", 10, who(alice, "Alice"), nil))
		}
		var snap struct {
			RecentID string `json:"recent_id"`
		}
		_, body := get(t, s.url+"/api/v1/snapshot")
		into(t, body, &snap)
		f := follow(t, s.url+"/api/v1/feed?kind=kill&last_event_id="+snap.RecentID)
		m, got := f.until("resumed")
		if len(got) != min(events, 150) || !strings.Contains(string(m.Data), `"complete":true`) {
			t.Errorf("of %d kills came %d: %s", events, len(got), m.Data)
		}
		f.close()
	}
}

func TestPeopleAndOutfits(t *testing.T) {
	s := start(t, nil)
	now := time.Now().UTC()
	s.store.change(func(m *memory) {
		mine := event.Outfit{ID: outfit, Tag: "ABC", Name: "Alphabet", Members: 2}
		m.outfits = []event.Outfit{{ID: outfit + 1, Tag: "abc", Name: "Small"}, mine}
		m.players[alice] = event.Player{Character: event.Character{ID: alice, Name: "Alice", Outfit: mine}}
		m.players[bob] = event.Player{Character: event.Character{ID: bob, Outfit: mine},
			Online: event.Online{Online: true, World: 10, Zone: 2, Since: now, LastSeen: now}}
		m.sessions = []event.Session{{Character: bob, World: 10, StartedAt: now}}
	})
	type character struct {
		Character struct{ ID, Name string }
		Online    bool
		ZoneName  string `json:"zone_name"`
		Sessions  []struct{ World int }
	}
	for _, path := range []string{"alice", "Alice", alice.String()} {
		_, body := get(t, s.url+"/api/v1/characters/"+path)
		var c character
		if into(t, body, &c); c.Character.ID != alice.String() || c.Online {
			t.Errorf("%s: %s", path, body)
		}
	}
	_, body := get(t, s.url+"/api/v1/characters/"+bob.String())
	var c character
	if into(t, body, &c); !c.Online || c.ZoneName != "Indar" || len(c.Sessions) != 1 {
		t.Errorf("bob: %s", body)
	}
	for _, tag := range []string{"ABC", "abc", outfit.String()} {
		_, body := get(t, s.url+"/api/v1/outfits/"+tag+"/roster")
		var r struct {
			Outfit  struct{ ID string }
			Online  int
			Members []character
		}
		if into(t, body, &r); r.Outfit.ID != outfit.String() || r.Online != 1 || len(r.Members) != 2 || !r.Members[0].Online {
			t.Errorf("%s: %s", tag, body)
		}
	}
	_, page := get(t, s.url+"/outfits/ABC")
	if !strings.Contains(string(page), event.Placeholder(bob)) || !strings.Contains(string(page), "Small") {
		t.Error("the outfit's page shows no placeholder, or not the other outfit of the tag")
	}
	if _, page := get(t, s.url+"/characters/alice"); !strings.Contains(string(page), "has not seen this player") {
		t.Error("the page of a player never seen does not say so")
	}
}

func TestWithoutAStoreThereIsNoNewsButThePageStands(t *testing.T) {
	s := start(t, nil)
	s.store.change(func(m *memory) { m.err = errors.New("password=hunter2 refused") })
	for _, path := range []string{"/api/v1/status", "/api/v1/snapshot", "/api/v1/characters/Alice", "/api/v1/outfits/ABC", "/api/v1/outfits/ABC/roster"} {
		res, body := get(t, s.url+path)
		checkProblem(t, res, body, http.StatusServiceUnavailable)
		if res.Header.Get("Retry-After") == "" || strings.Contains(string(body), "hunter2") {
			t.Errorf("%s: %v %s", path, res.Header, body)
		}
	}
	if res, body := get(t, s.url+"/status"); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(string(body), "hunter2") {
		t.Errorf("/status: %s", res.Status)
	}
	if res, _ := get(t, s.url+"/"); res.StatusCode != http.StatusOK {
		t.Errorf("/: %s", res.Status)
	}
	s.store.change(func(m *memory) { m.err = nil })
	if res, _ := get(t, s.url+"/api/v1/status"); res.StatusCode != http.StatusOK {
		t.Errorf("when it is back: %s", res.Status)
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	s := start(t, nil)
	s.store.change(func(m *memory) { m.panics = true })
	res, body := get(t, s.url+"/api/v1/status")
	checkProblem(t, res, body, http.StatusInternalServerError)
	if res, body := get(t, s.url+"/api/v1/status"); res.StatusCode < http.StatusInternalServerError {
		t.Errorf("right after: %s %s", res.Status, body)
	}
	s.store.change(func(m *memory) { m.panics = false })
	if res, _ := get(t, s.url+"/"); res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", res.Status)
	}
}
