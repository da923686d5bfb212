package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"muster/internal/problem"
)

// Bounds of one WebSocket.
const (
	maxMessage       = 4 << 10 // bytes in a message from a client
	maxSubscriptions = 32
	messagesPerSec   = 5
	messageBurst     = 40
	handshakeTimeout = 5 * time.Second
	// Each resume looks through the whole ring under the hub's lock.
	resumeEvery = 10 * time.Second
	resumeBurst = 3
)

// feedWS serves GET /api/v1/feed/ws: the feed over WebSocket. Without a filter
// in its query it sends nothing but heartbeats until the client subscribes.
func (n *Notifier) feedWS(w http.ResponseWriter, r *http.Request) {
	f, ok := n.queryFilter(w, r)
	if !ok {
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		problem.Write(w, problem.New(http.StatusUpgradeRequired, "this address speaks WebSocket"))
		return
	}
	if !n.sameOrigin(r) {
		problem.Write(w, problem.New(http.StatusForbidden, "pages of another origin may not open this"))
		return
	}
	var filters []filter
	if f.size() > 0 {
		filters = append(filters, f)
	}
	c := newClient(n.clientAddr(r), "websocket", filters...)
	resume := r.URL.Query().Get("last_event_id")
	hi, err := n.hub.join(c, resume, time.Now())
	if err != nil {
		n.refuse(w, err)
		return
	}
	defer n.hub.part(c)
	n.readers.Add(1)
	defer n.readers.Done()
	up := websocket.Upgrader{
		HandshakeTimeout: handshakeTimeout, ReadBufferSize: 1024, WriteBufferSize: 4096,
		CheckOrigin: func(*http.Request) bool { return true }, // checked above, with problem details
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	s := newWSConn(n, c, conn)
	s.run(newControl(hi.resumeID(resume), "hello", hi))
}

// sameOrigin keeps other sites' pages out. A client that sends no Origin is not
// a browser.
func (n *Notifier) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(n.cfg.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// A wsConn is one WebSocket reader.
type wsConn struct {
	n     *Notifier
	c     *client
	conn  *websocket.Conn
	limit *rate.Limiter
	// resumes are rarer than other commands may be.
	resumes *rate.Limiter
}

func newWSConn(n *Notifier, c *client, conn *websocket.Conn) *wsConn {
	return &wsConn{
		n: n, c: c, conn: conn,
		limit:   rate.NewLimiter(messagesPerSec, messageBurst),
		resumes: rate.NewLimiter(rate.Every(resumeEvery), resumeBurst),
	}
}

// run writes until the client goes, is cut, or everybody must.
func (s *wsConn) run(hello *frame) {
	defer s.conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	s.n.hub.setKill(s.c, func() { _ = s.conn.Close() })
	gone := make(chan struct{})
	go func() { defer close(gone); defer cancel(); s.read() }()
	defer func() { _ = s.conn.Close(); <-gone }()
	if err := s.write(hello); err != nil {
		return
	}
	for {
		frames, more, bye := s.n.hub.next(s.c)
		for _, f := range frames {
			if err := s.write(f); err != nil {
				return
			}
		}
		s.n.sent(frames, time.Now())
		switch {
		case bye:
			s.goodbye()
			return
		case more:
			continue
		}
		select {
		case <-s.c.wake:
		case <-ctx.Done():
			return
		}
	}
}

// write sends f; with each heartbeat goes a ping, whose pong shows that the
// client still reads.
func (s *wsConn) write(f *frame) error {
	m, err := f.message()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(s.n.cfg.Limits.WriteTimeout)
	_ = s.conn.SetWriteDeadline(deadline) // never fails
	if err := s.conn.WritePreparedMessage(m); err != nil {
		return s.cut(err)
	}
	if f.name != "heartbeat" {
		return nil
	}
	return s.cut(s.conn.WriteControl(websocket.PingMessage, nil, deadline))
}

func (s *wsConn) cut(err error) error {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		s.n.metrics.cut.Inc()
	}
	return err
}

func (s *wsConn) goodbye() {
	if s.write(newControl("", "drain", drained{RetryMS: s.n.retry().Milliseconds()})) == nil {
		s.close(websocket.CloseServiceRestart, "come back later")
	}
}

func (s *wsConn) close(code int, why string) {
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why),
		time.Now().Add(time.Second)) // it is closed either way
}

