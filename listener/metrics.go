package listener

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"muster/census"
	"muster/event"
)

// metrics are the listener's; names are those of docs/operations.md.
type metrics struct {
	frames  *prometheus.CounterVec
	events  *prometheus.CounterVec
	faults  *prometheus.CounterVec
	dropped prometheus.Counter
	retries prometheus.Counter
	batch   prometheus.Histogram
	queued  prometheus.Gauge
	state   *prometheus.GaugeVec
	leader  *prometheus.GaugeVec
	ring    *prometheus.GaugeVec

	ringDropped, confirmed, mended, takeovers, abdications *prometheus.CounterVec
	beaconAge                                              *prometheus.GaugeVec
	unread                                                 prometheus.Counter
}

// newMetrics registers on reg, which may be nil. Listeners of several
// environments share the metrics.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		frames: counter("frames_total", "Frames read from the game's stream.", "environment", "kind"),
		events: counter("events_total", "Events accepted, by kind.", "environment", "kind"),
		faults: counter("faults_total", "Faults of the stream that were dealt with.", "environment", "fault"),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_listener_dropped_total",
			Help: "Events dropped because the queue was full."}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_listener_publish_retries_total",
			Help: "Batches that the bus did not take at first."}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "muster_listener_batch_size",
			Help: "Messages published at once.", Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}}),
		queued: prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_listener_queue_length",
			Help: "Messages that wait to be published."}),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_stream_state",
			Help: "1 for the state that a world's stream is in."}, []string{"world", "state"}),
		leader: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_leader",
			Help: "1 while this process leads the role."}, []string{"role"}),
		ring: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_listener_ring_length",
			Help: "Events that a listener standing by keeps for when it takes over."}, []string{"environment"}),
		ringDropped: counter("ring_dropped_total", "Events that left the ring for its bounds, unconfirmed.", "environment"),
		confirmed:   counter("confirmed_total", "Events that the bus has taken from this process.", "environment"),
		mended:      counter("mended_total", "Events published while standing by, because no leader did.", "environment", "reason"),
		takeovers:   counter("takeovers_total", "Times that this process began to lead.", "environment"),
		abdications: counter("abdications_total", "Times that it gave the lease up for a better stream.", "environment", "reason"),
		beaconAge: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_listener_beacon_age_seconds",
			Help: "Time since a leader was last heard of; 0 while leading."}, []string{"environment"}),
		unread: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_listener_beacons_unread_total",
			Help: "Messages of other listeners that cannot be read."}),
	}
	err := errors.Join(register(reg, &m.frames), register(reg, &m.events), register(reg, &m.faults),
		register(reg, &m.dropped), register(reg, &m.retries), register(reg, &m.batch),
		register(reg, &m.queued), register(reg, &m.state), register(reg, &m.leader),
		register(reg, &m.ring), register(reg, &m.ringDropped), register(reg, &m.confirmed), register(reg, &m.mended),
		register(reg, &m.takeovers), register(reg, &m.abdications), register(reg, &m.beaconAge), register(reg, &m.unread))
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_listener_" + name, Help: help}, labels)
}

// register registers c, or takes the one that is there already.
func register[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	if reg == nil {
		return nil
	}
	err := reg.Register(*c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if old, ok := there.ExistingCollector.(C); ok {
			*c = old
			return nil
		}
	}
	return err
}

// faultNames must not be empty of what has not happened yet: a rate needs a zero
// to start from.
func (m *metrics) zero(env event.Environment) {
	for _, c := range []*prometheus.CounterVec{m.ringDropped, m.confirmed, m.takeovers} {
		c.WithLabelValues(string(env))
	}
	for _, why := range []string{mendMissed, mendLeaderless, mendAtTheEnd} {
		m.mended.WithLabelValues(string(env), why)
	}
	for _, why := range []string{illDown, illSilent} {
		m.abdications.WithLabelValues(string(env), why)
	}
	for _, c := range census.Counters() {
		m.faults.WithLabelValues(string(env), string(c))
	}
}

// healths are every state, so that those which are not can be set to 0.
func healths() []event.StreamHealth {
	return []event.StreamHealth{event.StreamLive, event.StreamLate, event.StreamSilent,
		event.StreamDown, event.StreamReconciling}
}

func (m *metrics) setState(s event.StreamState) {
	for _, h := range healths() {
		v := 0.0
		if h == s.Health {
			v = 1
		}
		m.state.WithLabelValues(fmt.Sprint(int(s.World)), string(h)).Set(v)
	}
}
