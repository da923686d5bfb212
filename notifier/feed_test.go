package notifier_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/event"
	"muster/notifier"
)

func TestTheFeedOpensAtOnceWithHello(t *testing.T) {
	s := start(t, nil)
	f := follow(t, s.url+"/api/v1/feed")
	if f.res.StatusCode != http.StatusOK || f.res.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("answer %s, %s", f.res.Status, f.res.Header.Get("Content-Type"))
	}
	m := f.next()
	var hello struct {
		Epoch  string `json:"epoch"`
		LastID string `json:"last_id"`
		Time   int64  `json:"time"`
		Limits struct {
			Filters int `json:"filters"`
		} `json:"limits"`
	}
	m.into(t, &hello)
	if m.Event != "hello" || m.Retry == "" || hello.Epoch == "" || hello.LastID == "" || hello.Time == 0 || hello.Limits.Filters != 500 {
		t.Errorf("first event %q, retry %q, data %s", m.Event, m.Retry, m.Data)
	}
}

func TestAnEventReachesTheFeedAsItIs(t *testing.T) {
	s := start(t, nil)
	f := follow(t, s.url+"/api/v1/feed")
	f.next()
	want := item(1, "kill", 10, who(alice, "Alice"), who(bob, "Bob"))
	want.Character.Outfit = &event.WhoOutfit{ID: outfit, Tag: "ABC", Name: "A \"B\"\nC"}
	s.publish(t, want, want)
	s.publish(t, item(2, "login", 10, who(alice, "Alice"), nil))
	m := f.next()
	var got event.FeedItem
	m.into(t, &got)
	if m.ID != want.ID || m.Event != "kill" || got.Character.ID != alice || got.Character.Outfit.Name != "A \"B\"\nC" || string(got.Detail) != `{"n":1}` {
		t.Errorf("got %s %s %s", m.ID, m.Event, m.Data)
	}
	if !strings.Contains(string(m.Data), `"id":"5428010618020694593"`) {
		t.Errorf("ids of characters are not text in %s", m.Data)
	}
	if m := f.next(); m.ID != itemID(2) {
		t.Errorf("after a redelivery came %s, want only the next event", m.ID)
	}
}

func TestFiltersAreExact(t *testing.T) {
	member := who(bob, "Bob")
	member.Outfit = &event.WhoOutfit{ID: outfit, Tag: "ABC"}
	items := []*event.FeedItem{
		item(1, "login", 1, who(alice, "Alice"), nil),
		item(2, "login", 10, who(alice, "Alice"), nil),
		item(3, "kill", 10, who(alice, "Alice"), member),
		item(4, "logout", 10, member, nil),
		item(5, "capture", 1000, nil, nil),
		item(6, "experience", 10, who(nobody, ""), nil),
		item(7, "defend", 40, nil, nil),
	}
	items[6].Detail = []byte(`{"outfit":{"id":"` + outfit.String() + `","tag":"ABC"}}`)
	tests := []struct {
		query string
		want  []int
	}{
		{"", []int{1, 2, 3, 4, 5, 6, 7}},
		{"world=1", []int{1}},
		{"world=10&kind=login&kind=logout", []int{2, 4}},
		{"world=1&world=1000", []int{1, 5}},
		{"character=" + alice.String(), []int{1, 2, 3}},
		{"character=" + bob.String(), []int{3, 4}},
		{"outfit=" + outfit.String(), []int{3, 4, 7}},
		{"outfit=" + outfit.String() + "&character=" + alice.String(), []int{1, 2, 3, 4, 7}},
		{"outfit=" + outfit.String() + "&world=1", nil},
		{"character=" + alice.String() + "&kind=kill", []int{3}},
		{"character=" + alice.String()[:18], nil},
	}
	s := start(t, nil)
	streams := make([]*stream, len(tests))
	for i, tt := range tests {
		streams[i] = follow(t, s.url+"/api/v1/feed?"+tt.query)
		streams[i].next()
	}
	s.publish(t, items...)
	s.bus.publish(t, event.TopicFeed, event.FeedMessage{Stream: &event.StreamState{World: 1, Health: event.StreamLive,
		Since: epochAt, ReportedAt: epochAt}})
	for i, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			var want []string
			for _, n := range tt.want {
				want = append(want, itemID(n))
			}
			if !strings.Contains(tt.query, "world=10&") {
				_, got := streams[i].until("stream")
				if !slices.Equal(got, want) {
					t.Errorf("live: got %v, want %v", got, want)
				}
			}
			q := "?last_event_id=" + pointBefore() + "&" + tt.query
			replay := follow(t, s.url+"/api/v1/feed"+q)
			if _, got := replay.until("resumed"); !slices.Equal(got, want) {
				t.Errorf("replayed: got %v, want %v", got, want)
			}
		})
	}
}

// pointBefore is an id from before all events of the tests.
func pointBefore() string { return event.FeedID(epochAt.Add(-time.Hour), event.Key{}) }

