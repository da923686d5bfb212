package configs_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/configs"
	"muster/event"
)

// mustLoad loads settings that must be right.
func mustLoad(t *testing.T, yaml string, environ []string, flags map[string]string) configs.Config {
	t.Helper()
	c, err := load(t, yaml, environ, flags)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load writes yaml to muster.yaml and loads it, unless it is empty.
func load(t *testing.T, yaml string, environ []string, flags map[string]string) (configs.Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if yaml != "" {
		if err := os.WriteFile("muster.yaml", []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return configs.Load("muster.yaml", false, environ, flags)
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	want := map[string]string{
		"MUSTER_DATABASE_URL":      "sqlite:muster.db",
		"MUSTER_BUS_URL":           "spool:",
		"MUSTER_LEASE_URLS":        "memory:",
		"MUSTER_GAME_STREAM_URL":   "wss://push.planetside2.com/streaming",
		"MUSTER_GAME_QUERY_URL":    "https://census.daybreakgames.com",
		"MUSTER_GAME_ENVIRONMENTS": "ps2",
		"MUSTER_DISCORD_URL":       "https://discord.com",
		"MUSTER_HTTP_ADDR":         "127.0.0.1:8080",
		"MUSTER_ADMIN_ADDR":        "127.0.0.1:9090",
		"MUSTER_LOG_LEVEL":         "info",
		"MUSTER_LOG_FORMAT":        "text",

		"MUSTER_DATABASE_REPLICA_URLS": "", "MUSTER_GAME_SERVICE_ID": "", "MUSTER_DISCORD_TOKEN": "",
		"MUSTER_GAME_WORLDS": "", "MUSTER_DISCORD_USER_INSTALL": "true", "MUSTER_DISCORD_SHARDS": "0", "MUSTER_HTTP_PUBLIC_URL": "",
		"MUSTER_ALERTS_LIFETIME": "5m", "MUSTER_PRESENCE_IDLE": "30m", "MUSTER_BUS_NAMESPACE": "muster", "MUSTER_HTTP_TRUSTED_PROXIES": "",
		"MUSTER_EVENTS_RETENTION": "90d", "MUSTER_DATABASE_REPLICA_LAG": "10s", "MUSTER_DATABASE_CONNECTIONS": "16",
		"MUSTER_START_PATIENCE": "5m", "MUSTER_LISTENER_SPOOL_DIR": "", "MUSTER_LISTENER_SPOOL_BYTES": "1GiB",
	}
	c := mustLoad(t, "", nil, nil)
	for _, s := range configs.Settings() {
		if got, ok := s.Show(c), want[s.Env]; got != ok || s.Default != ok {
			t.Errorf("%s is %q by default (table says %q), want %q", s.Env, got, s.Default, ok)
		}
		delete(want, s.Env)
	}
	for name := range want {
		t.Errorf("%s is no setting", name)
	}
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	yaml := "log:\n  level: debug\n  format: json\nhttp: {addr: ':1'}\n"
	environ := []string{"MUSTER_LOG_FORMAT=text", "MUSTER_HTTP_ADDR=:2", "MUSTER_ADMIN_ADDR=", "PATH=/bin"}
	c := mustLoad(t, yaml, environ, map[string]string{"http.addr": ":3"})
	if c.Log.Level != slog.LevelDebug || c.Log.Format != "text" || c.HTTP.Addr != ":3" || c.Admin.Addr != "127.0.0.1:9090" {
		t.Errorf("got %v", c)
	}
	want := map[string]string{"log.level": "muster.yaml:2", "log.format": "MUSTER_LOG_FORMAT",
		"http.addr": "--http-addr", "admin.addr": "default"}
	for _, s := range configs.Settings() {
		if source, ok := want[s.Name]; ok && s.Source(c) != source {
			t.Errorf("%s comes from %q, want %q", s.Name, s.Source(c), source)
		}
	}
}

func TestListsMayBeYAMLListsOrCommas(t *testing.T) {
	for _, yaml := range []string{
		"game: {environments: [ps2, ps2ps4eu], worlds: [10, 2000]}",
		"game:\n  environments: ps2,ps2ps4eu\n  worlds: 10, 2000\n",
		"game:\n  environments:\n    - ps2\n    - ps2ps4eu\n  worlds:\n    - 10\n    - \"2000\"\n",
	} {
		c := mustLoad(t, yaml, nil, nil)
		if fmt.Sprint(c.Game.Environments, c.Game.Worlds) != fmt.Sprint(
			[]event.Environment{event.PC, event.PS4EU}, []event.World{10, 2000}) {
			t.Errorf("%q gives %v %v", yaml, c.Game.Environments, c.Game.Worlds)
		}
	}
}

// wrongSettings are settings that must be refused, each with what the one line
// begins with and what it must contain.
var wrongSettings = []struct {
	name, yaml, env, flag, value string
	begins, says                 string
}{
	{name: "unknown section", yaml: "htpp:\n  addr: x", begins: "muster.yaml:1: htpp: ", says: "did you mean http?"},
	{name: "unknown key", yaml: "http:\n\n  adr: x", begins: "muster.yaml:3: http.adr: ", says: "did you mean http.addr?"},
	{name: "far unknown key", yaml: "http:\n  color: x", begins: "muster.yaml:2: http.color: ", says: "there are http.addr, http.public_url"},
	{name: "section without settings", yaml: "http: 8080", begins: "muster.yaml:1: http ", says: "section"},
	{name: "a map for a value", yaml: "http:\n  addr: {port: 1}", begins: "muster.yaml:2: http.addr: ", says: "write a text"},
	{name: "alias", yaml: "http: &a\n  addr: x\nadmin: *a", begins: "muster.yaml:1: ", says: "section"},
	{name: "double key", yaml: "http:\n  addr: ':1'\n  addr: ':2'", begins: "muster.yaml:3: ", says: "not valid YAML"},
	{name: "tab", yaml: "http:\n\taddr: x", begins: "muster.yaml:", says: "not valid YAML"},
	{name: "a list of documents", yaml: "http:\n  addr: ':1'\n---\nadmin:\n  addr: ':2'", begins: "muster.yaml:", says: "second document"},
	{name: "a list at the top", yaml: "- a\n- b", begins: "muster.yaml:1: ", says: "sections"},
	{name: "file value", yaml: "http:\n  addr: nowhere", begins: `muster.yaml:2: http.addr: "nowhere": `, says: "HOST:PORT"},

	{name: "misspelt variable", env: "MUSTER_HTTP_ADRR", value: "x", begins: "MUSTER_HTTP_ADRR: ", says: "did you mean MUSTER_HTTP_ADDR?"},
	{name: "stream scheme", env: "MUSTER_GAME_STREAM_URL", value: "htp://x", begins: `MUSTER_GAME_STREAM_URL: "htp://x": `, says: "scheme must be ws or wss"},
	{name: "stream host", env: "MUSTER_GAME_STREAM_URL", value: "wss://", begins: "MUSTER_GAME_STREAM_URL: ", says: "host is missing"},
	{name: "stream query", env: "MUSTER_GAME_STREAM_URL", value: "wss://x/streaming?environment=ps2", begins: "MUSTER_GAME_STREAM_URL: ", says: "behind ?"},
	{name: "stream port", env: "MUSTER_GAME_STREAM_URL", value: "wss://x:99999", begins: "MUSTER_GAME_STREAM_URL: ", says: "port"},
	{name: "unparsable query", env: "MUSTER_GAME_QUERY_URL", value: "http://[::1", begins: "MUSTER_GAME_QUERY_URL: ", says: "not an address"},
	{name: "service id with s:", env: "MUSTER_GAME_SERVICE_ID", value: "s:abc", begins: "MUSTER_GAME_SERVICE_ID: ", says: "leave s: out"},
	{name: "service id with blanks", env: "MUSTER_GAME_SERVICE_ID", value: "a b", begins: "MUSTER_GAME_SERVICE_ID: ", says: "letters and digits"},
	{name: "environment", env: "MUSTER_GAME_ENVIRONMENTS", value: "ps2,xbox", begins: `MUSTER_GAME_ENVIRONMENTS: "ps2,xbox": `, says: `"xbox"`},
	{name: "no environment", env: "MUSTER_GAME_ENVIRONMENTS", value: ",", begins: "MUSTER_GAME_ENVIRONMENTS: ", says: "ps2ps4us"},
	{name: "world", env: "MUSTER_GAME_WORLDS", value: "Osprey", begins: "MUSTER_GAME_WORLDS: ", says: "numbers"},
	{name: "unknown world", env: "MUSTER_GAME_WORLDS", value: "11", begins: "MUSTER_GAME_WORLDS: ", says: "10 (Wainwright)"},
	{name: "world of another platform", env: "MUSTER_GAME_WORLDS", value: "1000", begins: "MUSTER_GAME_WORLDS: ", says: "ps2ps4us"},
	{name: "database scheme", env: "MUSTER_DATABASE_URL", value: "postgres://x", begins: "MUSTER_DATABASE_URL: ", says: "sqlite: or mysql:"},
	{name: "bare file", env: "MUSTER_DATABASE_URL", value: "muster.db", begins: "MUSTER_DATABASE_URL: ", says: "sqlite:muster.db"},
	{name: "sqlite without file", env: "MUSTER_DATABASE_URL", value: "sqlite:", begins: "MUSTER_DATABASE_URL: ", says: "file name is missing"},
	{name: "sqlite with slashes", env: "MUSTER_DATABASE_URL", value: "sqlite://muster.db", begins: "MUSTER_DATABASE_URL: ", says: "leave the slashes out"},
	{name: "sqlite in memory", env: "MUSTER_DATABASE_URL", value: "sqlite::memory:", begins: "MUSTER_DATABASE_URL: ", says: "forgets"},
	{name: "mysql without database", env: "MUSTER_DATABASE_URL", value: "mysql:u@tcp(h:1)/", begins: "MUSTER_DATABASE_URL: ", says: "database's name"},
	{name: "mysql garbage", env: "MUSTER_DATABASE_URL", value: "mysql:u", begins: "MUSTER_DATABASE_URL: ", says: "mysql:USER"},
	{name: "replicas of sqlite", env: "MUSTER_DATABASE_REPLICA_URLS", value: "mysql:u@/d", begins: "MUSTER_DATABASE_REPLICA_URLS: ", says: "need a MySQL"},
	{name: "bus", env: "MUSTER_BUS_URL", value: "kafka://x", begins: "MUSTER_BUS_URL: ", says: "spool:PATH"},
	{name: "broker without a host", env: "MUSTER_BUS_URL", value: "amqp://", begins: "MUSTER_BUS_URL: ", says: "host is missing"},
	{name: "broker with a bad port", env: "MUSTER_BUS_URL", value: "amqp://u:hush@h:99999", begins: "MUSTER_BUS_URL: ", says: "port must be"},
	{name: "broker with port 0", env: "MUSTER_BUS_URL", value: "amqp://u:hush@h:0", begins: "MUSTER_BUS_URL: ", says: "port must be"},
	{name: "broker with a bare # in the password", env: "MUSTER_BUS_URL", value: "amqp://u:hu#sh@h", begins: "MUSTER_BUS_URL: ", says: "not an address"},
	{name: "proxy that is no address", env: "MUSTER_HTTP_TRUSTED_PROXIES", value: "10.0.0.1,proxy", begins: "MUSTER_HTTP_TRUSTED_PROXIES: ", says: "neither an address nor a network"},
	{name: "proxy network too wide a mask", env: "MUSTER_HTTP_TRUSTED_PROXIES", value: "10.0.0.0/33", begins: "MUSTER_HTTP_TRUSTED_PROXIES: ", says: "neither an address nor a network"},
	{name: "two redis servers", env: "MUSTER_LEASE_URLS", value: "redis://h1,redis://h2", begins: "MUSTER_LEASE_URLS: ", says: "no majority"},
	{name: "one redis server three times", env: "MUSTER_LEASE_URLS", value: "redis://h1,redis://h1,redis://h1", begins: "MUSTER_LEASE_URLS: ", says: "twice"},
	{name: "redis and memory", env: "MUSTER_LEASE_URLS", value: "memory:,redis://h1,redis://h2", begins: "MUSTER_LEASE_URLS: ", says: "stands alone"},
	{name: "spool in the database", env: "MUSTER_BUS_URL", value: "spool:muster.db", begins: "MUSTER_BUS_URL: ", says: "database's own file"},
	{name: "lease", env: "MUSTER_LEASE_URLS", value: "etcd://h", begins: "MUSTER_LEASE_URLS: ", says: "memory:"},
	{name: "token with Bot", env: "MUSTER_DISCORD_TOKEN", value: "Bot abc", begins: "MUSTER_DISCORD_TOKEN: ", says: "word in front"},
	{name: "token in quotes", env: "MUSTER_DISCORD_TOKEN", value: `"abc"`, begins: "MUSTER_DISCORD_TOKEN: ", says: "quotes"},
	{name: "discord in the clear", env: "MUSTER_DISCORD_URL", value: "http://discord.com", begins: "MUSTER_DISCORD_URL: ", says: "https"},
	{name: "discord path", env: "MUSTER_DISCORD_URL", value: "https://discord.com/api/v9", begins: "MUSTER_DISCORD_URL: ", says: "path"},
	{name: "shards", env: "MUSTER_DISCORD_SHARDS", value: "-1", begins: `MUSTER_DISCORD_SHARDS: "-1": `, says: "from 0 to"},
	{name: "shards as text", env: "MUSTER_DISCORD_SHARDS", value: "many", begins: `MUSTER_DISCORD_SHARDS: "many": `, says: "whole number"},
	{name: "user install", env: "MUSTER_DISCORD_USER_INSTALL", value: "maybe", begins: `MUSTER_DISCORD_USER_INSTALL: "maybe": `, says: "true or false"},
	{name: "address", env: "MUSTER_HTTP_ADDR", value: "8080", begins: `MUSTER_HTTP_ADDR: "8080": `, says: "HOST:PORT"},
	{name: "port", env: "MUSTER_ADMIN_ADDR", value: "127.0.0.1:http", begins: "MUSTER_ADMIN_ADDR: ", says: "0 to 65535"},
	{name: "one address twice", env: "MUSTER_ADMIN_ADDR", value: "127.0.0.1:8080", begins: "MUSTER_ADMIN_ADDR: ", says: "MUSTER_HTTP_ADDR too"},
	{name: "public url", env: "MUSTER_HTTP_PUBLIC_URL", value: "muster.example.net", begins: "MUSTER_HTTP_PUBLIC_URL: ", says: "http or https"},
	{name: "level", env: "MUSTER_LOG_LEVEL", value: "loud", begins: `MUSTER_LOG_LEVEL: "loud": `, says: "debug, info"},
	{name: "format", env: "MUSTER_LOG_FORMAT", value: "xml", begins: "MUSTER_LOG_FORMAT: ", says: "text or json"},
	{name: "lifetime without unit", env: "MUSTER_ALERTS_LIFETIME", value: "5", begins: "MUSTER_ALERTS_LIFETIME: ", says: "unit"},
	{name: "lifetime too long", env: "MUSTER_ALERTS_LIFETIME", value: "2h", begins: "MUSTER_ALERTS_LIFETIME: ", says: "30s to 1h"},
	{name: "too few connections", env: "MUSTER_DATABASE_CONNECTIONS", value: "5", begins: "MUSTER_DATABASE_CONNECTIONS: ", says: "6 to 1000"},
	{name: "no lag at all", env: "MUSTER_DATABASE_REPLICA_LAG", value: "0s", begins: "MUSTER_DATABASE_REPLICA_LAG: ", says: "1s to 10m"},
	{name: "patience for ever", env: "MUSTER_START_PATIENCE", value: "25h", begins: "MUSTER_START_PATIENCE: ", says: "0s to 24h"},
	{name: "retention without a unit", env: "MUSTER_EVENTS_RETENTION", value: "90", begins: "MUSTER_EVENTS_RETENTION: ", says: "90d"},
	{name: "retention too short", env: "MUSTER_EVENTS_RETENTION", value: "1d", begins: "MUSTER_EVENTS_RETENTION: ", says: "2d to 3650d"},
	{name: "retention in parts of days", env: "MUSTER_EVENTS_RETENTION", value: "49h", begins: "MUSTER_EVENTS_RETENTION: ", says: "whole days"},
	{name: "retention of ages", env: "MUSTER_EVENTS_RETENTION", value: "99999d", begins: "MUSTER_EVENTS_RETENTION: ", says: "write days"},
	{name: "retention below zero", env: "MUSTER_EVENTS_RETENTION", value: "-90d", begins: "MUSTER_EVENTS_RETENTION: ", says: "write days"},
	{name: "idle too short", env: "MUSTER_PRESENCE_IDLE", value: "1m", begins: "MUSTER_PRESENCE_IDLE: ", says: "16m to 24h"},
	{name: "spool without unit", env: "MUSTER_LISTENER_SPOOL_BYTES", value: "100", begins: "MUSTER_LISTENER_SPOOL_BYTES: ", says: "such as 512MiB"},
	{name: "spool of nothing", env: "MUSTER_LISTENER_SPOOL_BYTES", value: "1KiB", begins: "MUSTER_LISTENER_SPOOL_BYTES: ", says: "1MiB to 1TiB"},
	{name: "spool too large", env: "MUSTER_LISTENER_SPOOL_BYTES", value: "9000000TiB", begins: "MUSTER_LISTENER_SPOOL_BYTES: ", says: "1MiB to 1TiB"},

	{name: "flag", flag: "http.addr", value: "x", begins: `--http-addr: "x": `, says: "HOST:PORT"},
	{name: "flag of nothing", flag: "http.port", value: "x", begins: "--http-port: ", says: "no such setting"},
}

func TestEachWrongSettingIsOneLineThatNamesIt(t *testing.T) {
	for _, tt := range wrongSettings {
		t.Run(tt.name, func(t *testing.T) {
			var environ []string
			if tt.env != "" {
				environ = []string{tt.env + "=" + tt.value}
			}
			var flags map[string]string
			if tt.flag != "" {
				flags = map[string]string{tt.flag: tt.value}
			}
			_, err := load(t, tt.yaml, environ, flags)
			if err == nil {
				t.Fatal("accepted")
			}
			got := err.Error()
			if !strings.HasPrefix(got, tt.begins) || !strings.Contains(got, tt.says) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line that begins %q and says %q", got, tt.begins, tt.says)
			}
		})
	}
}

func TestMySQLNeedsASpoolFileOfItsOwn(t *testing.T) {
	environ := []string{"MUSTER_DATABASE_URL=mysql:u:p@tcp(h:1)/muster"}
	_, err := load(t, "", environ, nil)
	if err == nil || !strings.HasPrefix(err.Error(), `MUSTER_BUS_URL (default): "spool:": `) {
		t.Fatalf("got %v", err)
	}
	c := mustLoad(t, "", append(environ, "MUSTER_BUS_URL=spool:bus.db"), nil)
	if c.Bus.SpoolPath() != "bus.db" || c.Bus.InMemory() {
		t.Errorf("got %q", c.Bus.SpoolPath())
	}
	if c := mustLoad(t, "", append(environ, "MUSTER_BUS_URL=memory:"), nil); !c.Bus.InMemory() || c.Bus.SpoolPath() != "" {
		t.Errorf("got %v", c.Bus)
	}
}

func TestAFileThatWasAskedForMustBeThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "no.yaml")
	if _, err := configs.Load(path, false, nil, nil); err != nil {
		t.Errorf("not asked for: %v", err)
	}
	_, err := configs.Load(path, true, nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "--config "+path+": no such file") {
		t.Errorf("got %v", err)
	}
	if _, err = configs.Load(dir, true, nil, nil); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
}

