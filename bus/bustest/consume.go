package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/bus"
)

var errTry = errors.New("try again")

func testOrder(t *testing.T, open Open) {
	b, _ := open(t)
	began := time.Now().Add(-time.Second)
	all := messages(0, 3500)
	for i, n := 0, 1; i < len(all); i, n = i+n, min(2*n, len(all)-i-n) {
		mustPublish(t, b, Solo, all[i:i+n]...)
	}
	s := newSink(len(all))
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		if n := len(batch.Deliveries); n < 1 || n > bus.MaxBatch {
			t.Errorf("batch of %d messages, want 1 to %d", n, bus.MaxBatch)
		}
		return s.handle(ctx, batch)
	})
	within(t, s.full)
	stop()
	wantIDs(t, s.ids(), ids(all))
	for i, d := range s.got {
		if d.Attempt != 1 || d.Key != all[i].Key || string(d.Body) != string(all[i].Body) {
			t.Fatalf("delivery %d is %+v, want %+v at its first attempt", i, d, all[i])
		}
		if d.PublishedAt.Before(began) || d.PublishedAt.After(time.Now().Add(time.Second)) || d.PublishedAt.Location() != time.UTC {
			t.Fatalf("delivery %d was published at %v, want now in UTC", i, d.PublishedAt)
		}
	}
}

func testCopies(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Work, messages(0, 20)...)
	mustPublish(t, b, Solo, messages(100, 110)...)
	for queue, want := range map[string][]bus.Message{First: messages(0, 20), Other: messages(0, 20), Only: messages(100, 110)} {
		s := newSink(len(want))
		stop := consume(t, b, queue, s.handle)
		within(t, s.full)
		stop()
		wantIDs(t, s.ids(), ids(want))
	}
}

func testSharing(t *testing.T, open Open) {
	b, _ := open(t)
	const publishes, each = 200, 10
	s := newSink(publishes * each)
	for range 4 {
		consume(t, b, Only, s.handle)
	}
	for i := range publishes {
		mustPublish(t, b, Solo, messages(i*each, (i+1)*each)...)
	}
	within(t, s.full)
	wantDepth(t, b, Only, 0)
	got := s.ids()
	slices.Sort(got)
	wantIDs(t, got, ids(messages(0, publishes*each)))
}

func testParallel(t *testing.T, open Open) {
	b, _ := open(t)
	both := make(chan struct{})
	var busy atomic.Int32
	h := func(ctx context.Context, _ bus.Batch) error {
		if busy.Add(1) == 2 {
			close(both)
		}
		select {
		case <-both:
		case <-ctx.Done():
		}
		return nil
	}
	consume(t, b, Only, h)
	consume(t, b, Only, h)
	mustPublish(t, b, Solo, message(0))
	eventually(t, "the first consumer is busy", func() bool { return busy.Load() >= 1 })
	mustPublish(t, b, Solo, message(1))
	within(t, both)
}

func testNeverWaits(t *testing.T, open Open) {
	b, _ := open(t)
	came := make(chan int, 1)
	consume(t, b, Only, func(_ context.Context, batch bus.Batch) error {
		came <- len(batch.Deliveries)
		return nil
	})
	for i := range 20 {
		mustPublish(t, b, Solo, message(i))
		if n := within(t, came); n != 1 {
			t.Fatalf("batch of %d, want the one message there is", n)
		}
	}
}

func testConcurrentPublish(t *testing.T, open Open) {
	b, _ := open(t)
	const publishers, each = 8, 100
	s := newSink(publishers * each)
	consume(t, b, Only, s.handle)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				m := bus.Message{ID: fmt.Sprintf("%d", p), Body: fmt.Appendf(nil, "%d", i)}
				if err := b.Publish(context.Background(), Solo, m); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	within(t, s.full)
	wantDepth(t, b, Only, 0)
	next := map[string]int{}
	for _, d := range s.got {
		if want := fmt.Sprint(next[d.ID]); string(d.Body) != want {
			t.Fatalf("publisher %s: message %s came where %s should", d.ID, d.Body, want)
		}
		next[d.ID]++
	}
}

