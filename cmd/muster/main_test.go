package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"
)

// asProcess makes the test binary behave as muster, so that tests can start,
// signal and kill real processes.
const asProcess = "MUSTER_TEST_AS_PROCESS"

func TestMain(m *testing.M) {
	switch os.Getenv(asProcess) {
	case "muster":
		main()
	case "stuck":
		stuck()
	}
	os.Exit(m.Run())
}

// stuck drains for ever after the first signal.
func stuck() {
	ctx, stop := signalContext(context.Background())
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("draining")
	select {}
}

// output collects what a program prints and lets a test wait for a part of it.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// find waits until the output matches re and returns the first group, or the
// whole match.
func (o *output) find(t testing.TB, re string) string {
	t.Helper()
	pattern := regexp.MustCompile(re)
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		match, changed := pattern.FindStringSubmatch(o.text.String()), o.changed
		o.mu.Unlock()
		if match != nil {
			return match[len(match)-1]
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no %q in the output:\n%s", re, o.String())
		}
	}
}

// A proc is a muster in a process of its own.
type proc struct {
	cmd      *exec.Cmd
	out, err *output
	done     chan error
}

// start runs the test binary as muster, or in another mode, with the variables.
// The process is killed when the test ends.
func start(t testing.TB, mode string, env []string, args ...string) *proc {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &proc{cmd: exec.Command(exe, args...), out: newOutput(), err: newOutput(), done: make(chan error, 1)}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{asProcess + "=" + mode, "PATH=" + os.Getenv("PATH"), "HOME=" + p.cmd.Dir,
		"TMPDIR=" + p.cmd.Dir, "GORACE=" + os.Getenv("GORACE")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		select {
		case err := <-p.done:
			t.Logf("the process ended: %v", err)
		case <-time.After(patience):
			t.Error("the process does not end")
		}
	})
	return p
}

// wait returns the error of the process's end, and keeps it for the cleanup.
func (p *proc) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(patience):
		t.Fatalf("the process does not end; it said:\n%s", p.err)
		return nil
	}
}

// inProcess runs the command line in this process until the test ends, or stop
// is called, which returns the exit status.
type inProcess struct {
	out, err *output
	stop     func() int
}

func runHere(t testing.TB, env []string, args ...string) *inProcess {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &inProcess{out: newOutput(), err: newOutput()}
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, env, r.out, r.err) }()
	var once sync.Once
	code := -1
	r.stop = func() int {
		once.Do(func() {
			cancel()
			select {
			case code = <-done:
			case <-time.After(patience):
				t.Errorf("it does not stop; it said:\n%s", r.err)
			}
		})
		return code
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("it said:\n%s", tail(r.err.String(), 6000))
		}
	})
	return r
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// call runs a command that ends by itself and returns status and output.
func call(t testing.TB, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, err := newOutput(), newOutput()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code = run(ctx, args, env, out, err)
	return code, out.String(), err.String()
}