func TestStrangersInTheEnvironmentAreWarnings(t *testing.T) {
	c := mustLoad(t, "", []string{"MUSTER_SERVICE_HOST=10.0.0.1", "MUSTER_PORT_8080_TCP=x",
		"MUSTER_SHARED=/somewhere", "MUSTER_TEST_MYSQL_DSN=x"}, nil)
	if len(c.Warnings) != 2 || !strings.HasPrefix(c.Warnings[0], "MUSTER_PORT_8080_TCP: ") ||
		!strings.HasPrefix(c.Warnings[1], "MUSTER_SERVICE_HOST: ") {
		t.Errorf("got %q", c.Warnings)
	}
}

func TestNoFormShowsASecret(t *testing.T) {
	c := mustLoad(t, "", []string{"MUSTER_DISCORD_TOKEN=hush.1", "MUSTER_GAME_SERVICE_ID=hush2",
		"MUSTER_DATABASE_URL=mysql:muster:hush@3@tcp(db:3306)/muster", "MUSTER_BUS_URL=spool:b.db",
		"MUSTER_DATABASE_REPLICA_URLS=mysql:muster:hush4@tcp(r:3306)/muster"}, nil)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	part, err := json.Marshal(c.Database)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "token", c.Discord.Token, "url", c.Database.URL, "part", c.Discord)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "token", c.Discord.Token, "part", c.Database)
	for form, text := range map[string]string{
		"json": string(asJSON), "part": string(part), "log": log.String(), "%v": fmt.Sprint(c), "%+v": fmt.Sprintf("%+v", c),
		"%#v": fmt.Sprintf("%#v", c), "part %+v": fmt.Sprintf("%+v %+v %+v", c.Discord, c.Database, c.Game),
		"part %#v": fmt.Sprintf("%#v %#v", c.Discord, c.Database),
	} {
		if strings.Contains(text, "hush") {
			t.Errorf("%s: %s", form, text)
		}
	}
	if string(c.Discord.Token) != "hush.1" || c.Game.ID() != "hush2" {
		t.Error("the code that needs a secret does not get it")
	}
}

