package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A reader follows the feed as a stranger would: over HTTP, decoding by the
// outside description only.
type reader struct {
	mu      sync.Mutex
	items   []item
	repeats []string // ids that came twice
	changed chan struct{}
}

// item is one event of the feed.
type item struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	World      int             `json:"world"`
	At         int64           `json:"at"`
	ReceivedAt int64           `json:"received_at"`
	Character  *who            `json:"character"`
	Other      *who            `json:"other"`
	Detail     json.RawMessage `json:"detail"`

	name string // of the SSE event
	took time.Duration
}

type who struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// follow opens the feed and returns once it has said hello.
func follow(t testing.TB, page, query string) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/api/v1/feed?"+query, nil)
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
	r := &reader{changed: make(chan struct{})}
	hello := make(chan struct{})
	go func() {
		defer func() { _ = res.Body.Close() }()
		r.read(bufio.NewReaderSize(res.Body, 1<<20), hello)
	}()
	select {
	case <-hello:
	case <-time.After(patience):
		t.Fatal("the feed does not say hello")
	}
	return r
}

// read splits the stream into events.
func (r *reader) read(body *bufio.Reader, hello chan struct{}) {
	var id, name, data string
	seen := map[string]bool{}
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			return
		}
		field, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			if name == "hello" {
				close(hello)
			} else if strings.HasPrefix(data, `{"id":`) && data != "" {
				r.take(id, name, data, seen)
			}
			name, data = "", ""
		}
	}
}

func (r *reader) take(id, name, data string, seen map[string]bool) {
	now := time.Now()
	var i item
	if json.Unmarshal([]byte(data), &i) != nil || i.ID != id {
		return
	}
	i.name, i.took = name, now.Sub(time.Unix(0, i.ReceivedAt))
	r.mu.Lock()
	defer r.mu.Unlock()
	if seen[id] {
		r.repeats = append(r.repeats, id)
	}
	seen[id] = true
	r.items = append(r.items, i)
	close(r.changed)
	r.changed = make(chan struct{})
}

// waitPast returns once there is an event that the listener received after at.
func (r *reader) waitPast(t testing.TB, at time.Time) {
	t.Helper()
	for n := 1; ; n++ {
		items := r.wait(t, n)
		n = len(items)
		if items[n-1].ReceivedAt > at.UnixNano() {
			return
		}
	}
}

// wait returns the events once there are n, or fails.
func (r *reader) wait(t testing.TB, n int) []item {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		items, changed := r.items, r.changed
		r.mu.Unlock()
		if len(items) >= n {
			return items
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d events on the feed after %s, want %d", len(items), patience, n)
		}
	}
}