func testSliceReuse(t *testing.T, open Open) {
	b, _ := open(t)
	buf := make([]bus.Message, 1)
	for i := range 10 {
		buf[0] = message(i)
		mustPublish(t, b, Work, buf...)
	}
	clear(buf)
	for _, queue := range []string{First, Other} {
		s := newSink(10)
		consume(t, b, queue, s.handle)
		within(t, s.full)
		wantIDs(t, s.ids(), ids(messages(0, 10)))
	}
}

func testEmptyPublish(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo)
	mustPublish(t, b, News)
	wantDepth(t, b, Only, 0)
}

func testRedelivery(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, messages(0, 10)...)
	attempts := map[string][]int{}
	s := newSink(10)
	calls := 0
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		for _, d := range batch.Deliveries {
			attempts[d.ID] = append(attempts[d.ID], d.Attempt)
		}
		if calls++; calls <= 2 {
			clear(batch.Deliveries) // what a handler does to its slice is its own affair
			return errTry
		}
		return s.handle(ctx, batch)
	})
	within(t, s.full)
	stop()
	wantDepth(t, b, Only, 0)
	wantIDs(t, s.ids(), ids(messages(0, 10)))
	if got := attempts[message(0).ID]; !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("attempts of the first message: got %v, want 1, 2, 3", got)
	}
}

func testPanic(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, messages(0, 3)...)
	s := newSink(3)
	first := true
	consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		if first {
			first = false
			panic("on purpose")
		}
		return s.handle(ctx, batch)
	})
	within(t, s.full)
	wantIDs(t, s.ids(), ids(messages(0, 3)))
	wantDepth(t, b, Only, 0)
}

func testRejected(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, messages(0, 10)...)
	s := newSink(10)
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		reasons := map[int]error{}
		for i, d := range batch.Deliveries {
			if strings.HasSuffix(d.ID, "3") || strings.HasSuffix(d.ID, "7") {
				reasons[i] = fmt.Errorf("no sense in %s", d.ID)
			}
		}
		_ = s.handle(ctx, batch) // never fails
		return fmt.Errorf("handled: %w", &bus.Rejected{Reasons: reasons})
	})
	within(t, s.full)
	wantDepth(t, b, Only, 0)
	stop()
	dead := mustDead(t, b, Only, 10, 2)
	for i, n := range []int{7, 3} { // newest first
		want := message(n)
		if d := dead[i]; d.ID != want.ID || d.Key != want.Key || string(d.Body) != string(want.Body) ||
			d.Queue != Only || d.Reason != "no sense in "+want.ID || d.At.IsZero() {
			t.Errorf("dead letter %d: got %+v, want message %d", i, d, n)
		}
	}
	if one := mustDead(t, b, Only, 1, 1); one[0].ID != message(7).ID {
		t.Errorf("with limit 1: got %s, want the newest", one[0].ID)
	}
	if len(s.ids()) != 10 {
		t.Errorf("%d deliveries, want 10: rejected messages must not come again", len(s.ids()))
	}
}

// A delivery that carries several things is put aside in parts.
func testRejectedParts(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, messages(0, 3)...)
	s := newSink(3)
	poison := []bus.Part{
		{Message: bus.Message{ID: "1/4", Key: "a.b.c", Body: []byte("four")}, Reason: errors.New("no sense in four")},
		{Message: bus.Message{ID: "1/7", Key: "a.b.d", Body: []byte("seven")}},
	}
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		reasons := map[int]error{}
		for i, d := range batch.Deliveries {
			if d.ID == message(1).ID {
				reasons[i] = fmt.Errorf("one of many: %w", &bus.PartlyRejected{Parts: poison})
			}
		}
		_ = s.handle(ctx, batch) // never fails
		return &bus.Rejected{Reasons: reasons}
	})
	within(t, s.full)
	wantDepth(t, b, Only, 0)
	stop()
	dead := mustDead(t, b, Only, 10, 2)
	slices.SortFunc(dead, func(a, b bus.DeadLetter) int { return strings.Compare(a.ID, b.ID) })
	for i, reason := range []string{"no sense in four", "rejected"} {
		want := poison[i]
		if d := dead[i]; d.ID != want.ID || d.Key != want.Key || string(d.Body) != string(want.Body) || d.Queue != Only || d.Reason != reason {
			t.Errorf("dead letter %d: got %+v, want %+v", i, d, want)
		}
	}
	if len(s.ids()) != 3 {
		t.Errorf("%d deliveries, want 3: what was rejected must not come again", len(s.ids()))
	}
}

