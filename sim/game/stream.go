package game

import (
	"container/heap"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// writeWait bounds one write to a client; a slower one is cut.
const writeWait = 10 * time.Second

// closeWait is how long a client may take to answer a close frame.
const closeWait = time.Second

// A conn is one client of the stream. Its fields are guarded by the server's
// lock, except the queue and what never changes.
type conn struct {
	id     int64
	env    string
	node   int // from 1
	ws     *websocket.Conn
	opened time.Time
	out    chan frame
	done   chan struct{} // closed when the reader ends

	sub      subscription
	sent     int64
	delivery *Delivery // nil unless it is kept

	frozen bool // half-open: nothing is read, written or answered any more
}

// A frame is one message for a client.
type frame struct {
	line  []byte
	n     int64 // the event's number; 0 for what is no event
	delay time.Duration
	close int // close code; ends the connection after this frame
}

func (s *Server) upgrader() *websocket.Upgrader {
	return &websocket.Upgrader{HandshakeTimeout: writeWait, CheckOrigin: func(*http.Request) bool { return true }}
}

// serveStream is the handshake of census 1.1.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	if s.refused(w, r) {
		return
	}
	env, id := r.URL.Query().Get("environment"), r.URL.Query().Get("service-id")
	if !s.cfg.serves(env) || !s.cfg.knows(id) {
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	ws, err := s.upgrader().Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := s.open(ws, env, id)
	if c == nil {
		_ = ws.Close()
		return
	}
	defer s.wg.Done()
	go func() {
		defer s.wg.Done()
		s.write(c)
	}()
	s.read(c)
	s.drop(c)
}

// open registers a connection and queues its greeting. It returns nil when
// the server is closing.
func (s *Server) open(ws *websocket.Conn, env, serviceID string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil
	}
	s.wg.Add(2) // reader and writer
	s.lastConn++
	c := &conn{
		id: s.lastConn, env: env, node: s.handed%s.cfg.Nodes + 1, ws: ws, opened: time.Now(),
		out: make(chan frame, s.cfg.QueueLen), done: make(chan struct{}), sub: newSubscription(),
	}
	s.handed++
	s.conns = append(s.conns, c)
	if s.cfg.Deliveries {
		c.delivery = &Delivery{Connection: c.id, ServiceID: strings.TrimPrefix(serviceID, "s:"), Node: c.node, OpenedAt: c.opened}
		s.deliveries = append(s.deliveries, c.delivery)
	}
	c.queue(frame{line: []byte(`{"connected":"true","service":"push","type":"connectionStateChanged"}`)})
	c.queue(frame{line: []byte(`{"send this for help":{"service":"event","action":"help"}}`)})
	for _, w := range environmentWorlds[env] {
		c.queue(frame{line: stateChange(w, !s.faults.down(w.id))})
	}
	s.log.Info("stream client connected", "connection", c.id, "environment", env, "node", c.node)
	return c
}

func (s *Server) drop(c *conn) {
	close(c.done)
	c.kill()
	s.mu.Lock()
	s.conns = slices.DeleteFunc(slices.Clone(s.conns), func(o *conn) bool { return o == c })
	if c.delivery != nil {
		c.delivery.ClosedAt = time.Now()
	}
	s.mu.Unlock()
	s.log.Info("stream client gone", "connection", c.id)
}

// queue adds a frame; a connection whose queue is full is cut, so that a slow
// reader costs nobody else anything.
func (c *conn) queue(f frame) {
	select {
	case c.out <- f:
	default:
		c.kill()
	}
}

// kill closes the socket without a close frame.
func (c *conn) kill() { _ = c.ws.Close() }

// reset ends the connection with a TCP reset.
func (c *conn) reset() {
	if tcp, ok := c.ws.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.kill()
}

func stateChange(w worldFact, online bool) []byte {
	return mustJSON(map[string]string{
		"detail": w.endpoint, "online": strconv.FormatBool(online), "service": "event", "type": "serviceStateChanged",
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // only values of our own making come here
		panic(err)
	}
	return b
}

// write owns the socket's writing side: queued frames, delayed frames when
// they are due, and the heartbeat.
func (s *Server) write(c *conn) {
	defer c.kill()
	beat := time.NewTimer(s.cfg.FirstHeartbeatAfter)
	defer beat.Stop()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	var waiting delayed
	for {
		var ok bool
		select {
		case <-c.done:
			return
		case f := <-c.out:
			if f.delay > 0 {
				heap.Push(&waiting, due{time.Now().Add(f.delay), frame{line: f.line, n: f.n}})
				wake.Reset(time.Until(waiting[0].at))
				ok = len(waiting) <= cap(c.out)
				break
			}
			ok = s.put(c, f)
		case <-wake.C:
			ok = true
			for ok && len(waiting) > 0 && !waiting[0].at.After(time.Now()) {
				ok = s.put(c, heap.Pop(&waiting).(due).frame)
			}
			if len(waiting) > 0 {
				wake.Reset(time.Until(waiting[0].at))
			}
		case <-beat.C:
			line, next := s.heartbeat(c)
			ok = line == nil || s.put(c, frame{line: line})
			beat.Reset(next)
		}
		if !ok {
			return
		}
	}
}

// put writes one frame and reports whether the connection goes on.
func (s *Server) put(c *conn, f frame) bool {
	s.mu.Lock()
	frozen := c.frozen
	s.mu.Unlock()
	if frozen {
		return true
	}
	if err := c.ws.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return false
	}
	if f.close != 0 {
		_ = c.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(f.close, ""))
		select { // closing at once could overtake the frame
		case <-c.done:
		case <-time.After(closeWait):
		}
		return false
	}
	if err := c.ws.WriteMessage(websocket.TextMessage, f.line); err != nil {
		return false
	}
	s.wrote(c, f.n)
	return true
}

