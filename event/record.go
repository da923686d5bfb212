package event

// A Record is what a dispatcher writes in one transaction. Any part may be empty.
type Record struct {
	Events       []Event
	Observations []Observation
	Streams      []StreamState
}

// Recorded says what a Record changed.
type Recorded struct {
	// New has one entry for each of Record.Events: true when this transaction
	// stored it, false when it was there already.
	New []bool
	// Changes are the characters that came on or went off.
	Changes []PresenceChange
	// Alerts is how many alerts were written to the outbox.
	Alerts int
	// Unresolved are characters seen for the first time, without a name yet.
	Unresolved []CharacterID
	// Streams are the states that differ from what was stored before.
	Streams []StreamState
	// Refused has one entry for each observation and state of a leader that has been
	// followed by another. Nothing of them was stored.
	Refused []Fence
}
