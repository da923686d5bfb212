package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"muster/event"
)

// Originals reports for each of events whether what is stored under its key is this
// very sighting, rather than another of the same event: on another connection, or
// repeated by the game. The id of a feed item is made of it, so who tells again of
// an event may only tell of the one that is stored. It reads the primary.
func (s *Store) Originals(ctx context.Context, events []event.Event) ([]bool, error) {
	out := make([]bool, len(events))
	for kind, table := range tables {
		var rows []row
		for i := range events {
			if e := &events[i]; int(e.Kind) == kind {
				rows = append(rows, row{at: e.At.Unix(), key: e.Key(), i: i})
			}
		}
		if err := s.originals(ctx, table.table, rows, events, out); err != nil {
			return nil, fmt.Errorf("originals in %s: %w", table.table, err)
		}
	}
	return out, nil
}

func (s *Store) originals(ctx context.Context, table string, rows []row, events []event.Event, out []bool) error {
	slices.SortFunc(rows, compareRows)
	seconds := make([]int64, 0, 8)
	for _, r := range rows {
		if len(seconds) == 0 || seconds[len(seconds)-1] != r.at {
			seconds = append(seconds, r.at)
		}
	}
	return eachIn(seconds, func(marks string, args []any) error {
		found, err := s.w.QueryContext(ctx, "SELECT at, k, received_ns FROM "+table+" WHERE at IN ("+marks+")", args...)
		return collect(found, err, func(found *sql.Rows) error {
			var at, received int64
			var k []byte
			if err := found.Scan(&at, &k, &received); err != nil {
				return err
			}
			if len(k) != len(event.Key{}) {
				return fmt.Errorf("a key of %d bytes", len(k))
			}
			first, _ := slices.BinarySearchFunc(rows, row{at: at, key: event.Key(k)}, compareRows)
			for ; first < len(rows) && rows[first].at == at && rows[first].key == event.Key(k); first++ {
				i := rows[first].i
				out[i] = nano(events[i].ReceivedAt) == received
			}
			return nil
		})
	})
}
