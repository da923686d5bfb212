package game

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Person is what the control surface says about a character.
type Person struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	World   string   `json:"world"`
	Faction int      `json:"faction"`
	Outfit  string   `json:"outfit,omitempty"` // tag
	Online  bool     `json:"online"`
	Zone    string   `json:"zone,omitempty"`
	Friends []string `json:"friends,omitempty"` // ids
}

func (c *character) person() Person {
	p := Person{ID: c.id, Name: c.name, World: c.world, Faction: c.faction, Online: c.online, Friends: append([]string(nil), c.friends...)}
	if c.online {
		p.Zone = c.zone
	}
	if c.outfit != nil {
		p.Outfit = c.outfit.tag
	}
	return p
}

// maxPeople bounds what Characters returns.
const maxPeople = 500

// Characters returns characters whose name begins with prefix, in any case,
// in the order they were invented, 500 at most.
func (s *Server) Characters(prefix string) []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Person{}
	for _, c := range s.model.chars {
		if len(out) < maxPeople && strings.HasPrefix(strings.ToLower(c.name), strings.ToLower(prefix)) {
			out = append(out, c.person())
		}
	}
	return out
}

// Login brings a character, by id or name, online and says so on the stream.
// Logging in twice repeats the event, as the game does when it lost a logout.
func (s *Server) Login(idOrName string) error { return s.presence(idOrName, s.login) }

// Logout takes a character offline and says so on the stream.
func (s *Server) Logout(idOrName string) error { return s.presence(idOrName, s.logout) }

func (s *Server) presence(idOrName string, do func(*character)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.model.find(idOrName)
	if err != nil {
		return err
	}
	do(c)
	c.until = s.now().Add(2 * time.Minute) // the generator leaves it alone meanwhile
	return nil
}

// A Kill is one kill made to order.
type Kill struct {
	Attacker string `json:"attacker"` // id or name
	Victim   string `json:"victim"`   // id or name
	Weapon   string `json:"weapon"`   // item id; empty lets the attacker choose
	Headshot bool   `json:"headshot"`
}

// Kill sends a Death, and its experience, between two characters. It does not
// look whether they are online or on one world: the event is what a client
// would get. A second one of the pair in the same second is not sent.
func (s *Server) Kill(k Kill) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	attacker, err := s.model.find(k.Attacker)
	if err != nil {
		return fmt.Errorf("attacker: %w", err)
	}
	victim, err := s.model.find(k.Victim)
	if err != nil {
		return fmt.Errorf("victim: %w", err)
	}
	for _, c := range []*character{attacker, victim} {
		if c.team == 0 {
			c.team = (c.faction-1)%3 + 1
		}
		if c.zone == "" {
			c.zone = s.model.byWorld[c.world].zones[0]
		}
	}
	weapon := weaponFact{id: k.Weapon}
	if k.Weapon == "" {
		weapon = s.pickWeapon(attacker, false)
	}
	if s.kill(attacker, victim, weapon, k.Headshot) == 0 {
		return errors.New("the same two met in this very second already")
	}
	return nil
}

// Move puts a character into an outfit, by tag on its world, or out of its
// outfit with an empty tag. Rosters follow, unless one is stale.
func (s *Server) Move(idOrName, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.model.find(idOrName)
	if err != nil {
		return err
	}
	var to *outfit
	for _, o := range s.model.outfits {
		if o.world == c.world && tag != "" && strings.EqualFold(o.tag, tag) {
			to = o
		}
	}
	if to == nil && tag != "" {
		return fmt.Errorf("no outfit %q on world %s", tag, c.world)
	}
	if c.outfit != nil && c.outfit.leader == c {
		return errors.New("a leader cannot leave")
	}
	s.model.move(c, to)
	c.memberSince = s.now().Unix()
	return nil
}

// Emit sends a payload object, whatever is in it, to every subscriber it
// matches.
func (s *Server) Emit(payload json.RawMessage) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, payload); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	e, err := parsePayload(compact.Bytes())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow(e)
	s.emit(e)
	return nil
}

