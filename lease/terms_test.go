package lease_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/lease"
	"muster/lease/leasetest"
)

// A mint counts, and fails while it is told to.
type mint struct {
	mu   sync.Mutex
	n    int64
	fail error
}

func (m *mint) NextTerm(context.Context, string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	m.n++
	return m.n, nil
}

func (m *mint) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func TestMemoryWithTermsKeepsTheContract(t *testing.T) {
	leasetest.Run(t, func(t *testing.T) (a, b lease.Locker) {
		m := lease.WithTerms(lease.NewMemory(), &mint{}, nil)
		t.Cleanup(func() { _ = m.Close() }) // never fails
		return m, m
	})
}

func TestTermsGoOnWhereAnotherProcessLeftOff(t *testing.T) {
	source := &mint{n: 41}
	for want := int64(42); want < 45; want++ {
		m := lease.WithTerms(lease.NewMemory(), source, nil)
		held, err := m.Acquire(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if got := held.Term(); got != want {
			t.Errorf("term %d, want %d", got, want)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALeaseWithoutATermIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, inner := &mint{fail: errors.New("away")}, lease.NewMemory()
		m := lease.WithTerms(inner, source, nil)
		got := make(chan error, 1)
		acquire := func(ctx context.Context) {
			held, err := m.Acquire(ctx, "x")
			if err == nil {
				held.Release()
			}
			got <- err
		}
		ctx, cancel := context.WithCancel(t.Context())
		go acquire(ctx)
		<-time.After(time.Minute)
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("after cancelling: %v", err)
		}
		go acquire(t.Context()) // the place is free again
		<-time.After(time.Minute)
		source.set(nil)
		if err := <-got; err != nil {
			t.Errorf("once there are terms: %v", err)
		}
		source.set(errors.New("away"))
		go acquire(t.Context())
		<-time.After(time.Minute)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-got; !errors.Is(err, lease.ErrClosed) {
			t.Errorf("after closing: %v, want ErrClosed", err)
		}
	})
}
