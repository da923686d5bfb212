package game

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

// TestMain holds the package to leaving no goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testWait bounds every wait in these tests; none of them depends on it.
const testWait = 20 * time.Second

// quiet is a server that does nothing by itself: a manual clock.
func quiet() Config {
	cfg := DefaultConfig()
	cfg.Manual = true
	cfg.Players = 40
	cfg.FirstHeartbeatAfter = time.Hour
	start := time.Unix(1_730_000_000, 0)
	cfg.Now = func() time.Time { return start }
	return cfg
}

func mustStart(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A client is a small client of the stream, with nothing of production in it.
type client struct {
	t  *testing.T
	ws *websocket.Conn
}

func dial(s *Server, env, id string) (*websocket.Conn, *http.Response, error) {
	return websocket.DefaultDialer.Dial(s.StreamURL()+"?environment="+env+"&service-id="+id, nil)
}

func mustDial(t *testing.T, s *Server, env string) *client {
	t.Helper()
	return mustDialAs(t, s, env, "s:test")
}

func mustDialAs(t *testing.T, s *Server, env, id string) *client {
	t.Helper()
	ws, resp, err := dial(s, env, id)
	if err != nil {
		t.Fatalf("dial: %v (%v)", err, resp)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return &client{t, ws}
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// line returns the next message as it came.
func (c *client) line() string {
	c.t.Helper()
	_ = c.ws.SetReadDeadline(time.Now().Add(testWait))
	_, msg, err := c.ws.ReadMessage()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(msg)
}

func (c *client) message() map[string]any {
	c.t.Helper()
	return mustObject(c.t, c.line())
}

func mustObject(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

// event returns the payload of the next event, passing over anything else.
func (c *client) event() map[string]any {
	c.t.Helper()
	for {
		m := c.message()
		if p, ok := m["payload"].(map[string]any); ok && p["event_name"] != nil {
			return p
		}
	}
}

// subscribe asks for events of all worlds and characters and reads the echo.
func (c *client) subscribe(names ...string) map[string]any {
	c.t.Helper()
	if len(names) == 0 {
		names = []string{"all"}
	}
	c.send(`{"service":"event","action":"subscribe","worlds":["all"],"characters":["all"],"eventNames":["` +
		strings.Join(names, `","`) + `"],"logicalAndCharactersWithWorlds":true}`)
	return c.echo()
}

// echo returns the next subscription echo, passing over anything else.
func (c *client) echo() map[string]any {
	c.t.Helper()
	for {
		if sub, ok := c.message()["subscription"].(map[string]any); ok {
			return sub
		}
	}
}

// mark sends an echo request and returns the lines that came before its answer.
func (c *client) mark() []string {
	c.t.Helper()
	token := fmt.Sprintf(`{"mark":"%d"}`, time.Now().UnixNano())
	c.send(`{"service":"event","action":"echo","payload":` + token + `}`)
	var before []string
	for {
		line := c.line()
		if line == token {
			return before
		}
		before = append(before, line)
	}
}

// events are the payloads among the lines before a mark.
func (c *client) events() []map[string]any {
	c.t.Helper()
	var out []map[string]any
	for _, line := range c.mark() {
		m := mustObject(c.t, line)
		if p, ok := m["payload"].(map[string]any); ok && p["event_name"] != nil {
			out = append(out, p)
		}
	}
	return out
}

func mustGet(t *testing.T, s *Server, path string) (string, *http.Response) {
	t.Helper()
	hc := &http.Client{Timeout: testWait, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(s.QueryURL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), resp
}

// mustQuery asks the query service and returns the list's rows.
func mustQuery(t *testing.T, s *Server, rest string) []map[string]any {
	t.Helper()
	body, _ := mustGet(t, s, "/s:test/get/ps2:v2/"+rest)
	m := mustObject(t, body)
	for k, v := range m {
		if strings.HasSuffix(k, "_list") {
			var rows []map[string]any
			for _, r := range v.([]any) {
				rows = append(rows, r.(map[string]any))
			}
			return rows
		}
	}
	t.Fatalf("no list in %s", body)
	return nil
}

func post(t *testing.T, s *Server, path, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(s.QueryURL()+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func mustFault(t *testing.T, s *Server, f Fault) Fault {
	t.Helper()
	out, err := s.SetFault(f)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually waits for a condition without a fixed time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(testWait)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}
