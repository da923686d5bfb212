package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// drainLimit is how long all roles together may take to stop.
const drainLimit = 9 * time.Second

// errDrain says that a role had not stopped when drainLimit was over.
var errDrain = errors.New("did not drain in time")

// A part is a role that is ready to run.
type part struct {
	name string
	// run blocks until ctx has ended and its work is drained, or something broke
	// that the part cannot mend.
	run func(ctx context.Context) error
	// optional parts may end with an error while the others go on.
	optional bool
}

// ended is how one part's run returned.
type ended struct {
	index int
	err   error
}

// supervise runs all parts until ctx ends or one that is not optional breaks.
// Then it stops them in their order, which is the order of the flow, each after
// the one before it has returned: what was taken in comes out. All of it may
// take limit at most. The error is that of the part that broke, or errDrain.
func supervise(ctx context.Context, parts []part, limit time.Duration, log *slog.Logger) error {
	done := make(chan ended, len(parts))
	stops := make([]context.CancelFunc, len(parts))
	for i, p := range parts {
		partCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		stops[i] = cancel
		go func() { done <- ended{i, runPart(partCtx, p)} }()
	}
	over := make([]bool, len(parts))
	var broke error
	for broke == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case e := <-done:
			over[e.index] = true
			broke = judge(parts[e.index], e.err, log)
		}
	}
	log.Info("stopping", "limit", limit)
	return errors.Join(broke, drain(parts, stops, over, done, limit, log))
}

// runPart runs p and turns a panic into an error, so that the other parts drain.
func runPart(ctx context.Context, p part) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.run(ctx)
}

// judge decides what the end of p before its time means.
func judge(p part, err error, log *slog.Logger) error {
	switch {
	case p.optional && err != nil:
		log.Error("role is off, the others go on", "role", p.name, "err", err)
		return nil
	case p.optional:
		return nil
	case err == nil:
		return fmt.Errorf("%s: ended by itself", p.name)
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// drain stops the parts in order and waits for each.
func drain(parts []part, stops []context.CancelFunc, over []bool, done <-chan ended, limit time.Duration, log *slog.Logger) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	var errs []error
	for i, p := range parts {
		begin := time.Now()
		stops[i]()
		for !over[i] {
			select {
			case e := <-done:
				over[e.index] = true
				if e.err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", parts[e.index].name, e.err))
				}
			case <-deadline.C:
				return errors.Join(append(errs, fmt.Errorf("%s: %w", p.name, errDrain))...)
			}
		}
		log.Debug("stopped", "role", p.name, "after", time.Since(begin))
	}
	return errors.Join(errs...)
}
