package discord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"muster/sim/guard"
)

// A Server is the stand-in. Its methods are safe for concurrent use. It is an
// http.Handler; Start gives it a listener of its own, which pages of elsewhere
// cannot use.
type Server struct {
	cfg    Config
	oracle *oracle
	routes []*route
	limits *limiter
	faults *faultTable
	hub    *hub
	gate   *gateway
	mux    http.Handler
	ended  chan struct{} // closed by Close; frees whoever hangs

	mu           sync.Mutex // guards the rest
	ids          snowflakes
	world        world
	registry     registry
	interactions map[string]*interaction // by token
	oldest       []*interaction          // all of them, in the order in which they were born
	modals       map[string]*openModal   // by the id of the interaction that opened it
	endpoint     *endpoint               // nil: interactions go over the gateway
	stats        Stats
	violations   []Violation

	life     sync.Mutex // guards the listener
	listener net.Listener
	server   *http.Server
	served   chan struct{}
	closed   bool
}

// New returns a stand-in that is not listening yet. The error says which
// setting is wrong, or why the OpenAPI document cannot be used.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.filled()
	s := &Server{
		cfg:          cfg,
		limits:       newLimiter(cfg.Limits, cfg.Now),
		faults:       &faultTable{},
		hub:          &hub{subs: map[chan []byte]struct{}{}},
		ended:        make(chan struct{}),
		interactions: map[string]*interaction{},
		modals:       map[string]*openModal{},
		registry:     registry{byGuild: map[string][]Command{}, created: map[string][]time.Time{}},
	}
	s.stats.Routes = map[string]int{}
	if cfg.OpenAPIPath != "" {
		o, err := openOracle(cfg.OpenAPIPath)
		if err != nil {
			return nil, err
		}
		s.oracle = o
	}
	s.world = newWorld(cfg, &s.ids)
	s.gate = newGateway(s)
	s.routes = restRoutes()
	s.mux = s.controlMux()
	return s, nil
}

// ServeHTTP answers REST under /api/, the gateway wherever a WebSocket is
// asked for, control under /sim/, and the console elsewhere.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case websocket.IsWebSocketUpgrade(r):
		s.gate.serve(w, r)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		s.serveREST(w, r)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// Start listens on addr and serves until Close. It returns once the address
// is bound.
func (s *Server) Start(addr string) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.listener != nil || s.closed {
		return errors.New("the stand-in discord was started before")
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for the stand-in discord: %w", err)
	}
	s.listener = ln
	s.server = &http.Server{Handler: guard.New(s, "discord.com", "gateway.discord.gg"), ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("stand-in discord ended", "err", err)
		}
	}()
	s.cfg.Log.Info("stand-in discord listens", "url", "http://"+ln.Addr().String())
	return nil
}

// URL returns the base address, without a slash at the end, or "" before
// Start.
func (s *Server) URL() string {
	s.life.Lock()
	defer s.life.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Close ends all connections and waits for their goroutines. Closing twice is
// not an error.
func (s *Server) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.ended)
	s.hub.close()
	s.gate.close()
	if s.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	<-s.served
	return err
}

// Stats counts what clients did.
type Stats struct {
	// Identifies and Resumes are those sent, accepted or not.
	Identifies int `json:"identifies"`
	Resumes    int `json:"resumes"`
	// Connections is gateway connections ever opened, Connected those open
	// and identified now.
	Connections int `json:"connections"`
	Connected   int `json:"connected"`
	Heartbeats  int `json:"heartbeats"`
	// Requests is by route and Routes each one's count.
	Requests int            `json:"requests"`
	Routes   map[string]int `json:"routes"`
	// Invalid is answers of 401, 403 and 429, but shared 429s (notes 6).
	Invalid int `json:"invalid"`
	// RateLimited is answers of 429.
	RateLimited int `json:"rate_limited"`
	// Missed is interactions without a response in time.
	Missed int `json:"missed"`
	// Overlaps is sessions that began while another one of the same shard was connected:
	// allowed, but each hears everything.
	Overlaps int `json:"overlaps"`
	// Doubled is interactions that went to more than one session.
	Doubled int `json:"doubled"`
	// Deduplicated is messages not made again thanks to their nonce.
	Deduplicated int `json:"deduplicated"`
}

// Stats returns the counters so far.
func (s *Server) Stats() Stats {
	connected := s.gate.connected()
	s.gate.mu.Lock()
	overlaps := s.gate.overlaps
	s.gate.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Connected, out.Overlaps = connected, overlaps
	out.Routes = make(map[string]int, len(s.stats.Routes))
	for k, v := range s.stats.Routes {
		out.Routes[k] = v
	}
	return out
}

// A Violation is a request that Discord would refuse as malformed.
type Violation struct {
	At       time.Time `json:"at"`
	Route    string    `json:"route"`
	Problems []string  `json:"problems"`
	Body     string    `json:"body"`
}

// maxViolations are kept; the oldest go first.
const maxViolations = 200

// Violations returns the malformed requests so far, oldest first.
func (s *Server) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Violation{}, s.violations...)
}

// violate remembers a malformed request.
func (s *Server) violate(c *call, ps []problem) {
	v := Violation{At: s.cfg.Now(), Route: c.route.key(), Body: string(c.body[:min(len(c.body), 4000)])}
	for _, p := range ps {
		v.Problems = append(v.Problems, p.String())
	}
	s.cfg.Log.Warn("discord would refuse this body", "route", v.Route, "problems", v.Problems)
	s.mu.Lock()
	if len(s.violations) >= maxViolations {
		s.violations = append(s.violations[:0:0], s.violations[1:]...)
	}
	s.violations = append(s.violations, v)
	s.mu.Unlock()
	s.hub.publish("violation", v)
}
