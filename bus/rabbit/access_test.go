package rabbit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
	"muster/internal/testservers"
)

// A logBuffer holds what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// What a user may do on the names of the namespace, and on those that the broker
// gives to the queues of listeners.
const ours, ofListeners = `^muster\.v1`, `^(muster\.v1|amq\.gen)`

func TestWhatAUserMayNotDoIsSaid(t *testing.T) {
	broker := testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{})
	testservers.Start(t, broker)
	broker.Ctl(t, "add_user", "clerk", "secret")
	permit := func(t *testing.T, configure, write, read string) {
		broker.Ctl(t, "set_permissions", "clerk", configure, write, read)
	}
	log := &logBuffer{}
	cfg := rabbit.Config{URL: "amqp://clerk:secret@" + broker.Addr(), Topology: bustest.Topology(),
		OpenTimeout: patience, Log: slog.New(slog.NewTextHandler(log, nil))}

	t.Run("at once, when it opens", func(t *testing.T) {
		for _, test := range []struct{ name, configure, write, read, want string }{
			{"nothing is permitted", "", "", "", "exchange 'muster.v1-dead'"},
			{"listening is not", ours, ours, ours, "amq.gen"},
			{"reading is not", ofListeners, ofListeners, "", "exchange 'muster.v1-dead'"},
			{"writing is not", ofListeners, "", ofListeners, "queue 'muster.v1-dead.first'"},
		} {
			permit(t, test.configure, test.write, test.read)
			_, err := rabbit.Open(t.Context(), cfg)
			if !errors.Is(err, rabbit.ErrAccess) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want ErrAccess that says %q", test.name, err, test.want)
			}
		}
		if n := log.count("does not answer"); n > 0 {
			t.Errorf("%d lines say that the broker does not answer, want none: it does", n)
		}
	})
	t.Run("once, when it is taken away", func(t *testing.T) {
		permit(t, ofListeners, ofListeners, ofListeners)
		b := mustOpen(t, cfg)
		ctx, cancel := context.WithCancel(context.Background())
		ready, done := make(chan struct{}), make(chan error, 1)
		var heard atomic.Int64
		go func() {
			done <- b.Listen(ctx, bustest.News, func() { close(ready) }, func(bus.Message, int) { heard.Add(1) })
		}()
		within(t, ready)
		permit(t, ours, ours, ours)
		if err := b.DropSession(ctx); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is said", func() bool { return log.count("refuses a listener") == 1 })
		permit(t, ofListeners, ofListeners, ofListeners)
		eventually(t, "it listens again", func() bool {
			if err := b.Publish(ctx, bustest.News, message(1)); err != nil {
				t.Fatal(err)
			}
			return heard.Load() > 0
		})
		if n := log.count("refuses a listener"); n != 1 {
			t.Errorf("it is said %d times, want once", n)
		}
		cancel()
		if err := within(t, done); err != nil {
			t.Errorf("listen: %v", err)
		}
	})
}
