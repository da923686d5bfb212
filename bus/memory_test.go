package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/bus"
	"muster/bus/bustest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (bus.Bus, func() bus.Bus) {
		b := bus.NewMemory(bustest.Topology())
		t.Cleanup(func() { _ = b.Close() }) // some tests close it themselves
		return b, nil
	})
}

func TestDelaysBetweenAttemptsGrowToFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory(bustest.Topology())
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Time
		if err := b.Publish(ctx, bustest.Solo, bus.Message{ID: "m"}); err != nil {
			t.Fatal(err)
		}
		err := b.Consume(ctx, bustest.Only, func(context.Context, bus.Batch) error {
			if at = append(at, time.Now()); len(at) == 12 {
				cancel()
			}
			return errors.New("not now")
		})
		if err != nil {
			t.Fatalf("consume: %v", err)
		}
		for i, want := 1, 50*time.Millisecond; i < len(at); i, want = i+1, min(2*want, 5*time.Second) {
			if got := at[i].Sub(at[i-1]); got < want/2 || got > want {
				t.Errorf("delay %d is %v, want %v to %v", i, got, want/2, want)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
