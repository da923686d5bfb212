package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"muster/bus"
)

// RunDeadLetters holds a transport to bus.DeadLetterBox; Run does so for
// transports that are their own box. box returns the box over what b keeps, which
// may be another process's view of it.
func RunDeadLetters(t *testing.T, open Open, box func(t *testing.T, b bus.Bus) bus.DeadLetterBox) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, bus.Bus, bus.DeadLetterBox)
	}{
		{"letters are listed newest first and stay", testList},
		{"one letter is shown whole", testShow},
		{"a replayed letter is delivered again and is dead no more", testReplay},
		{"every letter is replayed in the old order", testReplayAll},
		{"what dies again is a new letter", testDieAgain},
		{"dropped letters are gone", testDrop},
		{"unknown references are named and the others still served", testUnknownRef},
		{"without references nothing happens", testNoRefs},
		{"an unknown queue is refused with ErrTopic", testDeadTopic},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkLeaks(t)
			b, _ := open(t)
			test.run(t, b, box(t, b))
		})
	}
}

// bury publishes messages from to to and rejects each, with its number as reason.
func bury(t *testing.T, b bus.Bus, from, to int) {
	t.Helper()
	mustPublish(t, b, Solo, messages(from, to)...)
	stop := consume(t, b, Only, func(_ context.Context, batch bus.Batch) error {
		reasons := map[int]error{}
		for i, d := range batch.Deliveries {
			reasons[i] = fmt.Errorf("no sense in %s", d.ID)
		}
		return &bus.Rejected{Reasons: reasons}
	})
	wantDepth(t, b, Only, 0)
	stop()
}

// mustList waits until Only has want letters.
func mustList(t *testing.T, box bus.DeadLetterBox, want int) []bus.Letter {
	t.Helper()
	var all []bus.Letter
	eventually(t, fmt.Sprintf("%d dead letters", want), func() bool {
		var err error
		if all, err = box.List(context.Background(), Only, 2*want+10); err != nil {
			t.Fatalf("list: %v", err)
		}
		return len(all) == want
	})
	return all
}

func refs(letters []bus.Letter) []string {
	var all []string
	for _, l := range letters {
		all = append(all, l.Ref)
	}
	return all
}

func letterIDs(letters []bus.Letter) []string {
	var all []string
	for _, l := range letters {
		all = append(all, l.ID)
	}
	return all
}

func wantCount(t *testing.T, what string, got int, err error, want int) {
	t.Helper()
	if got != want || err != nil {
		t.Fatalf("%s: got %d (%v), want %d", what, got, err, want)
	}
}

func testList(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	ctx := context.Background()
	if none := mustList(t, box, 0); len(none) != 0 {
		t.Fatalf("got %d of none", len(none))
	}
	bury(t, b, 0, 7)
	all := mustList(t, box, 7)
	want := ids(messages(0, 7))
	slices.Reverse(want)
	wantIDs(t, letterIDs(all), want)
	again := mustList(t, box, 7)
	if !slices.Equal(refs(again), refs(all)) {
		t.Errorf("references changed from %v to %v", refs(all), refs(again))
	}
	unique := refs(all)
	slices.Sort(unique)
	if len(slices.Compact(unique)) != 7 || slices.ContainsFunc(unique, func(ref string) bool { return !bus.IsRef(ref) }) {
		t.Errorf("references are %v, want seven different ones", refs(all))
	}
	for _, limit := range []int{3, 0, -1} {
		some, err := box.List(ctx, Only, limit)
		if err != nil || !slices.Equal(refs(some), refs(all)[:max(0, limit)]) {
			t.Errorf("limit %d: got %v (%v), want the newest of %v", limit, refs(some), err, refs(all))
		}
	}
}

func testShow(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	began := time.Now().Add(-time.Second)
	bury(t, b, 0, 3)
	all := mustList(t, box, 3)
	got, err := box.Show(context.Background(), Only, all[1].Ref)
	if err != nil {
		t.Fatalf("show: %v", err)
	}
	want := message(1)
	if got.ID != want.ID || got.Key != want.Key || string(got.Body) != string(want.Body) || got.Queue != Only ||
		got.Reason != "no sense in "+want.ID || got.Ref != all[1].Ref {
		t.Errorf("got %+v, want message 1", got)
	}
	if got.At.Before(began) || got.At.After(time.Now().Add(time.Second)) || got.At.Location() != time.UTC {
		t.Errorf("died at %v, want now in UTC", got.At)
	}
	if !got.PublishedAt.IsZero() && (got.PublishedAt.Before(began) || got.PublishedAt.After(got.At)) {
		t.Errorf("published at %v, died at %v", got.PublishedAt, got.At)
	}
}

func testReplay(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	bury(t, b, 0, 5)
	all := mustList(t, box, 5)
	n, err := box.Replay(context.Background(), Only, all[3].Ref, all[0].Ref, all[3].Ref) // one is named twice
	wantCount(t, "replay", n, err, 2)
	s := newSink(2)
	stop := consume(t, b, Only, s.handle)
	within(t, s.full)
	wantDepth(t, b, Only, 0)
	stop()
	wantIDs(t, s.ids(), []string{message(1).ID, message(4).ID})
	for i, n := range []int{1, 4} {
		if want := message(n); string(s.got[i].Body) != string(want.Body) || s.got[i].Key != want.Key {
			t.Errorf("replayed as %+v, want %+v", s.got[i].Message, want)
		}
	}
	left := mustList(t, box, 3)
	if want := []string{all[1].Ref, all[2].Ref, all[4].Ref}; !slices.Equal(refs(left), want) {
		t.Errorf("left are %v, want %v", refs(left), want)
	}
}

