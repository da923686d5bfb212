package discord

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kinds of faults of REST.
const (
	// FaultStatus answers with Status and Code before anything is done.
	FaultStatus = "status"
	// FaultLost does what was asked, and then answers with Status (502).
	FaultLost = "lost"
	// FaultBan answers with an HTML 429 that is not JSON.
	FaultBan = "ban"
	// FaultGlobal and FaultShared answer with such a 429 for RetryAfter.
	FaultGlobal = "global-limit"
	FaultShared = "shared-limit"
	// FaultLimit answers with an ordinary 429 of the route's bucket.
	FaultLimit = "limit"
	// FaultHang never answers; FaultReset cuts the connection; FaultDelay
	// answers after Delay.
	FaultHang  = "hang"
	FaultReset = "reset"
	FaultDelay = "delay"
	// FaultUndeliverable refuses messages to User with Code (50007).
	FaultUndeliverable = "undeliverable"
)

// Kinds of faults of the gateway. At says when they strike.
const (
	// FaultSilence keeps the connection open and says no more.
	FaultSilence = "gateway-silence"
	// FaultReconnect sends op 7, FaultInvalid op 9 with d = Resumable.
	FaultReconnect = "gateway-reconnect"
	FaultInvalid   = "gateway-invalid"
	// FaultClose closes with Code, FaultDrop without a close frame.
	FaultClose = "gateway-close"
	FaultDrop  = "gateway-drop"
	// FaultPause waits for Delay.
	FaultPause = "gateway-delay"
	// FaultRefuse answers the handshake with Status (503).
	FaultRefuse = "gateway-refuse"
	// FaultNoAck leaves heartbeats unanswered.
	FaultNoAck = "gateway-no-ack"
)

// Moments at which a gateway fault strikes.
const (
	AtConnect  = "connect"  // before HELLO
	AtHello    = "hello"    // after HELLO
	AtIdentify = "identify" // where READY or RESUMED is expected
	AtReady    = "ready"    // after READY or RESUMED
	AtNow      = "now"      // on every open connection, once, at once
)

// A Fault is a way to misbehave (notes 4).
type Fault struct {
	// ID is given by AddFault.
	ID   int    `json:"id"`
	Kind string `json:"kind"`
	// Route picks requests: "POST /channels/{channel_id}/messages", with
	// "*" for any method, and at the end for any rest. Empty is all.
	Route  string `json:"route,omitempty"`
	Status int    `json:"status,omitempty"`
	Code   int    `json:"code,omitempty"`
	// RetryAfter is in seconds; 0 means a second, or ten minutes for a ban.
	RetryAfter float64 `json:"retry_after,omitempty"`
	// User limits the fault to messages in the DM of that user.
	User string `json:"user,omitempty"`
	// Count is how often it strikes before it goes; 0 is until cleared.
	Count int `json:"count,omitempty"`
	// Share is the part of the candidates it strikes, evenly spread; 0 is
	// all.
	Share float64 `json:"share,omitempty"`
	// DelayMS is in milliseconds.
	DelayMS int `json:"delay_ms,omitempty"`
	// At is one of the moments above, for faults of the gateway.
	At string `json:"at,omitempty"`
	// Shard limits a fault at one of the last three moments to sessions of that shard.
	Shard *int `json:"shard,omitempty"`
	// Resumable is the d of op 9.
	Resumable bool `json:"resumable,omitempty"`
	// Struck is how often it did.
	Struck int `json:"struck"`

	credit float64
}

// restKinds and gatewayKinds name the faults of each.
var (
	restKinds    = []string{FaultStatus, FaultLost, FaultBan, FaultGlobal, FaultShared, FaultLimit, FaultHang, FaultReset, FaultDelay, FaultUndeliverable}
	gatewayKinds = []string{FaultSilence, FaultReconnect, FaultInvalid, FaultClose, FaultDrop, FaultPause, FaultRefuse, FaultNoAck}
)

