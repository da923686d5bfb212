package listener

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"muster/event"
	"muster/internal/diskqueue"
)

// spoolMetrics are those of one environment's spool; names are those of
// docs/operations.md.
type spoolMetrics struct {
	bytes, messages               prometheus.Gauge
	recovered, failures           prometheus.Counter
	torn, damaged, lost, setAside prometheus.Counter

	last diskqueue.Stats // what the counters have been told of
}

// newSpoolMetrics registers on reg, which may be nil.
func newSpoolMetrics(reg prometheus.Registerer, env event.Environment) (*spoolMetrics, error) {
	var errs []error
	gauge := func(name, help string) prometheus.Gauge {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_listener_" + name, Help: help}, []string{"environment"})
		errs = append(errs, register(reg, &v))
		return v.WithLabelValues(string(env))
	}
	count := func(name, help string) prometheus.Counter {
		v := counter(name, help, "environment")
		errs = append(errs, register(reg, &v))
		return v.WithLabelValues(string(env))
	}
	m := &spoolMetrics{
		bytes:     gauge("spooled_bytes", "Bytes of the files that hold what the bus did not take."),
		messages:  gauge("spooled_messages", "Messages in those files that are not published."),
		recovered: count("spool_recovered_total", "Messages that an earlier process left in the spool."),
		failures:  count("spool_failures_total", "Writes to the spool that failed, the bound apart."),
		torn:      count("spool_torn_bytes_total", "Bytes cut off the spool after a crash: writes that were not finished."),
		damaged:   count("spool_damaged_bytes_total", "Bytes in the spool that cannot be read."),
		setAside:  count("spool_damaged_files_total", "Files of the spool in which something cannot be read."),
		lost:      count("spool_lost_total", "Messages that were in the spool and cannot be read any more."),
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

// update shows s.
func (m *spoolMetrics) update(s diskqueue.Stats) {
	m.bytes.Set(float64(s.Bytes))
	m.messages.Set(float64(s.Records))
	m.recovered.Add(float64(s.Recovered - m.last.Recovered))
	m.failures.Add(float64(s.FailedAppends - m.last.FailedAppends))
	m.torn.Add(float64(s.TornBytes - m.last.TornBytes))
	m.damaged.Add(float64(s.DamagedBytes - m.last.DamagedBytes))
	m.setAside.Add(float64(s.DamagedFiles - m.last.DamagedFiles))
	m.lost.Add(float64(s.LostRecords - m.last.LostRecords))
	m.last = s
}
