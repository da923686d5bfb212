package discord_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"muster/sim/discord"
)

// A client is a raw gateway connection.
type client struct {
	t  *testing.T
	ws *websocket.Conn
}

// A packet is a gateway message.
type packet struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
	Seq  int64           `json:"s"`
	Type string          `json:"t"`
}

func dial(t *testing.T, s *discord.Server) *client {
	t.Helper()
	url := call(t, s, "GET", "/gateway", nil).body["url"].(string)
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), url+"/?v=10&encoding=json", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	return &client{t, ws}
}

func (c *client) send(op int, d any) {
	c.t.Helper()
	if err := c.ws.WriteJSON(map[string]any{"op": op, "d": d}); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next packet, or the close code.
func (c *client) read() (packet, int) {
	c.t.Helper()
	_ = c.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	var p packet
	err := c.ws.ReadJSON(&p)
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return p, e.Code
	}
	if err != nil {
		return p, -1
	}
	return p, 0
}

// want reads a packet of an op and, if it is not "", an event.
func (c *client) want(op int, event string) packet {
	c.t.Helper()
	p, code := c.read()
	if code != 0 || p.Op != op || p.Type != event {
		c.t.Fatalf("got op %d %s, close code %d; want op %d %s", p.Op, p.Type, code, op, event)
	}
	return p
}

func (c *client) wantClose(code int) {
	c.t.Helper()
	if p, got := c.read(); got != code {
		c.t.Fatalf("got op %d %s, close code %d; want %d", p.Op, p.Type, got, code)
	}
}

func identity(change func(map[string]any)) map[string]any {
	d := map[string]any{"token": "Bot " + token, "intents": 1, "properties": map[string]any{"os": "linux"}}
	if change != nil {
		change(d)
	}
	return d
}

type ready struct {
	SessionID string `json:"session_id"`
	Guilds    []struct {
		ID          string `json:"id"`
		Unavailable bool   `json:"unavailable"`
	} `json:"guilds"`
	ResumeURL string `json:"resume_gateway_url"`
}

// login identifies and returns READY; the guild follows it.
func (c *client) login() ready {
	c.t.Helper()
	c.want(10, "")
	c.send(2, identity(nil))
	var r ready
	if err := json.Unmarshal(c.want(0, "READY").Data, &r); err != nil {
		c.t.Fatal(err)
	}
	c.want(0, "GUILD_CREATE")
	return r
}

func TestAClientIdentifiesAndBeats(t *testing.T) {
	s := start(t, nil)
	c := dial(t, s)
	r := c.login()
	if len(r.Guilds) != 1 || !r.Guilds[0].Unavailable || r.SessionID == "" || !strings.HasPrefix(r.ResumeURL, "ws://") {
		t.Errorf("got %+v", r)
	}
	c.send(1, 2)
	c.want(11, "")
	if got := s.Stats(); got.Identifies != 1 || got.Connected != 1 || got.Heartbeats != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestBadIdentifiesAreClosedWithTheirCode(t *testing.T) {
	set := func(name string, v any) func(map[string]any) {
		return func(d map[string]any) { d[name] = v }
	}
	tests := []struct {
		name   string
		change func(map[string]any)
		code   int
	}{
		{"wrong token", set("token", "Bot other"), 4004},
		{"shard out of range", set("shard", [2]int{2, 2}), 4010},
		{"too few shards", set("shard", [2]int{0, 1}), 4011},
		{"unknown intent", set("intents", 1<<30), 4013},
		{"privileged intent", set("intents", 1<<15), 4014},
		{"no object", set("intents", "all"), 4002},
		{"too large", set("properties", strings.Repeat("x", 5000)), 4002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, start(t, func(c *discord.Config) { c.Shards = 2 }))
			c.want(10, "")
			c.send(2, identity(func(d map[string]any) { d["shard"] = [2]int{0, 2}; tt.change(d) }))
			c.wantClose(tt.code)
		})
	}
}

