package game

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A wireEvent is one event on its way to subscribers, with what matching
// needs taken out of its payload. It is not changed once made.
type wireEvent struct {
	name, world, zone   string
	character, attacker string
	experience          string
	env                 string // "" reaches subscribers of every environment
	unix                int64
	payload             json.RawMessage
	line                []byte
}

// presence reports whether the event is a login or logout.
func (e *wireEvent) presence() bool { return e.name == "PlayerLogin" || e.name == "PlayerLogout" }

// newEvent makes an event from fields; its keys come out sorted (census 2).
func newEvent(env string, fields map[string]string) *wireEvent {
	line := envelope(mustJSON(fields))
	unix, _ := strconv.ParseInt(fields["timestamp"], 10, 64)
	return &wireEvent{
		name: fields["event_name"], world: fields["world_id"], zone: fields["zone_id"], env: env, unix: unix,
		character: fields["character_id"], attacker: fields["attacker_character_id"],
		experience: fields["experience_id"], payload: payloadOf(line), line: line,
	}
}

const (
	envelopeHead = `{"payload":`
	envelopeTail = `,"service":"event","type":"serviceMessage"}`
)

// payloadOf is the payload inside an enveloped line, not a copy of it.
func payloadOf(line []byte) json.RawMessage {
	return line[len(envelopeHead) : len(line)-len(envelopeTail)]
}

// envelope wraps a payload as the service does.
func envelope(payload []byte) []byte {
	line := make([]byte, 0, len(envelopeHead)+len(payload)+len(envelopeTail))
	line = append(line, envelopeHead...)
	line = append(line, payload...)
	return append(line, envelopeTail...)
}

// errNotAnEvent is what a recorded line that is no event decodes to.
var errNotAnEvent = errors.New("not an event message")

// parsePayload reads an event from a payload object, whatever its fields.
func parsePayload(payload []byte) (*wireEvent, error) {
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	text := func(key string) string {
		s, _ := fields[key].(string)
		return s
	}
	unix, _ := strconv.ParseInt(text("timestamp"), 10, 64)
	return &wireEvent{
		name: text("event_name"), world: text("world_id"), zone: text("zone_id"), unix: unix,
		character: text("character_id"), attacker: text("attacker_character_id"), experience: text("experience_id"),
		payload: payload, line: envelope(payload),
	}, nil
}

// parseLine reads an event from a recorded message, keeping the line as it
// is. Lines that are no events are errNotAnEvent.
func parseLine(line []byte) (*wireEvent, error) {
	var m struct {
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, fmt.Errorf("line: %w", err)
	}
	if m.Type != "serviceMessage" || len(m.Payload) == 0 {
		return nil, errNotAnEvent
	}
	e, err := parsePayload(m.Payload)
	if err != nil {
		return nil, err
	}
	if e.name == "" {
		return nil, errNotAnEvent
	}
	e.line = line
	return e, nil
}

// withField returns the event with one payload field set, or removed when
// value is nil. The receiver stays as it is.
func (e *wireEvent) withField(key string, value *string) *wireEvent {
	var fields map[string]json.RawMessage
	if json.Unmarshal(e.payload, &fields) != nil {
		return e
	}
	delete(fields, key)
	if value != nil {
		fields[key], _ = json.Marshal(*value)
	}
	payload, err := json.Marshal(fields)
	if err != nil {
		return e
	}
	out := *e
	out.payload, out.line = payload, envelope(payload)
	return &out
}

// atTime returns the event with another timestamp, in Unix seconds.
func (e *wireEvent) atTime(unix int64) *wireEvent {
	text := strconv.FormatInt(unix, 10)
	out := e.withField("timestamp", &text)
	out.unix = unix
	return out
}

// A subscription is what one connection has asked for. Names are kept as
// sent; "all" is kept as a name.
type subscription struct {
	worlds, characters, events map[string]bool
	both                       bool // logicalAndCharactersWithWorlds
	list                       bool // list_characters
}

func newSubscription() subscription {
	return subscription{worlds: map[string]bool{}, characters: map[string]bool{}, events: map[string]bool{}}
}