func testReplayAll(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	const total = bus.MaxBatch + 500
	bury(t, b, 0, total)
	mustList(t, box, total)
	n, err := box.Replay(context.Background(), Only, bus.EveryLetter)
	wantCount(t, "replay", n, err, total)
	s := newSink(total)
	stop := consume(t, b, Only, s.handle)
	within(t, s.full)
	wantDepth(t, b, Only, 0)
	stop()
	wantIDs(t, s.ids(), ids(messages(0, total)))
	mustList(t, box, 0)
	n, err = box.Replay(context.Background(), Only, bus.EveryLetter)
	wantCount(t, "replay of none", n, err, 0)
}

func testDieAgain(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	bury(t, b, 0, 1)
	first := mustList(t, box, 1)[0]
	n, err := box.Replay(context.Background(), Only, first.Ref)
	wantCount(t, "replay", n, err, 1)
	mustList(t, box, 0)
	s := newSink(1)
	stop := consume(t, b, Only, func(ctx context.Context, batch bus.Batch) error {
		_ = s.handle(ctx, batch) // never fails
		return &bus.Rejected{Reasons: map[int]error{0: errors.New("worse than before")}}
	})
	within(t, s.full)
	second := mustList(t, box, 1)[0]
	stop()
	if second.Ref == first.Ref || second.ID != first.ID || second.Reason != "worse than before" {
		t.Errorf("got %+v after %+v, want the same message with another reference and reason", second, first)
	}
}

func testDrop(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	ctx := context.Background()
	bury(t, b, 0, 5)
	all := mustList(t, box, 5)
	n, err := box.Drop(ctx, Only, all[2].Ref)
	wantCount(t, "drop", n, err, 1)
	if _, err := box.Show(ctx, Only, all[2].Ref); !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("show what was dropped: got %v, want ErrNoLetter", err)
	}
	n, err = box.Drop(ctx, Only, bus.EveryLetter)
	wantCount(t, "drop every letter", n, err, 4)
	mustList(t, box, 0)
	wantDepth(t, b, Only, 0)
}

func testUnknownRef(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	ctx := context.Background()
	bury(t, b, 0, 2)
	all := mustList(t, box, 2)
	unknown := "0123456789ab"
	for _, ref := range []string{unknown, "nonsense", "", "ffffffffffffffffffff"} {
		if _, err := box.Show(ctx, Only, ref); !errors.Is(err, bus.ErrNoLetter) {
			t.Errorf("show %q: got %v, want ErrNoLetter", ref, err)
		}
	}
	n, err := box.Drop(ctx, Only, unknown, all[0].Ref)
	if n != 1 || !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("drop one known and one unknown: got %d, %v, want 1 and ErrNoLetter", n, err)
	}
	if n, err := box.Replay(ctx, Only, unknown); n != 0 || !errors.Is(err, bus.ErrNoLetter) {
		t.Errorf("replay an unknown one: got %d, %v, want 0 and ErrNoLetter", n, err)
	}
	if left := mustList(t, box, 1); left[0].Ref != all[1].Ref {
		t.Errorf("left is %s, want %s", left[0].Ref, all[1].Ref)
	}
}

func testNoRefs(t *testing.T, b bus.Bus, box bus.DeadLetterBox) {
	bury(t, b, 0, 2)
	mustList(t, box, 2)
	n, err := box.Drop(context.Background(), Only)
	wantCount(t, "drop nothing", n, err, 0)
	n, err = box.Replay(context.Background(), Only)
	wantCount(t, "replay nothing", n, err, 0)
	mustList(t, box, 2)
}

func testDeadTopic(t *testing.T, _ bus.Bus, box bus.DeadLetterBox) {
	ctx := context.Background()
	_, list := box.List(ctx, "nowhere", 1)
	_, show := box.Show(ctx, "nowhere", "0123456789ab")
	_, replay := box.Replay(ctx, "nowhere", bus.EveryLetter)
	_, drop := box.Drop(ctx, "nowhere", bus.EveryLetter)
	for what, err := range map[string]error{"list": list, "show": show, "replay": replay, "drop": drop} {
		if !errors.Is(err, bus.ErrTopic) {
			t.Errorf("%s: got %v, want ErrTopic", what, err)
		}
	}
}

func testState(t *testing.T, open Open) {
	b, _ := open(t)
	full, ctx := transport(t, b), context.Background()
	wantState := func(want bus.QueueState) {
		t.Helper()
		var got bus.QueueState
		eventually(t, fmt.Sprintf("the state is %+v", want), func() bool {
			var err error
			if got, err = full.State(ctx, Only); err != nil {
				t.Fatalf("state: %v", err)
			}
			return got == want
		})
	}
	wantState(bus.QueueState{})
	bury(t, b, 0, 3)
	wantState(bus.QueueState{Dead: 3})
	mustPublish(t, b, Solo, messages(3, 8)...)
	mustPublish(t, b, Work, messages(0, 1)...)
	wantState(bus.QueueState{Unsettled: 5, Dead: 3})
	stop := consume(t, b, Only, func(context.Context, bus.Batch) error { return nil })
	wantState(bus.QueueState{Dead: 3, Consumers: 1})
	stop()
	wantState(bus.QueueState{Dead: 3})
	if _, err := full.State(ctx, "nowhere"); !errors.Is(err, bus.ErrTopic) {
		t.Errorf("state of nothing: got %v, want ErrTopic", err)
	}
}