func TestProtocolErrorsAreClosedWithTheirCode(t *testing.T) {
	tests := []struct {
		name string
		do   func(c *client)
		code int
	}{
		{"unknown opcode", func(c *client) { c.send(99, nil) }, 4001},
		{"no json", func(c *client) { _ = c.ws.WriteMessage(websocket.TextMessage, []byte("{")) }, 4002},
		{"not authenticated", func(c *client) { c.send(3, nil) }, 4003},
		{"identified twice", func(c *client) {
			c.send(2, identity(nil))
			c.want(0, "READY")
			c.want(0, "GUILD_CREATE")
			c.send(2, identity(nil))
		}, 4005},
		{"more than 120 a minute", func(c *client) {
			for range 121 {
				c.send(1, nil)
			}
			for range 120 {
				c.want(11, "")
			}
		}, 4008},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, start(t, nil))
			c.want(10, "")
			tt.do(c)
			c.wantClose(tt.code)
		})
	}
}

func TestASilentClientTimesOut(t *testing.T) {
	c := dial(t, start(t, func(c *discord.Config) { c.HeartbeatInterval = 20 * time.Millisecond }))
	c.want(10, "")
	c.wantClose(4009)
}

func TestASessionResumesWithWhatItMissed(t *testing.T) {
	s := start(t, func(c *discord.Config) { c.InteractionDeadline = time.Millisecond })
	call(t, s, "PUT", "/applications/"+app+"/commands", []any{map[string]any{"name": "ping", "description": "d"}})
	c := dial(t, s)
	session := c.login().SessionID
	_ = c.ws.Close()
	eventually(t, "the server notices", func() bool { return s.Stats().Connected == 0 })
	if _, err := s.Command(within(t), discord.CommandInput{User: "ana", Text: "/ping"}); !errors.Is(err, discord.ErrNoResponse) {
		t.Fatalf("got %v", err)
	}
	c = dial(t, s)
	c.want(10, "")
	c.send(6, map[string]any{"token": "Bot " + token, "session_id": session, "seq": 2})
	if p := c.want(0, "INTERACTION_CREATE"); p.Seq != 3 {
		t.Errorf("got seq %d, want 3", p.Seq)
	}
	c.want(0, "RESUMED")
	if err := c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	c.wantClose(1000)
	c = dial(t, s)
	c.want(10, "")
	c.send(6, map[string]any{"token": "Bot " + token, "session_id": session, "seq": 2})
	if p := c.want(9, ""); string(p.Data) != "false" {
		t.Errorf("a session ended with 1000 resumed: %s", p.Data)
	}
	if got := s.Stats().Resumes; got != 2 {
		t.Errorf("got %d resumes", got)
	}
}

func TestIdentifyingTooOftenIsAnInvalidSession(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := start(t, func(c *discord.Config) {
		c.IdentifyEvery, c.IdentifiesADay = 5*time.Second, 2
		c.Now = func() time.Time { return now }
	})
	dial(t, s).login()
	c := dial(t, s)
	c.want(10, "")
	c.send(2, identity(nil))
	if p := c.want(9, ""); string(p.Data) != "false" {
		t.Errorf("got %s", p.Data)
	}
	limit := call(t, s, "GET", "/gateway/bot", nil).body["session_start_limit"].(map[string]any)
	if limit["remaining"] != 0.0 || limit["total"] != 2.0 || limit["max_concurrency"] != 1.0 {
		t.Errorf("got %v", limit)
	}
	c.send(2, identity(nil))
	c.wantClose(4004)
}

