package storage

import (
	"context"
	"database/sql"
	"fmt"
)

// maxTermName bounds the name of a lease in bytes.
const maxTermName = 191

// NextTerm mints a term for the lease called name: 1 at first, and larger than
// every one before, whichever process asks. Numbers may be left out. A term that
// was minted need not come into use, so who refuses older leaders compares with
// the highest term that has acted, not with the last one minted.
//
// A name that is empty or longer than 191 bytes is ErrData.
func (s *Store) NextTerm(ctx context.Context, name string) (int64, error) {
	if name == "" || len(name) > maxTermName {
		return 0, fmt.Errorf("%w: name of a lease with %d bytes", ErrData, len(name))
	}
	step := " ON CONFLICT (name) DO UPDATE SET term = term + 1"
	if s.d.mysql {
		step = " ON DUPLICATE KEY UPDATE term = term + 1"
	}
	var term int64
	err := s.write(ctx, func(t *tx) error {
		// The row stays locked from here to the commit, so what is read is ours.
		if _, err := t.exec(ctx, "INSERT INTO terms (name, term) VALUES (?, 1)"+step, name); err != nil {
			return err
		}
		rows, err := t.query(ctx, "SELECT term FROM terms WHERE name = ?", name)
		return collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&term) })
	})
	if err != nil {
		return 0, fmt.Errorf("next term of %s: %w", name, err)
	}
	return term, nil
}
