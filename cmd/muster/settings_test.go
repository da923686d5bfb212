package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/storage/storagetest"
)

func TestAWrongSettingEndsBeforeAnythingStarts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "muster.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unreadable := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(unreadable, []byte("this is no database, but long enough to be taken for the header of one"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  []string
		args []string
		want string // the setting, as the operator wrote it
	}{
		{"unknown key in the file", nil, []string{"--config", file("http:\n  adr: 127.0.0.1:1\n")}, "http.adr"},
		{"file that is no YAML", nil, []string{"--config", file("http: [")}, "muster.yaml"},
		{"missing file", nil, []string{"--config", filepath.Join(dir, "none.yaml")}, "none.yaml"},
		{"misspelt variable", []string{"MUSTER_HTTP_ADR=127.0.0.1:1"}, nil, "MUSTER_HTTP_ADR"},
		{"unparsable stream address", []string{"MUSTER_GAME_STREAM_URL=htp://x"}, nil, "MUSTER_GAME_STREAM_URL"},
		{"unparsable query address", []string{"MUSTER_GAME_QUERY_URL=://"}, nil, "MUSTER_GAME_QUERY_URL"},
		{"unparsable Discord address", []string{"MUSTER_DISCORD_URL=http://discord.example"}, nil, "MUSTER_DISCORD_URL"},
		{"a public key that is none", []string{"MUSTER_DISCORD_PUBLIC_KEY=12ab"}, nil, "MUSTER_DISCORD_PUBLIC_KEY"},
		{"an address for Discord without a key", []string{"MUSTER_DISCORD_HTTP_ADDR=127.0.0.1:0"}, nil, "MUSTER_DISCORD_PUBLIC_KEY"},
		{"an address for Discord that is none", []string{"MUSTER_DISCORD_HTTP_ADDR=here", "MUSTER_DISCORD_PUBLIC_KEY=" + strings.Repeat("ab", 32)}, nil, "MUSTER_DISCORD_HTTP_ADDR"},
		{"impossible level", []string{"MUSTER_LOG_LEVEL=loud"}, nil, "MUSTER_LOG_LEVEL"},
		{"impossible environment", []string{"MUSTER_GAME_ENVIRONMENTS=xbox"}, nil, "MUSTER_GAME_ENVIRONMENTS"},
		{"impossible lifetime", []string{"MUSTER_ALERTS_LIFETIME=-5m"}, nil, "MUSTER_ALERTS_LIFETIME"},
		{"address without a port", nil, []string{"--http-addr=localhost"}, "--http-addr"},
		{"address in use", nil, []string{"--http-addr=" + taken.Addr().String()}, "--http-addr"},
		{"operator's address in use", []string{"MUSTER_ADMIN_ADDR=" + taken.Addr().String()}, nil, "MUSTER_ADMIN_ADDR"},
		{"unknown flag", nil, []string{"--colour=red"}, "--colour"},
		{"unknown command", nil, []string{"dance"}, "dance"},
		{"secret as a flag", nil, []string{"--discord-token=abc"}, "--discord-token"},
		{"unknown kind of database", []string{"MUSTER_DATABASE_URL=postgres://x"}, nil, "MUSTER_DATABASE_URL"},
		{"missing directory", []string{"MUSTER_DATABASE_URL=sqlite:" + filepath.Join(dir, "no", "m.db")}, nil, "MUSTER_DATABASE_URL"},
		{"file that is no database", []string{"MUSTER_DATABASE_URL=sqlite:" + unreadable}, nil, "MUSTER_DATABASE_URL"},
		{"spool without SQLite", []string{"MUSTER_DATABASE_URL=mysql:u:p@tcp(127.0.0.1:1)/m"}, nil, "MUSTER_BUS_URL"},
		{"broker without a host", []string{"MUSTER_BUS_URL=amqp://"}, nil, "MUSTER_BUS_URL"},
		{"two servers for a majority", []string{"MUSTER_LEASE_URLS=redis://a,redis://b"}, nil, "MUSTER_LEASE_URLS"},
		{"no service id for the public game", nil, []string{"all"}, "MUSTER_GAME_SERVICE_ID"},
		{"no service id, and a check", nil, []string{"config", "check"}, "MUSTER_GAME_SERVICE_ID"},
		{"one role on a bus inside the process", nil, []string{"notifier"}, "MUSTER_BUS_URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			env := append([]string{"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0"}, tt.env...)
			if !strings.Contains(tt.name, "service id") {
				env = append(env, "MUSTER_GAME_SERVICE_ID=test")
			}
			code, stdout, stderr := call(t, env, tt.args...)
			if code != exitSetting {
				t.Errorf("exit status %d, want %d", code, exitSetting)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("says %q, want one line that names %s", stderr, tt.want)
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("shows the password: %s", stderr)
			}
			if stdout != "" {
				t.Errorf("prints %q", stdout)
			}
			t.Log(strings.TrimSpace(stderr))
		})
	}
}

// refused returns an address on loopback that nobody listens on.
func refused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestConfigCheckShowsEverySettingAndNoSecret(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := call(t, []string{"MUSTER_DISCORD_TOKEN=very.secret.token", "MUSTER_LOG_LEVEL=debug", "MUSTER_GAME_SERVICE_ID=verysecretid"},
		"config", "check", "--alerts-lifetime=2m")
	if code != exitOK {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	for _, want := range []string{"MUSTER_LOG_LEVEL", "--alerts-lifetime", "2m", "(set)", "database.url", "the settings are right"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "secret") {
		t.Errorf("shows the token:\n%s", stdout)
	}
	if _, err := os.Stat("muster.db"); err == nil {
		t.Error("config check made a database")
	}
}

func TestMigrateMakesADatabaseAndMayRunTwice(t *testing.T) {
	t.Chdir(t.TempDir())
	for range 2 {
		if code, stdout, stderr := call(t, nil, "migrate"); code != exitOK || !strings.Contains(stdout, "up to date") {
			t.Fatalf("exit status %d, says %q %q", code, stdout, stderr)
		}
	}
}

func TestMigrateNeedsTheDatabaseAndNothingElse(t *testing.T) {
	t.Chdir(t.TempDir())
	database := "MUSTER_DATABASE_URL=" + storagetest.NewMySQL(t)
	for name, env := range map[string][]string{
		"no bus":              nil,
		"a bus without sense": {"MUSTER_BUS_URL=carrier-pigeon:"},
		"half a majority":     {"MUSTER_LEASE_URLS=redis://a,redis://b"},
	} {
		if code, stdout, stderr := call(t, append(env, database), "migrate"); code != exitOK || !strings.Contains(stdout, "up to date") {
			t.Errorf("%s: exit status %d, says %q %q", name, code, stdout, stderr)
		}
	}
	code, _, stderr := call(t, []string{"MUSTER_DATABASE_URL=mysql:nowhere"}, "migrate")
	if code != exitSetting || !strings.HasPrefix(stderr, "muster: MUSTER_DATABASE_URL") {
		t.Errorf("a database that is none: exit status %d, says %q", code, stderr)
	}
}

func TestVersionAndHelpAnswer(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--help"}, {"demo", "--help"}} {
		if code, stdout, stderr := call(t, nil, args...); code != exitOK || !strings.Contains(stdout, "muster") {
			t.Errorf("%v: exit status %d, says %q %q", args, code, stdout, stderr)
		}
	}
}
