package diskqueue

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// left makes a directory as a killed process leaves it, with the records in
// segments of ten.
func left(t testing.TB, records int) (dir string, segments []string) {
	t.Helper()
	dir = t.TempDir()
	q := mustOpen(t, Config{Dir: dir, SegmentBytes: 1})
	for i := 0; i < records; i += 10 {
		mustAppend(t, q, numbers(i, i+10)...)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(t, dir) {
		segments = append(segments, filepath.Join(dir, name))
	}
	return dir, segments
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustWrite(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestATornEndIsCutOffAndCounted(t *testing.T) {
	dir, segments := left(t, 20)
	last := segments[1]
	whole := mustRead(t, last)
	size := len(whole) / 10
	for cut := 8 * size; cut < len(whole); cut++ {
		for _, filling := range [][]byte{nil, make([]byte, 50), []byte("garbage that a disk has left")} {
			mustWrite(t, last, slices.Concat(whole[:cut], filling))
			log, said := logged()
			q := mustOpen(t, Config{Dir: dir, Log: log})
			good := cut / size
			torn := cut - good*size + len(filling)
			if s := q.Stats(); s.Recovered != 10+good || s.DamagedFiles > 0 || s.TornBytes != int64(torn) {
				t.Fatalf("cut at %d, %d bytes behind: %+v, want %d records and %d bytes torn", cut, len(filling), s, 10+good, torn)
			}
			if n := strings.Count(said.String(), "was cut off"); n != min(1, torn) {
				t.Errorf("said %d times that %d bytes were cut off: %s", n, torn, said)
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			if got := size * good; len(mustRead(t, last)) != got {
				t.Fatalf("the file has %d bytes, want %d", len(mustRead(t, last)), got)
			}
		}
	}
	got, _ := drain(mustOpen(t, Config{Dir: dir}), 100)
	check(t, "what is whole", got, numbers(0, 19))
}

func TestADamagedByteCostsOneRecordAndTheFileIsKept(t *testing.T) {
	dir, segments := left(t, 30)
	middle := segments[1]
	whole := mustRead(t, middle)
	size := len(whole) / 10
	for at := 3 * size; at < 6*size; at++ {
		broken := slices.Clone(whole)
		broken[at] ^= 1 << (at % 8)
		mustWrite(t, middle, broken)
		log, said := logged()
		q := mustOpen(t, Config{Dir: dir, Log: log})
		want := slices.Delete(numbers(0, 30), 10+at/size, 11+at/size)
		if s := q.Stats(); s.Recovered != 29 || s.DamagedFiles != 1 || s.DamagedBytes != int64(size) {
			t.Fatalf("byte %d: %+v", at, s)
		}
		if n := strings.Count(said.String(), middle); n != 1 {
			t.Errorf("the file is named %d times: %s", n, said)
		}
		records, _ := q.Read(100, 1<<20)
		if len(records) != 10 {
			t.Fatalf("%d records of the first file", len(records))
		}
		q.Drop(10)
		records, _ = q.Read(100, 1<<20)
		got := slices.Clone(want[:10])
		for _, r := range records {
			got = append(got, string(r))
		}
		check(t, "with the damaged file", got, want[:19])
		q.Drop(9)
		if !slices.Contains(files(t, dir), filepath.Base(middle)+aside) {
			t.Errorf("byte %d: the damaged file is gone: %v", at, files(t, dir))
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		_ = mustOpen(t, Config{Dir: dir}).Close() // what is set aside is not looked at again
		restore(t, dir, segments, whole)
	}
}

// restore makes the directory as it was: the first segment is gone by now.
func restore(t testing.TB, dir string, segments []string, middle []byte) {
	t.Helper()
	for _, name := range files(t, dir) {
		if strings.HasSuffix(name, aside) {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
	var first []byte
	for _, r := range numbers(0, 10) {
		first = appendRecord(first, []byte(r))
	}
	mustWrite(t, segments[0], first)
	mustWrite(t, segments[1], middle)
}

func TestFilesWithoutAnyRecordBlockNothing(t *testing.T) {
	noise := make([]byte, 5000)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	tests := []struct {
		name string
		file []byte
		kept bool
	}{
		{name: "empty", file: nil},
		{name: "zeros", file: make([]byte, 100_000)},
		{name: "noise", file: noise, kept: true},
		{name: "text", file: bytes.Repeat([]byte("not a record\n"), 1000), kept: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, segments := left(t, 30)
			mustWrite(t, segments[1], tt.file)
			q := mustOpen(t, Config{Dir: dir})
			got, lost := drain(q, 100)
			check(t, "the others", got, slices.Concat(numbers(0, 10), numbers(20, 30)))
			if lost != 0 {
				t.Errorf("%d lost, but nobody knows what there was", lost)
			}
			if kept := len(files(t, dir)) == 1; kept != tt.kept {
				t.Errorf("files left: %v, want it kept: %v", files(t, dir), tt.kept)
			}
			mustAppend(t, q, "more")
			if got, _ := drain(q, 1); len(got) != 1 {
				t.Errorf("afterwards: %q", got)
			}
		})
	}
}

func TestOnlyTheNewestDamagedFilesAreKept(t *testing.T) {
	dir, segments := left(t, 100)
	for _, s := range segments {
		mustWrite(t, s, []byte("this is no record"))
	}
	mustOpen(t, Config{Dir: dir})
	var want []string
	for _, s := range segments[10-keepAside:] {
		want = append(want, filepath.Base(s)+aside)
	}
	check(t, "kept", files(t, dir), want)
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	dir, _ := left(t, 10)
	strange := []string{"0000000000000003.spool2", "1.spool1", "notes.txt", "000000000000000x.spool1"}
	for _, name := range strange {
		mustWrite(t, filepath.Join(dir, name), []byte("what is this"))
	}
	if err := os.Mkdir(filepath.Join(dir, "0000000000000007.spool1"), 0o700); err != nil {
		t.Fatal(err)
	}
	q := mustOpen(t, Config{Dir: dir})
	got, _ := drain(q, 100)
	check(t, "ours", got, numbers(0, 10))
	if left := files(t, dir); len(left) != len(strange)+1 {
		t.Errorf("left are %v", left)
	}
	mustAppend(t, q, "a new file must not take the place of an old one")
}

func TestAFileThatIsDamagedOrRemovedWhileInUseCostsWhatItHeld(t *testing.T) {
	for _, removed := range []bool{false, true} {
		dir := t.TempDir()
		log, said := logged()
		q := mustOpen(t, Config{Dir: dir, SegmentBytes: 1, Log: log})
		for i := range 3 {
			mustAppend(t, q, numbers(10*i, 10*i+10)...)
		}
		path := filepath.Join(dir, files(t, dir)[1])
		want, gone := slices.Concat(numbers(0, 10), numbers(20, 30)), 10
		if removed {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			b := mustRead(t, path)
			b[5] ^= 0xff
			mustWrite(t, path, b)
			want, gone = slices.Delete(numbers(0, 30), 10, 11), 1
		}
		if dropped, lost := q.Drop(15); dropped != 10 || lost != gone {
			t.Errorf("dropped %d and lost %d, want to stop at what is lost: 10 and %d", dropped, lost, gone)
		}
		got, lost := drain(q, 100)
		check(t, "the rest", slices.Concat(numbers(0, 10), got), want)
		if s := q.Stats(); lost != 0 || s.LostRecords != gone || s.Records != 0 {
			t.Errorf("%d lost again, %+v", lost, s)
		}
		if n := strings.Count(said.String(), "is damaged"); n != 1 || !strings.Contains(said.String(), path) {
			t.Errorf("said %d times that it is damaged: %s", n, said)
		}
	}
}

func FuzzParse(f *testing.F) {
	whole := appendRecord(appendRecord(nil, []byte("first")), []byte("second"))
	f.Add(whole, 3, byte(1))
	f.Add(make([]byte, 40), 0, byte(0))
	f.Add(append([]byte("noise"), whole...), 20, byte(255))
	f.Fuzz(func(t *testing.T, b []byte, at int, flip byte) {
		b = slices.Clone(b)
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		records, bad := parse(b)
		covered := 0
		for _, r := range records {
			covered += headBytes + len(r)
			if !bytes.Contains(b, appendRecord(nil, r)) {
				t.Fatalf("%q is not in the file", r)
			}
		}
		last := -1
		for _, s := range bad {
			if s.from <= last || s.to <= s.from || s.to > len(b) {
				t.Fatalf("spans %v of %d bytes", bad, len(b))
			}
			covered, last = covered+s.to-s.from, s.to
		}
		if covered != len(b) {
			t.Fatalf("%d of %d bytes are accounted for", covered, len(b))
		}
	})
}

// FuzzOpen holds that whatever a file has become, the files around it are read and
// the queue goes on.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(make([]byte, 64), 7)
	f.Add([]byte("garbage"), 100)
	f.Fuzz(func(t *testing.T, patch []byte, at int) {
		dir, segments := left(t, 30)
		whole := mustRead(t, segments[1])
		at = max(0, min(at, len(whole)))
		broken := slices.Clone(whole)
		n := copy(broken[at:], patch)
		mustWrite(t, segments[1], slices.Concat(broken[:at+n], patch[n:], broken[at+n:]))
		q := mustOpen(t, Config{Dir: dir})
		got, lost := drain(q, 4)
		around := slices.DeleteFunc(slices.Clone(got), func(s string) bool {
			return !slices.Contains(numbers(0, 10), s) && !slices.Contains(numbers(20, 30), s)
		})
		check(t, "around it", around, slices.Concat(numbers(0, 10), numbers(20, 30)))
		if lost > 0 || q.Len() > 0 {
			t.Errorf("%d lost, %d left", lost, q.Len())
		}
		mustAppend(t, q, "more")
	})
}
