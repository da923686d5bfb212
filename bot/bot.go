package bot

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"muster/bus"
	"muster/event"
	"muster/internal/backoff"
	"muster/internal/catalogue"
	"muster/lease"
)

// DefaultURL is the base of the real Discord's API.
const DefaultURL = "https://discord.com"

const (
	// maxServing bounds the interactions being answered; more are dropped, for
	// they would be dead before their turn (3 s, discord notes 5).
	maxServing = 256
	drainTime  = 5 * time.Second
)

// Config is what New needs. The zero values of the durations take the defaults
// that their comments give.
type Config struct {
	Token string // of the bot, without "Bot "
	// URL is the base of Discord's API; DefaultURL if empty. Plain http is
	// accepted for this machine only.
	URL       string
	Store     Store
	Directory Directory
	Bus       Listener
	// PageURL is the address of the public page, for links. May be empty.
	PageURL string
	// Interactions is where requests of Discord are answered, under EndpointPath, if the
	// application's page at Discord names it; nil: they come over the gateway alone. Run
	// closes it. PublicKey, the application's, is needed then.
	Interactions net.Listener
	PublicKey    ed25519.PublicKey
	// UserInstall says that the application may be added to a user's account, which
	// must be enabled at Discord: otherwise it refuses the commands (discord notes 5).
	UserInstall bool
	// Shards is how many parts the guilds are divided into; 0: as Discord recommends.
	Shards int
	// Locker divides the shards among processes; nil: this is the only one.
	Locker lease.Locker
	// LockerReady says whether the service behind Locker works, nil if it does; without it
	// a lease that is lost counts as another's.
	LockerReady func(context.Context) error
	Version     string // for the User-Agent
	Log         *slog.Logger
	Registerer  prometheus.Registerer // nil: metrics are not registered
	Now         func() time.Time      // nil: time.Now

	OpenTimeout   time.Duration // for one gateway session to begin; 30 s
	IdentifyEvery time.Duration // between two IDENTIFYs; 5 s, Discord's rule
	ReconnectMin  time.Duration // first delay after a lost connection; 1 s
	ReconnectMax  time.Duration // largest; 1 min
	ShardsEvery   time.Duration // between two looks at other bots; 500 ms
	Poll          time.Duration // between looks at the outbox without a nudge; 1 s
	// AlertsPerSecond bounds the requests that alerts may take of Discord's 50 a
	// second; 25.
	AlertsPerSecond int
	// RequestsPerSecond bounds all requests but the answers to interactions; 45 of
	// Discord's 50, so that a burst cannot pass them. More is for a stand-in.
	RequestsPerSecond int
}

func (c Config) withDefaults() Config {
	if c.URL == "" {
		c.URL = DefaultURL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	orDefault(&c.OpenTimeout, 30*time.Second)
	orDefault(&c.IdentifyEvery, 5*time.Second)
	orDefault(&c.ReconnectMin, time.Second)
	orDefault(&c.ReconnectMax, time.Minute)
	orDefault(&c.ShardsEvery, 500*time.Millisecond)
	orDefault(&c.Poll, time.Second)
	if c.AlertsPerSecond <= 0 {
		c.AlertsPerSecond = alertsPerSec
	}
	if c.RequestsPerSecond <= 0 {
		c.RequestsPerSecond = globalPerSec
	}
	c.PageURL = strings.TrimSuffix(c.PageURL, "/")
	return c
}

func orDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// A Bot is the Discord role.
type Bot struct {
	cfg       Config
	log       *slog.Logger
	metrics   *metrics
	redact    redactor
	texts     *catalogue.Set
	transport *transport
	rest      *rest
	commands  map[string]command
	controls  map[string]control
	alerts    *alertLoop
	channels  *channelLoop
	shards    *shardSet

	serving chan struct{} // one slot per interaction being answered
	work    sync.WaitGroup
	fatal   chan *FatalError
	refused atomic.Pointer[FatalError] // what ended Run
	appID   chan string                // the application's id, from READY
}

// New returns a Bot; Run starts it. The error says which setting is wrong.
func New(cfg Config) (*Bot, error) {
	cfg = cfg.withDefaults()
	cfg.Token = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(cfg.Token)+" ", "Bot "))
	switch {
	case cfg.Token == "":
		return nil, errors.New("discord token: not set")
	case strings.ContainsAny(cfg.Token, " \t\r\n"):
		return nil, errors.New("discord token: contains white space")
	case cfg.Store == nil || cfg.Directory == nil || cfg.Bus == nil:
		return nil, errors.New("bot: store, directory and bus are needed")
	}
	if cfg.Interactions != nil && len(cfg.PublicKey) != ed25519.PublicKeySize {
		return nil, errors.New("interactions endpoint: needs the application's public key")
	}
	base, err := parseBase(cfg.URL)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("bot metrics: %w", err)
	}
	red := redactor{token: cfg.Token}
	b := &Bot{
		cfg: cfg, metrics: m, redact: red,
		log:     slog.New(redactHandler{next: cfg.Log.Handler(), r: red}).With("role", "bot"),
		serving: make(chan struct{}, maxServing),
		fatal:   make(chan *FatalError, 1),
		appID:   make(chan string, 1),
	}
	if b.texts, err = catalogue.Load(b.reportText); err != nil {
		return nil, err
	}
	b.transport = newTransport(base, userAgent(cfg), cfg.RequestsPerSecond, b.log, m, b.refuse)
	b.rest = &rest{client: &http.Client{Transport: b.transport, CheckRedirect: noRedirect}, redact: red}
	b.commands = commandTable()
	b.controls = controlTable()
	b.alerts = newAlertLoop(b)
	b.channels = newChannelLoop(b)
	b.shards = newShardSet(b)
	return b, nil
}

