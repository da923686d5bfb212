package listener

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"time"

	"muster/bus"
	"muster/internal/diskqueue"
	"muster/internal/outage"
)

const (
	// spillAfter is how long a message waits for the bus before it goes to disk. A
	// listener that is killed later than that has lost nothing that another one, which
	// keeps the last 120 s, does not have.
	spillAfter = time.Second
	// spillEvery is how often that is looked at.
	spillEvery = spillAfter / 5
	// spillBytes is how much is written at one time.
	spillBytes = 1 << 20
	// readBytes is how much of the spool is in memory at one time.
	readBytes = 4 << 20
	// After a write that failed, the next one waits.
	spillRetryFirst = time.Second
	spillRetryLast  = 30 * time.Second
)

// A spool keeps on disk what the bus does not take. It outlives the process: what is
// in it is published by whichever listener gets the directory next, leading or not,
// for events have natural keys and states say when they were true.
type spool struct {
	disk    *diskqueue.Queue
	log     *slog.Logger
	metrics *spoolMetrics
	full    *outage.Outage
	broken  *outage.Outage
}

// useSpool puts the configured spool behind the queue.
func (l *Listener) useSpool() error {
	if l.cfg.Spool == nil {
		return nil
	}
	m, err := newSpoolMetrics(l.cfg.Registerer, l.env)
	if err != nil {
		return err
	}
	l.queue.use(newSpool(l.cfg.Spool, m, l.log))
	return nil
}

func newSpool(disk *diskqueue.Queue, m *spoolMetrics, log *slog.Logger) *spool {
	return &spool{disk: disk, log: log, metrics: m,
		full: outage.New(log, nil, "the spool is full, events wait in memory only", "the spool has room again"),
		broken: outage.New(log, nil, "the spool cannot be written, events wait in memory only",
			"the spool can be written again")}
}

func (s *spool) len() int { return s.disk.Len() }

// append writes messages durably, all or none.
func (s *spool) append(messages []bus.Message) error {
	records := make([][]byte, len(messages))
	for i, m := range messages {
		records[i] = encode(m)
	}
	return s.disk.Append(records...)
}

// read appends at most n of the oldest messages to batch. lost is how many before
// them cannot be read any more and are gone.
func (s *spool) read(batch []bus.Message, n int) (all []bus.Message, lost int) {
	records, lost := s.disk.Read(n, readBytes)
	for _, r := range records {
		m, err := decode(r)
		if err == nil {
			batch = append(batch, m)
			continue
		}
		if len(batch) > 0 {
			break // next time it is the first
		}
		s.log.Error("a message in the spool makes no sense and is dropped", "bytes", len(r), "err", err)
		s.metrics.lost.Inc()
		dropped, gone := s.disk.Drop(1)
		return batch, lost + dropped + gone
	}
	return batch, lost
}

// drop forgets the n oldest messages. It returns how many are gone, which can be
// others if some cannot be read any more.
func (s *spool) drop(n int) int {
	dropped, lost := s.disk.Drop(n)
	return dropped + lost
}

// formatVersion begins each record.
const formatVersion = 1

// encode writes a message as a record: the version, then ID and key with their
// lengths, then the body.
func encode(m bus.Message) []byte {
	b := make([]byte, 0, 1+2*binary.MaxVarintLen32+len(m.ID)+len(m.Key)+len(m.Body))
	b = append(b, formatVersion)
	for _, s := range []string{m.ID, m.Key} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, m.Body...)
}

// decode reads what encode wrote. The body shares b's memory.
func decode(b []byte) (m bus.Message, err error) {
	if len(b) == 0 || b[0] != formatVersion {
		return m, errors.New("written by another version of Muster")
	}
	b = b[1:]
	for _, s := range []*string{&m.ID, &m.Key} {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return m, errors.New("cut short")
		}
		*s, b = string(b[used:used+int(n)]), b[used+int(n):]
	}
	m.Body = b
	return m, nil
}

// spill moves what waits too long to the spool, until ctx ends.
func (l *Listener) spill(ctx context.Context) {
	q := l.queue
	if n := q.spool.len(); n > 0 {
		l.log.Info("events of an earlier run wait in the spool, they are published first", "messages", n)
	}
	tick := time.NewTicker(spillEvery)
	defer tick.Stop()
	retryAt, wait := time.Time{}, spillRetryFirst
	for {
		q.spool.metrics.update(q.spool.disk.Stats())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Before(retryAt) || !q.due(now) {
			continue
		}
		switch err := q.spool.judge(ctx, q.spill()); {
		case err != nil:
			retryAt, wait = time.Now().Add(wait), min(2*wait, spillRetryLast)
		default:
			wait = spillRetryFirst
		}
	}
}

// judge says once that the spool is full or broken, and once that it is not.
func (s *spool) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		s.full.Answered(ctx)
		s.broken.Answered(ctx)
	case errors.Is(err, diskqueue.ErrFull):
		s.full.Failed(ctx, err)
	default:
		s.broken.Failed(ctx, err)
	}
	return err
}

// keep puts what the bus has not taken by the end into the spool, and counts as lost
// what does not go there. spilling is over by then, and so is publishing.
func (l *Listener) keep(ctx context.Context) {
	q := l.queue
	if q.spool != nil && q.unsafe() > 0 {
		_ = q.spool.judge(ctx, q.spill())
		q.spool.metrics.update(q.spool.disk.Stats())
	}
	if lost := q.unsafe(); lost > 0 {
		l.metrics.dropped.Add(float64(lost))
		l.log.Error("events were lost at the end: the bus did not take them in time", "events", lost)
	}
	if kept := q.len() - q.unsafe(); kept > 0 {
		l.log.Warn("the bus did not take all events, they wait in the spool for the next start", "messages", kept)
	}
}

// drainTimeout is how long the end waits for the bus: not at all if it does not take
// events and a spool will keep them.
func (l *Listener) drainTimeout(ctx context.Context) time.Duration {
	if l.queue.spool != nil && l.Ready(ctx) != nil {
		return 0
	}
	return l.cfg.DrainTimeout
}
