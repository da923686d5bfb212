package metered

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"muster/bus"
)

// metrics are the numbers of one bus.
type metrics struct {
	published, heard, missed map[string]prometheus.Counter // by topic
	refused                  *prometheus.CounterVec        // topic, reason
	queues                   map[string]queueMetrics

	unsettled, dead, consumers *prometheus.GaugeVec // queue
}

// queueMetrics are the counters of one queue.
type queueMetrics struct {
	delivered, redelivered, settled, rejected, failed prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, t bus.Topology) (*metrics, error) {
	counter := func(name, label, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_bus_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_" + name, Help: help}, []string{"queue"})
	}
	published := counter("published_total", "topic", "Messages that the bus took.")
	heard := counter("heard_total", "topic", "Broadcast messages handed to listeners in this process.")
	missed := counter("missed_total", "topic", "Broadcast messages that listeners in this process are known to have missed.")
	delivered := counter("delivered_total", "queue", "Messages handed to consumers in this process, every attempt counted.")
	redelivered := counter("redelivered_total", "queue", "Of those, the ones that were handed to somebody before.")
	settled := counter("settled_total", "queue", "Messages that consumers in this process are done with.")
	rejected := counter("rejected_total", "queue", "Messages that consumers in this process put aside as dead letters, as a whole or in part.")
	failed := counter("failed_batches_total", "queue", "Batches that could not be processed and come again.")
	m := &metrics{
		published: make(map[string]prometheus.Counter), heard: make(map[string]prometheus.Counter),
		missed: make(map[string]prometheus.Counter), queues: make(map[string]queueMetrics),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_bus_refused_total",
			Help: "Messages that a publish did not get rid of for certain; the publisher knows."}, []string{"topic", "reason"}),
		unsettled: gauge("queue_messages", "Messages of the queue that are not settled."),
		dead:      gauge("queue_dead_letters", "Dead letters of the queue."),
		consumers: gauge("queue_consumers", "Who takes from the queue: calls on a bus inside the process, processes on RabbitMQ."),
	}
	for _, c := range []prometheus.Collector{published, heard, missed, m.refused, delivered, redelivered, settled, rejected, failed,
		m.unsettled, m.dead, m.consumers} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("bus metrics: %w", err)
		}
	}
	for topic, queues := range t {
		m.published[topic] = published.WithLabelValues(topic)
		if len(queues) == 0 {
			m.heard[topic], m.missed[topic] = heard.WithLabelValues(topic), missed.WithLabelValues(topic)
		}
	}
	for _, q := range t.Queues() {
		m.queues[q] = queueMetrics{
			delivered: delivered.WithLabelValues(q), redelivered: redelivered.WithLabelValues(q),
			settled: settled.WithLabelValues(q), rejected: rejected.WithLabelValues(q), failed: failed.WithLabelValues(q),
		}
	}
	return m, nil
}

func (m *metrics) set(queue string, s bus.QueueState) {
	m.unsettled.WithLabelValues(queue).Set(float64(s.Unsettled))
	m.dead.WithLabelValues(queue).Set(float64(s.Dead))
	m.consumers.WithLabelValues(queue).Set(float64(s.Consumers))
}

func (m *metrics) forget(queue string) {
	for _, g := range []*prometheus.GaugeVec{m.unsettled, m.dead, m.consumers} {
		g.DeleteLabelValues(queue)
	}
}
