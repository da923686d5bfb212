package storage

import (
	"fmt"
	"strings"
)

// A dialect is what differs between the two databases.
type dialect struct{ mysql bool }

// forUpdate locks the rows of a SELECT. SQLite needs nothing: the transaction
// holds the only write lock from its start.
func (d dialect) forUpdate() string {
	if d.mysql {
		return " FOR UPDATE"
	}
	return ""
}

func (d dialect) skipLocked() string {
	if d.mysql {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// upsert is the tail of an INSERT that meets rows with the same keys: cols get
// the new values; without cols the old row stays as it is. Never INSERT IGNORE,
// which swallows real errors too.
func (d dialect) upsert(keys string, cols ...string) string {
	var b strings.Builder
	if d.mysql {
		b.WriteString(" ON DUPLICATE KEY UPDATE ")
		if len(cols) == 0 {
			key, _, _ := strings.Cut(keys, ",")
			fmt.Fprintf(&b, "%s = %s", key, key)
		}
	} else {
		fmt.Fprintf(&b, " ON CONFLICT (%s) DO ", keys)
		if len(cols) == 0 {
			b.WriteString("NOTHING")
		} else {
			b.WriteString("UPDATE SET ")
		}
	}
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		if d.mysql {
			fmt.Fprintf(&b, "%s = VALUES(%s)", c, c)
		} else {
			fmt.Fprintf(&b, "%s = excluded.%s", c, c)
		}
	}
	return b.String()
}

// larger is the tail of an INSERT of counts into table: an old row takes over n,
// and the columns that go with it, unless its n is larger. n comes last, for MySQL
// assigns in order and reads what it has assigned.
func (d dialect) larger(table, keys, n string, with ...string) string {
	text, fresh := " ON CONFLICT ("+keys+") DO UPDATE SET ", func(col string) string { return "excluded." + col }
	if d.mysql {
		text, fresh = " ON DUPLICATE KEY UPDATE ", func(col string) string { return "VALUES(" + col + ")" }
	}
	var sets []string
	for _, col := range append(with, n) {
		sets = append(sets, fmt.Sprintf("%s = CASE WHEN %s >= %s.%s THEN %s ELSE %s.%s END", col, fresh(n), table, n, fresh(col), table, col))
	}
	return text + strings.Join(sets, ", ")
}
