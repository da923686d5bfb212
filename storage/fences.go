package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"muster/event"
)

// fence takes out of rec what leaders say that have been followed by others, and
// remembers the highest term of each lease that has acted. The rows stay locked up to
// the commit: what an older leader says in another transaction waits, and is refused.
// Events are facts and pass whoever brings them.
func (r *recording) fence(ctx context.Context, rec event.Record) (event.Record, error) {
	first := map[string]int64{} // the first term of each lease in rec
	see := func(f event.Fence) {
		if _, seen := first[f.Lease]; f.Term > 0 && !seen {
			first[f.Lease] = f.Term
		}
	}
	for _, o := range rec.Observations {
		see(o.By)
	}
	for _, s := range rec.Streams {
		see(s.By)
	}
	if len(first) == 0 {
		return rec, nil
	}
	acted, err := r.t.acted(ctx, first)
	if err != nil {
		return rec, err
	}
	highest := make(map[string]int64, len(acted))
	passes := func(f event.Fence) bool {
		if f.Term == 0 {
			return true
		}
		if f.Term < max(acted[f.Lease], highest[f.Lease]) {
			r.out.Refused = append(r.out.Refused, f)
			return false
		}
		highest[f.Lease] = f.Term
		return true
	}
	rec.Observations = only(rec.Observations, func(o event.Observation) bool { return passes(o.By) })
	rec.Streams = only(rec.Streams, func(s event.StreamState) bool { return passes(s.By) })
	return rec, r.t.act(ctx, acted, highest)
}

// only returns those of all that keep says yes to, without changing all.
func only[T any](all []T, keep func(T) bool) []T {
	kept := make([]T, 0, len(all))
	for _, v := range all {
		if keep(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// acted locks the rows of leases, makes those that are missing, and returns the
// highest term of each that has acted.
func (t *tx) acted(ctx context.Context, first map[string]int64) (map[string]int64, error) {
	acted := make(map[string]int64, len(first))
	for _, name := range sortedNames(first) {
		if _, err := t.exec(ctx, "INSERT INTO fences (name, term) VALUES (?, ?)"+t.s.d.upsert("name"), name, first[name]); err != nil {
			return nil, err
		}
		var term int64
		rows, err := t.query(ctx, "SELECT term FROM fences WHERE name = ?"+t.s.d.forUpdate(), name)
		err = collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&term) })
		if err != nil {
			return nil, err
		}
		if term <= 0 {
			return nil, fmt.Errorf("fence of %s has term %d", name, term)
		}
		acted[name] = term
	}
	return acted, nil
}

// act remembers terms that are higher than those that have acted.
func (t *tx) act(ctx context.Context, acted, highest map[string]int64) error {
	for _, name := range sortedNames(highest) {
		if highest[name] <= acted[name] {
			continue
		}
		if _, err := t.exec(ctx, "UPDATE fences SET term = ? WHERE name = ?", highest[name], name); err != nil {
			return err
		}
	}
	return nil
}

func sortedNames(m map[string]int64) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
