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
	"muster/internal/testcerts"
	"muster/internal/testservers"
)

// A RabbitMQ of its own is broken in each way, under traffic. What was confirmed is
// delivered, what was not is written again, everything comes back by itself, no
// goroutine stays, and what a listener missed is told.
func TestWhateverHappensToABrokerNothingConfirmedIsLost(t *testing.T) {
	ca := testcerts.New(t)
	server, secure := ca.Server(t, "127.0.0.1"), testservers.Port(t)
	broker := testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{Lines: []string{
		fmt.Sprintf("listeners.ssl.default = 127.0.0.1:%d", secure),
		"ssl_options.cacertfile = " + ca.File, "ssl_options.certfile = " + server.Cert, "ssl_options.keyfile = " + server.Key,
		"ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true",
	}})
	testservers.Start(t, broker)
	for _, fault := range []struct {
		name string
		run  func(*testing.T, *testservers.RabbitMQ, *traffic)
	}{
		{"its disk is full", diskFull},
		{"its memory is short", memoryShort},
		{"it closes every connection", closedByForce},
		{"it is killed and comes back", killed},
		{"it is stopped for long", stopped},
		{"it hangs", hangs},
		{"its password is another", passwordChanged},
		{"it allows nothing any more", forbidden},
		{"an exchange is deleted by hand", exchangeDeleted},
		{"a listener's queue is deleted by hand", listenerDeleted},
	} {
		t.Run(fault.name, func(t *testing.T) {
			tr := mustTraffic(t, broker.URL())
			fault.run(t, broker, tr)
			tr.settle(t)
		})
	}
	t.Run("a work queue is deleted by hand", func(t *testing.T) { queueDeleted(t, broker) })
	t.Run("it speaks TLS and wants a certificate", func(t *testing.T) {
		us := ca.Client(t, "guest")
		url := fmt.Sprintf("amqps://guest:guest@127.0.0.1:%d/?cacertfile=%s", secure, ca.File)
		mustTraffic(t, url+"&certfile="+us.Cert+"&keyfile="+us.Key).settle(t)
		_, err := rabbit.Open(context.Background(), rabbit.Config{URL: url, Topology: bustest.Topology(), OpenTimeout: patience})
		if err == nil || !strings.Contains(err.Error(), "does not take our certificate, or misses one") {
			t.Errorf("without a certificate: got %v, want one about it", err)
		}
	})
}

