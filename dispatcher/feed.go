package dispatcher

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"muster/bus"
	"muster/event"
)

// items returns what the feed must hear of a batch: what was new, and what an
// earlier attempt may have stored without telling (readers know the ids they have).
func (d *Dispatcher) items(ctx context.Context, in *intake, got event.Recorded) ([]bus.Message, error) {
	tell := make([]event.Event, 0, len(got.New))
	var again []event.Event
	hidden := d.names.hiddenNow()
	for i, isNew := range got.New {
		switch e := &in.record.Events[i]; {
		case e.FeedKind() == "" || unseen(e, hidden):
		case isNew:
			tell = append(tell, *e)
		case in.again[i]:
			again = append(again, *e)
		}
	}
	if len(again) > 0 { // another sighting of the same event has another id
		same, err := d.store.Originals(ctx, again)
		if err != nil {
			return nil, err
		}
		for i, e := range again {
			if same[i] {
				tell = append(tell, e)
			}
		}
	}
	if len(tell) == 0 {
		return nil, nil
	}
	news := d.encode(ctx, tell, nil)
	now := d.clock()
	for i := range tell {
		d.metrics.fed.Observe(now.Sub(tell[i].ReceivedAt).Seconds())
	}
	return news, nil
}

// unseen reports whether nobody is to see e: what a hidden character did by itself.
// Where others are concerned the character is there, without a name.
func unseen(e *event.Event, hidden map[event.CharacterID]struct{}) bool {
	if len(hidden) == 0 || e.Kind == event.Kill || e.Kind == event.VehicleKill {
		return false
	}
	subject, _ := e.Characters()
	_, yes := hidden[subject]
	return yes
}

// departures are the logouts that no event of the game told of: timeouts, and
// characters that the query service says are gone. Readers would otherwise show
// them for ever. Their key is that of a logout event in the same second, so the
// id is as stable as any other.
func (d *Dispatcher) departures(ctx context.Context, changes []event.PresenceChange, now time.Time) []bus.Message {
	var gone []event.PresenceChange
	hidden := d.names.hiddenNow()
	for _, c := range changes {
		if _, yes := hidden[c.After.Character]; yes {
			continue
		}
		if !c.After.Online && (c.Reason == event.EndTimeout || c.Reason == event.EndObserved) {
			gone = append(gone, c)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	events, details := make([]event.Event, len(gone)), make([]string, len(gone))
	for i, c := range gone {
		events[i] = event.Event{Kind: event.Logout, World: c.After.World, At: c.After.Since, ReceivedAt: now,
			Detail: event.Presence{Character: c.After.Character}}
		if c.After.World == 0 {
			events[i].World = c.Before.World
		}
		details[i] = `{"reason":"` + string(c.Reason) + `"}`
	}
	return d.encode(ctx, events, details)
}

// encode turns events into messages; details, if not nil, replace what they would
// say. Characters that are not in memory are read from the store first.
func (d *Dispatcher) encode(ctx context.Context, events []event.Event, details []string) []bus.Message {
	w := writer{names: d.names, bodies: make([]byte, 0, len(events)*feedBytes)}
	w.all(events, details)
	if len(w.missing) > 0 {
		d.names.read(ctx, w.missing)
		w.bodies, w.ends = w.bodies[:0], w.ends[:0]
		w.all(events, details)
	}
	return w.messages()
}

// feedBytes is what an item takes as a rule, in bytes.
const feedBytes = 500

// A writer turns events into feed messages. It writes JSON by hand, for this is
// done for every event; a test holds it to event.FeedMessage. The messages of a
// batch share one allocation.
type writer struct {
	names   *names
	missing []event.CharacterID // of whom nothing is in memory

	bodies []byte
	ends   []int // where each message ends
}

// How a message with items begins and ends. The first item's id follows the
// beginning, and is the message's.
const (
	itemsOpen  = `{"items":[`
	itemOpen   = `{"id":"`
	itemsClose = `]}`
)

// all appends events. It holds names.mu, for reading, for the whole batch.
func (w *writer) all(events []event.Event, details []string) {
	w.names.mu.RLock()
	defer w.names.mu.RUnlock()
	for i := range events {
		if i%event.FeedItems == 0 {
			w.bodies = append(w.bodies, itemsOpen...)
		} else {
			w.bodies = append(w.bodies, ',')
		}
		detail := ""
		if details != nil {
			detail = details[i]
		}
		w.add(&events[i], detail)
		if i%event.FeedItems == event.FeedItems-1 || i == len(events)-1 {
			w.bodies = append(w.bodies, itemsClose...)
			w.ends = append(w.ends, len(w.bodies))
		}
	}
}

func (w *writer) messages() []bus.Message {
	news := make([]bus.Message, len(w.ends))
	from := 0
	for i, end := range w.ends {
		id := w.bodies[from+len(itemsOpen)+len(itemOpen):][:event.FeedIDLen]
		news[i] = bus.Message{ID: string(id), Body: w.bodies[from:end:end]}
		from = end
	}
	return news
}

// add appends e; detail replaces what e would say if it is not empty.
func (w *writer) add(e *event.Event, detail string) {
	b := append(w.bodies, itemOpen...)
	b = event.AppendFeedID(b, e.ReceivedAt, e.Key())
	b = append(b, `","kind":"`...)
	b = append(b, e.FeedKind()...)
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
	if detail != "" {
		b = append(b, detail...)
	} else {
		b = w.detail(b, e)
	}
	w.bodies = append(b, '}')
}

// who writes the character called id as it is known.
func (w *writer) who(b []byte, id event.CharacterID) []byte {
	if id == 0 {
		return append(b, "null"...)
	}
	if k, ok := w.names.characters[id]; ok {
		return append(b, k.json...)
	}
	w.missing = append(w.missing, id)
	return appendWho(b, event.Character{ID: id})
}

func appendWho(b []byte, c event.Character) []byte {
	if c.Hidden {
		c = event.Character{Name: event.HiddenName, Faction: c.Faction}
	}
	b = appendInt(append(b, `{"id":"`...), int64(c.ID))
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
