package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"muster/event"
	"muster/internal/diskqueue"
)

// openEventSpool opens the directory in which the listener of env keeps what the bus
// does not take. It is nil if there is to be none, or, which is said, if the one that
// nobody asked for cannot be made.
func (d *deps) openEventSpool(env event.Environment) (*diskqueue.Queue, error) {
	const setting = "listener.spool_dir"
	dir := d.cfg.SpoolDir()
	if d.cfg.Listener.SpoolBytes == 0 {
		return nil, nil
	}
	if dir == "" {
		d.log.Warn("events that the bus does not take wait in memory only: there is no state directory, name one in MUSTER_LISTENER_SPOOL_DIR")
		return nil, nil
	}
	q, err := diskqueue.Open(diskqueue.Config{Dir: filepath.Join(dir, string(env)),
		MaxBytes: d.cfg.Listener.SpoolBytes, Log: d.log.With("part", "event spool")})
	switch {
	case errors.Is(err, diskqueue.ErrLocked):
		return nil, wrongSetting(d.cfg, setting, fmt.Errorf("%w: give each process one of its own", err))
	case err != nil && d.cfg.IsSet(setting):
		return nil, wrongSetting(d.cfg, setting, err)
	case err != nil:
		d.log.Warn("events that the bus does not take wait in memory only: name a directory in MUSTER_LISTENER_SPOOL_DIR", "err", err)
		return nil, nil
	}
	d.closers = append(d.closers, q.Close)
	return q, nil
}

// strandedEvents says which environments have events on disk although nobody
// follows them any more.
func (d *deps) strandedEvents() {
	for _, env := range event.Environments() {
		dir := filepath.Join(d.cfg.SpoolDir(), string(env))
		if left, _ := filepath.Glob(filepath.Join(dir, "*.spool*")); len(left) > 0 && !slices.Contains(d.cfg.Game.Environments, env) {
			d.log.Warn("events wait on disk of an environment that is not followed: follow it once more to have them stored",
				"environment", env, "dir", dir)
		}
	}
}
