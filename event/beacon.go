package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Limits of a Beacon; what breaks one is not read.
const (
	BeaconKeys     = 4096 // keys in one; 64 KiB
	beaconWorlds   = 64
	beaconInstance = 64 // bytes
)

// beaconVersion is raised when an old reader could misread a new beacon. Fields
// may be added without raising it.
const beaconVersion = 1

// ErrBeacon says that a message of TopicListeners cannot be read.
var ErrBeacon = errors.New("not a beacon")

// A Beacon is what a listener tells the others of its environment: how it is, and
// which events it knows to be safe. It says how long ago things were, never when,
// so that nobody's clock matters.
type Beacon struct {
	Environment Environment
	Instance    string // names the process; random
	// Seq counts the beacons of an instance that went out. A reader that sees a
	// number left out has missed keys.
	Seq uint64
	// Term is that of the lease the listener holds, 0 while it stands by.
	Term int64
	// Up says that the connection to the game stands, UpFor since when that is so
	// or is not so.
	Up    bool
	UpFor time.Duration
	// Phase is the heartbeat second of the node it is connected to, -1 if that is
	// not known (census 1.3).
	Phase int
	// Queue is how many messages wait for the bus. What has left the queue is in
	// Keys of this beacon or of an earlier one, unless More.
	Queue int
	More  bool
	// Cooling says that it gave the lease up a while ago and does not want it yet.
	Cooling bool
	// Again asks the others to repeat the keys of the last two minutes.
	Again bool
	// Left says that this is its last one.
	Left   bool
	Worlds []BeaconWorld
	// Keys are of the events that the bus has taken from this listener.
	Keys []Key
}

// A BeaconWorld is one world's stream as one listener has it.
type BeaconWorld struct {
	World  World
	Health StreamHealth  // of its own connection
	For    time.Duration // how long it has been so
	// Told is what a leader tells of the world. It differs from Health where another
	// listener has had what the leader missed. Empty: it has told nothing.
	Told   StreamHealth
	Recent int           // events of the last 10 s
	Idle   time.Duration // since the newest event; negative: there was none
}

// Leading reports whether the listener leads.
func (b *Beacon) Leading() bool { return b.Term > 0 && !b.Left }

// beaconJSON is a Beacon on the wire. Times are milliseconds.
type beaconJSON struct {
	V           int               `json:"v"`
	Environment Environment       `json:"environment"`
	Instance    string            `json:"instance"`
	Seq         uint64            `json:"seq"`
	Term        int64             `json:"term,omitempty"`
	Up          bool              `json:"up"`
	UpMS        int64             `json:"up_ms"`
	Phase       *int              `json:"phase,omitempty"`
	Queue       int               `json:"queue"`
	More        bool              `json:"more,omitempty"`
	Cooling     bool              `json:"cooling,omitempty"`
	Again       bool              `json:"again,omitempty"`
	Left        bool              `json:"left,omitempty"`
	Worlds      []beaconWorldJSON `json:"worlds,omitempty"`
	Keys        []byte            `json:"keys,omitempty"` // 16 bytes each
}

type beaconWorldJSON struct {
	World  World        `json:"world"`
	Health StreamHealth `json:"health"`
	ForMS  int64        `json:"for_ms"`
	Told   StreamHealth `json:"told,omitempty"`
	Recent int          `json:"recent"`
	IdleMS *int64       `json:"idle_ms,omitempty"`
}

// EncodeBeacon writes b for TopicListeners. At most BeaconKeys keys fit.
func EncodeBeacon(b Beacon) ([]byte, error) {
	if len(b.Keys) > BeaconKeys || len(b.Worlds) > beaconWorlds {
		return nil, fmt.Errorf("%w: %d keys, %d worlds", ErrBeacon, len(b.Keys), len(b.Worlds))
	}
	w := beaconJSON{V: beaconVersion, Environment: b.Environment, Instance: b.Instance, Seq: b.Seq, Term: b.Term,
		Up: b.Up, UpMS: b.UpFor.Milliseconds(), Queue: b.Queue, More: b.More, Cooling: b.Cooling, Again: b.Again, Left: b.Left}
	if b.Phase >= 0 {
		w.Phase = &b.Phase
	}
	for _, x := range b.Worlds {
		j := beaconWorldJSON{World: x.World, Health: x.Health, ForMS: x.For.Milliseconds(), Told: x.Told, Recent: x.Recent}
		if idle := x.Idle.Milliseconds(); x.Idle >= 0 {
			j.IdleMS = &idle
		}
		w.Worlds = append(w.Worlds, j)
	}
	w.Keys = make([]byte, 0, len(b.Keys)*len(Key{}))
	for i := range b.Keys {
		w.Keys = append(w.Keys, b.Keys[i][:]...)
	}
	return json.Marshal(w)
}

// DecodeBeacon reads what EncodeBeacon wrote, by this version or another that
// added fields. The error wraps ErrBeacon.
func DecodeBeacon(body []byte) (Beacon, error) {
	var w beaconJSON
	if err := json.Unmarshal(body, &w); err != nil {
		return Beacon{}, fmt.Errorf("%w: %w", ErrBeacon, err)
	}
	if err := w.check(); err != nil {
		return Beacon{}, err
	}
	b := Beacon{Environment: w.Environment, Instance: w.Instance, Seq: w.Seq, Term: w.Term, Up: w.Up, UpFor: millis(w.UpMS),
		Phase: -1, Queue: w.Queue, More: w.More, Cooling: w.Cooling, Again: w.Again, Left: w.Left}
	if w.Phase != nil {
		b.Phase = *w.Phase
	}
	for _, j := range w.Worlds {
		x := BeaconWorld{World: j.World, Health: j.Health, For: millis(j.ForMS), Told: j.Told, Recent: j.Recent, Idle: -1}
		if j.IdleMS != nil {
			x.Idle = millis(*j.IdleMS)
		}
		b.Worlds = append(b.Worlds, x)
	}
	for k := w.Keys; len(k) > 0; k = k[len(Key{}):] {
		b.Keys = append(b.Keys, Key(k[:len(Key{})]))
	}
	return b, nil
}

func (w *beaconJSON) check() error {
	switch {
	case w.V != beaconVersion:
		return fmt.Errorf("%w: version %d, this build reads %d", ErrBeacon, w.V, beaconVersion)
	case !w.Environment.Valid():
		return fmt.Errorf("%w: environment %.40q", ErrBeacon, w.Environment)
	case w.Instance == "" || len(w.Instance) > beaconInstance:
		return fmt.Errorf("%w: instance of %d bytes", ErrBeacon, len(w.Instance))
	case w.Term < 0 || w.UpMS < 0 || w.Queue < 0 || w.Phase != nil && (*w.Phase < 0 || *w.Phase >= 30):
		return fmt.Errorf("%w: a number is out of range", ErrBeacon)
	case len(w.Worlds) > beaconWorlds || len(w.Keys) > BeaconKeys*len(Key{}) || len(w.Keys)%len(Key{}) != 0:
		return fmt.Errorf("%w: %d worlds, keys of %d bytes", ErrBeacon, len(w.Worlds), len(w.Keys))
	}
	for _, x := range w.Worlds {
		if x.ForMS < 0 || x.Recent < 0 || x.IdleMS != nil && *x.IdleMS < 0 {
			return fmt.Errorf("%w: a number of world %d is out of range", ErrBeacon, x.World)
		}
	}
	return nil
}

// millis turns n into a duration, the longest there is where n is too large.
func millis(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(n, most)) * time.Millisecond
}
