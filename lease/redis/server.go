package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	goredis9 "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"muster/internal/tlsfiles"
)

// errURL says nothing of the URL itself: any part of it may be of a password
// that should have been escaped.
var errURL = errors.New("is no redis://, rediss:// or unix:// URL (special characters of a password are written as %XX)")

// ErrAccess says that so many servers refuse the account, or what it must be
// allowed to do, that there is no majority without them. No retry helps.
var ErrAccess = errors.New("lease servers refuse access")

// errYoung is the answer of a server that may have forgotten a lease.
var errYoung = errors.New("has not been up for the time of a lease: no vote yet")

// A server is one of the Redis servers, as redsync wants it.
type server struct {
	addr   string
	client *goredis9.Client
	pool   redsyncredis.Pool
	ttl    time.Duration
	log    *slog.Logger
	clock  func() instant

	mu       sync.Mutex
	failedAt time.Time // last; zero once it is well again
	run      string    // the newest that was too young
	runSince time.Time // by our monotonic clock
}

// connect makes the clients; it sends nothing.
func connect(cfg Config) ([]*server, error) {
	logging.Disable()
	servers := make([]*server, 0, len(cfg.URLs))
	seen := map[string]bool{}
	for i, raw := range cfg.URLs {
		opt, err := readURL(raw)
		if err != nil {
			return nil, fmt.Errorf("lease server %d %w", i+1, err)
		}
		if seen[opt.Addr] {
			return nil, fmt.Errorf("lease server %s is named twice: it would vote twice", opt.Addr)
		}
		seen[opt.Addr] = true
		bound(opt, cfg.callTimeout())
		client := goredis9.NewClient(opt)
		servers = append(servers, &server{addr: opt.Addr, client: client, pool: goredis.NewPool(client), ttl: cfg.TTL,
			log: cfg.Log.With("server", opt.Addr), clock: cfg.clock})
	}
	return servers, nil
}

// readURL is go-redis' ParseURL with the files for TLS that a rediss:// URL may name:
// cacertfile, certfile, keyfile, server_name_indication. They are read once.
func readURL(raw string) (*goredis9.Options, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errURL
	}
	q := u.Query()
	files := tlsfiles.FromQuery(q)
	u.RawQuery = q.Encode()
	opt, err := goredis9.ParseURL(u.String())
	switch {
	case err != nil:
		return nil, errURL
	case !files.Given():
		return opt, nil
	case opt.TLSConfig == nil:
		return nil, errors.New("names certificates, which need rediss://")
	}
	secure, err := files.Config()
	if err != nil {
		return nil, err
	}
	if secure.ServerName == "" {
		secure.ServerName = opt.TLSConfig.ServerName
	}
	opt.TLSConfig = secure
	return opt, nil
}

// bound makes every request end in time, once and without repeating it: a hung
// server of three made a lock take 10 s with what go-redis does by itself
// (storage notes 5).
func bound(opt *goredis9.Options, timeout time.Duration) {
	opt.ContextTimeoutEnabled = true
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = timeout, timeout, timeout
	opt.PoolTimeout = timeout
	opt.MaxRetries, opt.DialerRetries = -1, 1
	opt.PoolSize, opt.MinIdleConns = 8, 0
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// note logs that the server went or came back, and passes err on. One that fails
// at one request and answers the next has not come back.
func (s *server) note(err error) error {
	failed := err != nil && !errors.Is(err, goredis9.Nil) && !errors.Is(err, errYoung)
	if errors.Is(err, context.Canceled) || errors.Is(err, goredis9.ErrClosed) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed && s.failedAt.IsZero():
		s.log.Warn("lease server does not serve", "err", tlsfiles.Explain(err))
		fallthrough
	case failed:
		s.failedAt = time.Now()
	case !s.failedAt.IsZero() && time.Since(s.failedAt) > s.ttl:
		s.log.Info("lease server serves again")
		s.failedAt = time.Time{}
	}
	return err
}

// Get implements redsync's Pool.
func (s *server) Get(ctx context.Context) (redsyncredis.Conn, error) {
	c, err := s.pool.Get(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, ctx: ctx, server: s}, nil
}

// conn is what redsync speaks to one server with.
type conn struct {
	redsyncredis.Conn
	ctx    context.Context
	server *server
}

// lockScript sets the key if it is free and the server has been up for ARGV[3]
// seconds, or is the run ARGV[4], and else returns which run it is. All is one
// step, so that the server that was asked is the one that answers.
const lockScript = `
local info = redis.call("INFO", "server")
local run = string.match(info, "run_id:(%w+)")
local up = tonumber(string.match(info, "uptime_in_seconds:(%d+)"))
if run ~= ARGV[4] and (up == nil or up < tonumber(ARGV[3])) then
	return run
end
if redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2], "NX") then
	return 1
end
return 0
`

// SetNX implements redsync's Conn: a server that may have forgotten a lease in a
// restart refuses.
func (c *conn) SetNX(name, value string, expiry time.Duration) (bool, error) {
	s := c.server
	reply, err := goredis9.NewScript(lockScript).Run(c.ctx, s.client, []string{name},
		value, expiry.Milliseconds(), int64(grace(expiry)/time.Second), s.grown()).Result()
	if run, young := reply.(string); err == nil && young {
		s.saw(run)
		err = errYoung
	}
	return reply == int64(1), s.note(err)
}

// tryScript does to a key of nobody what leases need.
const tryScript = `
redis.call("INFO", "server")
redis.call("SET", KEYS[1], "1", "PX", 1000)
redis.call("PEXPIRE", KEYS[1], 1000)
redis.call("DEL", KEYS[1])
return 1
`

