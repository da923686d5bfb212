package redis_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/lease"
	"muster/lease/redis"
	"muster/storage"
)

// TestMain turns this program into one of the processes of a test.
func TestMain(m *testing.M) {
	if job := os.Getenv("LEASE_TEST_CHILD"); job != "" {
		if err := child(job); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A job is what a child does: lead whenever it can, and say of each act when it
// was.
type job struct {
	URLs             []string
	Prefix, Database string
}

// child works until SIGTERM, or the end of the parent, which ends its input.
func child(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}()
	if err := leadAgainAndAgain(ctx, j); ctx.Err() == nil {
		return err
	}
	return nil // told to stop, be it before it had begun
}

func leadAgainAndAgain(ctx context.Context, j job) error {
	store, err := storage.Open(ctx, j.Database, storage.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	l, err := redis.Open(ctx, redis.Config{URLs: j.URLs, Prefix: j.Prefix, Terms: store})
	if err != nil {
		return err
	}
	for {
		held, err := l.Acquire(ctx, "x")
		if err != nil {
			return l.Close()
		}
		actAndTell(ctx, held)
		held.Release()
	}
}

// actAndTell looks at the lease and nothing else between two acts.
func actAndTell(ctx context.Context, l lease.Lease) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		from := time.Now()
		if !lease.Held(l) {
			return
		}
		fmt.Println(l.Term(), from.UnixNano(), time.Now().UnixNano())
		<-tick.C
	}
}

// A process is a child of this one.
type process struct {
	name string
	cmd  *exec.Cmd
	read chan struct{} // closed when all it said was read
	once sync.Once
}

// A fleet starts processes that want the same lease, and records what they do.
type fleet struct {
	job     string
	history *history
	started int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	j := job{URLs: urls(addrs(t)...), Prefix: prefix(t), Database: "sqlite:" + filepath.Join(t.TempDir(), "db")}
	store, err := storage.Open(t.Context(), j.Database, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return &fleet{job: string(text), history: newHistory()}
}

func (f *fleet) start(t *testing.T) *process {
	t.Helper()
	f.started++
	p := &process{name: fmt.Sprintf("process %d", f.started), cmd: exec.Command(os.Args[0]), read: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "LEASE_TEST_CHILD="+f.job)
	p.cmd.Stderr = os.Stderr
	// Our end of its input is closed when we end, however we do.
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var term, from, to int64
			if _, err := fmt.Sscan(lines.Text(), &term, &from, &to); err != nil {
				return // the last line of one that was killed
			}
			f.history.add(t, p.name, act{term, time.Unix(0, from), time.Unix(0, to)})
		}
	}()
	t.Cleanup(func() { p.end(t, syscall.SIGKILL) })
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Errorf("signal %v to %s: %v", s, p.name, err)
	}
}

// end signals once and waits for the end. One that had not begun yet ends by the
// signal itself.
func (p *process) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	p.once.Do(func() {
		p.signal(t, s)
		<-p.read
		err := p.cmd.Wait()
		by, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if err != nil && !(by.Signaled() && by.Signal() == s) {
			t.Errorf("%s: %v", p.name, err)
		}
	})
}

// leaderOf returns the process that is named.
func leaderOf(s span, all ...*process) (leader *process, rest []*process) {
	for _, p := range all {
		if p.name == s.who {
			leader = p
		} else {
			rest = append(rest, p)
		}
	}
	return leader, rest
}

func TestAnotherProcessTakesOver(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(*testing.T, *process)
	}{
		{"from one that is killed", func(t *testing.T, p *process) { p.end(t, syscall.SIGKILL) }},
		{"from one that is told to end", func(t *testing.T, p *process) { p.end(t, syscall.SIGTERM) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			var took []time.Duration
			all := []*process{f.start(t), f.start(t)}
			s := f.history.after(t, 0)
			for range 4 {
				leader, rest := leaderOf(s, all...)
				all = append(rest, f.start(t))
				quietFor(t, rand.N(time.Second), nil) // somewhere between two renewals
				began := time.Now()
				test.end(t, leader)
				s = f.history.after(t, s.first.term)
				took = append(took, s.first.to.Sub(began).Round(time.Millisecond))
			}
			t.Logf("taken over after %v", took)
			f.history.check(t)
		})
	}
}

func TestAProcessThatWasStoppedDoesNotBelieveThatItLeads(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	all := []*process{f.start(t), f.start(t)}
	s := f.history.after(t, 0)
	for range 3 {
		leader, _ := leaderOf(s, all...)
		began := time.Now()
		leader.signal(t, syscall.SIGSTOP)
		next := f.history.after(t, s.first.term)
		t.Logf("taken over after %v", next.first.to.Sub(began).Round(time.Millisecond))
		leader.signal(t, syscall.SIGCONT)
		// What it had to say comes first once it leads again, in the next round.
		s = next
	}
	for _, p := range all {
		p.end(t, syscall.SIGTERM)
	}
	f.history.check(t)
}

// victim returns which to hit: mostly the leader.
func (f *fleet) victim(all []*process) int {
	s, known := f.history.newest()
	for i, p := range all {
		if known && p.name == s.who && rand.IntN(4) > 0 {
			return i
		}
	}
	return rand.IntN(len(all))
}

// For a while something happens to somebody all the time.
func TestProcessesNeverLeadTogether(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var all []*process
	for range 4 {
		all = append(all, f.start(t))
	}
	limit := time.After(15 * time.Second)
	for over := false; !over; {
		select {
		case <-limit:
			over = true
		case <-time.After(200*time.Millisecond + rand.N(time.Second)):
			i := f.victim(all)
			switch rand.IntN(3) {
			case 0:
				all[i].end(t, syscall.SIGKILL)
				all[i] = f.start(t)
			case 1:
				all[i].end(t, syscall.SIGTERM)
				all[i] = f.start(t)
			case 2:
				p := all[i]
				p.signal(t, syscall.SIGSTOP)
				quietFor(t, rand.N(2*ttl), nil)
				p.signal(t, syscall.SIGCONT)
			}
		}
	}
	for _, p := range all {
		p.end(t, syscall.SIGTERM)
	}
	f.history.check(t)
}
