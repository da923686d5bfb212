package dispatcher

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"muster/bus"
	"muster/event"
)

// recordMax is how many messages are stored in one transaction.
const recordMax = bus.MaxBatch

// A part is one message of a delivery: all of it, or one of a bundle.
type part struct {
	delivery int // index in the batch
	body     []byte
	again    bool // an earlier attempt may have stored it
}

// An intake is up to recordMax parts of a batch, decoded. Positions are indexes of
// parts.
type intake struct {
	parts    []part
	record   event.Record
	at       [3][]int // position of each event, observation and stream state
	again    []bool   // for each event: an earlier attempt may have stored it
	rejected map[int]error
}

// The kinds of things in a Record, as indexes of intake.at.
const (
	kindEvents = iota
	kindObservations
	kindStreams
)

// handle is the bus.Handler. A batch with more than goes into one transaction is
// settled with the last.
func (d *Dispatcher) handle(ctx context.Context, b bus.Batch) error {
	ins, rejected := decode(b.Deliveries)
	for i := range ins {
		var settle func(context.Context, *sql.Tx) error
		if b.SettleIn != nil && i == len(ins)-1 {
			settle = func(ctx context.Context, tx *sql.Tx) error {
				return b.SettleIn(ctx, tx, reasons(b.Deliveries, ins, rejected))
			}
		}
		if err := d.take(ctx, &ins[i], settle); err != nil {
			return err
		}
	}
	d.metrics.rejected.Add(float64(len(rejected))) // take counts the parts
	if all := reasons(b.Deliveries, ins, rejected); len(all) > 0 {
		return &bus.Rejected{Reasons: all}
	}
	return nil
}

// take stores an intake and tells of it.
func (d *Dispatcher) take(ctx context.Context, in *intake, settle func(context.Context, *sql.Tx) error) error {
	got, err := d.record(ctx, in, settle)
	if err != nil {
		d.kept(ctx, "record", err)
		return err
	}
	d.storage.Answered(ctx)
	d.count(in, got)
	d.noteFenced(ctx, got.Refused)
	if err := d.announce(ctx, in, got); err != nil {
		if ctx.Err() == nil {
			d.telling.Failed(ctx, err)
		}
		return fmt.Errorf("announce: %w", err)
	}
	d.telling.Answered(ctx)
	return nil
}

// decode takes deliveries apart. Those that look like a bundle and are none are
// rejected as a whole.
func decode(deliveries []bus.Delivery) (ins []intake, rejected map[int]error) {
	var parts []part
	for i := range deliveries {
		bodies, err := event.SplitBundle(deliveries[i].Body)
		if err != nil {
			if rejected == nil {
				rejected = make(map[int]error)
			}
			rejected[i] = err
			continue
		}
		for _, body := range bodies {
			parts = append(parts, part{delivery: i, body: body, again: deliveries[i].Attempt > 1})
		}
	}
	for some := range slices.Chunk(parts, recordMax) {
		ins = append(ins, decodeParts(some))
	}
	return ins, rejected
}

func decodeParts(parts []part) intake {
	in := intake{parts: parts, record: event.Record{Events: make([]event.Event, 0, len(parts))}}
	for i := range parts {
		m, err := event.DecodeMessage(parts[i].body)
		switch {
		case err != nil:
			in.reject(i, err)
		case m.Event != nil:
			in.record.Events = append(in.record.Events, *m.Event)
			in.at[kindEvents] = append(in.at[kindEvents], i)
			in.again = append(in.again, parts[i].again)
		case m.Observation != nil:
			in.record.Observations = append(in.record.Observations, *m.Observation)
			in.at[kindObservations] = append(in.at[kindObservations], i)
		case m.Stream != nil:
			in.record.Streams = append(in.record.Streams, *m.Stream)
			in.at[kindStreams] = append(in.at[kindStreams], i)
		}
	}
	return in
}

