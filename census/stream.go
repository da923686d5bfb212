package census

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"muster/event"
	"muster/internal/backoff"
	"muster/internal/clock"
)

// A Sighting is one event as it came over one connection.
type Sighting struct {
	Payload    []byte // the receiver may keep it
	ReceivedAt time.Time
	Event      event.Event // with Copy set
}

// A Counter names something that went wrong on a stream and was dealt with.
type Counter string

// What is counted.
const (
	CountReconnect   Counter = "reconnect"    // connections lost or given up
	CountRefused     Counter = "refused"      // handshakes that failed
	CountDuplicate   Counter = "duplicate"    // census 3, S5
	CountUndecodable Counter = "undecodable"  // frames or payloads that are not JSON objects
	CountOversize    Counter = "oversize"     // frames over MaxFrame; each closes the connection
	CountForeign     Counter = "other_world"  // events of worlds that were not asked for
	CountResubscribe Counter = "resubscribe"  // census 3, S4
	CountUnknown     Counter = "unknown"      // messages of no known kind
	CountFuture      Counter = "future"       // census 3, S7
	CountSilence     Counter = "silent_world" // reconnects because of S1 or S2
)

// Counters returns every Counter.
func Counters() []Counter {
	return []Counter{CountReconnect, CountRefused, CountDuplicate, CountUndecodable, CountOversize,
		CountForeign, CountResubscribe, CountUnknown, CountFuture, CountSilence}
}

// A Handler takes what a stream brings. Its functions are called one at a time,
// in order of arrival, and hold up the stream while they run: they must be
// quick. Those that are nil are skipped.
type Handler struct {
	Event     func(Sighting)          // each accepted event
	State     func(event.StreamState) // a world's health changed, or why it is down
	Frame     func(FrameKind)         // every frame, FrameBad included
	Count     func(Counter)
	Heartbeat func(Heartbeat)
	Echo      func(Subscription)
}

// Stats is what a stream has seen since it was made.
type Stats struct {
	Counts  map[Counter]int
	Frames  map[FrameKind]int
	Samples map[Counter]string // the newest undecodable or unknown frame, at most 200 bytes
	Phase   int                // of the last heartbeat with a time, -1 before
	Dials   int
}

// A Stream keeps one connection to the streaming service for one environment.
type Stream struct {
	cfg    StreamConfig
	log    *slog.Logger
	want   Subscription
	worlds map[event.World]bool
	seen   *sightings
	check  subscriptionCheck
	wait   retryDelay

	h         Handler
	refusals  int           // handshakes in a row that were answered with 403
	failures  int           // handshakes in a row that failed in another way; the first is logged
	served    bool          // this service id has been accepted before
	confirmed time.Time     // when this connection's subscription was last known to be whole; zero before
	clock     *clock.Clock  // stamps what is told to others
	stepped   time.Duration // by how much it was said that the machine's clock is off
	dialedAt  time.Time     // last reconnect that was not the first dial
	goodSince time.Time     // since when events have come on this connection
	beat      int           // phase of the last heartbeat on this connection, -1 before
	move      chan struct{}

	mu     sync.Mutex // guards what follows, which other goroutines read
	health *Health
	last   map[event.World]event.StreamState // as told
	link   Link
	stats  Stats
	judged judgement
}

// NewStream returns a Stream that is not connected; Run connects it.
func NewStream(cfg StreamConfig) (*Stream, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	worlds, shown := cfg.worlds()
	tells := clock.New()
	s := &Stream{
		cfg: cfg, clock: tells, log: cfg.Log.With("environment", cfg.Environment),
		want:   everything(worlds, cfg.EventNames),
		worlds: map[event.World]bool{},
		seen:   newSightings(cfg.DuplicateWindow),
		wait:   retryDelay{base: cfg.BackoffBase, limit: cfg.BackoffLimit},
		health: NewHealth(cfg.Health, worlds, shown, cfg.asksFor(event.Kill), cfg.asksFor(event.Experience), tells.Now()),
		last:   map[event.World]event.StreamState{},
		link:   Link{Since: tells.Now(), Phase: -1},
		move:   make(chan struct{}, 1),
		stats: Stats{Counts: map[Counter]int{}, Frames: map[FrameKind]int{},
			Samples: map[Counter]string{}, Phase: -1},
	}
	s.check = subscriptionCheck{want: s.want, limit: cfg.CheckLimit}
	for _, w := range worlds {
		s.worlds[w] = true
	}
	return s, nil
}

// Environment returns which environment s is for.
func (s *Stream) Environment() event.Environment { return s.cfg.Environment }

// Now returns the time by the clock that stamps what arrives and what is said of it. It
// goes on evenly when the machine's clock is set: see internal/clock.
func (s *Stream) Now() time.Time { return s.clock.Now() }

// States returns the health of each world at this moment, ordered by id. It is
// safe to call while Run runs.
func (s *Stream) States() []event.StreamState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health.States(s.asOf())
}

// Reconciled says that presence on a world, 0 for all, was read from the query
// service since the stream came back, which ends its reconciling. It is safe to
// call while Run runs.
func (s *Stream) Reconciled(w event.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.Reconciled(w, s.clock.Now())
}

// Stats returns a copy of what was counted. It is safe to call while Run runs.
func (s *Stream) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.stats
	c.Counts, c.Frames, c.Samples = maps.Clone(c.Counts), maps.Clone(c.Frames), maps.Clone(c.Samples)
	return c
}

