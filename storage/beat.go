package storage

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"
)

const (
	// beatMost bounds the time between beats, which is a quarter of the lag allowed.
	beatMost = time.Second
	// beatLimit is how long writing or reading one may take.
	beatLimit = 2 * time.Second
	// beatsKept is how many beats are remembered. What a replica does not have of
	// them is older than all.
	beatsKept = 600
	// beatForgotten is when the beats of a process that is gone are deleted.
	beatForgotten = time.Hour
)

// beats are the counts committed on the primary, and when.
type beats struct {
	began time.Time
	list  []struct {
		n  int64
		at time.Time // with the monotonic clock
	}
	failed error // why the newest could not be written
}

func (b *beats) committed(n int64, at time.Time) {
	if len(b.list) == beatsKept {
		b.list = append(b.list[:0], b.list[1:]...)
	}
	b.list = append(b.list, struct {
		n  int64
		at time.Time
	}{n, at})
}

// lag returns how long ago the oldest count above seen was committed, 0 if there
// is none: then the replica has all that is known to be written.
func (b *beats) lag(seen int64, now time.Time) time.Duration {
	for _, c := range b.list {
		if c.n > seen {
			return now.Sub(c.at)
		}
	}
	return 0
}

// beat measures until ctx ends.
func (s *Store) beat(ctx context.Context, list []*replica) {
	every := min(s.opt.ReplicaLag/4, beatMost)
	tick := time.NewTicker(every)
	defer tick.Stop()
	b := beats{began: time.Now()}
	for n := int64(1); ; n++ {
		if b.failed = s.writeBeat(ctx, n, len(b.list) == 0); b.failed == nil {
			b.committed(n, time.Now())
		} else if ctx.Err() == nil {
			s.log.DebugContext(ctx, "beat for the replicas", "err", b.failed)
		}
		var all sync.WaitGroup
		for _, r := range list {
			all.Go(func() { s.judge(ctx, r, &b) })
		}
		all.Wait()
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.endBeat(context.WithoutCancel(ctx))
			return
		}
	}
}

// judge decides whether reads may go to r.
func (s *Store) judge(ctx context.Context, r *replica, b *beats) {
	seen, err := s.readBeat(ctx, r.db)
	lag := b.lag(seen, time.Now())
	if err == nil && seen == 0 && len(b.list) > 0 {
		err = fmt.Errorf("%w: it has no beat of this process", errNotYet)
	}
	if err == nil && refusedAccess(b.failed) { // or it would count as one that has all
		err = s.d.denied(b.failed)
	}
	if err == nil && lag > s.opt.ReplicaLag {
		err = fmt.Errorf("it lags %s behind", lag.Round(time.Millisecond))
	}
	if ctx.Err() != nil {
		return
	}
	s.metrics.lag.WithLabelValues(r.name).Set(lag.Seconds())
	if err != nil && !r.everUsed && time.Since(b.began) < s.opt.ReplicaLag {
		return // the first beat is on its way
	}
	r.everUsed = true
	if err != nil {
		s.metrics.used.WithLabelValues(r.name).Set(0)
		r.leave(ctx, err)
		return
	}
	s.metrics.used.WithLabelValues(r.name).Set(1)
	r.use(ctx)
}

// writeBeat writes a count; the first one also deletes those of processes that
// were killed.
func (s *Store) writeBeat(ctx context.Context, n int64, first bool) error {
	ctx, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	now := time.Now().UnixNano()
	if first {
		if _, err := s.w.ExecContext(ctx, "DELETE FROM beats WHERE at_ns < ?", now-int64(beatForgotten)); err != nil {
			return err
		}
	}
	_, err := s.w.ExecContext(ctx, "INSERT INTO beats (writer, n, at_ns) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE n = VALUES(n), at_ns = VALUES(at_ns)",
		s.writer, n, now)
	return err
}

func (s *Store) readBeat(ctx context.Context, db *sql.DB) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	err = eachOf(ctx, db, ask("SELECT n FROM beats WHERE writer = ?", s.writer), func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

func (s *Store) endBeat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	if _, err := s.w.ExecContext(ctx, "DELETE FROM beats WHERE writer = ?", s.writer); err != nil {
		s.log.DebugContext(ctx, "the last beat stays", "err", err)
	}
}
