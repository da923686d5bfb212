package main

import (
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSIGTERMDrainsInFlowOrderAndExitsZero(t *testing.T) {
	sim := start(t, "muster", nil, "sim", "game", "--addr=127.0.0.1:0", "--events=200")
	env := []string{"MUSTER_GAME_STREAM_URL=" + sim.out.find(t, `MUSTER_GAME_STREAM_URL=(\S+)`),
		"MUSTER_GAME_QUERY_URL=" + sim.out.find(t, `MUSTER_GAME_QUERY_URL=(\S+)`),
		"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0", "MUSTER_LOG_LEVEL=debug"}
	m := start(t, "muster", env, "all")
	feed := follow(t, m.err.find(t, `muster runs.* page=(\S+)`), "")
	feed.wait(t, 50)
	begin := time.Now()
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := m.wait(t); err != nil {
		t.Errorf("it ends with %v:\n%s", err, tail(m.err.String(), 3000))
	}
	t.Logf("drained in %s", time.Since(begin)) // the limit itself is supervise's, tested with it
	at := -1
	for _, role := range []string{"listener", "roster", "dispatcher", "notifier", "admin"} {
		i := strings.Index(m.err.String(), "msg=stopped role="+role)
		if i < at {
			t.Errorf("%s stopped too early, or not at all:\n%s", role, tail(m.err.String(), 3000))
		}
		at = i
	}
}

func TestASecondSignalEndsADrainAtOnce(t *testing.T) {
	p := start(t, "stuck", nil)
	p.out.find(t, "ready")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.out.find(t, "draining")
	// The first signal gives the second its usual meaning back; that happens
	// beside the drain, so the second may have to be sent again.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		select {
		case err := <-p.done:
			p.done <- err
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v, want by the signal", err)
			}
			return
		case <-tick.C:
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
		case <-deadline:
			t.Fatal("the second signal does nothing")
		}
	}
}
