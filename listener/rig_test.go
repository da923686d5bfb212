package listener

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/lease"
)

// A rig is several listeners on one bus and one lease, in a bubble of synctest.
type rig struct {
	t    *testing.T
	bus  *spy
	desk *desk
	all  []*node
}

func newRig(t *testing.T) *rig { return &rig{t: t, bus: &spy{}, desk: newDesk()} }

// A node is one listener, with a stream that does what the test says.
type node struct {
	*Listener
	s    *script
	line *line
	feed chan func(census.Handler)
	end  context.CancelFunc
	done chan error
}

// A line is a listener's way to the bus and the lease, which can be cut.
type line struct {
	*spy
	desk *desk
	mu   sync.Mutex
	cut  bool
}

func (l *line) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *line) Acquire(ctx context.Context, name string) (lease.Lease, error) {
	if l.isCut() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return l.desk.Acquire(ctx, name)
}

func (l *line) Close() error { return nil }

func (l *line) Publish(ctx context.Context, topic string, messages ...bus.Message) error {
	if l.isCut() {
		<-ctx.Done()
		return ctx.Err()
	}
	return l.spy.Publish(ctx, topic, messages...)
}

func (l *line) Listen(ctx context.Context, topic string, ready func(), h func(bus.Message, int)) error {
	return l.spy.Listen(ctx, topic, ready, func(m bus.Message, lost int) {
		if !l.isCut() {
			h(m, lost)
		}
	})
}

// start adds a listener that is connected and has worlds 1 and 10, and waits until
// it has settled.
func (r *rig) start() *node {
	r.t.Helper()
	n := &node{feed: make(chan func(census.Handler)), done: make(chan error, 1), line: &line{spy: r.bus, desk: r.desk},
		s: &script{link: census.Link{Up: true, Since: time.Now(), Phase: -1}, states: []event.StreamState{live(1), live(10)}}}
	n.s.run = func(ctx context.Context, h census.Handler) {
		for {
			select {
			case f := <-n.feed:
				f(h)
			case <-ctx.Done():
				return
			}
		}
	}
	var err error
	if n.Listener, err = New(Config{Stream: n.s, Bus: n.line, Locker: n.line}); err != nil {
		r.t.Fatal(err)
	}
	var ctx context.Context
	ctx, n.end = context.WithCancel(context.Background())
	r.all = append(r.all, n)
	go func() { n.done <- n.Run(ctx) }()
	synctest.Wait()
	n.says(live(1), live(10))
	r.wait(time.Second)
	return n
}

// stop ends listeners, as SIGTERM does.
func (r *rig) stop(nodes ...*node) {
	r.t.Helper()
	for _, n := range nodes {
		n.end()
	}
	for _, n := range nodes {
		if err := <-n.done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}
}

// close ends whoever still runs.
func (r *rig) close() {
	for _, n := range r.all {
		n.line.set(false)
		n.end()
	}
	synctest.Wait()
	<-time.After(time.Minute)
}

// wait lets time pass and everything settle.
func (r *rig) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// lose keeps beacons from everybody.
func (r *rig) lose(which func(event.Beacon) bool) {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	r.bus.lose = which
}

// kill cuts a leader off; the others may have its lease after three seconds.
func (r *rig) kill(n *node) {
	n.line.set(true)
	go func() {
		<-time.After(3 * time.Second)
		r.desk.revoke()
	}()
}

// says has the stream tell of worlds.
func (n *node) says(states ...event.StreamState) {
	n.feed <- func(h census.Handler) {
		n.s.mu.Lock()
		for _, s := range states {
			for i := range n.s.states {
				if n.s.states[i].World == s.World {
					n.s.states[i] = s
				}
			}
		}
		n.s.mu.Unlock()
		for _, s := range states {
			h.State(s)
		}
	}
}

// connect makes the connection come or go.
func (n *node) connect(up bool) {
	n.s.mu.Lock()
	n.s.link.Up, n.s.link.Since = up, time.Now()
	n.s.mu.Unlock()
	states := []event.StreamState{live(1), live(10)}
	if !up {
		states = []event.StreamState{down(1), down(10)}
	}
	n.says(states...)
}

func down(w event.World) event.StreamState {
	s := live(w)
	s.Health, s.Reason = event.StreamDown, "connection lost"
	return s
}

// see has an event of a world arrive at each of nodes.
func see(w event.World, victim int, nodes ...*node) {
	s := sighting(w, victim)
	for _, n := range nodes {
		n.feed <- func(h census.Handler) { h.Event(s) }
	}
}

// flow has ten events a second arrive on a world for a while, and returns the next
// victim.
func (r *rig) flow(d time.Duration, w event.World, victim int, nodes ...*node) int {
	for end := time.Now().Add(d); time.Now().Before(end); victim++ {
		see(w, victim, nodes...)
		<-time.After(100 * time.Millisecond)
	}
	synctest.Wait()
	return victim
}

func (n *node) ringLen() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ring.len()
}

func (n *node) isLeading() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.leads()
}

// victims returns whose deaths were published, in that order.
func (r *rig) victims() (out []int) {
	for _, e := range r.bus.events() {
		text := e.Detail.(event.Death).Victim.String()
		n, err := strconv.Atoi(text[len(text)-5:])
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

// wantVictims checks that the deaths from first up to last were published, in order
// and once.
func (r *rig) wantVictims(first, last int) {
	r.t.Helper()
	got := r.victims()
	var want []int
	for i := first; i < last; i++ {
		want = append(want, i)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%d events, want %d, each once and in order: %v", len(got), len(want), got)
	}
}

// wantFlowing checks that no world was told to be down or silent.
func (r *rig) wantFlowing() {
	r.t.Helper()
	for i, s := range r.bus.streams() {
		if !s.Health.Flowing() {
			r.t.Errorf("state %d: world %d was told to be %s because %q", i, s.World, s.Health, s.Reason)
		}
	}
}
