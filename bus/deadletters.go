package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// ErrNoLetter says that no dead letter has the reference asked for: it was
// mistyped, or somebody has replayed or dropped it meanwhile.
var ErrNoLetter = errors.New("no such dead letter")

// EveryLetter is the reference that stands for all dead letters of a queue in
// Replay and Drop: those that lie there when the call begins.
const EveryLetter = "*"

// A Letter is a dead letter with a name of its own, for whoever wants to look at
// one, send it again or throw it away.
type Letter struct {
	DeadLetter
	// Ref names the letter within its queue, and stays the same from one listing
	// to the next: 12 hex digits or a few more (see IsRef).
	Ref string
	// PublishedAt is when the message was first published, UTC; zero where the
	// transport does not keep it.
	PublishedAt time.Time
	// Headers are what the transport knows beside, as text for people.
	Headers map[string]string
}

// A DeadLetterBox is where the dead letters of all queues lie. Every transport of
// this module is one. An unknown queue is ErrTopic, an unknown reference
// ErrNoLetter.
type DeadLetterBox interface {
	// List returns at most limit letters of queue, newest first, and leaves them
	// where they are.
	List(ctx context.Context, queue string, limit int) ([]Letter, error)

	// Show returns one letter.
	Show(ctx context.Context, queue, ref string) (Letter, error)

	// Replay puts letters back into their queue, oldest first, as new messages,
	// and returns how many; without refs it does nothing. A crash in between may
	// leave a letter in both, never in neither. With some references unknown, the
	// others are replayed and the error says which were not found.
	Replay(ctx context.Context, queue string, refs ...string) (int, error)

	// Drop removes letters for good, as Replay does.
	Drop(ctx context.Context, queue string, refs ...string) (int, error)
}

// A Transport is a Bus with a door for those who look after it. Every bus of this
// module is one.
type Transport interface {
	Bus
	DeadLetterBox

	// State returns how a queue stands. It asks the transport, and may take as
	// long as that takes to answer.
	State(ctx context.Context, queue string) (QueueState, error)
}

// A QueueState says how a queue stands.
type QueueState struct {
	Unsettled int // messages, as Bus.Depth counts them
	Dead      int // dead letters
	// Consumers is how many take from the queue: calls of Consume on a bus inside
	// the process, processes on a broker.
	Consumers int
}

// IsRef reports whether ref has the form of a Letter's reference.
func IsRef(ref string) bool {
	if len(ref) < refDigits || len(ref) > 2*refDigits {
		return false
	}
	for _, r := range ref {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

const refDigits = 12

// makeRef names a letter by its number and four digits of its time, so that a
// number that is used again after a deletion is another letter.
func makeRef(id int64, at time.Time) string {
	us := at.UnixMicro()
	return fmt.Sprintf("%08x%04x", id, uint16(us^us>>16^us>>32))
}

// refID returns the number in a reference of makeRef's form.
func refID(ref string) (id int64, ok bool) {
	if !IsRef(ref) {
		return 0, false
	}
	id, err := strconv.ParseInt(ref[:len(ref)-4], 16, 64)
	return id, err == nil
}

// Wanted keeps track of which references a Replay or Drop has found, for those
// who implement a DeadLetterBox.
type Wanted struct {
	every bool
	refs  map[string]bool // found
}

// NewWanted returns one that looks for refs.
func NewWanted(refs []string) *Wanted {
	w := &Wanted{every: slices.Contains(refs, EveryLetter), refs: make(map[string]bool)}
	for _, ref := range refs {
		if ref != EveryLetter {
			w.refs[ref] = false
		}
	}
	return w
}

// Nothing reports whether no letter can be wanted.
func (w *Wanted) Nothing() bool { return !w.every && len(w.refs) == 0 }

// Takes reports whether the letter is wanted, and remembers that it was there.
func (w *Wanted) Takes(ref string) bool {
	if _, ok := w.refs[ref]; ok {
		w.refs[ref] = true
		return true
	}
	return w.every
}

// Missing returns an ErrNoLetter that names the references which were never
// there, nil if there are none.
func (w *Wanted) Missing(queue string) error {
	var missing []string
	for ref, found := range w.refs {
		if !found {
			missing = append(missing, ref)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	const most = 5
	more := ""
	if len(missing) > most {
		more = fmt.Sprintf(" and %d more", len(missing)-most)
		missing = missing[:most]
	}
	return fmt.Errorf("%w: %q%s in queue %q", ErrNoLetter, missing, more, queue)
}
