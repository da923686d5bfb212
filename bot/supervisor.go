package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"muster/internal/backoff"
)

const (
	// steady is how long a connection must have lasted for the next loss to start
	// with a short delay again.
	steady = time.Minute
	// spareIdentifies are left of the day's 1,000: exceeding them resets the token
	// (discord notes 3.2).
	spareIdentifies = 10
	goodbye         = time.Second // for Discord to answer our closing
)

// A supervisor keeps the gateway session of one shard alive: a new discordgo.Session for
// every connection, because an old one can be stuck for ever (discord notes 3.2).
type supervisor struct {
	b            *Bot
	set          *shardSet
	shard        int
	shards       int          // how many there are
	lastIdentify atomic.Int64 // Unix nanoseconds
	delay        time.Duration
}

// run connects again and again until ctx ends (nil) or Discord forbids it
// (*FatalError).
func (s *supervisor) run(ctx context.Context) error {
	for ctx.Err() == nil {
		began := time.Now()
		err := s.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if fatal := fatalGateway(err); fatal != nil {
			return fatal
		}
		if time.Since(began) > steady {
			s.delay = 0
		}
		wait := s.next(err)
		s.lost(err, wait)
		if backoff.Sleep(ctx, wait) != nil {
			return nil
		}
	}
	return nil
}

// lost says that the connection ended. Discord asking for a new one is routine.
func (s *supervisor) lost(err error, wait time.Duration) {
	log := s.b.log.Warn
	var steer *steerError
	if errors.As(err, &steer) {
		log = s.b.log.Info
	}
	log("gateway lost, reconnecting", "shard", s.shard, "err", s.b.redact.err(err), "in", wait.Round(time.Millisecond))
}

// next returns how long to wait before the next connection: growing, jittered,
// and never two IDENTIFYs closer than Discord allows.
func (s *supervisor) next(err error) time.Duration {
	cfg := s.b.cfg
	s.delay = min(max(2*s.delay, cfg.ReconnectMin), cfg.ReconnectMax)
	wait := backoff.UpTo(s.delay)
	var budget *budgetError
	if errors.As(err, &budget) {
		wait = max(wait, budget.Wait)
	}
	return max(wait, time.Until(time.Unix(0, s.lastIdentify.Load()).Add(cfg.IdentifyEvery)))
}

// A budgetError says that the day's IDENTIFYs are nearly used up.
type budgetError struct{ Wait time.Duration }

func (e *budgetError) Error() string {
	return fmt.Sprintf("gateway: the day's session starts are used up, waiting %s", e.Wait.Round(time.Second))
}

// session makes one connection and returns what ended it.
func (s *supervisor) session(ctx context.Context) error {
	concurrency, err := s.admit(ctx)
	if err != nil {
		return err
	}
	identified, unused, err := s.set.turn(ctx, s.shard, concurrency)
	if err != nil {
		return err
	}
	defer unused()
	if _, err := s.admit(ctx); err != nil { // others have identified in the meantime
		return err
	}
	d := &gatewayDialer{onHello: func() {
		s.lastIdentify.Store(time.Now().UnixNano()) // discordgo identifies at once
		s.b.metrics.identifies.Inc()
		identified()
	}}
	defer s.set.setDown(s.shard) // once no READY can come any more
	defer d.abandon()
	session := s.newSession(d)
	if err := s.open(ctx, session, d); err != nil {
		return err
	}
	conn := d.current()
	select {
	case <-conn.ended:
		return conn.why()
	case <-ctx.Done():
		s.leave(conn)
		return ctx.Err()
	}
}

// admit asks Discord how many IDENTIFYs are left, and returns how many may be sent at
// once.
func (s *supervisor) admit(ctx context.Context) (concurrency int, err error) {
	g, err := s.b.rest.gatewayBot(ctx)
	if err != nil {
		return 0, err
	}
	l := g.Limit
	concurrency = max(l.MaxConcurrency, 1)
	// As many others may be about to send theirs.
	if spare := min(spareIdentifies, l.Total/100) + concurrency - 1; l.Total > 0 && l.Remaining <= spare {
		return 0, &budgetError{Wait: time.Duration(l.ResetAfter) * time.Millisecond}
	}
	return concurrency, nil
}

