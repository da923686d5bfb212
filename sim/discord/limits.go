package discord

import (
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// banWindow is the time over which invalid requests are counted, and how long
// the ban lasts that they lead to (notes 6).
const banWindow = 10 * time.Minute

// A limiter counts requests in fixed windows.
type limiter struct {
	cfg Limits
	now func() time.Time

	mu      sync.Mutex
	global  window
	buckets map[string]*window
	invalid window
	dms     window
	banned  time.Time
}

// A window counts up to a limit until it ends.
type window struct {
	used int
	ends time.Time
}

// take counts one request and reports whether it fits.
func (w *window) take(b Bucket, now time.Time) bool {
	if !now.Before(w.ends) {
		w.used, w.ends = 0, now.Add(b.Window)
	}
	w.used++
	return w.used <= b.Limit
}

func newLimiter(cfg Limits, now func() time.Time) *limiter {
	return &limiter{cfg: cfg, now: now, buckets: map[string]*window{}}
}

// A refusal is a 429.
type refusal struct {
	after  time.Duration
	scope  string // user, shared or global
	global bool
}

// allow counts a request. It returns the headers to answer with and, if the
// request is refused, why.
func (l *limiter) allow(rt *route, resource string) (http.Header, *refusal) {
	h := http.Header{}
	if !l.cfg.Enabled {
		return h, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !rt.interaction && l.cfg.Global > 0 && !l.global.take(Bucket{l.cfg.Global, time.Second}, now) {
		return h, &refusal{after: l.global.ends.Sub(now), scope: "global", global: true}
	}
	b, ok := l.cfg.Routes[rt.key()]
	if !ok {
		b = l.cfg.Default
	}
	if b.Limit <= 0 {
		return h, nil
	}
	w := l.bucket(rt.key()+" "+resource, now)
	fits := w.take(b, now)
	after := w.ends.Sub(now)
	h.Set("X-RateLimit-Limit", strconv.Itoa(b.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(b.Limit-w.used, 0)))
	h.Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(w.ends.UnixMilli())/1000))
	h.Set("X-RateLimit-Reset-After", fmt.Sprintf("%.3f", after.Seconds()))
	h.Set("X-RateLimit-Bucket", bucketName(rt.key()))
	if !fits {
		return h, &refusal{after: after, scope: "user"}
	}
	return h, nil
}

// bucket returns the window called key and now and then forgets the old ones.
func (l *limiter) bucket(key string, now time.Time) *window {
	w := l.buckets[key]
	if w != nil {
		return w
	}
	if len(l.buckets) >= 10_000 {
		for k, w := range l.buckets {
			if now.After(w.ends) {
				delete(l.buckets, k)
			}
		}
	}
	w = &window{}
	l.buckets[key] = w
	return w
}

// openDM counts an opened DM channel and reports whether it may open.
func (l *limiter) openDM() bool {
	if !l.cfg.Enabled || l.cfg.DMOpens.Limit <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dms.take(l.cfg.DMOpens, l.now())
}

// countInvalid counts a 401, 403 or 429 and bans when there were too many.
func (l *limiter) countInvalid() {
	if !l.cfg.Enabled || l.cfg.Invalid <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !l.invalid.take(Bucket{l.cfg.Invalid, banWindow}, now) {
		l.banned = now.Add(banWindow)
	}
}

// ban returns how long the client is still banned.
func (l *limiter) ban() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.banned.Sub(l.now())
}

// bucketName is the opaque name of a bucket.
func bucketName(key string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return strconv.FormatUint(h.Sum64(), 16)
}

// answer renders r with its headers (notes 7).
func (r *refusal) answer(h http.Header) reply {
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.after.Seconds()))))
	h.Set("X-RateLimit-Scope", r.scope)
	if r.global {
		h.Set("X-RateLimit-Global", "true")
	}
	return reply{status: http.StatusTooManyRequests, header: h, body: map[string]any{
		"message": "You are being rate limited.", "retry_after": math.Ceil(r.after.Seconds()*1000) / 1000, "global": r.global,
	}}
}

// banPage is what the network in front of Discord answers with (notes 3.11).
func banPage(after time.Duration) reply {
	h := http.Header{}
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	return reply{status: http.StatusTooManyRequests, header: h, html: "<!DOCTYPE html>\n<html><head><title>Access denied | discord.com used Cloudflare to restrict access</title></head>" +
		"<body><h1>Error 1015</h1><h2>You are being rate limited</h2></body></html>\n"}
}
