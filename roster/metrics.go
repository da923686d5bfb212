package roster

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	leading      prometheus.Gauge
	waiting      prometheus.Gauge
	names        *prometheus.CounterVec // outcome
	friends      prometheus.Counter
	observations *prometheus.CounterVec // presence
	failures     *prometheus.CounterVec // what
}

// newMetrics registers the roster's metrics; reg may be nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		leading: prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_roster_leading",
			Help: "1 while this process holds the roster's lease."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_roster_waiting",
			Help: "Characters in line to be asked for."}),
		names: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_roster_names_total",
			Help: "Characters that were asked for, by outcome: named or missing."}, []string{"outcome"}),
		friends: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_roster_friends_lists_total",
			Help: "Friends lists read."}),
		observations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_roster_observations_total",
			Help: "Presence read from the query service, by what it said."}, []string{"presence"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_roster_failures_total",
			Help: "What did not work and is tried again, by what was tried."}, []string{"what"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.leading, m.waiting, m.names, m.friends, m.observations, m.failures} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}