// newSession returns a session that does nothing on its own: no reconnecting, no
// retries, no state, no log (its log would show the token; what matters of it is
// seen on the socket). Interactions need no intent (discord notes 5).
func (s *supervisor) newSession(d *gatewayDialer) *discordgo.Session {
	session, _ := discordgo.New("Bot " + s.b.cfg.Token) // never fails in v0.28.1
	session.ShardID, session.ShardCount = s.shard, s.shards
	session.Client = &http.Client{Transport: s.b.transport, Timeout: requestTimeout, CheckRedirect: noRedirect}
	session.Dialer = &websocket.Dialer{
		NetDialContext: d.dialPlain, NetDialTLSContext: d.dialTLS, HandshakeTimeout: helloWithin,
	}
	session.ShouldReconnectOnError = false
	session.ShouldRetryOnRateLimit = false
	session.MaxRestRetries = 0
	session.StateEnabled = false
	session.Compress = false
	session.SyncEvents = true // the handler below only hands over, within a bound
	session.LogLevel = -1
	session.Identify.Intents = discordgo.IntentsNone
	session.UserAgent = s.b.transport.agent
	session.AddHandler(func(_ *discordgo.Session, e *discordgo.Event) { s.onEvent(d, e) })
	return session
}

// open runs Open, which takes no context, and gives up on it in time. The
// goroutine ends when the connection does.
func (s *supervisor) open(ctx context.Context, session *discordgo.Session, d *gatewayDialer) error {
	opened := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				opened <- fmt.Errorf("gateway: open panicked: %v", p)
			}
		}()
		opened <- session.Open()
	}()
	ctx, cancel := context.WithTimeout(ctx, s.b.cfg.OpenTimeout)
	defer cancel()
	select {
	case err := <-opened:
		if err == nil {
			return nil
		}
		return openError(err, d)
	case <-ctx.Done():
		return fmt.Errorf("gateway: no session within %s: %w", s.b.cfg.OpenTimeout, ctx.Err())
	}
}

// openError prefers what was seen on the socket to what discordgo says of it.
func openError(err error, d *gatewayDialer) error {
	if conn := d.current(); conn != nil {
		var closed *closeError
		var steer *steerError
		if why := conn.why(); errors.As(why, &closed) || errors.As(why, &steer) {
			return why
		}
	}
	return fmt.Errorf("gateway: %w", err)
}

// leave says goodbye, which ends the session at Discord, and waits for the answer.
// discordgo's own Close sleeps for a second, whatever the server does.
func (s *supervisor) leave(conn *gatewayConn) {
	if conn.sayGoodbye() != nil {
		return
	}
	select {
	case <-conn.ended:
	case <-time.After(goodbye):
	}
}

// Close codes after which another number of shards may help.
const (
	closeInvalidShard = 4010
	closeTooFewShards = 4011
)

// fatalCodes are the close codes after which nobody may come back (discord notes 6).
var fatalCodes = map[int]string{
	4004:              "the bot token is not valid (setting discord token)",
	closeInvalidShard: "the shard is not valid (setting discord shards)",
	closeTooFewShards: "the bot is in too many guilds for so few shards, and Discord recommends no more",
	4012:              "the gateway version is not valid any more",
	4013:              "the intents are not valid",
	4014:              "an intent is not allowed for this application",
}

// fatalGateway returns the reason to stop, nil if err is none.
func fatalGateway(err error) *FatalError {
	var fatal *FatalError
	if errors.As(err, &fatal) {
		return fatal
	}
	var closed *closeError
	if errors.As(err, &closed) {
		if reason, ok := fatalCodes[closed.Code]; ok {
			return &FatalError{Code: closed.Code, Reason: reason}
		}
	}
	return nil
}

// ready is what the bot takes from READY.
type ready struct {
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	Application struct {
		ID string `json:"id"`
	} `json:"application"`
}

// onEvent hands a dispatch over. It runs inside discordgo's reading goroutine
// and must neither block nor panic.
func (s *supervisor) onEvent(d *gatewayDialer, e *discordgo.Event) {
	b := s.b
	defer b.recovered("event")
	switch e.Type {
	case "READY":
		var r ready
		if err := json.Unmarshal(e.RawData, &r); err != nil {
			b.log.Warn("READY cannot be read", "err", err)
		}
		d.ifOpen(func() { s.connected(r) })
	case "INTERACTION_CREATE":
		_ = b.take(e.RawData, time.Now()) // it has been logged
	}
}

// connected notes that the session is ready. Whoever has shard 0 registers the commands.
func (s *supervisor) connected(r ready) {
	s.set.setUp(s.shard, s.b.cfg.Now())
	s.b.log.Info("connected to discord", "user", r.User.Username, "shard", s.shard, "of", s.shards)
	if r.Application.ID != "" && s.shard == 0 {
		select {
		case s.b.appID <- r.Application.ID:
		default:
		}
	}
}

// recovered logs a panic and goes on: one bad event must not end the process.
func (b *Bot) recovered(where string) {
	if p := recover(); p != nil {
		b.log.Error("panic in a handler", "where", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}
