package conformance

import (
	"context"
	"crypto/rand"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"gocloud.dev/pubsub/driver"
	"gocloud.dev/pubsub/drivertest"
	_ "modernc.org/sqlite" // the spool's driver

	"muster/bus"
	"muster/bus/rabbit"
)

// topology has a topic with two subscriptions.
func topology() bus.Topology { return bus.Topology{"topic": {"first", "second"}} }

// A harness is one bus for one test of the suite.
type harness struct {
	bus  bus.Bus
	made int // subscriptions
	end  func()
}

func (h *harness) CreateTopic(context.Context, string) (driver.Topic, func(), error) {
	return &topic{bus: h.bus, name: "topic"}, func() {}, nil
}

func (h *harness) MakeNonexistentTopic(context.Context) (driver.Topic, error) {
	return &topic{bus: h.bus, name: "nowhere"}, nil
}

func (h *harness) CreateSubscription(context.Context, driver.Topic, string) (driver.Subscription, func(), error) {
	h.made++
	return newSubscription(h.bus, topology()["topic"][h.made-1]), func() {}, nil
}

func (h *harness) MakeNonexistentSubscription(context.Context) (driver.Subscription, func(), error) {
	return newSubscription(h.bus, "nowhere"), func() {}, nil
}

func (h *harness) Close()                              { h.end() }
func (h *harness) MaxBatchSizes() (int, int)           { return 0, 0 }
func (h *harness) SupportsMultipleSubscriptions() bool { return true }

// conform runs the suite on what open returns; after is run once the bus is closed.
func conform(t *testing.T, open func(t *testing.T) (b bus.Bus, after func())) {
	drivertest.RunConformanceTests(t, func(_ context.Context, t *testing.T) (drivertest.Harness, error) {
		b, after := open(t)
		return &harness{bus: b, end: func() {
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			after()
		}}, nil
	}, nil)
}

func TestTheBusInMemoryIsABusToOthers(t *testing.T) {
	conform(t, func(*testing.T) (bus.Bus, func()) { return bus.NewMemory(topology()), func() {} })
}

func TestTheSpoolIsABusToOthers(t *testing.T) {
	conform(t, func(t *testing.T) (bus.Bus, func()) {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "s.db")+"?_pragma=journal_mode(WAL)&_txlock=immediate")
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		s, err := bus.OpenSpool(t.Context(), db, bus.SpoolConfig{Topology: topology()})
		if err != nil {
			t.Fatal(err)
		}
		return s, func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRabbitMQIsABusToOthers(t *testing.T) {
	url := os.Getenv("MUSTER_TEST_AMQP_URL")
	if url == "" {
		t.Skip("MUSTER_TEST_AMQP_URL is not set: no RabbitMQ to test against")
	}
	conform(t, func(t *testing.T) (bus.Bus, func()) {
		namespace := "test-" + strings.ToLower(rand.Text()[:10])
		b, err := rabbit.Open(t.Context(), rabbit.Config{URL: url, Topology: topology(), Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		return b, func() { remove(t, url, namespace) }
	})
}

// remove deletes what a bus has left on the broker.
func remove(t *testing.T, url, namespace string) {
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the end either way
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range topology().Queues() {
		for _, name := range []string{namespace + ".v1." + queue, namespace + ".v1-dead." + queue} {
			if _, err := ch.QueueDelete(name, false, false, false); err != nil {
				t.Errorf("delete queue %s: %v", name, err)
			}
		}
	}
	for _, name := range []string{namespace + ".v1.topic", namespace + ".v1-dead"} {
		if err := ch.ExchangeDelete(name, false, false); err != nil {
			t.Errorf("delete exchange %s: %v", name, err)
		}
	}
}
