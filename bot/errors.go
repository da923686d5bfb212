package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A FatalError says that Discord has refused the bot for good: the token is
// invalid, or the gateway closed with a code that forbids to come back
// (discord notes 6). The role ends; starting it again without a change of
// configuration is of no use.
type FatalError struct {
	Code   int    // HTTP status or gateway close code
	Reason string // one line for people
}

func (e *FatalError) Error() string {
	return fmt.Sprintf("discord refuses the bot (%d): %s", e.Code, e.Reason)
}

// errStopped is what every request gets after a FatalError.
var errStopped = errors.New("discord requests are stopped")

// An apiError is Discord's answer to a request it did not fulfil.
type apiError struct {
	Route      string
	Status     int
	Code       int // Discord's own, 0 if none
	Message    string
	Details    json.RawMessage // the errors tree of 50035
	RetryAfter time.Duration   // of a 429
	Scope      string          // of a 429: user, shared, global
	NotJSON    bool            // an answer by something in front of Discord
}

func (e *apiError) Error() string {
	s := fmt.Sprintf("discord %s: status %d", e.Route, e.Status)
	if e.Code != 0 {
		s += fmt.Sprintf(" code %d", e.Code)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// A waitError says that a request was not sent because it would have had to
// wait longer than its deadline allows.
type waitError struct {
	Route string
	Wait  time.Duration
}

func (e *waitError) Error() string {
	return fmt.Sprintf("discord %s: must wait %s", e.Route, e.Wait.Round(time.Millisecond))
}

// newAPIError reads the body of a refused request.
func newAPIError(r route, status int, body []byte, retryAfter time.Duration) *apiError {
	e := &apiError{Route: r.name, Status: status, RetryAfter: retryAfter}
	var msg struct {
		Code       int             `json:"code"`
		Message    string          `json:"message"`
		Errors     json.RawMessage `json:"errors"`
		RetryAfter float64         `json:"retry_after"`
		Global     bool            `json:"global"`
	}
	if err := json.Unmarshal(body, &msg); err != nil {
		e.NotJSON = true
		return e
	}
	e.Code, e.Message, e.Details = msg.Code, clip(msg.Message, 200), msg.Errors
	if d := time.Duration(msg.RetryAfter * float64(time.Second)); d > e.RetryAfter {
		e.RetryAfter = min(d, 24*time.Hour)
	}
	if msg.Global {
		e.Scope = "global"
	}
	return e
}

// clip cuts s to at most n runes.
func clip(s string, n int) string {
	count := 0
	for i := range s {
		if count == n {
			return s[:i]
		}
		count++
	}
	return s
}
