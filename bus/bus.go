// Package bus carries messages between roles: a contract, and the in-process
// transports that need no server. bus/bustest holds every transport to it.
//
// Work topics copy each message to their durable queues; consumers of one queue
// share its messages, each message goes to one of them, and comes again until it
// is settled. Broadcast topics reach whoever listens at that moment and keep
// nothing.
package bus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits that every transport keeps.
const (
	MaxBody  = 256 << 10 // bytes in Message.Body
	MaxBatch = 1000      // messages in one Batch
	MaxID    = 64        // bytes in Message.ID
	MaxKey   = 64        // bytes in Message.Key
	// BatchBytes is how many bytes of bodies go into one Batch, unless a single
	// message, or what was published in one call, has more.
	BatchBytes = 256 << 10
)

// Errors a caller branches on.
var (
	// ErrFull says that the transport has reached its bound and took nothing.
	// Wait, or count the loss and say so.
	ErrFull = errors.New("bus is full")
	// ErrTooLarge says that a message breaks a limit above. No retry helps.
	ErrTooLarge = errors.New("message is too large")
	// ErrTopic says that the topic or queue is not in the topology.
	ErrTopic = errors.New("no such topic or queue")
	// ErrClosed says that the bus was closed.
	ErrClosed = errors.New("bus is closed")
)

// A Message is one unit of work or news.
type Message struct {
	// ID names the message for logs and dead letters. It need not be unique.
	ID string
	// Key routes within a topic: environment, world and kind joined by dots.
	Key string
	// Body is not modified by the bus, and must not be by anyone after Publish.
	Body []byte
}

// Check returns an error wrapping ErrTooLarge if m breaks a limit.
func (m Message) Check() error {
	switch {
	case len(m.Body) > MaxBody:
		return fmt.Errorf("%w: body of %d bytes, limit %d", ErrTooLarge, len(m.Body), MaxBody)
	case len(m.ID) > MaxID:
		return fmt.Errorf("%w: id of %d bytes, limit %d", ErrTooLarge, len(m.ID), MaxID)
	case len(m.Key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes, limit %d", ErrTooLarge, len(m.Key), MaxKey)
	}
	return nil
}

// A Delivery is a message on its way to a consumer.
type Delivery struct {
	Message
	// Attempt is 1 the first time. Above 1, an earlier attempt may have done
	// part or all of the work.
	Attempt int
	// PublishedAt is when the bus took the message, UTC.
	PublishedAt time.Time
}

// A Batch is what a consumer works on at one time: 1 to MaxBatch deliveries in
// the order they were published.
type Batch struct {
	Deliveries []Delivery
	// SettleIn, when not nil, settles the whole batch inside the caller's
	// transaction on the database that the transport shares with storage, so
	// that the work and its acknowledgement commit together. Call it last before
	// the commit, and return nil once the commit has succeeded. Deliveries named
	// in rejected go to the dead letters in the same transaction.
	SettleIn func(ctx context.Context, tx *sql.Tx, rejected map[int]error) error
}

// A Handler works on one batch. Returning nil settles all of it. A *Rejected
// settles all of it too, and puts the deliveries it names, or parts of them, aside as
// dead letters.
// Any other error means that nothing was done: the same batch, or the same
// messages in other batches, come again after a growing delay, as often as it
// takes. Deciding that a message is poison is the handler's business.
//
// Its context survives the consumer's, so that the batch in hand can finish; it
// ends when the bus is closed.
type Handler func(ctx context.Context, b Batch) error

// Rejected names the deliveries of a batch, by index, that no retry can help.
type Rejected struct{ Reasons map[int]error }

func (r *Rejected) Error() string {
	return fmt.Sprintf("%d messages rejected", len(r.Reasons))
}

// A PartlyRejected is the reason for a delivery that carries several things, of which
// no retry can help some: these become dead letters, each by itself, in place of the
// delivery. The rest is done.
type PartlyRejected struct{ Parts []Part }

// A Part is what becomes a dead letter.
type Part struct {
	Message
	Reason error
}

func (p *PartlyRejected) Error() string {
	return fmt.Sprintf("%d parts rejected", len(p.Parts))
}

// PartsOf returns what becomes dead letters of a message that was rejected for a
// reason: its parts if that is a *PartlyRejected, else the message.
func PartsOf(m Message, reason error) []Part {
	var partly *PartlyRejected
	if errors.As(reason, &partly) && len(partly.Parts) > 0 {
		return partly.Parts
	}
	return []Part{{Message: m, Reason: reason}}
}

// A DeadLetter is a message that a handler rejected.
type DeadLetter struct {
	Message
	Queue  string
	Reason string
	At     time.Time // UTC
}

// A Topology says which durable queues get a copy of each work topic's messages.
// A topic that maps to none is a broadcast topic.
type Topology map[string][]string

// Queues returns the names of all queues, sorted.
func (t Topology) Queues() []string {
	var all []string
	for _, queues := range t {
		all = append(all, queues...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A Bus moves messages. Its methods are safe for concurrent use.
type Bus interface {
	// Publish returns once the bus has taken responsibility for all messages, in
	// order: for a work topic they survive a crash if the transport is durable.
	// On error some may have been taken; publishing them again is safe, because
	// receivers are idempotent. It blocks while earlier publishes are being made
	// durable, and never longer than ctx.
	Publish(ctx context.Context, topic string, messages ...Message) error

	// Consume runs h for the messages of queue, one batch at a time, until ctx
	// ends, and returns nil once h has. A batch is whatever has arrived while the
	// last one was worked on, up to MaxBatch: it never waits to fill. Several
	// calls share the queue's messages.
	Consume(ctx context.Context, queue string, h Handler) error

	// Listen runs h for each message of a broadcast topic that is published while
	// it runs, one at a time and in order, until ctx ends; then it returns nil.
	// ready, if not nil, is called once nothing published from then on is missed.
	// A listener that falls more than 16,384 messages or 32 MB behind loses the oldest;
	// lost tells it how many since the last call (0 as a rule).
	Listen(ctx context.Context, topic string, ready func(), h func(m Message, lost int)) error

	// Depth returns how many messages of queue are not settled.
	Depth(ctx context.Context, queue string) (int, error)

	// DeadLetters returns at most limit rejected messages of queue, newest first.
	DeadLetters(ctx context.Context, queue string, limit int) ([]DeadLetter, error)

	// Close stops consumers and listeners, waits for handlers to return, and
	// frees the transport. Later calls return ErrClosed.
	Close() error
}