// reasons returns why deliveries are rejected: those in whole, and those of which
// something in ins is.
func reasons(deliveries []bus.Delivery, ins []intake, whole map[int]error) map[int]error {
	all := maps.Clone(whole)
	for i := range ins {
		for _, at := range slices.Sorted(maps.Keys(ins[i].rejected)) {
			if all == nil {
				all = make(map[int]error)
			}
			p, reason := ins[i].parts[at], ins[i].rejected[at]
			d := deliveries[p.delivery].Message
			if len(p.body) == len(d.Body) { // it is no bundle
				all[p.delivery] = reason
				continue
			}
			partly, ok := all[p.delivery].(*bus.PartlyRejected) //nolint:errorlint // it was made here
			if !ok {
				partly = &bus.PartlyRejected{}
				all[p.delivery] = partly
			}
			d.Body = p.body
			if m, err := event.DecodeMessage(p.body); err == nil && m.Event != nil {
				d.ID = m.Event.Key().String() // else it has the bundle's
			}
			partly.Parts = append(partly.Parts, bus.Part{Message: d, Reason: reason})
		}
	}
	return all
}

func (in *intake) reject(i int, err error) {
	if in.rejected == nil {
		in.rejected = make(map[int]error)
	}
	in.rejected[i] = err
}

func (in *intake) empty() bool {
	return len(in.record.Events)+len(in.record.Observations)+len(in.record.Streams) == 0
}

// record writes what was decoded, and settles with it where the bus can. What can
// never be stored is taken out of in and rejected.
func (d *Dispatcher) record(ctx context.Context, in *intake, settle func(context.Context, *sql.Tx) error) (event.Recorded, error) {
	if in.empty() {
		return event.Recorded{}, nil // the bus settles by itself
	}
	select {
	case d.writing <- struct{}{}:
		defer func() { <-d.writing }()
	case <-ctx.Done():
		return event.Recorded{}, ctx.Err()
	}
	got, err := d.write(ctx, in, settle)
	if err == nil || !permanent(err) {
		return got, err
	}
	if err := d.dropPoison(ctx, in, err); err != nil {
		return event.Recorded{}, err
	}
	if in.empty() {
		return event.Recorded{}, nil
	}
	return d.write(ctx, in, settle)
}

func (d *Dispatcher) write(ctx context.Context, in *intake, settle func(context.Context, *sql.Tx) error) (event.Recorded, error) {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	got, err := d.store.Record(ctx, d.clock().UTC(), in.record, settle)
	return got, late(ctx, err)
}

// late makes the error of a record that was cut off by its context a temporary
// one, whatever the store took it for.
func late(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("record cut off: %w (%v)", ctx.Err(), err) //nolint:errorlint // it must not say Permanent
}

// permanent reports whether no retry can help.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// errProbe makes the store undo a record that was only tried.
var errProbe = errors.New("only a probe")

// dropPoison finds what storage refuses, by halves, and rejects only that. The
// tries are undone, so that the rest is written once and its news is complete.
func (d *Dispatcher) dropPoison(ctx context.Context, in *intake, cause error) error {
	bad := 0
	for kind := range in.at {
		found, err := d.findPoison(ctx, in, kind, 0, len(in.at[kind]))
		if err != nil {
			return err
		}
		bad += len(found)
		in.remove(kind, found)
	}
	if bad == 0 {
		return fmt.Errorf("refused as a whole, yet every part is accepted: %w", cause)
	}
	d.log.WarnContext(ctx, "storage refuses some messages, put aside as dead letters", "messages", bad, "err", cause)
	return nil
}

// findPoison returns the refused indexes of in.at[kind][from:to], with reasons.
func (d *Dispatcher) findPoison(ctx context.Context, in *intake, kind, from, to int) (map[int]error, error) {
	if from == to {
		return nil, nil
	}
	err := d.probe(ctx, in.slice(kind, from, to))
	switch {
	case err == nil:
		return nil, nil
	case !permanent(err):
		return nil, err
	case to-from == 1:
		return map[int]error{from: err}, nil
	}
	middle := (from + to) / 2
	bad, err := d.findPoison(ctx, in, kind, from, middle)
	if err != nil {
		return nil, err
	}
	rest, err := d.findPoison(ctx, in, kind, middle, to)
	if err != nil {
		return nil, err
	}
	for i, reason := range rest {
		if bad == nil {
			bad = rest
			break
		}
		bad[i] = reason
	}
	return bad, nil
}

