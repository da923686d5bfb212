package rabbit

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Names of the two connections, as label "link".
const (
	linkPublish = "publish"
	linkConsume = "consume"
)

// metrics are the numbers of one Bus that only a broker has; package metered
// counts what every bus has.
type metrics struct {
	connections *prometheus.CounterVec // link
	connected   *prometheus.GaugeVec   // link

	confirmed, refused, returned, rewritten prometheus.Counter

	acknowledged, late *prometheus.CounterVec // queue

	blocked stopwatch
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "muster_broker_" + name, Help: help}
	}
	return &metrics{
		connections: prometheus.NewCounterVec(counter("connections_total",
			"Connections made, the first one included."), []string{"link"}),
		connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_broker_connected",
			Help: "1 while the connection stands."}, []string{"link"}),
		confirmed: prometheus.NewCounter(counter("confirmed_total", "Messages that the broker has confirmed, those that had no queue included.")),
		refused:   prometheus.NewCounter(counter("refused_total", "Messages that the broker has refused, as when a queue is full.")),
		returned:  prometheus.NewCounter(counter("returned_total", "Messages that the broker has returned because there was no queue for them.")),
		rewritten: prometheus.NewCounter(counter("rewritten_total", "Messages written again because their connection was lost before the confirm.")),
		acknowledged: prometheus.NewCounterVec(counter("acknowledged_total",
			"Messages acknowledged to the broker."), []string{"queue"}),
		late: prometheus.NewCounterVec(counter("late_total",
			"Messages done with after their connection was lost: the broker delivers them again."), []string{"queue"}),
	}
}

// register registers everything for b, whose publisher is there.
func (m *metrics) register(reg prometheus.Registerer, b *Bus) error {
	for _, link := range []string{linkPublish, linkConsume} {
		m.connections.WithLabelValues(link)
		m.connected.WithLabelValues(link)
	}
	for _, queue := range b.cfg.Topology.Queues() {
		m.acknowledged.WithLabelValues(queue)
		m.late.WithLabelValues(queue)
	}
	if reg == nil {
		return nil
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "muster_broker_" + name, Help: help}, f)
	}
	for _, c := range []prometheus.Collector{
		m.connections, m.connected, m.confirmed, m.refused, m.returned, m.rewritten, m.acknowledged, m.late,
		gauge("unconfirmed", "Messages written and not confirmed yet.", func() float64 { return float64(b.pub.unconfirmed()) }),
		gauge("waiting", "Messages in Publish and not written yet.", func() float64 { return float64(b.pub.unwritten()) }),
		gauge("blocked", "1 while the broker takes no messages, as with a full disk.", func() float64 {
			if _, running := m.blocked.read(); running {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "muster_broker_blocked_seconds_total",
			Help: "How long the broker has taken no messages."}, func() float64 {
			total, _ := m.blocked.read()
			return total.Seconds()
		}),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("broker metrics: %w", err)
		}
	}
	return nil
}

// A stopwatch sums up how long something has lasted.
type stopwatch struct {
	mu    sync.Mutex
	total time.Duration
	since time.Time // zero while it stands
}

// run starts or stops it; doing so again changes nothing.
func (s *stopwatch) run(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case on && s.since.IsZero():
		s.since = time.Now()
	case !on && !s.since.IsZero():
		s.total += time.Since(s.since)
		s.since = time.Time{}
	}
}

func (s *stopwatch) read() (total time.Duration, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return s.total, false
	}
	return s.total + time.Since(s.since), true
}