// SetRate changes the generator's pace; 0 stops it altogether.
func (s *Server) SetRate(eventsPerSecond float64) error {
	if eventsPerSecond < 0 || eventsPerSecond > maxRate {
		return fmt.Errorf("events per second: %g is not between 0 and %d", eventsPerSecond, maxRate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = eventsPerSecond
	return nil
}

// Pause stops the generator until Resume.
func (s *Server) Pause() { s.setPaused(true) }

// Resume lets the generator go on.
func (s *Server) Resume() { s.setPaused(false) }

func (s *Server) setPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
}

// Journal returns up to limit events numbered above after, oldest first: what
// truly happened, before any fault.
func (s *Server) Journal(after int64, limit int) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.after(after, limit)
}

// A Client is one connection to the stream.
type Client struct {
	ID          int64     `json:"id"`
	Environment string    `json:"environment"`
	Node        int       `json:"node"`
	OpenedAt    time.Time `json:"opened_at"`
	Sent        int64     `json:"sent"`    // events
	Waiting     int       `json:"waiting"` // messages
	Events      int       `json:"events_subscribed"`
	Worlds      int       `json:"worlds_subscribed"`
	Characters  int       `json:"characters_subscribed"`
}

// A State is the server at a glance.
type State struct {
	Now             time.Time        `json:"now"`
	EventsPerSecond float64          `json:"events_per_second"`
	Paused          bool             `json:"paused"`
	Emitted         int64            `json:"emitted"`
	Events          map[string]int64 `json:"events"`
	Characters      int              `json:"characters"`
	Online          map[string]int   `json:"online"` // by world
	Clients         []Client         `json:"clients"`
	Faults          []Fault          `json:"faults"`
}

// State returns the server at a glance.
func (s *Server) State() State {
	faults := s.Faults()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{
		Now: s.now(), EventsPerSecond: s.rate, Paused: s.paused, Emitted: s.journal.last, Events: map[string]int64{},
		Characters: len(s.model.chars), Online: map[string]int{}, Clients: []Client{}, Faults: faults,
	}
	for k, n := range s.counts {
		st.Events[k] = n
	}
	for _, w := range s.model.worlds {
		st.Online[w.id] = len(w.online)
	}
	for _, c := range s.conns {
		st.Clients = append(st.Clients, Client{
			ID: c.id, Environment: c.env, Node: c.node, OpenedAt: c.opened, Sent: c.sent, Waiting: len(c.out),
			Events: len(c.sub.events), Worlds: len(c.sub.worlds), Characters: len(c.sub.characters),
		})
	}
	return st
}

// maxBody bounds a control request, in bytes; a replay's is larger.
const (
	maxBody       = 1 << 20
	maxReplayBody = 64 << 20
)

