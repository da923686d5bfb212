package listener

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/lease"
)

// A script is a stream that does what a test says.
type script struct {
	run func(ctx context.Context, h census.Handler)

	mu     sync.Mutex
	states []event.StreamState
	link   census.Link
	moves  int
}

func (*script) Now() time.Time { return time.Now().Round(0) }

func (s *script) Link() census.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

func (s *script) Reconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moves++
}

func (s *script) Environment() event.Environment { return event.PC }
func (s *script) Reconciled(event.World)         {}

func (s *script) States() []event.StreamState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.states)
}

func (s *script) Run(ctx context.Context, h census.Handler) error {
	s.run(ctx, h)
	return nil
}

func live(w event.World) event.StreamState {
	now := time.Now().UTC()
	return event.StreamState{World: w, Health: event.StreamLive, Since: now, ReportedAt: now, LastEventAt: now}
}

// A spy is a bus that keeps what is published, and fails while it is told to.
type spy struct {
	mu      sync.Mutex
	fail    error
	tries   int
	batches []int // how many things were in each Publish
	got     []event.Message
	ids     []string
	keys    []string
	block   chan struct{} // Publish of events waits for it, if not nil
	ears    []chan bus.Message
	lose    func(event.Beacon) bool // beacons that nobody hears
}

func (b *spy) Publish(ctx context.Context, topic string, messages ...bus.Message) error {
	if topic == event.TopicListeners {
		return b.beacon(messages[0])
	}
	b.mu.Lock()
	block := b.block
	b.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.fail != nil {
		return b.fail
	}
	if topic != event.TopicEvents {
		return bus.ErrTopic
	}
	if len(messages) > bus.MaxBatch {
		return bus.ErrTooLarge
	}
	for _, m := range messages {
		if err := m.Check(); err != nil {
			return err
		}
	}
	before := len(b.got)
	defer func() { b.batches = append(b.batches, len(b.got)-before) }()
	for _, m := range messages {
		b.ids, b.keys = append(b.ids, m.ID), append(b.keys, m.Key)
		got, err := unpack(m.Body)
		if err != nil {
			return err
		}
		b.got = append(b.got, got...)
	}
	return nil
}

// unpack reads what one message of the bus carries.
func unpack(body []byte) (all []event.Message, err error) {
	parts, err := event.SplitBundle(body)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		m, err := event.DecodeMessage(part)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func (b *spy) beacon(m bus.Message) error {
	said, err := event.DecodeBeacon(m.Body)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lose != nil && b.lose(said) {
		return nil
	}
	for _, ears := range b.ears {
		ears <- m
	}
	return nil
}

// Listen hands beacons to h.
func (b *spy) Listen(ctx context.Context, topic string, _ func(), h func(bus.Message, int)) error {
	if topic != event.TopicListeners {
		return bus.ErrTopic
	}
	ears := make(chan bus.Message, 1000)
	b.mu.Lock()
	b.ears = append(b.ears, ears)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ears = slices.DeleteFunc(b.ears, func(other chan bus.Message) bool { return other == ears })
	}()
	for {
		select {
		case m := <-ears:
			h(m, 0)
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *spy) events() (out []event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.got {
		if m.Event != nil {
			out = append(out, *m.Event)
		}
	}
	return out
}

func (b *spy) streams() (out []event.StreamState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.got {
		if m.Stream != nil {
			out = append(out, *m.Stream)
		}
	}
	return out
}

// A desk hands out one lease at a time.
type desk struct {
	place chan struct{}
	mu    sync.Mutex
	terms int64
	names []string
	last  *token
}

func newDesk() *desk { return &desk{place: make(chan struct{}, 1)} }

func (d *desk) Acquire(ctx context.Context, name string) (lease.Lease, error) {
	select {
	case d.place <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.terms++
	d.names = append(d.names, name)
	d.last = &token{term: d.terms, lost: make(chan struct{}), free: func() { <-d.place }}
	return d.last, nil
}

func (d *desk) Close() error { return nil }

// revoke ends the lease that is held.
func (d *desk) revoke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last.Release()
}

type token struct {
	term int64
	lost chan struct{}
	once sync.Once
	free func()
}

func (t *token) Term() int64           { return t.term }
func (t *token) Lost() <-chan struct{} { return t.lost }
func (t *token) Release()              { t.once.Do(func() { close(t.lost); t.free() }) }

// sighting is a Death of a victim on a world, now.
func sighting(world event.World, victim int) census.Sighting {
	now := time.Now().UTC()
	payload := fmt.Sprintf(`{"attacker_character_id":"0","character_id":"54295505263940%05d","event_name":"Death",`+
		`"timestamp":"%d","world_id":"%d","zone_id":"6"}`, victim, now.Unix(), world)
	e, err := event.Decode([]byte(payload), now)
	if err != nil {
		panic(err)
	}
	return census.Sighting{Payload: []byte(payload), ReceivedAt: now, Event: e}
}

// start runs a listener until the returned function is called.
func start(t *testing.T, cfg Config) (l *Listener, stop func()) {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return l, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestEventsArePublishedUnderTheirKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := &spy{}, newDesk()
		want := sighting(10, 7)
		s := &script{run: func(ctx context.Context, h census.Handler) { h.Event(want); <-ctx.Done() }}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: d})
		synctest.Wait()
		stop()
		if len(b.events()) != 1 {
			t.Fatalf("%d events, want 1", len(b.events()))
		}
		if got := b.events()[0]; got.Key() != want.Event.Key() || !got.ReceivedAt.Equal(want.ReceivedAt) {
			t.Errorf("got %+v, want %+v", got, want.Event)
		}
		if b.ids[0] != want.Event.Key().String() || b.keys[0] != "ps2.10.Death" {
			t.Errorf("id %s key %s, want %s and ps2.10.Death", b.ids[0], b.keys[0], want.Event.Key())
		}
		if !slices.Equal(d.names, []string{"listener/ps2"}) {
			t.Errorf("leases %v, want listener/ps2", d.names)
		}
	})
}

