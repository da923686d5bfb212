package census

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queryMetrics count requests by collection and outcome.
type queryMetrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newQueryMetrics(reg prometheus.Registerer) (*queryMetrics, error) {
	m := &queryMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_census_queries_total",
			Help: "Requests to the game's query service."}, []string{"collection", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "muster_census_query_seconds",
			Help: "How long the query service took.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20}}),
	}
	if reg == nil {
		return m, nil
	}
	if err := errors.Join(reg.Register(m.requests), reg.Register(m.seconds)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func (m *queryMetrics) observe(collection string, err error, took time.Duration) {
	m.requests.WithLabelValues(collection, outcome(err)).Inc()
	m.seconds.Observe(took.Seconds())
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, ErrBadQuery):
		return "bad_query"
	case errors.Is(err, ErrServiceID):
		return "service_id"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "abandoned"
	}
	return "other"
}
