package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
)

// rejectAll makes everything in the queue a dead letter.
func rejectAll(_ context.Context, batch bus.Batch) error {
	reasons := map[int]error{}
	for i, d := range batch.Deliveries {
		reasons[i] = fmt.Errorf("no sense in %s", d.ID)
	}
	return &bus.Rejected{Reasons: reasons}
}

func mustList(t *testing.T, b *rabbit.Bus, want int) (letters []bus.Letter) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d dead letters", want), func() bool {
		var err error
		if letters, err = b.List(context.Background(), bustest.Only, 10); err != nil {
			t.Fatal(err)
		}
		return len(letters) == want
	})
	return letters
}

// send publishes past the bus, as another program would.
func send(t *testing.T, cfg rabbit.Config, msg amqp.Publishing) {
	t.Helper()
	withChannel(t, cfg.URL, func(ch *amqp.Channel) {
		if err := ch.Confirm(false); err != nil {
			t.Fatal(err)
		}
		done, err := ch.PublishWithDeferredConfirm("", rabbit.QueueName(cfg, bustest.Only), true, false, msg)
		if err != nil || !done.Wait() {
			t.Fatalf("publish: %v", err)
		}
	})
}

// take removes one message from the queue and returns it as the broker has it.
func take(t *testing.T, cfg rabbit.Config) (got amqp.Delivery) {
	t.Helper()
	withChannel(t, cfg.URL, func(ch *amqp.Channel) {
		eventually(t, "the message is in the queue", func() bool {
			d, ok, err := ch.Get(rabbit.QueueName(cfg, bustest.Only), true)
			if err != nil {
				t.Fatal(err)
			}
			got = d
			return ok
		})
	})
	return got
}

func TestAMessageKeepsItsHeadersOnTheWayToTheDeadAndBack(t *testing.T) {
	cfg := config(t)
	b := mustOpen(t, cfg)
	sent := time.Now().Add(-time.Hour)
	send(t, cfg, amqp.Publishing{MessageId: "m", Body: []byte("body"), Headers: amqp.Table{
		"muster-schema": int32(1), "muster-at": sent.UnixNano(), "muster-key": "ps2.10.Death", "later": "kept", "number": int64(7),
		"CC": []any{"somewhere"}, "nested": amqp.Table{"a": "b"}, "long": strings.Repeat("l", 2000), "x-own": "no",
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, bustest.Only, rejectAll) }()
	dead := mustList(t, b, 1)[0]
	cancel()
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
	if dead.Key != "ps2.10.Death" || dead.PublishedAt.UnixNano() != sent.UnixNano() || dead.Headers["later"] != "kept" ||
		dead.Headers["muster-attempts"] != "1" || dead.Headers["muster-reason"] != "" {
		t.Errorf("got %+v, want key, time, headers and one attempt", dead)
	}
	if n, err := b.Replay(context.Background(), bustest.Only, dead.Ref); n != 1 || err != nil {
		t.Fatalf("replay: got %d, %v, want 1", n, err)
	}
	back := take(t, cfg)
	if replayed, _ := back.Headers["muster-replayed"].(int64); replayed < sent.UnixNano() {
		t.Errorf("it says that it was replayed at %v", back.Headers["muster-replayed"])
	}
	if back.MessageId != "m" || string(back.Body) != "body" || back.Headers["muster-key"] != "ps2.10.Death" ||
		back.Headers["later"] != "kept" || back.Headers["number"] != int64(7) {
		t.Errorf("came back as %+v, want it as it was", back)
	}
	for _, name := range []string{"CC", "nested", "long", "x-own", "muster-reason", "muster-queue", "muster-died", "muster-attempts"} {
		if v, ok := back.Headers[name]; ok {
			t.Errorf("header %s came back as %v", name, v)
		}
	}
}

func TestAMessageOfANewerSchemaIsPutAsideUnreadAndStaysWhatItIs(t *testing.T) {
	cfg := config(t)
	b := mustOpen(t, cfg)
	send(t, cfg, amqp.Publishing{MessageId: "new", Body: []byte("other"), Headers: amqp.Table{"muster-schema": int32(2)}})
	mustPublish(t, b, message(0))
	s := &seen{times: make(map[string]int)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, bustest.Only, func(_ context.Context, batch bus.Batch) error {
			s.add(batch)
			return nil
		})
	}()
	dead := mustList(t, b, 1)[0]
	eventually(t, "the other was handled", func() bool { return s.distinct() == 1 })
	cancel()
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
	if dead.ID != "new" || !strings.Contains(dead.Reason, "schema version 2") || !strings.Contains(dead.Reason, "reads up to 1") {
		t.Errorf("got %+v, want the new one with a reason that names both versions", dead)
	}
	if s.times["new"] != 0 || s.times[message(0).ID] != 1 {
		t.Errorf("handled %v, want the old one alone", s.times)
	}
	if n, err := b.Replay(context.Background(), bustest.Only, bus.EveryLetter); n != 1 || err != nil {
		t.Fatalf("replay: got %d, %v, want 1", n, err)
	}
	if back := take(t, cfg); back.Headers["muster-schema"] != int32(2) {
		t.Errorf("came back with schema %v, want 2: a reader of version 1 must not take it for its own", back.Headers["muster-schema"])
	}
}

