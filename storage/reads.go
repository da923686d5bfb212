package storage

import (
	"context"
	"database/sql"
)

// A question is a SELECT with its arguments.
type question struct {
	text string
	args []any
}

func ask(text string, args ...any) question { return question{text, args} }

// Lagging returns the same store for readers who do not mind what was true a
// moment ago: it asks a read replica that keeps up (Options.Replicas), and the
// primary where there is none. Whatever must show what its reader has just
// written is read through s itself.
//
// A replica that is lost in the middle of an answer is the only fault of one that
// a caller sees, as an error.
func (s *Store) Lagging() *Store { return &Store{shared: s.shared, lagging: true} }

// each runs scan for each row of q's answer. On MySQL a connection that is lost
// before the first row is no error yet.
func (s *Store) each(ctx context.Context, q question, scan func(*sql.Rows) error) error {
	n := 0
	count := func(rows *sql.Rows) error { n++; return scan(rows) }
	if s.lagging {
		done, err := s.replicas.each(ctx, s.d, q, count, &n)
		if done {
			s.metrics.reads.WithLabelValues("replica").Inc()
			return err
		}
		s.metrics.reads.WithLabelValues("primary").Inc()
	}
	err := eachOf(ctx, s.r, q, count)
	if n == 0 && s.d.fault(ctx, err) == lost {
		err = eachOf(ctx, s.r, q, count)
	}
	return s.d.denied(err)
}

func eachOf(ctx context.Context, from queryer, q question, scan func(*sql.Rows) error) error {
	rows, err := from.QueryContext(ctx, q.text, q.args...)
	return collect(rows, err, scan)
}
