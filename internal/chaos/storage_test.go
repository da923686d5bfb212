package chaos

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// A record is the database as anybody may read it.
type record struct{ db *sql.DB }

// rows counts the stored events of w by their identities.
func (r record) rows(t testing.TB, w window) tally {
	t.Helper()
	all := tally{}
	for name, s := range shapes {
		query := fmt.Sprintf("SELECT CONCAT_WS('|', ?, at, world, %s) FROM %s WHERE at >= ? AND at < ?", strings.Join(s.columns, ", "), s.table)
		for _, row := range texts(t, r.db, query, name, w.from, w.to) {
			all[row]++
		}
	}
	for _, row := range texts(t, r.db, "SELECT CONCAT('unknown|', payload) FROM event_unknown WHERE at >= ? AND at < ?", w.from, w.to) {
		all[row]++
	}
	return all
}

// online returns who is stored as online, and who is known at all.
func (r record) presence(t testing.TB) (online, known map[string]bool) {
	t.Helper()
	online, known = map[string]bool{}, map[string]bool{}
	for _, row := range texts(t, r.db, "SELECT CONCAT(character_id, ' ', online) FROM presence") {
		id, on, _ := strings.Cut(row, " ")
		known[id], online[id] = true, on == "1"
	}
	return online, known
}

// texts returns the one column of text that a query selects.
func texts(t testing.TB, db *sql.DB, query string, args ...any) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
