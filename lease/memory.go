package lease

import (
	"context"
	"slices"
	"sync"
)

// Memory hands out leases among the users of one Memory, first come first
// served. A lease lasts until it is released or the Memory is closed.
type Memory struct {
	mu     sync.Mutex
	closed bool
	names  map[string]*memoryName
}

// memoryName is one lease's state.
type memoryName struct {
	term    int64 // of the newest holder
	holder  *memoryLease
	waiters []chan *memoryLease // each holds one; closed when the Memory is
}

// NewMemory returns a Memory with nothing held. It starts no goroutine.
func NewMemory() *Memory { return &Memory{names: make(map[string]*memoryName)} }

// Acquire implements Locker.
func (m *Memory) Acquire(ctx context.Context, name string) (Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	got, err := m.join(name)
	if err != nil {
		return nil, err
	}
	select {
	case l, ok := <-got:
		if !ok {
			return nil, ErrClosed
		}
		return l, nil
	case <-ctx.Done():
		m.leave(name, got)
		return nil, ctx.Err()
	}
}

// join queues for name; the channel delivers the lease.
func (m *Memory) join(name string) (chan *memoryLease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	n, ok := m.names[name]
	if !ok {
		n = &memoryName{}
		m.names[name] = n
	}
	got := make(chan *memoryLease, 1)
	n.waiters = append(n.waiters, got)
	m.next(n)
	return got, nil
}

// leave takes a waiter out of the queue, and gives up what it may have been
// handed meanwhile.
func (m *Memory) leave(name string, got chan *memoryLease) {
	m.mu.Lock()
	n := m.names[name]
	if i := slices.Index(n.waiters, got); i >= 0 {
		n.waiters = slices.Delete(n.waiters, i, i+1)
	}
	m.mu.Unlock()
	select {
	case l, ok := <-got:
		if ok {
			l.Release()
		}
	default:
	}
}

// next hands the lease to the longest waiter if it is free. m.mu is held.
func (m *Memory) next(n *memoryName) {
	if n.holder != nil || len(n.waiters) == 0 {
		return
	}
	n.term++
	n.holder = &memoryLease{memory: m, name: n, term: n.term, lost: make(chan struct{})}
	n.waiters[0] <- n.holder
	n.waiters = slices.Delete(n.waiters, 0, 1)
}

// Close implements Locker. Closing twice does nothing.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, n := range m.names {
		if n.holder != nil {
			close(n.holder.lost)
			n.holder = nil
		}
		for _, got := range n.waiters {
			close(got)
		}
		n.waiters = nil
	}
	return nil
}

type memoryLease struct {
	memory *Memory
	name   *memoryName
	term   int64
	lost   chan struct{}
}

// Term implements Lease.
func (l *memoryLease) Term() int64 { return l.term }

// Lost implements Lease.
func (l *memoryLease) Lost() <-chan struct{} { return l.lost }

// Release implements Lease.
func (l *memoryLease) Release() {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if l.name.holder != l {
		return
	}
	close(l.lost)
	l.name.holder = nil
	l.memory.next(l.name)
}