// serveControl answers /sim/.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	limit := int64(maxBody)
	if r.URL.Path == "/sim/replay" {
		limit = maxReplayBody
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	handler := s.controls()[r.Method+" "+r.URL.Path]
	if handler == nil {
		writeJSON(w, http.StatusNotFound, row{"error": "no such control; see /"})
		return
	}
	answer, err := handler(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, row{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

var okay = row{"ok": true}

func (s *Server) controls() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /sim/state":      func(*http.Request) (any, error) { return s.State(), nil },
		"GET /sim/characters": func(r *http.Request) (any, error) { return s.Characters(r.URL.Query().Get("name")), nil },
		"GET /sim/faults":     func(*http.Request) (any, error) { return row{"available": Catalogue(), "active": s.Faults()}, nil },
		"GET /sim/journal":    s.controlJournal,
		"POST /sim/login":     s.controlPresence(s.Login),
		"POST /sim/logout":    s.controlPresence(s.Logout),
		"POST /sim/kill":      s.controlKill,
		"POST /sim/outfit":    s.controlMove,
		"POST /sim/emit":      s.controlEmit,
		"POST /sim/rate":      s.controlRate,
		"POST /sim/pause":     func(*http.Request) (any, error) { s.Pause(); return okay, nil },
		"POST /sim/resume":    func(*http.Request) (any, error) { s.Resume(); return okay, nil },
		"POST /sim/step":      s.controlStep,
		"POST /sim/fault":     s.controlFault,
		"DELETE /sim/fault":   s.controlClear,
		"POST /sim/replay":    s.controlReplay,
	}
}

func decode(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func (s *Server) controlJournal(r *http.Request) (any, error) {
	after, err := strconv.ParseInt("0"+r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return nil, errors.New("after: not a number")
	}
	limit, err := strconv.Atoi("0" + r.URL.Query().Get("limit"))
	if err != nil {
		return nil, errors.New("limit: not a number")
	}
	if limit == 0 || limit > 10_000 {
		limit = 10_000
	}
	entries := s.Journal(after, limit)
	if entries == nil {
		entries = []Entry{}
	}
	return entries, nil
}

func (s *Server) controlPresence(do func(string) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var body struct {
			Character string `json:"character"`
		}
		if err := decode(r, &body); err != nil {
			return nil, err
		}
		return okay, do(body.Character)
	}
}

func (s *Server) controlKill(r *http.Request) (any, error) {
	var k Kill
	if err := decode(r, &k); err != nil {
		return nil, err
	}
	return okay, s.Kill(k)
}

func (s *Server) controlMove(r *http.Request) (any, error) {
	var body struct {
		Character string `json:"character"`
		Tag       string `json:"tag"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	return okay, s.Move(body.Character, body.Tag)
}

func (s *Server) controlEmit(r *http.Request) (any, error) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return okay, s.Emit(payload)
}

func (s *Server) controlRate(r *http.Request) (any, error) {
	var body struct {
		EventsPerSecond float64 `json:"events_per_second"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	return okay, s.SetRate(body.EventsPerSecond)
}

// maxSteps bounds one step request: an hour of game time.
const maxSteps = 36_000

func (s *Server) controlStep(r *http.Request) (any, error) {
	var body struct {
		Steps int `json:"steps"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if !s.cfg.Manual || body.Steps < 0 || body.Steps > maxSteps {
		return nil, errors.New("steps need a manual clock, and at most 36000 at once")
	}
	s.Step(body.Steps)
	return okay, nil
}

func (s *Server) controlFault(r *http.Request) (any, error) {
	var f Fault
	if err := decode(r, &f); err != nil {
		return nil, err
	}
	return s.SetFault(f)
}

func (s *Server) controlClear(r *http.Request) (any, error) {
	id, err := strconv.ParseInt("0"+r.URL.Query().Get("id"), 10, 64)
	if err != nil {
		return nil, errors.New("id: not a number")
	}
	return row{"cleared": s.ClearFault(id)}, nil
}

// controlReplay plays lines of the request, or of a file under StaticDir, and
// answers when it is done.
func (s *Server) controlReplay(r *http.Request) (any, error) {
	var body struct {
		Path  string            `json:"path"`
		Lines []json.RawMessage `json:"lines"`
		Speed float64           `json:"speed"`
		Shift bool              `json:"shift"`
	}
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	var lines [][]byte
	for _, l := range body.Lines {
		var text string
		if json.Unmarshal(l, &text) == nil {
			l = []byte(text)
		}
		lines = append(lines, l)
	}
	if body.Path != "" {
		var err error
		if lines, err = s.readRecording(body.Path); err != nil {
			return nil, err
		}
	}
	n, err := s.Replay(r.Context(), lines, ReplayOptions{Speed: body.Speed, Shift: body.Shift})
	return row{"sent": n}, err
}

// readRecording reads a file that must lie in the static directory; os.Root
// lets no path out of it.
func (s *Server) readRecording(path string) ([][]byte, error) {
	if s.cfg.StaticDir == "" {
		return nil, errors.New("path: no static directory is set")
	}
	root, err := os.OpenRoot(s.cfg.StaticDir)
	if err != nil {
		return nil, errors.New("path: the static directory cannot be read")
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, fmt.Errorf("path: %q is not in the static directory", path)
	}
	defer func() { _ = f.Close() }()
	return ReadLines(io.LimitReader(f, maxReplayBody))
}
