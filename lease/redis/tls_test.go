package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/testcerts"
	"muster/internal/testservers"
	"muster/lease/redis"
)

// A said collects a log and closes told once it has the words.
type said struct {
	words string
	told  chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := strings.Contains(s.text.String(), s.words)
	s.text.Write(p)
	if !before && strings.Contains(s.text.String(), s.words) {
		close(s.told)
	}
	return len(p), nil
}

func TestTrustInARedisIsSetUpByItsURL(t *testing.T) {
	ca := testcerts.New(t)
	server, us := ca.Server(t, "127.0.0.1"), ca.Client(t, "muster")
	port := testservers.Port(t)
	r := testservers.NewRedis(t, testservers.RedisConfig{Args: []string{"--tls-port", fmt.Sprint(port),
		"--tls-cert-file", server.Cert, "--tls-key-file", server.Key, "--tls-ca-cert-file", ca.File, "--tls-auth-clients", "yes"}})
	testservers.Start(t, r)
	open := func(ctx context.Context, log *slog.Logger, scheme string, params ...string) (*redis.Locker, error) {
		q := url.Values{"db": {"1"}}
		for i := 0; i < len(params); i += 2 {
			q.Set(params[i], params[i+1])
		}
		u := url.URL{Scheme: scheme, Host: fmt.Sprintf("127.0.0.1:%d", port), RawQuery: q.Encode()}
		return redis.Open(ctx, redis.Config{URLs: []string{u.String()}, Terms: &terms{}, Log: log})
	}
	files := []string{"cacertfile", ca.File, "certfile", us.Cert, "keyfile", us.Key}
	l, err := open(t.Context(), nil, "rediss", files...)
	if err != nil {
		t.Fatal(err)
	}
	held, err := l.Acquire(t.Context(), "leader")
	if err != nil {
		t.Fatalf("acquire over TLS: %v", err)
	}
	held.Release()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		want   string
		params []string
	}{
		{"not trusted here; cacertfile", files[2:]},
		{"does not take our certificate, or misses one", files[:2]},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		log := &said{words: test.want, told: make(chan struct{})}
		go func() {
			select {
			case <-log.told:
			case <-ctx.Done():
			}
			cancel()
		}()
		l, err := open(ctx, slog.New(slog.NewTextHandler(log, nil)), "rediss", test.params...)
		cancel()
		if err == nil {
			t.Errorf("%s: it opens", test.want)
			_ = l.Close()
		}
		select {
		case <-log.told:
		default:
			t.Errorf("it ends with %v and says %s, want %q", err, &log.text, test.want)
		}
	}
	for want, try := range map[string]func() (*redis.Locker, error){
		"need rediss://":  func() (*redis.Locker, error) { return open(t.Context(), nil, "redis", files...) },
		"belong together": func() (*redis.Locker, error) { return open(t.Context(), nil, "rediss", files[:4]...) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %q", err, want)
		}
	}
}
