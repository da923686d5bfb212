package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// build compiles the binary as it ships: without the race detector and without
// the test's own code.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "muster")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func startBinary(b *testing.B, env []string, args ...string) *proc {
	b.Helper()
	path, err := build()
	if err != nil {
		b.Fatal(err)
	}
	p := &proc{cmd: exec.Command(path, args...), out: newOutput(), err: newOutput(), done: make(chan error, 1)}
	p.cmd.Dir = b.TempDir()
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.cmd.Dir, "TMPDIR=" + p.cmd.Dir}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	b.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.wait(b)
	})
	return p
}

// BenchmarkFrameToFeed measures from the arrival of a frame at the listener's
// socket to the event's arrival at a reader over SSE, everything stored on the
// way, at 200 events/s; game, muster and reader are three processes. The baseline
// is a bare relay, from WebSocket to SSE, that decodes and stores nothing.
func BenchmarkFrameToFeed(b *testing.B) {
	// 270 over all platforms are about 200 on the one that is followed.
	sim := startBinary(b, nil, "sim", "game", "--addr=127.0.0.1:0", "--events=270")
	stream := sim.out.find(b, `MUSTER_GAME_STREAM_URL=(\S+)`)
	query := sim.out.find(b, `MUSTER_GAME_QUERY_URL=(\S+)`)
	relayed := map[string]float64{}
	b.Run("bare relay", func(b *testing.B) {
		report(b, follow(b, relay(b, stream), ""), relayed, nil)
	})
	b.Run("muster", func(b *testing.B) {
		m := startBinary(b, []string{"MUSTER_GAME_STREAM_URL=" + stream, "MUSTER_GAME_QUERY_URL=" + query,
			"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0"}, "all")
		feed := follow(b, m.err.find(b, `muster runs.* page=(\S+)`), "")
		feed.wait(b, 1000) // names and tables have been read
		report(b, feed, nil, relayed)
	})
}

// report waits for b.N more events and reports their percentiles.
func report(b *testing.B, feed *reader, keep, against map[string]float64) {
	b.Helper()
	feed.mu.Lock()
	from := len(feed.items)
	feed.mu.Unlock()
	b.ResetTimer()
	items := feed.wait(b, from+b.N)[from : from+b.N]
	b.StopTimer()
	took := make([]time.Duration, len(items))
	for i := range items {
		took[i] = items[i].took
	}
	percentiles(b, took, keep, against)
}

// percentiles reports p50 and p99, and their ratios to those of another.
func percentiles(b *testing.B, took []time.Duration, keep, against map[string]float64) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
	for _, p := range []int{50, 99} {
		name := "p" + strconv.Itoa(p)
		v := float64(took[(len(took)-1)*p/100].Microseconds()) / 1000
		b.ReportMetric(v, name+"-ms")
		if keep != nil {
			keep[name] = v
		}
		if against[name] > 0 {
			b.ReportMetric(v/against[name], name+"/baseline")
		}
	}
}

// relay is the least that can be done: each frame goes out as it came, with the
// time of its arrival.
func relay(b *testing.B, stream string) string {
	b.Helper()
	conn, res, err := websocket.DefaultDialer.Dial(stream+"?environment=ps2&service-id=s:bench", nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = res.Body.Close()
	b.Cleanup(func() { _ = conn.Close() })
	subscribe := `{"service":"event","action":"subscribe","worlds":["all"],"characters":["all"],"eventNames":["all"]}`
	if err := conn.WriteMessage(websocket.TextMessage, []byte(subscribe)); err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "event: hello\ndata: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		for n := 0; r.Context().Err() == nil; n++ {
			_, frame, err := conn.ReadMessage()
			at := time.Now()
			if err != nil {
				return
			}
			if bytes.Contains(frame, []byte("event_name")) {
				fmt.Fprintf(w, "id: %d\nevent: raw\ndata: {\"id\":\"%d\",\"received_at\":%d,\"detail\":%s}\n\n", n, n, at.UnixNano(), frame)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}))
	b.Cleanup(srv.CloseClientConnections)
	return srv.URL
}

// BenchmarkDemo measures how long "muster demo" takes to be ready, and its
// resident memory after 1,000 events. The baseline is the same binary doing
// nothing: "muster version".
func BenchmarkDemo(b *testing.B) {
	path, err := build()
	if err != nil {
		b.Fatal(err)
	}
	var ready, idle time.Duration
	var memory, idleMemory float64
	for b.Loop() {
		begin := time.Now()
		version := exec.Command(path, "version")
		if err := version.Run(); err != nil {
			b.Fatal(err)
		}
		idle += time.Since(begin)
		idleMemory += maxRSS(version)
		begin = time.Now()
		m := startBinary(b, []string{"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0"},
			"demo", "--game=127.0.0.1:0", "--discord=127.0.0.1:0", "--events=100")
		page := m.out.find(b, `page +(http://\S+?)/\n`)
		feed := follow(b, page, "")
		ready += time.Since(begin)
		feed.wait(b, 1000)
		memory += residentMB(b, m.cmd.Process.Pid)
		_ = m.cmd.Process.Kill()
		m.done <- <-m.done
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ready.Seconds()*1000/n, "ready-ms")
	b.ReportMetric(float64(ready)/float64(idle), "ready/version")
	b.ReportMetric(memory/n, "resident-MB")
	b.ReportMetric(memory/idleMemory, "resident/version")
}

// residentMB reads a process's resident memory, in MB.
func residentMB(b testing.TB, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("resident memory is read from /proc, which this system does not have")
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
