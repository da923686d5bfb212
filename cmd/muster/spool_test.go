package main

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/event"
	"muster/internal/cutproxy"
	"muster/internal/diskqueue"
	"muster/sim/game"
	"muster/storage/storagetest"
)

func TestTwoProcessesDoNotShareASpool(t *testing.T) {
	dir := t.TempDir()
	q, err := diskqueue.Open(diskqueue.Config{Dir: filepath.Join(dir, "ps2"), MaxBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	world := startGame(t, nil)
	env := settings("sqlite:"+filepath.Join(t.TempDir(), "muster.db"), world, "MUSTER_LISTENER_SPOOL_DIR="+dir)
	code, _, stderr := call(t, env, "all")
	if code != exitSetting || !strings.Contains(stderr, "MUSTER_LISTENER_SPOOL_DIR") || !strings.Contains(stderr, "in use by another process") {
		t.Errorf("status %d, %s", code, stderr)
	}
}

func TestASpoolThatNobodyAskedForAndThatCannotBeMadeIsDoneWithout(t *testing.T) {
	database := filepath.Join(t.TempDir(), "muster.db")
	if err := os.WriteFile(database+".listener", nil, 0o600); err != nil { // no directory can be made here
		t.Fatal(err)
	}
	world := startGame(t, nil)
	m := runHere(t, settings("sqlite:"+database, world), "all")
	m.err.find(t, "wait in memory only: name a directory in MUSTER_LISTENER_SPOOL_DIR")
	page(t, m.err)
	if code, _, stderr := call(t, settings("sqlite:"+database, world, "MUSTER_LISTENER_SPOOL_DIR="+database+".listener"), "all"); code != exitSetting {
		t.Errorf("one that was asked for: status %d, %s", code, stderr)
	}
}

// valueOf returns what a variable is set to.
func valueOf(t *testing.T, environ []string, name string) string {
	t.Helper()
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	t.Fatalf("%s is not set", name)
	return ""
}

// metric reads one value from the metrics of a process, 0 if it is not there.
func metric(t *testing.T, admin, name string) float64 {
	t.Helper()
	for line := range strings.Lines(get(t, admin+"/metrics")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// storedInMySQL returns how often each event's key is in a MySQL database.
func storedInMySQL(t *testing.T, db *sql.DB) map[event.Key]int {
	t.Helper()
	keys := map[event.Key]int{}
	for _, table := range columns[string](t, db, `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'event\_%'`) {
		for _, k := range columns[[]byte](t, db, "SELECT k FROM "+table) {
			keys[event.Key(k)]++
		}
	}
	return keys
}

func TestAListenerKilledWhileTheBrokerIsAwayHasItsEventsPublishedByTheNext(t *testing.T) {
	env := servers(t)
	world := startGame(t, func(c *game.Config) { c.EventsPerSecond = 100 })
	env = append(env, settings("", world)[1:]...)
	dispatcher := start(t, "muster", env, "dispatcher")
	dispatcher.err.find(t, "muster runs")
	broker := valueOf(t, env, "MUSTER_BUS_URL")
	at, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	proxy := cutproxy.New(t, "tcp", at.Host)
	behind := append(env, "MUSTER_BUS_URL="+proxy.URL(broker), "MUSTER_LISTENER_SPOOL_DIR="+t.TempDir())
	first := start(t, "muster", behind, "listener")
	admin := first.err.find(t, `muster runs.* admin=(\S+)`)
	first.err.find(t, "state=reconciling")
	began := time.Now()
	spooled := func() float64 {
		return metric(t, admin, `muster_listener_spooled_messages{environment="ps2"}`)
	}

	proxy.Set(cutproxy.Swallow) // a broker that is gone without a word
	first.err.find(t, "the bus does not take events")
	until(t, "500 messages are on disk", func() bool { return spooled() >= 500 })
	world.Pause()
	logins := func() float64 {
		return metric(t, admin, `muster_listener_events_total{environment="ps2",kind="PlayerLogin"}`)
	}
	before := logins()
	last := comesOn(t, world, person(t, world, "Kestrel"))
	until(t, "the last login is read", func() bool { return logins() > before })
	n := spooled()
	until(t, "it is on disk", func() bool { return spooled() > n })
	if answer := answerOf(t, admin+"/readyz"); !strings.HasPrefix(answer, "503") || !strings.Contains(answer, "does not take events") {
		t.Errorf("a listener that cannot publish says %s", answer)
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.wait(t)
	proxy.Set(cutproxy.Pass)
	second := start(t, "muster", behind, "listener")
	second.err.find(t, "events of an earlier run wait in the spool")

	db := storagetest.Raw(t, valueOf(t, env, "MUSTER_DATABASE_URL"))
	var stored map[event.Key]int
	missing := func() (n int) {
		stored = storedInMySQL(t, db)
		for key, e := range happened(t, world) {
			if stored[key] == 0 && e.ReceivedAt.After(began) {
				n++
			}
		}
		return n
	}
	until(t, "all that the first had read is stored", func() bool { return missing() == 0 })
	for key, n := range stored {
		if n != 1 {
			t.Errorf("%s is stored %d times", key, n)
		}
	}
	t.Logf("%d events stored, the last is the login of %s", len(stored), last.Name)
}