func TestAStandbyIsConnectedAndPublishesWhatItHasSeenOnceItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := &spy{}, newDesk()
		other, err := d.Acquire(t.Context(), "listener/ps2")
		if err != nil {
			t.Fatal(err)
		}
		more := make(chan int)
		s := &script{run: func(ctx context.Context, h census.Handler) {
			for i := range more {
				h.Event(sighting(1, i))
			}
			<-ctx.Done()
		}}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: d})
		for i := range 5 {
			more <- i
		}
		synctest.Wait()
		if n := len(b.got); n != 0 {
			t.Errorf("%d messages without the lease", n)
		}
		other.Release()
		synctest.Wait()
		more <- 5
		close(more)
		synctest.Wait()
		got := b.events()
		if len(got) != 6 {
			t.Fatalf("%d events, want 6", len(got))
		}
		for i, e := range got {
			if want := fmt.Sprintf("%05d", i); !strings.HasSuffix(e.Detail.(event.Death).Victim.String(), want) {
				t.Errorf("event %d is of victim %v: out of order", i, e.Detail.(event.Death).Victim)
			}
		}
		stop()
	})
}

func TestALostLeaseLeavesTheConnectionAndTheLastWordToTheNextLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := &spy{}, newDesk()
		runs := 0
		more := make(chan int)
		s := &script{states: []event.StreamState{live(1)}}
		s.run = func(ctx context.Context, h census.Handler) {
			runs++
			<-time.After(time.Second) // we lead
			h.State(live(1))
			for i := range more {
				h.Event(sighting(1, i))
			}
			<-ctx.Done()
		}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: d})
		more <- 1
		synctest.Wait()
		next := make(chan lease.Lease, 1)
		go func() {
			other, err := d.Acquire(context.Background(), "listener/ps2")
			if err != nil {
				t.Error(err)
			}
			next <- other
		}()
		synctest.Wait() // it is the first in line
		d.revoke()
		other := <-next
		more <- 2
		synctest.Wait()
		if n := len(b.events()); n != 1 {
			t.Errorf("%d events, want 1: the second came after the lease was lost", n)
		}
		other.Release()
		synctest.Wait()
		close(more)
		if n := len(b.events()); n != 2 || runs != 1 {
			t.Errorf("%d events on %d connections, want 2 on one", n, runs)
		}
		for _, st := range b.streams() {
			if st.Health != event.StreamLive {
				t.Errorf("%s was told, because %q: nothing was missed", st.Health, st.Reason)
			}
		}
		stop()
	})
}

func TestTheEndPublishesWhatWasReadAndThenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{}
		s := &script{states: []event.StreamState{live(1), live(10)}}
		s.run = func(ctx context.Context, h census.Handler) {
			<-ctx.Done()
			for i := range 2500 {
				h.Event(sighting(1, i))
			}
		}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk()})
		synctest.Wait()
		stop()
		if n := len(b.events()); n != 2500 {
			t.Errorf("%d events, want 2500", n)
		}
		last := b.got[len(b.got)-2:]
		for i, w := range []event.World{1, 10} {
			if st := last[i].Stream; st == nil || st.World != w || st.Health != event.StreamDown || st.Reason != "listener stopped" {
				t.Errorf("last messages: %+v, want world %d down", last[i], w)
			}
		}
	})
}

func TestTheBeginningTellsOfEveryWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{}
		down := live(10)
		down.Health, down.LastEventAt, down.Reason = event.StreamDown, time.Time{}, "not connected yet"
		s := &script{states: []event.StreamState{live(1), down}}
		s.run = func(ctx context.Context, h census.Handler) {
			h.Event(sighting(10, 1))
			<-ctx.Done()
		}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk()})
		synctest.Wait()
		got := b.streams()
		if len(got) != 2 || got[0].World != 1 || got[0].Health != event.StreamLive ||
			got[1].World != 10 || got[1].Health != event.StreamDown || got[1].Reason != down.Reason {
			t.Errorf("the first word is %+v, want world 1 live and world 10 down", got)
		}
		stop()
	})
}

func TestALeaderThatHeardOfNobodyBeforeItSaysSinceWhenItHasAWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := &spy{}, newDesk()
		other, err := d.Acquire(t.Context(), "listener/ps2")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s := &script{states: []event.StreamState{live(1)}}
		s.run = func(ctx context.Context, h census.Handler) {
			h.State(live(1))
			<-ctx.Done()
		}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: d})
		<-time.After(3 * time.Second)
		other.Release()
		synctest.Wait()
		got := b.streams()
		if len(got) != 2 || got[0].Health != event.StreamDown || !got[0].Since.Equal(began) || !got[0].LastEventAt.IsZero() ||
			got[1].Health != event.StreamLive || !got[1].ReportedAt.After(got[0].ReportedAt) {
			t.Errorf("the first word is %+v, want that there was nothing before %s", got, began)
		}
		stop()
	})
}

func TestAHoleIsNewerThanTheReportsMadeWhileItsEventWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{block: make(chan struct{})}
		s := &script{states: []event.StreamState{live(1)}}
		s.run = func(ctx context.Context, h census.Handler) {
			<-time.After(100 * time.Millisecond) // we lead
			waited := sighting(1, 1)
			h.Event(sighting(1, 0))
			<-time.After(31 * time.Second) // the report of 30 s is in the queue
			h.Event(waited)
			<-ctx.Done()
		}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk(), QueueMessages: 2})
		<-time.After(32 * time.Second)
		close(b.block)
		synctest.Wait()
		states := b.streams()[1:]
		if len(states) < 2 || states[1].Reason != "buffer full" || !states[1].ReportedAt.After(states[0].ReportedAt) {
			t.Errorf("after the first word %+v, want a report and then a newer hole", states)
		}
		stop()
	})
}

func TestTheEndIsBoundedWhenTheBusTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{block: make(chan struct{})}
		s := &script{run: func(ctx context.Context, h census.Handler) { h.Event(sighting(1, 1)); <-ctx.Done() }}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk()})
		synctest.Wait()
		before := time.Now()
		stop()
		if took := time.Since(before); took != 5*time.Second {
			t.Errorf("the end took %s, want the drain timeout of 5s", took)
		}
	})
}

func TestBatchesHoldWhatCameWhileTheLastOneWasOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{block: make(chan struct{})}
		more := make(chan int)
		s := &script{run: func(ctx context.Context, h census.Handler) {
			for n := range more {
				for i := range n {
					h.Event(sighting(1, i))
				}
			}
			<-ctx.Done()
		}}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk()})
		more <- 1
		synctest.Wait()
		more <- 1500
		close(more)
		synctest.Wait()
		close(b.block)
		synctest.Wait()
		if !slices.Equal(b.batches, []int{1, 1000, 500}) {
			t.Errorf("batches %v, want 1, 1000, 500", b.batches)
		}
		stop()
	})
}

func TestAFailedPublishIsTriedAgainInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{fail: errors.New("disk full")}
		s := &script{run: func(ctx context.Context, h census.Handler) {
			for i := range 10 {
				h.Event(sighting(1, i))
			}
			<-ctx.Done()
		}}
		var log bytes.Buffer // written by one goroutine, read after it ended
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk(), Log: slog.New(slog.NewTextHandler(&log, nil))})
		<-time.After(time.Minute)
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		<-time.After(10 * time.Second)
		got := b.events()
		if len(got) != 10 {
			t.Fatalf("%d events, want 10", len(got))
		}
		for i, e := range got {
			if want := fmt.Sprintf("%05d", i); !strings.HasSuffix(e.Detail.(event.Death).Victim.String(), want) {
				t.Errorf("event %d is of victim %v: out of order", i, e.Detail.(event.Death).Victim)
			}
		}
		if b.tries > 30 {
			t.Errorf("%d tries in a minute: no backoff", b.tries)
		}
		stop()
		for _, once := range []string{"the bus does not take events", "the bus takes events again"} {
			if n := strings.Count(log.String(), once); n != 1 {
				t.Errorf("said %d times %q:\n%s", n, once, log.String())
			}
		}
	})
}

