package day

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/event"
)

// A reader follows the feed as a stranger would. What it sees of an event is its id
// and how old it is.
type reader struct {
	mu      sync.Mutex
	ids     []feedID
	dropped int64 // as the feed says
	ages    []time.Duration
	err     error
	changed chan struct{} // holds a token after something came
}

// A feedID is an id of the feed, whole: shortened to a hash, the ids of a batch, which
// are a nanosecond apart, met each other once in some fifty runs.
type feedID [event.FeedIDLen]byte

func (f feedID) compare(g feedID) int { return bytes.Compare(f[:], g[:]) }

// follow opens the feed and returns once it has said hello.
func follow(t *testing.T, page, query string) *reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+"/api/v1/feed?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the feed answers %s", res.Status)
	}
	r := &reader{changed: make(chan struct{}, 1)}
	hello := make(chan struct{})
	go func() {
		defer res.Body.Close()
		err := r.read(bufio.NewReaderSize(res.Body, 1<<20), hello)
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		r.signal()
	}()
	<-hello
	return r
}

// read splits the stream into events.
func (r *reader) read(body *bufio.Reader, hello chan struct{}) error {
	var id, name []byte
	for {
		line, err := body.ReadSlice('\n')
		if err != nil {
			return err
		}
		field, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": "))
		switch string(field) {
		case "id":
			id = append(id[:0], value...)
		case "event":
			name = append(name[:0], value...)
		case "data":
			switch string(name) {
			case "hello":
				close(hello)
			case "lag":
				if err := r.lag(value); err != nil {
					return err
				}
			case "heartbeat", "stream", "names", "drain":
			default:
				if err := r.take(string(id), time.Now()); err != nil {
					return err
				}
			}
		}
	}
}

func (r *reader) lag(data []byte) error {
	var lag struct{ Dropped int64 }
	if err := json.Unmarshal(data, &lag); err != nil {
		return err
	}
	r.mu.Lock()
	r.dropped += lag.Dropped
	r.mu.Unlock()
	r.signal()
	return nil
}

// take notes an event.
func (r *reader) take(id string, now time.Time) error {
	at, ok := event.FeedIDTime(id)
	if !ok {
		return fmt.Errorf("id %q", id)
	}
	r.mu.Lock()
	r.ids = append(r.ids, feedID([]byte(id)))
	if len(r.ids)%100 == 0 {
		r.ages = append(r.ages, now.Sub(at))
	}
	r.mu.Unlock()
	r.signal()
	return nil
}

// had returns how many events came or were dropped.
func (r *reader) had() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(len(r.ids)) + r.dropped
}

func (r *reader) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// await returns once n events came or were dropped.
func (r *reader) await(t *testing.T, n int64) {
	t.Helper()
	for {
		r.mu.Lock()
		got, dropped, err := int64(len(r.ids)), r.dropped, r.err
		r.mu.Unlock()
		switch {
		case got+dropped >= n:
			return
		case err != nil:
			t.Fatalf("the feed ended: %v", err)
		}
		select {
		case <-r.changed:
		case <-time.After(patience):
			t.Fatalf("%d events came and %d were dropped, want %d", got, dropped, n)
		}
	}
}

// seen returns how many events came, how many of them twice, and how many were
// dropped for slowness.
func (r *reader) seen() (came, twice, dropped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.ids)
	slices.SortFunc(all, feedID.compare)
	return int64(len(all)), int64(len(all) - len(slices.Compact(all))), r.dropped
}

// quarter returns the percentiles 50 and 99 of the ages in one quarter of the run.
func (r *reader) quarter(n int) (p50, p99 time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	part := slices.Clone(r.ages[len(r.ages)*n/4 : len(r.ages)*(n+1)/4])
	if len(part) == 0 {
		return 0, 0
	}
	slices.Sort(part)
	return part[len(part)/2], part[len(part)*99/100]
}

func TestIDsOfABatchStayApart(t *testing.T) {
	var r reader
	r.changed = make(chan struct{}, 1)
	// The first two have one value of time*1000003^key, the hash that was here.
	for _, id := range []string{"187b2c3d4e5f6001-00000000", "187b2c3d4e5f6002-0011c6c5", "187b2c3d4e5f6002-00000001", "187b2c3d4e5f6002-00000001"} {
		if err := r.take(id, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if came, twice, _ := r.seen(); came != 4 || twice != 1 {
		t.Errorf("%d came, %d twice, want 4 and 1", came, twice)
	}
	for _, id := range []string{"", "-", "187b2c3d4e5f6001", "187b2c3d4e5f6001-0", "187b2c3d4e5f600g-00000000", "87b2c3d4e5f6001-000000000"} {
		if err := r.take(id, time.Now()); err == nil {
			t.Errorf("id %q was taken", id)
		}
	}
}
