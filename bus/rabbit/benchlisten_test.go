package rabbit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
)

// BenchmarkListen publishes to one listener, to a topic that is kept and to one that
// is not: 20,000 messages a round as fast as they go, and then 1,000 at 1,000 a
// second, of which it reports how long each took to be heard.
func BenchmarkListen(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("lasting=%v", kept), func(b *testing.B) {
			cfg := config(b)
			cfg.Log = nil
			if kept {
				cfg.Lasting = []string{bustest.News}
			}
			r := mustOpen(b, cfg)
			heard := make(chan time.Time, 2*benchSize)
			ctx, cancel := context.WithCancel(context.Background())
			ready, done := make(chan struct{}), make(chan error, 1)
			go func() {
				done <- r.Listen(ctx, bustest.News, func() { close(ready) }, func(_ bus.Message, lost int) {
					if lost > 0 {
						b.Errorf("lost %d", lost)
					}
					heard <- time.Now()
				})
			}()
			<-ready
			var fast time.Duration
			var late []time.Duration
			for b.Loop() {
				fast += timed(func() { tellFast(b, r, heard) })
				late = append(late, tellSlowly(b, r, heard)...)
			}
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			slices.Sort(late)
			b.ReportMetric(float64(benchSize)*float64(b.N)/fast.Seconds(), "heard/s")
			b.ReportMetric(late[len(late)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(late[len(late)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
}

func tellFast(b *testing.B, r *rabbit.Bus, heard <-chan time.Time) {
	all := benchMessages()
	for range benchSize / len(all) {
		if err := r.Publish(context.Background(), bustest.News, all...); err != nil {
			b.Fatal(err)
		}
	}
	for range benchSize {
		<-heard
	}
}

func tellSlowly(b *testing.B, r *rabbit.Bus, heard <-chan time.Time) (late []time.Duration) {
	m := benchMessages()[:1]
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		<-tick.C
		began := time.Now()
		if err := r.Publish(context.Background(), bustest.News, m...); err != nil {
			b.Fatal(err)
		}
		late = append(late, (<-heard).Sub(began))
	}
	return late
}
