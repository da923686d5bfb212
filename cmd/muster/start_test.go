package main

import (
	"net/http"
	"strings"
	"testing"

	"muster/internal/testservers"
	"muster/sim/game"
)

// onFreePort returns an address for the operator, and the setting for it.
func onFreePort(t *testing.T) (url, setting string) {
	t.Helper()
	addr := "127.0.0.1:" + itoa(int64(testservers.Port(t)))
	return "http://" + addr, "MUSTER_ADMIN_ADDR=" + addr
}

// says waits until an address answers with a status, and with text in the body.
func says(t *testing.T, url string, status int, text string) {
	t.Helper()
	var got string
	defer func() {
		if t.Failed() {
			t.Logf("the last answer of %s: %s", url, got)
		}
	}()
	until(t, url+" says "+itoa(int64(status))+" and "+text, func() bool {
		res, err := http.Get(url)
		if err != nil {
			got = err.Error()
			return false
		}
		got = res.Status + " " + body(t, res)
		return res.StatusCode == status && strings.Contains(got, text)
	})
}

func TestARoleWaitsForEachThingItStandsOnAndIsReadyWithAllOfThem(t *testing.T) {
	db := testservers.NewMariaDB(t, testservers.MariaDBConfig{})
	broker := testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{})
	redis := testservers.NewRedis(t, testservers.RedisConfig{})
	world := startGame(t, func(c *game.Config) { c.EventsPerSecond = 50 })
	db.Start(t)
	db.Exec(t, "CREATE DATABASE muster")
	db.Stop(t)
	admin, adminAt := onFreePort(t)
	env := append(settings("mysql:"+db.DSN("muster"), world), adminAt, "MUSTER_BUS_URL="+broker.URL(), "MUSTER_LEASE_URLS="+redis.URL())
	m := start(t, "muster", env, "listener")
	says(t, admin+"/readyz", 503, `"database":"waiting for it`)
	says(t, admin+"/healthz", 200, "ok")
	db.Start(t)
	says(t, admin+"/readyz", 503, `"bus":"waiting for it`)
	broker.Start(t)
	says(t, admin+"/readyz", 503, `"lease":"waiting for it`)
	redis.Start(t)
	says(t, admin+"/readyz", 200, `"events of ps2":"ok"`)
	m.err.find(t, "msg=leading")

	for _, s := range []struct {
		name   string
		server *testservers.Server
	}{{"lease", redis.Server}, {"bus", broker.Server}, {"database", db.Server}} {
		s.server.Kill(t)
		says(t, admin+"/readyz", 503, `"`+s.name+`":"`)
		s.server.Start(t)
		says(t, admin+"/readyz", 200, `"`+s.name+`":"ok"`)
	}
}

func TestWhatDoesNotAnswerForLongEnoughEndsWithAStatusOfItsOwn(t *testing.T) {
	shared := servers(t)
	nowhere := "127.0.0.1:" + itoa(int64(testservers.Port(t)))
	for _, c := range []struct{ what, env string }{
		{"MUSTER_DATABASE_URL", "MUSTER_DATABASE_URL=mysql:muster:hunter2@tcp(" + nowhere + ")/muster"},
		{"MUSTER_BUS_URL", "MUSTER_BUS_URL=amqp://muster:hunter2@" + nowhere},
		{"MUSTER_LEASE_URLS", "MUSTER_LEASE_URLS=redis://:hunter2@" + nowhere},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			env := append(append([]string{}, shared...), "MUSTER_START_PATIENCE=1s", "MUSTER_ADMIN_ADDR=127.0.0.1:0", "MUSTER_GAME_SERVICE_ID=example", c.env)
			code, _, stderr := call(t, env, "roster")
			last := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:]
			if code != exitUnreachable || !strings.HasPrefix(last, "muster: "+c.what+": ") || strings.Contains(stderr, "hunter2") {
				t.Errorf("status %d and %q, want %d, the setting, and no password", code, stderr, exitUnreachable)
			}
		})
	}
}

func TestAPageIsReadyWithoutDiscordAndABotIsNot(t *testing.T) {
	world, people := startGame(t, nil), startDiscord(t)
	away := "MUSTER_DISCORD_URL=http://127.0.0.1:" + itoa(int64(testservers.Port(t)))
	token := "MUSTER_DISCORD_TOKEN=token-of-the-test"

	admin, at := onFreePort(t)
	start(t, "muster", append(settings("sqlite:"+t.TempDir()+"/muster.db", world), token, away, at), "all")
	says(t, admin+"/readyz", 200, `"discord":"not connected to Discord"`)

	shared := servers(t)
	admin, at = onFreePort(t)
	start(t, "muster", append(settings("", world, token, away, at)[1:], shared...), "bot")
	says(t, admin+"/readyz", 503, `"discord":"not connected to Discord"`)

	admin, at = onFreePort(t)
	start(t, "muster", append(settings("", world, token, "MUSTER_DISCORD_URL="+people.URL(), at)[1:], shared...), "bot")
	says(t, admin+"/readyz", 200, `"discord":"ok"`)

	admin, at = onFreePort(t)
	start(t, "muster", append(settings("", world, token, "MUSTER_DISCORD_URL="+people.URL(), at)[1:], shared...), "bot")
	says(t, admin+"/readyz", 200, `"discord":"ok: standing by, another bot is connected"`)

	admin, at = onFreePort(t)
	wrong := startDiscord(t)
	start(t, "muster", append(settings("", world, "MUSTER_DISCORD_TOKEN=another-token", "MUSTER_DISCORD_URL="+wrong.URL(), at)[1:], shared...), "bot")
	says(t, admin+"/readyz", 503, `refuses`)
}

func TestWhoHasNoPatienceTriesOnceAndSaysWhatDidNotAnswer(t *testing.T) {
	for role, bus := range map[string]string{"all": "memory:", "dispatcher": "amqp://127.0.0.1:1"} {
		code, stdout, stderr := call(t, []string{"MUSTER_DATABASE_URL=mysql:u:hunter2@tcp(" + refused(t) + ")/m", "MUSTER_BUS_URL=" + bus,
			"MUSTER_START_PATIENCE=0s", "MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0", "MUSTER_GAME_SERVICE_ID=example"}, role)
		if code != exitUnreachable || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "MUSTER_DATABASE_URL") {
			t.Errorf("%s: status %d, prints %q and says %q, want %d and one line that names the setting", role, code, stdout, stderr, exitUnreachable)
		}
		if strings.Contains(stderr, "hunter2") {
			t.Errorf("%s shows the password: %s", role, stderr)
		}
	}
}
