package redis_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/lease"
)

// An act is something that only the leader may do: it happened at a moment
// between from and to.
type act struct {
	term     int64
	from, to time.Time
}

// A history is what leaders did, by whichever process.
type history struct {
	mu   sync.Mutex
	acts map[int64]*span // by term
	news chan struct{}   // closed and replaced with each new term
}

// A span is the first and the last act under one term.
type span struct {
	who         string
	first, last act
}

func newHistory() *history {
	return &history{acts: map[int64]*span{}, news: make(chan struct{})}
}

// add reports whether the act is the first of its term.
func (h *history) add(t *testing.T, who string, a act) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, known := h.acts[a.term]
	if !known {
		h.acts[a.term] = &span{who, a, a}
		close(h.news)
		h.news = make(chan struct{})
		return true
	}
	if s.who != who {
		t.Errorf("%s and %s both have term %d", s.who, who, a.term)
	}
	s.last = a
	return false
}

// act acts under l until it ends.
func (h *history) act(t *testing.T, who string, l lease.Lease) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		a := act{term: l.Term(), from: time.Now()}
		if !lease.Held(l) {
			return
		}
		a.to = time.Now()
		h.add(t, who, a)
		<-tick.C
	}
}

// after waits for the first act with a term above term.
func (h *history) after(t *testing.T, term int64) span {
	t.Helper()
	limit := time.After(patience)
	for {
		h.mu.Lock()
		news := h.news
		h.mu.Unlock()
		if s, known := h.newest(); known && s.first.term > term {
			return s
		}
		select {
		case <-news:
		case <-limit:
			t.Fatalf("nobody leads after term %d; gave up", term)
		}
	}
}

// newest returns what the holder of the highest term did.
func (h *history) newest() (s span, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for term, other := range h.acts {
		if !known || term > s.first.term {
			s, known = *other, true
		}
	}
	return s, known
}

// check fails the test if two led at a time.
func (h *history) check(t *testing.T) {
	t.Helper()
	leaders, err := h.overlap()
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d leaders", leaders)
}

// overlap looks for one that acted after the first act under a higher term.
func (h *history) overlap() (leaders int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Collect(maps.Values(h.acts))
	slices.SortFunc(all, func(a, b *span) int { return cmp.Compare(a.first.term, b.first.term) })
	var old *span
	for _, s := range all {
		if old != nil && old.last.from.After(s.first.to) {
			return len(all), fmt.Errorf("%s acted with term %d, %v after %s had with term %d", old.who, old.last.term,
				old.last.from.Sub(s.first.to), s.who, s.first.term)
		}
		if old == nil || s.last.from.After(old.last.from) {
			old = s
		}
	}
	return len(all), nil
}

func TestAHistoryTellsWhenTwoLead(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	h := newHistory()
	h.add(t, "a", act{1, at(0), at(1)})
	h.add(t, "b", act{2, at(5), at(6)})
	h.check(t)
	h.add(t, "a", act{1, at(7), at(8)})
	if _, err := h.overlap(); err == nil {
		t.Error("the overlap was not seen")
	}
}
