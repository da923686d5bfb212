package testservers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to answer or to end before a test gives
// up. RabbitMQ takes 5 s on an idle machine.
const patience = 2 * time.Minute

// A Server is one server, whether its process runs or not. Its methods fail the
// test they are given when the server does not do as it should. They are for one
// goroutine at a time.
type Server struct {
	name    string
	addr    string // host and port
	dir     string
	prepare func(ctx context.Context) error // before each start; may be nil
	command func() *exec.Cmd
	answers func(ctx context.Context) error // one try; nil once the server serves

	mu      sync.Mutex
	process *process // nil when none runs
}

// New returns a server of any kind that is not started yet. command makes its
// process, which is to listen at the server's Addr or not at all; answers tries
// once whether it serves.
func New(t testing.TB, name string, command func() *exec.Cmd, answers func(ctx context.Context) error) *Server {
	t.Helper()
	s := newServer(t, name)
	s.command, s.answers = command, answers
	return s
}

// newServer returns one without a process, whose end the test's end is.
func newServer(t testing.TB, name string) *Server {
	t.Helper()
	s := &Server{name: name, addr: fmt.Sprintf("127.0.0.1:%d", Port(t)), dir: t.TempDir()}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s at %s said at last:\n%s", s.name, s.addr, s.Log())
		}
		s.end(t)
	})
	return s
}

// Addr returns the server's host and port.
func (s *Server) Addr() string { return s.addr }

// Running reports whether the server has a process, be it paused.
func (s *Server) Running() bool { return s.current() != nil }

// Pid returns the id of the server's process, 0 if it has none. RabbitMQ's is a
// child of that.
func (s *Server) Pid() int {
	if p := s.current(); p != nil {
		return p.cmd.Process.Pid
	}
	return 0
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// Start starts the server's process and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A Startable is a Server of any kind.
type Startable interface{ server() *Server }

// Start starts servers side by side and waits until all answer.
func Start(t testing.TB, servers ...Startable) {
	t.Helper()
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() { errs[i] = s.server().start(t.Context()) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) server() *Server { return s }

func (s *Server) start(ctx context.Context) error {
	if s.Running() {
		return fmt.Errorf("%s runs already", s.name)
	}
	if s.prepare != nil {
		if err := s.prepare(ctx); err != nil {
			return fmt.Errorf("prepare %s: %w", s.name, err)
		}
	}
	p, err := launch(s.command(), s.logFile())
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	return s.await(ctx)
}

// Await waits until the server answers, as it does some time after Resume.
func (s *Server) Await(t testing.TB) {
	t.Helper()
	if err := s.await(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) await(ctx context.Context) error {
	p := s.current()
	if p == nil {
		return fmt.Errorf("%s does not run", s.name)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			s.forget()
			return fmt.Errorf("%s ended by itself; it said:\n%s", s.name, s.Log())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; it said:\n%s", s.name, err, s.Log())
		}
	}
}

// Stop asks the process to end (SIGTERM) and waits until it has.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	s.gone(t)
}

// Kill ends the process at once (SIGKILL) and waits until it is gone. A paused
// one ends too.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGKILL)
	s.gone(t)
}

// Pause stops the process in its tracks (SIGSTOP); its connections stay open.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
}

// Resume lets a paused process go on (SIGCONT). It does not wait until the server
// answers again; see Await.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

// Restart stops the server and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

func (s *Server) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	p := s.current()
	if p == nil {
		t.Fatalf("%s does not run", s.name)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s: signal %v: %v", s.name, sig, err)
	}
}

// gone waits for the process's end.
func (s *Server) gone(t testing.TB) {
	t.Helper()
	select {
	case <-s.current().ended:
		s.forget()
	case <-time.After(patience):
		t.Fatalf("%s does not end; it said:\n%s", s.name, s.Log())
	}
}

func (s *Server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = nil
}

// end kills what is left of the server. Its data is about to be removed.
func (s *Server) end(t testing.TB) {
	p := s.current()
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // may have ended by itself
	select {
	case <-p.ended:
		s.forget()
	case <-time.After(patience):
		t.Errorf("%s does not end", s.name)
	}
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// logTail bounds what Log returns, in bytes.
const logTail = 4 << 10

// Log returns the end of what the server has printed, over all its processes.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	if cut := len(text) - logTail; cut > 0 {
		return "…" + string(text[cut:])
	}
	return string(text)
}

// need skips the test unless the programs are there, and returns where the first
// is.
func need(t testing.TB, what string, programs ...string) string {
	t.Helper()
	var first string
	for i, program := range programs {
		path, err := find(program)
		if err != nil {
			t.Skipf("%s is not installed (no %s): needs a server that can be harmed", what, program)
		}
		if i == 0 {
			first = path
		}
	}
	return first
}

// find looks for a program also where Debian keeps servers, which is not in
// everybody's path.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, program))
	}
	return path, err
}
