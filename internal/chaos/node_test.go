package chaos

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/cutproxy"
	"muster/internal/testservers"
)

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// A node is one role in a process of its own, with ways of its own to all it
// needs, each of which can be cut.
type node struct {
	*testservers.Server
	name, role string
	env        []string // settings
	log        *logbook
	// ways are the proxies before broker, db, redis1 to redis3, game, discord, and
	// before the node itself, as far as it has them.
	ways  map[string]*cutproxy.Proxy
	clock string // the file by which its clock is stepped
	// away says that the node is being harmed, so that it does not count as a leader.
	away bool
}

// newNode returns a node that is not started yet.
func newNode(t *testing.T, binary, name, role string, env []string) *node {
	t.Helper()
	n := &node{name: name, role: role, env: env, log: newLogbook(), ways: map[string]*cutproxy.Proxy{}}
	home := t.TempDir()
	n.Server = testservers.New(t, name, func() *exec.Cmd {
		cmd := exec.Command(binary, role)
		cmd.Dir, cmd.Stderr = home, n.log
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home,
			"MUSTER_ADMIN_ADDR=" + n.Addr()}, env...)
		return cmd
	}, n.ready)
	return n
}

// ready asks the node whether it can do its job.
func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Addr()+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var text bytes.Buffer
		_, _ = text.ReadFrom(res.Body) // as far as it goes
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(text.String()))
	}
	return nil
}

// set does the same to all ways that lead from and to the node.
func (n *node) set(m cutproxy.Mode) {
	for _, p := range n.ways {
		p.Set(m)
	}
}

// A logbook is what a node said, with the time at which it came.
type logbook struct {
	mu      sync.Mutex
	rest    []byte // of a line that is not whole yet
	lines   []logged
	changed chan struct{}
}

type logged struct {
	at   time.Time
	text string
}

func newLogbook() *logbook { return &logbook{changed: make(chan struct{})} }

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte{'\n'})
		if !whole {
			break
		}
		l.lines = append(l.lines, logged{time.Now(), string(line)})
		l.rest = rest
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

// since returns the lines from a moment on.
func (l *logbook) since(from time.Time) (lines []logged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if !line.at.Before(from) {
			lines = append(lines, line)
		}
	}
	return lines
}

// find waits until a line from a moment on matches.
func (l *logbook) find(t testing.TB, from time.Time, re string) logged {
	t.Helper()
	pattern := regexp.MustCompile(re)
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		for _, line := range l.since(from) {
			if pattern.MatchString(line.text) {
				return line
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no %q in the log", re)
		}
	}
}
