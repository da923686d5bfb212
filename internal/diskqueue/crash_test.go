package diskqueue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// childMode makes the test binary behave as another process that has a queue.
const childMode = "DISKQUEUE_TEST_CHILD"

func child(mode string) {
	q, err := Open(Config{Dir: os.Getenv("DISKQUEUE_TEST_DIR"), MaxBytes: 1 << 30, SegmentBytes: 5000})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; ; i += 10 {
		var records [][]byte
		for _, s := range numbers(i, i+10) {
			records = append(records, []byte(s))
		}
		err := q.Append(records...)
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(i + 10)
	}
	if mode == "limited" {
		limited(q)
	}
	os.Exit(0)
}

// startChild runs the test binary as another process on dir, behind a shell that
// sets limits first.
func startChild(t *testing.T, dir, mode, limits string) (lines *bufio.Scanner, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", limits+` exec "$0"`, exe)
	cmd.Env = append(os.Environ(), childMode+"="+mode, "DISKQUEUE_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	return bufio.NewScanner(out), kill
}

func TestWhatAppendReturnedForSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	lines, kill := startChild(t, dir, "crash", "")
	said := 0
	for lines.Scan() && said < 1000 {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(lines.Text())
		}
		said = n
	}
	if _, err := Open(Config{Dir: dir, MaxBytes: 1}); !errors.Is(err, ErrLocked) {
		t.Errorf("while the other process lives: %v, want ErrLocked", err)
	}
	kill()
	q := mustOpen(t, Config{Dir: dir})
	found := q.Len()
	if found < said {
		t.Errorf("%d records survive of %d that were acknowledged", found, said)
	}
	got, lost := drain(q, 33)
	check(t, "after the kill", got, numbers(0, found))
	if lost > 0 || len(files(t, dir)) > 0 {
		t.Errorf("%d lost, files left: %v", lost, files(t, dir))
	}
	t.Logf("%d acknowledged, %d found", said, found)
}

// limited shows that a full disk takes nothing and spoils nothing: the process may
// not write files beyond a size.
func limited(q *Queue) {
	big := make([]byte, 100_000)
	for range 100 {
		if err := q.Append(big); err == nil {
			fmt.Println("a large record was taken")
		}
	}
	if err := q.Append([]byte("a small one fits a new file")); err != nil {
		fmt.Println(err)
	}
	s := q.Stats()
	fmt.Println("failed", s.FailedAppends, "records", s.Records)
}

func TestADiskThatTakesNoMoreSpoilsNothing(t *testing.T) {
	dir := t.TempDir()
	// 4 KiB a file, and the segments of the child are larger.
	lines, _ := startChild(t, dir, "limited", "ulimit -f 8;")
	said, last := 0, ""
	for lines.Scan() {
		last = lines.Text()
		if n, err := strconv.Atoi(last); err == nil {
			said = n
		} else if strings.Contains(last, "was taken") {
			t.Error(last)
		}
	}
	if want := fmt.Sprintf("failed 101 records %d", said+1); last != want {
		t.Errorf("the process ends with %q, want %q", last, want)
	}
	q := mustOpen(t, Config{Dir: dir})
	if n := len(files(t, dir)); n != 2 {
		t.Errorf("%d files, want two: that which became full and that of the small record", n)
	}
	got, _ := drain(q, 100)
	check(t, "afterwards", got, append(numbers(0, said), "a small one fits a new file"))
}

func TestADirectoryThatVanishesIsMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q := mustOpen(t, Config{Dir: dir})
	mustAppend(t, q, "this goes with the directory")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir, nil) // no directory can be made where a file is
	for range 3 {
		if err := q.Append([]byte("x")); err == nil {
			t.Fatal("a record was taken without a directory")
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, q, "this is in the new one")
	if _, err := Open(Config{Dir: dir, MaxBytes: 1}); !errors.Is(err, ErrLocked) {
		t.Errorf("the new directory is not locked: %v", err)
	}
	got, lost := drain(q, 10)
	check(t, "what is left", got, []string{"this is in the new one"})
	if s := q.Stats(); lost != 1 || s.LostRecords != 1 || s.FailedAppends != 3 {
		t.Errorf("%d lost, %+v", lost, s)
	}
}
