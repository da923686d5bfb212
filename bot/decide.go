package bot

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// A step is what to do about a request that Discord did not fulfil.
type step string

// Steps (discord notes 6).
const (
	sent        step = "sent"           // nothing: it worked
	stopBot     step = "stop the bot"   // the token is refused
	closeUser   step = "close user"     // stop telling this user until a command says otherwise
	pauseOpens  step = "pause opening"  // of direct-message channels, for everybody
	fewMore     step = "few more tries" // then close the user
	pauseTarget step = "pause target"   // and report what is missing
	reopen      step = "reopen"         // the channel, once
	dropTarget  step = "drop target"    // channel or guild: it is gone or shut
	forgetUser  step = "forget user"    // the account is gone
	repost      step = "post anew"      // in place of an edit
	drop        step = "drop"           // the interaction is over
	proceed     step = "proceed"        // acknowledged before: edit
	lastEdit    step = "one edit"       // no more follow-ups
	giveUp      step = "give up"        // our body is wrong: log it
	wait        step = "wait"           // as long as Discord says
	again       step = "again"          // same nonce, after a backoff
)

// rules is the table of discord notes 6, by Discord's code.
var rules = map[int]step{
	40001: stopBot, 50014: stopBot,
	50007: closeUser, 50278: closeUser,
	40003: pauseOpens,
	50001: fewMore,
	50013: pauseTarget,
	10003: reopen,
	10004: dropTarget, 50083: dropTarget,
	10008: repost, 30046: repost,
	10013: forgetUser,
	10015: drop, 50027: drop, 10062: drop,
	40060: proceed,
	40094: lastEdit,
	50035: giveUp, 50006: giveUp, 50109: giveUp,
	20028: wait, 20016: wait, 40333: wait,
	130000: again,
}

// A decision is a step and how long to wait before it, 0 if Discord did not say.
type decision struct {
	do    step
	after time.Duration
	why   string // for the record: Discord's code and text
}

// shut reports whether a guild's channel takes nothing until somebody mends that.
func (d decision) shut() bool {
	switch d.do {
	case pauseTarget, fewMore, reopen, dropTarget:
		return true
	}
	return false
}

// decide says what to do about err, which a request of rest returned.
func decide(err error) decision {
	var e *apiError
	var w *waitError
	switch {
	case err == nil:
		return decision{do: sent}
	case errors.Is(err, errStopped):
		return decision{do: stopBot, why: err.Error()}
	case errors.As(err, &w):
		return decision{do: wait, after: w.Wait, why: w.Error()}
	case errors.As(err, &e):
		return decision{do: e.step(), after: e.RetryAfter, why: e.Error()}
	case errors.Is(err, context.Canceled):
		return decision{do: again, why: "cancelled"}
	}
	return decision{do: again, why: err.Error()} // timeout, reset: outcome unknown
}

// step looks the answer up: guard pages first, then Discord's code, then the
// status.
func (e *apiError) step() step {
	if e.banned() {
		return wait
	}
	if s, ok := rules[e.Code]; ok {
		return s
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		return stopBot
	case e.Status == http.StatusTooManyRequests:
		return wait
	case e.Status == http.StatusRequestTimeout || e.Status >= 500:
		return again
	}
	return giveUp
}
