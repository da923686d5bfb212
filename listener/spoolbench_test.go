package listener

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"muster/bus"
	"muster/event"
)

// A gate is a bus that takes nothing until it is opened, and counts then.
type gate struct {
	open chan struct{}
	got  int
}

func (g *gate) Publish(ctx context.Context, _ string, messages ...bus.Message) error {
	select {
	case <-g.open:
		g.got += len(messages)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) Listen(ctx context.Context, _ string, ready func(), _ func(bus.Message, int)) error {
	ready()
	<-ctx.Done()
	return nil
}

// BenchmarkOutage has the bus away while two million events come, and then back:
// how fast they go to disk and come from there, and how much memory that takes.
func BenchmarkOutage(b *testing.B) {
	const events, round = 2_000_000, 10_000
	for b.Loop() {
		g := &gate{open: make(chan struct{})}
		l, err := New(Config{Stream: lines(0), Bus: g, Locker: newDesk(), Spool: openDisk(b, b.TempDir(), 2<<30)})
		if err != nil {
			b.Fatal(err)
		}
		var peak uint64
		look := func() {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		var publisher sync.WaitGroup
		ctx, cancel := context.WithCancel(b.Context())
		publisher.Go(func() { l.publish(ctx, l.queue) })
		s := sighting(1, 1)
		began := b.Elapsed()
		for range events / round {
			for range round {
				m := bus.Message{ID: s.Event.Key().String(), Key: "ps2.1.Death", Body: event.EncodeSighting(s.Payload, s.ReceivedAt, 0)}
				if !l.queue.add(m, false) {
					b.Fatal("no room")
				}
			}
			if err := l.queue.spill(); err != nil {
				b.Fatal(err)
			}
		}
		look()
		in := b.Elapsed() - began
		bytes := l.cfg.Spool.Stats().Bytes
		close(g.open)
		l.queue.close()
		publisher.Wait()
		cancel()
		look()
		out := b.Elapsed() - began - in
		if g.got != events || l.cfg.Spool.Len() != 0 {
			b.Fatalf("%d of %d are published, %d are on disk", g.got, events, l.cfg.Spool.Len())
		}
		b.ReportMetric(events/in.Seconds(), "in/s")
		b.ReportMetric(events/out.Seconds(), "out/s")
		b.ReportMetric(float64(bytes)/events, "B/event")
		b.ReportMetric(float64(peak)/(1<<20), "MB-heap")
	}
}
