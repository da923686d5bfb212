package listener

import (
	"time"

	"muster/bus"
	"muster/event"
)

// Bounds of what is kept of the keys that the bus has confirmed.
const (
	pendingMax  = 1 << 16         // not told yet; beyond it the oldest go, and overlap comes of it
	toldMax     = 1 << 16         // of each of two generations
	repeatEvery = 3 * time.Second // at most, whoever asks
	speakAt     = 2048            // so many are told at once, without waiting for the next beacon
)

// confirmations are the keys of the events that the bus has taken from us. Not safe for
// concurrent use.
type confirmations struct {
	pending   []event.Key // to be told
	now, past []event.Key // of the last one to two minutes, told or not
	turned    time.Time
	wanted    bool // somebody asked for a repetition
	repeated  time.Time
}

// add takes keys that were confirmed at now.
func (c *confirmations) add(keys []event.Key, now time.Time) {
	c.pending = trim(append(c.pending, keys...), pendingMax)
	if now.Sub(c.turned) >= ringSpan/2 || len(c.now)+len(keys) > toldMax {
		c.past, c.now, c.turned = c.now, nil, now
	}
	c.now = trim(append(c.now, keys...), toldMax)
}

// trim drops the oldest of what is too much.
func trim(keys []event.Key, most int) []event.Key { return keys[max(0, len(keys)-most):] }

// next returns what the next beacon may tell, and whether there is more.
func (c *confirmations) next(now time.Time) (keys []event.Key, more bool) {
	if c.wanted && now.Sub(c.repeated) >= repeatEvery {
		c.wanted, c.repeated = false, now
		c.pending = append(append([]event.Key(nil), c.past...), c.now...)
	}
	n := min(len(c.pending), event.BeaconKeys)
	keys, c.pending = c.pending[:n:n], c.pending[n:]
	if len(c.pending) == 0 {
		c.pending = nil
	}
	return keys, len(c.pending) > 0
}

// failed takes back what next returned.
func (c *confirmations) failed(keys []event.Key) {
	c.pending = trim(append(keys, c.pending...), pendingMax)
}

// confirmed notes that the bus has taken a batch.
func (l *Listener) confirmed(batch []bus.Message) {
	keys := make([]event.Key, 0, len(batch))
	for i := range batch {
		if k, err := event.ParseKey(batch[i].ID); err == nil { // states have other ids
			keys = append(keys, k)
		}
	}
	l.metrics.confirmed.WithLabelValues(string(l.env)).Add(float64(len(keys)))
	l.mu.Lock()
	l.safe.add(keys, l.cfg.Stream.Now())
	// A leader's next beacon comes soon; what was mended others are about to mend too.
	now := len(l.safe.pending) >= speakAt || len(keys) > 0 && !l.leads()
	l.mu.Unlock()
	if now {
		l.speakUp()
	}
}
