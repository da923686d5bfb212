package rabbit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
)

// patience is how long anything may take before a test gives up.
const patience = 30 * time.Second

// brokerURL returns where the broker for tests is, or skips.
func brokerURL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("MUSTER_TEST_AMQP_URL")
	if url == "" {
		t.Skip("MUSTER_TEST_AMQP_URL is not set: no RabbitMQ to test against")
	}
	return url
}

// namespace returns one that nobody else has.
func namespace() string { return "test-" + strings.ToLower(rand.Text()[:10]) }

// config returns one with a namespace of its own, which the test's end removes.
func config(t testing.TB) rabbit.Config {
	t.Helper()
	cfg := rabbit.Config{
		URL: brokerURL(t), Topology: bustest.Topology(), Namespace: namespace(),
		OpenTimeout: patience, Heartbeat: time.Second, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
	t.Cleanup(func() { remove(t, cfg) })
	return cfg
}

// testWriter shows the log of a test that failed.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// remove deletes what a bus has left on the broker.
func remove(t testing.TB, cfg rabbit.Config) {
	t.Helper()
	withChannel(t, cfg.URL, func(amqpCh *amqp.Channel) {
		exchanges, queues := rabbit.Names(cfg)
		for _, name := range queues {
			if _, err := amqpCh.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("delete queue %s: %v", name, err)
			}
		}
		for _, name := range exchanges {
			if err := amqpCh.ExchangeDelete(name, false, false); err != nil {
				t.Errorf("delete exchange %s: %v", name, err)
			}
		}
	})
}

// withChannel runs f on a bare connection.
func withChannel(t testing.TB, url string, f func(*amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	amqpCh, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	f(amqpCh)
}

// mustOpen opens a bus that the test's end closes.
func mustOpen(t testing.TB, cfg rabbit.Config) *rabbit.Bus {
	t.Helper()
	b, err := rabbit.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // some tests close it themselves
	return b
}

// metric sums up the series of a metric whose labels have the given values, in any
// order.
func metric(t testing.TB, reg *prometheus.Registry, name string, values ...string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			matching := 0
			for _, l := range m.GetLabel() {
				if slices.Contains(values, l.GetValue()) {
					matching++
				}
			}
			if matching == len(values) {
				found = true
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	if !found {
		t.Fatalf("there is no metric %s %v", name, values)
	}
	return sum
}

func TestRabbitKeepsTheContract(t *testing.T) {
	brokerURL(t)
	bustest.Run(t, func(t *testing.T) (bus.Bus, func() bus.Bus) {
		cfg := config(t)
		b := mustOpen(t, cfg)
		return b, func() bus.Bus {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = mustOpen(t, cfg)
			return b
		}
	})
}

func TestListenersOfALastingTopicKeepTheContract(t *testing.T) {
	brokerURL(t)
	bustest.Run(t, func(t *testing.T) (bus.Bus, func() bus.Bus) {
		cfg := lasting(t)
		b := mustOpen(t, cfg)
		return b, func() bus.Bus {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = mustOpen(t, cfg)
			return b
		}
	})
}

// lasting is config with a topic that is kept.
func lasting(t testing.TB) rabbit.Config {
	cfg := config(t)
	cfg.Lasting = []string{bustest.News}
	return cfg
}

var errTry = errors.New("try again")

func message(n int) bus.Message {
	return bus.Message{ID: fmt.Sprintf("m-%06d", n), Key: "ps2.10.Death", Body: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func messages(from, to int) []bus.Message {
	var all []bus.Message
	for n := from; n < to; n++ {
		all = append(all, message(n))
	}
	return all
}