func TestAListenerCountsWhatItCannotReadAsLost(t *testing.T) {
	cfg := config(t)
	b := mustOpen(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	type heard struct {
		id   string
		lost int
	}
	got := make(chan heard, 10)
	go func() {
		done <- b.Listen(ctx, bustest.News, func() { close(ready) }, func(m bus.Message, lost int) { got <- heard{m.ID, lost} })
	}()
	within(t, ready)
	exchange := rabbit.ExchangeName(cfg, bustest.News)
	withChannel(t, cfg.URL, func(ch *amqp.Channel) {
		if err := ch.Confirm(false); err != nil {
			t.Fatal(err)
		}
		c, err := ch.PublishWithDeferredConfirm(exchange, "k", false, false, amqp.Publishing{
			MessageId: "new", Headers: amqp.Table{"muster-schema": int64(9)}})
		if err != nil || !c.Wait() {
			t.Fatalf("publish: %v", err)
		}
	})
	if err := b.Publish(ctx, bustest.News, message(0)); err != nil {
		t.Fatal(err)
	}
	if h := within(t, got); h.id != message(0).ID || h.lost != 1 {
		t.Errorf("heard %+v, want message 0 and 1 lost before it", h)
	}
	cancel()
	if err := within(t, done); err != nil {
		t.Error(err)
	}
}

func TestALettersReferenceDoesNotDependOnTheProcessThatReadsIt(t *testing.T) {
	cfg := config(t)
	b := mustOpen(t, cfg)
	mustPublish(t, b, messages(0, 3)...)
	consume(t, b, rejectAll)
	here := mustList(t, b, 3)
	there := mustList(t, mustOpen(t, cfg), 3)
	for i := range here {
		if here[i].Ref != there[i].Ref {
			t.Errorf("letter %d is %s here and %s there", i, here[i].Ref, there[i].Ref)
		}
	}
}

func TestAReplayThatTheQueueDoesNotTakeKeepsTheLetter(t *testing.T) {
	cfg := config(t)
	b := mustOpen(t, cfg)
	mustPublish(t, b, message(0))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, bustest.Only, rejectAll) }()
	dead := mustList(t, b, 1)[0]
	cancel()
	if err := within(t, done); err != nil {
		t.Fatal(err)
	}
	withChannel(t, cfg.URL, func(ch *amqp.Channel) {
		if _, err := ch.QueueDelete(rabbit.QueueName(cfg, bustest.Only), false, false, false); err != nil {
			t.Fatal(err)
		}
	})
	if n, err := b.Replay(context.Background(), bustest.Only, dead.Ref); n != 0 || !errors.Is(err, rabbit.ErrUnroutable) {
		t.Errorf("replay without a queue: got %d, %v, want 0 and ErrUnroutable", n, err)
	}
	if left := mustList(t, b, 1); left[0].Ref != dead.Ref {
		t.Errorf("left is %s, want %s", left[0].Ref, dead.Ref)
	}
	eventually(t, "the replay works once the queue is back", func() bool {
		n, err := b.Replay(context.Background(), bustest.Only, dead.Ref)
		return n == 1 && err == nil
	})
}