func TestNoErrorShowsAPassword(t *testing.T) {
	for _, setting := range []string{
		"MUSTER_DATABASE_URL=root:hush@tcp(h:1)/d", "MUSTER_DATABASE_URL=mysql:root:hush@tcp(h:1)/",
		"MUSTER_DATABASE_URL=mysql:root:hush", "MUSTER_DATABASE_URL=mysql://root:hush@h/d",
		"MUSTER_DATABASE_URL=postgres://root:hush@h/d", "MUSTER_BUS_URL=amqp://u:hush@h:0", "MUSTER_BUS_URL=amqp://u:hush",
		"MUSTER_BUS_URL=amqp://u:hush@h:99999", "MUSTER_BUS_URL=amqp://u:hu#sh@h", "MUSTER_LEASE_URLS=redis://:hush@h,redis://:hush@i",
		"MUSTER_LEASE_URLS=redis://:hush@h:0", "MUSTER_GAME_STREAM_URL=wss://u:hush@h/", "MUSTER_DISCORD_TOKEN=a hush",
		"MUSTER_GAME_SERVICE_ID=s:hush", "MUSTER_DISCORD_URL=https://u:hush@h",
	} {
		_, err := load(t, "", []string{setting}, nil)
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", setting, err)
		}
	}
	_, err := load(t, "discord:\n  token: hush: hush: [hush\n", nil, nil)
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("yaml: %v", err)
	}
}

