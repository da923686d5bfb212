package dispatcher

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"muster/bus"
	"muster/event"
)

// items returns what the feed must hear of a batch: what was new, and what an
// earlier attempt may have stored without telling (readers know the ids they have).
func (d *Dispatcher) items(ctx context.Context, in *intake, got event.Recorded) []bus.Message {
	tell := make([]event.Event, 0, len(got.New))
	for i, isNew := range got.New {
		if (isNew || in.again[i]) && in.record.Events[i].FeedKind() != "" {
			tell = append(tell, in.record.Events[i])
		}
	}
	if len(tell) == 0 {
		return nil
	}
	w := writer{names: d.names, cast: d.names.cast(ctx, tell, nil)}
	news := make([]bus.Message, len(tell))
	for i := range tell {
		news[i] = w.message(&tell[i], nil)
	}
	now := d.clock()
	for i := range tell {
		d.metrics.fed.Observe(now.Sub(tell[i].ReceivedAt).Seconds())
	}
	return news
}

// departures are the logouts that no event of the game told of: timeouts, and
// characters that the query service says are gone. Readers would otherwise show
// them for ever. Their key is that of a logout event in the same second, so the
// id is as stable as any other.
func (d *Dispatcher) departures(ctx context.Context, changes []event.PresenceChange, now time.Time) []bus.Message {
	var gone []event.PresenceChange
	for _, c := range changes {
		if !c.After.Online && (c.Reason == event.EndTimeout || c.Reason == event.EndObserved) {
			gone = append(gone, c)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	w := writer{names: d.names, cast: d.names.cast(ctx, nil, gone)}
	news := make([]bus.Message, len(gone))
	for i, c := range gone {
		e := event.Event{Kind: event.Logout, World: c.After.World, At: c.After.Since, ReceivedAt: now,
			Detail: event.Presence{Character: c.After.Character}}
		if e.World == 0 {
			e.World = c.Before.World
		}
		news[i] = w.message(&e, []byte(`{"reason":"`+string(c.Reason)+`"}`))
	}
	return news
}

// A writer turns events into feed messages. It writes JSON by hand, for this is
// done for every event; a test holds it to event.FeedMessage.
type writer struct {
	names *names
	cast  map[event.CharacterID]event.Character
	buf   []byte
}

// message encodes e; detail replaces what e would say if it is not nil.
func (w *writer) message(e *event.Event, detail []byte) bus.Message {
	kind, id := e.FeedKind(), event.FeedID(e.ReceivedAt, e.Key())
	b := append(w.buf[:0], `{"item":{"id":"`...)
	b = append(b, id...)
	b = append(b, `","kind":"`...)
	b = append(b, kind...)
	b = appendInt(append(b, `","world":`...), int64(e.World))
	if e.Zone != 0 {
		b = appendInt(append(b, `,"zone":`...), int64(e.Zone))
	}
	b = appendInt(append(b, `,"at":`...), e.At.Unix())
	b = appendInt(append(b, `,"received_at":`...), e.ReceivedAt.UnixNano())
	subject, other := e.Characters()
	b = w.who(append(b, `,"character":`...), subject)
	b = w.who(append(b, `,"other":`...), other)
	b = append(b, `,"detail":`...)
	if detail != nil {
		b = append(b, detail...)
	} else {
		b = w.detail(b, e)
	}
	w.buf = append(b, "}}"...)
	return bus.Message{ID: id, Key: routing(e.World, kind), Body: bytes.Clone(w.buf)}
}

// routing is a message's key: environment, world and kind.
func routing(world event.World, kind string) string {
	environment := "unknown"
	switch world {
	case 1000:
		environment = string(event.PS4US)
	case 2000:
		environment = string(event.PS4EU)
	default:
		if world > 0 && world < 1000 {
			environment = string(event.PC)
		}
	}
	return environment + "." + strconv.Itoa(int(world)) + "." + kind
}

func (w *writer) who(b []byte, id event.CharacterID) []byte {
	if id == 0 {
		return append(b, "null"...)
	}
	c := w.cast[id]
	b = appendInt(append(b, `{"id":"`...), int64(id))
	b = appendString(append(b, `","name":`...), c.Name)
	b = appendInt(append(b, `,"faction":`...), int64(c.Faction))
	if !c.Outfit.IsZero() {
		b = appendOutfit(append(b, `,"outfit":`...), c.Outfit)
	}
	return append(b, '}')
}

func appendOutfit(b []byte, o event.Outfit) []byte {
	if o.IsZero() {
		return append(b, "null"...)
	}
	b = appendInt(append(b, `{"id":"`...), int64(o.ID))
	b = appendString(append(b, `","tag":`...), o.Tag)
	b = appendString(append(b, `,"name":`...), o.Name)
	return append(b, '}')
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

// appendString writes s as encoding/json does.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // cannot happen: every string can be written
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
