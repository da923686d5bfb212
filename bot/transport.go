package bot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"muster/internal/backoff"
	"muster/internal/outage"
)

// Limits of the transport.
const (
	maxAnswer      = 1 << 20          // bytes of one answer; more is an error
	requestTimeout = 15 * time.Second // for a request whose context has no deadline
	globalPerSec   = 45               // Config.RequestsPerSecond, unless it is set
	globalBurst    = 5
	banPause       = 10 * time.Minute // at least, when the address is banned
	defaultRetry   = 5 * time.Second  // for a 429 that does not say how long
)

// transport is the http.RoundTripper under every request, discordgo's too. It
// sends them to the configured host and keeps Discord's limits: per bucket, 50
// a second, the pauses of 429s, and the count of refused requests (discord notes
// 3.8–3.12, 6, 7). Waiting ends with the request's context; a wait that cannot
// end before the deadline fails at once with a *waitError. After a 401 nothing
// is sent any more.
//
// Answers to interactions wait for nothing but a ban of the address.
type transport struct {
	base    *url.URL
	next    http.RoundTripper
	agent   string
	log     *slog.Logger
	metrics *metrics
	limits  *limits
	invalid *invalid
	global  *rate.Limiter
	slow    *rate.Limiter // applies from invalidSlow on
	// refused is called with the first *FatalError.
	refused func(*FatalError)
	stopped atomic.Bool
	banSaid atomic.Int64 // when the ban that was logged ends, Unix nanoseconds
	away    *outage.Outage
	silent  atomic.Int64 // requests in a row without an answer that means something
}

func newTransport(base *url.URL, agent string, perSec int, log *slog.Logger, m *metrics, refused func(*FatalError)) *transport {
	next := http.DefaultTransport.(*http.Transport).Clone()
	next.MaxIdleConnsPerHost = 32
	next.ResponseHeaderTimeout = requestTimeout
	return &transport{
		base: base, next: next, agent: agent, log: log, metrics: m, refused: refused,
		limits: newLimits(), invalid: &invalid{},
		global: rate.NewLimiter(rate.Limit(perSec), globalBurst),
		slow:   rate.NewLimiter(1, 1),
		away:   outage.New(log, nil, "discord does not answer, messages wait", "discord answers again"),
	}
}

// parseBase checks the address of Discord's API. Plain http would send the token
// in the clear: it is for a stand-in on this machine only.
func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("discord url: %w", err)
	}
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("discord url %q: no host", s)
	case u.User != nil:
		return nil, errors.New("discord url: must not carry a user or password")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, fmt.Errorf("discord url %q: plain http is for this machine only, use https", s)
	default:
		return nil, fmt.Errorf("discord url %q: scheme must be https", s)
	}
	return u, nil
}

// RoundTrip implements http.RoundTripper. The answer's body is read whole.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	r := routeOf(req.Method, req.URL.Path)
	if err := t.admit(ctx, r); err != nil {
		closeBody(req)
		t.metrics.requests.WithLabelValues(r.name, "not_sent").Inc()
		return nil, err
	}
	resp, err := t.next.RoundTrip(t.rewrite(ctx, req))
	if err == nil {
		err = readWhole(resp)
	}
	if err != nil {
		t.metrics.requests.WithLabelValues(r.name, "error").Inc()
		t.unanswered(req.Context(), err)
		return nil, fmt.Errorf("discord %s: %w", r.name, err)
	}
	t.metrics.requests.WithLabelValues(r.name, outcome(resp.StatusCode)).Inc()
	t.learn(r, resp)
	if resp.StatusCode >= 500 {
		t.unanswered(ctx, fmt.Errorf("discord %s: status %d", r.name, resp.StatusCode))
	} else {
		t.silent.Store(0)
		t.away.Answered(ctx)
	}
	return resp, nil
}

// awayAfter is how many requests in a row must fail before it is said: one or
// two a day are normal, and tried again.
const awayAfter = 3

// unanswered notes a request that Discord did not answer, or only with a 5xx. A
// caller who left tells nothing about Discord.
func (t *transport) unanswered(ctx context.Context, err error) {
	if !errors.Is(ctx.Err(), context.Canceled) && t.silent.Add(1) >= awayAfter {
		t.away.Failed(ctx, err)
	}
}

