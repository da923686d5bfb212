package redis_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"muster/internal/testcerts"
	"muster/internal/testservers"
	"muster/lease/redis"
)

func TestTrustInARedisIsSetUpByItsURL(t *testing.T) {
	ca := testcerts.New(t)
	server, us := ca.Server(t, "127.0.0.1"), ca.Client(t, "muster")
	port := testservers.Port(t)
	r := testservers.NewRedis(t, testservers.RedisConfig{Args: []string{"--tls-port", fmt.Sprint(port),
		"--tls-cert-file", server.Cert, "--tls-key-file", server.Key, "--tls-ca-cert-file", ca.File, "--tls-auth-clients", "yes"}})
	testservers.Start(t, r)
	open := func(scheme string, params ...string) (*redis.Locker, error) {
		q := url.Values{"db": {"1"}}
		for i := 0; i < len(params); i += 2 {
			q.Set(params[i], params[i+1])
		}
		u := url.URL{Scheme: scheme, Host: fmt.Sprintf("127.0.0.1:%d", port), RawQuery: q.Encode()}
		return redis.Open(t.Context(), redis.Config{URLs: []string{u.String()}, Terms: &terms{}})
	}
	files := []string{"cacertfile", ca.File, "certfile", us.Cert, "keyfile", us.Key}
	l, err := open("rediss", files...)
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
		l, err := open("rediss", test.params...)
		if err == nil {
			t.Errorf("%s: it opens", test.want)
			_ = l.Close()
			continue
		}
		if !errors.Is(err, redis.ErrAccess) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("it ends with %v, want ErrAccess and %q", err, test.want)
		}
	}
	for want, try := range map[string]func() (*redis.Locker, error){
		"need rediss://":  func() (*redis.Locker, error) { return open("redis", files...) },
		"belong together": func() (*redis.Locker, error) { return open("rediss", files[:4]...) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %q", err, want)
		}
	}
}
