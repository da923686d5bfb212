package storage

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A shape is an INSERT of many rows into one table.
type shape struct {
	table  string
	cols   []string
	keys   string   // primary key, comma separated
	update []string // columns that an existing row takes over; none: it stays
	tail   []string // in place of update: what stands behind the rows, SQLite's and MySQL's

	mu    sync.Mutex
	texts map[int]string // by rows, SQLite only
}

// maxRows is how many rows one statement has at most on MySQL. Their text is bound
// too, see Store.packet.
const maxRows = 1024

// maxSQLiteRows is how many rows one statement has at most on SQLite: larger ones
// outgrow the processor's cache and are slower (see BenchmarkRecord).
const maxSQLiteRows = 256

func newShape(table, cols, keys string, update ...string) *shape {
	return &shape{table: table, cols: strings.Fields(cols), keys: keys, update: update, texts: map[int]string{}}
}

// onConflict sets what happens to existing rows, where update does not suffice.
func (sh *shape) onConflict(sqlite, mysql string) *shape {
	sh.tail = []string{sqlite, mysql}
	return sh
}

// text returns the statement for n rows.
func (sh *shape) text(d dialect, n int) string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	text, ok := sh.texts[n]
	if !ok {
		text = sh.build(d, n)
		sh.texts[n] = text
	}
	return text
}

func (sh *shape) build(d dialect, n int) string {
	row := "(" + strings.Repeat("?, ", len(sh.cols)-1) + "?)"
	return sh.head() + strings.Repeat(row+", ", n-1) + row + sh.conflict(d)
}

func (sh *shape) head() string {
	return "INSERT INTO " + sh.table + " (" + strings.Join(sh.cols, ", ") + ") VALUES "
}

// conflict is what happens to existing rows.
func (sh *shape) conflict(d dialect) string {
	if sh.tail == nil {
		return d.upsert(sh.keys, sh.update...)
	}
	return sh.tail[bit(d.mysql)]
}

// insert writes the rows whose values follow each other in args and returns how
// many were affected: without update columns, how many are new.
func (t *tx) insert(ctx context.Context, sh *shape, args []any) (int64, error) {
	if t.s.d.mysql {
		w, err := rendered(sh, args)
		if err != nil {
			return 0, err
		}
		return t.insertRows(ctx, sh, w)
	}
	var affected int64
	for rows := len(args) / len(sh.cols); rows > 0; {
		n := chunk(rows)
		took, err := t.exec(ctx, sh.text(t.s.d, n), args[:n*len(sh.cols)]...)
		if err != nil {
			return affected, fmt.Errorf("insert into %s: %w", sh.table, err)
		}
		affected += took
		args = args[n*len(sh.cols):]
		rows -= n
	}
	return affected, nil
}

// chunk returns how many of n rows go into the next statement on SQLite: a power
// of two, so that a few prepared statements serve every n.
func chunk(n int) int {
	n = min(n, maxSQLiteRows)
	p := 1
	for p*2 <= n {
		p *= 2
	}
	return p
}

// inList is how many ids one IN list has at most.
const inList = 512

// eachIn runs f for runs of ids: marks is "?, ?, …" for their number. The
// number is rounded up to a power of two by repeating the last id, so that few
// different statements are used.
func eachIn[T ~int64](ids []T, f func(marks string, args []any) error) error {
	for len(ids) > 0 {
		n := min(len(ids), inList)
		size := 1
		for size < n {
			size *= 2
		}
		args := make([]any, size)
		for i := range args {
			args[i] = int64(ids[min(i, n-1)])
		}
		if err := f(strings.Repeat("?, ", size-1)+"?", args); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// collect reads all rows with scan and closes them.
func collect(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("%w: %w", ErrData, err)
		}
	}
	return rows.Err()
}

// sec is a game time as it is stored.
func sec(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// nano is a wall clock as it is stored.
func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromSec(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// clip returns at most n characters of s, as valid UTF-8. Columns are as wide
// as what the game allows; what is longer is hostile or broken.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
