package bus_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"muster/bus"
	"muster/bus/bustest"
)

// crashEnv makes the test binary a victim that works on the file it names.
const crashEnv = "MUSTER_TEST_SPOOL"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		victim(path, os.Getenv(crashEnv+"_FIRST"))
		return
	}
	os.Exit(m.Run())
}

// victim publishes numbers from first on and consumes at the same time, until it
// is killed. It says "p N" once N is published, and "c N" before the batch with N
// may be settled.
func victim(path, first string) {
	ctx := context.Background()
	db, err := openDB(path)
	if err != nil {
		panic(err)
	}
	s, err := bus.OpenSpool(ctx, db, bus.SpoolConfig{Topology: bustest.Topology()})
	if err != nil {
		panic(err)
	}
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		panic(err)
	}
	var next atomic.Int64
	next.Store(start)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if err := s.Publish(ctx, bustest.Solo, msg(n)); err != nil {
					panic(err)
				}
				fmt.Printf("p %d\n", n)
			}
		})
	}
	wg.Go(func() {
		_ = s.Consume(ctx, bustest.Only, func(_ context.Context, b bus.Batch) error { // ends with the process
			var out strings.Builder
			for _, d := range b.Deliveries {
				fmt.Fprintf(&out, "c %s\n", d.Body)
			}
			_, err := os.Stdout.WriteString(out.String())
			return err
		})
	})
	wg.Wait()
}

func TestNothingPublishedIsLostWhenTheProcessIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	published, consumed := map[int]bool{}, map[int]bool{}
	highest := 0
	for range 8 {
		for _, line := range kill(t, path, highest, 200+rand.IntN(2000)) {
			n, err := strconv.Atoi(line[2:])
			if err != nil {
				continue // cut by the kill
			}
			if line[0] == 'p' {
				published[n] = true
			} else {
				consumed[n] = true
			}
			highest = max(highest, n)
		}
		highest += 100 // some may have been taken without our having read of it
	}
	s := mustSpool(t, mustDB(t, path), bus.SpoolConfig{})
	for _, id := range drain(t, s) {
		n, err := strconv.Atoi(strings.TrimPrefix(id, "m-"))
		if err != nil {
			t.Fatal(err)
		}
		consumed[n] = true
	}
	if len(published) < 100 {
		t.Fatalf("only %d messages published: the test would prove nothing", len(published))
	}
	for n := range published {
		if !consumed[n] {
			t.Errorf("message %d was published and never came", n)
		}
	}
	t.Logf("%d published", len(published))
}

// kill runs a victim, kills it after it has said so many lines, and returns all
// complete lines it said.
func kill(t *testing.T, path string, first, lines int) []string {
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
	var said []string
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		said = append(said, strings.TrimSuffix(line, "\n"))
		if len(said) == lines {
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
