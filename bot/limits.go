package bot

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxBuckets bounds the table of rate-limit buckets. Those whose time is over
// are forgotten when it is reached; a forgotten bucket costs at most one 429.
const maxBuckets = 2000

// limits is what Discord has told us about when to wait. It is safe for
// concurrent use.
type limits struct {
	mu      sync.Mutex
	hash    map[string]string // route name → X-RateLimit-Bucket
	buckets map[string]*bucket
	global  time.Time // pause of everything but interactions until then
	banned  time.Time // pause of everything until then
}

type bucket struct {
	remaining int
	resetAt   time.Time
}

func newLimits() *limits {
	return &limits{hash: map[string]string{}, buckets: map[string]*bucket{}}
}

// wait returns how long r must wait at now, and takes one of its bucket's
// places if that is zero.
func (l *limits) wait(r route, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.banned.Sub(now); d > 0 {
		return d
	}
	if r.interactive {
		return 0 // each has a bucket of its own and is used once or twice
	}
	if d := l.global.Sub(now); d > 0 {
		return d
	}
	b := l.buckets[l.key(r)]
	if b == nil {
		return 0
	}
	if d := b.resetAt.Sub(now); d > 0 {
		if b.remaining < 1 {
			return d
		}
		b.remaining--
	}
	return 0
}

// ban returns how long everything must stay quiet.
func (l *limits) ban(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.banned.Sub(now))
}

// seen learns from the headers of an answer (discord notes 7).
func (l *limits) seen(r route, h http.Header, now time.Time) {
	remaining, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	resetAfter, ok := seconds(h.Get("X-RateLimit-Reset-After"))
	if r.interactive || err != nil || !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if name := h.Get("X-RateLimit-Bucket"); name != "" {
		l.hash[r.name] = name
	}
	b := l.bucket(r, now)
	if resetAt := now.Add(resetAfter); b.resetAt.After(now) && b.remaining < remaining {
		return // an older answer overtaken by a newer one
	} else {
		b.remaining, b.resetAt = remaining, resetAt
	}
}

// limited records a 429 of r's bucket.
func (l *limits) limited(r route, retryAfter time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.interactive {
		return
	}
	b := l.bucket(r, now)
	b.remaining, b.resetAt = 0, now.Add(retryAfter)
}

// pauseGlobal records a 429 of the whole bot.
func (l *limits) pauseGlobal(d time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.global = later(l.global, now.Add(d))
}

// pauseAll records that the address is banned.
func (l *limits) pauseAll(d time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.banned = later(l.banned, now.Add(d))
}

func (l *limits) key(r route) string {
	name := r.name
	if h, ok := l.hash[r.name]; ok {
		name = h
	}
	return name + "/" + r.major
}

func (l *limits) bucket(r route, now time.Time) *bucket {
	key := l.key(r)
	b := l.buckets[key]
	if b == nil {
		l.sweep(now)
		b = &bucket{}
		l.buckets[key] = b
	}
	return b
}

// sweep keeps the table small: first without what is over, then without
// anything, should all of it be running.
func (l *limits) sweep(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	for key, b := range l.buckets {
		if !b.resetAt.After(now) {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// seconds reads a number of seconds with a fraction, at most a day.
func seconds(s string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 86_400 {
		return 0, false
	}
	return time.Duration(f * float64(time.Second)), true
}

// Bounds of answers that count towards a ban of the address: 10,000 in ten
// minutes are one (discord notes 6).
const (
	invalidWindow = 10 * time.Minute
	invalidSlow   = 1000 // from here one request a second
	invalidStop   = 5000 // from here interactions only
	invalidSlots  = 60
)

// invalid counts refused answers over the last ten minutes.
type invalid struct {
	mu    sync.Mutex
	slots [invalidSlots]int
	at    [invalidSlots]int64
}

func (c *invalid) add(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := now.UnixNano() / int64(invalidWindow/invalidSlots)
	i := slot % invalidSlots
	if c.at[i] != slot {
		c.at[i], c.slots[i] = slot, 0
	}
	c.slots[i]++
}

func (c *invalid) count(now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := now.UnixNano() / int64(invalidWindow/invalidSlots)
	n := 0
	for i, at := range c.at {
		if at > newest-invalidSlots {
			n += c.slots[i]
		}
	}
	return n
}