func TestABadFilterIsRefusedWithWhatIsAllowed(t *testing.T) {
	s := start(t, nil)
	tests := []struct{ name, query, allowed string }{
		{"kind", "kind=kills", "vehicle_kill"},
		{"world", "world=2", "1000"},
		{"world by name", "world=Osprey", "1000"},
		{"padded world", "world=01", "1000"},
		{"character", "character=Alice", ""},
		{"negative character", "character=-1", ""},
		{"outfit", "outfit=92233720368547758080", ""},
		{"10,000 filters", strings.Repeat("kind=kill&", 700), ""},
	}
	for _, tt := range tests {
		for _, path := range []string{"/api/v1/feed?", "/api/v1/feed/ws?"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				res, body := get(t, s.url+path+tt.query)
				checkProblem(t, res, body, http.StatusBadRequest)
				if !strings.Contains(string(body), tt.allowed) {
					t.Errorf("does not say that %s is allowed: %s", tt.allowed, body)
				}
			})
		}
	}
}

func TestAGiantURLIsRefused(t *testing.T) {
	s := start(t, nil)
	ten := url.Values{"character": make([]string, 10_000)}.Encode()
	for name, query := range map[string]string{"above the server's headers": ten, "above 8 KiB": ten[:9000]} {
		// The server may close the door before all of it has been sent.
		if res, err := client.Get(s.url + "/api/v1/feed?" + query); err == nil {
			if res.StatusCode != http.StatusRequestURITooLong && res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s: %s", name, res.Status)
			}
			_ = res.Body.Close()
		}
	}
}

func TestResumeIsExact(t *testing.T) {
	s := start(t, nil)
	for n := range 3000 {
		s.publish(t, item(n, []string{"kill", "login"}[n%2], 10, who(alice, "Alice"), nil))
	}
	for _, from := range []int{0, 1, 1499, 2998, 2999} {
		f := follow(t, s.url+"/api/v1/feed?kind=login", "Last-Event-ID", itemID(from))
		m, got := f.until("resumed")
		var want []string
		for n := from + 1; n < 3000; n++ {
			if n%2 == 1 {
				want = append(want, itemID(n))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %d: got %d events, want %d", from, len(got), len(want))
		}
		var r struct {
			From, To string
			Complete bool
		}
		m.into(t, &r)
		if r.From != itemID(from) || r.To != itemID(2999) || !r.Complete || m.ID != r.To {
			t.Errorf("from %d: resumed %s with id %s", from, m.Data, m.ID)
		}
	}
}

func TestResumeWhileEventsComeLosesAndRepeatsNothing(t *testing.T) {
	s := start(t, nil)
	const total = 6000
	for n := range total / 2 {
		s.publish(t, item(n, "kill", 10, who(alice, "Alice"), nil))
	}
	done := make(chan struct{})
	room := make(chan struct{}, 500) // less than the queue of a reader who keeps up
	go func() {
		defer close(done)
		for n := total / 2; n < total; n++ {
			room <- struct{}{}
			s.publish(t, item(n, "kill", 10, who(alice, "Alice"), nil))
		}
	}()
	f := follow(t, s.url+"/api/v1/feed", "Last-Event-ID", itemID(0))
	for want := 1; want < total; want++ {
		m := f.next()
		if m.Event == "hello" || m.Event == "resumed" {
			m = f.next()
		}
		if m.Event == "resumed" {
			m = f.next()
		}
		if m.ID != itemID(want) {
			t.Errorf("got %s %s, want event %d", m.Event, m.Data, want)
			break
		}
		if want >= total/2 {
			<-room
		}
	}
	go func() { // after a failure there is nobody to make room
		for {
			select {
			case <-room:
			case <-done:
				return
			}
		}
	}()
	<-done
}

func TestWhatTheRingForgotIsNotCalledComplete(t *testing.T) {
	s := start(t, func(c *notifier.Config) { c.Limits.RingBytes = 20 << 10 })
	for n := range 100 {
		s.publish(t, item(n, "kill", 10, who(alice, "Alice"), nil))
	}
	tests := []struct {
		name, id string
		complete bool
	}{
		{"evicted", itemID(3), false},
		{"the newest", itemID(99), true},
		{"older than the server", pointBefore(), false},
		{"from the future", event.FeedID(time.Now().Add(time.Hour), event.Key{}), false},
		{"not an id", "'; DROP TABLE events --", false},
		{"long", strings.Repeat("f", 4000), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := follow(t, s.url+"/api/v1/feed", "Last-Event-ID", tt.id)
			m, _ := f.until("resumed")
			var r struct{ Complete bool }
			if m.into(t, &r); r.Complete != tt.complete {
				t.Errorf("resumed %s, want complete %v", m.Data, tt.complete)
			}
			if len(m.Data) > 300 {
				t.Errorf("the verdict repeats what the client sent: %.100s…", m.Data)
			}
		})
	}
}
