package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// On MySQL the tables of events are partitioned by day, after the events' own
// second in UTC: rows are added to a small tree, and a day that is too old goes
// in one step. The lowest partition also takes what is older than its day, and
// the last one, pmax, what is younger than all: no row is without a place.

// daySeconds is a day of game time.
const daySeconds = int64(24 * time.Hour / time.Second)

// daysAhead is how many days after today have their partition already.
const daysAhead = 7

// dayOf returns the second at which the day of at began.
func dayOf(at int64) int64 { return at - at%daySeconds }

// A partition holds the rows of a table with a second below below and not below
// that of the one before.
type partition struct {
	name  string
	below int64 // math.MaxInt64: all the rest
}

// dayPartition is the one of the day that begins at start.
func dayPartition(start int64) partition {
	return partition{"p" + time.Unix(start, 0).UTC().Format("20060102"), start + daySeconds}
}

var restPartition = partition{"pmax", math.MaxInt64}

func (p partition) definition() string {
	if p.below == math.MaxInt64 {
		return "PARTITION " + p.name + " VALUES LESS THAN MAXVALUE"
	}
	return fmt.Sprintf("PARTITION %s VALUES LESS THAN (%d)", p.name, p.below)
}

func definitions(list []partition) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.definition()
	}
	return "(" + strings.Join(texts, ", ") + ")"
}

// daysUntil returns the partitions from the day of from to that of to, and the
// rest. There are at most keep days and those ahead, the youngest.
func daysUntil(from, to, keep int64) []partition {
	from, to = dayOf(from), dayOf(to)
	from = max(from, to-dayOf(keep)-(daysAhead+1)*daySeconds)
	var list []partition
	for start := from; start <= to; start += daySeconds {
		list = append(list, dayPartition(start))
	}
	return append(list, restPartition)
}

// A queryer is a connection, a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
}

// partitions returns those of a table in order, none if it has none.
func partitions(ctx context.Context, q queryer, table string) ([]partition, error) {
	var out []partition
	rows, err := q.QueryContext(ctx, "SELECT partition_name, partition_description FROM information_schema.partitions "+
		"WHERE table_schema = DATABASE() AND table_name = ? AND partition_name IS NOT NULL ORDER BY partition_ordinal_position", table)
	err = collect(rows, err, func(rows *sql.Rows) error {
		var p partition
		var below string
		if err := rows.Scan(&p.name, &below); err != nil {
			return err
		}
		var err error
		if p.below, err = strconv.ParseInt(below, 10, 64); err != nil {
			p.below, err = math.MaxInt64, nil
		}
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("partitions of %s: %w", table, err)
	}
	return out, nil
}

// partitionTables is the migration that gives the tables of events their
// partitions. It can be cut off and run again: a table that has some is left as
// it is. A table with rows is written anew, and nothing can write to it meanwhile.
func (s *Store) partitionTables(ctx context.Context, db *sql.DB) error {
	now := time.Now().Unix()
	for _, t := range tables {
		have, err := partitions(ctx, db, t.table)
		if err != nil {
			return err
		}
		if len(have) > 0 {
			continue
		}
		oldest := int64(-1)
		if err := db.QueryRowContext(ctx, "SELECT COALESCE(MIN(at), -1) FROM "+t.table).Scan(&oldest); err != nil {
			return fmt.Errorf("oldest row of %s: %w", t.table, err)
		}
		list := []partition{restPartition}
		if oldest >= 0 {
			list = daysUntil(min(oldest, now), now+daysAhead*daySeconds, s.keep())
		}
		if _, err := db.ExecContext(ctx, "ALTER TABLE "+t.table+" PARTITION BY RANGE (at) "+definitions(list)); err != nil {
			return fmt.Errorf("partition %s: %w", t.table, err)
		}
	}
	return nil
}

// makeDays gives a table the partitions of the days up to daysAhead from now that
// it does not have, out of the last one.
func (s *Store) makeDays(ctx context.Context, q queryer, table string, have []partition, now int64) error {
	if len(have) == 0 || have[len(have)-1].below != math.MaxInt64 {
		return fmt.Errorf("table %s has no last partition for all the rest: run muster migrate, or add one", table)
	}
	last := have[len(have)-1].name
	to := dayOf(now) + daysAhead*daySeconds
	from := dayOf(now) - daySeconds // a night's stragglers belong to yesterday
	if len(have) > 1 {
		from = have[len(have)-2].below
	}
	if from > to {
		return nil
	}
	days := daysUntil(from, to, s.keep())
	days[len(days)-1].name = last
	_, err := q.ExecContext(ctx, "ALTER TABLE "+table+" REORGANIZE PARTITION "+last+" INTO "+definitions(days))
	if err != nil && !partitionRace(err) {
		return fmt.Errorf("make days of %s: %w", table, err)
	}
	return nil
}

// dropDays drops the partitions of a table that hold nothing from second before
// on, and returns how many.
func dropDays(ctx context.Context, q queryer, table string, have []partition, before int64) (int, error) {
	var names []string
	for _, p := range have {
		if p.below <= before {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 {
		return 0, nil
	}
	_, err := q.ExecContext(ctx, "ALTER TABLE "+table+" DROP PARTITION "+strings.Join(names, ", "))
	if err != nil && !partitionRace(err) {
		return 0, fmt.Errorf("drop days of %s: %w", table, err)
	}
	return len(names), nil
}

// partitionRace reports whether err says that another process has just made or
// dropped the same partitions, which can only be without a lock of the server.
func partitionRace(err error) bool {
	var my *mysql.MySQLError
	return errors.As(err, &my) && slices.Contains([]uint16{1493, 1507, 1508, 1517, 1735}, my.Number)
}
