package notifier_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"muster/bus"
	"muster/event"
	"muster/notifier"
)

func TestNamesRepairWhatWasSentAndWhatWillBe(t *testing.T) {
	s := start(t, nil)
	live := follow(t, s.url+"/api/v1/feed?world=10")
	live.next()
	s.publish(t, item(1, "kill", 10, who(nobody, ""), who(bob, "Bob")), item(2, "login", 10, who(alice, "Alice"), nil))
	s.bus.publish(t, event.TopicNames, []event.Character{
		{ID: nobody, Name: "Nemo", Faction: event.TR, Outfit: event.Outfit{ID: outfit, Tag: "ABC"}}, {ID: bob, Name: "Bob"}, {}})
	m, _ := live.until("names")
	var news struct{ Characters []event.Who }
	if m.into(t, &news); len(news.Characters) != 1 || news.Characters[0].Name != "Nemo" || m.ID != "" {
		t.Errorf("names %s with id %q; want only the one that was missing", m.Data, m.ID)
	}
	s.publish(t, item(3, "logout", 10, who(nobody, ""), nil)) // the dispatcher did not know yet
	if m := live.next(); !strings.Contains(string(m.Data), `"Nemo"`) {
		t.Errorf("a name that is known is missing: %s", m.Data)
	}
	t.Run("a replay has the names, and matches by the outfit they brought", func(t *testing.T) {
		f := follow(t, s.url+"/api/v1/feed?outfit="+outfit.String(), "Last-Event-ID", pointBefore())
		f.next()
		if m := f.next(); m.ID != itemID(1) || !strings.Contains(string(m.Data), `"Nemo"`) {
			t.Errorf("replayed %s", m.Data)
		}
	})
	t.Run("who was away hears of repairs to what it had seen", func(t *testing.T) {
		f := follow(t, s.url+"/api/v1/feed?world=10", "Last-Event-ID", itemID(2))
		if m, _ := f.until("names"); !strings.Contains(string(m.Data), `"Nemo"`) {
			t.Errorf("got %s", m.Data)
		}
	})
}

func TestAPlaceholderInTheSnapshotIsRepaired(t *testing.T) {
	s := start(t, nil)
	s.store.change(func(m *memory) {
		m.players[nobody] = event.Player{Character: event.Character{ID: nobody}, Online: event.Online{Online: true, World: 1}}
	})
	f := follow(t, s.url+"/api/v1/feed")
	get(t, s.url+"/api/v1/snapshot")
	s.bus.publish(t, event.TopicNames, []event.Character{{ID: nobody, Name: "Nemo"}})
	if m, _ := f.until("names"); !strings.Contains(string(m.Data), `"Nemo"`) {
		t.Errorf("got %s", m.Data)
	}
}

