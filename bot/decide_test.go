package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

// TestEachErrorHasItsRule follows the table of discord notes 6 row by row.
func TestEachErrorHasItsRule(t *testing.T) {
	tests := []struct {
		status, code int
		notJSON      bool
		want         step
	}{
		{status: 401, want: stopBot},
		{status: 401, code: 40001, want: stopBot},
		{status: 401, code: 50014, want: stopBot},
		{status: 403, code: 50007, want: closeUser},
		{status: 403, code: 50278, want: closeUser},
		{status: 403, code: 40003, want: pauseOpens},
		{status: 403, code: 50001, want: fewMore},
		{status: 403, code: 50013, want: pauseTarget},
		{status: 404, code: 10003, want: reopen},
		{status: 404, code: 10004, want: dropTarget},
		{status: 404, code: 10008, want: repost},
		{status: 404, code: 10013, want: forgetUser},
		{status: 404, code: 10015, want: drop},
		{status: 401, code: 50027, want: drop},
		{status: 404, code: 10062, want: drop},
		{status: 400, code: 40060, want: proceed},
		{status: 400, code: 40094, want: lastEdit},
		{status: 400, code: 50035, want: giveUp},
		{status: 400, code: 50006, want: giveUp},
		{status: 400, code: 50109, want: giveUp},
		{status: 400, code: 50083, want: dropTarget},
		{status: 400, code: 30046, want: repost},
		{status: 429, code: 20028, want: wait},
		{status: 429, code: 20016, want: wait},
		{status: 429, want: wait},
		{status: 429, notJSON: true, want: wait},
		{status: 403, notJSON: true, want: wait},
		{status: 403, code: 40333, want: wait},
		{status: 500, want: again},
		{status: 502, notJSON: true, want: again},
		{status: 503, code: 130000, want: again},
		{status: 504, want: again},
		{status: 400, want: giveUp},
		{status: 403, code: 99999, want: giveUp},
		{status: 404, want: giveUp},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %d", tt.status, tt.code), func(t *testing.T) {
			err := fmt.Errorf("wrapped: %w", &apiError{Status: tt.status, Code: tt.code, NotJSON: tt.notJSON})
			if got := decide(err).do; got != tt.want {
				t.Errorf("decide = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatIsNotAnAnswerIsTriedAgainUnderTheNonce(t *testing.T) {
	for _, err := range []error{io.ErrUnexpectedEOF, context.DeadlineExceeded, errors.New("connection reset")} {
		if got := decide(err).do; got != again {
			t.Errorf("decide(%v) = %q, want %q", err, got, again)
		}
	}
	if got := decide(nil).do; got != sent {
		t.Errorf("decide(nil) = %q", got)
	}
	if got := decide(fmt.Errorf("x: %w", errStopped)).do; got != stopBot {
		t.Errorf("decide(stopped) = %q", got)
	}
	if d := decide(&waitError{Wait: time.Minute}); d.do != wait || d.after != time.Minute {
		t.Errorf("decide(wait) = %+v", d)
	}
}

func TestBackoffGrowsWithinItsBounds(t *testing.T) {
	for attempts := -1; attempts < 70; attempts++ {
		if d := retryIn(attempts); d < retryMin/2 || d > retryMax {
			t.Fatalf("retryIn(%d) = %v", attempts, d)
		}
	}
}
