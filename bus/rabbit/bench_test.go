package rabbit_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
)

const benchSize = 20_000 // messages a round

func benchMessages() []bus.Message {
	body := make([]byte, 400)
	all := make([]bus.Message, bus.MaxBatch)
	for i := range all {
		all[i] = bus.Message{ID: "m", Key: "ps2.10.Death", Body: body}
	}
	return all
}

// BenchmarkAgainstBare publishes and consumes rounds of 20,000 messages through
// the bus and through the bare driver in turn, on the same queue, and reports the
// bus's rates and their ratios to the bare ones: of publishing to the cheapest
// message there is, and to one like ours on the same way ("alike").
func BenchmarkAgainstBare(b *testing.B) {
	cfg := config(b)
	cfg.Log = nil
	r := mustOpen(b, cfg)
	queue := rabbit.QueueName(cfg, bustest.Only)
	exchange := rabbit.ExchangeName(cfg, bustest.Solo)
	var pub, sub, barePub, alikePub, bareSub time.Duration
	for b.Loop() {
		withChannel(b, cfg.URL, func(amqpCh *amqp.Channel) {
			barePub += timed(func() { barePublish(b, amqpCh, "", queue, amqp.Publishing{}) })
		})
		sub += timed(func() { busConsume(b, r) })
		withChannel(b, cfg.URL, func(amqpCh *amqp.Channel) {
			alikePub += timed(func() { barePublish(b, amqpCh, exchange, "ps2.10.Death", alike()) })
		})
		withChannel(b, cfg.URL, func(amqpCh *amqp.Channel) { bareConsume(b, amqpCh, queue) })
		pub += timed(func() { busPublish(b, r) })
		withChannel(b, cfg.URL, func(amqpCh *amqp.Channel) {
			bareSub += timed(func() { bareConsume(b, amqpCh, queue) })
		})
	}
	total := float64(benchSize) * float64(b.N)
	b.ReportMetric(total/pub.Seconds(), "published/s")
	b.ReportMetric(total/sub.Seconds(), "consumed/s")
	b.ReportMetric(barePub.Seconds()/pub.Seconds(), "publish-ratio")
	b.ReportMetric(alikePub.Seconds()/pub.Seconds(), "publish-ratio-alike")
	b.ReportMetric(bareSub.Seconds()/sub.Seconds(), "consume-ratio")
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func busPublish(b *testing.B, r *rabbit.Bus) {
	all := benchMessages()
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			for range benchSize / len(all) / cap(done) {
				if err := r.Publish(context.Background(), bustest.Solo, all...); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func busConsume(b *testing.B, r *rabbit.Bus) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	err := r.Consume(ctx, bustest.Only, func(_ context.Context, batch bus.Batch) error {
		if n += len(batch.Deliveries); n >= benchSize {
			cancel()
		}
		return nil
	})
	if err != nil || n != benchSize {
		b.Fatalf("%d messages came, want %d (%v)", n, benchSize, err)
	}
}

// alike has the properties of the bus's messages.
func alike() amqp.Publishing {
	now := time.Now()
	return amqp.Publishing{
		Headers:     amqp.Table{"muster-schema": int32(1), "muster-at": now.UnixNano()},
		ContentType: "application/json", MessageId: "m", Timestamp: now, CorrelationId: "1000000",
	}
}

// barePublish keeps 1,000 confirms outstanding.
func barePublish(b *testing.B, amqpCh *amqp.Channel, exchange, key string, msg amqp.Publishing) {
	if err := amqpCh.Confirm(false); err != nil {
		b.Fatal(err)
	}
	msg.Body, msg.DeliveryMode = make([]byte, 400), amqp.Persistent
	window := make(chan *amqp.DeferredConfirmation, 1000)
	done := make(chan bool, 1)
	go func() {
		all := true
		for c := range window {
			all = c.Wait() && all
		}
		done <- all
	}()
	for range benchSize {
		c, err := amqpCh.PublishWithDeferredConfirm(exchange, key, true, false, msg)
		if err != nil {
			b.Fatal(err)
		}
		window <- c
	}
	close(window)
	if !<-done {
		b.Fatal("a message was not confirmed")
	}
}

// bareConsume acknowledges every 1,000 messages.
func bareConsume(b *testing.B, amqpCh *amqp.Channel, queue string) {
	if err := amqpCh.Qos(rabbit.DefaultPrefetch, 0, false); err != nil {
		b.Fatal(err)
	}
	deliveries, err := amqpCh.Consume(queue, "bare", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	for n := 1; n <= benchSize; n++ {
		d, ok := <-deliveries
		if !ok {
			b.Fatal("the channel was closed")
		}
		if n%1000 == 0 {
			if err := d.Ack(true); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := amqpCh.Cancel("bare", false); err != nil {
		b.Fatal(err)
	}
}
