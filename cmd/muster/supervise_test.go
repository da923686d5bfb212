package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal notes in which order parts stopped.
type journal struct {
	mu    sync.Mutex
	names []string
}

func (j *journal) note(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.names = append(j.names, name)
}

// slow is a part that needs d to drain.
func (j *journal) slow(name string, d time.Duration) part {
	return part{name: name, run: func(ctx context.Context) error {
		<-ctx.Done()
		<-time.After(d) // in the fake time of synctest
		j.note(name)
		return nil
	}}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestPartsStopInFlowOrderEachAfterTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var j journal
		parts := []part{j.slow("listener", 3*time.Second), j.slow("dispatcher", 2*time.Second), j.slow("bot", time.Second)}
		time.AfterFunc(time.Minute, cancel)
		if err := supervise(ctx, parts, 10*time.Second, quiet()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"listener", "dispatcher", "bot"}; !slices.Equal(j.names, want) {
			t.Errorf("stopped in order %v, want %v", j.names, want)
		}
	})
}

func TestAPartThatDoesNotDrainIsLeftBehindAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var j journal
		begin := time.Now()
		err := supervise(ctx, []part{j.slow("listener", time.Hour)}, 9*time.Second, quiet())
		if !errors.Is(err, errDrain) {
			t.Errorf("got %v, want errDrain", err)
		}
		if took := time.Since(begin); took != 9*time.Second {
			t.Errorf("gave up after %v, want 9s", took)
		}
		<-time.After(time.Hour) // the part ends before the test does
	})
}

func TestAPartThatBreaksStopsTheOthersAndIsNamed(t *testing.T) {
	broken := errors.New("disk is gone")
	for name, p := range map[string]part{
		"error": {name: "dispatcher", run: func(context.Context) error { return broken }},
		"panic": {name: "dispatcher", run: func(context.Context) error { panic(broken) }},
		"early": {name: "dispatcher", run: func(context.Context) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				err := supervise(t.Context(), []part{j.slow("listener", 0), p, j.slow("bot", 0)}, time.Second, quiet())
				if err == nil || err.Error()[:11] != "dispatcher:" {
					t.Errorf("got %v, want an error that names the dispatcher", err)
				}
				if want := []string{"listener", "bot"}; !slices.Equal(j.names, want) {
					t.Errorf("drained %v, want %v", j.names, want)
				}
			})
		})
	}
}

func TestAnOptionalPartMayBreakAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var j journal
		bot := part{name: "bot", optional: true, run: func(context.Context) error { return errors.New("token refused") }}
		time.AfterFunc(time.Minute, cancel)
		if err := supervise(ctx, []part{j.slow("listener", 0), bot}, time.Second, quiet()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"listener"}; !slices.Equal(j.names, want) {
			t.Errorf("drained %v, want %v", j.names, want)
		}
	})
}
