package configs

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Validate returns the first thing that is wrong with the settings, as far as
// that can be told without touching anything; Check does the rest. It also adds
// to Warnings what is set and has no effect.
func (c *Config) Validate() error {
	for _, rule := range []func() error{
		c.validDatabase, c.validReplicas, c.validBus, c.validLease,
		c.validGame, c.validDiscord, c.validHTTP,
	} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validDatabase() error {
	const name = "database.url"
	switch c.Database.URL.Scheme() {
	case "sqlite":
		if fault := sqlitePath(c.Database.URL.Rest()); fault != "" {
			return c.wrong(name, "%s", fault)
		}
	case "mysql":
		if fault := mysqlDSN(c.Database.URL.Rest()); fault != "" {
			return c.wrong(name, "%s", fault)
		}
	default:
		return c.wrong(name, "must begin with sqlite: or mysql:, as in sqlite:muster.db")
	}
	return nil
}

// sqlitePath says what is wrong with a path, "" for nothing.
func sqlitePath(path string) string {
	switch {
	case path == "":
		return "a file name is missing, as in sqlite:muster.db"
	case strings.HasPrefix(path, "//"):
		return "leave the slashes out: sqlite:muster.db, or sqlite:/var/lib/muster/muster.db"
	case strings.HasPrefix(path, ":memory:"):
		return "a database in memory forgets everything: name a file, as in sqlite:muster.db"
	case strings.ContainsAny(path, "?#\x00"):
		return "the file's name cannot hold ?, # or a zero byte, and options cannot be added"
	case strings.HasSuffix(path, "/"):
		return "that is a directory: name a file in it"
	}
	return ""
}

// mysqlDSN says what is wrong with a DSN, "" for nothing. The driver's own
// message is not used: it may show the password.
func mysqlDSN(dsn string) string {
	const form = "must be mysql:USER:PASSWORD@tcp(HOST:PORT)/DATABASE"
	cfg, err := mysql.ParseDSN(dsn)
	switch {
	case strings.HasPrefix(dsn, "//"):
		return form + ", without slashes in front"
	case err != nil:
		return form + ", as go-sql-driver/mysql reads it"
	case cfg.DBName == "":
		return "the database's name is missing behind the slash: " + form
	}
	return ""
}

func (c *Config) validReplicas() error {
	const name = "database.replica_urls"
	if len(c.Database.ReplicaURLs) == 0 {
		return nil
	}
	if c.Database.URL.Scheme() != "mysql" {
		return c.wrong(name, "read replicas need a MySQL database in %s: leave them out", envName("database.url"))
	}
	for _, u := range c.Database.ReplicaURLs {
		if u.Scheme() != "mysql" {
			return c.wrong(name, "each must begin with mysql:")
		}
		if fault := mysqlDSN(u.Rest()); fault != "" {
			return c.wrong(name, "each %s", fault)
		}
	}
	return nil
}

func (c *Config) validBus() error {
	const name = "bus.url"
	switch scheme := c.Bus.URL.Scheme(); scheme {
	case "memory":
		if c.Bus.URL != "memory:" {
			return c.wrong(name, "nothing may stand behind memory:")
		}
	case "spool":
		return c.validSpool(name)
	case "amqp", "amqps":
		return c.validBroker(name)
	default:
		return c.wrong(name, "must be spool:, spool:PATH, memory: or amqp://HOST")
	}
	return nil
}

// namespace is what may begin the names of queues, exchanges and keys.
var namespace = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (c *Config) validBroker(name string) error {
	if fault := brokerURL(string(c.Bus.URL), "amqp", "amqps"); fault != "" {
		return c.wrong(name, "%s", fault)
	}
	if !namespace.MatchString(c.Bus.Namespace) {
		return c.wrong("bus.namespace", "must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter")
	}
	if slices.Contains(c.Lease.URLs, "memory:") {
		c.warn("%s: memory: counts for one process only: of two listeners or two rosters both would lead, which doubles their work and nothing else",
			envName("lease.urls"))
	}
	return nil
}

// brokerURL says what is wrong with the address of a server that may take a
// password, "" for nothing.
func brokerURL(text string, schemes ...string) string {
	form := "write " + schemes[0] + "://USER:PASSWORD@HOST:PORT"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "not an address: " + form
	case u.Hostname() == "":
		return "a host is missing: " + form
	case !portOK(u.Port()):
		return "the port must be 1 to 65535"
	case u.Fragment != "":
		return "nothing may stand behind #: in a password write %23"
	}
	return ""
}

func (c *Config) validSpool(name string) error {
	path := c.Bus.SpoolPath()
	if path == "" {
		if c.Database.URL.Scheme() != "sqlite" {
			return c.wrong(name, "the spool lives in the SQLite file, and %s is MySQL: give it a file of its own, spool:PATH",
				envName("database.url"))
		}
		return nil
	}
	if fault := sqlitePath(path); fault != "" {
		return c.wrong(name, "%s", strings.ReplaceAll(fault, "sqlite:", "spool:"))
	}
	if c.Database.URL.Scheme() == "sqlite" && path == c.Database.URL.Rest() {
		return c.wrong(name, "that is the database's own file: write spool: alone for it")
	}
	return nil
}

