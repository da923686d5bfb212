package notifier

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
	"muster/event"
)

// A Bus is what the notifier needs from the bus.
type Bus interface {
	// Listen is bus.Bus's.
	Listen(ctx context.Context, topic string, ready func(), h func(m bus.Message, lost int)) error
}

// A Store is what the notifier reads. Its methods are safe for concurrent use.
type Store interface {
	// OnlineNow returns at most limit players who are online, on world or, for 0,
	// on any.
	OnlineNow(ctx context.Context, world event.World, limit int) ([]event.Player, error)
	OnlineCount(ctx context.Context) (map[event.World]int, error)

	Player(ctx context.Context, id event.CharacterID) (event.Player, bool, error)
	CharacterByName(ctx context.Context, name string) (event.Character, bool, error)
	// RecentSessions returns at most limit sessions, newest first.
	RecentSessions(ctx context.Context, id event.CharacterID, limit int) ([]event.Session, error)

	Outfit(ctx context.Context, id event.OutfitID) (event.Outfit, bool, error)
	// OutfitsByTag returns every outfit with the tag; case does not matter.
	OutfitsByTag(ctx context.Context, tag string) ([]event.Outfit, error)
	Members(ctx context.Context, id event.OutfitID, limit int) ([]event.Player, error)

	StreamStates(ctx context.Context) ([]event.StreamState, error)
	// Gaps returns the holes that overlap the time between from and to.
	Gaps(ctx context.Context, from, to time.Time) ([]event.Gap, error)
}

// Config is what New needs. Bus and Store are required.
type Config struct {
	Addr string // host:port to listen on; port 0 picks a free one
	// Listener, if not nil, serves in place of Addr; Run closes it. With it an
	// address in use is found before anything starts.
	Listener net.Listener
	Bus      Bus
	Store    Store
	Log      *slog.Logger // nil: discard

	// Registerer gets the metrics; nil: none are published.
	Registerer prometheus.Registerer

	// Version is what /api/v1/status says of this build.
	Version string

	// Origins may open the WebSocket beside the page's own, as scheme://host[:port].
	Origins []string
	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix

	Limits Limits // zero fields: the defaults
}

// Limits bound what readers can use. What happens there: a connection above a
// cap is refused with 503 and Retry-After, a filter above its size with 400, the
// ring forgets its oldest event, a reader that takes nothing for WriteTimeout is
// disconnected.
type Limits struct {
	Clients           int           // readers of the feed, both transports; 5,000
	ClientsPerAddress int           // of one IPv4 address or IPv6 /64; 50
	Filters           int           // values in all filters of one reader; 500
	RingAge           time.Duration // how long an event can be resumed from; 10 min
	RingBytes         int           // how much of them is kept; 32 MiB
	Heartbeat         time.Duration // 15 s
	WriteTimeout      time.Duration // longest time without progress on one write; 10 s
	Retry             time.Duration // least time before a reader comes back; 1 s, plus as much again at random
	Drain             time.Duration // longest time for goodbyes; 4 s
}

// DefaultLimits returns the limits named above.
func DefaultLimits() Limits {
	return Limits{
		Clients: 5000, ClientsPerAddress: 50, Filters: 500,
		RingAge: 10 * time.Minute, RingBytes: 32 << 20,
		Heartbeat: 15 * time.Second, WriteTimeout: 10 * time.Second,
		Retry: time.Second, Drain: 4 * time.Second,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Clients = or(l.Clients, d.Clients)
	l.ClientsPerAddress = or(l.ClientsPerAddress, d.ClientsPerAddress)
	l.Filters = or(l.Filters, d.Filters)
	l.RingAge = or(l.RingAge, d.RingAge)
	l.RingBytes = or(l.RingBytes, d.RingBytes)
	l.Heartbeat = or(l.Heartbeat, d.Heartbeat)
	l.WriteTimeout = or(l.WriteTimeout, d.WriteTimeout)
	l.Retry = or(l.Retry, d.Retry)
	l.Drain = or(l.Drain, d.Drain)
	return l
}

func or[T int | time.Duration](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}

// Validate says what is missing.
func (c Config) Validate() error {
	switch {
	case c.Bus == nil:
		return errors.New("notifier needs a bus")
	case c.Store == nil:
		return errors.New("notifier needs a store")
	}
	return nil
}
