package event

import "time"

// StreamHealth says whether what a world does reaches us.
type StreamHealth string

// The states of a world's stream (design promise 5).
const (
	StreamLive        StreamHealth = "live"        // events come as they should
	StreamLate        StreamHealth = "late"        // events come, but seconds behind the game's clock
	StreamSilent      StreamHealth = "silent"      // connected, and nothing comes although people play
	StreamDown        StreamHealth = "down"        // not connected, or the endpoint says so
	StreamReconciling StreamHealth = "reconciling" // back, presence not yet read from the query service
)

// Flowing reports whether events of the world are being recorded.
func (h StreamHealth) Flowing() bool {
	return h == StreamLive || h == StreamLate || h == StreamReconciling
}

// A StreamState is the health of one world's stream as the listener sees it. It
// is sent on every change and repeated every 30 s.
type StreamState struct {
	World  World        `json:"world"`
	Health StreamHealth `json:"health"`
	// Since is when this health began: for silent and down, the arrival of the
	// last event before. UTC.
	Since time.Time `json:"since"`
	// ReportedAt is when the listener said so. Readers treat a state older than
	// 90 s as down: the listener itself is gone. UTC.
	ReportedAt  time.Time `json:"reported_at"`
	LastEventAt time.Time `json:"last_event_at,omitzero"` // arrival of the newest event, UTC
	Reason      string    `json:"reason,omitempty"`       // one line for people, no secrets
	By          Fence     `json:"by,omitzero"`            // on its way to storage only
}

// StaleStream is how old a StreamState may grow before it counts as down.
const StaleStream = 90 * time.Second

// At returns s as a reader at now must see it.
func (s StreamState) At(now time.Time) StreamState {
	if s.Health != StreamDown && now.Sub(s.ReportedAt) > StaleStream {
		s.Health, s.Since, s.Reason = StreamDown, s.ReportedAt, "the listener has not reported"
	}
	return s
}

// A Gap is a hole in the record: a time in which events of a world may be missing.
type Gap struct {
	World World     `json:"world"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to,omitzero"` // zero while it is open
	Cause string    `json:"cause"`
}
