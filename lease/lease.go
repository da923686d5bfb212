// Package lease makes one of several processes the leader of something: a
// contract, and the in-process implementation. lease/leasetest holds every
// implementation to it.
package lease

import (
	"context"
	"errors"
)

// ErrClosed says that the locker was closed.
var ErrClosed = errors.New("lease service is closed")

// A Locker hands out leases. Its methods are safe for concurrent use.
type Locker interface {
	// Acquire blocks until this process holds the lease called name, or ctx ends,
	// whose error it then returns. At any moment at most one lease of a name is
	// held among all processes that share the service.
	Acquire(ctx context.Context, name string) (Lease, error)
	// Close releases what is held and frees the service.
	Close() error
}

// A Lease is leadership for as long as it lasts.
type Lease interface {
	// Term is the fencing token: larger for each later holder of the name, never
	// zero. Whoever acts for the leader sends it along, so that an older one can
	// be refused.
	Term() int64
	// Lost is closed when leadership has ended, by Release or against our will.
	// Stop acting as the leader at once. Where a lease can run out, Lost looks at
	// the clocks itself: what it returns is closed if the time is up by now.
	Lost() <-chan struct{}
	// Release gives the lease up; the next waiter gets it. Releasing twice, or
	// after it was lost, does nothing.
	Release()
}

// Held reports whether l lasts at this moment. It asks nobody and does not
// block: look before each act that only a leader may do.
func Held(l Lease) bool {
	select {
	case <-l.Lost():
		return false
	default:
		return true
	}
}