func TestServersForSeveralProcessesAreTaken(t *testing.T) {
	c := mustLoad(t, "", []string{"MUSTER_BUS_URL=amqps://u:hush@broker:5671/vhost", "MUSTER_BUS_NAMESPACE=staging",
		"MUSTER_LEASE_URLS=redis://:hush@a:6379/0,rediss://b,redis://c:1"}, nil)
	if !c.Bus.Shared() || c.Bus.SpoolPath() != "" || c.Lease.InMemory() || len(c.Warnings) != 0 {
		t.Errorf("bus %v, lease %v, warnings %q", c.Bus, c.Lease, c.Warnings)
	}
	if strings.Contains(c.String(), "hush") {
		t.Errorf("shows a password: %s", c)
	}
	c = mustLoad(t, "", []string{"MUSTER_BUS_URL=amqp://broker"}, nil)
	if !c.Lease.InMemory() || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "MUSTER_LEASE_URLS") {
		t.Errorf("a lease of one process beside a broker: warnings %q", c.Warnings)
	}
}

func TestTrustedProxiesAreAddressesOrNetworks(t *testing.T) {
	c := mustLoad(t, "", []string{"MUSTER_HTTP_TRUSTED_PROXIES=10.1.2.3/8, 192.0.2.1,2001:db8::/32"}, nil)
	got := fmt.Sprint(c.HTTP.TrustedProxies)
	if want := "[10.0.0.0/8 192.0.2.1/32 2001:db8::/32]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCheckFindsAMissingDirectory(t *testing.T) {
	for env, begins := range map[string]string{
		"MUSTER_DATABASE_URL=sqlite:no/such/muster.db": `MUSTER_DATABASE_URL: "sqlite:no/such/muster.db": directory no/such is missing`,
		"MUSTER_BUS_URL=spool:no/bus.db":               `MUSTER_BUS_URL: "spool:no/bus.db": directory no is missing`,
	} {
		c := mustLoad(t, "", []string{env}, nil)
		if err := c.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), begins) {
			t.Errorf("%s: got %v", env, err)
		}
	}
	c := mustLoad(t, "", nil, nil)
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir("."); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Mkdir("muster.db", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not a plain file") {
		t.Errorf("got %v", err)
	}
}