// validate fills in defaults and reports what makes no sense.
func (f *Fault) validate() error {
	switch {
	case slices.Contains(restKinds, f.Kind):
		f.At = ""
	case slices.Contains(gatewayKinds, f.Kind):
		f.At = orElse(f.At, AtNow)
		if !slices.Contains([]string{AtConnect, AtHello, AtIdentify, AtReady, AtNow}, f.At) {
			return fmt.Errorf("no such moment: at %q", f.At)
		}
		if f.At == AtNow && (f.Kind == FaultRefuse || f.Kind == FaultPause || f.Kind == FaultNoAck) {
			f.At = AtConnect
		}
	default:
		return fmt.Errorf("no such fault: kind %q", f.Kind)
	}
	if f.Shard != nil && !slices.Contains([]string{AtIdentify, AtReady, AtNow}, f.At) {
		return fmt.Errorf("fault %s: there is no shard at %q yet", f.Kind, f.At)
	}
	if f.Share < 0 || f.Share > 1 || f.Count < 0 || f.DelayMS < 0 || f.RetryAfter < 0 {
		return fmt.Errorf("fault %s: share is 0 to 1, the other numbers are not negative", f.Kind)
	}
	f.defaults()
	return nil
}

func (f *Fault) defaults() {
	switch f.Kind {
	case FaultStatus:
		if f.Status == 0 {
			f.Status = orElse(errorCodes[f.Code].status, 500)
		}
	case FaultLost:
		f.Status = orElse(f.Status, 502)
	case FaultRefuse:
		f.Status = orElse(f.Status, 503)
	case FaultUndeliverable:
		f.Code = orElse(f.Code, 50007)
	case FaultClose:
		f.Code = orElse(f.Code, 4000)
	case FaultBan:
		f.RetryAfter = orElse(f.RetryAfter, banWindow.Seconds())
	case FaultGlobal, FaultShared, FaultLimit:
		f.RetryAfter = orElse(f.RetryAfter, 1)
	}
}

func (f *Fault) retryAfter() time.Duration { return time.Duration(f.RetryAfter * float64(time.Second)) }

func (f *Fault) delay() time.Duration { return time.Duration(f.DelayMS) * time.Millisecond }

// hits reports whether f is about sessions of shard, which is negative where it is not
// known.
func (f *Fault) hits(shard int) bool { return f.Shard == nil || *f.Shard == shard }

// picks reports whether f is about requests of method to pattern.
func (f *Fault) picks(method, pattern string) bool {
	if f.Route == "" || f.Route == "*" {
		return true
	}
	m, p, ok := strings.Cut(f.Route, " ")
	if !ok {
		m, p = "*", f.Route
	}
	if m != "*" && !strings.EqualFold(m, method) {
		return false
	}
	if rest, ok := strings.CutSuffix(p, "*"); ok {
		return strings.HasPrefix(pattern, rest)
	}
	return p == pattern
}

// A faultTable holds the faults in force.
type faultTable struct {
	mu   sync.Mutex
	last int
	list []*Fault
}

func (t *faultTable) add(f Fault) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	f.ID, f.Struck = t.last, 0
	t.list = append(t.list, &f)
	return f.ID
}

// strike returns a copy of the first fault that match accepts and whose turn
// it is.
func (t *faultTable) strike(match func(*Fault) bool) (Fault, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range t.list {
		if !match(f) {
			continue
		}
		if f.Share > 0 {
			f.credit += f.Share
			if f.credit < 1-1e-9 {
				continue
			}
			f.credit--
		}
		f.Struck++
		out := *f
		if f.Count > 0 && f.Struck >= f.Count {
			t.list = slices.Delete(t.list, i, i+1)
		}
		return out, true
	}
	return Fault{}, false
}

// AddFault puts f in force and returns its id. A gateway fault at AtNow
// strikes before AddFault returns and is not kept.
func (s *Server) AddFault(f Fault) (int, error) {
	if err := f.validate(); err != nil {
		return 0, err
	}
	if f.At == AtNow {
		s.gate.strikeNow(f)
		return 0, nil
	}
	id := s.faults.add(f)
	s.hub.publish("faults", s.Faults())
	return id, nil
}

// Faults returns those in force, oldest first.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := make([]Fault, 0, len(s.faults.list))
	for _, f := range s.faults.list {
		out = append(out, *f)
	}
	return out
}

// ClearFault ends the fault called id; 0 ends all of them.
func (s *Server) ClearFault(id int) {
	s.faults.mu.Lock()
	s.faults.list = slices.DeleteFunc(s.faults.list, func(f *Fault) bool { return id == 0 || f.ID == id })
	s.faults.mu.Unlock()
	s.hub.publish("faults", s.Faults())
}
