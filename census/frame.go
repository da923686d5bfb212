package census

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/event"
)

// MaxFrame is the largest text frame that is read, in bytes. A larger one closes
// the connection. Real ones are under 4 KiB.
const MaxFrame = 64 << 10

// ErrFrame says that a frame is not a JSON object.
var ErrFrame = errors.New("not a message of the stream")

// FrameKind is a sort of message, by the table of census 1.8.
type FrameKind string

// The kinds of message.
const (
	FrameEvent      FrameKind = "event"
	FrameConnection FrameKind = "connection"
	FrameWorld      FrameKind = "world"
	FrameHeartbeat  FrameKind = "heartbeat"
	FrameEcho       FrameKind = "subscription"
	FrameGreeting   FrameKind = "greeting"
	FrameRecent     FrameKind = "recent_characters"
	FrameOther      FrameKind = "other"       // a reply to echo or help, or something new
	FrameBad        FrameKind = "undecodable" // never returned by DecodeFrame without an error
)

// A Frame is one message of the stream. Fields beyond Kind are set by kind.
type Frame struct {
	Kind FrameKind
	// Payload is the event's payload object as received. It aliases the frame.
	Payload []byte
	// Endpoint and Online are of FrameWorld.
	Endpoint string
	Online   bool
	// Heartbeat is of FrameHeartbeat.
	Heartbeat Heartbeat
	// Subscription is of FrameEcho.
	Subscription Subscription
}

// A Heartbeat says which endpoints the service can reach, not that events flow
// (census 1.3).
type Heartbeat struct {
	At     time.Time // zero where the service does not say, UTC
	Online map[event.World]bool
}

// Phase returns the second within 30 at which the node beats, which tells two
// nodes apart; ok is false when the heartbeat has no time.
func (h Heartbeat) Phase() (seconds int, ok bool) {
	return int(h.At.Unix() % beatEvery), !h.At.IsZero()
}

// envelope is the outer object of every message.
type envelope struct {
	Type         string          `json:"type"`
	Payload      json.RawMessage `json:"payload"`
	Detail       json.RawMessage `json:"detail"`
	Online       json.RawMessage `json:"online"`
	Timestamp    json.RawMessage `json:"timestamp"`
	Subscription json.RawMessage `json:"subscription"`
	Greeting     json.RawMessage `json:"send this for help"`
}

// Every event is wrapped like this, so that the payload can be cut out without
// a second parse; what is between is checked by event.Decode.
const (
	wrapHead = `{"payload":`
	wrapTail = `,"service":"event","type":"serviceMessage"}`
)

// DecodeFrame reads one text frame. The error wraps ErrFrame. It does not look
// into an event's payload: event.Decode does.
func DecodeFrame(b []byte) (Frame, error) {
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	switch {
	case e.Type == "connectionStateChanged":
		return Frame{Kind: FrameConnection}, nil
	case e.Type == "serviceStateChanged":
		return Frame{Kind: FrameWorld, Endpoint: text(e.Detail), Online: truth(e.Online)}, nil
	case e.Type == "heartbeat":
		return Frame{Kind: FrameHeartbeat, Heartbeat: decodeHeartbeat(e)}, nil
	case e.Type == "serviceMessage":
		return decodeService(e), nil
	case isObject(e.Subscription):
		return Frame{Kind: FrameEcho, Subscription: decodeSubscription(e.Subscription)}, nil
	case e.Greeting != nil:
		return Frame{Kind: FrameGreeting}, nil
	}
	return Frame{Kind: FrameOther}, nil
}

// cutPayload returns the payload of a frame in the usual wrapping.
func cutPayload(b []byte) (payload []byte, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(wrapHead))
	if !ok {
		return nil, false
	}
	return bytes.CutSuffix(rest, []byte(wrapTail))
}

// decodeService tells an event from the reply to recentCharacterIds, which has
// no event_name (census 1.5). What is neither counts as an event, so that a
// broken one is kept.
func decodeService(e envelope) Frame {
	var p struct {
		Name json.RawMessage `json:"event_name"`
		List json.RawMessage `json:"recent_character_id_list"`
		N    json.RawMessage `json:"recent_character_id_count"`
	}
	if err := json.Unmarshal(e.Payload, &p); err == nil && p.Name == nil {
		if p.List != nil || p.N != nil {
			return Frame{Kind: FrameRecent}
		}
		return Frame{Kind: FrameOther}
	}
	return Frame{Kind: FrameEvent, Payload: e.Payload}
}

func decodeHeartbeat(e envelope) Heartbeat {
	h := Heartbeat{Online: map[event.World]bool{}}
	if n, err := strconv.ParseInt(text(e.Timestamp), 10, 64); err == nil && n > 0 && n < 1<<33 {
		h.At = time.Unix(n, 0).UTC()
	}
	var online map[string]json.RawMessage
	if json.Unmarshal(e.Online, &online) != nil {
		return h
	}
	for endpoint, v := range online {
		if w, ok := ParseEndpoint(endpoint); ok {
			h.Online[w] = truth(v)
		}
	}
	return h
}

// ParseEndpoint finds a known world's id in the name of an endpoint (census
// 1.4): after the last underscore as a rule, earlier on PS4. Names of worlds
// change, so nothing else of the text is looked at.
func ParseEndpoint(name string) (event.World, bool) {
	for rest, more := name, true; more; {
		i := strings.LastIndexByte(rest, '_')
		more = i >= 0
		n, err := strconv.ParseInt(rest[i+1:], 10, 32)
		if err == nil {
			if w := event.World(n); known(w) {
				return w, true
			}
		}
		rest = rest[:max(i, 0)]
	}
	return 0, false
}

func known(w event.World) bool {
	_, ok := w.Info()
	return ok
}

// text reads a scalar as text; numbers and booleans come as text too, mostly.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func truth(raw json.RawMessage) bool {
	s := text(raw)
	return s == "true" || s == "1"
}

func isObject(raw json.RawMessage) bool {
	return len(raw) > 0 && raw[0] == '{'
}
