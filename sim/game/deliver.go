package game

import "time"

// deliver hands one event to one connection, through the faults that touch
// it. n is the event's number. The caller holds the lock.
func (s *Server) deliver(c *conn, e *wireEvent, n int64) {
	if c.frozen || e.env != "" && e.env != c.env || !c.sub.matches(e) {
		return
	}
	d := delivery{event: e}
	for _, f := range s.faults.active {
		if f.selects(c) && f.covers(e) {
			s.disturb(&d, f, c, n)
		}
	}
	if d.dropped {
		return
	}
	c.sent++
	c.queue(frame{line: d.event.line, n: n, delay: d.delay})
	for _, extra := range d.extra {
		c.queue(extra)
	}
	if d.repeat > 0 {
		c.queue(frame{line: d.event.line, n: n, delay: d.repeat})
	}
	if d.ends != nil {
		s.end(c, d.ends)
	}
}

// A delivery is what becomes of one event on one connection.
type delivery struct {
	event   *wireEvent
	dropped bool
	delay   time.Duration
	repeat  time.Duration
	extra   []frame
	ends    *Fault
}

// disturb applies one fault.
func (s *Server) disturb(d *delivery, f *Fault, c *conn, n int64) {
	switch f.Name {
	case "silent_world", "silent_connection", "world_down":
		d.dropped = true
	case "node_loss":
		d.dropped = d.dropped || f.lostOnNode(s.cfg.Seed, c.node, n)
	case "close", "reset", "half_open":
		f.passed[c.id]++
		if f.AfterMessages > 0 && f.passed[c.id] == f.AfterMessages && !f.spent() {
			f.struck++
			d.ends = f
		}
	case "drop_subscription", "lost_presence":
	default:
		if !d.dropped && isStreamShare[f.Name] && f.rolls() {
			d.garble(f)
		}
	}
}

// isStreamShare holds the faults that touch a share of the events.
var isStreamShare = map[string]bool{
	"duplicates": true, "reorder": true, "clock": true, "unknown_event": true, "unknown_field": true,
	"missing_field": true, "empty_payload": true, "invalid_json": true,
}

func (d *delivery) garble(f *Fault) {
	switch f.Name {
	case "duplicates":
		d.repeat = time.Nanosecond + time.Duration(f.rng.Int64N(int64(ms(f.DelayMS))+1))
	case "reorder":
		d.delay = ms(f.DelayMS)
		if d.delay == 0 {
			d.delay = time.Second + time.Duration(f.rng.Int64N(int64(2*time.Second)))
		}
	case "clock":
		d.event = d.event.atTime(d.event.unix + f.OffsetS)
	case "unknown_event":
		name := "PlayerTamedAuraxianCat"
		d.extra = append(d.extra, frame{line: d.event.withField("event_name", &name).line})
	case "unknown_field":
		key, value := "is_new_field", "1"
		if f.Field != "" {
			key = f.Field
		}
		d.event = d.event.withField(key, &value)
	case "missing_field":
		d.event = d.event.withField(missingField(f, d.event), nil)
	case "empty_payload":
		d.extra = append(d.extra, frame{line: []byte(`{"payload":{},"service":"event","type":"serviceMessage"}`)})
	case "invalid_json":
		d.extra = append(d.extra, frame{line: d.event.line[:len(d.event.line)*2/3]})
	}
}

// missingField is the field a fault leaves out: the named one, or one that
// older and PS4 events lack as well (census 3, S13).
func missingField(f *Fault, e *wireEvent) string {
	switch {
	case f.Field != "":
		return f.Field
	case e.name == "Death" || e.name == "VehicleDestroy":
		return "attacker_team_id"
	default:
		return "team_id"
	}
}