func (d *Dispatcher) probe(ctx context.Context, rec event.Record) error {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	_, err := d.store.Record(ctx, d.clock().UTC(), rec, func(context.Context, *sql.Tx) error { return errProbe })
	if errors.Is(err, errProbe) {
		return nil
	}
	return late(ctx, err)
}

func (in *intake) slice(kind, from, to int) event.Record {
	switch kind {
	case kindEvents:
		return event.Record{Events: in.record.Events[from:to]}
	case kindObservations:
		return event.Record{Observations: in.record.Observations[from:to]}
	default:
		return event.Record{Streams: in.record.Streams[from:to]}
	}
}

// remove rejects the named indexes of one kind.
func (in *intake) remove(kind int, bad map[int]error) {
	if len(bad) == 0 {
		return
	}
	for i, reason := range bad {
		in.reject(in.at[kind][i], reason)
	}
	switch kind {
	case kindEvents:
		in.record.Events = without(in.record.Events, bad)
		in.again = without(in.again, bad)
	case kindObservations:
		in.record.Observations = without(in.record.Observations, bad)
	default:
		in.record.Streams = without(in.record.Streams, bad)
	}
	in.at[kind] = without(in.at[kind], bad)
}

func without[T any](all []T, bad map[int]error) []T {
	kept := make([]T, 0, len(all))
	for i, v := range all {
		if _, ok := bad[i]; !ok {
			kept = append(kept, v)
		}
	}
	return kept
}

func (d *Dispatcher) count(in *intake, got event.Recorded) {
	d.metrics.batch.Observe(float64(len(in.parts)))
	d.metrics.rejected.Add(float64(len(in.rejected)))
	fresh := 0
	now := d.clock()
	for i, isNew := range got.New {
		if isNew {
			fresh++
			d.metrics.stored.Observe(now.Sub(in.record.Events[i].ReceivedAt).Seconds())
		}
	}
	d.metrics.isNew.Add(float64(fresh))
	d.metrics.duplicate.Add(float64(len(got.New) - fresh))
}

// announce tells everyone who must know, after the commit. Its error brings the
// batch again, with Attempt above 1, and everything is announced again.
func (d *Dispatcher) announce(ctx context.Context, in *intake, got event.Recorded) error {
	news, err := d.items(ctx, in, got)
	if err != nil {
		return err
	}
	now := d.clock()
	news = append(news, d.departures(ctx, got.Changes, now)...)
	for _, s := range got.Streams {
		body, err := json.Marshal(event.FeedMessage{Stream: &s})
		if err != nil {
			return err
		}
		news = append(news, bus.Message{ID: "stream-" + fmt.Sprint(int(s.World)), Body: body})
	}
	if err := d.publish(ctx, news); err != nil {
		return err
	}
	if got.Alerts > 0 {
		if err := d.bus.Publish(ctx, event.TopicAlerts, bus.Message{ID: "nudge"}); err != nil {
			return err
		}
	}
	if len(got.Unresolved) > 0 {
		return d.ask(ctx, got.Unresolved)
	}
	return nil
}

// ask tells the roster whose names are missing.
func (d *Dispatcher) ask(ctx context.Context, ids []event.CharacterID) error {
	body, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return d.bus.Publish(ctx, event.TopicLookups, bus.Message{ID: "unresolved", Body: body})
}

func (d *Dispatcher) publish(ctx context.Context, news []bus.Message) error {
	if len(news) == 0 {
		return nil
	}
	return d.bus.Publish(ctx, event.TopicFeed, news...)
}
