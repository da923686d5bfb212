package rabbit

// A tracker knows which delivery tags of one channel are settled, so that none is
// acknowledged twice: that would close the channel (storage notes 2, trap 5). The
// zero value is ready to use. Tags begin at 1 and have no holes.
type tracker struct {
	first  uint64 // tag of states[0]
	states []tagState
	open   int // unsettled
	ready  int // settled, not acknowledged
}

type tagState byte

const (
	tagOpen    tagState = iota
	tagSettled          // by its handler
	tagAcked            // to the broker
)

func (t *tracker) arrived(tag uint64) {
	if len(t.states) == 0 {
		t.first = tag
	}
	t.states = append(t.states, tagOpen)
	t.open++
}

// settle ignores tags that are unknown or settled.
func (t *tracker) settle(tag uint64) {
	if i := tag - t.first; tag >= t.first && i < uint64(len(t.states)) && t.states[i] == tagOpen {
		t.states[i] = tagSettled
		t.open--
		t.ready++
	}
}

// advance forgets the settled tags before the first open one. It returns the tag
// to acknowledge "multiple" with, 0 for none, and how many that settles.
func (t *tracker) advance() (last uint64, count int) {
	n := 0
	for n < len(t.states) && t.states[n] != tagOpen {
		if t.states[n] == tagSettled {
			last = t.first + uint64(n)
			t.ready--
			count++
		}
		n++
	}
	t.states = t.states[n:]
	t.first += uint64(n)
	return last, count
}

// deferred reports whether settled tags wait behind an open one.
func (t *tracker) deferred() bool { return t.ready > 0 }

// loose returns the settled tags that wait, to be acknowledged one by one.
func (t *tracker) loose() []uint64 {
	var tags []uint64
	for i, state := range t.states {
		if state == tagSettled {
			t.states[i] = tagAcked
			tags = append(tags, t.first+uint64(i))
		}
	}
	t.ready = 0
	return tags
}

func (t *tracker) unsettled() int { return t.open }