func TestAFullQueueDropsTheNewestAndShowsTheHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{block: make(chan struct{})}
		reg := prometheus.NewRegistry()
		s := &script{states: []event.StreamState{live(1), live(10)}}
		s.run = func(ctx context.Context, h census.Handler) {
			<-time.After(time.Second) // we lead
			for i := range 150 {
				h.Event(sighting(1, i))
			}
			<-ctx.Done()
		}
		l, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk(), QueueMessages: 102, Registerer: reg})
		<-time.After(time.Second)
		synctest.Wait()
		if n := testutil.ToFloat64(l.metrics.dropped); n != 50 {
			t.Errorf("%v dropped, want 50", n)
		}
		if st := l.States()[0]; st.Health != event.StreamDown || st.Reason != "buffer full" {
			t.Errorf("world 1 is %s (%s), want down, buffer full", st.Health, st.Reason)
		}
		if st := l.States()[1]; st.Health != event.StreamLive {
			t.Errorf("world 10 is %s: it lost nothing", st.Health)
		}
		close(b.block)
		<-time.After(5 * time.Second)
		if n := len(b.events()); n != 100 {
			t.Errorf("%d events, want the oldest 100", n)
		}
		states := b.streams()[2:] // after the first word
		if len(states) < 2 || states[0].Reason != "buffer full" || states[0].World != 1 {
			t.Fatalf("states %+v, want a hole in world 1 first", states)
		}
		if st := states[1]; st.World != 1 || st.Health != event.StreamLive || !st.Since.After(states[0].Since) {
			t.Errorf("after the hole: %+v, want world 1 live since later", st)
		}
		stop()
	})
}

func TestEveryWorldIsReportedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{}
		s := &script{states: []event.StreamState{live(1)}, run: func(ctx context.Context, h census.Handler) {
			<-time.After(time.Second) // we lead
			h.State(down(1))
			<-ctx.Done()
		}}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk()})
		<-time.After(95 * time.Second)
		if n := len(b.streams()); n != 6 {
			t.Errorf("%d states in 95 s, want the first word, the change, the change back and three repetitions", n)
		}
		stop()
	})
}

func TestAMessageThatNoBusTakesDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &spy{}
		huge := sighting(1, 2)
		huge.Payload = []byte(`{"x":"` + strings.Repeat("x", bus.MaxBody) + `"}`)
		s := &script{run: func(ctx context.Context, h census.Handler) {
			<-ctx.Done()
			h.Event(sighting(1, 1))
			h.Event(huge)
			h.Event(sighting(1, 3))
		}}
		_, stop := start(t, Config{Stream: s, Bus: b, Locker: newDesk()})
		synctest.Wait()
		stop()
		if n := len(b.events()); n != 2 {
			t.Errorf("%d events, want the two that fit", n)
		}
	})
}

func TestTwoEnvironmentsShareTheirMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	for range 2 {
		if _, err := New(Config{Stream: &script{}, Bus: &spy{}, Locker: newDesk(), Registerer: reg}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheMetricsSayWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s := &script{states: []event.StreamState{live(10)}}
		s.run = func(ctx context.Context, h census.Handler) {
			h.Frame(census.FrameEvent)
			h.Frame(census.FrameHeartbeat)
			h.Count(census.CountDuplicate)
			h.State(live(10))
			h.Event(sighting(10, 1))
			<-ctx.Done()
		}
		_, stop := start(t, Config{Stream: s, Bus: &spy{}, Locker: newDesk(), Registerer: reg})
		synctest.Wait()
		want := `
# HELP muster_leader 1 while this process leads the role.
# TYPE muster_leader gauge
muster_leader{role="listener/ps2"} 1
# HELP muster_listener_events_total Events accepted, by kind.
# TYPE muster_listener_events_total counter
muster_listener_events_total{environment="ps2",kind="Death"} 1
# HELP muster_listener_frames_total Frames read from the game's stream.
# TYPE muster_listener_frames_total counter
muster_listener_frames_total{environment="ps2",kind="event"} 1
muster_listener_frames_total{environment="ps2",kind="heartbeat"} 1
# HELP muster_stream_state 1 for the state that a world's stream is in.
# TYPE muster_stream_state gauge
muster_stream_state{state="down",world="10"} 0
muster_stream_state{state="late",world="10"} 0
muster_stream_state{state="live",world="10"} 1
muster_stream_state{state="reconciling",world="10"} 0
muster_stream_state{state="silent",world="10"} 0
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "muster_leader", "muster_listener_events_total",
			"muster_listener_frames_total", "muster_stream_state"); err != nil {
			t.Error(err)
		}
		stop()
		want = strings.Replace(want[:strings.Index(want, "# HELP muster_listener_events")], "} 1", "} 0", 1)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "muster_leader"); err != nil {
			t.Error(err)
		}
	})
}
