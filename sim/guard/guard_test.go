package guard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"muster/sim/guard"
)

func TestPagesOfElsewhereCannotUseALoopbackAddress(t *testing.T) {
	s := httptest.NewServer(guard.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}), "discord.example"))
	t.Cleanup(s.Close)
	own := s.Listener.Addr().String()
	tests := []struct {
		name, method, path, host string
		header                   []string
		want                     int
	}{
		{"a program", "POST", "/sim/pause", own, nil, 204},
		{"a program that says localhost", "GET", "/metrics", "localhost:1", nil, 204},
		{"a name it stands in for", "GET", "/api/v10/gateway", "discord.example", nil, 204},
		{"IPv6", "GET", "/metrics", "[::1]:1", nil, 204},
		{"the page itself", "POST", "/sim/pause", own, []string{"Origin", "http://" + own, "Sec-Fetch-Site", "same-origin"}, 204},
		{"an address typed by hand", "GET", "/", own, []string{"Sec-Fetch-Site", "none"}, 204},
		{"a link to the page", "GET", "/", own, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 204},
		{"a link to something else", "GET", "/debug/pprof/trace", own, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		{"the page in a frame", "GET", "/", own, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"a simple POST", "POST", "/sim/pause", own, []string{"Origin", "https://evil.example", "Content-Type", "text/plain"}, 403},
		{"an image", "GET", "/debug/pprof/profile", own, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"another port of this machine", "GET", "/sim/state", own, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a sandboxed page", "POST", "/sim/pause", own, []string{"Origin", "null"}, 403},
		{"a WebSocket", "GET", "/streaming", own, []string{"Origin", "https://evil.example", "Upgrade", "websocket", "Connection", "Upgrade"}, 403},
		{"a name that was pointed here", "GET", "/sim/state", "evil.example:80", nil, 421},
		{"such a name as its own origin", "POST", "/sim/pause", "evil.example", []string{"Origin", "http://evil.example"}, 421},
		{"an address of elsewhere", "GET", "/", "192.0.2.1", nil, 421},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = tt.host
			for i := 0; i < len(tt.header); i += 2 {
				req.Header.Set(tt.header[i], tt.header[i+1])
			}
			res, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
		})
	}
}

func TestOnOtherAddressesAnyNameWillDo(t *testing.T) {
	h := guard.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://muster-sim:8091/sim/state", nil))
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d", w.Code)
	}
}
