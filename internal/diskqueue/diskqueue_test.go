package diskqueue

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		child(mode)
	}
	goleak.VerifyTestMain(m)
}

func mustOpen(t testing.TB, cfg Config) *Queue {
	t.Helper()
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1 << 20
	}
	q, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func mustAppend(t testing.TB, q *Queue, texts ...string) {
	t.Helper()
	var records [][]byte
	for _, s := range texts {
		records = append(records, []byte(s))
	}
	if err := q.Append(records...); err != nil {
		t.Fatal(err)
	}
}

// drain reads and drops everything, n records at a time.
func drain(q *Queue, n int) (all []string, lost int) {
	for {
		records, gone := q.Read(n, 1<<20)
		lost += gone
		if len(records) == 0 && gone == 0 {
			return all, lost
		}
		for _, r := range records {
			all = append(all, string(r))
		}
		_, gone = q.Drop(len(records))
		lost += gone
	}
}

// files returns the names in a queue's directory, without the lock.
func files(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("record %06d", i))
	}
	return all
}

func check(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d records %.200q, want %d %.200q", what, len(got), got, len(want), want)
	}
}

func TestRecordsComeOutAsTheyWentInThroughAnyOpenAndClose(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		cfg := Config{Dir: dir, MaxBytes: 1 << 20, SegmentBytes: int64(rapid.IntRange(1, 200).Draw(rt, "segment"))}
		q := mustOpen(t, cfg)
		var want []string
		next := 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				n := rapid.IntRange(1, 20).Draw(rt, "n")
				more := numbers(next, next+n)
				next += n
				mustAppend(t, q, more...)
				want = append(want, more...)
			},
			"read and drop": func(rt *rapid.T) {
				n := rapid.IntRange(1, 30).Draw(rt, "n")
				records, lost := q.Read(n, rapid.IntRange(1, 500).Draw(rt, "bytes"))
				if lost > 0 || len(records) > n || len(want) > 0 && len(records) == 0 {
					rt.Fatalf("read %d of %d records, %d lost", len(records), len(want), lost)
				}
				for i, r := range records {
					if string(r) != want[i] {
						rt.Fatalf("record %d is %q, want %q", i, r, want[i])
					}
				}
				k := rapid.IntRange(0, len(records)).Draw(rt, "k")
				if dropped, _ := q.Drop(k); dropped != k {
					rt.Fatalf("dropped %d of %d", dropped, k)
				}
				want = want[k:]
			},
			"drop unread": func(rt *rapid.T) {
				n := rapid.IntRange(0, 30).Draw(rt, "n")
				dropped, lost := q.Drop(n)
				if lost > 0 || dropped != min(n, len(want)) {
					rt.Fatalf("dropped %d of %d, with %d there, %d lost", dropped, n, len(want), lost)
				}
				want = want[dropped:]
			},
			"open again": func(rt *rapid.T) {
				if err := q.Close(); err != nil {
					rt.Fatal(err)
				}
				q = mustOpen(t, cfg)
				// What was dropped of a file that holds more comes again.
				again := q.Len() - len(want)
				if again < 0 || again > 0 && len(want) == 0 {
					rt.Fatalf("%d records of %d are there", q.Len(), len(want))
				}
				if dropped, _ := q.Drop(again); dropped != again {
					rt.Fatalf("dropped %d of %d that came again", dropped, again)
				}
			},
			"": func(rt *rapid.T) {
				if q.Len() != len(want) {
					rt.Fatalf("holds %d records, want %d", q.Len(), len(want))
				}
				if len(want) == 0 && len(files(t, dir)) > 0 {
					rt.Fatalf("an empty queue has files: %v", files(t, dir))
				}
			},
		})
		if err := q.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestADirectoryHasOneQueueAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for it")
	q := mustOpen(t, Config{Dir: dir})
	if _, err := Open(Config{Dir: dir, MaxBytes: 1}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second queue: %v, want ErrLocked with the directory", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, Config{Dir: dir})
	if err := q.Append([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed queue: %v", err)
	}
	if err := q.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestAtTheBoundNothingIsTakenUntilSomethingIsDropped(t *testing.T) {
	q := mustOpen(t, Config{Dir: t.TempDir(), MaxBytes: 4000})
	record := strings.Repeat("x", 100-headBytes)
	for range 40 {
		mustAppend(t, q, record)
	}
	if err := q.Append([]byte("x")); !errors.Is(err, ErrFull) {
		t.Fatalf("one byte beyond the bound: %v, want ErrFull", err)
	}
	if s := q.Stats(); s.Bytes != 4000 || s.Records != 40 || s.FailedAppends != 0 {
		t.Errorf("%+v, want 40 records of 100 bytes and no failure", s)
	}
	if dropped, _ := q.Drop(5); dropped != 5 { // a whole segment of 500 bytes
		t.Fatalf("dropped %d", dropped)
	}
	mustAppend(t, q, record)
	if got, _ := drain(q, 7); len(got) != 36 {
		t.Errorf("%d records, want 36", len(got))
	}
}

func TestRecordsOfNoOrTooManyBytesAreRefused(t *testing.T) {
	q := mustOpen(t, Config{Dir: t.TempDir(), MaxBytes: 1 << 30})
	for _, r := range [][]byte{nil, make([]byte, MaxRecord+1)} {
		if err := q.Append([]byte("good"), r); !errors.Is(err, ErrRecord) {
			t.Errorf("%d bytes: %v", len(r), err)
		}
	}
	big := bytes.Repeat([]byte("z"), MaxRecord)
	if err := q.Append(big, big, big, big); !errors.Is(err, ErrRecord) {
		t.Errorf("a batch of %d bytes: %v", 4*MaxRecord, err)
	}
	if err := q.Append(big, big, big); err != nil {
		t.Fatal(err)
	}
	if records, _ := q.Read(10, 1); len(records) != 1 || !bytes.Equal(records[0], big) {
		t.Errorf("%d records, want the first alone whatever its size", len(records))
	}
}

func TestWritersAndReadersDoNotWaitForEachOther(t *testing.T) {
	const n = 2000
	q := mustOpen(t, Config{Dir: t.TempDir(), SegmentBytes: 3000})
	var got []string
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; i < n; i += 10 {
			mustAppend(t, q, numbers(i, i+10)...)
		}
	})
	work.Go(func() {
		for len(got) < n {
			more, lost := drain(q, 7)
			if lost > 0 {
				t.Errorf("%d lost", lost)
				return
			}
			got = append(got, more...)
			_ = q.Stats()
		}
	})
	work.Wait()
	check(t, "after all", got, numbers(0, n))
	if left := files(t, q.cfg.Dir); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// logged returns a log and what is written to it.
func logged() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}
