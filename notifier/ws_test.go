package notifier_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"muster/event"
	"muster/notifier"
)

// socket is an open WebSocket of the feed.
type socket struct {
	*websocket.Conn
	t testing.TB
}

func dial(t testing.TB, s *server, query string, header http.Header) (*socket, *http.Response) {
	t.Helper()
	url := "ws" + strings.TrimPrefix(s.url, "http") + "/api/v1/feed/ws" + query
	c, res, err := websocket.DefaultDialer.Dial(url, header)
	if err != nil {
		return nil, res
	}
	t.Cleanup(func() { _ = c.Close() })
	return &socket{c, t}, res
}

func subscribe(t testing.TB, s *server, query string) *socket {
	t.Helper()
	c, res := dial(t, s, query, nil)
	if c == nil {
		t.Fatalf("refused: %v", res)
	}
	return c
}

// next returns the next message that is not a heartbeat; one named closed when
// the connection has ended.
func (s *socket) next() message {
	s.t.Helper()
	for {
		_ = s.SetReadDeadline(time.Now().Add(patience))
		_, body, err := s.ReadMessage()
		if err != nil {
			return message{Event: "closed", Data: json.RawMessage(err.Error())}
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			s.t.Fatalf("%v in %s", err, body)
		}
		if m.Event != "heartbeat" {
			return m
		}
	}
}

