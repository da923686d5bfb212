package notifier

import (
	"errors"
	"sync"
	"time"
)

// maxCached bounds a cache; when it is reached everything is forgotten.
const maxCached = 64

var errHalfMade = errors.New("the answer was not finished")

// A cache keeps answers for a moment, so that many readers who come at once, as
// after a restart, cost the store one query. Callers of one key share it.
type cache struct {
	keep time.Duration
	mu   sync.Mutex
	m    map[string]*cached
}

type cached struct {
	once   sync.Once
	value  any
	err    error
	madeAt time.Time
}

func newCache(keep time.Duration) *cache { return &cache{keep: keep, m: map[string]*cached{}} }

// get returns the value of key, made by read if there is none fresh enough. An
// error is not kept.
func (c *cache) get(key string, read func() (any, error)) (any, error) {
	c.mu.Lock()
	e, ok := c.m[key]
	if !ok || time.Since(e.madeAt) > c.keep {
		if len(c.m) >= maxCached {
			clear(c.m)
		}
		e = &cached{madeAt: time.Now()}
		c.m[key] = e
	}
	c.mu.Unlock()
	e.once.Do(func() {
		e.err = errHalfMade // what others find if read panics
		e.value, e.err = read()
	})
	if e.err != nil {
		c.mu.Lock()
		if c.m[key] == e {
			delete(c.m, key)
		}
		c.mu.Unlock()
	}
	return e.value, e.err
}