func TestAStreamsStateIsToldWhenItChanges(t *testing.T) {
	s := start(t, nil)
	all, other := follow(t, s.url+"/api/v1/feed"), follow(t, s.url+"/api/v1/feed?world=1")
	all.next()
	other.next()
	st := liveStream(10)
	tell := func() { s.bus.publish(t, event.TopicFeed, event.FeedMessage{Stream: &st}) }
	tell()
	st.ReportedAt = st.ReportedAt.Add(time.Second)
	tell() // the same, said again
	st.Health, st.Since, st.Reason = event.StreamSilent, st.ReportedAt, "nothing for 60 s"
	tell()
	s.publish(t, item(1, "login", 1, who(alice, "Alice"), nil))
	var got []string
	for m := all.next(); m.Event == "stream"; m = all.next() {
		var v struct{ Health, Name string }
		m.into(t, &v)
		got = append(got, v.Name+" "+v.Health)
	}
	if want := []string{"Wainwright live", "Wainwright silent"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if m := other.next(); m.Event != "login" {
		t.Errorf("a reader of another world hears %s", m.Data)
	}
}

func TestHeartbeatsCarryTheClockAndTheNewestID(t *testing.T) {
	s := start(t, func(c *notifier.Config) { c.Limits.Heartbeat = 10 * time.Millisecond })
	s.store.change(func(m *memory) {
		m.streams = []event.StreamState{liveStream(10)}
		m.players[alice] = event.Player{Online: event.Online{Online: true, World: 10}}
	})
	f := follow(t, s.url+"/api/v1/feed?character="+alice.String())
	s.publish(t, item(1, "kill", 10, who(bob, "Bob"), nil)) // not for this reader
	eventually(t, "a heartbeat tells all", func() bool {
		m, _ := f.until("heartbeat")
		var beat struct {
			Time    int64
			LastID  string `json:"last_id"`
			Streams []struct {
				Health    string
				PerMinute map[string]int `json:"per_minute"`
			}
			Online map[string]int
		}
		m.into(t, &beat)
		return beat.Time > 0 && m.ID == itemID(1) && beat.LastID == m.ID && len(beat.Streams) == 1 &&
			beat.Streams[0].PerMinute != nil && beat.Online["10"] == 1
	})
}

func TestALossOnTheBusIsSaidAndNoResumeCoversIt(t *testing.T) {
	s := start(t, nil)
	f := follow(t, s.url+"/api/v1/feed")
	f.next()
	s.publish(t, item(1, "kill", 10, who(alice, "Alice"), nil))
	f.next()
	s.bus.mu.Lock()
	s.bus.lost = 7
	s.bus.mu.Unlock()
	s.publish(t, item(9, "kill", 10, who(alice, "Alice"), nil))
	if m := f.next(); m.Event != "lag" || string(m.Data) != `{"dropped":7}` {
		t.Errorf("got %s %s", m.Event, m.Data)
	}
	g := follow(t, s.url+"/api/v1/feed", "Last-Event-ID", itemID(1))
	if m, _ := g.until("resumed"); !strings.Contains(string(m.Data), `"complete":false`) {
		t.Errorf("resumed over a hole: %s", m.Data)
	}
}

func TestGarbageOnTheBusDoesNoHarm(t *testing.T) {
	s := start(t, nil)
	f := follow(t, s.url+"/api/v1/feed")
	f.next()
	bodies := []string{"", "{", "null", `{"item":{}}`, `{"item":{"id":"a\nevent: kill","kind":"kill"}}`, `{"item":{"id":"x","kind":"a\nb"}}`,
		`{"item":{"id":"5","kind":"kill","detail":{}}`, `{"stream":{}}`, `{"names":[]}`, `{"names":[{"id":"0"}]}`, `[1,2]`, strings.Repeat("[", 1<<16)}
	s.bus.mu.Lock()
	for _, b := range bodies {
		for _, h := range slices.Concat(s.bus.listeners[event.TopicFeed], s.bus.listeners[event.TopicNames]) {
			h(bus.Message{Body: []byte(b)}, 0)
		}
	}
	s.bus.mu.Unlock()
	s.publish(t, item(1, "kill", 10, who(alice, "Alice"), nil))
	if m := f.next(); m.ID != itemID(1) {
		t.Errorf("got %s %s", m.Event, m.Data)
	}
}

func TestCapsRefuseTheNewest(t *testing.T) {
	s := start(t, func(c *notifier.Config) {
		c.Limits.Clients, c.Limits.ClientsPerAddress = 4, 2
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	url := s.url + "/api/v1/feed"
	from := func(addr string) *http.Response {
		f := follow(t, url, "X-Forwarded-For", "6.6.6.6, "+addr)
		return f.res
	}
	for _, step := range []struct {
		addr string
		want int
	}{
		{"10.0.0.1", 200}, {"10.0.0.1", 200}, {"10.0.0.1", 503},
		{"2001:db8::1", 200}, {"2001:db8::2", 200}, // one /64, and the fourth of all
		{"10.0.0.9", 503},
	} {
		res := from(step.addr)
		if res.StatusCode != step.want {
			t.Errorf("%s: %s, want %d", step.addr, res.Status, step.want)
		}
		if step.want == 503 && (res.Header.Get("Retry-After") == "" || res.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("refused with %v", res.Header)
		}
	}
}

func TestReadersThatVanishLeaveNothing(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := start(t, func(c *notifier.Config) { c.Registerer, c.Limits.ClientsPerAddress = reg, 100 })
	for range 5 {
		var conns []net.Conn
		for range 40 {
			conns = append(conns, stall(t, s, "kind=login"))
		}
		eventually(t, "all are in", func() bool { return clientsOf(t, reg) == 40 })
		for _, c := range conns {
			_ = c.(*net.TCPConn).SetLinger(0) // a reset, as when a process is killed
			_ = c.Close()
		}
		eventually(t, "all are forgotten", func() bool { return clientsOf(t, reg) == 0 })
	}
	if f := follow(t, s.url+"/api/v1/feed"); f.res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", f.res.Status)
	}
}

func TestSlowHeadersAreNotWaitedForAndBodiesNotRead(t *testing.T) {
	s := start(t, nil)
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /api/v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c) // ends, for the connection is closed
	if err != nil && !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Errorf("%v: %.200s", err, answer)
	}
	slow, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("GET / HTTP/1.1\r\nX-Slow: ")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(slow); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("slow headers: %v", err)
	}
}