// Run connects, and connects again whenever the connection is lost or no longer
// to be trusted, until ctx ends; then it hands over what was read and returns
// nil. It may be called again, but not twice at once.
func (s *Stream) Run(ctx context.Context, h Handler) error {
	s.h = h
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			s.dialedAt = time.Now()
		}
		err := s.session(ctx)
		if ctx.Err() != nil {
			break
		}
		s.ended(err)
		if backoff.Sleep(ctx, s.pause(err)) != nil {
			break
		}
	}
	s.h.State = nil // the end is the caller's to tell
	s.setHealth(func(h *Health, _ time.Time) { h.Disconnected("the listener is not connected") })
	return nil
}

// ended says why a session is over.
func (s *Stream) ended(err error) {
	var refused *refusedError
	reason := "connection lost"
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusForbidden:
		reason = "the game refuses the service id"
		s.count(CountRefused)
		if s.refusals++; s.refusals == 1 {
			s.log.Error("the game's stream refuses us: check MUSTER_GAME_SERVICE_ID and MUSTER_GAME_ENVIRONMENTS",
				"status", refused.status, "retry_in", s.refusedRetry())
		}
	case errors.As(err, &refused):
		reason = "the game's stream cannot be reached"
		s.count(CountRefused)
		if s.failures++; s.failures == 1 {
			s.log.Warn("the game's stream cannot be reached, trying again", "err", err)
		}
	default:
		s.count(CountReconnect)
		if errors.Is(err, websocket.ErrReadLimit) {
			s.count(CountOversize)
		}
		s.log.Warn("the game's stream ended, reconnecting", "err", err)
	}
	s.setHealth(func(h *Health, _ time.Time) { h.Disconnected(reason) })
}

// pause returns how long to wait before the next dial.
func (s *Stream) pause(err error) time.Duration {
	var refused *refusedError
	if errors.As(err, &refused) && refused.status == http.StatusForbidden {
		return backoff.Around(s.refusedRetry())
	}
	// Never two reconnects within MinReconnect (census 3).
	floor := time.Duration(0)
	if !s.dialedAt.IsZero() {
		floor = time.Until(s.dialedAt.Add(s.cfg.MinReconnect))
	}
	return max(s.wait.next(), floor)
}

// refusedFirst is how long after the first 403 an id is tried again that was
// good before: then it may be the service that is ill.
const refusedFirst = 30 * time.Second

// refusedRetry returns how long to wait after as many 403s as there were.
func (s *Stream) refusedRetry() time.Duration {
	if !s.served {
		return s.cfg.RefusedRetry
	}
	return min(s.cfg.RefusedRetry, refusedFirst<<min(max(s.refusals-1, 0), 10))
}

// setHealth changes the health under its lock and tells the handler about
// every world that is different now.
func (s *Stream) setHealth(change func(h *Health, now time.Time)) {
	s.mu.Lock()
	now := s.asOf()
	s.mu.Unlock()
	s.setHealthAt(now, change)
}

func (s *Stream) setHealthAt(now time.Time, change func(h *Health, now time.Time)) {
	s.mu.Lock()
	change(s.health, now)
	s.link.set(s.health.Flows(), now)
	var changed []event.StreamState
	for _, st := range s.health.States(now) {
		if s.health.Waiting() && st.Health == event.StreamDown || sameState(s.last[st.World], st) {
			continue
		}
		s.last[st.World] = st
		changed = append(changed, st)
	}
	s.mu.Unlock()
	s.logStates(changed)
	for _, st := range changed {
		if s.h.State != nil {
			s.h.State(st)
		}
	}
}

// logStates says what changed, in one line for all worlds that changed alike.
func (s *Stream) logStates(changed []event.StreamState) {
	for len(changed) > 0 {
		first := changed[0]
		var worlds []event.World
		var others []event.StreamState
		for _, st := range changed {
			if st.Health == first.Health && st.Reason == first.Reason {
				worlds = append(worlds, st.World)
			} else {
				others = append(others, st)
			}
		}
		s.log.Info("stream state", "worlds", ids(worlds), "state", first.Health, "reason", first.Reason)
		changed = others
	}
}

// sameState reports whether b is no news after a: for a world that is down, the
// reason is.
func sameState(a, b event.StreamState) bool {
	return a.Health == b.Health && (b.Health != event.StreamDown || a.Reason == b.Reason)
}

func (s *Stream) count(c Counter) { s.countSample(c, nil) }

func (s *Stream) countSample(c Counter, sample []byte) {
	s.mu.Lock()
	s.stats.Counts[c]++
	if sample != nil {
		s.stats.Samples[c] = strings.ToValidUTF8(string(sample[:min(len(sample), 200)]), "?")
	}
	s.mu.Unlock()
	if s.h.Count != nil {
		s.h.Count(c)
	}
}

// A refusedError is a handshake that failed: status is 0 where there was none.
type refusedError struct {
	status int
	text   string
}

func (e *refusedError) Error() string {
	if e.status == 0 {
		return "handshake: " + e.text
	}
	return fmt.Sprintf("handshake: status %d", e.status)
}

// dial opens the WebSocket. Errors are *refusedError and never hold the service id.
func (s *Stream) dial(ctx context.Context) (*websocket.Conn, error) {
	s.mu.Lock()
	s.stats.Dials++
	s.mu.Unlock()
	var one handshakeDialer
	d := websocket.Dialer{HandshakeTimeout: s.cfg.HandshakeTimeout, Proxy: http.ProxyFromEnvironment, NetDialContext: one.dial}
	conn, resp, err := d.DialContext(ctx, s.cfg.address(), nil)
	if err != nil {
		refused := &refusedError{text: strings.ReplaceAll(err.Error(), s.cfg.ServiceID, "…")}
		if resp != nil {
			refused.status = resp.StatusCode
			_ = resp.Body.Close()
		}
		return nil, refused
	}
	one.established()
	conn.SetReadLimit(MaxFrame)
	return conn, nil
}
