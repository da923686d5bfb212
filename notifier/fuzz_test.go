package notifier

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"muster/event"
)

func FuzzAFilterIsRefusedOrMatchesExactly(f *testing.F) {
	for _, q := range []string{"", "world=10&kind=kill", "character=5428010618020694593&outfit=1", "kind=&world=-1", "world=10&world=010"} {
		f.Add(q, uint16(10), "kill", int64(5428010618020694593))
	}
	f.Fuzz(func(t *testing.T, query string, world uint16, kind string, id int64) {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		flt, err := specFromQuery(q).parse(20)
		if err != nil {
			if d := filterProblem(err); d.Status != 400 || d.Detail == "" || len(d.Detail) > 200 {
				t.Errorf("problem %+v", d)
			}
			return
		}
		again, err := flt.spec().parse(20)
		if err != nil || !again.equal(flt) {
			t.Errorf("%v is written as %v, which is read as %v: %v", flt, flt.spec(), again, err)
		}
		it := event.FeedItem{World: event.World(world), Kind: kind, Character: &event.Who{ID: event.CharacterID(id)}}
		checkIndex(t, flt, subjectOf(&it))
	})
}

// checkIndex holds the index to the filter it is built from.
func checkIndex(t *testing.T, f filter, s subject) {
	t.Helper()
	x, c, found := index{}, &client{filters: []filter{f}}, 0
	x.add(c)
	x.each(s, 1, func(*client) { found++ })
	if want := f.matches(s); found > 1 || (found == 1) != want {
		t.Errorf("filter %v, event %v: found %d times, matches %v", f.spec(), s, found, want)
	}
	if x.remove(c); len(x) != 0 {
		t.Errorf("the index keeps %v", x)
	}
}

func FuzzAnyIDResumesSomewhere(f *testing.F) {
	now := time.Unix(1_730_000_000, 0)
	f.Add("", 0)
	f.Add(pointID(now), 3)
	f.Add(event.FeedID(now.Add(3*time.Second), event.Key{1}), 40)
	f.Add(strings.Repeat("f", 25), 5)
	f.Fuzz(func(t *testing.T, id string, events int) {
		events = min(max(events, 0), 200)
		r := newRing(time.Minute, 1<<16, now)
		for n := range events {
			at := now.Add(time.Duration(n) * time.Second)
			it := event.FeedItem{ID: event.FeedID(at, event.Key{byte(n)}), Kind: "kill", Detail: json.RawMessage("{}")}
			fr, err := newItemFrame(&it)
			if err != nil {
				t.Fatal(err)
			}
			r.add(entry{item: it, frame: fr, cameAt: at})
		}
		got := r.resume(id, now.Add(time.Duration(events)*time.Second))
		if got.position < r.first || got.position > r.next() {
			t.Errorf("resume at %d of %d to %d", got.position, r.first, r.next())
		}
		if got.complete && (got.from != id || id < r.from) {
			t.Errorf("called complete: %+v, the ring reaches back to %s", got, r.from)
		}
		if r.has(id) && (!got.complete || got.position == r.first && events > 1) {
			t.Errorf("an id of the ring: %+v", got)
		}
	})
}

func FuzzACommandNeverBreaksTheConnection(f *testing.F) {
	for _, s := range []string{`{}`, `{"subscribe":{}}`, `{"unsubscribe":{"kind":["kill"]}}`, `{"resume":"x"}`, `{"subscribe":{"world":["10"]}}`, `null`, `"`} {
		f.Add(s)
	}
	m, err := newMetrics(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		n := &Notifier{cfg: Config{Limits: DefaultLimits()}, hub: newHub("e", DefaultLimits(), m, time.Now()), metrics: m}
		c := newClient(netip.Addr{}, "websocket")
		if _, err := n.hub.join(c, "", time.Now()); err != nil {
			t.Fatal(err)
		}
		s := newWSConn(n, c, nil)
		s.obey([]byte(body))
		frames, _, _ := n.hub.next(c)
		if len(frames) != 1 {
			t.Fatalf("%d answers", len(frames))
		}
		if !json.Valid(frames[0].data) {
			t.Errorf("answer %s", frames[0].data)
		}
		n.hub.part(c)
		if len(n.hub.index) != 0 || len(n.hub.perAddr) != 0 {
			t.Errorf("left behind: %v %v", n.hub.index, n.hub.perAddr)
		}
	})
}
