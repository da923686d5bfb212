package rabbit

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"muster/bus"
)

// Version is part of the name of all queues and exchanges. A change of their
// properties needs another one: the broker refuses to change what exists
// (storage notes 2, trap 6).
const Version = "v1"

// How many messages, and bytes of their bodies, a listener may be behind (see
// bus.Bus).
const (
	listenerBound = 16384
	listenerBytes = 32 << 20
)

// A layout says what lies on the broker under which name.
type layout struct {
	prefix   string
	topology bus.Topology
	lasting  []string
	limit    int // deliveries of one message
}

func newLayout(cfg Config) layout {
	return layout{prefix: cfg.Namespace + "." + Version, topology: cfg.Topology, lasting: cfg.Lasting, limit: cfg.DeliveryLimit}
}

func (l layout) exchange(topic string) string { return l.prefix + "." + topic }
func (l layout) queue(name string) string     { return l.prefix + "." + name }
func (l layout) stream(topic string) string   { return l.prefix + "-stream." + topic }
func (l layout) dead(queue string) string     { return l.prefix + "-dead." + queue }
func (l layout) deadExchange() string         { return l.prefix + "-dead" }

// known returns an error unless queue is one of the topology.
func (l layout) known(queue string) error {
	if slices.Contains(l.topology.Queues(), queue) {
		return nil
	}
	return fmt.Errorf("%w: queue %q", bus.ErrTopic, queue)
}

// declare makes whatever is missing. It is idempotent.
func (l layout) declare(c *conn, log *slog.Logger) error {
	ch, err := c.Channel()
	if err != nil {
		return fmt.Errorf("declare topology: %w", err)
	}
	defer closeChannel(ch, c)
	safe := knowsAtLeastOnce(c.Properties)
	if !safe {
		log.Warn("message broker is older than 3.10: what it dead-letters by itself may be lost in a crash",
			"version", fmt.Sprint(c.Properties["version"]))
	}
	if err := ch.ExchangeDeclare(l.deadExchange(), amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return refusal("declare exchange "+l.deadExchange(), err)
	}
	for _, queue := range l.topology.Queues() {
		if err := l.declareQueue(ch, queue, safe); err != nil {
			return err
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(l.topology)) {
		name := l.exchange(topic)
		if err := ch.ExchangeDeclare(name, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return refusal("declare exchange "+name, err)
		}
		for _, queue := range l.topology[topic] {
			if err := ch.QueueBind(l.queue(queue), "#", name, false, nil); err != nil {
				return refusal("bind queue "+l.queue(queue)+" to "+name, err)
			}
		}
	}
	return l.declareStreams(ch)
}

// declareStreams makes what keeps the messages of lasting topics.
func (l layout) declareStreams(ch *amqp.Channel) error {
	for _, topic := range l.lasting {
		name := l.stream(topic)
		if _, err := ch.QueueDeclare(name, true, false, false, false, streamArgs()); err != nil {
			return refusal("declare stream "+name, err)
		}
		if err := ch.QueueBind(name, "#", l.exchange(topic), false, nil); err != nil {
			return refusal("bind stream "+name, err)
		}
	}
	return nil
}

// tryListening does once what every listener does, so that a user who may not is
// told when the process starts and not found out by silence.
func (l layout) tryListening(ch *amqp.Channel) error {
	for _, topic := range slices.Sorted(maps.Keys(l.topology)) {
		if len(l.topology[topic]) > 0 || slices.Contains(l.lasting, topic) {
			continue
		}
		what := "listen to " + l.exchange(topic)
		q, err := ch.QueueDeclare("", false, true, true, false, listenerArgs())
		if err != nil {
			return refusal(what, err)
		}
		if err := ch.QueueBind(q.Name, "#", l.exchange(topic), false, nil); err != nil {
			return refusal(what, err)
		}
		if _, err := ch.QueueDelete(q.Name, false, false, false); err != nil {
			return refusal(what, err)
		}
	}
	return nil
}

// declareQueue makes a queue for work and the one for its dead letters.
func (l layout) declareQueue(ch *amqp.Channel, queue string, safe bool) error {
	if _, err := ch.QueueDeclare(l.dead(queue), true, false, false, false, deadArgs()); err != nil {
		return refusal("declare queue "+l.dead(queue), err)
	}
	if err := ch.QueueBind(l.dead(queue), queue, l.deadExchange(), false, nil); err != nil {
		return refusal("bind queue "+l.dead(queue), err)
	}
	if _, err := ch.QueueDeclare(l.queue(queue), true, false, false, false, l.workArgs(queue, safe)); err != nil {
		return refusal("declare queue "+l.queue(queue), err)
	}
	return nil
}

func (l layout) workArgs(queue string, safe bool) amqp.Table {
	args := amqp.Table{
		amqp.QueueTypeArg:           amqp.QueueTypeQuorum,
		"x-delivery-limit":          l.limit,
		"x-dead-letter-exchange":    l.deadExchange(),
		"x-dead-letter-routing-key": queue,
	}
	if safe {
		args["x-dead-letter-strategy"] = "at-least-once"
		args[amqp.QueueOverflowArg] = amqp.QueueOverflowRejectPublish // it needs this
	}
	return args
}

// deadArgs bound the queue as the in-process transports do. Reading dead letters
// counts as a delivery, so its limit is out of reach: 4.x would drop them after 20.
func deadArgs() amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:   amqp.QueueTypeQuorum,
		amqp.QueueMaxLenArg: bus.MaxDeadLetters,
		"x-delivery-limit":  math.MaxInt32,
	}
}

// listenerArgs bound the queue of one listener.
func listenerArgs() amqp.Table {
	return amqp.Table{amqp.QueueMaxLenArg: listenerBound, amqp.QueueMaxLenBytesArg: listenerBytes,
		amqp.QueueOverflowArg: amqp.QueueOverflowDropHead}
}

// streamArgs bound what a stream keeps. Only whole segments are let go of.
func streamArgs() amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:                 amqp.QueueTypeStream,
		amqp.StreamMaxLenBytesArg:         int64(256 << 20),
		amqp.StreamMaxSegmentSizeBytesArg: int64(16 << 20),
		amqp.StreamMaxAgeArg:              "15m",
	}
}

// accessRefused reports whether the user lacks a permission.
func accessRefused(err error) bool {
	var broker *amqp.Error
	return errors.As(err, &broker) && broker.Code == amqp.AccessRefused
}

// refusal says what a refused declaration means. what names it.
func refusal(what string, err error) error {
	var broker *amqp.Error
	if !errors.As(err, &broker) {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch broker.Code {
	case amqp.PreconditionFailed:
		return fmt.Errorf("%w: %s: it was made with other properties: remove it once it is empty, "+
			"or choose another namespace (%s)", ErrTopology, what, broker.Reason)
	case amqp.AccessRefused:
		return fmt.Errorf("%w: %s: %s", ErrAccess, what, broker.Reason)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// knowsAtLeastOnce reports whether a broker can dead-letter without loss: 3.10 and
// later. One that does not tell its version is taken for new.
func knowsAtLeastOnce(properties amqp.Table) bool {
	version, _ := properties["version"].(string)
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return true
	}
	minor, err := strconv.Atoi(second)
	return err != nil || major > 3 || major == 3 && minor >= 10
}
