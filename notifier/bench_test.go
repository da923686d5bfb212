package notifier

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"muster/event"
)

// BenchmarkOneOfManyWantsIt shows that an event costs what matches it, not who is
// connected.
func BenchmarkOneOfManyWantsIt(b *testing.B) {
	for _, clients := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			benchmarkPublish(b, clients, func(n int) filter {
				return filter{characters: map[event.CharacterID]struct{}{event.CharacterID(1 + n): {}}}
			}, 1)
		})
	}
}

// BenchmarkAllWantIt is the queueing of one event for every client.
func BenchmarkAllWantIt(b *testing.B) {
	for _, clients := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			benchmarkPublish(b, clients, func(int) filter { return filter{} }, clients)
		})
	}
}

func benchmarkPublish(b *testing.B, clients int, want func(n int) filter, matches int) {
	m, err := newMetrics(nil)
	if err != nil {
		b.Fatal(err)
	}
	limits := DefaultLimits()
	limits.ClientsPerAddress = clients
	h := newHub("e", limits, m, time.Now())
	all := make([]*client, clients)
	for n := range all {
		all[n] = newClient(netip.Addr{}, "sse", want(n))
		if _, err := h.join(all[n], "", time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	now, queued, events := time.Now(), 0, 0
	b.ReportAllocs()
	for b.Loop() {
		events++
		at := now.Add(time.Duration(events) * time.Microsecond)
		it := event.FeedItem{ID: event.FeedID(at, event.Key{}), Kind: "kill", World: 10, ReceivedAt: at.UnixNano(),
			Character: &event.Who{ID: 1, Name: "Alice"}, Other: &event.Who{ID: 99_999_999, Name: "Bob"},
			Detail: json.RawMessage(`{"weapon":{"id":"7214","name":"Gauss SAW"},"headshot":true}`)}
		if err := h.publish(&it, at); err != nil {
			b.Fatal(err)
		}
		if events%512 == 0 { // readers take what waits for them
			queued += takeAll(all)
		}
	}
	if queued += takeAll(all); queued != events*matches {
		b.Fatalf("%d events were queued %d times, want %d: the benchmark would measure nothing", events, queued, events*matches)
	}
}

func takeAll(all []*client) (n int) {
	for _, c := range all {
		frames, _, _ := c.take()
		n += len(frames)
	}
	return n
}