func (s *socket) send(text string) {
	s.t.Helper()
	if err := s.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func TestAWebSocketSendsWhatItSubscribedTo(t *testing.T) {
	s := start(t, nil)
	c := subscribe(t, s, "")
	if m := c.next(); m.Event != "hello" || !strings.Contains(string(m.Data), "last_id") {
		t.Fatalf("first message %+v", m)
	}
	s.publish(t, item(1, "kill", 10, who(alice, "Alice"), nil)) // before any subscription
	c.send(`{"subscribe":{"kind":["login"],"world":["10"]}}`)
	if m := c.next(); m.Event != "subscribed" || string(m.Data) != `{"subscriptions":[{"world":["10"],"kind":["login"]}]}` {
		t.Fatalf("got %s %s", m.Event, m.Data)
	}
	c.send(`{"subscribe":{"character":["` + alice.String() + `"]}}`)
	c.next()
	s.publish(t, item(2, "kill", 10, who(bob, "Bob"), nil), item(3, "login", 10, who(bob, "Bob"), nil),
		item(4, "login", 10, who(alice, "Alice"), nil), item(5, "kill", 1, who(alice, "Alice"), nil))
	for _, want := range []int{3, 4, 5} { // 4 matches both, and comes once
		if m := c.next(); m.ID != itemID(want) {
			t.Errorf("got %s %s, want event %d", m.Event, m.Data, want)
		}
	}
	c.send(`{"unsubscribe":{"kind":["login"],"world":["10"]}}`)
	c.next()
	s.publish(t, item(6, "login", 10, who(bob, "Bob"), nil), item(7, "logout", 10, who(alice, "Alice"), nil))
	if m := c.next(); m.ID != itemID(7) {
		t.Errorf("after unsubscribing: got %s %s", m.Event, m.Data)
	}
}

func TestAWebSocketResumes(t *testing.T) {
	s := start(t, nil)
	for n := range 100 {
		s.publish(t, item(n, "kill", 10, who(alice, "Alice"), nil))
	}
	for _, how := range []string{"command", "query"} {
		query := "?world=10"
		if how == "query" {
			query += "&last_event_id=" + itemID(50)
		}
		c := subscribe(t, s, query)
		if m := c.next(); (m.ID == "") != (how == "query") {
			t.Errorf("by %s: hello has the id %q", how, m.ID)
		}
		if how == "command" {
			c.send(`{"resume":"` + itemID(50) + `"}`)
		}
		var got, want []string
		m := c.next()
		for ; m.Event == "kill"; m = c.next() {
			got = append(got, m.ID)
		}
		for n := 51; n < 100; n++ {
			want = append(want, itemID(n))
		}
		if !slices.Equal(got, want) || m.Event != "resumed" || !strings.Contains(string(m.Data), `"complete":true`) {
			t.Errorf("by %s: got %d events, then %s %s", how, len(got), m.Event, m.Data)
		}
	}
}

func TestAWebSocketIsToldWhatIsWrong(t *testing.T) {
	s := start(t, nil)
	c := subscribe(t, s, "")
	c.next()
	many := strings.TrimSuffix(strings.Repeat(`"kill",`, 550), ",")
	tests := []struct{ send, want string }{
		{`not JSON`, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{`{}`, "no known command"},
		{`{"subscribe":{"kind":["kills"]}}`, "vehicle_kill"},
		{`{"subscribe":{"world":[10]}}`, "not a JSON object"},
		{`{"unsubscribe":{"world":["10"]}}`, "no such subscription"},
		{`{"subscribe":{"kind":[` + many + `]}}`, "at most 500"},
	}
	for _, tt := range tests {
		c.send(tt.send)
		if m := c.next(); m.Event != "error" || !strings.Contains(string(m.Data), tt.want) {
			t.Errorf("%.40s: got %s %s, want %s", tt.send, m.Event, m.Data, tt.want)
		}
	}
	c.send(`{"resume":"` + strings.Repeat("x", 2000) + `"}`)
	if m := c.next(); m.Event != "resumed" || !strings.Contains(string(m.Data), `"complete":false`) || len(m.Data) > 300 {
		t.Errorf("a bad id: %s %s", m.Event, m.Data)
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	s := start(t, nil)
	c := subscribe(t, s, "")
	c.next()
	for n := range 33 {
		c.send(fmt.Sprintf(`{"subscribe":{"character":["%d"]}}`, int64(alice)+int64(n)))
		if m := c.next(); (m.Event == "error") != (n == 32) {
			t.Fatalf("subscription %d: %s %s", n, m.Event, m.Data)
		}
	}
}

// A resume costs a look through the whole ring, for each filter.
func TestResumesAreRarerThanOtherCommands(t *testing.T) {
	s := start(t, nil)
	c := subscribe(t, s, "")
	c.next()
	for n := range 6 {
		c.send(`{"resume":"x"}`)
		want := "resumed"
		if n >= 3 {
			want = "error"
		}
		if m := c.next(); m.Event != want || want == "error" && !strings.Contains(string(m.Data), "429") {
			t.Errorf("resume %d: %s %s, want %s", n, m.Event, m.Data, want)
		}
	}
	c.send(`{"subscribe":{}}`)
	if m := c.next(); m.Event != "subscribed" {
		t.Errorf("other commands: %s %s", m.Event, m.Data)
	}
}

func TestAHostileWebSocketIsClosed(t *testing.T) {
	s := start(t, nil)
	tests := []struct {
		name string
		do   func(*socket)
		code int
	}{
		{"a giant message", func(c *socket) { c.send(`{"resume":"` + strings.Repeat("x", 5000) + `"}`) }, websocket.CloseMessageTooBig},
		{"bytes", func(c *socket) { _ = c.WriteMessage(websocket.BinaryMessage, []byte("{}")) }, websocket.CloseUnsupportedData},
		{"a flood", func(c *socket) {
			for range 200 {
				if c.WriteMessage(websocket.TextMessage, []byte("{}")) != nil {
					return
				}
			}
		}, websocket.ClosePolicyViolation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := subscribe(t, s, "")
			tt.do(c)
			m := c.next()
			for m.Event != "closed" {
				m = c.next()
			}
			// The close may be lost to a reset when the client was still writing.
			if !strings.Contains(string(m.Data), fmt.Sprint(tt.code)) && !strings.Contains(string(m.Data), "reset") {
				t.Errorf("ended with %s, want %d", m.Data, tt.code)
			}
		})
	}
}

func TestOnlyThePageItselfMayOpenTheWebSocket(t *testing.T) {
	s := start(t, func(c *notifier.Config) { c.Origins = []string{"https://friend.example"} })
	tests := []struct {
		origin string
		ok     bool
	}{
		{"", true}, {s.url, true}, {"https://friend.example", true},
		{"https://evil.example", false}, {"null", false}, {"https://" + s.Addr() + ".evil.example", false},
	}
	for _, tt := range tests {
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		c, res := dial(t, s, "", header)
		if (c != nil) != tt.ok {
			t.Errorf("origin %q: %v", tt.origin, res.Status)
		}
		if c == nil && res.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %s", tt.origin, res.Status)
		}
	}
	res, body := get(t, s.url+"/api/v1/feed/ws")
	checkProblem(t, res, body, http.StatusUpgradeRequired)
}

func TestAWebSocketIsAskedToComeBackOnDrain(t *testing.T) {
	s := start(t, nil)
	c := subscribe(t, s, "")
	c.next()
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	if m := c.next(); m.Event != "drain" {
		t.Errorf("got %s %s", m.Event, m.Data)
	}
	if m := c.next(); m.Event != "closed" || !strings.Contains(string(m.Data), "1012") {
		t.Errorf("got %s %s", m.Event, m.Data)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAWebSocketIsPinged(t *testing.T) {
	s := start(t, func(c *notifier.Config) { c.Limits.Heartbeat = 5 * time.Millisecond })
	c := subscribe(t, s, "")
	pinged := make(chan struct{}, 100)
	c.SetPingHandler(func(data string) error {
		select {
		case pinged <- struct{}{}:
		default:
		}
		return c.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(patience))
	})
	c.next()
	done := make(chan struct{})
	go func() { defer close(done); c.next() }()
	<-pinged
	<-pinged
	s.publish(t, item(1, "login", 1, who(alice, "Alice"), nil)) // not subscribed: nothing comes
	_ = c.Close()
	<-done
}

func TestTheSameEventComesOverBothTransports(t *testing.T) {
	s := start(t, nil)
	sse, ws := follow(t, s.url+"/api/v1/feed"), subscribe(t, s, "")
	ws.next()
	sse.next()
	ws.send(`{"subscribe":{}}`)
	ws.next()
	s.publish(t, item(1, "kill", 10, who(alice, "Alice"), who(bob, "Bob")))
	a, b := sse.next(), ws.next()
	if a.ID != b.ID || a.Event != b.Event || string(a.Data) != string(b.Data) {
		t.Errorf("SSE %s %s\nWebSocket %s %s", a.ID, a.Data, b.ID, b.Data)
	}
	var it event.FeedItem
	b.into(t, &it)
}
