package listener

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"muster/event"
)

// begin is when the tests of the ring begin.
var begin = time.Date(2026, 11, 1, 20, 0, 0, 0, time.UTC)

// nth is the n-th event, which arrives n milliseconds after begin.
func nth(n, bytes int) *waiting {
	w := &waiting{at: begin.Add(time.Duration(n) * time.Millisecond), world: 1, kind: event.Kill, payload: make([]byte, bytes)}
	binary.BigEndian.PutUint64(w.key[:], uint64(n))
	return w
}

// numbers returns which events of nth are in the ring, the oldest first.
func (r *ring) numbers() (out []int) {
	for w := r.oldest; w != nil; w = w.next {
		out = append(out, int(binary.BigEndian.Uint64(w.key[:])))
	}
	return out
}

func TestTheRingKeepsTheOrderOfArrivalAndEachKeyOnce(t *testing.T) {
	r := newRing()
	for _, n := range []int{3, 1, 2, 1, 3} {
		r.add(nth(n, 10))
	}
	all := r.take()
	if len(all) != 3 || all[0].key != nth(3, 0).key || all[1].key != nth(1, 0).key || all[2].key != nth(2, 0).key {
		t.Errorf("took %d events, want 3, 1, 2", len(all))
	}
	if r.len() != 0 || r.bytes != 0 || r.oldest != nil {
		t.Errorf("%d events of %d bytes are left", r.len(), r.bytes)
	}
}

func TestTheRingLetsTheOldestGo(t *testing.T) {
	tests := []struct {
		name         string
		events, size int
		now          time.Duration
		want         int // left
	}{
		{name: "none too early", events: 5, now: ringSpan + time.Millisecond, want: 5},
		{name: "by age", events: 5, now: ringSpan + 3*time.Millisecond, want: 3},
		{name: "by number", events: ringMessages + 7, now: 0, want: ringMessages},
		{name: "by size", events: 65, size: 1 << 20, now: 0, want: 64},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRing()
			for n := 1; n <= test.events; n++ {
				r.add(nth(n, test.size))
			}
			r.expire(begin.Add(test.now))
			got := r.numbers()
			if len(got) != test.want || len(got) != r.len() || got[len(got)-1] != test.events || r.bytes != len(got)*test.size {
				t.Errorf("%d events of %d bytes, want the newest %d", len(got), r.bytes, test.want)
			}
		})
	}
}

func TestTheRingKeepsPayloads(t *testing.T) {
	r := newRing()
	w := nth(1, 0)
	w.payload = []byte("as it came")
	r.add(w)
	if got := r.take()[0].payload; !bytes.Equal(got, []byte("as it came")) {
		t.Errorf("payload %q", got)
	}
}
