package storage

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"muster/alert"
	"muster/event"
)

// Record writes rec in one transaction: the events that are not there yet, and
// what follows from those alone: presence, sessions, alerts, unknown
// characters, hours to be summed up again. What a leader observed or said of a stream
// is left out once a later one has acted. Repeating a Record in whole or in part
// changes nothing more. settle, if not nil, runs last before the commit;
// its error undoes everything.
//
// On MySQL the transaction is repeated after deadlocks, lost connections and
// failovers for up to 40 s, so settle can be called more than once; also when the
// connection is lost while it commits, and what is returned is right all the same.
// An error wrapping ErrData means that one
// of the events can never be stored; nothing of rec was.
func (s *Store) Record(ctx context.Context, now time.Time, rec event.Record,
	settle func(context.Context, *sql.Tx) error) (event.Recorded, error) {
	for _, o := range rec.Observations {
		if o.Character <= 0 || o.ObservedAt.Unix() < 0 || !o.By.Valid() {
			return event.Recorded{}, fmt.Errorf("record: %w: observation of %d at %s", ErrData, o.Character, o.ObservedAt)
		}
	}
	b, err := newBatch(s.d, rec.Events)
	if err != nil {
		return event.Recorded{}, fmt.Errorf("record: %w", err)
	}
	s.freshenWatched(ctx)
	s.lookAfter(ctx, now)
	mark := s.dirty.take()
	defer s.dirty.give(mark)
	var r, doubtful *recording // the newest attempt, and the newest that may be committed
	doubt := 0
	err = s.write(ctx, func(t *tx) error {
		if t.doubt > doubt {
			doubtful, doubt = r, t.doubt
		}
		r = &recording{t: t, now: now, batch: b, mark: mark}
		if err := r.run(ctx, rec); err != nil {
			return err
		}
		if settle != nil {
			return settle(ctx, t.Tx)
		}
		return nil
	})
	if errors.Is(err, errCommitted) {
		r, err = doubtful, nil
	}
	if err != nil {
		return event.Recorded{}, fmt.Errorf("record: %w", err)
	}
	r.remember(s)
	return r.out, nil
}

// errCommitted says that an earlier attempt was committed after all: what it found
// out is what happened.
var errCommitted = errors.New("committed by an earlier attempt")

// A batch is the events of one Record, ready to be written: per kind, in the
// order of the primary key, so that two dispatchers lock in one order.
type batch struct {
	id     int64 // names this Record in the rows it stores, the same for every attempt
	events []event.Event
	kinds  [event.FishScan + 1][]row
	tables []kindTable
	values [event.FishScan + 1]*rowWriter
}

type row struct {
	at  int64
	key event.Key
	i   int // in events
}

func newBatch(d dialect, events []event.Event) (*batch, error) {
	b := &batch{id: rand.Int64(), events: events, tables: tables}
	for i := range events {
		e := &events[i]
		if int(e.Kind) >= len(b.kinds) || e.Detail == nil {
			return nil, fmt.Errorf("%w: event %d has kind %d and detail %T", ErrData, i, e.Kind, e.Detail)
		}
		b.kinds[e.Kind] = append(b.kinds[e.Kind], row{at: e.At.Unix(), key: e.Key(), i: i})
	}
	for kind, rows := range b.kinds {
		if len(rows) == 0 {
			continue
		}
		slices.SortFunc(rows, func(a, b row) int { return cmp.Or(compareRows(a, b), cmp.Compare(a.i, b.i)) })
		rows = slices.CompactFunc(rows, func(a, b row) bool { return compareRows(a, b) == 0 })
		b.kinds[kind] = rows
		w := newRowWriter(d, len(rows), len(b.tables[kind].cols))
		for i := range rows {
			if err := b.tables[kind].row(w, &events[rows[i].i], &rows[i].key, b.id); err != nil {
				return nil, err
			}
		}
		b.values[kind] = w
	}
	return b, nil
}

// tables is never changed.
var tables = kindTables()

func compareRows(a, b row) int {
	if a.at != b.at {
		return cmp.Compare(a.at, b.at)
	}
	return bytes.Compare(a.key[:], b.key[:])
}

// A recording is one attempt at a Record.
type recording struct {
	t     *tx
	now   time.Time
	batch *batch
	mark  int64 // of the hours made dirty
	out   event.Recorded

	signs     []sign  // evidence that needs the presence table
	touched   []touch // evidence that the cache absorbs
	lagging   []touch // those of touched that the table must hear of
	refreshed []touch // those it has heard of
	news      []news
	tracks    []event.Track // as written
	whole     *watchfulness // once it was asked for
	subs      []alert.Subscription
	newIDs    []event.CharacterID
	ids       []event.CharacterID // seen in new events, not known to have a row
}

