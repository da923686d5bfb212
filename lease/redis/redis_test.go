package redis_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"muster/lease"
	"muster/lease/leasetest"
	"muster/lease/redis"
)

// addrs returns three servers that tests share; no test may use another's keys,
// or harm a server.
func addrs(t *testing.T) []string {
	t.Helper()
	list := os.Getenv("MUSTER_TEST_REDIS_ADDRS")
	if list == "" {
		t.Skip("MUSTER_TEST_REDIS_ADDRS is not set: needs three Redis servers")
	}
	all := strings.Split(list, ",")
	if len(all) != 3 {
		t.Fatalf("MUSTER_TEST_REDIS_ADDRS names %d servers, want 3", len(all))
	}
	return all
}

func urls(addrs ...string) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = (&url.URL{Scheme: "redis", Host: a}).String()
	}
	return out
}

// terms is a source that counts, for all processes of one test.
type terms struct {
	mu   sync.Mutex
	last map[string]int64
	err  error
}

func (s *terms) NextTerm(_ context.Context, name string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.last == nil {
		s.last = map[string]int64{}
	}
	s.last[name]++
	return s.last[name], nil
}

func (s *terms) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// prefix returns the keys' prefix for one test.
func prefix(t *testing.T) string { return "muster:test:" + rand.Text()[:8] + ":" + t.Name() + ":" }

func mustOpen(t *testing.T, cfg redis.Config) *redis.Locker {
	t.Helper()
	l, err := redis.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// patience is how long anything may take before a test gives up.
const patience = 60 * time.Second

func mustAcquire(t *testing.T, l lease.Locker, name string) lease.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held, err := l.Acquire(ctx, name)
	if err != nil {
		t.Fatalf("acquire %s: %v", name, err)
	}
	return held
}

func mustEnd(t *testing.T, l lease.Lease) {
	t.Helper()
	select {
	case <-l.Lost():
	case <-time.After(patience):
		t.Fatal("the lease did not end; gave up")
	}
}

// later acquires in the background.
func later(t *testing.T, l lease.Locker, name string) <-chan lease.Lease {
	got := make(chan lease.Lease, 1)
	go func() {
		if held, err := l.Acquire(t.Context(), name); err == nil {
			got <- held
		} else if t.Context().Err() == nil {
			t.Errorf("acquire %s: %v", name, err)
		}
	}()
	return got
}

func mustGet(t *testing.T, got <-chan lease.Lease) lease.Lease {
	t.Helper()
	select {
	case l := <-got:
		return l
	case <-time.After(patience):
		t.Fatal("nobody got the lease; gave up")
		return nil
	}
}

// client speaks to one server beside the locker.
func client(t *testing.T, addr string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
	})
	return c
}

func TestThreeServersKeepTheContract(t *testing.T) {
	all := addrs(t)
	leasetest.Run(t, func(t *testing.T) (a, b lease.Locker) {
		cfg := redis.Config{URLs: urls(all...), Terms: &terms{}, Prefix: prefix(t)}
		return mustOpen(t, cfg), mustOpen(t, cfg)
	})
}

func TestOneServerKeepsTheContract(t *testing.T) {
	all := addrs(t)
	leasetest.Run(t, func(t *testing.T) (a, b lease.Locker) {
		cfg := redis.Config{URLs: urls(all[1]), Terms: &terms{}, Prefix: prefix(t)}
		return mustOpen(t, cfg), mustOpen(t, cfg)
	})
}
