package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/backoff"
)

func TestSleepEndsWithTheTimeOrTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := backoff.Sleep(t.Context(), time.Minute); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("slept %s: %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		err := backoff.Sleep(ctx, time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("slept %s beyond the context: %v", time.Since(begin), err)
		}
	})
}

func TestSpreadsStayWithinTheirBounds(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 3, time.Second, time.Hour} {
		for range 1000 {
			if got := backoff.Around(d); got < d-d/4 || got > d+d/4+1 {
				t.Fatalf("around %s: %s", d, got)
			}
			if got := backoff.UpTo(d); got < d/2 || got > d {
				t.Fatalf("up to %s: %s", d, got)
			}
		}
	}
}
