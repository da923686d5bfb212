package notifier_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/notifier"
)

// burst publishes more than sockets and queue hold, of the three kinds in turn,
// and returns the ids in order.
func burst(t *testing.T, s *server) (ids []string) {
	t.Helper()
	const events = 3000
	big := []byte(`{"x":"` + strings.Repeat("y", 8<<10) + `"}`)
	for n := 1; n <= events; n++ {
		kind := "experience"
		if n%30 == 0 || n == events {
			kind = "kill"
		}
		it := item(n, kind, 10, who(alice, "Alice"), who(bob, "Bob"))
		it.Detail = big
		s.publish(t, it)
		ids = append(ids, it.ID)
	}
	return ids
}

// A reader that a burst overtakes goes on in what the notifier remembers, in order,
// and no event that it gets moves its place ahead of what is still to come.
func TestABurstThatIsMoreThanMayWaitReachesTheReaderWhole(t *testing.T) {
	for transport, open := range map[string]func(*testing.T, *server) (start func() <-chan message, stop func()){
		"sse": func(t *testing.T, s *server) (func() <-chan message, func()) {
			res, err := client.Get(s.url + "/api/v1/feed")
			if err != nil {
				t.Fatal(err)
			}
			out := make(chan message, 1<<16)
			return func() <-chan message {
				go func() { defer close(out); readMessages(res.Body, out) }()
				return out
			}, func() { _ = res.Body.Close() }
		},
		"websocket": func(t *testing.T, s *server) (func() <-chan message, func()) {
			c := subscribe(t, s, "?world=10")
			out := make(chan message, 1<<16)
			return func() <-chan message {
				go func() {
					defer close(out)
					for {
						_, body, err := c.ReadMessage()
						var m message
						if err != nil || json.Unmarshal(body, &m) != nil {
							return
						}
						out <- m
					}
				}()
				return out
			}, func() { _ = c.Close() }
		},
	} {
		t.Run(transport, func(t *testing.T) {
			reg := prometheus.NewPedanticRegistry()
			s := start(t, func(c *notifier.Config) {
				c.Registerer, c.Limits.WriteTimeout = reg, patience
				c.Limits.Heartbeat, c.Limits.RingBytes = 5*time.Millisecond, 64<<20
			})
			read, stop := open(t, s)
			eventually(t, "the reader is in", func() bool { return clientsOf(t, reg) == 1 })
			want := burst(t, s)
			at := map[string]int{}
			for i, id := range want {
				at[id] = i
			}
			if behind := counter(t, reg, "muster_feed_behind_total"); behind == 0 {
				t.Fatal("the reader never was behind: this shows nothing")
			}
			got := 0
			messages := read()
			for m := range messages {
				switch m.Event {
				case "hello":
				case "heartbeat":
					if place, ok := at[m.ID]; ok && place >= got {
						t.Fatalf("a heartbeat moves the place to event %d, after %d have come", place, got)
					}
				case "experience", "kill":
					if m.ID != want[got] {
						t.Fatalf("event %d is %s, want %s", got, m.ID, want[got])
					}
					got++
				default:
					t.Errorf("got %s %.80s", m.Event, m.Data)
				}
				if got == len(want) {
					break
				}
			}
			if got != len(want) {
				t.Fatalf("%d of %d events came", got, len(want))
			}
			s.publish(t, item(4000, "login", 10, who(bob, "Bob"), nil))
			for m := range messages {
				if m.Event == "heartbeat" {
					continue
				}
				if m.ID != itemID(4000) {
					t.Errorf("then came %s %s, want what is new", m.Event, m.ID)
				}
				break
			}
			stop()
			for range messages { // until the reader has ended
			}
			if lost := counter(t, reg, "muster_feed_dropped_total"); lost != 0 {
				t.Errorf("%v are counted as lost", lost)
			}
		})
	}
}

// Who resumes while behind gets what followed that id, once.
func TestAResumeWhileBehindRepeatsNothing(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := start(t, func(c *notifier.Config) { c.Registerer, c.Limits.WriteTimeout = reg, patience })
	c, res := dial(t, s, "?kind=kill", http.Header{})
	if c == nil {
		t.Fatalf("refused: %v", res)
	}
	if m := c.next(); m.Event != "hello" {
		t.Fatalf("got %s", m.Event)
	}
	for n := 1; n <= 3000; n++ {
		it := item(n, "kill", 10, who(alice, "Alice"), who(bob, "Bob"))
		it.Detail = []byte(`{"x":"` + strings.Repeat("y", 8<<10) + `"}`)
		s.publish(t, it)
	}
	if counter(t, reg, "muster_feed_behind_total") == 0 {
		t.Fatal("the reader never was behind: this shows nothing")
	}
	c.send(`{"resume":"` + itemID(2990) + `"}`)
	after := map[string]int{}
	for {
		m := c.next()
		if m.Event == "closed" {
			t.Fatalf("closed: %s", m.Data)
		}
		if m.Event == "resumed" {
			if !strings.Contains(string(m.Data), `"complete":true`) {
				t.Errorf("resumed %s", m.Data)
			}
			break
		}
		after[m.ID]++
	}
	for n := 2991; n <= 3000; n++ {
		if after[itemID(n)] != 1 {
			t.Errorf("event %d came %d times", n, after[itemID(n)])
		}
	}
}
