package notifier

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	clients  *prometheus.GaugeVec
	dropped  prometheus.Counter
	behind   prometheus.Counter
	sent     prometheus.Counter
	cut      prometheus.Counter
	refused  *prometheus.CounterVec
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		clients: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "muster_feed_clients", Help: "Readers of the live feed."}, []string{"transport"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_feed_dropped_total", Help: "Events that slow readers of the feed lost."}),
		behind: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_feed_behind_total", Help: "Times a reader of the feed got more than may wait for it, and went on in what is remembered."}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_feed_sent_total", Help: "Events written to readers of the feed."}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_feed_cut_total", Help: "Readers of the feed disconnected because a write made no progress."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_feed_refused_total", Help: "Readers of the feed refused at a cap."}, []string{"cap"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_http_requests_total", Help: "Answers of the public HTTP server."}, []string{"route", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "muster_event_latency_seconds", Help: "From the arrival of the frame to the end of the stage.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18)}, []string{"stage"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.clients, m.dropped, m.behind, m.sent, m.cut, m.refused, m.requests} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, m.shareLatency(reg)
}

// shareLatency uses the histogram of another role in the same process if there
// is one: the stages are one metric.
func (m *metrics) shareLatency(reg prometheus.Registerer) error {
	err := reg.Register(m.latency)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if shared, ok := already.ExistingCollector.(*prometheus.HistogramVec); ok {
			m.latency = shared
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}
