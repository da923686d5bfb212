package redis_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"muster/internal/cutproxy"
	"muster/lease"
	"muster/lease/redis"
)

// An ownServer is a redis-server that a test starts and may kill.
type ownServer struct {
	socket string
	args   []string
	cmd    *exec.Cmd
}

// newServer runs one that keeps nothing on the disk.
func newServer(t *testing.T, args ...string) *ownServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: needs servers that can be killed")
	}
	dir, err := os.MkdirTemp("", "lease") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &ownServer{socket: filepath.Join(dir, "s"), args: append([]string{"--port", "0", "--unixsocket",
		filepath.Join(dir, "s"), "--save", "", "--appendonly", "no", "--dir", dir}, args...)}
	t.Cleanup(func() {
		s.kill(t)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *ownServer) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		c := goredis.NewClient(&goredis.Options{Network: "unix", Addr: s.socket, MaxRetries: -1, DialerRetries: 1})
		defer c.Close()
		err := c.Ping(t.Context()).Err()
		return err == nil || strings.HasPrefix(err.Error(), "NOAUTH")
	}, "redis-server answers")
}

func (s *ownServer) kill(t *testing.T) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
	_ = s.cmd.Wait() // it says that it was killed
	s.cmd = nil
}

func (s *ownServer) url(user *url.Userinfo) string {
	return (&url.URL{Scheme: "unix", User: user, Path: s.socket}).String()
}

// The leader cannot reach anybody, and believes as long as it may. Meanwhile a
// majority forgets it.
func TestServersThatRestartEmptyLetNobodyIn(t *testing.T) {
	t.Parallel()
	cfg := redis.Config{Terms: &terms{}, Prefix: prefix(t)}
	var servers []*ownServer
	var sockets []string
	for range 3 {
		s := newServer(t)
		s.start(t)
		servers, sockets = append(servers, s), append(sockets, s.socket)
	}
	a, b := newNode(t, cfg, "unix", sockets), newNode(t, cfg, "unix", sockets)
	h := newHistory()
	first := h.lead(t, "a", a)
	got := h.follow(t, "b", b)
	for _, s := range servers[:2] { // it can renew all the time, and does
		s.kill(t)
		s.start(t)
	}
	quiet(t, 2, first, got)
	a.set(cutproxy.Hang, 0, 1, 2)
	for _, s := range servers[1:] {
		s.kill(t)
		s.start(t)
	}
	began := time.Now()
	mustGet(t, got)
	t.Logf("taken over after %v", time.Since(began).Round(time.Millisecond))
	if lease.Held(first) {
		t.Error("two leaders")
	}
	h.check(t)
}

// A server whose wall clock is set back counts wrongly how long it has been up.
func TestAServerGrowsUpByOurClockToo(t *testing.T) {
	t.Parallel()
	s, skew, log := newServer(t), &redis.Skew{}, &logbook{}
	s.start(t)
	l := mustOpen(t, redis.Skewed(redis.Config{URLs: []string{s.url(nil)}, Terms: &terms{}, TTL: 10 * time.Minute,
		Log: log.logger()}, skew))
	got := later(t, l, "x")
	eventually(t, func() bool { return log.has("no vote") }, "the log says that the server is too young")
	skew.Mono(11 * time.Minute)
	mustGet(t, got).Release()
}

// A logbook is a log that can be read while it is written.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) has(s string) bool { return l.count(s) > 0 }

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestOpenWaitsForServersAndSaysSo(t *testing.T) {
	t.Parallel()
	s, log := newServer(t), &logbook{}
	cfg := redis.Config{URLs: []string{s.url(nil)}, Terms: &terms{}, Prefix: prefix(t), Log: log.logger()}
	opened := make(chan *redis.Locker, 1)
	go func() {
		l, err := redis.Open(t.Context(), cfg)
		if err != nil {
			t.Errorf("open: %v", err)
		}
		opened <- l
	}()
	eventually(t, func() bool { return log.has("waiting for lease servers") }, "the log says what is missing")
	s.start(t)
	select {
	case l := <-opened:
		mustAcquire(t, l, "x").Release()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("not opened; gave up")
	}
}

func TestOpenGivesUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cfg := redis.Config{URLs: []string{s.url(nil)}, Terms: &terms{}, StartWithin: 500 * time.Millisecond}
	if _, err := redis.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), s.socket) {
		t.Errorf("got %v, want an error that names the server", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := redis.Open(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestPasswordsAreNotTold(t *testing.T) {
	t.Parallel()
	const password = "hunter2/#:@"
	s := newServer(t, "--requirepass", password)
	s.start(t)
	log := &logbook{}
	cfg := redis.Config{Terms: &terms{}, Prefix: prefix(t), StartWithin: time.Second, Log: log.logger()}
	cfg.URLs = []string{s.url(url.UserPassword("", password))}
	mustAcquire(t, mustOpen(t, cfg), "x").Release()

	var said []string
	for _, u := range []string{
		s.url(url.UserPassword("", "hunter2-wrong")), s.url(nil), "redis://:hunter2/@127.0.0.1", "redis://:hunter2@127.0.0.1/x/y",
		"hunter2://127.0.0.1", "redis://:hunter2@127.0.0.1:1?hunter2=1", "redis://:hunter2%zz@127.0.0.1", "redis://hunter2:6379:hunter2", "redis://:hunter2@127.0.0.1:1",
	} {
		cfg.URLs = []string{u}
		_, err := redis.Open(t.Context(), cfg)
		if err == nil {
			t.Errorf("%s was opened", u)
			continue
		}
		said = append(said, err.Error())
	}
	if all := strings.Join(said, "\n"); strings.Contains(all, "hunter2") || log.has("hunter2") {
		t.Errorf("the password is in an error or the log: %s", all)
	}
}

func TestAnAccountThatMayTooLittleIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(t)
	admin := goredis.NewClient(&goredis.Options{Network: "unix", Addr: s.socket})
	defer admin.Close()
	keys := prefix(t)
	log := &logbook{}
	open := func(password string, rules ...any) error {
		t.Helper()
		account := append([]any{"ACL", "SETUSER", "clerk", "reset", "on", ">secret"}, rules...)
		if err := admin.Do(t.Context(), account...).Err(); err != nil {
			t.Fatal(err)
		}
		l, err := redis.Open(t.Context(), redis.Config{URLs: []string{s.url(url.UserPassword("clerk", password))},
			Terms: &terms{}, Prefix: keys, Log: log.logger()})
		if err != nil {
			return err
		}
		mustAcquire(t, l, "x").Release()
		return l.Close()
	}
	commands := []any{"+get", "+set", "+del", "+pexpire", "+info", "+eval", "+evalsha"}
	ours := "~" + keys + "*"
	if err := open("wrong", append(commands, ours)...); !errors.Is(err, redis.ErrAccess) {
		t.Errorf("wrong password: got %v, want ErrAccess", err)
	}
	if err := open("secret", append(commands, "~others:*")...); !errors.Is(err, redis.ErrAccess) {
		t.Errorf("keys of others: got %v, want ErrAccess", err)
	}
	for i, command := range commands {
		err := open("secret", append(append([]any{ours}, commands[:i]...), commands[i+1:]...)...)
		if !errors.Is(err, redis.ErrAccess) {
			t.Errorf("without %s: got %v, want ErrAccess", command, err)
		}
	}
	if log.has("waiting for lease servers") {
		t.Error("it waited for a server that refuses")
	}
	if err := open("secret", append(commands, ours)...); err != nil {
		t.Errorf("with all of them: %v", err)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	good := redis.Config{URLs: urls("127.0.0.1:1"), Terms: &terms{}, StartWithin: time.Millisecond}
	tests := []struct {
		name   string
		change func(*redis.Config)
		want   string
	}{
		{"no server", func(c *redis.Config) { c.URLs = nil }, "got 0"},
		{"two servers", func(c *redis.Config) { c.URLs = urls("127.0.0.1:1", "127.0.0.1:2") }, "got 2"},
		{"one server twice", func(c *redis.Config) { c.URLs = urls("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:1") }, "twice"},
		{"no terms", func(c *redis.Config) { c.Terms = nil }, "source of terms"},
		{"too short", func(c *redis.Config) { c.TTL = 100 * time.Millisecond }, "below 500ms"},
		{"renewed too late", func(c *redis.Config) { c.RenewEvery = 2 * time.Second }, "must be renewed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			if _, err := redis.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestOneServerUnderTwoNamesIsRefused(t *testing.T) {
	t.Parallel()
	a, b := newServer(t), newServer(t)
	a.start(t)
	b.start(t)
	again := cutproxy.New(t, "unix", a.socket)
	cfg := redis.Config{URLs: append(urls(again.Addr()), a.url(nil), b.url(nil)), Terms: &terms{}}
	if _, err := redis.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "vote twice") {
		t.Errorf("got %v, want that one server has two names", err)
	}
}

func TestWithoutATermTheLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	source, log := &terms{}, &logbook{}
	source.fail(errors.New("database is down"))
	cfg := redis.Config{URLs: urls(addrs(t)...), Terms: source, Prefix: prefix(t), Log: log.logger()}
	got := later(t, mustOpen(t, cfg), "x")
	eventually(t, func() bool { return log.has("database is down") }, "the log says why")
	// Another process reaches the database.
	cfg.Terms = &terms{}
	other := mustAcquire(t, mustOpen(t, cfg), "x")
	source.fail(nil)
	quietFor(t, ttl, got)
	other.Release()
	mustGet(t, got)
}