// stall opens the feed and never reads.
func stall(t *testing.T, s *server, query string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(4096)
	if _, err := c.Write([]byte("GET /api/v1/feed?" + query + " HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAStalledReaderIsCutAndDelaysNobody(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	besideAStalledReader(t, reg, 300*time.Millisecond, "the stalled reader is cut", func() bool {
		return clientsOf(t, reg) == 1
	})
	if got := counter(t, reg, "muster_feed_cut_total"); got != 1 {
		t.Errorf("cut %v", got)
	}
}

func TestAStalledReaderLosesWhatDoesNotFitAndDelaysNobody(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	besideAStalledReader(t, reg, time.Minute, "something is dropped for the stalled reader", func() bool {
		return counter(t, reg, "muster_feed_dropped_total") > 0
	})
	if got := clientsOf(t, reg); got != 2 {
		t.Errorf("%v readers are left, want both", got)
	}
}

// besideAStalledReader publishes until over says so, while one reader takes
// nothing and another one gets each of its events at once.
func besideAStalledReader(t *testing.T, reg *prometheus.Registry, writeTimeout time.Duration, what string, over func() bool) {
	t.Helper()
	s := start(t, func(c *notifier.Config) {
		c.Registerer = reg
		c.Limits.WriteTimeout = writeTimeout
	})
	stall(t, s, "")
	good := follow(t, s.url+"/api/v1/feed?kind=login")
	good.next()
	eventually(t, "both are in", func() bool { return clientsOf(t, reg) == 2 })
	big := `{"x":"` + strings.Repeat("y", 60<<10) + `"}`
	n := 0
	eventually(t, what, func() bool {
		for range 20 { // far more than its socket and its queue hold
			n++
			it := item(n, "experience", 10, who(alice, "Alice"), nil)
			it.Detail = []byte(big)
			s.publish(t, it)
		}
		n++
		s.publish(t, item(n, "login", 10, who(bob, "Bob"), nil))
		if m := good.next(); m.ID != itemID(n) {
			t.Fatalf("the other reader got %s, want %s", m.ID, itemID(n))
		}
		return over()
	})
}

func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func clientsOf(t *testing.T, reg *prometheus.Registry) int {
	return int(counter(t, reg, "muster_feed_clients"))
}

func TestASlowReaderLosesExperienceFirstAndIsTold(t *testing.T) {
	s := start(t, func(c *notifier.Config) { c.Limits.WriteTimeout = patience })
	res, err := client.Get(s.url + "/api/v1/feed") // and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	big := []byte(`{"x":"` + strings.Repeat("y", 8<<10) + `"}`)
	for n := 1; n <= 3000; n++ { // 24 MB: more than sockets and queue hold
		it := item(10_000+n, "experience", 10, who(alice, "Alice"), nil)
		it.Detail = big
		s.publish(t, it)
		if n%30 == 0 {
			s.publish(t, item(20_000+n, "kill", 10, who(alice, "Alice"), who(bob, "Bob")))
		}
	}
	s.publish(t, item(30_000, "logout", 10, who(bob, "Bob"), nil))
	out := make(chan message, 1<<16)
	go func() { defer close(out); readMessages(res.Body, out) }()
	kills, gains, lost := 0, 0, 0
	for m := range out {
		switch m.Event {
		case "kill":
			kills++
		case "experience":
			gains++
		case "lag":
			var l struct{ Dropped int }
			m.into(t, &l)
			lost += l.Dropped
		}
		if m.ID == itemID(30_000) {
			break
		}
	}
	_ = res.Body.Close()
	for m := range out { // until the reader has ended
		t.Logf("after the last: %s", m.Event)
	}
	if kills != 100 || lost == 0 || gains+lost != 3000 {
		t.Errorf("%d of 100 kills, %d gains, told of %d lost; want every kill, and 3000 gains accounted for", kills, gains, lost)
	}
}