// try finds out whether the account may do what leases need, and the server write.
func (s *server) try(ctx context.Context, prefix string) error {
	key := prefix + "try:" + rand.Text()
	if err := s.client.Get(ctx, key).Err(); err != nil && !errors.Is(err, goredis9.Nil) {
		return err
	}
	script := goredis9.NewScript(tryScript)
	if err := script.Eval(ctx, s.client, []string{key}).Err(); err != nil {
		return err
	}
	return script.EvalSha(ctx, s.client, []string{key}).Err() // which EVAL has made known
}

// isRefusal reports whether a server refuses the account or what it wants, or we
// and it do not trust each other. Redis 6 says the last of the texts, of a command
// in a script.
func isRefusal(err error) bool {
	text := err.Error()
	return errors.Is(err, tlsfiles.ErrTrust) || strings.HasPrefix(text, "NOPERM") || strings.HasPrefix(text, "WRONGPASS") || strings.HasPrefix(text, "NOAUTH") ||
		strings.Contains(text, "can't run this command")
}

// grace is how long a server must have been up to vote. It counts whole seconds,
// and may be one too high.
func grace(ttl time.Duration) time.Duration {
	whole := ttl.Truncate(time.Second)
	if whole < ttl {
		whole += time.Second
	}
	return whole + time.Second
}

// saw remembers since when a run of the server is known here.
func (s *server) saw(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != run {
		s.run, s.runSince = run, s.clock().mono
		s.log.Info("lease server has just started: no vote for it yet", "for", grace(s.ttl))
	}
}

// grown returns the run that is old enough by our own clock: the server's count
// is wrong for as long as its wall clock was set back.
func (s *server) grown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == "" || s.clock().mono.Sub(s.runSince) < grace(s.ttl) {
		return "none"
	}
	return s.run
}

// Eval implements redsync's Conn.
func (c *conn) Eval(script *redsyncredis.Script, keysAndArgs ...any) (any, error) {
	reply, err := c.Conn.Eval(script, keysAndArgs...)
	return reply, c.server.note(err)
}

// each asks every server at once, and gives the answers to tell as they come,
// until it returns false or all have answered.
func (l *Locker) each(ctx context.Context, ask func(context.Context, *server) (string, error),
	tell func(s *server, value string, err error) bool) {
	type answer struct {
		server *server
		value  string
		err    error
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.callTimeout())
	defer cancel()
	answers := make(chan answer, len(l.servers))
	for _, s := range l.servers {
		go func() { // ends with ctx
			value, err := ask(ctx, s)
			answers <- answer{s, value, s.note(err)}
		}()
	}
	for range l.servers {
		if a := <-answers; !tell(a.server, a.value, a.err) {
			return
		}
	}
}

// majority is how many servers it takes.
func (l *Locker) majority() int { return len(l.servers)/2 + 1 }

// free reports whether a majority has no key, without which a lock cannot succeed.
func (l *Locker) free(ctx context.Context, key string) bool {
	free, rest := 0, len(l.servers)
	l.each(ctx, func(ctx context.Context, s *server) (string, error) {
		return s.client.Get(ctx, key).Result()
	}, func(_ *server, _ string, err error) bool {
		if rest--; errors.Is(err, goredis9.Nil) {
			free++
		}
		return free < l.majority() && free+rest >= l.majority()
	})
	return free >= l.majority()
}

// await returns when a majority of the servers serves. Where none can come about,
// for too many refuse the account, it does not wait.
func (l *Locker) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.cfg.StartWithin, fmt.Errorf("gave up after %v", l.cfg.StartWithin))
	defer cancel()
	var said time.Time
	for {
		missing, refused, err := l.missing(ctx)
		switch {
		case err != nil:
			return err
		case len(l.servers)-refused < l.majority():
			return fmt.Errorf("%w: %s", ErrAccess, strings.Join(missing, "; "))
		case len(l.servers)-len(missing) >= l.majority():
			if !said.IsZero() {
				l.cfg.Log.Info("lease servers answer")
			}
			return nil
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			l.cfg.Log.Warn("waiting for lease servers", "need", l.majority(), "of", len(l.servers), "missing", missing)
		}
		if !pause(ctx, pollMax) {
			return fmt.Errorf("%w: %w", l.lacking(missing), context.Cause(ctx))
		}
	}
}

func (l *Locker) lacking(missing []string) error {
	return fmt.Errorf("%w, %d of %d are needed: %s", ErrUnreachable, l.majority(), len(l.servers), strings.Join(missing, "; "))
}

// missing returns those that do not serve, with the reason, and how many of them
// refuse the account. The error says that two addresses lead to one server.
func (l *Locker) missing(ctx context.Context) (list []string, refused int, err error) {
	runs := map[string]string{}
	l.each(ctx, func(ctx context.Context, s *server) (string, error) {
		if err := s.try(ctx, l.cfg.Prefix); err != nil {
			return "", err
		}
		return s.client.Info(ctx, "server").Result()
	}, func(s *server, info string, failed error) bool {
		if failed != nil {
			failed = tlsfiles.Explain(failed)
			if isRefusal(failed) {
				refused++
			}
			list = append(list, fmt.Sprintf("%s: %v", s.addr, failed))
			return true
		}
		_, run, _ := strings.Cut(info, "run_id:")
		run, _, _ = strings.Cut(run, "\r")
		if other, known := runs[run]; known && run != "" {
			err = fmt.Errorf("lease servers %s and %s are one: it would vote twice", other, s.addr)
		}
		runs[run] = s.addr
		return true
	})
	return list, refused, err
}
