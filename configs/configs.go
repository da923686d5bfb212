// Package configs holds Muster's settings: where they come from, what they may
// be, and how a wrong one is named.
//
// A setting comes from its default, then the YAML file, then the environment,
// then a flag; the last one wins. Settings describes all of them in one table,
// which the command line, "muster config check" and the documentation use.
package configs

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"muster/event"
)

// DefaultPath is the settings file that is read if it is there.
const DefaultPath = "configs/muster.yaml"

// Public services, used when no other address is set.
const (
	PublicStreamURL  = "wss://push.planetside2.com/streaming"
	PublicQueryURL   = "https://census.daybreakgames.com"
	PublicDiscordURL = "https://discord.com"
)

// trialServiceID is the game's own id for a first look (census 1.1).
const trialServiceID = "example"

// Config is every setting. Load returns it checked; Default is the start.
// Printing it in any form shows no secret.
type Config struct {
	Database Database
	Bus      Bus
	Lease    Lease
	Start    Start
	Game     Game
	Listener Listener
	Discord  Discord
	HTTP     HTTP
	Admin    Admin
	Log      Log
	Alerts   Alerts
	Presence Presence
	Events   Events

	// Warnings are one line each, for the log: what was set and has no effect.
	Warnings []string

	environ map[string]string // variables of others that directories are derived from
	origin  map[string]origin // where a setting that is not the default came from
}

// Database says where things are stored.
type Database struct {
	URL         URL   // "sqlite:PATH" or "mysql:DSN"
	ReplicaURLs []URL // read replicas, MySQL only
	// ReplicaLag is how old what pages read from a replica may be.
	ReplicaLag time.Duration
	// Connections is how many one process has to a MySQL database, and to each
	// replica, at most.
	Connections int
}

// Start says how a process begins.
type Start struct {
	// Patience is how long it waits for database, bus and lease service together.
	Patience time.Duration
}

// Bus says how roles talk to each other.
type Bus struct {
	URL URL // "spool:", "spool:PATH", "memory:", "amqp://…" or "amqps://…"
	// Namespace begins the names of everything on RabbitMQ and Redis, so that
	// several Musters can share them.
	Namespace string
}

// Shared reports whether the bus reaches other processes.
func (b Bus) Shared() bool { return b.URL.Scheme() == "amqp" || b.URL.Scheme() == "amqps" }

// InMemory reports whether messages live in memory only.
func (b Bus) InMemory() bool { return b.URL == "memory:" }

// SpoolPath returns the file that the spool has of its own, "" when it lives in
// the database's SQLite file.
func (b Bus) SpoolPath() string {
	path, ok := strings.CutPrefix(string(b.URL), "spool:")
	if !ok {
		return ""
	}
	return path
}

// Lease says who decides which process leads.
type Lease struct {
	URLs []URL // "memory:" alone, or redis://… once or three times or more
}

// InMemory reports whether leases count within this process only.
func (l Lease) InMemory() bool { return len(l.URLs) == 1 && l.URLs[0] == "memory:" }

// Game says which game is followed.
type Game struct {
	StreamURL    string // ws or wss
	QueryURL     string // http or https
	ServiceID    Secret // without "s:"; may be empty, see ID
	Environments []event.Environment
	Worlds       []event.World // empty: every world of the environments
}

// ID returns the service id to send: the one set, or else the game's trial id,
// which every stand-in accepts and the public service allows ten requests a
// minute (census 4).
func (g Game) ID() string {
	if g.ServiceID == "" {
		return trialServiceID
	}
	return string(g.ServiceID)
}

// Listener says where events wait that the bus does not take.
type Listener struct {
	SpoolDir   string // empty: see Config.SpoolDir
	SpoolBytes int64  // for each environment; 0: nowhere but in memory
}

// SpoolDir returns the directory in which the listener keeps what the bus does not
// take: the one that was set, or one beside the SQLite file, or one for each
// namespace in the state directory of the service or the user, as systemd and the
// XDG base directory specification name them. It is empty if there is none.
func (c Config) SpoolDir() string {
	switch {
	case c.Listener.SpoolDir != "":
		return c.Listener.SpoolDir
	case c.Database.URL.Scheme() == "sqlite":
		return c.Database.URL.Rest() + ".listener"
	}
	state := ""
	first, _, _ := strings.Cut(c.environ["STATE_DIRECTORY"], ":")
	switch {
	case first != "":
		state = first
	case c.environ["XDG_STATE_HOME"] != "":
		state = filepath.Join(c.environ["XDG_STATE_HOME"], "muster")
	case c.environ["HOME"] != "":
		state = filepath.Join(c.environ["HOME"], ".local", "state", "muster")
	default:
		return ""
	}
	return filepath.Join(state, c.Bus.Namespace, "listener")
}

// Discord says which bot to be, and where.
type Discord struct {
	Token       Secret // empty: the bot is off
	URL         string // scheme and host only
	UserInstall bool   // offer the commands to people who install the app for themselves
	// HTTPAddr, host:port, is where Discord's own requests are answered; empty: commands
	// come over the gateway. PublicKey is the application's, in hexadecimal digits.
	HTTPAddr, PublicKey string
	Shards              int // 0: as Discord recommends
}

// HTTP is the public side.
type HTTP struct {
	Addr string // host:port
	// PublicURL is how people reach Addr from outside; links in messages begin
	// with it. Empty: no links. Without a slash at the end.
	PublicURL string
	// TrustedProxies are the addresses whose X-Forwarded-For is believed; without
	// them every reader behind a proxy counts as one address.
	TrustedProxies []netip.Prefix
}

// Admin is the operator's side.
type Admin struct {
	Addr string // host:port
}

// Log says how much is logged, and how.
type Log struct {
	Level  slog.Level
	Format string // "text" or "json"
}

// Alerts says when a login is no longer news.
type Alerts struct {
	Lifetime time.Duration
}

// Presence says when silence means that somebody has gone.
type Presence struct {
	Idle time.Duration
}

// Events says how long events are kept.
type Events struct {
	Retention time.Duration // whole days
}

// Default returns the settings of somebody who has set nothing.
func Default() Config {
	var c Config
	for _, s := range table() {
		if err := s.set(&c, s.Default); err != nil {
			panic(fmt.Sprintf("configs: default of %s: %v", s.Name, err)) // a test sets every default
		}
	}
	return c
}

// String lists every setting, secrets hidden.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range table() {
		fmt.Fprintf(&b, "%s=%s ", s.Name, s.Show(c))
	}
	return strings.TrimSpace(b.String())
}

// GoString is String, so that %#v shows no secret either.
func (c Config) GoString() string { return c.String() }

// LogValue lists every setting, secrets hidden.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range table() {
		attrs = append(attrs, slog.String(s.Name, s.Show(c)))
	}
	return slog.GroupValue(attrs...)
}
