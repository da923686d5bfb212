package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// A gatewayConn is one WebSocket. Its reader is the HTTP handler; its writer
// is a goroutine that the reader waits for.
type gatewayConn struct {
	g       *gateway
	ws      *websocket.Conn
	out     chan outgoing
	gone    chan struct{} // closed by drop
	once    sync.Once
	silent  atomic.Bool
	noAck   bool
	version string

	sess  *session // set by the reader only
	sends window
}

// An outgoing is a frame, or a close code after which the connection ends.
type outgoing struct {
	data   []byte
	code   int
	reason string
}

type identify struct {
	Token      string          `json:"token"`
	Intents    int             `json:"intents"`
	Shard      [2]int          `json:"shard"`
	Properties json.RawMessage `json:"properties"`
}

type resume struct {
	Token     string `json:"token"`
	SessionID string `json:"session_id"`
	Seq       int64  `json:"seq"`
}

// closeReasons is Discord's text for each close code.
var closeReasons = map[int]string{
	4000: "Unknown error.", 4001: "Unknown opcode.", 4002: "Error while decoding payload.", 4003: "Not authenticated.",
	4004: "Authentication failed.", 4005: "Already authenticated.", 4007: "Invalid seq.", 4008: "Rate limited.",
	4009: "Session timed out.", 4010: "Invalid shard.", 4011: "Sharding required.", 4012: "Invalid API version.",
	4013: "Invalid intent(s).", 4014: "Disallowed intent(s).",
}

// serve answers a WebSocket handshake and reads until the connection ends.
func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	f, struck := g.s.faults.strike(func(f *Fault) bool { return f.At == AtConnect })
	if struck && f.Kind == FaultRefuse {
		http.Error(w, http.StatusText(f.Status), f.Status)
		return
	}
	ws, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &gatewayConn{g: g, ws: ws, out: make(chan outgoing, maxOutgoing), gone: make(chan struct{}), version: r.URL.Query().Get("v")}
	if !g.enter(c) {
		_ = ws.Close()
		return
	}
	defer g.wg.Done()
	ws.SetCloseHandler(c.farewell)
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.talk(f, struck)
	g.leave(c, false)
	c.drop()
	writer.Wait()
	g.s.hub.publish("gateway", map[string]any{"connected": g.connected()})
}

// enter counts c among the connections unless the gateway is closed.
func (g *gateway) enter(c *gatewayConn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.conns[c] = struct{}{}
	g.wg.Add(1)
	g.s.mu.Lock()
	g.s.stats.Connections++
	g.s.mu.Unlock()
	return true
}

// farewell answers a close frame, after the session is ended if the client
// said so: 1000 and 1001 do, any other code keeps it (notes 5).
func (c *gatewayConn) farewell(code int, _ string) error {
	c.g.leave(c, code == websocket.CloseNormalClosure || code == websocket.CloseGoingAway)
	echo := websocket.FormatCloseMessage(code, "")
	_ = c.ws.WriteControl(websocket.CloseMessage, echo, time.Now().Add(time.Second))
	return nil
}

// talk is the whole conversation.
func (c *gatewayConn) talk(f Fault, struck bool) {
	if struck {
		c.suffer(f)
	}
	c.sendOp(opHello, map[string]any{"heartbeat_interval": c.g.s.cfg.HeartbeatInterval.Milliseconds(), "_trace": []string{}})
	c.strike(AtHello, -1)
	if !validVersion(c.version) {
		c.close(4012)
	}
	for {
		_ = c.ws.SetReadDeadline(time.Now().Add(2 * c.g.s.cfg.HeartbeatInterval))
		_, raw, err := c.ws.ReadMessage()
		if err != nil {
			c.lost(err)
			return
		}
		if !c.silent.Load() {
			c.receive(raw)
		}
	}
}

func validVersion(v string) bool { return v == "" || v == "9" || v == "10" }

// lost says 4009 to a client that has been silent for too long.
func (c *gatewayConn) lost(err error) {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() && !c.silent.Load() {
		_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4009, closeReasons[4009]), time.Now().Add(time.Second))
	}
}

// receive acts on one message.
func (c *gatewayConn) receive(raw []byte) {
	if len(raw) > maxPayload {
		c.close(4002)
		return
	}
	if !c.sends.take(Bucket{c.g.s.cfg.SendsAMinute, time.Minute}, c.g.s.cfg.Now()) {
		c.close(4008)
		return
	}
	var p payload
	if err := json.Unmarshal(raw, &p); err != nil {
		c.close(4002)
		return
	}
	switch p.Op {
	case opHeartbeat:
		c.heartbeat()
	case opIdentify:
		c.identify(p.Data)
	case opResume:
		c.resume(p.Data)
	case opPresence, opVoice, opRequestMembers:
		if c.sess == nil {
			c.close(4003)
		}
	default:
		c.close(4001)
	}
}

