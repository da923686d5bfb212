// Package diskqueue keeps records in files, first in, first out, until they are
// dropped. What Append has returned for survives a crash of the process and of
// the machine; what was dropped may come again after one, up to a segment of it.
//
// Nothing that is wrong with a file keeps the rest from being read: what cannot
// be read is stepped over, and a file in which that happened is renamed, not
// removed, once the rest of it has been dropped.
package diskqueue

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// MaxRecord is the most bytes that one record may have.
const MaxRecord = 8 << 20

// DefaultSegmentBytes is where one file ends and the next begins. A batch is never
// divided, so a file can be longer by one.
const DefaultSegmentBytes = 4 << 20

const (
	maxBatch   = 32 << 20 // bytes in one Append
	maxSegment = 64 << 20
	maxFile    = maxSegment + maxBatch
)

// Errors a caller branches on.
var (
	// ErrLocked says that another Queue, in this process or another, has the
	// directory.
	ErrLocked = errors.New("the directory is in use")
	// ErrFull says that the bound is reached and nothing was written. Drop
	// something first.
	ErrFull = errors.New("the disk queue is full")
	// ErrRecord says that a record is empty or larger than MaxRecord. No retry helps.
	ErrRecord = errors.New("a record must have 1 byte to 8 MiB")
	// ErrClosed says that the queue was closed.
	ErrClosed = errors.New("the disk queue is closed")
)

// A Config says where a Queue lives. Dir and MaxBytes are required.
type Config struct {
	// Dir is made if it is missing. It belongs to one Queue at a time, which a lock
	// file sees to.
	Dir string
	// MaxBytes bounds all segments together.
	MaxBytes int64
	// SegmentBytes is DefaultSegmentBytes, or an eighth of MaxBytes if that is less,
	// and 64 MiB at most.
	SegmentBytes int64
	Log          *slog.Logger // nil discards
}

// Stats says what a Queue holds, and what has become of it since Open.
type Stats struct {
	Records int   // kept and not dropped
	Bytes   int64 // of all segments, dropped records of the oldest included

	Recovered     int   // records that Open found
	TornBytes     int64 // cut off by Open: the end of a write that a crash interrupted
	DamagedBytes  int64 // could not be read
	DamagedFiles  int   // segments set aside, or to be, for that
	LostRecords   int   // written, and not to be read any more
	FailedAppends int   // for other reasons than the bound
}

// A Queue is made by Open. Its methods are safe for concurrent use; Read and Drop
// do not wait for a disk that is slow to take what Append writes.
type Queue struct {
	cfg Config
	log *slog.Logger

	writing sync.Mutex // one Append at a time
	lock    *os.File   // guarded by writing
	file    *os.File   // of the segment that is appended to, if any; guarded by writing
	nextID  uint64     // guarded by writing

	reading sync.Mutex // one Read or Drop at a time
	loaded  [][]byte   // of the oldest segment, read and not dropped; guarded by reading

	mu       sync.Mutex // never held while the disk is asked
	segments []*segment // oldest first
	busy     *segment   // the one that Append is writing to
	stats    Stats
	closed   bool
}

// A segment is one file.
type segment struct {
	path    string
	size    int64 // bytes that are known to be good, and durable
	loaded  int64 // bytes that were read
	records int   // not dropped
	damaged bool
	sealed  bool // nothing is appended any more
}

// Open makes or takes over a directory and looks through what an earlier process
// left there: all of it is read once. ErrLocked says that somebody works there.
func Open(cfg Config) (*Queue, error) {
	if cfg.Dir == "" || cfg.MaxBytes <= 0 {
		return nil, errors.New("a disk queue needs a directory and a bound")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.SegmentBytes = min(cmp.Or(cfg.SegmentBytes, DefaultSegmentBytes), max(cfg.MaxBytes/8, 1), maxSegment)
	q := &Queue{cfg: cfg, log: cfg.Log.With("dir", cfg.Dir)}
	if err := q.claim(); err != nil {
		return nil, err
	}
	if err := q.recover(); err != nil {
		return nil, errors.Join(err, q.lock.Close())
	}
	return q, nil
}

// Len returns how many records there are.
func (q *Queue) Len() int { return q.Stats().Records }

// Stats returns what there is and what has happened. It does not wait for the disk.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	for _, seg := range q.segments {
		s.Records += seg.records
		s.Bytes += seg.size
	}
	return s
}

// Close gives the directory back. What was not dropped stays for the next Open.
func (q *Queue) Close() error {
	q.writing.Lock()
	defer q.writing.Unlock()
	q.reading.Lock()
	defer q.reading.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.closed = true
	q.loaded = nil
	return errors.Join(q.closeFile(), q.lock.Close())
}

// closeFile closes what is appended to. The caller holds writing.
func (q *Queue) closeFile() error {
	if q.file == nil {
		return nil
	}
	err := q.file.Close()
	q.file = nil
	return err
}

// claim makes the directory and takes its lock, unless both are there already. A
// directory that was removed is made anew. The caller holds writing.
func (q *Queue) claim() error {
	path := filepath.Join(q.cfg.Dir, "lock")
	if q.lock != nil && sameFile(q.lock, path) {
		return nil
	}
	if err := os.MkdirAll(q.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock file: %w", err)
	}
	if err := lockFile(f); err != nil {
		return errors.Join(fmt.Errorf("%w by another process: %s", ErrLocked, q.cfg.Dir), f.Close())
	}
	if q.lock != nil {
		_ = q.lock.Close() // of a file that is gone
	}
	q.lock = f
	return nil
}

// sameFile reports whether path still names f.
func sameFile(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}