// blocks wants publishing to stop within its contexts, and consuming to go on.
func (tr *traffic) blocks(t *testing.T, start, end func()) {
	t.Helper()
	tr.hold.Lock() // so that a backlog grows
	confirmed, handled := tr.count()
	soon(t, "a backlog has grown", func() bool {
		c, _ := tr.count()
		return c > confirmed+100
	})
	start()
	soon(t, "publishing is blocked", func() bool { return tr.is(t, "muster_broker_blocked", 1) })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := tr.b.Publish(ctx, bustest.Work, message(0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish while it blocks: got %v, want context.DeadlineExceeded", err)
	}
	tr.hold.Unlock()
	soon(t, "the backlog is consumed and acknowledged", func() bool {
		_, h := tr.count()
		n, err := tr.b.Depth(context.Background(), bustest.Only)
		return h >= handled+100 && err == nil && n == 0
	})
	if !tr.is(t, "muster_broker_blocked", 1) || !tr.is(t, "muster_broker_connections_total", 2) {
		t.Error("the alarm ended early, or a connection was given up: the test proves nothing")
	}
	end()
	soon(t, "publishing is not blocked any more", func() bool { return tr.is(t, "muster_broker_blocked", 0) })
	if metric(t, tr.reg, "muster_broker_blocked_seconds_total") == 0 {
		t.Error("no time was counted")
	}
}

func diskFull(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	tr.blocks(t, func() { broker.FillDisk(t) }, func() { broker.FreeDisk(t) })
}

func memoryShort(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	tr.blocks(t, func() { broker.Ctl(t, "set_vm_memory_high_watermark", "0") },
		func() { broker.Ctl(t, "set_vm_memory_high_watermark", "0.4") })
}

// reconnected waits until both connections were made anew and stand.
func (tr *traffic) reconnected(t *testing.T) {
	t.Helper()
	soon(t, "both connections are new", func() bool {
		made := func(link string) float64 { return metric(t, tr.reg, "muster_broker_connections_total", link) }
		return made("publish") > 1 && made("consume") > 1 && tr.is(t, "muster_broker_connected", 2)
	})
}

func (tr *traffic) disconnected(t *testing.T) {
	t.Helper()
	soon(t, "no connection stands", func() bool { return tr.is(t, "muster_broker_connected", 0) })
}

func closedByForce(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	broker.Ctl(t, "close_all_connections", "maintenance") // 320 CONNECTION_FORCED
	tr.reconnected(t)
}

func killed(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	broker.Kill(t)
	tr.disconnected(t)
	broker.Start(t)
	tr.reconnected(t)
}

func stopped(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	broker.Stop(t)
	tr.disconnected(t)
	soon(t, "what waits has reached its bound", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		return errors.Is(tr.b.Publish(ctx, bustest.Work, messages(0, tr.cfg.MaxWaiting)...), bus.ErrFull)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := tr.b.State(ctx, bustest.Only); err == nil {
		t.Error("the state of a queue is told while the broker is away")
	}
	broker.Start(t)
	tr.reconnected(t)
}

func hangs(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	broker.Pause(t)
	tr.disconnected(t) // three heartbeats without a word
	broker.Resume(t)
	tr.reconnected(t)
}

func passwordChanged(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	broker.Ctl(t, "change_password", "guest", "another")
	broker.Ctl(t, "close_all_connections", "the password has changed")
	tr.disconnected(t)
	broker.Ctl(t, "change_password", "guest", "guest")
	tr.reconnected(t)
}

// forbidden lets connections stand and refuses what is done on their channels.
func forbidden(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	broker.Ctl(t, "set_permissions", "guest", "^$", "^$", "^$")
	broker.Ctl(t, "close_all_connections", "permissions have changed")
	tr.disconnected(t) // a connection is only kept with its topology
	broker.Ctl(t, "set_permissions", "guest", ".*", ".*", ".*")
	tr.reconnected(t)
}

func exchangeDeleted(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	withChannel(t, broker.URL(), func(ch *amqp.Channel) {
		for _, topic := range []string{bustest.Solo, bustest.News} {
			if err := ch.ExchangeDelete(rabbit.ExchangeName(tr.cfg, topic), false, false); err != nil {
				t.Fatal(err)
			}
		}
	})
	tr.flows(t)
	soon(t, "the listener is bound again", func() bool { return tr.lost.Load() > 0 })
}

func listenerDeleted(t *testing.T, broker *testservers.RabbitMQ, tr *traffic) {
	names := broker.Ctl(t, "list_queues", "name", "exclusive")
	deleted := 0
	for line := range strings.Lines(names) {
		if name, exclusive, _ := strings.Cut(strings.TrimSpace(line), "\t"); strings.HasPrefix(name, "amq.gen-") && exclusive == "true" {
			broker.Ctl(t, "delete_queue", name)
			deleted++
		}
	}
	if deleted != 1 {
		t.Fatalf("%d queues of listeners in\n%s", deleted, names)
	}
	soon(t, "the listener has another", func() bool { return tr.lost.Load() > 0 })
}

// queueDeleted takes messages away with their queue: those are lost to whoever
// deletes it. The next ones are not.
func queueDeleted(t *testing.T, broker *testservers.RabbitMQ) {
	tr := mustTraffic(t, broker.URL())
	tr.hold.Lock()
	confirmed, _ := tr.count()
	soon(t, "messages lie in the queue", func() bool {
		c, _ := tr.count()
		return c > confirmed+100
	})
	withChannel(t, broker.URL(), func(ch *amqp.Channel) {
		if _, err := ch.QueueDelete(rabbit.QueueName(tr.cfg, bustest.Only), false, false, false); err != nil {
			t.Fatal(err)
		}
	})
	tr.hold.Unlock()
	tr.flows(t)
	soon(t, "the queue is there again", func() bool {
		state, err := tr.b.State(context.Background(), bustest.Only)
		return err == nil && state.Consumers == 1
	})
	tr.mu.Lock()
	clear(tr.confirmed)
	tr.mu.Unlock()
	tr.settle(t)
}
