package game

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
