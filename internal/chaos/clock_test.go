package chaos

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Go program reads the clock without asking the C library, so that nothing can be
// put between from outside. The program under test is therefore built with a
// standard library whose time.Now adds what a file says, which it maps into its
// memory: a wall clock that this test steps while the program runs, for all of the
// program and its libraries, with the monotonic clock left alone. The program's own
// code is as it is shipped. See docs/adr/0017.
const (
	clockVariable = "MUSTER_CHAOS_CLOCK" // names the file
	clockCall     = "\tsec, nsec, mono := runtimeNow()\n"
	clockStepped  = clockCall + "\tsec += clockStep()\n"
	clockSource   = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var clockStepAt = func() *int64 {
	path, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return nil
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic(err)
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}()

func clockStep() int64 {
	if clockStepAt == nil {
		return 0
	}
	return atomic.LoadInt64(clockStepAt)
}
`
)

// withSteppedClock returns arguments for go build that give programs such a clock.
func withSteppedClock(t *testing.T) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), clockCall); n != 1 {
		t.Fatalf("time.Now of this Go reads the clock in %d places, want 1: see clock_test.go", n)
	}
	dir := t.TempDir()
	in := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(source, "time.go"):      in("time.go", strings.Replace(string(text), clockCall, clockStepped, 1)),
		filepath.Join(source, "clockstep.go"): in("clockstep.go", clockSource),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return []string{"-overlay", in("overlay.json", string(overlay))}
}

// newClock returns the file of a clock that is right.
func newClock(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clock")
	setClock(t, path, 0)
	return path
}

// setClock steps the clock of whoever reads path so that it is off by d, of which
// only whole seconds count.
func setClock(t testing.TB, path string, d time.Duration) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], uint64(int64(d/time.Second)))
	if _, err := f.WriteAt(b[:], 0); err != nil {
		t.Fatal(err)
	}
}

// theClockCanBeStepped shows, before a case counts on it, that a program built with
// extra has the clock that is stepped, and that it is no other clock.
func theClockCanBeStepped(t *testing.T, extra []string) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport (\n\t\"fmt\"\n\t\"time\"\n)\n\nfunc main() {\n"+
		"\tfmt.Scanln()\n\tbegan := time.Now()\n\tfmt.Println(began.Unix())\n\tfmt.Scanln()\n"+
		"\tfmt.Println(time.Now().Unix())\n\tfmt.Println(int64(time.Since(began)))\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	build := append([]string{"build"}, extra...)
	if out, err := exec.Command("go", append(build, "-o", program, source)...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	clock := newClock(t)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), clockVariable+"="+clock)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	read := func() (n int64) {
		if _, err := fmt.Fprintln(in); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscan(out, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := read()
	setClock(t, clock, -time.Hour)
	after := read()
	var took int64
	if _, err := fmt.Fscan(out, &took); err != nil {
		t.Fatal(err)
	}
	if step := after - before; step > -3500 || step < -3600 || took < 0 || took > int64(patience) {
		t.Errorf("the clock went on by %d s and %d ns were counted, want an hour back and few", step, took)
	}
}
