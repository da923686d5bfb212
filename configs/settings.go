package configs

import (
	"net/netip"
	"strconv"
	"strings"

	"muster/event"
)

// A Setting is one line of the table of settings.
type Setting struct {
	Name    string // in the file: "http.addr"
	Env     string // in the environment: "MUSTER_HTTP_ADDR"
	Flag    string // on the command line, without dashes: "http-addr"
	Default string // as it would be written
	Help    string // one sentence
	Bool    bool   // true or false: the flag may stand without a value

	set func(*Config, string) error
	get func(Config) string
}

// Show returns the setting's value in c as it would be written, secrets hidden.
func (s Setting) Show(c Config) string { return s.get(c) }

// Source returns where the setting's value in c comes from, as the user wrote
// it: "--http-addr", "MUSTER_HTTP_ADDR", "configs/muster.yaml:3", or "default".
func (s Setting) Source(c Config) string {
	if o, ok := c.origin[s.Name]; ok {
		return o.source
	}
	return "default"
}

// Settings returns the table of settings, in the order of the documentation.
func Settings() []Setting { return table() }

// table is the one place that knows every setting.
func table() []Setting {
	all := []Setting{
		{Name: "database.url", Default: "sqlite:muster.db",
			Help: "Where everything is stored: sqlite:PATH, or mysql:DSN as go-sql-driver/mysql writes it.",
			set:  setURL(func(c *Config) *URL { return &c.Database.URL }),
			get:  func(c Config) string { return c.Database.URL.String() }},
		{Name: "database.replica_urls",
			Help: "Read replicas of a MySQL database, as mysql:DSN, for pages and the API.",
			set:  setURLs(func(c *Config) *[]URL { return &c.Database.ReplicaURLs }),
			get:  func(c Config) string { return joinURLs(c.Database.ReplicaURLs) }},
		{Name: "database.replica_lag", Default: "10s",
			Help: "How old what pages read from a replica may be, 1s to 10m; a replica that is further behind is left out.",
			set:  setDuration(replicaLag),
			get:  func(c Config) string { return showDuration(c.Database.ReplicaLag) }},
		{Name: "database.connections", Default: "16",
			Help: "How many connections one process has to a MySQL database, and to each replica, at most, 6 to 1000.",
			set:  setConnections,
			get:  func(c Config) string { return strconv.Itoa(c.Database.Connections) }},
		{Name: "bus.url", Default: "spool:",
			Help: "How roles talk: spool: (durable, in the SQLite file), spool:PATH (in a file of its own), memory: (for tests), or amqp://USER:PASSWORD@HOST (RabbitMQ, for roles in several processes; amqps:// for TLS).",
			set:  setURL(func(c *Config) *URL { return &c.Bus.URL }),
			get:  func(c Config) string { return c.Bus.URL.String() }},
		{Name: "bus.namespace", Default: "muster",
			Help: "Begins the names of everything on RabbitMQ and Redis, so that several Musters can share them.",
			set:  setText(func(c *Config) *string { return &c.Bus.Namespace }),
			get:  func(c Config) string { return c.Bus.Namespace }},
		{Name: "lease.urls", Default: "memory:",
			Help: "Who decides which process leads: memory: (one process), or redis://HOST:PORT, once or three times or more.",
			set:  setURLs(func(c *Config) *[]URL { return &c.Lease.URLs }),
			get:  func(c Config) string { return joinURLs(c.Lease.URLs) }},
		{Name: "start.patience", Default: "5m",
			Help: "How long a process waits at its start for database, bus and lease service that do not answer, 0s to 24h; then it ends with status 3.",
			set:  setDuration(startPatience),
			get:  func(c Config) string { return showDuration(c.Start.Patience) }},
		{Name: "game.stream_url", Default: PublicStreamURL,
			Help: "The game's streaming service, ws:// or wss://.",
			set:  setText(func(c *Config) *string { return &c.Game.StreamURL }),
			get:  func(c Config) string { return redactURL(c.Game.StreamURL) }},
		{Name: "game.query_url", Default: PublicQueryURL,
			Help: "The game's query service, http:// or https://.",
			set:  setText(func(c *Config) *string { return &c.Game.QueryURL }),
			get:  func(c Config) string { return redactURL(c.Game.QueryURL) }},
		{Name: "game.service_id",
			Help: "Service id for the game's services, without s:. Free at https://census.daybreakgames.com.",
			set:  setSecret(func(c *Config) *Secret { return &c.Game.ServiceID }),
			get:  func(c Config) string { return c.Game.ServiceID.String() }},
		{Name: "game.environments", Default: "ps2",
			Help: "Platforms to follow, of ps2, ps2ps4us, ps2ps4eu.",
			set:  setEnvironments,
			get: func(c Config) string {
				return join(c.Game.Environments, func(e event.Environment) string { return string(e) })
			}},
		{Name: "game.worlds",
			Help: "Only these worlds, by number (1,10,40); none means every world of the environments.",
			set:  setWorlds,
			get: func(c Config) string {
				return join(c.Game.Worlds, func(w event.World) string { return strconv.Itoa(int(w)) })
			}},
		{Name: "listener.spool_dir",
			Help: "Where the listener keeps events that the bus does not take; no two processes may share it. None means beside the SQLite file (muster.db.listener), or with MySQL in the user's state directory (~/.local/state/muster).",
			set:  setText(func(c *Config) *string { return &c.Listener.SpoolDir }),
			get:  func(c Config) string { return c.Listener.SpoolDir }},
		{Name: "listener.spool_bytes", Default: "1GiB",
			Help: "How much it keeps there at most, for each platform, as 512MiB or 2GiB; 0 keeps such events in memory only.",
			set:  setBytes(func(c *Config) *int64 { return &c.Listener.SpoolBytes }, minSpool, maxSpool),
			get:  func(c Config) string { return showBytes(c.Listener.SpoolBytes) }},
		{Name: "discord.token",
			Help: "Bot token. Without one the bot is off. Better in the environment than in a file.",
			set:  setSecret(func(c *Config) *Secret { return &c.Discord.Token }),
			get:  func(c Config) string { return c.Discord.Token.String() }},
		{Name: "discord.url", Default: PublicDiscordURL,
			Help: "Base of Discord's API; another one for a stand-in.",
			set:  setText(func(c *Config) *string { return &c.Discord.URL }),
			get:  func(c Config) string { return redactURL(c.Discord.URL) }},
		{Name: "discord.user_install", Default: "true", Bool: true,
			Help: "Offer the commands also to people who install the app for themselves; must be enabled at Discord.",
			set:  setBool(func(c *Config) *bool { return &c.Discord.UserInstall }),
			get:  func(c Config) string { return strconv.FormatBool(c.Discord.UserInstall) }},
		{Name: "discord.shards", Default: "0",
			Help: "Into how many shards the servers are divided; the same for every bot process. 0: as Discord recommends, and more when it does.",
			set:  setShards,
			get:  func(c Config) string { return strconv.Itoa(c.Discord.Shards) }},
		{Name: "discord.http_addr",
			Help: "Where Discord may send commands by HTTP, HOST:PORT, behind a proxy with TLS; the app's page at Discord then names https://…/discord/interactions. Empty: they come over the gateway.",
			set:  setText(func(c *Config) *string { return &c.Discord.HTTPAddr }),
			get:  func(c Config) string { return c.Discord.HTTPAddr }},
		{Name: "discord.public_key",
			Help: "The application's public key, from its page at Discord; needed with discord.http_addr.",
			set:  setText(func(c *Config) *string { return &c.Discord.PublicKey }),
			get:  func(c Config) string { return c.Discord.PublicKey }},
		{Name: "http.addr", Default: "127.0.0.1:8080",
			Help: "Where pages, feed and API are served, HOST:PORT.",
			set:  setText(func(c *Config) *string { return &c.HTTP.Addr }),
			get:  func(c Config) string { return c.HTTP.Addr }},
		{Name: "http.public_url",
			Help: "How people reach the pages from outside; links in messages begin with it.",
			set:  setText(func(c *Config) *string { return &c.HTTP.PublicURL }),
			get:  func(c Config) string { return redactURL(c.HTTP.PublicURL) }},
		{Name: "http.trusted_proxies",
			Help: "Reverse proxies whose X-Forwarded-For is believed, as addresses or networks (10.0.0.0/8).",
			set:  setPrefixes(func(c *Config) *[]netip.Prefix { return &c.HTTP.TrustedProxies }),
			get:  func(c Config) string { return join(c.HTTP.TrustedProxies, netip.Prefix.String) }},
		{Name: "admin.addr", Default: "127.0.0.1:9090",
			Help: "Where /healthz, /readyz, /metrics and /debug/pprof/ are served, HOST:PORT. Keep it private.",
			set:  setText(func(c *Config) *string { return &c.Admin.Addr }),
			get:  func(c Config) string { return c.Admin.Addr }},
		{Name: "log.level", Default: "info",
			Help: "debug, info, warn or error.",
			set:  setLevel,
			get:  func(c Config) string { return strings.ToLower(c.Log.Level.String()) }},
		{Name: "log.format", Default: "text",
			Help: "text or json.",
			set:  setFormat,
			get:  func(c Config) string { return c.Log.Format }},
		{Name: "alerts.lifetime", Default: "5m",
			Help: "How old a login may be and still be told, 30s to 1h.",
			set:  setDuration(alertsLifetime),
			get:  func(c Config) string { return showDuration(c.Alerts.Lifetime) }},
		{Name: "presence.idle", Default: "30m",
			Help: "After how long without a sign of life somebody counts as gone, 16m to 24h.",
			set:  setDuration(presenceIdle),
			get:  func(c Config) string { return showDuration(c.Presence.Idle) }},
		{Name: "events.retention", Default: "90d",
			Help: "How long single events are kept, 2d to 3650d; what they were summed up to is kept for ever.",
			set:  setRetention,
			get:  func(c Config) string { return showDays(c.Events.Retention) }},
	}
	for i := range all {
		all[i].Env = envName(all[i].Name)
		all[i].Flag = flagName(all[i].Name)
	}
	return all
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
}

func flagName(name string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(name) }

// lookup returns the setting called name.
func lookup(name string) (Setting, bool) {
	for _, s := range table() {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}