// reportText says, once for each, that a text is missing or wrong.
func (b *Bot) reportText(lang, key string, err error) {
	b.log.Error("a text is wrong", "lang", lang, "key", key, "err", err)
}

// noRedirect keeps the token from being sent anywhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func userAgent(cfg Config) string {
	page, version := cfg.PageURL, cfg.Version
	if page == "" {
		page = "https://github.com/muster"
	}
	if version == "" {
		version = "dev"
	}
	return fmt.Sprintf("DiscordBot (%s, %s)", page, version)
}

// Run connects, answers and sends until ctx ends; then it finishes what is in
// hand, for at most some seconds, and returns nil. A *FatalError says that
// Discord refused the bot for good.
func (b *Bot) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.shards.run(ctx) })
	g.Go(func() error { return b.alerts.run(ctx) })
	g.Go(func() error { return b.channels.run(ctx) })
	g.Go(func() error { return b.listen(ctx) })
	g.Go(func() error { return b.register(ctx) })
	if b.cfg.Interactions != nil {
		g.Go(func() error { return newEndpoint(b).serve(ctx, b.cfg.Interactions) })
	}
	g.Go(func() error {
		select {
		case err := <-b.fatal:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	err := g.Wait()
	var fatal *FatalError
	if errors.As(err, &fatal) {
		b.refused.Store(fatal)
	}
	b.drain()
	return err
}

// refuse ends Run with err.
func (b *Bot) refuse(err *FatalError) {
	select {
	case b.fatal <- err:
	default:
	}
}

// listen wakes the alert loop when an alert was written. Losing the bus costs
// only the nudge: the loop looks by itself every Poll.
func (b *Bot) listen(ctx context.Context) error {
	for ctx.Err() == nil {
		err := b.cfg.Bus.Listen(ctx, event.TopicAlerts, nil, func(bus.Message, int) { b.alerts.wake() })
		if err != nil && ctx.Err() == nil {
			b.log.Warn("bus lost, alerts come with the next look", "err", err)
		}
		if backoff.Sleep(ctx, 5*time.Second) != nil {
			return nil
		}
	}
	return nil
}

// drain waits for the interactions in hand.
func (b *Bot) drain() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.work.Wait()
	}()
	select {
	case <-done:
	case <-time.After(drainTime):
		b.log.Warn("answers still in hand, stopping anyway")
	}
}

// Ready returns why something cannot be heard of Discord here that should be; nil if each
// shard of this process has its gateway session, or if other processes have all shards
// and this one stands by. It does not block and is safe to call while Run runs.
func (b *Bot) Ready(context.Context) error {
	if refused := b.refused.Load(); refused != nil {
		return refused
	}
	return b.shards.lacking()
}

// StandsBy says that this process is ready and waits for shards of others, "" if it has
// some. It is as safe to call as Ready.
func (b *Bot) StandsBy() string { return b.shards.standsBy() }

var errNotConnected = errors.New("not connected to Discord")

// now returns the time for the store, UTC.
func (b *Bot) now() time.Time { return b.cfg.Now().UTC() }
