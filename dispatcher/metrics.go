package dispatcher

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the numbers of one dispatcher.
type metrics struct {
	isNew, duplicate, rejected prometheus.Counter
	batch                      prometheus.Histogram
	stored, fed                prometheus.Observer
	fenced                     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_dispatcher_events_total",
		Help: "Messages taken off the queue: new, there already, or put aside as dead letters.",
	}, []string{"outcome"})
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "muster_event_latency_seconds",
		Help:    "From the arrival of the frame to the end of the stage.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18),
	}, []string{"stage"})
	if r != nil {
		latency = shared(r, latency)
	}
	m := &metrics{
		isNew:     events.WithLabelValues("new"),
		duplicate: events.WithLabelValues("duplicate"),
		rejected:  events.WithLabelValues("rejected"),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "muster_dispatcher_batch_size",
			Help:    "Messages in one batch.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
		stored: latency.WithLabelValues("stored"),
		fed:    latency.WithLabelValues("feed"),
		fenced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_dispatcher_fenced_total",
			Help: "States and observations refused because their leader has been followed by another.",
		}, []string{"lease"}),
	}
	if r != nil {
		r.MustRegister(events, m.batch, m.fenced)
	}
	return m
}

// shared registers h, or returns the one of another role in the same process:
// the stages are one metric.
func shared(r prometheus.Registerer, h *prometheus.HistogramVec) *prometheus.HistogramVec {
	var already prometheus.AlreadyRegisteredError
	if errors.As(r.Register(h), &already) {
		if other, ok := already.ExistingCollector.(*prometheus.HistogramVec); ok {
			return other
		}
	}
	return h
}
