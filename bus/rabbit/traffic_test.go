package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"muster/bus"
	"muster/bus/bustest"
	"muster/bus/rabbit"
)

// A traffic is a bus in use: somebody publishes on a work topic and on a broadcast
// topic without end, somebody consumes, somebody listens, and all is written down.
type traffic struct {
	b   *rabbit.Bus
	cfg rabbit.Config
	reg *prometheus.Registry

	publishing context.Context
	cease      context.CancelFunc
	publishers sync.WaitGroup
	hold       sync.RWMutex // whoever has it keeps consumers from working

	news        atomic.Int64 // published on the broadcast topic
	heard, lost atomic.Int64
	last        atomic.Pointer[string] // heard
	standing    chan struct{}          // closed by ready

	mu        sync.Mutex
	confirmed map[string]bool
	handled   map[string]int
}

// ownPatience is how long a publish of a traffic waits for a broker to come back.
const ownPatience = 3 * time.Minute

// mustTraffic opens a bus on a broker that may be broken, and uses it until settle.
func mustTraffic(t *testing.T, url string) *traffic {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore, goleak.IgnoreAnyFunction("muster/internal/testservers.launch.func1"))
	})
	tr := &traffic{
		reg: prometheus.NewRegistry(), standing: make(chan struct{}),
		confirmed: make(map[string]bool), handled: make(map[string]int),
	}
	tr.cfg = rabbit.Config{
		URL: url, Topology: bustest.Topology(), Namespace: namespace(), OpenTimeout: patience, Heartbeat: time.Second,
		ConfirmTimeout: 5 * time.Second, MaxWaiting: 2000, Registerer: tr.reg, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
	tr.b = mustOpen(t, tr.cfg)
	tr.publishing, tr.cease = context.WithCancel(context.Background())
	consuming, stop := context.WithCancel(context.Background())
	var others sync.WaitGroup
	t.Cleanup(func() { // before the bus is closed
		tr.cease()
		stop()
		tr.publishers.Wait()
		others.Wait()
	})
	for range 2 {
		others.Go(func() { tr.ended(t, tr.b.Consume(consuming, bustest.Only, tr.handle)) })
	}
	others.Go(func() {
		tr.ended(t, tr.b.Listen(consuming, bustest.News, func() { close(tr.standing) }, tr.hear))
	})
	within(t, tr.standing)
	for p := range 2 {
		tr.publishers.Go(func() { tr.work(t, p) })
	}
	tr.publishers.Go(func() { tr.tell(t) })
	tr.flows(t)
	return tr
}

func (tr *traffic) ended(t *testing.T, err error) {
	if err != nil && !errors.Is(err, bus.ErrClosed) {
		t.Errorf("it ended: %v", err)
	}
}

// work publishes on the work topic. A publish that waits for too long is an error.
func (tr *traffic) work(t *testing.T, p int) {
	for n := 0; tr.publishing.Err() == nil; n++ {
		batch := make([]bus.Message, 10)
		for i := range batch {
			batch[i] = bus.Message{ID: fmt.Sprintf("%d-%d-%d", p, n, i), Key: "ps2.10.Death", Body: []byte("{}")}
		}
		tr.publish(t, bustest.Solo, batch...)
	}
}

// publish tries again after an error, as publishers do, until it succeeds.
func (tr *traffic) publish(t *testing.T, topic string, batch ...bus.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), ownPatience)
	defer cancel()
	for {
		err := tr.b.Publish(ctx, topic, batch...)
		switch {
		case err == nil:
			tr.mu.Lock()
			defer tr.mu.Unlock()
			if topic == bustest.Solo {
				for _, m := range batch {
					tr.confirmed[m.ID] = true
				}
			}
			return
		case ctx.Err() != nil:
			t.Errorf("publish on %s: %v", topic, err)
			return
		}
		time.Sleep(time.Millisecond) // what made it fail may take a while to heal
	}
}

// tell publishes news, each once, and counts them.
func (tr *traffic) tell(t *testing.T) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for tr.publishing.Err() == nil {
		tr.publish(t, bustest.News, bus.Message{ID: fmt.Sprint(tr.news.Add(1))})
		<-tick.C
	}
}

func (tr *traffic) handle(_ context.Context, batch bus.Batch) error {
	tr.hold.RLock()
	defer tr.hold.RUnlock()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, d := range batch.Deliveries {
		tr.handled[d.ID]++
	}
	return nil
}

func (tr *traffic) hear(m bus.Message, lost int) {
	tr.heard.Add(1)
	tr.lost.Add(int64(lost))
	tr.last.Store(&m.ID)
}

func (tr *traffic) count() (confirmed, handled int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.confirmed), len(tr.handled)
}

// flows waits until more is published, consumed and heard.
func (tr *traffic) flows(t *testing.T) {
	t.Helper()
	confirmed, handled := tr.count()
	heard := tr.heard.Load()
	soon(t, "messages flow", func() bool {
		c, h := tr.count()
		return c > confirmed+100 && h > handled+100 && tr.heard.Load() > heard+10
	})
}

// soon is eventually for what takes a broker's restart.
func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(ownPatience); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// settle ends the publishing and wants what was confirmed to have been handled, and
// the listener to know of each piece of news, be it that it was lost.
func (tr *traffic) settle(t *testing.T) {
	t.Helper()
	tr.flows(t)
	tr.cease()
	tr.publishers.Wait()
	soon(t, "everything confirmed was handled", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for id := range tr.confirmed {
			if tr.handled[id] == 0 {
				return false
			}
		}
		return true
	})
	soon(t, "the queue is empty", func() bool {
		state, err := tr.b.State(context.Background(), bustest.Only)
		return err == nil && state.Unsettled == 0 && state.Dead == 0
	})
	last := fmt.Sprint(tr.news.Add(1))
	tr.publish(t, bustest.News, bus.Message{ID: last})
	soon(t, "the last piece of news was heard", func() bool { id := tr.last.Load(); return id != nil && *id == last })
	if heard, lost, told := tr.heard.Load(), tr.lost.Load(), tr.news.Load(); heard+lost != told {
		t.Errorf("%d heard and %d known to be lost of %d", heard, lost, told)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	twice := 0
	for _, n := range tr.handled {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d confirmed, %d handled, %d of them more than once; news: %d heard, %d lost; written again: %v, late: %v",
		len(tr.confirmed), len(tr.handled), twice, tr.heard.Load(), tr.lost.Load(),
		metric(t, tr.reg, "muster_broker_rewritten_total"), metric(t, tr.reg, "muster_broker_late_total"))
}

func (tr *traffic) is(t *testing.T, name string, want float64, labels ...string) bool {
	t.Helper()
	return metric(t, tr.reg, name, labels...) == want
}
