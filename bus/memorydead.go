package bus

import (
	"context"
	"slices"
	"sync"
	"time"
)

// deadLetters keeps the newest MaxDeadLetters of each queue, oldest first.
type deadLetters struct {
	mu      sync.Mutex
	next    int64
	byQueue map[string][]Letter
}

func (d *deadLetters) add(letters []DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range letters {
		if d.byQueue == nil {
			d.byQueue = make(map[string][]Letter)
		}
		d.next++
		all := append(d.byQueue[l.Queue], Letter{DeadLetter: l, Ref: makeRef(d.next, l.At)})
		d.byQueue[l.Queue] = all[max(0, len(all)-MaxDeadLetters):]
	}
}

func (d *deadLetters) newest(queue string, limit int) []Letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.byQueue[queue]
	out := slices.Clone(all[len(all)-min(len(all), max(0, limit)):])
	slices.Reverse(out)
	return out
}

// remove takes the wanted letters out if use, which gets them, has no error.
func (d *deadLetters) remove(queue string, w *Wanted, use func([]Letter) error) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var taken, left []Letter
	for _, l := range d.byQueue[queue] {
		if w.Takes(l.Ref) {
			taken = append(taken, l)
		} else {
			left = append(left, l)
		}
	}
	if len(taken) > 0 {
		if err := use(taken); err != nil {
			return 0, err
		}
		d.byQueue[queue] = left
	}
	return len(taken), w.Missing(queue)
}

// inBox runs f unless the queue is unknown or the bus closed.
func (m *Memory) inBox(name string, f func(q *queue) error) error {
	q, err := m.queue(name)
	if err != nil {
		return err
	}
	if err := m.enter(); err != nil {
		return err
	}
	defer m.running.Done()
	return f(q)
}

// List implements DeadLetterBox.
func (m *Memory) List(_ context.Context, name string, limit int) (all []Letter, err error) {
	err = m.inBox(name, func(q *queue) error {
		all = m.dead.newest(q.name, limit)
		return nil
	})
	return all, err
}

// Show implements DeadLetterBox.
func (m *Memory) Show(_ context.Context, name, ref string) (found Letter, err error) {
	err = m.inBox(name, func(q *queue) error {
		for _, l := range m.dead.newest(q.name, MaxDeadLetters) {
			if l.Ref == ref {
				found = l
				return nil
			}
		}
		return NewWanted([]string{ref}).Missing(q.name)
	})
	return found, err
}

// Replay implements DeadLetterBox. On ErrFull nothing was replayed.
func (m *Memory) Replay(_ context.Context, name string, refs ...string) (n int, err error) {
	err = m.inBox(name, func(q *queue) error {
		n, err = m.dead.remove(q.name, NewWanted(refs), func(taken []Letter) error {
			messages := make([]Message, len(taken))
			for i, l := range taken {
				messages[i] = l.Message
			}
			if err := m.reserve(len(messages), sizeAll(messages)); err != nil {
				return err
			}
			q.add(pack(messages, time.Now().UTC())...)
			return nil
		})
		return err
	})
	return n, err
}

// Drop implements DeadLetterBox.
func (m *Memory) Drop(_ context.Context, name string, refs ...string) (n int, err error) {
	err = m.inBox(name, func(q *queue) error {
		n, err = m.dead.remove(q.name, NewWanted(refs), func([]Letter) error { return nil })
		return err
	})
	return n, err
}

// DeadLetters implements Bus.
func (m *Memory) DeadLetters(ctx context.Context, queue string, limit int) ([]DeadLetter, error) {
	letters, err := m.List(ctx, queue, limit)
	return plain(letters), err
}

// State implements Transport.
func (m *Memory) State(_ context.Context, name string) (state QueueState, err error) {
	err = m.inBox(name, func(q *queue) error {
		state = q.state(len(m.dead.newest(name, MaxDeadLetters)))
		return nil
	})
	return state, err
}