// matches applies the table of census 1.6.
func (s *subscription) matches(e *wireEvent) bool {
	if !s.wantsEvent(e) {
		return false
	}
	world := s.worlds["all"] || s.worlds[e.world]
	switch e.name {
	case "ContinentLock", "ContinentUnlock", "FacilityControl", "MetagameEvent":
		return world
	}
	character := s.wantsCharacter(e)
	if s.both {
		return world && character
	}
	return character || world && e.presence()
}

func (s *subscription) wantsEvent(e *wireEvent) bool {
	if s.events["all"] || s.events[e.name] {
		return true
	}
	return e.name == "GainExperience" && s.events["GainExperience_experience_id_"+e.experience]
}

func (s *subscription) wantsCharacter(e *wireEvent) bool {
	if s.characters["all"] || e.character != "" && s.characters[e.character] {
		return true
	}
	return e.attacker != "" && s.characters[e.attacker] && (e.name == "Death" || e.name == "VehicleDestroy")
}

// A clientMessage is what a client may send (census 1.5).
type clientMessage struct {
	Service    string          `json:"service"`
	Action     string          `json:"action"`
	Worlds     []string        `json:"worlds"`
	Characters []string        `json:"characters"`
	EventNames []string        `json:"eventNames"`
	Both       any             `json:"logicalAndCharactersWithWorlds"`
	List       any             `json:"list_characters"`
	All        any             `json:"all"`
	Payload    json.RawMessage `json:"payload"`
}

// truth reads a flag sent as a boolean or as text; known is false without one.
func truth(v any) (value, known bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		b, err := strconv.ParseBool(strings.ToLower(v))
		return b, err == nil
	default:
		return false, false
	}
}

// add merges a subscribe message; nothing it does not name changes.
func (s *subscription) add(m *clientMessage) {
	for _, set := range s.sets(m) {
		for _, v := range set.values {
			set.into[v] = true
		}
	}
	if b, ok := truth(m.Both); ok {
		s.both = b
	}
	s.list, _ = truth(m.List)
}

// clear removes what a clearSubscribe message names.
func (s *subscription) clear(m *clientMessage) {
	if all, _ := truth(m.All); all {
		*s = newSubscription()
		return
	}
	for _, set := range s.sets(m) {
		for _, v := range set.values {
			delete(set.into, v)
		}
	}
	s.list, _ = truth(m.List)
}

type namedSet struct {
	into   map[string]bool
	values []string
}

func (s *subscription) sets(m *clientMessage) []namedSet {
	return []namedSet{{s.worlds, m.Worlds}, {s.characters, m.Characters}, {s.events, m.EventNames}}
}

// echo is the answer to subscribe and clearSubscribe.
func (s *subscription) echo() map[string]any {
	out := map[string]any{
		"eventNames": namesOf(s.events), "worlds": namesOf(s.worlds), "logicalAndCharactersWithWorlds": s.both,
	}
	switch {
	case s.characters["all"]:
		out["characters"] = []string{"all"}
	case s.list:
		out["characters"] = namesOf(s.characters)
	default:
		out["characterCount"] = len(s.characters)
	}
	return map[string]any{"subscription": out}
}

// namesOf returns the set in map order: the service keeps no order either,
// and a client must not count on one.
func namesOf(set map[string]bool) []string {
	if set["all"] {
		return []string{"all"}
	}
	out := make([]string, 0, len(set))
	for v := range set {
		out = append(out, v)
	}
	return out
}

// eventNames are all names the stream knows (census 2).
var eventNames = []string{
	"AchievementEarned", "BattleRankUp", "ContinentLock", "Death", "FacilityControl", "FishScan", "GainExperience",
	"ItemAdded", "MetagameEvent", "PlayerFacilityCapture", "PlayerFacilityDefend", "PlayerLogin", "PlayerLogout",
	"SkillAdded", "VehicleDestroy",
}

// drop takes names and worlds out, as the server sometimes does by itself
// (census 3, S4). "all" becomes the full list without them.
func (s *subscription) drop(events, worlds []string, known []worldFact) {
	without(s.events, events, eventNames)
	var ids []string
	for _, w := range known {
		ids = append(ids, w.id)
	}
	without(s.worlds, worlds, ids)
}

func without(set map[string]bool, names, all []string) {
	if len(names) == 0 {
		return
	}
	if set["all"] {
		delete(set, "all")
		for _, n := range all {
			set[n] = true
		}
	}
	for _, n := range names {
		delete(set, n)
	}
}
