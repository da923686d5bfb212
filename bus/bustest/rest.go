package bustest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"muster/bus"
)

func testLimits(t *testing.T, open Open) {
	b, _ := open(t)
	ctx := context.Background()
	tests := []struct {
		name    string
		message bus.Message
	}{
		{"body", bus.Message{Body: make([]byte, bus.MaxBody+1)}},
		{"id", bus.Message{ID: strings.Repeat("i", bus.MaxID+1)}},
		{"key", bus.Message{Key: strings.Repeat("k", bus.MaxKey+1)}},
	}
	for _, topic := range []string{Solo, News} {
		for _, test := range tests {
			if err := b.Publish(ctx, topic, message(0), test.message); !errors.Is(err, bus.ErrTooLarge) {
				t.Errorf("too long a %s on %s: got %v, want ErrTooLarge", test.name, topic, err)
			}
		}
	}
	most := bus.Message{ID: strings.Repeat("i", bus.MaxID), Key: strings.Repeat("k", bus.MaxKey), Body: make([]byte, bus.MaxBody)}
	for range 8 {
		mustPublish(t, b, Solo, most, most)
	}
	s := newSink(16)
	consume(t, b, Only, s.handle)
	within(t, s.full)
	for _, d := range s.got {
		if d.ID != most.ID || d.Key != most.Key || len(d.Body) != bus.MaxBody {
			t.Fatalf("the largest message came with id of %d, key of %d, body of %d bytes", len(d.ID), len(d.Key), len(d.Body))
		}
	}
}

func testUnknown(t *testing.T, open Open) {
	b, _ := open(t)
	ctx := context.Background()
	nothing := func(context.Context, bus.Batch) error { return nil }
	_, depth := b.Depth(ctx, "nowhere")
	_, dead := b.DeadLetters(ctx, "nowhere", 1)
	for what, err := range map[string]error{
		"publish":                b.Publish(ctx, "nowhere", message(0)),
		"consume":                b.Consume(ctx, "nowhere", nothing),
		"consume a topic":        b.Consume(ctx, Work, nothing),
		"listen":                 b.Listen(ctx, "nowhere", nil, func(bus.Message, int) {}),
		"listen to a work topic": b.Listen(ctx, Work, nil, func(bus.Message, int) {}),
		"depth":                  depth,
		"dead letters":           dead,
	} {
		if !errors.Is(err, bus.ErrTopic) {
			t.Errorf("%s: got %v, want ErrTopic", what, err)
		}
	}
}

// listen runs h in the background, returning once it is ready.
func listen(t *testing.T, b bus.Bus, h func(bus.Message, int)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- b.Listen(ctx, News, func() { close(ready) }, h) }()
	within(t, ready)
	stop = func() {
		cancel()
		if err := within(t, done); err != nil {
			t.Errorf("listen: got %v, want nil once the context has ended", err)
		}
	}
	return stop
}

func testListen(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, News, message(0)) // nobody listens: gone
	var got [2][]string
	full := make(chan struct{}, 2)
	for i := range got {
		stop := listen(t, b, func(m bus.Message, lost int) {
			if lost != 0 {
				t.Errorf("lost %d of few", lost)
			}
			if got[i] = append(got[i], m.ID); len(got[i]) == 1000 {
				full <- struct{}{}
			}
		})
		defer stop()
	}
	mustPublish(t, b, News, messages(1, 500)...)
	for n := 500; n <= 1000; n++ {
		mustPublish(t, b, News, message(n))
	}
	within(t, full)
	within(t, full)
	for i := range got {
		wantIDs(t, got[i], ids(messages(1, 1001)))
	}
}

func testSlowListener(t *testing.T, open Open) {
	t.Run("many", func(t *testing.T) { slowListener(t, open, 3*16384, 0) })
	t.Run("large", func(t *testing.T) { slowListener(t, open, 500, bus.MaxBody) })
}

// slowListener publishes more than the bounds allow while a listener is busy.
// size, if not 0, is that of a body in bytes.
func slowListener(t *testing.T, open Open, total, size int) {
	b, _ := open(t)
	numbered := func(from, to int) []bus.Message {
		all := messages(from, to)
		for i := range all {
			if size > 0 {
				all[i].Body = make([]byte, size)
			}
		}
		return all
	}
	busy, release, last := make(chan struct{}), make(chan struct{}), make(chan struct{})
	seen, lost := 0, 0
	stop := listen(t, b, func(m bus.Message, n int) {
		if seen == 0 {
			close(busy)
			<-release
		}
		seen, lost = seen+1, lost+n
		if m.ID == message(total-1).ID {
			close(last)
		}
	})
	mustPublish(t, b, News, message(0))
	within(t, busy)
	const part = 100
	for n := 1; n < total; n += part {
		mustPublish(t, b, News, numbered(n, min(n+part, total))...)
	}
	close(release)
	within(t, last)
	stop()
	if lost == 0 || seen+lost != total {
		t.Errorf("seen %d, told of %d lost, together want %d", seen, lost, total)
	}
}

