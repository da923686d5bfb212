package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"muster/event"
)

const hour = int64(time.Hour / time.Second)

var dirtyShape = newShape("dirty_hours", "hour_at writer", "hour_at, writer")

// dirtyHours marks the hours whose sums the new rows of experience change. A mark is
// locked until the commit, so each Record in progress has one of its own: none waits
// for another.
func (r *recording) dirtyHours(ctx context.Context) error {
	var args []any
	last := int64(-1)
	for _, row := range r.batch.kinds[event.Experience] { // sorted by second
		if h := row.at - row.at%hour; h != last && r.out.New[row.i] {
			last = h
			args = append(args, h, r.mark)
		}
	}
	_, err := r.t.insert(ctx, dirtyShape, args)
	return err
}

// dirtyMarks are the numbers of a Store's marks, as many as there are Records at a
// time: the fewer there are, the fewer rows dirty_hours has.
type dirtyMarks struct {
	mu   sync.Mutex
	free []int64
}

func (m *dirtyMarks) take() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.free)
	if n == 0 {
		return rand.Int64()
	}
	mark := m.free[n-1]
	m.free = m.free[:n-1]
	return mark
}

func (m *dirtyMarks) give(mark int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = append(m.free, mark)
}

// Rollup sums up experience per character, kind and hour, for the hours to which
// rows were added since the last time; it counts them anew, so that it can run at
// any time, twice, or after a crash. It returns how many hours were done.
//
// An hour that has ended by now is always done. The one that runs is counted as
// often as it comes cheap: it stops writing to SQLite while it is counted, so that
// may take a fiftieth of the time at most.
//
// Several may run at once, and beside any number of Records: what is marked is taken
// over by a mark of this count before it begins, and a Record that adds rows meanwhile
// leaves a new one. A count that is cut short leaves its own.
//
// A sum never shrinks: what is counted anew may lack rows that are gone already.
func (s *Store) Rollup(ctx context.Context, now time.Time) (int, error) {
	return s.rollup(ctx, now, math.MaxInt64)
}

// rollup is Rollup of the hours before before.
func (s *Store) rollup(ctx context.Context, now time.Time, before int64) (int, error) {
	hours, err := readIDs[int64](ctx, s, "SELECT DISTINCT hour_at FROM dirty_hours WHERE hour_at < ? ORDER BY hour_at", before)
	if err != nil {
		return 0, fmt.Errorf("dirty hours: %w", err)
	}
	done := 0
	for _, h := range hours {
		running := h+hour > now.Unix()
		if running && !s.running.due(now) {
			continue
		}
		from := time.Now()
		did, err := s.rollupHour(ctx, h)
		if err != nil {
			return done, fmt.Errorf("roll up hour %s: %w", fromSec(h).Format(time.RFC3339), err)
		}
		if running {
			s.running.counted(now, time.Since(from))
		}
		if did {
			done++
		}
	}
	return done, nil
}

// A runningHour remembers what the last count of an hour not yet over cost.
type runningHour struct {
	mu   sync.Mutex
	at   time.Time
	took time.Duration
}

// cheapCount is what may be spent on each call.
const cheapCount = 20 * time.Millisecond

func (r *runningHour) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.took < cheapCount || now.Sub(r.at).Abs() >= 50*r.took
}

func (r *runningHour) counted(now time.Time, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.took = now, took
}

// rollupHour counts one hour, unless it needs no counting.
func (s *Store) rollupHour(ctx context.Context, h int64) (did bool, err error) {
	mine := rand.Int64()
	err = s.write(ctx, func(t *tx) (err error) {
		did, err = t.takeMarks(ctx, h, mine)
		return err
	})
	if err != nil || !did {
		return false, err
	}
	err = s.writeLong(ctx, func(t *tx) error {
		if err := t.countHour(ctx, h); err != nil {
			return err
		}
		return t.dropMarks(ctx, h, []any{mine})
	})
	return err == nil, err
}

// takeMarks puts the mark mine in the place of all others of the hour. It waits for
// the Records that hold one; false: there is none.
func (t *tx) takeMarks(ctx context.Context, h, mine int64) (bool, error) {
	var others []any
	rows, err := t.query(ctx, "SELECT writer FROM dirty_hours WHERE hour_at = ?"+t.s.d.forUpdate(), h)
	err = collect(rows, err, func(rows *sql.Rows) error {
		var w int64
		err := rows.Scan(&w)
		others = append(others, w)
		return err
	})
	if err != nil || len(others) == 0 {
		return false, err
	}
	if err := t.dropMarks(ctx, h, others); err != nil {
		return false, err
	}
	_, err = t.insert(ctx, dirtyShape, []any{h, mine})
	return err == nil, err
}

func (t *tx) dropMarks(ctx context.Context, h int64, writers []any) error {
	_, err := t.ExecContext(ctx, "DELETE FROM dirty_hours WHERE hour_at = ? AND writer IN ("+marks(len(writers))+")",
		slices.Concat([]any{h}, writers)...)
	return err
}

// countHour writes the sums of an hour. An amount above a thousand million counts as
// that: none is real, and a few could make a sum that does not fit, and the hour
// impossible to close.
func (t *tx) countHour(ctx context.Context, h int64) error {
	_, err := t.exec(ctx, "INSERT INTO experience_hourly (character_id, hour_at, experience_id, n, amount) "+
		"SELECT character_id, ?, experience_id, COUNT(*), SUM(CASE WHEN amount > 1000000000 THEN 1000000000 ELSE amount END) FROM event_experience "+
		"WHERE at >= ? AND at < ? GROUP BY character_id, experience_id ORDER BY character_id, experience_id"+
		t.s.d.larger("experience_hourly", "character_id, hour_at, experience_id", "n", "amount"), h, h, h+hour)
	return err
}
