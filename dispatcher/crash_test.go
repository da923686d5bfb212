package dispatcher

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/bus"
	"muster/event"
	"muster/storage"
)

// crashEnv makes the test binary a victim that works on the file it names.
const crashEnv = "MUSTER_TEST_DISPATCHER"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		if err := victim(path, os.Getenv(crashEnv+"_FIRST")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim publishes kills numbered from first on, with a dispatcher at work, until
// it is killed. It says "N" once kill N is published.
func victim(path, first string) error {
	ctx := context.Background()
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return err
	}
	store, err := storage.Open(ctx, "sqlite:"+path, storage.Options{})
	if err != nil {
		return err
	}
	spool, err := bus.OpenSpool(ctx, store.SpoolDB(), bus.SpoolConfig{Topology: topology(), Shared: true})
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- New(Config{Bus: spool, Store: store}).Run(ctx) }()
	for ; ; n++ {
		body := event.EncodeSighting([]byte(death(alice, bob, crashStart+n)), time.Now(), 0)
		if err := spool.Publish(ctx, event.TopicEvents, bus.Message{Body: body}); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

const crashStart = 1_700_000_000

func TestEveryPublishedEventIsStoredOnceThoughTheProcessIsKilled(t *testing.T) {
	p := newPlant(t) // makes the tables
	p.close()
	published := map[int64]bool{}
	next := int64(0)
	for range 5 {
		for _, line := range killVictim(t, p.path, next, 100+rand.IntN(700)) {
			n, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			published[n] = true
			next = max(next, n+1)
		}
	}
	p.open()
	p.dispatch(p.store)
	p.settle()
	rows, err := p.store.SpoolDB().Query(`SELECT at FROM event_kill`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() // Err below says what matters
	stored := map[int64]int{}
	for rows.Next() {
		var at int64
		if err := rows.Scan(&at); err != nil {
			t.Fatal(err)
		}
		stored[at-crashStart]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(published) < 100 {
		t.Fatalf("only %d published: the test would prove nothing", len(published))
	}
	for n := range published {
		if stored[n] != 1 {
			t.Errorf("kill %d was published and is stored %d times", n, stored[n])
		}
	}
}

// killVictim kills a victim after so many lines and returns all complete ones.
func killVictim(t *testing.T, path string, first int64, lines int) (said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashEnv+"="+path, fmt.Sprintf("%s_FIRST=%d", crashEnv, first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if said = append(said, strings.TrimSpace(line)); len(said) == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(said) < lines {
		t.Fatalf("the victim ended by itself after %d lines", len(said))
	}
	return said
}
