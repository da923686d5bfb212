package game

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A Fault is one thing that goes wrong. Which fields matter depends on Name;
// Catalogue says. Empty selectors (Connection, Environment, Node, World,
// Events, Collection) match everything.
type Fault struct {
	// ID is given by SetFault.
	ID int64 `json:"id"`
	// Name is one of Catalogue.
	Name string `json:"fault"`

	Connection  int64    `json:"connection,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Node        int      `json:"node,omitempty"` // from 1
	World       string   `json:"world,omitempty"`
	Zone        string   `json:"zone,omitempty"`
	Events      []string `json:"events,omitempty"`
	Worlds      []string `json:"worlds,omitempty"`
	Collection  string   `json:"collection,omitempty"`
	// Character is an id or a name.
	Character string `json:"character,omitempty"`
	Field     string `json:"field,omitempty"`

	// Share of what is touched, 0 to 1; 0 means all of it.
	Share float64 `json:"share,omitempty"`
	// Count is how often it strikes before it is spent; 0 means no limit.
	Count int `json:"count,omitempty"`
	// Code is a WebSocket close code or an HTTP status.
	Code int `json:"code,omitempty"`
	// AfterMessages and AfterMS postpone the strike on a connection.
	AfterMessages int   `json:"after_messages,omitempty"`
	AfterMS       int64 `json:"after_ms,omitempty"`
	DelayMS       int64 `json:"delay_ms,omitempty"`
	OffsetS       int64 `json:"offset_s,omitempty"`
	// Heartbeats keep coming over a silent connection.
	Heartbeats bool `json:"heartbeats,omitempty"`
	// DurationMS ends the fault by itself; 0 means until it is cleared.
	DurationMS int64 `json:"duration_ms,omitempty"`

	rng    *rand.Rand
	struck int
	passed map[int64]int // messages to each connection since the fault began
	timers []*time.Timer
	outfit *outfit // stale_roster: the membership as it was
}

// A FaultKind describes one fault for people.
type FaultKind struct {
	Name        string   `json:"fault"`
	Description string   `json:"description"`
	Parameters  []string `json:"parameters"`
}

// Catalogue lists every fault that can be set (census 8).
func Catalogue() []FaultKind {
	return []FaultKind{
		{"silent_world", "no events of a world, heartbeat still true", []string{"world", "connection", "duration_ms"}},
		{"silent_connection", "no events; with heartbeats false nothing at all, not even answers", []string{"connection", "environment", "heartbeats", "duration_ms"}},
		{"world_down", "world false in heartbeat and state change, and silent", []string{"world", "duration_ms"}},
		{"close", "close frame with a code", []string{"connection", "environment", "code", "after_messages", "after_ms", "count", "duration_ms"}},
		{"reset", "TCP reset without a close frame", []string{"connection", "environment", "after_messages", "after_ms", "count", "duration_ms"}},
		{"half_open", "the socket stays open, nothing moves, no pong", []string{"connection", "environment", "after_messages", "after_ms", "count", "duration_ms"}},
		{"refuse_handshake", "HTTP status instead of the upgrade, 403 unless code says otherwise", []string{"code", "count", "duration_ms"}},
		{"hang_handshake", "the handshake is never answered", []string{"count", "duration_ms"}},
		{"drop_subscription", "names or worlds vanish from the subscription; with a duration, again and again", []string{"connection", "events", "worlds", "duration_ms"}},
		{"duplicates", "the same message twice on one connection, up to delay_ms later", []string{"connection", "world", "events", "share", "delay_ms", "duration_ms"}},
		{"node_loss", "a node loses a share of the events; other nodes lose others", []string{"node", "world", "events", "share", "duration_ms"}},
		{"reorder", "late by delay_ms, or by 1 to 3 s", []string{"connection", "world", "events", "share", "delay_ms", "duration_ms"}},
		{"clock", "timestamps off by offset_s", []string{"world", "connection", "events", "share", "offset_s", "duration_ms"}},
		{"lost_presence", "logins and logouts that nobody gets; events narrows it to one of them", []string{"world", "events", "character", "share", "count", "duration_ms"}},
		{"unknown_event", "an event name nobody knows, beside the true event", []string{"connection", "world", "share", "count", "duration_ms"}},
		{"unknown_field", "a field nobody knows in the true event", []string{"connection", "world", "events", "share", "field", "count", "duration_ms"}},
		{"missing_field", "a field left out of the true event: field, or a team id", []string{"connection", "world", "events", "share", "field", "count", "duration_ms"}},
		{"empty_payload", "a message with an empty payload, beside the true event", []string{"connection", "world", "share", "count", "duration_ms"}},
		{"invalid_json", "a broken message, beside the true event", []string{"connection", "world", "share", "count", "duration_ms"}},
		{"facility_burst", "many FacilityControl at once", []string{"world", "zone", "count"}},
		{"rest_redirect", "302 to the home page", restParameters},
		{"rest_html", "status 200 with HTML", restParameters},
		{"rest_service_unavailable", "service_unavailable", restParameters},
		{"rest_no_data", "No data found.", restParameters},
		{"rest_server_error", "SERVER_ERROR", restParameters},
		{"rest_status", "an HTTP status, 503 unless code says otherwise", append([]string{"code"}, restParameters...)},
		{"rest_empty", "an empty list, though there are rows", restParameters},
		{"rest_slow", "the answer takes delay_ms, 5 s unless told", append([]string{"delay_ms"}, restParameters...)},
		{"rest_hang", "no answer at all", restParameters},
		{"rest_cut", "the body ends half-way", restParameters},
		{"rest_join_unavailable", "a joined or resolved collection holds service_unavailable", []string{"collection", "share", "duration_ms"}},
		{"stale_roster", "rosters show a character's outfit as it was when the fault began", []string{"character", "duration_ms"}},
		{"duplicate_friend", "the first friend is listed twice", []string{"character", "duration_ms"}},
		{"deleted_friend", "a friend is listed who no longer exists", []string{"character", "duration_ms"}},
		{"empty_friends", "the friend list is empty", []string{"character", "duration_ms"}},
		{"hidden_character", "the query service does not know the character", []string{"character", "duration_ms"}},
	}
}

var restParameters = []string{"collection", "share", "count", "duration_ms"}

// A faultSet holds the active faults, oldest first. The server's lock guards it.
type faultSet struct {
	active []*Fault
	last   int64
}

// maxFaults bounds the faults active at once.
const maxFaults = 200

// SetFault starts a fault and returns it with its id. Faults without a
// duration that strike once (facility_burst, a close without after, a
// drop_subscription) are over when SetFault returns; others last until they
// are spent, end by duration, or are cleared.
func (s *Server) SetFault(f Fault) (Fault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkFault(&f); err != nil {
		return Fault{}, err
	}
	s.faults.last++
	f.ID = s.faults.last
	f.rng = rand.New(rand.NewPCG(uint64(s.cfg.Seed), uint64(f.ID)))
	f.passed = map[int64]int{}
	s.log.Info("fault set", "fault", f.Name, "id", f.ID)
	active := &f
	if s.strike(active) {
		return f, nil
	}
	s.faults.active = append(s.faults.active, active)
	if f.DurationMS > 0 {
		active.timers = append(active.timers, time.AfterFunc(ms(f.DurationMS), func() { s.ClearFault(active.ID) }))
	}
	return f, nil
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (s *Server) checkFault(f *Fault) error {
	if !slices.ContainsFunc(Catalogue(), func(k FaultKind) bool { return k.Name == f.Name }) {
		return fmt.Errorf("no fault %q", f.Name)
	}
	if f.Share < 0 || f.Share > 1 {
		return fmt.Errorf("share: %g is not between 0 and 1", f.Share)
	}
	if f.DurationMS < 0 || f.DelayMS < 0 || f.AfterMS < 0 || f.AfterMessages < 0 || f.Count < 0 {
		return errors.New("times and counts cannot be negative")
	}
	if len(s.faults.active) >= maxFaults {
		return errors.New("too many faults at once")
	}
	if f.Character != "" {
		c, err := s.model.find(f.Character)
		if err != nil {
			return err
		}
		f.Character, f.outfit = c.id, c.outfit
	} else if slices.Contains([]string{"stale_roster", "duplicate_friend", "deleted_friend", "empty_friends", "hidden_character"}, f.Name) {
		return fmt.Errorf("%s needs a character", f.Name)
	}
	if (f.Name == "world_down" || f.Name == "facility_burst") && s.model.byWorld[f.World] == nil {
		return fmt.Errorf("%s needs a world that is simulated", f.Name)
	}
	return nil
}

// strike does what a fault does at its beginning, and reports whether that
// was all of it.
func (s *Server) strike(f *Fault) bool {
	switch f.Name {
	case "facility_burst":
		w := s.model.byWorld[f.World]
		zone := f.Zone
		if zone == "" {
			zone = w.zones[0]
		}
		n := f.Count
		if n == 0 {
			n = 60
		}
		s.burst(w, zone, n, 0)
		return true
	case "world_down":
		s.announce(f.World, false)
	case "drop_subscription":
		for _, c := range s.conns {
			if f.selects(c) {
				c.sub.drop(f.Events, f.Worlds, environmentWorlds[c.env])
			}
		}
		return f.DurationMS == 0
	case "close", "reset", "half_open":
		return s.strikeConnections(f)
	}
	return false
}

func (s *Server) strikeConnections(f *Fault) bool {
	if f.AfterMessages > 0 {
		return false
	}
	hit := func() {
		for _, c := range s.conns {
			if f.selects(c) && !f.spent() {
				f.struck++
				s.end(c, f)
			}
		}
	}
	if f.AfterMS == 0 {
		hit()
		return true
	}
	f.timers = append(f.timers, time.AfterFunc(ms(f.AfterMS), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ctx.Err() == nil && s.faults.remove(f.ID) != nil {
			hit()
		}
	}))
	return false
}

// end closes, resets or freezes a connection.
func (s *Server) end(c *conn, f *Fault) {
	switch f.Name {
	case "close":
		code := f.Code
		if code == 0 {
			code = 1001
		}
		c.queue(frame{close: code})
	case "reset":
		c.reset()
	case "half_open":
		c.frozen = true
	}
}

// announce sends a world's state to the clients of its environment.
func (s *Server) announce(world string, online bool) {
	w := s.model.byWorld[world]
	for _, c := range s.conns {
		if c.env == w.env && !s.faults.mutes(c, true) {
			c.queue(frame{line: stateChange(w.worldFact, online)})
		}
	}
}

// ClearFault ends one fault, or all with id 0, and returns how many ended.
// A world that was down is announced back.
func (s *Server) ClearFault(id int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, f := range slices.Clone(s.faults.active) {
		if id != 0 && f.ID != id {
			continue
		}
		s.faults.remove(f.ID)
		n++
		if f.Name == "world_down" && !s.faults.down(f.World) && s.ctx.Err() == nil {
			s.announce(f.World, true)
		}
		s.log.Info("fault cleared", "fault", f.Name, "id", f.ID)
	}
	return n
}

// Faults returns the active faults, oldest first.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Fault{}
	for _, f := range s.faults.active {
		out = append(out, *f)
	}
	return out
}

func (fs *faultSet) remove(id int64) *Fault {
	for i, f := range fs.active {
		if f.ID == id {
			for _, t := range f.timers {
				t.Stop()
			}
			fs.active = slices.Delete(slices.Clone(fs.active), i, i+1)
			return f
		}
	}
	return nil
}

func (fs *faultSet) stopTimers() {
	for _, f := range fs.active {
		for _, t := range f.timers {
			t.Stop()
		}
	}
}

// selects reports whether a fault is about a connection.
func (f *Fault) selects(c *conn) bool {
	return (f.Connection == 0 || f.Connection == c.id) && (f.Environment == "" || f.Environment == c.env) &&
		(f.Node == 0 || f.Node == c.node)
}

func (f *Fault) covers(e *wireEvent) bool {
	return (f.World == "" || f.World == e.world) && (len(f.Events) == 0 || slices.Contains(f.Events, e.name))
}

func (f *Fault) spent() bool { return f.Count > 0 && f.struck >= f.Count }

// rolls decides whether this one is in the share, and counts it.
func (f *Fault) rolls() bool {
	if f.spent() || f.Share > 0 && f.rng.Float64() >= f.Share {
		return false
	}
	f.struck++
	return true
}

func (fs *faultSet) named(prefix string) func(func(*Fault) bool) {
	return func(yield func(*Fault) bool) {
		for _, f := range fs.active {
			if strings.HasPrefix(f.Name, prefix) && !yield(f) {
				return
			}
		}
	}
}

// down reports whether a fault has taken a world off.
func (fs *faultSet) down(world string) bool {
	for f := range fs.named("world_down") {
		if f.World == world {
			return true
		}
	}
	return false
}

// mutes reports whether a connection gets nothing; beats asks for heartbeats
// and answers, which some silent connections still get.
func (fs *faultSet) mutes(c *conn, beats bool) bool {
	for f := range fs.named("silent_connection") {
		if f.selects(c) && (!beats || !f.Heartbeats) {
			return true
		}
	}
	return false
}

// loses decides whether a login or logout reaches nobody (census 3, S10).
func (fs *faultSet) loses(e *wireEvent) bool {
	if !e.presence() {
		return false
	}
	for f := range fs.named("lost_presence") {
		if f.covers(e) && (f.Character == "" || f.Character == e.character) && f.rolls() {
			return true
		}
	}
	return false
}

// keepDropping applies drop_subscription faults that last.
func (fs *faultSet) keepDropping(c *conn) {
	for f := range fs.named("drop_subscription") {
		if f.selects(c) {
			c.sub.drop(f.Events, f.Worlds, environmentWorlds[c.env])
		}
	}
}

// lostOnNode decides by the event's number alone, so that all connections of
// a node lose the same events.
func (f *Fault) lostOnNode(seed int64, node int, n int64) bool {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%d/%d", seed, node, n)
	return f.Share == 0 || float64(h.Sum64()%1_000_000)/1_000_000 < f.Share
}
