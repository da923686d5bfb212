package game

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"muster/sim/guard"
)

// A Server is one simulated game: its world, its stream and its query
// service. Its methods are safe for concurrent use.
type Server struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex
	model    *model
	static   *staticTables
	journal  journal
	conns    []*conn // by id
	lastConn int64
	handed   int // connections given to nodes so far
	// deliveries are of all connections there were, if they are kept.
	deliveries []*Delivery
	faults     faultSet
	recent     map[string]recentCharacter
	rng        *rand.Rand // the generator's
	clock      time.Time  // game time, when Config.Manual
	rate       float64
	paused     bool
	budget     float64
	seenAt     int64
	seen       map[string]bool // natural keys of the events of one second
	counts     map[string]int64
	start      time.Time
	next       time.Time // next login or logout

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	httpd  *http.Server
	lis    net.Listener
	once   sync.Once
}

// recentCharacter is one row of recentCharacterIds.
type recentCharacter struct {
	env string
	at  time.Time
}

// New invents the world. It opens nothing and starts nothing.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("game simulator: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	static, err := loadStatic(cfg.StaticDir)
	if err != nil {
		return nil, fmt.Errorf("game simulator: %w", err)
	}
	start := cfg.Now()
	s := &Server{
		cfg: cfg, log: cfg.Log.With("sim", "game"), static: static, model: newModel(cfg, start),
		journal: journal{maxCount: cfg.JournalEntries, maxBytes: cfg.JournalBytes},
		recent:  map[string]recentCharacter{}, seen: map[string]bool{}, counts: map[string]int64{},
		rng: rand.New(rand.NewPCG(uint64(cfg.Seed), 0x6576656e7473)), rate: cfg.EventsPerSecond, start: start, clock: start,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.populate()
	return s, nil
}

// Start listens on addr (":0" picks a free port), serves, and starts the
// generator unless Config.Manual is set. It returns once the server accepts.
func (s *Server) Start(addr string) error {
	var lc net.ListenConfig
	lis, err := lc.Listen(s.ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("game simulator: listen: %w", err)
	}
	s.lis = lis
	s.httpd = &http.Server{Handler: guard.New(s, "push.planetside2.com", "census.daybreakgames.com"), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return s.ctx }}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if err := s.httpd.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serving ended", "err", err)
		}
	}()
	s.Generate()
	return nil
}

// Generate starts the generator of a server that is used as a handler,
// without Start. It does nothing when Config.Manual is set.
func (s *Server) Generate() {
	if s.cfg.Manual {
		return
	}
	s.once.Do(func() {
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			s.generate()
		}()
	})
}

// Addr returns host:port of the listener; empty before Start.
func (s *Server) Addr() string {
	if s.lis == nil {
		return ""
	}
	return s.lis.Addr().String()
}

// StreamURL returns the streaming service's address, without its query.
func (s *Server) StreamURL() string { return "ws://" + s.Addr() + "/streaming" }

// QueryURL returns the query service's base address; also that of the page
// and of the control surface.
func (s *Server) QueryURL() string { return "http://" + s.Addr() }

// Close cuts every connection and returns once all goroutines have ended. A
// closed server cannot be started again.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	for _, c := range s.conns {
		c.kill()
	}
	s.faults.stopTimers()
	s.mu.Unlock()
	var err error
	if s.httpd != nil {
		err = s.httpd.Close()
	}
	s.wg.Wait()
	return err
}

// ServeHTTP routes by path. Paths are not cleaned: the query service takes
// colons, commas and double slashes as they come.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/":
		s.servePage(w, r)
	case path == "/streaming" || path == "/streaming/":
		s.serveStream(w, r)
	case strings.HasPrefix(path, "/sim/"):
		s.serveControl(w, r)
	default:
		s.serveQuery(w, r)
	}
}

// now is game time. The caller holds the lock.
func (s *Server) now() time.Time {
	if s.cfg.Manual {
		return s.clock
	}
	return s.cfg.Now()
}

// Now returns game time: the wall clock, or where Step has left it.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// maxRecent bounds the characters recentCharacterIds knows of.
const maxRecent = 20_000

// remember notes whom an event was about; when the table is full, somebody
// is forgotten for it.
func (s *Server) remember(e *wireEvent, now time.Time) {
	if e.character == "" || e.character == "0" {
		return
	}
	if len(s.recent) >= maxRecent {
		for id := range s.recent {
			delete(s.recent, id)
			break
		}
	}
	s.recent[e.character] = recentCharacter{env: e.env, at: now}
}

// emit writes an event to the journal and hands it to every subscriber whose
// subscription matches. The caller holds the lock.
func (s *Server) emit(e *wireEvent) {
	now := s.now()
	lost := s.faults.loses(e)
	n := s.journal.add(Entry{At: now, Payload: e.payload, Lost: lost, event: e})
	s.counts[e.name]++
	s.remember(e, now)
	if lost {
		return
	}
	for _, c := range s.conns {
		s.deliver(c, e, n)
	}
}

// send makes an event of fields and emits it, unless one with the same
// natural key went out in the same second: two such would be one event to
// any client (census 3). It reports whether the event went out.
func (s *Server) send(w *worldState, fields map[string]string) bool {
	now := s.now().Unix()
	fields["timestamp"] = itoa(now)
	fields["world_id"] = w.id
	if now != s.seenAt {
		s.seenAt = now
		clear(s.seen)
	}
	key := strings.Join([]string{
		fields["event_name"], w.id, fields["zone_id"], fields["character_id"], fields["attacker_character_id"],
		fields["experience_id"], fields["other_id"], fields["vehicle_id"], fields["facility_id"], fields["instance_id"],
		fields["achievement_id"], fields["item_id"], fields["skill_id"], fields["battle_rank"],
		fields["metagame_event_state"], fields["fish_id"],
	}, "|")
	if s.seen[key] {
		return false
	}
	s.seen[key] = true
	s.emit(newEvent(w.env, fields))
	return true
}
