package discord

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Opcodes of the gateway.
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opPresence       = 3
	opVoice          = 4
	opResume         = 6
	opReconnect      = 7
	opRequestMembers = 8
	opInvalid        = 9
	opHello          = 10
	opAck            = 11
)

// Intents that matter here.
const (
	intentGuilds        = 1 << 0
	intentGuildMessages = 1 << 9
	intentDMs           = 1 << 12
	intentContent       = 1 << 15
	privilegedIntents   = 1<<1 | 1<<8 | 1<<15
	allIntents          = 1<<26 - 1
)

// Limits of the gateway (notes 5).
const (
	maxPayload  = 4096
	maxReplay   = 500 // events kept for a session that may resume
	maxOutgoing = 256 // frames waiting for a slow client, which is then cut
	maxSessions = 100
)

// A gateway holds the sessions and their connections.
type gateway struct {
	s        *Server
	upgrader websocket.Upgrader

	mu        sync.Mutex
	conns     map[*gatewayConn]struct{}
	sessions  map[string]*session
	order     []string // session ids, oldest first
	lastID    map[int]time.Time
	shards    int // recommended; fewer are refused
	overlaps  int
	starts    int
	startsEnd time.Time
	wg        sync.WaitGroup
	closed    bool
}

// A session outlives its connection, until it is ended by the client with
// 1000 or 1001 or pushed out by newer ones. gateway.mu guards it.
type session struct {
	id      string
	token   string
	shard   [2]int
	intents int
	seq     int64
	replay  []frame
	conn    *gatewayConn // nil while it is away
}

type frame struct {
	seq  int64
	data []byte
}

// A payload is a gateway message.
type payload struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
	Seq  *int64          `json:"s"`
	Type *string         `json:"t"`
}

func newGateway(s *Server) *gateway {
	return &gateway{
		s:        s,
		upgrader: websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }},
		conns:    map[*gatewayConn]struct{}{},
		sessions: map[string]*session{},
		lastID:   map[int]time.Time{},
		shards:   s.cfg.Shards,
	}
}

// connected returns the number of sessions that are there.
func (g *gateway) connected() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, sess := range g.sessions {
		if sess.conn != nil {
			n++
		}
	}
	return n
}

// close ends every connection and waits for its goroutines.
func (g *gateway) close() {
	g.mu.Lock()
	g.closed = true
	for c := range g.conns {
		c.drop()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

// startLimit returns how many IDENTIFYs a day there are, how many are left,
// and when the count begins anew.
func (g *gateway) startLimit() (total, remaining int, reset time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.s.cfg.Now()
	g.rollStarts(now)
	return g.s.cfg.IdentifiesADay, max(g.s.cfg.IdentifiesADay-g.starts, 0), g.startsEnd.Sub(now)
}

func (g *gateway) rollStarts(now time.Time) {
	if !now.Before(g.startsEnd) {
		g.starts, g.startsEnd = 0, now.Add(24*time.Hour)
	}
}

// mayIdentify counts an IDENTIFY. ok is false if it comes too early in its
// concurrency bucket; dead is true past the day's limit.
func (g *gateway) mayIdentify(shard int) (ok, dead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.s.cfg.Now()
	g.rollStarts(now)
	g.starts++
	if g.starts > g.s.cfg.IdentifiesADay {
		return false, true
	}
	bucket := shard % g.s.cfg.MaxConcurrency
	last, seen := g.lastID[bucket]
	if seen && now.Sub(last) < g.s.cfg.IdentifyEvery {
		return false, false
	}
	g.lastID[bucket] = now
	return true, false
}

// adopt gives c a new session.
func (g *gateway) adopt(c *gatewayConn, id string, in identify) *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.order) >= maxSessions {
		g.forget(g.order[0])
	}
	for _, other := range g.sessions {
		if other.conn != nil && other.shard == in.Shard {
			g.overlaps++
			break
		}
	}
	sess := &session{id: id, token: in.Token, shard: in.Shard, intents: in.Intents, conn: c}
	g.sessions[id] = sess
	g.order = append(g.order, id)
	return sess
}

// holds reports whether c has a session. One that was told that its session
// is invalid has none, and may identify again.
func (g *gateway) holds(c *gatewayConn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return c.sess != nil && g.sessions[c.sess.id] == c.sess && c.sess.conn == c
}

// forget ends a session. It needs g.mu.
func (g *gateway) forget(id string) {
	delete(g.sessions, id)
	g.order = slices.DeleteFunc(g.order, func(o string) bool { return o == id })
}

