package rabbit_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus/rabbit"
)

func TestForeignAndOldMessagesAreUnderstood(t *testing.T) {
	sent := time.Unix(1_730_000_000, 0)
	tests := []struct {
		name    string
		in      amqp.Delivery
		key     string
		attempt int
		at      time.Time
	}{
		{"without headers", amqp.Delivery{RoutingKey: "a.b", Timestamp: sent}, "a.b", 1, sent.UTC()},
		{"with headers of a later schema", amqp.Delivery{RoutingKey: "a.b", Headers: amqp.Table{
			"muster-schema": int32(99), "muster-at": sent.UnixNano() + 5, "muster-new": amqp.Table{"x": int32(1)},
		}}, "a.b", 1, sent.Add(5).UTC()},
		{"delivered before", amqp.Delivery{Redelivered: true, Headers: amqp.Table{"x-delivery-count": int64(4)}, Timestamp: sent}, "", 5, sent.UTC()},
		{"delivered before, uncounted", amqp.Delivery{Redelivered: true, Timestamp: sent}, "", 2, sent.UTC()},
		{"on another way", amqp.Delivery{RoutingKey: "queue", Headers: amqp.Table{"muster-key": "a.b"}, Timestamp: sent}, "a.b", 1, sent.UTC()},
		{"with headers of other types", amqp.Delivery{RoutingKey: "a.b", Timestamp: sent, Headers: amqp.Table{
			"muster-key": int32(3), "muster-at": "yesterday", "x-delivery-count": "many", "x-death": "so"}}, "a.b", 1, sent.UTC()},
	}
	for _, test := range tests {
		got := rabbit.Decode(&test.in)
		if got.Key != test.key || got.Attempt != test.attempt || !got.PublishedAt.Equal(test.at) || got.PublishedAt.Location() != time.UTC {
			t.Errorf("%s: got %+v, want key %q, attempt %d, at %v", test.name, got, test.key, test.attempt, test.at)
		}
	}
}

func TestOldBrokersAreRecognised(t *testing.T) {
	for version, want := range map[string]bool{
		"3.9.29": false, "3.10.8": true, "3.13.0": true, "4.1.0": true, "2.8.1": false, "": true, "next": true, "3": true,
	} {
		if got := rabbit.AtLeastOnce(amqp.Table{"version": version}); got != want {
			t.Errorf("version %q: got %v, want %v", version, got, want)
		}
	}
	if !rabbit.AtLeastOnce(amqp.Table{}) {
		t.Error("a broker that does not tell its version must count as new")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("id", "ps2.10.Death", []byte("{}"), "muster-at", int64(1), "reason", true)
	f.Add("", "", []byte(nil), "x-delivery-count", int64(-1), "", false)
	f.Add("", "", []byte(nil), "x-death", int64(1)<<62, "x", true)
	f.Fuzz(func(t *testing.T, id, key string, body []byte, header string, n int64, text string, again bool) {
		for _, v := range []any{n, int32(n), uint8(n), text, again, nil, []byte(text), amqp.Table{"routing-keys": []any{text, n}},
			[]any{n}, []any{amqp.Table{"routing-keys": []any{n}, "reason": n}}, []any{amqp.Table{"routing-keys": []any{}, "time": time.Unix(n, 0)}}} {
			d := amqp.Delivery{MessageId: id, RoutingKey: key, Body: body, Redelivered: again, Headers: amqp.Table{header: v}}
			got := rabbit.Decode(&d)
			if got.ID != id || got.Attempt < 1 || again && got.Attempt < 2 || got.PublishedAt.Location() != time.UTC {
				t.Fatalf("header %q = %v: got %+v", header, v, got)
			}
			if dead := rabbit.ReadLetter(&d, "queue"); dead.Queue == "" && header != "muster-queue" || dead.At.Location() != time.UTC {
				t.Fatalf("header %q = %v: got %+v", header, v, dead)
			}
		}
	})
}

// A broker that closes the channel on any acknowledgement it does not expect.
func TestAcknowledgementsNameEachTagOnce(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var tags rabbit.Tracker
		open, next := []uint64{}, uint64(1)
		ack := func(tag uint64, multiple bool) {
			i := slices.Index(open, tag)
			if i < 0 {
				t.Fatalf("seed %d: tag %d is not open", seed, tag)
			}
			if multiple {
				open = open[i+1:]
			} else {
				open = slices.Delete(open, i, i+1)
			}
		}
		settled := map[uint64]bool{}
		for range 300 {
			switch rnd.IntN(4) {
			case 0, 1:
				tags.Arrived(next)
				open = append(open, next)
				next++
			case 2:
				tag := rnd.Uint64N(next + 2) // also unknown ones and some twice
				tags.Settle(tag)
				settled[tag] = tag < next
				if last := tags.Advance(); last > 0 {
					for _, o := range open {
						if o <= last && !settled[o] {
							t.Fatalf("seed %d: tag %d would be acknowledged, nobody settled it", seed, o)
						}
					}
					ack(last, true)
				}
			case 3:
				for _, tag := range tags.Loose() {
					ack(tag, false)
				}
			}
		}
	}
}
