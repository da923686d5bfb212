package rabbit

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// Schema is the version of the envelope described here. It is raised when an old
// reader would misread a new message; then old readers put it aside instead. A new
// header alone does not raise it: a reader ignores headers it does not know and
// does without those that are missing, so that old and new processes may share a
// queue.
const Schema = 1

// Headers of a message.
const (
	headerSchema   = "muster-schema"   // Schema
	headerAt       = "muster-at"       // when it was published, in ns since 1970
	headerKey      = "muster-key"      // bus.Message.Key where the routing key is another
	headerReason   = "muster-reason"   // of a dead letter: what the handler said
	headerQueue    = "muster-queue"    // of a dead letter: where it came from
	headerDied     = "muster-died"     // of a dead letter: when, in ns since 1970
	headerAttempts = "muster-attempts" // of a dead letter: how often it was delivered
	headerReplayed = "muster-replayed" // when it came back from the dead letters, in ns since 1970
	headerCount    = "x-delivery-count"
	headerDeath    = "x-death"
)

const contentType = "application/json"

// headers of messages published at one time. The driver only reads them.
func headers(now time.Time) amqp.Table {
	return amqp.Table{headerSchema: int32(Schema), headerAt: now.UnixNano()}
}

// decode reads a delivery, of whatever sender.
func decode(d *amqp.Delivery) bus.Delivery {
	return bus.Delivery{
		Message:     bus.Message{ID: d.MessageId, Key: key(d), Body: d.Body},
		Attempt:     attempt(d),
		PublishedAt: publishedAt(d),
	}
}

// readable returns why a delivery must not be taken for what it looks like: its
// schema is newer than this build.
func readable(h amqp.Table) error {
	if n := number(h[headerSchema]); n > Schema {
		return fmt.Errorf("message of schema version %d, this build reads up to %d", n, Schema)
	}
	return nil
}

// key is what the publisher gave, although the message took another way.
func key(d *amqp.Delivery) string {
	if k, ok := d.Headers[headerKey].(string); ok {
		return k
	}
	if death := firstDeath(d.Headers); death != nil {
		if keys, ok := death["routing-keys"].([]any); ok && len(keys) > 0 {
			if k, ok := keys[0].(string); ok {
				return k
			}
		}
	}
	return d.RoutingKey
}

// attempt is one more than the broker's count of earlier deliveries.
func attempt(d *amqp.Delivery) int {
	before := min(max(number(d.Headers[headerCount]), 0), math.MaxInt32)
	if d.Redelivered {
		before = max(before, 1)
	}
	return 1 + int(before)
}

// publishedAt prefers our header, because AMQP's own time has whole seconds.
func publishedAt(d *amqp.Delivery) time.Time {
	if ns := number(d.Headers[headerAt]); ns > 0 {
		return time.Unix(0, ns).UTC()
	}
	return d.Timestamp.UTC()
}

// number reads whatever width of integer a peer has chosen; 0 if it is none.
func number(v any) int64 {
	switch n := v.(type) {
	case int8:
		return int64(n)
	case uint8:
		return int64(n)
	case int16:
		return int64(n)
	case uint16:
		return int64(n)
	case int32:
		return int64(n)
	case uint32:
		return int64(n)
	case int64:
		return n
	case int:
		return int64(n)
	}
	return 0
}

// firstDeath returns the broker's own note of why it dead-lettered, or nil.
func firstDeath(h amqp.Table) amqp.Table {
	deaths, ok := h[headerDeath].([]any)
	if !ok || len(deaths) == 0 {
		return nil
	}
	death, _ := deaths[0].(amqp.Table)
	return death
}

// scrub hides an error's text if it may hold the URL.
func scrub(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return errors.New("the broker's URL cannot be read")
	}
	return err
}
