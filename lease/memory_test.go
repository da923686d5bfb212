package lease_test

import (
	"context"
	"testing"
	"testing/synctest"

	"muster/lease"
	"muster/lease/leasetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	leasetest.Run(t, func(t *testing.T) (a, b lease.Locker) {
		m := lease.NewMemory()
		t.Cleanup(func() { _ = m.Close() }) // never fails
		return m, m
	})
}

func TestWaitersAreServedInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := lease.NewMemory()
		first, err := m.Acquire(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 5)
		for i := range 5 {
			go func() {
				l, err := m.Acquire(context.Background(), "x")
				if err != nil {
					t.Errorf("acquire: %v", err)
					return
				}
				order <- i
				l.Release()
			}()
			synctest.Wait() // i is in the queue
		}
		first.Release()
		for want := range 5 {
			if got := <-order; got != want {
				t.Errorf("waiter %d was served, want %d", got, want)
			}
		}
	})
}
