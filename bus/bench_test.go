package bus_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"muster/bus"
	"muster/bus/bustest"
)

// BenchmarkSpoolPublish publishes one message a call, so that what is measured is
// how concurrent publishers share commits. All of it is consumed, and counted.
func BenchmarkSpoolPublish(b *testing.B) {
	for _, publishers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			db, err := openDB(filepath.Join(b.TempDir(), "s.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close() // nothing is written any more
			s, err := bus.OpenSpool(b.Context(), db, bus.SpoolConfig{Topology: bustest.Topology()})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			body := make([]byte, 400)
			b.ResetTimer()
			var wg sync.WaitGroup
			for p := range publishers {
				wg.Go(func() {
					for range (b.N + publishers - 1 - p) / publishers {
						if err := s.Publish(ctx, bustest.Solo, bus.Message{Body: body}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			came := 0
			err = s.Consume(ctx, bustest.Only, func(_ context.Context, batch bus.Batch) error {
				if came += len(batch.Deliveries); came >= b.N {
					cancel()
				}
				return nil
			})
			if err != nil || came != b.N {
				b.Fatalf("%d messages came, want %d (%v)", came, b.N, err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkBroadcast copies one message to many listeners.
func BenchmarkBroadcast(b *testing.B) {
	for _, listeners := range []int{1, 100} {
		b.Run(fmt.Sprintf("listeners=%d", listeners), func(b *testing.B) {
			m := bus.NewMemory(bustest.Topology())
			var ready, done, ended sync.WaitGroup
			ready.Add(listeners)
			done.Add(listeners)
			for range listeners {
				ended.Go(func() {
					n := 0
					err := m.Listen(b.Context(), bustest.News, ready.Done, func(_ bus.Message, lost int) {
						if n += 1 + lost; n == b.N {
							done.Done()
						}
					})
					if err != nil && !errors.Is(err, bus.ErrClosed) {
						b.Error(err)
					}
				})
			}
			ready.Wait()
			b.ResetTimer()
			for range b.N {
				if err := m.Publish(b.Context(), bustest.News, bus.Message{ID: "m"}); err != nil {
					b.Fatal(err)
				}
			}
			done.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)*float64(listeners)/b.Elapsed().Seconds(), "messages/s")
			if err := m.Close(); err != nil {
				b.Fatal(err)
			}
			ended.Wait()
		})
	}
}
