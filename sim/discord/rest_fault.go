package discord

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// strikes reports whether f is about the request c.
func (s *Server) strikes(f *Fault, c *call) bool {
	if f.At != "" || !f.picks(c.route.method, c.route.pattern) {
		return false
	}
	if f.Kind == FaultUndeliverable && (c.route.method != http.MethodPost || c.route.pattern != pathMessages) {
		return false
	}
	if f.User == "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.vars["channel_id"] != "" && s.world.dms[f.User] == c.vars["channel_id"]
}

// misbehave does what f says. It returns false if the request then goes on.
func (s *Server) misbehave(f Fault, c *call) (reply, bool) {
	switch f.Kind {
	case FaultHang:
		s.wait(c, 0)
		return reply{}, true
	case FaultReset:
		return reply{}, true
	case FaultDelay:
		s.wait(c, f.delay())
		return reply{}, false
	case FaultBan:
		return banPage(f.retryAfter()), true
	case FaultGlobal:
		return (&refusal{after: f.retryAfter(), scope: "global", global: true}).answer(http.Header{}), true
	case FaultShared:
		return (&refusal{after: f.retryAfter(), scope: "shared"}).answer(limitHeader(c)), true
	case FaultLimit:
		return (&refusal{after: f.retryAfter(), scope: "user"}).answer(limitHeader(c)), true
	case FaultUndeliverable:
		return fail(f.Code).reply(), true
	}
	e := fail(f.Code)
	if f.Code == 0 {
		e = plain(f.Status, http.StatusText(f.Status))
	}
	e.status = f.Status
	return e.reply(), true
}

func limitHeader(c *call) http.Header {
	h := http.Header{}
	h.Set("X-RateLimit-Limit", "5")
	h.Set("X-RateLimit-Remaining", "0")
	h.Set("X-RateLimit-Bucket", bucketName(c.route.key()))
	return h
}

// wait returns after d, or when the client or the stand-in ends; 0 waits for
// those only.
func (s *Server) wait(c *call, d time.Duration) {
	// A server learns that the client has gone only once the body is read.
	raw, _ := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	c.r.Body = io.NopCloser(bytes.NewReader(raw))
	var timer <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-c.r.Context().Done():
	case <-s.ended:
	}
}
