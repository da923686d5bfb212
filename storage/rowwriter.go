package storage

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A rowWriter takes the values of rows, one after the other, for one INSERT of
// many: as arguments, or for MySQL as the text of a statement. Text is sent as
// hexadecimal, so that nothing in it has to be escaped; it saves boxing each
// number and the driver's work on the placeholders (see docs/benchmarks.md).
type rowWriter struct {
	mysql bool
	args  []any

	sql  []byte
	ends []int // of each row in sql, the comma behind it included

	n     int // values of this row so far
	bad   int // the first value of it that cannot be stored, -1: none
	value any // that one
}

func newRowWriter(d dialect, rows, cols int) *rowWriter {
	w := &rowWriter{mysql: d.mysql}
	if d.mysql {
		w.sql, w.ends = make([]byte, 0, rows*cols*11), make([]int, 0, rows)
	} else {
		w.args = make([]any, 0, rows*cols)
	}
	return w
}

func (w *rowWriter) begin() {
	w.n, w.bad = 0, -1
	if w.mysql {
		w.sql = append(w.sql, '(')
	}
}

func (w *rowWriter) end() {
	if w.mysql {
		w.sql[len(w.sql)-1] = ')' // was a comma
		w.sql = append(w.sql, ',')
		w.ends = append(w.ends, len(w.sql))
	}
}

// spoil notes a value that cannot be stored.
func (w *rowWriter) spoil(v any) {
	if w.bad < 0 {
		w.bad, w.value = w.n, v
	}
}

// ints writes numbers, none of which may be negative.
func (w *rowWriter) ints(list ...int64) {
	for _, v := range list {
		if v < 0 {
			w.spoil(v)
		}
		if w.mysql {
			w.sql = append(strconv.AppendInt(w.sql, v, 10), ',')
		} else {
			w.args = append(w.args, v)
		}
		w.n++
	}
}

func (w *rowWriter) floats(list ...float64) {
	for _, v := range list {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			w.spoil(v)
		}
		if w.mysql {
			w.sql = append(strconv.AppendFloat(w.sql, v, 'e', -1, 64), ',')
		} else {
			w.args = append(w.args, v)
		}
		w.n++
	}
}

func (w *rowWriter) blob(v []byte) {
	if w.mysql {
		w.sql = append(hex.AppendEncode(append(w.sql, "X'"...), v), "',"...)
	} else {
		w.args = append(w.args, v)
	}
	w.n++
}

func (w *rowWriter) text(v string) {
	if w.mysql {
		w.sql = append(w.sql, "_utf8mb4 "...)
		w.blob([]byte(v))
		return
	}
	w.args = append(w.args, v)
	w.n++
}

// any writes a value as callers of insert give it.
func (w *rowWriter) any(v any) {
	switch v := v.(type) {
	case nil:
		w.sql = append(w.sql, "NULL,"...)
	case int64:
		w.sql = append(strconv.AppendInt(w.sql, v, 10), ',')
	case int:
		w.sql = append(strconv.AppendInt(w.sql, int64(v), 10), ',')
	case string:
		w.text(v)
	case []byte:
		w.blob(v)
	default:
		w.spoil(v)
	}
}

// rendered returns rows of args as text.
func rendered(sh *shape, args []any) (*rowWriter, error) {
	w := newRowWriter(dialect{mysql: true}, len(args)/len(sh.cols), len(sh.cols))
	for row := range slices.Chunk(args, len(sh.cols)) {
		w.begin()
		for _, v := range row {
			w.any(v)
		}
		if w.bad >= 0 {
			return nil, fmt.Errorf("insert into %s: %w: a value of type %T", sh.table, ErrData, w.value)
		}
		w.end()
	}
	return w, nil
}

// insertRows writes the rows of w and returns how many were affected, as insert
// does.
func (t *tx) insertRows(ctx context.Context, sh *shape, w *rowWriter) (int64, error) {
	if !w.mysql {
		return t.insert(ctx, sh, w.args)
	}
	head, tail := sh.head(), sh.conflict(t.s.d)
	var affected int64
	for from, start := 0, 0; from < len(w.ends); {
		from = w.chunk(from, start, t.s.packet-len(head)-len(tail))
		end := w.ends[from-1]
		var text strings.Builder
		text.Grow(len(head) + end - start + len(tail))
		text.WriteString(head)
		text.Write(w.sql[start : end-1]) // without the last comma
		text.WriteString(tail)
		took, err := t.exec(ctx, text.String())
		if err != nil {
			return affected, fmt.Errorf("insert into %s: %w", sh.table, err)
		}
		affected += took
		start = end
	}
	return affected, nil
}

// chunk returns the row before which the statement ends that begins with row from
// at byte start: it has at most that many bytes, but one row at least.
func (w *rowWriter) chunk(from, start, bytes int) int {
	n, _ := slices.BinarySearch(w.ends[from:], start+bytes)
	return from + max(min(n, maxRows), 1)
}