func (r *recording) run(ctx context.Context, rec event.Record) error {
	r.out.New = make([]bool, len(rec.Events))
	var err error
	if r.subs, err = r.t.wantedByChannels(ctx); err != nil {
		return err
	}
	if err := r.insertEvents(ctx); err != nil {
		return err
	}
	if rec, err = r.fence(ctx, rec); err != nil {
		return fmt.Errorf("fences: %w", err)
	}
	if err := r.streams(ctx, rec.Streams); err != nil {
		return fmt.Errorf("stream states: %w", err)
	}
	r.gather(rec)
	if err := r.presence(ctx); err != nil {
		return fmt.Errorf("presence: %w", err)
	}
	if err := r.characters(ctx); err != nil {
		return fmt.Errorf("characters: %w", err)
	}
	if err := r.alerts(ctx); err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	if err := r.channelNews(ctx, rec.Events); err != nil {
		return fmt.Errorf("news for channels: %w", err)
	}
	if err := r.dirtyHours(ctx); err != nil {
		return fmt.Errorf("dirty hours: %w", err)
	}
	return nil
}

func (r *recording) insertEvents(ctx context.Context) error {
	for kind, rows := range r.batch.kinds {
		if len(rows) == 0 {
			continue
		}
		table := r.batch.tables[kind]
		affected, err := r.t.insertRows(ctx, table.shape, r.batch.values[kind])
		if err != nil {
			return err
		}
		switch {
		case affected == int64(len(rows)):
			for _, row := range rows {
				r.out.New[row.i] = true
			}
		case affected > 0 || r.t.doubt > 0:
			found, err := r.findNew(ctx, table, rows)
			if err != nil {
				return fmt.Errorf("find new rows of %s: %w", table.table, err)
			}
			if found > affected { // not by this attempt
				return errCommitted
			}
		}
	}
	return nil
}

// findNew marks the rows that carry this batch's number, and counts them: those are new, also
// when another dispatcher wrote some of the others in between.
func (r *recording) findNew(ctx context.Context, table kindTable, rows []row) (n int64, err error) {
	seconds := make([]int64, 0, 8)
	for _, row := range rows { // sorted by second
		if len(seconds) == 0 || seconds[len(seconds)-1] != row.at {
			seconds = append(seconds, row.at)
		}
	}
	err = eachIn(seconds, func(marks string, args []any) error {
		text := "SELECT at, k FROM " + table.table + " WHERE at IN (" + marks + ") AND batch = ?"
		found, err := r.t.query(ctx, text, append(args, r.batch.id)...)
		return collect(found, err, func(found *sql.Rows) error {
			var at int64
			var k []byte
			if err := found.Scan(&at, &k); err != nil {
				return err
			}
			if len(k) != len(event.Key{}) {
				return fmt.Errorf("a key of %d bytes", len(k))
			}
			i, ok := slices.BinarySearchFunc(rows, row{at: at, key: event.Key(k)}, compareRows)
			if ok {
				r.out.New[rows[i].i] = true
				n++
			}
			return nil
		})
	})
	return n, err
}

var unresolvedShape = newShape("characters",
	"id name name_lower faction world battle_rank resolved_ns missing tries retry_ns", "id")

// characters makes a row without a name for each character seen for the first
// time, so that the roster finds it even if the news is lost.
func (r *recording) characters(ctx context.Context) error {
	slices.Sort(r.ids)
	r.ids = slices.Compact(r.ids)
	if len(r.ids) == 0 {
		return nil
	}
	fresh, err := r.t.addCharacters(ctx, r.ids)
	r.newIDs, r.out.Unresolved = r.ids, fresh
	return err
}

// addCharacters makes a row for each of ids, sorted, that has none, and returns those.
func (t *tx) addCharacters(ctx context.Context, ids []event.CharacterID) ([]event.CharacterID, error) {
	have := make(map[event.CharacterID]bool, len(ids))
	err := eachIn(ids, func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT id FROM characters WHERE id IN ("+marks+")", args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var id event.CharacterID
			err := rows.Scan((*int64)(&id))
			have[id] = true
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	var fresh []event.CharacterID
	var args []any
	for _, id := range ids {
		if !have[id] {
			fresh = append(fresh, id)
			args = append(args, int64(id), "", "", 0, 0, 0, 0, 0, 0, 0)
		}
	}
	_, err = t.insert(ctx, unresolvedShape, args)
	return fresh, err
}

// remember brings the caches up to what was committed.
func (r *recording) remember(s *Store) {
	s.cache.committed(r.touched, r.refreshed, r.tracks)
	s.known.add(r.newIDs)
}

// marks for a plain IN list of n values.
func marks(n int) string { return strings.Repeat("?, ", n-1) + "?" }

// lifetime is how old a login may be and still be told.
func (r *recording) lifetime() time.Duration {
	if d := r.t.s.opt.AlertLifetime; d > 0 {
		return d
	}
	return alert.DefaultLifetime
}
