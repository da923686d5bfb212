package bot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

// canary is the token in every test: no log may contain it.
const canary = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.CANARY.do-not-print-me"

const (
	ana    = alert.UserID(1200000000000000001)
	kesID  = event.CharacterID(5428010618015189713)
	friend = event.CharacterID(5428010618015189714)
	other  = event.CharacterID(5428010618015189715)
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// A bench is a bot that runs against the stand-in.
type bench struct {
	t     *testing.T
	sim   *discord.Server
	store *fakeStore
	dir   *fakeDirectory
	bus   *fakeBus
	bot   *Bot
	logs  *syncBuffer
	ended chan error
	stop  context.CancelFunc
	// allowViolations says that a request is meant to be refused.
	allowViolations bool
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newBench starts the stand-in; start starts the bot. One per test.
func newBench(t *testing.T, change func(*discord.Config)) *bench {
	t.Helper()
	t.Parallel() // tests mostly wait: for a deadline, or for discordgo's goodbye
	cfg := discord.DefaultConfig()
	cfg.Token = canary
	cfg.IdentifyEvery = -1
	cfg.Limits = discord.Limits{}
	if change != nil {
		change(&cfg)
	}
	sim, err := discord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	store := newFakeStore()
	store.add(kesID, "Kestrel", "MUST", 0)
	store.add(friend, "Wren", "MUST", 10)
	store.add(other, "Lapwing", "", 0)
	store.befriend(kesID, friend, other)
	return &bench{
		t: t, sim: sim, store: store, dir: &fakeDirectory{store: store}, logs: &syncBuffer{},
		bus: &fakeBus{nudges: make(chan struct{}, 100)}, ended: make(chan error, 1),
	}
}

// openAPI returns where Discord's document is, and skips the test if it is not.
func openAPI(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MUSTER_SHARED")
	if dir == "" {
		t.Skip("MUSTER_SHARED is not set: discord-openapi.json is not at hand")
	}
	return filepath.Join(dir, "discord-openapi.json")
}

// checked holds every request to Discord's document, if that is at hand; the
// stand-in's own rules hold anyway.
func checked(c *discord.Config) {
	if dir := os.Getenv("MUSTER_SHARED"); dir != "" {
		c.OpenAPIPath = filepath.Join(dir, "discord-openapi.json")
	}
}

// start runs the bot until the test ends, and checks then that no secret was
// logged and no request was malformed.
func (b *bench) start(change func(*Config)) {
	b.t.Helper()
	cfg := Config{
		Token: canary, URL: b.sim.URL(), Store: b.store, Directory: b.dir, Bus: b.bus, UserInstall: true,
		PageURL: "https://muster.example", Registerer: prometheus.NewRegistry(),
		Log:           slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		IdentifyEvery: time.Millisecond, ReconnectMin: 5 * time.Millisecond, ReconnectMax: 20 * time.Millisecond,
		OpenTimeout: 2 * time.Second, Poll: 20 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	bot, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.bot = bot
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.ended <- bot.Run(ctx) }()
	b.t.Cleanup(b.check)
}

func (b *bench) check() {
	b.stop()
	select {
	case err := <-b.ended:
		b.t.Logf("Run returned %v", err)
	case <-time.After(patience):
		b.t.Error("the bot does not stop")
	}
	if logs := b.logs.String(); strings.Contains(logs, canary) || strings.Contains(logs, "CANARY") ||
		strings.Contains(logs, "aW50ZXJhY3Rpb24") {
		b.t.Errorf("a token is in the log:\n%s", logs)
	}
	if logs := b.logs.String(); strings.Contains(logs, "a text is wrong") {
		b.t.Errorf("a text is missing or wrong:\n%s", logs)
	}
	for _, v := range b.sim.Violations() {
		if b.allowViolations {
			break
		}
		b.t.Errorf("malformed request %s: %v\n%s", v.Route, v.Problems, v.Body)
	}
	if b.t.Failed() {
		b.t.Logf("log of the bot:\n%s", b.logs)
	}
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	return ctx
}

// ready waits until the bot is connected and its commands are there.
func (b *bench) ready() {
	b.t.Helper()
	if err := b.sim.WaitReady(b.ctx(), 1); err != nil {
		b.t.Fatalf("%v\n%s", err, b.logs)
	}
	b.until("commands are registered", func() bool { return len(b.sim.Commands("")) > 0 })
}

// until waits for something that must happen.
func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			b.t.Fatalf("never: %s\n%s", what, b.logs)
		}
	}
}

// fault puts a fault in force.
func (b *bench) fault(f discord.Fault) {
	b.t.Helper()
	if _, err := b.sim.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}

// run types a command as Ana in her direct messages and returns what she reads.
func (b *bench) run(text string) string {
	b.t.Helper()
	return b.runIn("", text)
}

func (b *bench) runIn(where, text string) string {
	b.t.Helper()
	a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Channel: where, Text: text})
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", text, err, b.logs)
	}
	if a.Message == nil {
		b.t.Fatalf("%s: no answer\n%s", text, b.logs)
	}
	return readable(*a.Message)
}

// readable is all the text of a message.
func readable(m discord.Message) string {
	s := m.Content
	for _, e := range m.Embeds {
		s += "\n" + e.Title + "\n" + e.Description
		for _, f := range e.Fields {
			s += "\n" + f.Name + "\n" + f.Value
		}
		if e.Footer != nil {
			s += "\n" + e.Footer.Text
		}
	}
	return s
}

// wants fails unless text contains each part.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing from:\n%s", part, text)
		}
	}
}

// dms returns Ana's direct messages from the bot, without answers to commands.
func (b *bench) dms() []discord.Message {
	var all []discord.Message
	for _, m := range b.sim.DMs(ana.String()) {
		if m.Interaction == nil && m.Author.Bot {
			all = append(all, m)
		}
	}
	return all
}

// settle waits until the alert is settled for good.
func (b *bench) settle(k alert.Key) outboxRow {
	b.t.Helper()
	b.until("the alert is settled", func() bool { return b.store.row(k).done })
	return b.store.row(k)
}

// retryOf is when the alert is tried again by the last result, zero if it is not.
func (b *bench) retryOf(k alert.Key) time.Time {
	tries := b.store.row(k).tries
	if len(tries) == 0 {
		return time.Time{}
	}
	return tries[len(tries)-1].RetryAt
}

func fatalOf(err error) *FatalError {
	var f *FatalError
	errors.As(err, &f)
	return f
}
