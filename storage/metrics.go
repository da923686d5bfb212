package storage

import (
	"github.com/prometheus/client_golang/prometheus"

	"muster/alert"
)

// metrics are the numbers of one Store.
type metrics struct {
	repeats *prometheus.CounterVec
	reads   *prometheus.CounterVec
	lag     *prometheus.GaugeVec
	used    *prometheus.GaugeVec
	dropped *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		repeats: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_storage_repeats_total",
			Help: "Transactions that were run again, by what was in the way: conflict, lost connection, read-only server.",
		}, []string{"fault"}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_storage_lagging_reads_total",
			Help: "Reads that may be answered by a replica, by who answered.",
		}, []string{"from"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "muster_storage_replica_lag_seconds",
			Help: "How long ago what a read replica answers was true, at most.",
		}, []string{"replica"}),
		used: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "muster_storage_replica_used",
			Help: "1 while reads go to the replica, 0 while it is down or lags.",
		}, []string{"replica"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_alerts_dropped_total",
			Help: "Alerts that nobody will be told of, by why.",
		}, []string{"reason"}),
	}
	for _, f := range []fault{conflict, lost, readOnly} {
		m.repeats.WithLabelValues(f.String())
	}
	for _, r := range alert.Reasons() {
		m.dropped.WithLabelValues(string(r))
	}
	return m
}

// register publishes the numbers; r may be nil.
func (m *metrics) register(r prometheus.Registerer) {
	if r != nil {
		r.MustRegister(m.repeats, m.reads, m.lag, m.used, m.dropped)
	}
}