func TestThePublicGameNeedsAServiceID(t *testing.T) {
	c := mustLoad(t, "", nil, nil)
	if err := c.NeedGame(); err == nil || !strings.HasPrefix(err.Error(), "MUSTER_GAME_SERVICE_ID: ") {
		t.Errorf("got %v", err)
	}
	c = mustLoad(t, "", []string{"MUSTER_GAME_STREAM_URL=ws://127.0.0.1:1/streaming", "MUSTER_GAME_QUERY_URL=http://127.0.0.1:1/"}, nil)
	if err := c.NeedGame(); err != nil || c.Game.ID() != "example" || c.Game.QueryURL != "http://127.0.0.1:1" {
		t.Errorf("got %v, id %q, query %q", err, c.Game.ID(), c.Game.QueryURL)
	}
}

func TestTheExampleHoldsEverySettingAtItsDefault(t *testing.T) {
	c, err := configs.Load("muster.example.yaml", true, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("muster.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range configs.Settings() {
		_, key, _ := strings.Cut(s.Name, ".")
		if !strings.Contains(string(content), "\n  "+key+":") {
			t.Errorf("%s is not in the example", s.Name)
		}
		if got := s.Show(c); got != s.Default {
			t.Errorf("%s is %q in the example, want the default %q", s.Name, got, s.Default)
		}
		if s.Default != "" && s.Source(c) == "default" {
			t.Errorf("%s is commented out in the example", s.Name)
		}
	}
	if c.Presence.Idle != 30*time.Minute {
		t.Errorf("idle is %v", c.Presence.Idle)
	}
}

func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("muster.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	for _, tt := range wrongSettings {
		f.Add(tt.yaml)
	}
	f.Add("a: &a [*a, *a]\n<<: *a")
	f.Add("discord:\n  token: |\n    a\n    b\n")
	path := filepath.Join(f.TempDir(), "fuzz.yaml")
	f.Fuzz(func(t *testing.T, yaml string) {
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(path, true, nil, nil)
		if err == nil {
			if again := c.Validate(); again != nil {
				t.Errorf("accepted, but not twice: %v", again)
			}
			return
		}
		if strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("more than one line: %q", err)
		}
		if len(err.Error()) > 1500 {
			t.Errorf("a line of %d bytes", len(err.Error()))
		}
	})
}

