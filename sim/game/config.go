package game

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
)

// Config says what world to simulate and how fast. Start from DefaultConfig.
type Config struct {
	// Seed decides every name, id, list and event.
	Seed int64
	// Environments served, of ps2, ps2ps4us and ps2ps4eu. Others get a 403.
	Environments []string
	// Worlds with life in them, by id; empty means all of Environments.
	Worlds []string
	// Players is how many characters a full world has. Jaeger gets a sixth,
	// PlayStation worlds a half.
	Players int

	// EventsPerSecond is the generator's pace over all worlds, in events that
	// belong to fighting. Logins, captures and alerts come on top, by the
	// clock. 0 keeps the generator quiet.
	EventsPerSecond float64
	// Manual leaves the clock to Step: no generator runs, and game time
	// stands still between steps.
	Manual bool
	// PresenceEvery is the mean time between two logins or logouts.
	PresenceEvery time.Duration
	// CaptureEvery is the time between two facility events on one world.
	CaptureEvery time.Duration
	// AlertEvery and AlertLasts time the territory alerts of one world.
	AlertEvery, AlertLasts time.Duration
	// LockEvery is the time between two continent locks on one world.
	LockEvery time.Duration

	// HeartbeatEvery and FirstHeartbeatAfter time the stream's heartbeat.
	// HeartbeatEvery is at least 10 ms; a heartbeat that comes more often than each 30 s
	// still says the second at which its node would have beaten.
	HeartbeatEvery, FirstHeartbeatAfter time.Duration
	// Nodes is how many backend nodes connections are spread over; each has
	// a heartbeat phase of its own.
	Nodes int
	// ServiceIDs accepted, with or without "s:"; empty accepts any that is
	// well formed.
	ServiceIDs []string
	// QueueLen bounds the messages waiting for one connection; a connection
	// that falls further behind is cut.
	QueueLen int
	// MaxMessage bounds one client message, in bytes; a longer one ends the
	// connection.
	MaxMessage int64

	// Lag is how far the query service trails the stream.
	Lag time.Duration
	// JournalEntries and JournalBytes bound the journal; the oldest entries
	// go first.
	JournalEntries int
	JournalBytes   int64
	// Deliveries keeps, for every connection there was, which events were written
	// to it: 8 bytes an event, without bound. It is for tests.
	Deliveries bool
	// StaticDir may hold tables (weapon_items.json, map_region.json, ...):
	// JSON arrays of rows, in it or in its folder static, which replace the
	// small built-in ones. Recordings named by path must lie in it too.
	StaticDir string

	// Log hears of state changes; nil discards.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DefaultConfig is a lively demonstration: all three environments, some 25
// events a second, somebody coming or going every two seconds.
func DefaultConfig() Config {
	return Config{
		Seed:                1,
		Environments:        []string{"ps2", "ps2ps4us", "ps2ps4eu"},
		Players:             120,
		EventsPerSecond:     25,
		PresenceEvery:       2 * time.Second,
		CaptureEvery:        20 * time.Second,
		AlertEvery:          4 * time.Minute,
		AlertLasts:          3 * time.Minute,
		LockEvery:           10 * time.Minute,
		HeartbeatEvery:      30 * time.Second,
		FirstHeartbeatAfter: 5 * time.Second,
		Nodes:               2,
		QueueLen:            8192,
		MaxMessage:          1 << 20,
		JournalEntries:      2_000_000,
		JournalBytes:        256 << 20,
	}
}

// maxRate bounds EventsPerSecond: what one process can emit with room to spare.
const maxRate = 20_000

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	if len(c.Environments) == 0 {
		return errors.New("environments: at least one is needed")
	}
	for _, e := range c.Environments {
		if _, ok := environmentWorlds[e]; !ok {
			return fmt.Errorf("environments: unknown environment %q", e)
		}
	}
	for _, w := range c.Worlds {
		if environmentOf(w) == "" {
			return fmt.Errorf("worlds: unknown world %q", w)
		}
	}
	if c.Players < 12 || c.Players > 5000 {
		return fmt.Errorf("players: %d is not between 12 and 5000", c.Players)
	}
	if c.EventsPerSecond < 0 || c.EventsPerSecond > maxRate {
		return fmt.Errorf("events per second: %g is not between 0 and %d", c.EventsPerSecond, maxRate)
	}
	return c.validateTimes()
}

func (c Config) validateTimes() error {
	if c.HeartbeatEvery < 10*time.Millisecond {
		return fmt.Errorf("heartbeat every: %s is under 10ms", c.HeartbeatEvery)
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"presence every", c.PresenceEvery}, {"capture every", c.CaptureEvery}, {"alert every", c.AlertEvery},
		{"alert lasts", c.AlertLasts}, {"lock every", c.LockEvery},
	} {
		if d.d <= 0 {
			return fmt.Errorf("%s: %s is not positive", d.name, d.d)
		}
	}
	if c.Nodes < 1 || c.QueueLen < 1 || c.JournalEntries < 1 || c.JournalBytes < 1 || c.MaxMessage < 1 {
		return errors.New("nodes, queue length, message and journal bounds must be positive")
	}
	return nil
}

var wellFormedID = regexp.MustCompile(`^s:[A-Za-z0-9_-]{1,64}$`)

// knows reports whether a service id, with its "s:", is accepted.
func (c Config) knows(id string) bool {
	if !wellFormedID.MatchString(id) {
		return false
	}
	for _, s := range c.ServiceIDs {
		if strings.TrimPrefix(s, "s:") == strings.TrimPrefix(id, "s:") {
			return true
		}
	}
	return len(c.ServiceIDs) == 0
}

// serves reports whether an environment is simulated.
func (c Config) serves(env string) bool {
	for _, e := range c.Environments {
		if e == env {
			return true
		}
	}
	return false
}