// testBatchBytes: a batch of large messages is a small one.
func testBatchBytes(t *testing.T, open Open) {
	b, _ := open(t)
	const n, large = 20, bus.BatchBytes / 5
	for i := range n {
		m := message(i)
		m.Body = make([]byte, large)
		mustPublish(t, b, Solo, m)
	}
	var mu sync.Mutex
	got := 0
	all := make(chan struct{})
	consume(t, b, Only, func(_ context.Context, batch bus.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if len(batch.Deliveries) > bus.BatchBytes/large {
			t.Errorf("a batch of %d messages of %d bytes, at most %d bytes are wanted", len(batch.Deliveries), large, bus.BatchBytes)
		}
		if got += len(batch.Deliveries); got == n {
			close(all)
		}
		return nil
	})
	within(t, all)
	wantDepth(t, b, Only, 0)
	mustPublish(t, b, Solo, bus.Message{ID: "largest", Body: make([]byte, bus.MaxBody)})
	wantDepth(t, b, Only, 0)
}

func mustDead(t *testing.T, b bus.Bus, queue string, limit, want int) []bus.DeadLetter {
	t.Helper()
	var dead []bus.DeadLetter
	eventually(t, fmt.Sprintf("%d dead letters of %s", want, queue), func() bool {
		var err error
		if dead, err = b.DeadLetters(context.Background(), queue, limit); err != nil {
			t.Fatalf("dead letters: %v", err)
		}
		return len(dead) == want
	})
	return dead
}

func testDepth(t *testing.T, open Open) {
	b, _ := open(t)
	wantDepth(t, b, Only, 0)
	mustPublish(t, b, Solo, messages(0, 7)...)
	mustPublish(t, b, Work, messages(0, 2)...)
	wantDepth(t, b, Only, 7)
	wantDepth(t, b, First, 2)
	busy, release := make(chan struct{}), make(chan struct{})
	consume(t, b, Only, func(context.Context, bus.Batch) error {
		close(busy)
		<-release
		return nil
	})
	within(t, busy)
	wantDepth(t, b, Only, 7) // in hand is not settled
	close(release)
	wantDepth(t, b, Only, 0)
	wantDepth(t, b, Other, 2)
}

func testConsumerEnd(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, messages(0, 5)...)
	ctx, cancel := context.WithCancel(context.Background())
	busy, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	calls := 0
	go func() {
		done <- b.Consume(ctx, Only, func(hctx context.Context, _ bus.Batch) error {
			calls++
			close(busy)
			<-release
			return hctx.Err()
		})
	}()
	within(t, busy)
	mustPublish(t, b, Solo, message(5))
	cancel()
	close(release)
	if err := within(t, done); err != nil {
		t.Fatalf("consume: got %v, want nil", err)
	}
	if calls != 1 {
		t.Errorf("%d batches, want none after the context had ended", calls)
	}
	wantDepth(t, b, Only, 1) // the batch was settled, what came later was not taken
}

func testGiveBack(t *testing.T, open Open) {
	b, _ := open(t)
	mustPublish(t, b, Solo, messages(0, 5)...)
	failed := make(chan struct{}, 100)
	stop := consume(t, b, Only, func(context.Context, bus.Batch) error {
		failed <- struct{}{}
		return errTry
	})
	within(t, failed)
	stop()
	mustPublish(t, b, Solo, messages(5, 10)...)
	wantDepth(t, b, Only, 10)
	s := newSink(10)
	consume(t, b, Only, s.handle)
	within(t, s.full)
	got := s.ids()
	wantIDs(t, got, ids(messages(0, 10)))
	if s.got[0].Attempt < 2 {
		t.Errorf("attempt %d after a failure elsewhere, want 2 or more", s.got[0].Attempt)
	}
}