func TestTheSpoolHasItsPlaceWhereNobodySetsOne(t *testing.T) {
	const mysql = "MUSTER_DATABASE_URL=mysql:u@tcp(h:1)/d"
	for _, tt := range []struct {
		environ []string
		want    string
	}{
		{nil, "muster.db.listener"},
		{[]string{"MUSTER_DATABASE_URL=sqlite:/var/lib/m.db", "HOME=/home/u"}, "/var/lib/m.db.listener"},
		{[]string{"MUSTER_LISTENER_SPOOL_DIR=/data/here", "HOME=/home/u"}, "/data/here"},
		{[]string{mysql, "MUSTER_BUS_URL=amqp://h"}, ""},
		{[]string{mysql, "MUSTER_BUS_URL=amqp://h", "HOME=/home/u"}, "/home/u/.local/state/muster/muster/listener"},
		{[]string{mysql, "MUSTER_BUS_URL=amqp://h", "HOME=/home/u", "XDG_STATE_HOME=/s", "MUSTER_BUS_NAMESPACE=two"}, "/s/muster/two/listener"},
		{[]string{mysql, "MUSTER_BUS_URL=amqp://h", "XDG_STATE_HOME=/s", "STATE_DIRECTORY=/var/lib/muster:/x"}, "/var/lib/muster/muster/listener"},
	} {
		if got := mustLoad(t, "", tt.environ, nil).SpoolDir(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.environ, got, tt.want)
		}
	}
}

func TestSizesAreReadAndShownWithUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1MiB": 1 << 20, "1536 kib": 3 << 19, "1gib": 1 << 30, "2097152B": 2 << 20, "1TiB": 1 << 40} {
		c := mustLoad(t, "listener: {spool_bytes: "+text+"}", nil, nil)
		if c.Listener.SpoolBytes != want {
			t.Errorf("%s is %d, want %d", text, c.Listener.SpoolBytes, want)
		}
		for _, s := range configs.Settings() {
			if s.Name == "listener.spool_bytes" && mustLoad(t, "", []string{s.Env + "=" + s.Show(c)}, nil).Listener.SpoolBytes != want {
				t.Errorf("%s is shown as %s", text, s.Show(c))
			}
		}
	}
}
