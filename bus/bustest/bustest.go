// Package bustest holds every transport to the contract of package bus.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/bus"
)

// Names of Topology.
const (
	Work  = "work"  // a topic with two queues, First and Other
	Solo  = "solo"  // a topic with one queue, Only
	News  = "news"  // a broadcast topic
	First = "first" // queue of Work
	Other = "other" // queue of Work
	Only  = "only"  // queue of Solo
)

// Topology is what the transport under test must be opened with.
func Topology() bus.Topology {
	return bus.Topology{Work: {First, Other}, Solo: {Only}, News: nil}
}

// Open returns a fresh, empty transport with Topology. reopen closes it and opens
// it again on what it kept; nil says that it keeps nothing. Whatever was opened
// last is closed by a cleanup that open registers.
type Open func(t *testing.T) (b bus.Bus, reopen func() bus.Bus)

// Run runs the whole suite. No test waits on time except to give up.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"messages come in order and whole", testOrder},
		{"every queue of a topic gets a copy", testCopies},
		{"consumers of one queue share its messages", testSharing},
		{"a second consumer works while the first is busy", testParallel},
		{"a batch is never waited for", testNeverWaits},
		{"concurrent publishers lose nothing and keep their own order", testConcurrentPublish},
		{"the publisher may use its slice again", testSliceReuse},
		{"an empty publish is nothing", testEmptyPublish},
		{"a failed batch comes again", testRedelivery},
		{"a panic is a failure like any other", testPanic},
		{"rejected messages become dead letters", testRejected},
		{"of a message that is rejected in part only the parts become dead letters", testRejectedParts},
		{"a batch is bounded in bytes", testBatchBytes},
		{"limits are refused with ErrTooLarge", testLimits},
		{"unknown names are refused with ErrTopic", testUnknown},
		{"listeners hear everything since ready, in order", testListen},
		{"a slow listener loses the oldest and is told how many", testSlowListener},
		{"a listener survives its own panic", testListenerPanic},
		{"depth counts what is not settled", testDepth},
		{"the state of a queue is told", testState},
		{"a consumer's end lets the batch in hand finish", testConsumerEnd},
		{"a batch that failed goes back when its consumer ends", testGiveBack},
		{"a publish with an ended context takes nothing", testEndedPublish},
		{"close ends handlers and everything else", testClose},
		{"what was not settled survives", testDurable},
		{"dead letters survive", testDurableDead},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkLeaks(t)
			test.run(t, open)
		})
	}
	RunDeadLetters(t, open, func(t *testing.T, b bus.Bus) bus.DeadLetterBox {
		return transport(t, b)
	})
}

func transport(t *testing.T, b bus.Bus) bus.Transport {
	t.Helper()
	full, ok := b.(bus.Transport)
	if !ok {
		t.Fatalf("%T is no bus.Transport", b)
	}
	return full
}

// checkLeaks fails the test if a goroutine that it started outlives it and what it
// opens from now on.
func checkLeaks(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

// patience is how long anything may take before a test gives up.
const patience = 30 * time.Second

// message n of a sequence.
func message(n int) bus.Message {
	return bus.Message{ID: fmt.Sprintf("m-%06d", n), Key: "ps2.10.Death", Body: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func messages(from, to int) []bus.Message {
	var all []bus.Message
	for n := from; n < to; n++ {
		all = append(all, message(n))
	}
	return all
}

func ids(messages []bus.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

func mustPublish(t *testing.T, b bus.Bus, topic string, messages ...bus.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Publish(ctx, topic, messages...); err != nil {
		t.Fatalf("publish %d messages on %s: %v", len(messages), topic, err)
	}
}

// consume runs h in the background. stop ends it and waits; it is called by a
// cleanup too.
func consume(t *testing.T, b bus.Bus, queue string, h bus.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, queue, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := within(t, done); err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Errorf("consume: got %v, want nil once the context has ended", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// within returns the next value of c, or fails the test.
func within[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came; gave up")
		panic("unreachable")
	}
}

// eventually polls until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

func wantDepth(t *testing.T, b bus.Bus, queue string, want int) {
	t.Helper()
	got := -1
	eventually(t, fmt.Sprintf("depth of %s is %d", queue, want), func() bool {
		var err error
		if got, err = b.Depth(context.Background(), queue); err != nil {
			t.Fatalf("depth: %v", err)
		}
		return got == want
	})
}

// A sink collects deliveries and says when it has n of them.
type sink struct {
	mu   sync.Mutex
	got  []bus.Delivery
	want int
	full chan struct{}
}

func newSink(want int) *sink { return &sink{want: want, full: make(chan struct{})} }

func (s *sink) handle(_ context.Context, b bus.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.got)
	s.got = append(s.got, b.Deliveries...)
	if before < s.want && len(s.got) >= s.want {
		close(s.full)
	}
	return nil
}

func (s *sink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, d := range s.got {
		all = append(all, d.ID)
	}
	return all
}

// wantIDs compares without the middle of long lists.
func wantIDs(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("message %d is %s, want %s (%d messages, want %d)", i, got[i], want[i], len(got), len(want))
		}
	}
	t.Fatalf("got %d messages, want %d", len(got), len(want))
}
