package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Topics of the bus. Work topics have durable queues whose consumers share the
// messages; broadcast topics reach everyone who listens now.
const (
	TopicEvents  = "events"  // work: Sighting, Observation and StreamState, listener and roster → dispatcher
	TopicFeed    = "feed"    // broadcast: FeedMessage, dispatcher → notifiers
	TopicAlerts  = "alerts"  // broadcast: a nudge that the outbox has work, dispatcher → bots
	TopicLookups = "lookups" // broadcast: characters without a name, dispatcher → roster; an empty list: look in the store
	TopicNames   = "names"   // broadcast: names learned, roster → dispatchers and notifiers
	// TopicListeners is broadcast: what the listeners of an environment tell each other.
	TopicListeners = "listeners"
)

// QueueDispatcher is the one queue of TopicEvents.
const QueueDispatcher = "dispatcher"

// envelopeVersion is raised when an old reader could misread a new message.
// Fields may be added without raising it.
const envelopeVersion = 1

// ErrEnvelope says that a message of TopicEvents cannot be read. No retry helps.
var ErrEnvelope = errors.New("not a message of the events topic")

// A Message is what travels on TopicEvents; exactly one field is set.
type Message struct {
	Event       *Event
	Observation *Observation
	Stream      *StreamState
}

// An Observation is presence learned from the query service rather than the
// stream: it corrects what is stored and is never announced.
type Observation struct {
	Character  CharacterID `json:"character"`
	World      World       `json:"world"` // the world it is on; 0 when offline
	Online     bool        `json:"online"`
	ObservedAt time.Time   `json:"observed_at"` // when the query was sent, UTC
	By         Fence       `json:"by,omitzero"`
}

// A Fence says under which leadership something is said that is more than a fact:
// storage refuses it once a later leader has acted. The zero value is of a version
// that knew no fences, and passes.
type Fence struct {
	Lease string `json:"lease"`
	Term  int64  `json:"term"` // 1 and up; larger for each later leader
}

// maxLease bounds the name of a lease in bytes.
const maxLease = 191

// Valid reports whether f can be compared: it is zero, or names a lease and a term.
func (f Fence) Valid() bool {
	return f == Fence{} || f.Term > 0 && f.Lease != "" && len(f.Lease) <= maxLease
}

// EncodeSighting wraps a payload as it came from the stream. payload must be one
// valid JSON value; the bytes are copied.
func EncodeSighting(payload []byte, receivedAt time.Time, copyNo uint8) []byte {
	b := make([]byte, 0, len(payload)+64)
	b = append(b, `{"v":1,"received_at":`...)
	b = strconv.AppendInt(b, receivedAt.UnixNano(), 10)
	if copyNo > 0 {
		b = append(b, `,"copy":`...)
		b = strconv.AppendUint(b, uint64(copyNo), 10)
	}
	b = append(b, `,"payload":`...)
	b = append(b, payload...)
	return append(b, '}')
}

// EncodeObservation wraps o.
func EncodeObservation(o Observation) ([]byte, error) {
	return json.Marshal(envelope{V: envelopeVersion, Observation: &o})
}

// EncodeStream wraps s.
func EncodeStream(s StreamState) ([]byte, error) {
	return json.Marshal(envelope{V: envelopeVersion, Stream: &s})
}

type envelope struct {
	V           int          `json:"v"`
	ReceivedAt  int64        `json:"received_at,omitempty"`
	Copy        uint8        `json:"copy,omitempty"`
	Observation *Observation `json:"observation,omitempty"`
	Stream      *StreamState `json:"stream,omitempty"`
}

// DecodeMessage reads a message of TopicEvents. The error wraps ErrEnvelope.
func DecodeMessage(b []byte) (Message, error) {
	if e, ok := scanMessage(b); ok {
		return Message{Event: &e}, nil
	}
	return decodeMessageLoose(b)
}

// decodeMessageLoose reads messages that scanMessage does not.
func decodeMessageLoose(b []byte) (Message, error) {
	var m struct {
		envelope
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		if version := otherVersion(b); version != nil {
			return Message{}, version
		}
		return Message{}, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if err := m.check(); err != nil {
		return Message{}, err
	}
	switch {
	case m.Observation != nil:
		if m.Observation.Character <= 0 || m.Observation.ObservedAt.IsZero() {
			return Message{}, fmt.Errorf("%w: observation without character or time", ErrEnvelope)
		}
		if !m.Observation.By.Valid() {
			return Message{}, fmt.Errorf("%w: observation with a broken fence", ErrEnvelope)
		}
		return Message{Observation: m.Observation}, nil
	case m.Stream != nil:
		if m.Stream.World == 0 || m.Stream.Since.IsZero() {
			return Message{}, fmt.Errorf("%w: stream state without world or time", ErrEnvelope)
		}
		if !m.Stream.By.Valid() {
			return Message{}, fmt.Errorf("%w: stream state with a broken fence", ErrEnvelope)
		}
		return Message{Stream: m.Stream}, nil
	case m.Payload != nil:
		e, err := Decode(m.Payload, time.Unix(0, m.ReceivedAt))
		if err != nil {
			return Message{}, fmt.Errorf("%w: %w", ErrEnvelope, err)
		}
		e.Copy = m.Copy
		return Message{Event: &e}, nil
	}
	return Message{}, fmt.Errorf("%w: empty", ErrEnvelope)
}

// otherVersion returns an error that names the version of a message whose fields
// are not of the types this build knows, nil if it is of this version or none.
func otherVersion(b []byte) error {
	var e struct {
		V json.RawMessage `json:"v"`
	}
	if json.Unmarshal(b, &e) != nil || len(e.V) == 0 || string(e.V) == strconv.Itoa(envelopeVersion) {
		return nil
	}
	const limit = 20 // bytes of whatever stands there
	return fmt.Errorf("%w: version %s, this build reads %d", ErrEnvelope, e.V[:min(len(e.V), limit)], envelopeVersion)
}

func (e envelope) check() error {
	if e.V != envelopeVersion {
		return fmt.Errorf("%w: version %d, this build reads %d", ErrEnvelope, e.V, envelopeVersion)
	}
	if e.Stream == nil && e.Observation == nil && e.ReceivedAt <= 0 {
		return fmt.Errorf("%w: no time of receipt", ErrEnvelope)
	}
	return nil
}
