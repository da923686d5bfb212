package rabbit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// letter reads a message of the dead-letter queue of queue.
func letter(d *amqp.Delivery, queue string) bus.Letter {
	l := bus.Letter{
		DeadLetter:  bus.DeadLetter{Message: decode(d).Message, Queue: queue, Reason: reason(d.Headers), At: diedAt(d)},
		PublishedAt: publishedAt(d), Headers: texts(d.Headers),
	}
	if name, ok := d.Headers[headerQueue].(string); ok {
		l.Queue = name
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %d %d ", l.ID, l.Key, l.Reason, l.At.UnixNano(), l.PublishedAt.UnixNano())
	sum.Write(l.Body)
	l.Ref = hex.EncodeToString(sum.Sum(nil))[:12]
	return l
}

// reason is what the handler said or, where no handler could, why the broker gave
// the message up by itself.
func reason(h amqp.Table) string {
	if text, ok := h[headerReason].(string); ok {
		return clipReason(text)
	}
	why, ok := firstDeath(h)["reason"].(string)
	switch {
	case !ok:
		return "unknown: neither a consumer nor the broker has left a reason"
	case why == "delivery_limit":
		return "the broker gave up (delivery_limit): whoever it was delivered to lost the connection or died, again and again"
	}
	return clipReason("the broker gave up (" + why + ")")
}

func diedAt(d *amqp.Delivery) time.Time {
	if ns := number(d.Headers[headerDied]); ns > 0 {
		return time.Unix(0, ns).UTC()
	}
	if at, ok := firstDeath(d.Headers)["time"].(time.Time); ok {
		return at.UTC()
	}
	return d.Timestamp.UTC()
}

// deadHeaders are those of a delivery on its way to the dead letters.
func deadHeaders(d bus.DeadLetter, e *entry) amqp.Table {
	h := carried(e.headers)
	h[headerAt] = e.PublishedAt.UnixNano()
	h[headerKey] = d.Key
	h[headerReason] = d.Reason
	h[headerQueue] = d.Queue
	h[headerDied] = d.At.UnixNano()
	h[headerAttempts] = int64(e.Attempt)
	return h
}

// replayHeaders are those of a dead letter on its way back. Its schema stays what it
// was: the body has not changed.
func replayHeaders(l bus.Letter, original amqp.Table, now time.Time) amqp.Table {
	h := carried(original)
	h[headerAt] = now.UnixNano()
	h[headerKey] = l.Key
	h[headerReplayed] = now.UnixNano()
	return h
}

// Bounds of the headers that go along with a message put aside or replayed.
const (
	maxCarried     = 32   // headers
	maxCarriedText = 1024 // bytes of each
)

// carried returns those headers of a message that it keeps on its way to the dead
// letters and back: not the broker's own, not what would route it elsewhere, not
// what is written anew, and nothing large.
func carried(h amqp.Table) amqp.Table {
	kept := amqp.Table{headerSchema: int32(Schema)}
	for name, v := range h {
		if strings.HasPrefix(name, "x-") || len(kept) == maxCarried || len(name) > 255 {
			continue
		}
		switch name {
		case "CC", "BCC", headerAt, headerKey, headerReason, headerQueue, headerDied, headerAttempts:
			continue
		}
		switch v := v.(type) {
		case string:
			if len(v) <= maxCarriedText {
				kept[name] = v
			}
		case bool, int8, uint8, int16, uint16, int32, uint32, int64, float32, float64, time.Time, nil:
			kept[name] = v
		}
	}
	if n, ok := h[headerSchema]; ok && number(n) != 0 {
		kept[headerSchema] = n // whatever the bound
	}
	return kept
}

// texts writes headers for people, whatever a peer has put into them, but not
// those that a bus.Letter has as fields, nor the broker's count of deliveries,
// which grows when somebody looks.
func texts(h amqp.Table) map[string]string {
	all := make(map[string]string)
	for name, v := range h {
		if len(all) == maxCarried {
			break
		}
		switch name {
		case headerAt, headerKey, headerReason, headerQueue, headerDied, headerCount:
			continue
		}
		switch {
		case v == nil:
			all[name] = ""
		case strings.HasPrefix(name, "muster-") && number(v) > 1e15: // one of our times
			all[name] = time.Unix(0, number(v)).UTC().Format(time.RFC3339Nano)
		default:
			all[name] = clip(fmt.Sprint(v), maxCarriedText)
		}
	}
	return all
}

func clipReason(s string) string { return clip(s, 500) }

// clip cuts a text to limit bytes and makes it valid UTF-8.
func clip(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
