package main

import (
	"strings"
	"syscall"
	"testing"

	"muster/internal/testservers"
	"muster/storage/storagetest"
)

func TestARoleThatWaitsForItsDatabaseSaysSoAndStopsWhenTold(t *testing.T) {
	addr := "127.0.0.1:" + itoa(int64(testservers.Port(t)))
	m := start(t, "muster", []string{"MUSTER_DATABASE_URL=mysql:muster:secret@tcp(" + addr + ")/muster",
		"MUSTER_BUS_URL=amqp://" + addr, "MUSTER_GAME_SERVICE_ID=example", "MUSTER_ADMIN_ADDR=127.0.0.1:0"}, "dispatcher")
	m.err.find(t, "the database does not answer, trying again")
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := m.wait(t); err != nil {
		t.Errorf("it ends with %v", err)
	}
	said := m.err.String()
	if strings.Count(said, "does not answer") != 1 || !strings.Contains(said, "stopped before anything ran") {
		t.Errorf("it said:\n%s\nwant that the database does not answer, and that it stopped for that", said)
	}
}

func TestARefusedAccountEndsARoleAtOnce(t *testing.T) {
	host := storagetest.NewMySQL(t)
	host = host[strings.LastIndex(host, "@"):]
	env := []string{"MUSTER_DATABASE_URL=mysql:nobody:hunter2" + host, "MUSTER_BUS_URL=amqp://127.0.0.1:1",
		"MUSTER_GAME_SERVICE_ID=example", "MUSTER_ADMIN_ADDR=127.0.0.1:0"}
	code, _, stderr := call(t, env, "dispatcher")
	if code != exitSetting || !strings.HasPrefix(stderr, "muster: MUSTER_DATABASE_URL: ") ||
		!strings.Contains(stderr, "the database refuses") || strings.Contains(stderr, "hunter2") {
		t.Errorf("status %d and %q, want %d and that the database refuses", code, stderr, exitSetting)
	}
	if strings.Contains(stderr, "trying again") {
		t.Errorf("it tried again: %q", stderr)
	}
}