func TestGatewayFaultsStrikeAtTheirMoment(t *testing.T) {
	tests := []struct {
		name  string
		fault discord.Fault
		see   func(t *testing.T, s *discord.Server, c *client)
	}{
		{"op 7 before READY", discord.Fault{Kind: discord.FaultReconnect, At: discord.AtIdentify}, func(_ *testing.T, _ *discord.Server, c *client) {
			c.want(10, "")
			c.send(2, identity(nil))
			c.want(7, "")
		}},
		{"op 7 before HELLO", discord.Fault{Kind: discord.FaultReconnect, At: discord.AtConnect}, func(_ *testing.T, _ *discord.Server, c *client) {
			c.want(7, "")
			c.want(10, "")
		}},
		{"op 9 after READY", discord.Fault{Kind: discord.FaultInvalid, At: discord.AtReady, Resumable: true}, func(t *testing.T, _ *discord.Server, c *client) {
			c.login()
			if p := c.want(9, ""); string(p.Data) != "true" {
				t.Errorf("got %s", p.Data)
			}
		}},
		{"close 4014 at HELLO", discord.Fault{Kind: discord.FaultClose, At: discord.AtHello, Code: 4014}, func(_ *testing.T, _ *discord.Server, c *client) {
			c.want(10, "")
			c.wantClose(4014)
		}},
		{"cut where READY is expected", discord.Fault{Kind: discord.FaultDrop, At: discord.AtIdentify}, func(_ *testing.T, _ *discord.Server, c *client) {
			c.want(10, "")
			c.send(2, identity(nil))
			c.wantClose(1006)
		}},
		{"beats unanswered", discord.Fault{Kind: discord.FaultNoAck}, func(_ *testing.T, _ *discord.Server, c *client) {
			c.want(10, "")
			c.send(1, nil)
			c.send(2, identity(nil))
			c.want(0, "READY")
		}},
		{"silence after HELLO", discord.Fault{Kind: discord.FaultSilence, At: discord.AtHello}, func(t *testing.T, s *discord.Server, c *client) {
			c.want(10, "")
			c.send(2, identity(nil))
			_ = c.ws.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if _, _, err := c.ws.ReadMessage(); err == nil || s.Stats().Identifies != 0 {
				t.Error("it was not silent")
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, nil)
			tt.fault.Count = 1
			if _, err := s.AddFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			tt.see(t, s, dial(t, s))
			dial(t, s).login() // and then all is well
		})
	}
}

func TestAFaultOfNowStrikesOpenConnections(t *testing.T) {
	s := start(t, nil)
	c := dial(t, s)
	r := c.login()
	if _, err := s.AddFault(discord.Fault{Kind: discord.FaultInvalid}); err != nil {
		t.Fatal(err)
	}
	if p := c.want(9, ""); string(p.Data) != "false" {
		t.Errorf("got %s", p.Data)
	}
	c.send(6, map[string]any{"token": "Bot " + token, "session_id": r.SessionID, "seq": 1})
	c.want(9, "")
	c.send(2, identity(nil)) // on the same socket, as some libraries do
	c.want(0, "READY")
	c.want(0, "GUILD_CREATE")
	if _, err := s.AddFault(discord.Fault{Kind: discord.FaultClose, Code: 4000}); err != nil {
		t.Fatal(err)
	}
	c.wantClose(4000)
	if _, err := s.AddFault(discord.Fault{Kind: "gateway-nonsense"}); err == nil {
		t.Error("a fault of no kind was taken")
	}
}

func TestEventsGoToTheShardOfTheirGuild(t *testing.T) {
	s := start(t, func(c *discord.Config) { c.InteractionDeadline = 50 * time.Millisecond })
	call(t, s, "PUT", "/applications/"+app+"/commands", []any{map[string]any{"name": "ping", "description": "d"}})
	shards := make([]*client, 2)
	for i := range shards {
		shards[i] = dial(t, s)
		shards[i].want(10, "")
		shards[i].send(2, identity(func(d map[string]any) { d["shard"], d["intents"] = [2]int{i, 2}, 0 }))
		shards[i].want(0, "READY")
	}
	_, _ = s.Command(within(t), discord.CommandInput{User: "ana", Text: "/ping"})
	_, _ = s.Command(within(t), discord.CommandInput{User: "ana", Channel: general, Text: "/ping"})
	var dm, inGuild map[string]any
	_ = json.Unmarshal(shards[0].want(0, "INTERACTION_CREATE").Data, &dm)
	owner := 1300000000000000001 >> 22 % 2
	_ = json.Unmarshal(shards[owner].want(0, "INTERACTION_CREATE").Data, &inGuild)
	if dm["user"] == nil || dm["member"] != nil || inGuild["user"] != nil || inGuild["member"] == nil || inGuild["guild_id"] != guild {
		t.Errorf("got %v and %v", dm, inGuild)
	}
}