func (c *gatewayConn) heartbeat() {
	c.g.s.mu.Lock()
	c.g.s.stats.Heartbeats++
	c.g.s.mu.Unlock()
	if !c.noAck {
		c.sendOp(opAck, nil)
	}
}

func (c *gatewayConn) identify(data json.RawMessage) {
	s := c.g.s
	s.mu.Lock()
	s.stats.Identifies++
	s.mu.Unlock()
	in := identify{Shard: [2]int{0, 1}}
	if err := json.Unmarshal(data, &in); err != nil {
		c.close(4002)
		return
	}
	if code := c.refuse(in); code != 0 {
		c.close(code)
		return
	}
	if c.strike(AtIdentify, in.Shard[0]) {
		return
	}
	ok, dead := c.g.mayIdentify(in.Shard[0])
	switch {
	case dead:
		c.close(4004)
		return
	case !ok:
		c.sendOp(opInvalid, false)
		return
	}
	c.welcome(in)
	c.strike(AtReady, in.Shard[0])
}

// refuse returns the close code for an IDENTIFY that cannot be accepted.
func (c *gatewayConn) refuse(in identify) int {
	switch {
	case c.g.holds(c):
		return 4005
	case !c.g.s.authorized("Bot " + strings.TrimPrefix(in.Token, "Bot ")):
		return 4004
	case in.Shard[1] < 1 || in.Shard[0] < 0 || in.Shard[0] >= in.Shard[1]:
		return 4010
	case in.Shard[1] < c.g.recommended():
		return 4011
	case in.Intents&^allIntents != 0:
		return 4013
	case in.Intents&privilegedIntents&^c.g.s.cfg.PrivilegedIntents != 0:
		return 4014
	}
	return 0
}

// welcome sends READY, and the guilds if the intent is there.
func (c *gatewayConn) welcome(in identify) {
	s := c.g.s
	s.mu.Lock()
	id := fmt.Sprintf("%032x", s.ids.next(s.cfg.Now()))
	guilds, full := []map[string]any{}, map[string]any{}
	probe := &session{shard: in.Shard}
	for _, g := range s.world.guilds {
		if g.UserInstalledOnly || !probe.owns(g.ID) {
			continue
		}
		guilds = append(guilds, map[string]any{"id": g.ID, "unavailable": true})
		full[g.ID] = s.guildCreate(&g)
	}
	s.mu.Unlock()
	c.sess = c.g.adopt(c, id[len(id)-32:], in)
	version := 9
	if c.version == "10" {
		version = 10
	}
	c.g.event(c.sess, "READY", map[string]any{
		"v": version, "user": s.world.bot, "guilds": guilds, "session_id": c.sess.id, "session_type": "normal",
		"resume_gateway_url": "ws://" + c.ws.LocalAddr().String(), "shard": in.Shard, "private_channels": []any{}, "relationships": []any{},
		"application": map[string]any{"id": s.cfg.AppID, "flags": 0}, "_trace": []string{},
	})
	for _, g := range guilds {
		if in.Intents&intentGuilds != 0 {
			c.g.event(c.sess, "GUILD_CREATE", full[g["id"].(string)])
		}
	}
	s.hub.publish("gateway", map[string]any{"connected": c.g.connected()})
}

// guildCreate renders a guild for GUILD_CREATE. It needs s.mu.
func (s *Server) guildCreate(g *Guild) map[string]any {
	out := guildObject(g)
	out["channels"] = s.guildChannels(g)
	out["members"] = []any{member(g, s.world.bot)}
	out["joined_at"] = "2024-01-01T00:00:00.000000+00:00"
	out["large"], out["unavailable"], out["member_count"] = false, false, len(s.world.users)+1
	for _, name := range []string{"threads", "presences", "voice_states", "stage_instances", "guild_scheduled_events"} {
		out[name] = []any{}
	}
	return out
}

func (c *gatewayConn) resume(data json.RawMessage) {
	s := c.g.s
	s.mu.Lock()
	s.stats.Resumes++
	s.mu.Unlock()
	var in resume
	if err := json.Unmarshal(data, &in); err != nil {
		c.close(4002)
		return
	}
	if !s.authorized("Bot " + strings.TrimPrefix(in.Token, "Bot ")) {
		c.close(4004)
		return
	}
	if c.g.holds(c) {
		c.close(4005)
		return
	}
	if c.strike(AtIdentify, -1) {
		return
	}
	if c.sess = c.g.resume(c, in); c.sess == nil {
		c.sendOp(opInvalid, false)
		return
	}
	c.g.event(c.sess, "RESUMED", map[string]any{"_trace": []string{}})
	s.hub.publish("gateway", map[string]any{"connected": c.g.connected()})
	c.strike(AtReady, c.sess.shard[0])
}
