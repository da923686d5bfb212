package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An item is one event of the feed, decoded by the outside description.
type item struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	World     int    `json:"world"`
	Zone      int64  `json:"zone"`
	At        int64  `json:"at"`
	Character *struct {
		ID string `json:"id"`
	} `json:"character"`
	Other *struct {
		ID string `json:"id"`
	} `json:"other"`
	Detail map[string]any `json:"detail"`
}

// identity is what fields.item says of the same event; "" for a logout that the
// game did not send.
func (i *item) identity() string {
	if i.Detail["reason"] != nil {
		return ""
	}
	character, other := "0", "0"
	if i.Character != nil {
		character = i.Character.ID
	}
	if i.Other != nil {
		other = i.Other.ID
	}
	of := func(name string) string {
		if thing, ok := i.Detail[name].(map[string]any); ok {
			return fmt.Sprint(thing["id"])
		}
		return fmt.Sprint(i.Detail[name])
	}
	parts := []string{i.Kind, fmt.Sprint(i.At), fmt.Sprint(i.World)}
	switch i.Kind {
	case "login", "logout":
		parts = append(parts, character)
	case "kill":
		parts = append(parts, character, other, of("weapon"))
	case "vehicle_kill":
		parts = append(parts, character, other, of("vehicle"))
	case "experience":
		parts = append(parts, character, of("experience"), of("amount"))
	case "capture", "defend":
		if i.Character != nil {
			parts = append(parts, character)
		}
		parts = append(parts, of("facility"))
	case "alert":
		parts = append(parts, of("alert"))
	case "lock":
		parts = append(parts, fmt.Sprint(i.Zone))
	case "achievement", "rank", "item", "skill":
		parts = append(parts, character, of(i.Kind))
	}
	return strings.Join(parts, "|")
}

// A reader follows the feed over all its connections, as a page would: it comes
// back with the last id it got, to the same notifier if that answers, or else to
// the next.
type reader struct {
	name  string
	pages []string // the notifiers', its own first

	mu       sync.Mutex
	on       int    // index of the page it is on
	lastID   string // where it resumes
	seen     map[string]bool
	items    []item
	arrivals map[int][]time.Time // by world
	repeats  []string            // ids that came twice
	notes    []string            // what was told of holes
	drop     context.CancelFunc
}

// silence is how long nothing may come before a connection is dead (docs/feed.md).
const silence = 30 * time.Second

// follow reads until the test ends. It returns once the feed has said hello.
func follow(t *testing.T, name string, pages ...string) *reader {
	t.Helper()
	r := &reader{name: name, pages: pages, seen: map[string]bool{}, arrivals: map[int][]time.Time{}}
	ctx, stop := context.WithCancel(context.Background())
	hello := make(chan struct{})
	var task sync.WaitGroup
	task.Go(func() { r.run(ctx, sync.OnceFunc(func() { close(hello) })) })
	t.Cleanup(func() {
		stop()
		task.Wait()
	})
	select {
	case <-hello:
	case <-time.After(patience):
		t.Fatalf("the feed does not say hello to %s", name)
	}
	return r
}

func (r *reader) run(ctx context.Context, hello func()) {
	for ctx.Err() == nil {
		r.mu.Lock()
		url, id := r.pages[r.on]+"/api/v1/feed", r.lastID
		once, drop := context.WithCancel(ctx)
		r.drop = drop
		r.mu.Unlock()
		heard := r.read(once, url, id, hello)
		drop()
		if !heard {
			r.mu.Lock()
			r.on = (r.on + 1) % len(r.pages)
			r.mu.Unlock()
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// home goes back to the reader's own notifier, if it is on another.
func (r *reader) home() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.on != 0 {
		r.on = 0
		r.drop()
	}
}

// read follows one connection to its end and reports whether it said hello.
func (r *reader) read(ctx context.Context, url, id string, hello func()) (heard bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	if id != "" {
		req.Header.Set("Last-Event-ID", id)
	}
	client := &http.Client{Transport: &http.Transport{}} // a connection of its own
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false
	}
	err = events(res.Body, func(id, name, data string) {
		quiet.Reset(silence)
		if name == "hello" {
			heard = true
			hello()
		}
		r.take(id, name, data)
	})
	if err != nil && ctx.Err() == nil {
		r.note("cut: " + err.Error())
	}
	return heard
}

// events splits a stream of Server-Sent Events until it ends.
func events(body io.Reader, take func(id, name, data string)) error {
	var id, name, data string
	in := bufio.NewReaderSize(body, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err // a line that is not whole counts for nothing
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
			if name != "" {
				take(id, name, data)
			}
			id, name, data = "", "", ""
		}
	}
}

func (r *reader) take(id, name, data string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id != "" {
		r.lastID = id
	}
	switch name {
	case "hello", "heartbeat", "stream", "names":
		return
	case "resumed", "lag", "drain":
		r.notes = append(r.notes, name+" "+data)
		return
	}
	var i item
	if err := json.Unmarshal([]byte(data), &i); err != nil || i.ID != id || i.Kind != name {
		r.notes = append(r.notes, "not as described: "+name+" "+id+" "+data)
		return
	}
	if r.seen[id] {
		r.repeats = append(r.repeats, id+" "+i.identity())
	} else {
		r.items = append(r.items, i)
	}
	r.seen[id] = true
	r.arrivals[i.World] = append(r.arrivals[i.World], time.Now())
}

func (r *reader) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, s)
}

// within counts what came of w.
func (r *reader) within(w window) tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := tally{}
	for _, i := range r.items {
		if id := i.identity(); id != "" && w.holds(i.At) {
			all[id]++
		}
	}
	return all
}

// forget lets go of what is of before a game second. Ids are kept, so that none may
// come again.
func (r *reader) forget(before int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = slices.DeleteFunc(r.items, func(i item) bool { return i.At < before })
	clear(r.arrivals)
}

// takeNotes returns what was noted since it was last asked, and the ids that came twice.
func (r *reader) takeNotes() (notes, repeats []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	notes, repeats, r.notes, r.repeats = r.notes, r.repeats, nil, nil
	return notes, repeats
}

// pause returns the longest time after from in which none of readers got anything
// of one of the worlds.
func pause(from time.Time, readers ...*reader) (longest time.Duration) {
	all := map[int][]time.Time{}
	for _, r := range readers {
		r.mu.Lock()
		for world, arrivals := range r.arrivals {
			i := len(arrivals)
			for i > 0 && arrivals[i-1].After(from) {
				i--
			}
			all[world] = append(all[world], arrivals[i:]...)
		}
		r.mu.Unlock()
	}
	for _, arrivals := range all {
		slices.SortFunc(arrivals, time.Time.Compare)
		last := from
		for _, at := range arrivals {
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return longest
}
