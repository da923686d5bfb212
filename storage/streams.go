package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"muster/event"
)

const streamCols = "world, health, since_ns, reported_ns, last_event_ns, reason"

var (
	streamShape = newShape("stream_states", "world health since_ns reported_ns last_event_ns reason", "world",
		"health", "since_ns", "reported_ns", "last_event_ns", "reason")
	gapShape = newShape("stream_gaps", "world from_ns to_ns cause", "world, from_ns", "to_ns", "cause")
)

// streams stores the newest state of each world and keeps the record of gaps.
//
// A gap opens when a world's events stop flowing and closes when they flow
// again. A listener that was not heard of for event.StaleStream and says now
// that its stream is younger than that left a gap too; so did one that was killed,
// up to the first word of its successor. States that come again, or
// late, change nothing, but for the hole a late one tells of.
func (r *recording) streams(ctx context.Context, states []event.StreamState) error {
	// In one order, so that two dispatchers do not lock in two; those of one world
	// stay as they came.
	states = slices.Clone(states)
	slices.SortStableFunc(states, func(a, b event.StreamState) int { return cmp.Compare(a.World, b.World) })
	for _, next := range states {
		if next.World <= 0 || next.Since.IsZero() || next.ReportedAt.IsZero() || !next.By.Valid() {
			return fmt.Errorf("%w: stream state of world %d without world, time or whole fence", ErrData, next.World)
		}
		last, known, err := r.t.streamState(ctx, next.World)
		if err != nil {
			return err
		}
		if known && !next.ReportedAt.After(last.ReportedAt) && !ahead(last.ReportedAt, r.now) {
			if err := r.t.lateState(ctx, last, next); err != nil {
				return err
			}
			continue
		}
		if err := r.t.gaps(ctx, last, known, next); err != nil {
			return err
		}
		if _, err := r.t.insert(ctx, streamShape, []any{int64(next.World), string(next.Health), nano(next.Since),
			nano(next.ReportedAt), nano(next.LastEventAt), clip(next.Reason, 255)}); err != nil {
			return err
		}
		if !known || last.Health != next.Health {
			next.By = event.Fence{}
			r.out.Streams = append(r.out.Streams, next)
		}
	}
	return nil
}

// ahead reports whether a report is from a clock that has been set back since:
// then it must not silence what comes after it.
func ahead(reported, now time.Time) bool { return reported.Sub(now) > event.StaleStream }

func (t *tx) streamState(ctx context.Context, w event.World) (state event.StreamState, known bool, err error) {
	rows, err := t.query(ctx, "SELECT "+streamCols+" FROM stream_states WHERE world = ?"+t.s.d.forUpdate(), int64(w))
	err = collect(rows, err, func(rows *sql.Rows) (err error) {
		state, err = scanStream(rows)
		known = true
		return err
	})
	return state, known, err
}

// gaps opens and closes what the step from last to next tells of.
func (t *tx) gaps(ctx context.Context, last event.StreamState, known bool, next event.StreamState) error {
	flowed := known && last.Health.Flowing()
	unheard := known && next.ReportedAt.Sub(last.ReportedAt) > event.StaleStream && next.Since.After(last.ReportedAt)
	// A listener that has seen nothing yet does not know of the one that died before it.
	began := !next.Health.Flowing() && next.LastEventAt.IsZero() && next.Since.After(last.ReportedAt)
	if flowed && (unheard || began) {
		if err := t.openGap(ctx, next.World, last.ReportedAt, "the listener did not report"); err != nil {
			return err
		}
	}
	if next.Health.Flowing() {
		return t.closeGap(ctx, next.World, next.Since)
	}
	if flowed || !known {
		return t.openGap(ctx, next.World, next.Since, cause(next))
	}
	return nil
}

func cause(s event.StreamState) string {
	if s.Reason == "" {
		return string(s.Health)
	}
	return clip(string(s.Health)+": "+s.Reason, 255)
}