func testListenerPanic(t *testing.T, open Open) {
	b, _ := open(t)
	heard := make(chan string, 2)
	stop := listen(t, b, func(m bus.Message, _ int) {
		heard <- m.ID
		if m.ID == message(0).ID {
			panic("on purpose")
		}
	})
	defer stop()
	mustPublish(t, b, News, message(0), message(1))
	for n := range 2 {
		if got := within(t, heard); got != message(n).ID {
			t.Errorf("heard %s, want %s", got, message(n).ID)
		}
	}
}

func testEndedPublish(t *testing.T, open Open) {
	b, _ := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Publish(ctx, Solo, message(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: got %v, want context.Canceled", err)
	}
	wantDepth(t, b, Only, 0)
}

func testClose(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, message(0))
	ctx := context.Background()
	busy, consumed, listened := make(chan struct{}), make(chan error, 2), make(chan error, 1)
	returned := false
	go func() {
		consumed <- b.Consume(ctx, Only, func(hctx context.Context, _ bus.Batch) error {
			close(busy)
			<-hctx.Done()
			returned = true
			return nil
		})
	}()
	go func() {
		consumed <- b.Consume(ctx, First, func(context.Context, bus.Batch) error { return nil })
	}()
	ready := make(chan struct{})
	go func() { listened <- b.Listen(ctx, News, func() { close(ready) }, func(bus.Message, int) {}) }()
	within(t, busy)
	within(t, ready)
	if err := b.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if !returned {
		t.Error("close returned before the handler had")
	}
	for _, err := range []error{within(t, consumed), within(t, consumed), within(t, listened)} {
		if err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Errorf("a call that close ended: got %v, want nil or ErrClosed", err)
		}
	}
	_, depth := b.Depth(ctx, Only)
	_, dead := b.DeadLetters(ctx, Only, 1)
	full := transport(t, b)
	_, list := full.List(ctx, Only, 1)
	_, replay := full.Replay(ctx, Only, bus.EveryLetter)
	_, state := full.State(ctx, Only)
	for what, err := range map[string]error{
		"publish":      b.Publish(ctx, Solo, message(1)),
		"broadcast":    b.Publish(ctx, News, message(1)),
		"consume":      b.Consume(ctx, Only, func(context.Context, bus.Batch) error { return nil }),
		"listen":       b.Listen(ctx, News, nil, func(bus.Message, int) {}),
		"depth":        depth,
		"dead letters": dead,
		"list":         list,
		"replay":       replay,
		"state":        state,
		"close":        b.Close(),
	} {
		if !errors.Is(err, bus.ErrClosed) {
			t.Errorf("%s after close: got %v, want ErrClosed", what, err)
		}
	}
}

func testDurable(t *testing.T, open Open) {
	b, reopen := open(t)
	if reopen == nil {
		return // this transport keeps nothing
	}
	mustPublish(t, b, Work, messages(0, 100)...)
	s := newSink(100)
	stop := consume(t, b, First, s.handle)
	within(t, s.full)
	wantDepth(t, b, First, 0)
	stop()
	mustPublish(t, b, Work, messages(100, 2500)...)
	b = reopen()
	wantDepth(t, b, First, 2400)
	mustPublish(t, b, Work, messages(2500, 2600)...)
	for queue, from := range map[string]int{First: 100, Other: 0} {
		s := newSink(2600 - from)
		stop := consume(t, b, queue, s.handle)
		within(t, s.full)
		stop()
		wantIDs(t, s.ids(), ids(messages(from, 2600)))
		for i, d := range s.got {
			if want := message(from + i); string(d.Body) != string(want.Body) || d.Key != want.Key {
				t.Fatalf("got %s %s %s, want %s", d.ID, d.Key, d.Body, want.Body)
			}
		}
	}
	b = reopen()
	wantDepth(t, b, First, 0)
	wantDepth(t, b, Other, 0)
}

func testDurableDead(t *testing.T, open Open) {
	b, reopen := open(t)
	if reopen == nil {
		return // this transport keeps nothing
	}
	mustPublish(t, b, Solo, message(0))
	stop := consume(t, b, Only, func(context.Context, bus.Batch) error {
		return &bus.Rejected{Reasons: map[int]error{0: errors.New("poison")}}
	})
	wantDepth(t, b, Only, 0)
	stop()
	b = reopen()
	if dead := mustDead(t, b, Only, 5, 1); dead[0].ID != message(0).ID || dead[0].Reason != "poison" {
		t.Errorf("got %+v, want message 0", dead[0])
	}
}