// heartbeat returns the message, nil while a fault keeps it back, and the
// time to the next one: the phase of the connection's node (census 1.3).
func (s *Server) heartbeat(c *conn) ([]byte, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	every := s.cfg.HeartbeatEvery
	phase := every * time.Duration(c.node-1) / time.Duration(s.cfg.Nodes)
	now := time.Now()
	next := every - time.Duration((now.UnixNano()-int64(phase))%int64(every))
	if s.faults.mutes(c, true) {
		return nil, next
	}
	online := map[string]string{}
	for _, w := range environmentWorlds[c.env] {
		online[w.endpoint] = strconv.FormatBool(!s.faults.down(w.id))
	}
	return mustJSON(map[string]any{
		"online": online, "timestamp": itoa(s.beatSecond(c)), "service": "event", "type": "heartbeat",
	}), next
}

// realBeat is how often the game beats, in seconds.
const realBeat = 30

// beatSecond is what a heartbeat says of the time. Where the beat is faster than the
// game's, it is the last second at which the node would truly have beaten, so that
// nodes can be told apart by it.
func (s *Server) beatSecond(c *conn) int64 {
	now := s.now().Unix()
	if s.cfg.HeartbeatEvery >= realBeat*time.Second {
		return now
	}
	phase := realBeat * int64(c.node-1) / int64(s.cfg.Nodes)
	return now - ((now-phase)%realBeat+realBeat)%realBeat
}

// read answers the client's messages until the connection ends.
func (s *Server) read(c *conn) {
	c.ws.SetReadLimit(s.cfg.MaxMessage)
	c.ws.SetPingHandler(func(data string) error {
		s.mu.Lock()
		frozen := c.frozen
		s.mu.Unlock()
		if !frozen {
			_ = c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeWait))
		}
		return nil
	})
	for {
		_, msg, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		if answer := s.answer(c, msg); answer != nil {
			c.queue(frame{line: answer})
		}
	}
}

// answer acts on one client message. What is broken or unknown is ignored in
// silence (census 1.5).
func (s *Server) answer(c *conn, msg []byte) []byte {
	var m clientMessage
	if json.Unmarshal(msg, &m) != nil || m.Service != "event" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.frozen {
		return nil
	}
	var out []byte
	switch m.Action {
	case "subscribe":
		c.sub.add(&m)
		s.faults.keepDropping(c)
		out = mustJSON(c.sub.echo())
	case "clearSubscribe":
		c.sub.clear(&m)
		out = mustJSON(c.sub.echo())
	case "echo":
		out = m.Payload
	case "help":
		out = []byte(helpText)
	case "recentCharacterIds":
		out = s.recentReply(c.env, true)
	case "recentCharacterIdsCount":
		out = s.recentReply(c.env, false)
	}
	if s.faults.mutes(c, true) {
		return nil
	}
	return out
}

// recentWindow is how long a character counts as recent.
const recentWindow = 5 * time.Minute

func (s *Server) recentReply(env string, list bool) []byte {
	ids := []string{}
	for id, r := range s.recent {
		switch {
		case s.now().Sub(r.at) > recentWindow:
			delete(s.recent, id)
		case r.env == "" || r.env == env:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	payload := map[string]any{"recent_character_id_count": len(ids)}
	if list {
		payload["recent_character_id_list"] = ids
	}
	return mustJSON(map[string]any{"payload": payload, "service": "event", "type": "serviceMessage"})
}

// helpText answers help. Its Death example shows the old vehicle_id, as the
// service's own does.
const helpText = `{"example event service message payloads":{"Death":{"attacker_character_id":"","attacker_fire_mode_id":"","attacker_loadout_id":"","attacker_vehicle_id":"","attacker_weapon_id":"","character_id":"","character_loadout_id":"","event_name":"Death","is_headshot":"","timestamp":"","vehicle_id":"","world_id":"","zone_id":""},"PlayerLogin":{"character_id":"","event_name":"PlayerLogin","timestamp":"","world_id":""}},"example messages to event service":{"subscribe":{"action":"subscribe","characters":["5428010618015189713"],"eventNames":["Death"],"service":"event"},"clearSubscribe":{"action":"clearSubscribe","all":"true","service":"event"},"echo":{"action":"echo","payload":{"test":"test"},"service":"event"}}}`

// due is a frame with the time to send it.
type due struct {
	at time.Time
	frame
}

// delayed is a heap of frames that wait, the earliest first.
type delayed []due

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d delayed) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push is for container/heap.
func (d *delayed) Push(x any) { *d = append(*d, x.(due)) }

// Pop is for container/heap.
func (d *delayed) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}
