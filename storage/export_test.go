package storage

import "muster/event"

// BareTable names a table and its columns.
type BareTable struct {
	Name string
	Cols []string
}

// BareRows returns the rows that Record would insert for events, and where.
func BareRows(events []event.Event) ([]BareTable, [][]any, error) {
	b, err := newBatch(events)
	if err != nil {
		return nil, nil, err
	}
	var names []BareTable
	var args [][]any
	for kind, rows := range b.args {
		if len(rows) > 0 {
			names = append(names, BareTable{b.tables[kind].table, b.tables[kind].cols})
			args = append(args, rows)
		}
	}
	return names, args, nil
}
