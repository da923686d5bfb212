package chaos

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/sim/game"
)

// A moment is one event of the journal.
type moment struct {
	fields
	n      int64     // its number
	second int64     // the game's
	sentAt time.Time // by our clock
}

// A history is the journal as far as it was read.
type history struct {
	world *game.Server

	mu    sync.Mutex
	last  int64
	all   []moment        // but for what was forgotten
	alive map[string]bool // whoever gave a sign of life, ever
}

// read brings the history up to date and returns all of it.
func (h *history) read(t testing.TB) []moment {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		entries := h.world.Journal(h.last, 10_000)
		for i := range entries {
			e := &entries[i]
			if e.N != h.last+1 {
				t.Fatalf("the journal goes from %d to %d", h.last, e.N)
			}
			h.last = e.N
			f := payload(t, e)
			second, err := strconv.ParseInt(f["timestamp"], 10, 64)
			if err != nil {
				t.Fatalf("the game sent %s", e.Payload)
			}
			if _, known := shapes[f["event_name"]]; !known {
				t.Fatalf("the game sent an event that this test does not know: %s", e.Payload)
			}
			h.all = append(h.all, moment{f, e.N, second, e.At})
			h.alive[f["character_id"]], h.alive[f["attacker_character_id"]] = true, true
		}
		if len(entries) == 0 {
			return h.all
		}
	}
}

// forget lets go of what is older than a game second, except who came and went.
func (h *history) forget(before int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = slices.DeleteFunc(slices.Clone(h.all), func(m moment) bool {
		return m.second < before && !strings.HasPrefix(m.fields["event_name"], "PlayerLog")
	})
}

// signs returns who has given a sign of life.
func (h *history) signs(t testing.TB) map[string]bool {
	t.Helper()
	h.read(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.alive)
}

// A window is a span of game seconds; to is outside.
type window struct{ from, to int64 }

func (w window) holds(second int64) bool { return second >= w.from && second < w.to }

// within returns what the journal holds of w. Its seconds must be over.
func (h *history) within(t testing.TB, w window) (list []moment) {
	t.Helper()
	for _, m := range h.read(t) {
		if w.holds(m.second) {
			list = append(list, m)
		}
	}
	return list
}

// closed returns the window from the second from up to now, once the game cannot
// send any more of it.
func closed(world *game.Server, from int64) window {
	return window{from, world.Now().Unix()} // this second is not over, and stays outside
}

// A trouble is a span in which a listener may have missed what was sent to it.
type trouble struct{ from, to time.Time }

// troubles are the listeners' by name.
type troubles map[string][]trouble

func (t troubles) at(listener string, when time.Time) bool {
	for _, x := range t[listener] {
		if when.After(x.from) && (x.to.IsZero() || when.Before(x.to)) {
			return true
		}
	}
	return false
}

// received returns the numbers of the events that a listener surely got: written
// to one of its connections while nothing was done to it.
func received(deliveries []game.Delivery, sent []moment, harm troubles) map[int64]bool {
	when := make(map[int64]time.Time, len(sent))
	for _, m := range sent {
		when[m.n] = m.sentAt
	}
	got := make(map[int64]bool, len(sent))
	for _, d := range deliveries {
		for _, n := range d.Events {
			if at, asked := when[n]; asked && !harm.at(d.ServiceID, at) {
				got[n] = true
			}
		}
	}
	return got
}