func TestDrainAsksReadersToComeBackAndEnds(t *testing.T) {
	s := start(t, func(c *notifier.Config) { c.Limits.Drain = time.Second })
	f := follow(t, s.url+"/api/v1/feed")
	f.next()
	stall(t, s, "")
	idle, err := net.Dial("tcp", s.Addr()) // never sends a request
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	m, _ := f.until("drain")
	if m.Retry == "" || !strings.Contains(string(m.Data), "retry_ms") {
		t.Errorf("drain with retry %q: %s", m.Retry, m.Data)
	}
	if _, ok := f.read(); ok {
		t.Error("the feed goes on after drain")
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("it still accepts connections")
	}
}

func TestRunSaysWhyItCannotServe(t *testing.T) {
	s := start(t, nil)
	n, err := notifier.New(notifier.Config{Addr: s.Addr(), Bus: newWire(), Store: newMemory()})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Run on a taken address: %v", err)
	}
	if _, err := notifier.New(notifier.Config{}); err == nil {
		t.Error("New without a bus and a store gave no error")
	}
}

// brokenBus loses its connection.
type brokenBus struct{}

func (brokenBus) Listen(context.Context, string, func(), func(bus.Message, int)) error {
	return errors.New("connection lost")
}

func TestRunEndsWhenTheBusIsLost(t *testing.T) {
	n, err := notifier.New(notifier.Config{Addr: "127.0.0.1:0", Bus: brokenBus{}, Store: newMemory()})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "connection lost") {
		t.Errorf("Run: %v", err)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	shared := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "muster_event_latency_seconds",
		Help: "From the arrival of the frame to the end of the stage."}, []string{"stage"})
	reg.MustRegister(shared) // by another role in the process
	s := start(t, func(c *notifier.Config) { c.Registerer = reg })
	f := follow(t, s.url+"/api/v1/feed")
	f.next()
	it := item(1, "kill", 10, who(alice, "Alice"), nil)
	it.ReceivedAt = time.Now().UnixNano()
	s.publish(t, it)
	f.next()
	get(t, s.url+"/no/such")
	eventually(t, "all is counted", func() bool {
		return counter(t, reg, "muster_feed_sent_total") >= 1 && counter(t, reg, "muster_event_latency_seconds") >= 1
	})
	want := `
# HELP muster_http_requests_total Answers of the public HTTP server.
# TYPE muster_http_requests_total counter
muster_http_requests_total{code="404",route="/"} 1
`
	eventually(t, "the answer is counted", func() bool {
		return testutil.GatherAndCompare(reg, bytes.NewBufferString(want), "muster_http_requests_total") == nil
	})
}

func TestWhoHasHiddenIsNotNamedByWhatIsRemembered(t *testing.T) {
	s := start(t, nil)
	live := follow(t, s.url+"/api/v1/feed?world=10")
	live.next()
	a := who(alice, "Alice")
	a.Faction = event.NC
	s.publish(t, item(1, "kill", 10, who(nobody, ""), a), item(2, "kill", 10, who(bob, "Bob"), who(nobody, "")))
	s.bus.publish(t, event.TopicNames, []event.Character{{ID: nobody, Name: "Nemo"}})
	live.until("names")
	s.bus.publish(t, event.TopicNames, []event.Character{{ID: alice, Hidden: true}, {ID: nobody, Hidden: true}})
	s.publish(t, item(3, "kill", 10, who(bob, "Bob"), nil))
	live.until("kill")
	f := follow(t, s.url+"/api/v1/feed?world=10", "Last-Event-ID", pointBefore())
	for range 20 {
		m := f.next()
		text := string(m.Data)
		for _, secret := range []string{"Alice", "Nemo", alice.String(), nobody.String()} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", secret, text)
			}
		}
		if m.ID == itemID(1) && (strings.Count(text, event.HiddenName) != 2 || !strings.Contains(text, `"faction":2`)) {
			t.Errorf("the kill is %s", text)
		}
		if m.ID == itemID(3) {
			return
		}
	}
	t.Error("the replay has no end")
}