// resume moves a session to c and sends what it missed. It returns nil if
// there is nothing to resume.
func (g *gateway) resume(c *gatewayConn, in resume) *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	sess := g.sessions[in.SessionID]
	if sess == nil || sess.token != in.Token || in.Seq > sess.seq {
		return nil
	}
	if len(sess.replay) > 0 && in.Seq < sess.replay[0].seq-1 {
		return nil // too long away
	}
	if old := sess.conn; old != nil && old != c {
		old.drop()
	}
	sess.conn = c
	for _, f := range sess.replay {
		if f.seq > in.Seq {
			c.send(f.data)
		}
	}
	return sess
}

// leave detaches c from its session, and ends that if the client said so.
func (g *gateway) leave(c *gatewayConn, ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	if c.sess == nil || c.sess.conn != c {
		return
	}
	c.sess.conn = nil
	if ended {
		g.forget(c.sess.id)
	}
}

// event sends a dispatch to one session and reports true, or keeps it for later.
func (g *gateway) event(sess *session, name string, data any) bool {
	d, err := json.Marshal(data)
	if err != nil {
		g.s.cfg.Log.Error("encode event", "event", name, "err", err)
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	sess.seq++
	seq := sess.seq
	raw, _ := json.Marshal(payload{Op: opDispatch, Data: d, Seq: &seq, Type: &name})
	sess.replay = append(sess.replay, frame{seq, raw})
	if len(sess.replay) > maxReplay {
		sess.replay = slices.Delete(sess.replay, 0, len(sess.replay)-maxReplay)
	}
	if sess.conn == nil {
		return false
	}
	sess.conn.send(raw)
	return true
}

// Shards returns the shards of the sessions that are connected now, each as its number
// and how many there are, in the order in which they came.
func (s *Server) Shards() (list [][2]int) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	for _, id := range s.gate.order {
		if sess := s.gate.sessions[id]; sess.conn != nil {
			list = append(list, sess.shard)
		}
	}
	return list
}

// SetShards makes n the number of shards that is recommended from now on, and the least
// that is accepted. Sessions that stand are left alone, as Discord does.
func (s *Server) SetShards(n int) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.gate.shards = max(n, 1)
}

func (g *gateway) recommended() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shards
}

// dispatch sends an event of a guild, or of a DM if guildID is "", to every
// session of the shard it belongs to that accept takes, and returns how many of these
// are connected: others get it when they resume.
func (g *gateway) dispatch(name, guildID string, data func(*session) any) int {
	g.mu.Lock()
	var to []*session
	for _, id := range g.order {
		if sess := g.sessions[id]; sess.owns(guildID) {
			to = append(to, sess)
		}
	}
	g.mu.Unlock()
	n := 0
	for _, sess := range to {
		if d := data(sess); d != nil && g.event(sess, name, d) {
			n++
		}
	}
	return n
}

// owns reports whether events of a guild come to the session's shard: DMs go
// to shard 0.
func (sess *session) owns(guildID string) bool {
	if guildID == "" {
		return sess.shard[0] == 0
	}
	id, _ := strconv.ParseUint(guildID, 10, 64)
	return int((id>>22)%uint64(sess.shard[1])) == sess.shard[0]
}

// dispatchMessage sends a message event to the sessions whose intents take
// it. Contents of others' guild messages need an intent of their own.
func (g *gateway) dispatchMessage(event, guildID string, m Message) {
	g.dispatch(event, guildID, func(sess *session) any {
		need := intentDMs
		if guildID != "" {
			need = intentGuildMessages
		}
		if sess.intents&need == 0 {
			return nil
		}
		if event == "MESSAGE_DELETE" {
			return map[string]any{"id": m.ID, "channel_id": m.ChannelID, "guild_id": guildID}
		}
		out := m
		if guildID != "" && sess.intents&intentContent == 0 && m.Author.ID != g.s.cfg.AppID {
			out.Content, out.Embeds, out.Components, out.Attachments = "", []Embed{}, []Component{}, []Attachment{}
		}
		doc := convert[map[string]any](out)
		if guildID != "" {
			doc["guild_id"] = guildID
		}
		return doc
	})
}

// strikeNow does f to every open connection, or those of its shard.
func (g *gateway) strikeNow(f Fault) {
	g.mu.Lock()
	shards := map[*gatewayConn]int{}
	for _, sess := range g.sessions {
		if sess.conn != nil {
			shards[sess.conn] = sess.shard[0]
		}
	}
	conns := make([]*gatewayConn, 0, len(g.conns))
	for c := range g.conns {
		shard, known := shards[c]
		if !known {
			shard = -1
		}
		if f.hits(shard) {
			conns = append(conns, c)
		}
	}
	g.mu.Unlock()
	for _, c := range conns {
		c.suffer(f)
	}
}
