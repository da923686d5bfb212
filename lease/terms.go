package lease

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// A TermSource mints fencing tokens. *storage.Store is one.
type TermSource interface {
	// NextTerm returns a number above zero that is larger than all it has returned
	// for name, to whichever process. Numbers may be left out.
	NextTerm(ctx context.Context, name string) (int64, error)
}

// How long one call for a term may take, and the pause after one that failed.
const (
	termLimit = 10 * time.Second
	termPause = time.Second
)

// WithTerms returns a Locker over l whose leases have the terms of source, so that
// they grow from one process to the next although l forgets them. Acquire tries
// again for as long as source fails, and says so once in log, which may be nil.
func WithTerms(l Locker, source TermSource, log *slog.Logger) Locker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &termed{Locker: l, source: source, log: log}
}

type termed struct {
	Locker
	source TermSource
	log    *slog.Logger
}

// Acquire implements Locker.
func (t *termed) Acquire(ctx context.Context, name string) (Lease, error) {
	held, err := t.Locker.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	for failed := false; ; failed = true {
		term, err := t.next(ctx, name)
		if err == nil {
			return &termedLease{Lease: held, term: term}, nil
		}
		if ctx.Err() == nil && !failed {
			t.log.WarnContext(ctx, "there is no term for a lease, trying again", "lease", name, "err", err)
		}
		pause := time.NewTimer(termPause)
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-held.Lost():
			err = ErrClosed
		}
		pause.Stop()
		held.Release()
		return nil, err
	}
}

func (t *termed) next(ctx context.Context, name string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, termLimit)
	defer cancel()
	term, err := t.source.NextTerm(ctx, name)
	if err == nil && term <= 0 {
		err = fmt.Errorf("term %d is not above zero", term)
	}
	return term, err
}

type termedLease struct {
	Lease
	term int64
}

// Term implements Lease.
func (l *termedLease) Term() int64 { return l.term }