// command is what a client may send; exactly one field.
type command struct {
	Subscribe   *filterSpec `json:"subscribe"`
	Unsubscribe *filterSpec `json:"unsubscribe"`
	Resume      *string     `json:"resume"`
}

// read takes commands until the connection ends or the client misbehaves.
func (s *wsConn) read() {
	s.conn.SetReadLimit(maxMessage)
	patience := 3*s.n.cfg.Limits.Heartbeat + s.n.cfg.Limits.WriteTimeout
	extend := func(string) error { return s.conn.SetReadDeadline(time.Now().Add(patience)) }
	_ = extend("")
	s.conn.SetPongHandler(extend)
	for {
		kind, body, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		_ = extend("")
		if kind != websocket.TextMessage {
			s.close(websocket.CloseUnsupportedData, "commands are text")
			return
		}
		if !s.limit.Allow() {
			s.close(websocket.ClosePolicyViolation, "too many messages")
			return
		}
		s.obey(body)
	}
}

// obey does what body asks, or tells the client what is wrong with it.
func (s *wsConn) obey(body []byte) {
	var cmd command
	if err := json.Unmarshal(body, &cmd); err != nil {
		s.complain(problem.New(http.StatusBadRequest, "not a JSON object of a known command"))
		return
	}
	switch {
	case cmd.Subscribe != nil:
		s.change(*cmd.Subscribe, s.subscribe)
	case cmd.Unsubscribe != nil:
		s.change(*cmd.Unsubscribe, s.unsubscribe)
	case cmd.Resume != nil && !s.resumes.Allow():
		s.complain(problem.New(http.StatusTooManyRequests, "resume less often"))
	case cmd.Resume != nil:
		s.n.hub.resume(s.c, *cmd.Resume, time.Now())
	default:
		s.complain(problem.New(http.StatusBadRequest, "no known command", "subscribe", "unsubscribe", "resume"))
	}
}

// change applies spec to the subscriptions and reports all that are in force.
func (s *wsConn) change(spec filterSpec, apply func([]filter, filter) ([]filter, error)) {
	f, err := spec.parse(s.n.cfg.Limits.Filters)
	if err != nil {
		s.complain(filterProblem(err))
		return
	}
	filters, err := apply(slices.Clone(s.n.hub.filters(s.c)), f)
	if err != nil {
		s.complain(filterProblem(err))
		return
	}
	s.n.hub.setFilters(s.c, filters)
	var now struct {
		Subscriptions []filterSpec `json:"subscriptions"`
	}
	now.Subscriptions = []filterSpec{}
	for _, f := range filters {
		now.Subscriptions = append(now.Subscriptions, f.spec())
	}
	s.n.hub.tell(s.c, newControl("", "subscribed", now))
}

func (s *wsConn) subscribe(have []filter, f filter) ([]filter, error) {
	if slices.ContainsFunc(have, f.equal) {
		return have, nil
	}
	size := f.size()
	for _, g := range have {
		size += g.size()
	}
	if len(have) >= maxSubscriptions || size > s.n.cfg.Limits.Filters {
		return nil, &badFilter{text: "too many subscriptions"}
	}
	return append(have, f), nil
}

func (s *wsConn) unsubscribe(have []filter, f filter) ([]filter, error) {
	i := slices.IndexFunc(have, f.equal)
	if i < 0 {
		return nil, &badFilter{text: "there is no such subscription"}
	}
	return slices.Delete(have, i, i+1), nil
}

func (s *wsConn) complain(d problem.Details) { s.n.hub.tell(s.c, newControl("", "error", d)) }