// openGap opens a gap from from on, or opens the one again that reaches so far.
func (t *tx) openGap(ctx context.Context, w event.World, from time.Time, cause string) error {
	changed, err := t.exec(ctx, "UPDATE stream_gaps SET to_ns = 0 WHERE world = ? AND from_ns <= ? AND to_ns >= ?",
		int64(w), nano(from), nano(from))
	if err != nil || changed > 0 {
		return err
	}
	open, err := t.covered(ctx, w, from)
	if err != nil || open {
		return err
	}
	_, err = t.insert(ctx, gapShape, []any{int64(w), nano(from), 0, cause})
	return err
}

// covered reports whether at lies in a gap that is known.
func (t *tx) covered(ctx context.Context, w event.World, at time.Time) (bool, error) {
	var n int
	rows, err := t.query(ctx, "SELECT COUNT(*) FROM stream_gaps WHERE world = ? AND from_ns <= ? AND (to_ns = 0 OR to_ns >= ?)",
		int64(w), nano(at), nano(at))
	err = collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n > 0, err
}

// closeGap ends the open gap of a world that has been flowing since at. A gap that
// began no earlier is none: another listener has had the world all along, and has
// published what came.
func (t *tx) closeGap(ctx context.Context, w event.World, at time.Time) error {
	if _, err := t.exec(ctx, "DELETE FROM stream_gaps WHERE world = ? AND to_ns = 0 AND from_ns >= ?", int64(w), nano(at)); err != nil {
		return err
	}
	_, err := t.exec(ctx, "UPDATE stream_gaps SET to_ns = ? WHERE world = ? AND to_ns = 0", nano(at), int64(w))
	return err
}

// lateState keeps the hole that an old report tells of when the report of its
// end came first, by way of another dispatcher.
func (t *tx) lateState(ctx context.Context, last, old event.StreamState) error {
	if old.Health.Flowing() || !last.Health.Flowing() || !last.Since.After(old.Since) {
		return nil
	}
	known, err := t.covered(ctx, old.World, old.Since)
	if err != nil || known {
		return err
	}
	_, err = t.insert(ctx, gapShape, []any{int64(old.World), nano(old.Since), nano(last.Since), cause(old)})
	return err
}

func scanStream(rows *sql.Rows) (event.StreamState, error) {
	var s event.StreamState
	var health string
	var since, reported, newest int64
	if err := rows.Scan((*int32)(&s.World), &health, &since, &reported, &newest, &s.Reason); err != nil {
		return s, err
	}
	s.Health = event.StreamHealth(health)
	switch s.Health {
	case event.StreamLive, event.StreamLate, event.StreamSilent, event.StreamDown, event.StreamReconciling:
	default:
		return s, fmt.Errorf("stream of world %d has health %.40q", s.World, health)
	}
	s.Since, s.ReportedAt, s.LastEventAt = fromNano(since), fromNano(reported), fromNano(newest)
	return s, nil
}

// StreamStates returns the last reported state of each world. How it looks by
// now is StreamState.At's to say.
func (s *Store) StreamStates(ctx context.Context) ([]event.StreamState, error) {
	var out []event.StreamState
	err := s.each(ctx, ask("SELECT "+streamCols+" FROM stream_states ORDER BY world"), func(rows *sql.Rows) error {
		state, err := scanStream(rows)
		out = append(out, state)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("stream states: %w", err)
	}
	return out, nil
}

// Gaps returns the holes in the record that touch [from, to), oldest first. One
// that is still open has a zero To.
func (s *Store) Gaps(ctx context.Context, from, to time.Time) ([]event.Gap, error) {
	var out []event.Gap
	err := s.each(ctx, ask("SELECT world, from_ns, to_ns, cause FROM stream_gaps "+
		"WHERE from_ns < ? AND (to_ns = 0 OR to_ns > ?) ORDER BY from_ns, world", nano(to), nano(from)),
		func(rows *sql.Rows) error {
			var g event.Gap
			var a, b int64
			err := rows.Scan((*int32)(&g.World), &a, &b, &g.Cause)
			g.From, g.To = fromNano(a), fromNano(b)
			out = append(out, g)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("gaps: %w", err)
	}
	return out, nil
}