// admit returns when r may be sent.
func (t *transport) admit(ctx context.Context, r route) error {
	for {
		if t.stopped.Load() {
			return errStopped
		}
		d := t.limits.wait(r, time.Now())
		if d <= 0 {
			break
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
			return &waitError{Route: r.name, Wait: d}
		}
		if err := backoff.Sleep(ctx, d); err != nil {
			return err
		}
	}
	if r.interactive {
		return nil
	}
	if err := t.slowDown(ctx, r); err != nil {
		return err
	}
	if err := t.global.Wait(ctx); err != nil {
		return &waitError{Route: r.name, Wait: time.Second}
	}
	return nil
}

// slowDown keeps the count of refused requests away from a ban.
func (t *transport) slowDown(ctx context.Context, r route) error {
	switch n := t.invalid.count(time.Now()); {
	case n >= invalidStop:
		return &waitError{Route: r.name, Wait: invalidWindow / invalidSlots}
	case n >= invalidSlow:
		if err := t.slow.Wait(ctx); err != nil {
			return &waitError{Route: r.name, Wait: time.Second}
		}
	}
	return nil
}

// rewrite returns a copy of req for the configured host, in API version 10.
func (t *transport) rewrite(ctx context.Context, req *http.Request) *http.Request {
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host = t.base.Scheme, t.base.Host, ""
	out.URL.Path = strings.TrimSuffix(t.base.Path, "/") + "/api/v10" + apiPath(req.URL.Path)
	out.Header.Set("User-Agent", t.agent)
	return out
}

// learn keeps what the answer says about limits, bans and the token.
func (t *transport) learn(r route, resp *http.Response) {
	now := time.Now()
	t.limits.seen(r, resp.Header, now)
	if resp.StatusCode < 400 {
		return
	}
	body, _ := io.ReadAll(resp.Body) // already in memory
	resp.Body = io.NopCloser(bytes.NewReader(body))
	e := answerError(r, resp, body)
	if isInvalid(e) {
		t.invalid.add(now)
	}
	switch {
	case r.interactive && e.Status == http.StatusUnauthorized && (e.Code == 50027 || e.Code == 10015):
		// The token of this interaction is over, not the bot's.
	case e.Status == http.StatusUnauthorized || e.Code == 40001 || e.Code == 50014:
		t.stop(&FatalError{Code: e.Status, Reason: "the bot token is not valid (setting discord token)"})
	case e.banned():
		t.banned(e, now)
	case e.Status == http.StatusTooManyRequests && e.Scope == "global":
		t.limits.pauseGlobal(e.RetryAfter, now)
		t.log.Warn("global rate limit reached, notifications pause", "for", e.RetryAfter)
	case e.Status == http.StatusTooManyRequests:
		t.limits.limited(r, e.RetryAfter, now)
	}
}

// stop ends all requests for good.
func (t *transport) stop(err *FatalError) {
	if !t.stopped.Swap(true) && t.refused != nil {
		t.refused(err)
	}
}

func (t *transport) banned(e *apiError, now time.Time) {
	pause := max(e.RetryAfter, banPause)
	t.limits.pauseAll(pause, now)
	end := now.Add(pause).UnixNano()
	if said := t.banSaid.Load(); said < now.UnixNano() && t.banSaid.CompareAndSwap(said, end) {
		t.log.Error("discord has banned this address for a while, all requests stop", "status", e.Status, "for", pause)
	}
}

// banned reports whether e comes from the guard in front of Discord: refused
// without JSON, or code 40333.
func (e *apiError) banned() bool {
	refused := e.Status == http.StatusTooManyRequests || e.Status == http.StatusForbidden
	return refused && (e.NotJSON || e.Code == 40333)
}

// isInvalid reports whether e counts towards a ban.
func isInvalid(e *apiError) bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return true
	case http.StatusTooManyRequests:
		return e.Scope != "shared"
	}
	return false
}

// answerError reads a refused request's answer, headers included.
func answerError(r route, resp *http.Response, body []byte) *apiError {
	retry, _ := seconds(resp.Header.Get("Retry-After"))
	e := newAPIError(r, resp.StatusCode, body, retry)
	if e.Status == http.StatusTooManyRequests {
		if e.RetryAfter <= 0 {
			e.RetryAfter = defaultRetry
		}
		if resp.Header.Get("X-RateLimit-Global") != "" {
			e.Scope = "global"
		} else if s := resp.Header.Get("X-RateLimit-Scope"); s != "" {
			e.Scope = s
		}
	}
	return e
}

// readWhole replaces the body by its bytes in memory.
func readWhole(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return fmt.Errorf("answer of more than %d bytes", maxAnswer)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was read of it
	}
}

func outcome(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "limited"
	case status < 400:
		return "ok"
	case status < 500:
		return "refused"
	}
	return "server_error"
}