func (c *Config) validLease() error {
	const name = "lease.urls"
	seen := make(map[URL]bool)
	for _, u := range c.Lease.URLs {
		switch u.Scheme() {
		case "memory":
			if u != "memory:" || len(c.Lease.URLs) > 1 {
				return c.wrong(name, "memory: stands alone, with nothing behind it")
			}
		case "redis", "rediss":
			if fault := brokerURL(string(u), "redis", "rediss"); fault != "" {
				return c.wrong(name, "%s", fault)
			}
		default:
			return c.wrong(name, "must be memory:, or redis://HOST:PORT once or three times or more, with commas")
		}
		if seen[u] {
			return c.wrong(name, "the same server stands there twice: a majority needs servers that fail apart")
		}
		seen[u] = true
	}
	switch len(c.Lease.URLs) {
	case 0:
		return c.wrong(name, "write memory:, or redis://HOST:PORT once or three times or more, with commas")
	case 2:
		return c.wrong(name, "two servers have no majority when one is lost: name one, or three or more")
	}
	return nil
}

// serviceID is what the game gives out as an id.
var serviceID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (c *Config) validGame() error {
	if fault := serverURL(c.Game.StreamURL, "ws", "wss"); fault != "" {
		return c.wrong("game.stream_url", "%s", fault)
	}
	if fault := serverURL(c.Game.QueryURL, "http", "https"); fault != "" {
		return c.wrong("game.query_url", "%s", fault)
	}
	c.Game.QueryURL = strings.TrimRight(c.Game.QueryURL, "/")
	if id := string(c.Game.ServiceID); strings.HasPrefix(id, "s:") {
		return c.wrong("game.service_id", "leave s: out, it is put in front by itself")
	} else if id != "" && !serviceID.MatchString(id) {
		return c.wrong("game.service_id", "an id is letters and digits only: copy it again from the mail it came in")
	}
	for _, w := range c.Game.Worlds {
		info, _ := w.Info()
		if !slices.Contains(c.Game.Environments, info.Environment) {
			return c.wrong("game.worlds", "world %d is on %s, which %s does not have: add it there, or leave the world out",
				w, info.Environment, envName("game.environments"))
		}
	}
	return nil
}

// serverURL says what is wrong with the address of a server, "" for nothing.
// The parser's own message is not used: it may show a password.
func serverURL(text string, schemes ...string) string {
	want := strings.Join(schemes, " or ")
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "an address is missing: " + want + "://HOST"
	case err != nil:
		return "not an address: write " + want + "://HOST"
	case !slices.Contains(schemes, u.Scheme):
		return "scheme must be " + want
	case u.Hostname() == "":
		return "a host is missing: " + want + "://HOST"
	case u.User != nil:
		return "a name or password cannot stand in this address"
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "nothing may stand behind ? or #: it is put there by itself"
	case !portOK(u.Port()):
		return "the port must be 1 to 65535"
	}
	return ""
}

func portOK(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func (c *Config) validDiscord() error {
	const name = "discord.url"
	if fault := serverURL(c.Discord.URL, "http", "https"); fault != "" {
		return c.wrong(name, "%s", fault)
	}
	u, err := url.Parse(c.Discord.URL)
	if err != nil {
		return c.wrong(name, "not an address: write https://HOST")
	}
	switch strings.TrimRight(u.Path, "/") {
	case "", "/api":
	default:
		return c.wrong(name, "leave the path out: only scheme and host are used")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return c.wrong(name, "http would send the token in the clear: use https, or a stand-in on this machine")
	}
	c.Discord.URL = u.Scheme + "://" + u.Host
	if err := c.validEndpoint(); err != nil {
		return err
	}
	return c.validToken()
}

// validEndpoint checks what Discord's own requests need.
func (c *Config) validEndpoint() error {
	key, err := hex.DecodeString(c.Discord.PublicKey)
	switch {
	case err != nil || len(key) != 0 && len(key) != ed25519.PublicKeySize:
		return c.wrong("discord.public_key", "not a public key: copy the 64 hexadecimal digits from the application's page at Discord")
	case c.Discord.HTTPAddr == "":
		return nil
	case len(key) == 0:
		return c.wrong("discord.public_key", "needed with discord.http_addr, to know Discord's requests from others: it is on the application's page at Discord")
	}
	if err := listenAddr(c.Discord.HTTPAddr); err != nil {
		return c.wrong("discord.http_addr", "%w", err)
	}
	return nil
}

// validToken finds what people paste by mistake. It cannot know whether
// Discord takes the token.
func (c *Config) validToken() error {
	token := string(c.Discord.Token)
	switch {
	case token == "":
		return nil
	case strings.HasPrefix(strings.ToLower(token), "bot "), strings.HasPrefix(strings.ToLower(token), "bearer "):
		return c.wrong("discord.token", "leave the word in front out: only the token itself")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }):
		return c.wrong("discord.token", "a token has no spaces or quotes: copy it again from the bot's page at Discord")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (c *Config) validHTTP() error {
	if err := listenAddr(c.HTTP.Addr); err != nil {
		return c.wrong("http.addr", "%w", err)
	}
	if err := listenAddr(c.Admin.Addr); err != nil {
		return c.wrong("admin.addr", "%w", err)
	}
	if c.HTTP.Addr == c.Admin.Addr && !strings.HasSuffix(c.HTTP.Addr, ":0") {
		return c.wrong("admin.addr", "that is %s too: give them different ports", envName("http.addr"))
	}
	if c.HTTP.PublicURL == "" {
		return nil
	}
	if fault := serverURL(c.HTTP.PublicURL, "http", "https"); fault != "" {
		return c.wrong("http.public_url", "%s", fault)
	}
	c.HTTP.PublicURL = strings.TrimRight(c.HTTP.PublicURL, "/")
	return nil
}

// listenAddr takes HOST:PORT, :PORT and port 0, which lets the system choose.
func listenAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("must be HOST:PORT, as in 127.0.0.1:8080")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("the port must be 0 to 65535")
	}
	if strings.ContainsAny(host, " /@\t") {
		return errors.New("the host must be a name or an address, as in 127.0.0.1:8080")
	}
	return nil
}
