// Package leasetest holds every implementation to the contract of package lease.
package leasetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/lease"
)

// Open returns two lockers of one fresh service, as two processes would have
// them; they may be the same. A cleanup that open registers closes them.
type Open func(t *testing.T) (a, b lease.Locker)

// Run runs the whole suite. No test waits on time except to give up.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"one holder at a time", testExclusion},
		{"terms grow", testTerms},
		{"names do not meet", testNames},
		{"release wakes the waiter and is idempotent", testRelease},
		{"an ended context ends the wait", testContext},
		{"a waiter that gave up leaves nothing behind", testGaveUp},
		{"close takes what is held and refuses the rest", testClose},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
			test.run(t, open)
		})
	}
}

// patience is how long anything may take before a test gives up.
const patience = 30 * time.Second

func mustAcquire(t *testing.T, l lease.Locker, name string) lease.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	held, err := l.Acquire(ctx, name)
	if err != nil {
		t.Fatalf("acquire %s: %v", name, err)
	}
	return held
}

func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came; gave up")
	}
	return v
}

func isLost(l lease.Lease) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

// testExclusion counts without a lock: the lease is the lock, and the race
// detector and the sum say whether it held.
func testExclusion(t *testing.T, open Open) {
	a, b := open(t)
	counter, inside := 0, 0
	var wg sync.WaitGroup
	const workers, turns = 8, 25
	for i := range workers {
		wg.Go(func() {
			for range turns {
				l := []lease.Locker{a, b}[i%2]
				held, err := l.Acquire(context.Background(), "x")
				if err != nil {
					t.Errorf("acquire: %v", err)
					return
				}
				if inside++; inside != 1 {
					t.Errorf("%d holders at a time", inside)
				}
				counter++
				inside--
				held.Release()
			}
		})
	}
	wg.Wait()
	if counter != workers*turns {
		t.Errorf("counted %d, want %d", counter, workers*turns)
	}
}

func testTerms(t *testing.T, open Open) {
	a, b := open(t)
	last := int64(0)
	for i := range 10 {
		held := mustAcquire(t, []lease.Locker{a, b}[i%2], "x")
		if held.Term() <= last {
			t.Errorf("term %d after %d", held.Term(), last)
		}
		last = held.Term()
		held.Release()
		if held.Term() != last {
			t.Errorf("term became %d on release", held.Term())
		}
	}
}

func testNames(t *testing.T, open Open) {
	a, b := open(t)
	x, y := mustAcquire(t, a, "x"), mustAcquire(t, b, "y")
	x.Release()
	if isLost(y) {
		t.Error("releasing x ended y")
	}
	y.Release()
}

func testRelease(t *testing.T, open Open) {
	a, b := open(t)
	first := mustAcquire(t, a, "x")
	if isLost(first) {
		t.Fatal("lost as soon as acquired")
	}
	got := make(chan lease.Lease, 1)
	go func() {
		l, err := b.Acquire(context.Background(), "x")
		if err != nil {
			t.Errorf("acquire: %v", err)
		}
		got <- l
	}()
	first.Release()
	wait(t, first.Lost())
	second := wait(t, got)
	first.Release()
	first.Release()
	if isLost(second) {
		t.Error("releasing the first lease again ended the second")
	}
	second.Release()
	wait(t, second.Lost())
}

func testContext(t *testing.T, open Open) {
	a, b := open(t)
	held := mustAcquire(t, a, "x")
	defer held.Release()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := b.Acquire(ctx, "x")
		done <- err
	}()
	cancel()
	if err := wait(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("acquire: got %v, want context.Canceled", err)
	}
	if _, err := b.Acquire(ctx, "free"); !errors.Is(err, context.Canceled) {
		t.Errorf("acquire with an ended context: got %v, want context.Canceled", err)
	}
}

func testGaveUp(t *testing.T, open Open) {
	a, b := open(t)
	for range 50 {
		held := mustAcquire(t, a, "x")
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if l, err := b.Acquire(ctx, "x"); err == nil {
				l.Release()
			}
		}()
		go cancel()
		held.Release()
		wait(t, done)
		mustAcquire(t, a, "x").Release()
	}
}

func testClose(t *testing.T, open Open) {
	a, _ := open(t)
	held := mustAcquire(t, a, "x")
	waiting := make(chan error, 1)
	go func() {
		_, err := a.Acquire(context.Background(), "x")
		waiting <- err
	}()
	if err := a.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wait(t, held.Lost())
	held.Release()
	if err := wait(t, waiting); !errors.Is(err, lease.ErrClosed) {
		t.Errorf("waiter: got %v, want ErrClosed", err)
	}
	if _, err := a.Acquire(context.Background(), "y"); !errors.Is(err, lease.ErrClosed) {
		t.Errorf("acquire after close: got %v, want ErrClosed", err)
	}
}
