package storage

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"muster/event"
)

// BareTable names a table and its columns.
type BareTable struct {
	Name string
	Cols []string
}

// BareRows returns the rows that Record would insert for events, and where.
func BareRows(events []event.Event) ([]BareTable, [][]any, error) {
	b, err := newBatch(dialect{}, events)
	if err != nil {
		return nil, nil, err
	}
	var names []BareTable
	var args [][]any
	for kind, rows := range b.values {
		if rows != nil {
			names = append(names, BareTable{b.tables[kind].table, b.tables[kind].cols})
			args = append(args, rows.args)
		}
	}
	return names, args, nil
}

// EventTables names the tables of events.
func EventTables() (names []string) {
	for _, t := range tables {
		names = append(names, t.table)
	}
	return names
}

// DaysUntil returns the definitions of the days from from to to, and of the rest.
func DaysUntil(from, to time.Time) string {
	return definitions(daysUntil(from.Unix(), to.Unix(), int64(DefaultRetention/time.Second)))
}

// RetainFromOneView makes the days around from, then drops those before before, as
// a process does whose view of the partitions is as old as it can be.
func (s *Store) RetainFromOneView(ctx context.Context, from, before int64) error {
	for _, t := range tables {
		if err := s.makeDays(ctx, s.long, t.table, []partition{restPartition}, from); err != nil {
			return err
		}
		days := daysUntil(from-daySeconds, before-1, s.keep())
		if _, err := dropDays(ctx, s.long, t.table, days[:len(days)-1], before); err != nil {
			return err
		}
	}
	return nil
}

// DropIdle closes the connections that are not in use.
func (s *Store) DropIdle() { s.dropIdle() }

// OpenConns returns how many connections the store has now.
func (s *Store) OpenConns() int {
	return s.w.Stats().OpenConnections + s.long.Stats().OpenConnections
}

// WriteDB returns the pool that transactions use.
func (s *Store) WriteDB() *sql.DB { return s.w }

// Trace has f see the text of every statement of s's transactions until stop is
// called.
func Trace(s *Store, f func(text string)) (stop func()) {
	s.trace = f
	return func() { s.trace = nil }
}

// Watched reports whether s takes id for watched.
func Watched(s *Store, id event.CharacterID) bool { return s.watched.has(id) }

// AgeWatchChanges makes all changes of who is watched an hour older.
func AgeWatchChanges(t testing.TB, s *Store) {
	if _, err := s.w.ExecContext(t.Context(), "UPDATE watch_changes SET at_ns = at_ns - 3600000000000"); err != nil {
		t.Fatal(err)
	}
}

// CountAll returns how many events of all kinds are stored.
func (s *Store) CountAll(t testing.TB) (n int64) {
	count, err := s.CountEvents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range count {
		n += c
	}
	return n
}

// ForEach runs row for each row of the answer to text.
func (s *Store) ForEach(ctx context.Context, text string, row func()) error {
	return s.each(ctx, ask(text), func(*sql.Rows) error { row(); return nil })
}

// LeaveReplicasOut has reads go to the primary until the next beat.
func (s *Store) LeaveReplicasOut(ctx context.Context, why error) {
	for _, r := range s.replicas.list {
		r.leave(ctx, why)
	}
}
