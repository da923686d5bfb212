package census

import (
	"encoding/json"
	"slices"
	"strconv"

	"muster/event"
)

// Limits of one message to the service; compatible mirrors refuse more
// (census 1.1).
const (
	maxMessage = 4096 // bytes
	maxEntries = 500
)

// A Subscription is what a connection has asked for, or what the service says
// it has (census 1.5). "all" in a list stands for everything.
type Subscription struct {
	Worlds     []string
	EventNames []string
	Characters []string
	// And asks that the event's world matches too, wherever characters match.
	And bool
}

// subscribeMessage is one call of the subscribe action.
type subscribeMessage struct {
	Service    string   `json:"service"`
	Action     string   `json:"action"`
	Worlds     []string `json:"worlds,omitempty"`
	Characters []string `json:"characters,omitempty"`
	EventNames []string `json:"eventNames,omitempty"`
	And        bool     `json:"logicalAndCharactersWithWorlds,omitempty"`
}

func newSubscribe() subscribeMessage {
	return subscribeMessage{Service: "event", Action: "subscribe"}
}

// everything returns the subscription to all that happens on worlds.
func everything(worlds []event.World, names []string) Subscription {
	s := Subscription{Characters: []string{"all"}, EventNames: names, And: true}
	for _, w := range worlds {
		s.Worlds = append(s.Worlds, strconv.Itoa(int(w)))
	}
	return s
}

// messages splits s so that no message breaks a limit. Calls add up, so any
// split means the same.
func (s Subscription) messages() [][]byte {
	var out [][]byte
	m, size, entries := newSubscribe(), 0, 0
	flush := func() {
		m.And = s.And
		b, err := json.Marshal(m)
		if err == nil {
			out = append(out, b)
		}
		m, size, entries = newSubscribe(), 0, 0
	}
	add := func(list func(*subscribeMessage) *[]string, values []string) {
		for _, v := range values {
			cost := len(strconv.Quote(v)) + 1
			if entries == maxEntries || size+cost > maxMessage-200 { // 200: the fields' own names
				flush()
			}
			l := list(&m)
			*l = append(*l, v)
			size, entries = size+cost, entries+1
		}
	}
	add(func(m *subscribeMessage) *[]string { return &m.Worlds }, s.Worlds)
	add(func(m *subscribeMessage) *[]string { return &m.Characters }, s.Characters)
	add(func(m *subscribeMessage) *[]string { return &m.EventNames }, s.EventNames)
	if entries > 0 || s.And {
		flush()
	}
	return out
}

// missing returns what s asks for and got does not have. complete is true if
// that is nothing.
func (s Subscription) missing(got Subscription) (rest Subscription, complete bool) {
	rest = Subscription{
		Worlds:     lacking(s.Worlds, got.Worlds),
		EventNames: lacking(s.EventNames, got.EventNames),
		Characters: lacking(s.Characters, got.Characters),
		And:        s.And,
	}
	complete = len(rest.Worlds)+len(rest.EventNames)+len(rest.Characters) == 0 && (got.And || !s.And)
	return rest, complete
}

func lacking(want, got []string) []string {
	if slices.Contains(got, "all") {
		return nil
	}
	var out []string
	for _, v := range want {
		if !slices.Contains(got, v) {
			out = append(out, v)
		}
	}
	return out
}

// lapsed returns the worlds that lack something, nil for all of them.
func (s Subscription) lapsed() []event.World {
	if len(s.EventNames) > 0 {
		return nil
	}
	var worlds []event.World
	for _, id := range s.Worlds {
		if n, err := strconv.ParseInt(id, 10, 32); err == nil {
			worlds = append(worlds, event.World(n))
		}
	}
	return worlds
}

// decodeSubscription reads an echo. What is not there stays empty.
func decodeSubscription(raw json.RawMessage) Subscription {
	var e struct {
		Worlds     json.RawMessage `json:"worlds"`
		EventNames json.RawMessage `json:"eventNames"`
		Characters json.RawMessage `json:"characters"`
		And        json.RawMessage `json:"logicalAndCharactersWithWorlds"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return Subscription{}
	}
	return Subscription{Worlds: texts(e.Worlds), EventNames: texts(e.EventNames),
		Characters: texts(e.Characters), And: truth(e.And)}
}

func texts(raw json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}

// emptySubscribe changes nothing and returns the echo (census 1.5).
func emptySubscribe() []byte { return []byte(`{"service":"event","action":"subscribe"}`) }

// A subscriptionCheck compares echoes with what was asked for (census 3, S4).
// It is not safe for concurrent use.
type subscriptionCheck struct {
	want    Subscription
	limit   int // bad checks in a row before a reconnect
	pending int // messages sent whose echo has not come
	bad     int // checks in a row that found something missing or got no echo
	lapses  int // reconnects that did not help; each doubles the limit
}

// opened begins a new connection.
func (c *subscriptionCheck) opened() { c.pending, c.bad = 0, 0 }

// ask is called when an empty subscribe is about to be sent. It reports whether
// the earlier ones went unanswered so often that only a reconnect is left.
func (c *subscriptionCheck) ask() (hopeless bool) {
	if c.pending > 0 {
		c.bad++
	}
	c.pending = 1
	return c.give()
}

// echo takes an answer. rest is what must be asked for again, nil for nothing.
// Echoes of a split subscription count only once the last has come.
func (c *subscriptionCheck) echo(got Subscription) (rest *Subscription, hopeless bool) {
	c.pending = max(c.pending-1, 0)
	if c.pending > 0 {
		return nil, false
	}
	missing, complete := c.want.missing(got)
	if complete {
		c.bad, c.lapses = 0, 0
		return nil, false
	}
	c.bad++
	return &missing, c.give()
}

func (c *subscriptionCheck) give() bool {
	if c.bad < c.limit<<min(c.lapses, 6) {
		return false
	}
	c.lapses++
	return true
}
