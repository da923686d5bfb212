package diskqueue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Append writes the records behind all others and returns once they are durable:
// all of them, or none if it returns an error. ErrFull and ErrRecord mean that
// nothing was tried; after any other error the next call begins a new file. It
// blocks while the disk does.
func (q *Queue) Append(records ...[]byte) error {
	if len(records) == 0 {
		return nil
	}
	var b []byte
	for _, r := range records {
		if len(r) == 0 || len(r) > MaxRecord {
			return fmt.Errorf("%w, not %d bytes", ErrRecord, len(r))
		}
		b = appendRecord(b, r)
	}
	if len(b) > maxBatch {
		return fmt.Errorf("%w, and all at one time %d", ErrRecord, maxBatch)
	}
	q.writing.Lock()
	defer q.writing.Unlock()
	seg, err := q.tail(int64(len(b)))
	if err != nil {
		return err
	}
	if err := q.write(seg, b); err != nil {
		return errors.Join(err, q.closeFile(), q.abandon(seg))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = nil
	seg.size += int64(len(b))
	seg.records += len(records)
	seg.sealed = seg.size >= q.cfg.SegmentBytes
	return nil
}

// abandon ends a segment of which nobody knows what the disk has kept behind its
// good part, and removes one without a good part. The caller holds writing.
func (q *Queue) abandon(seg *segment) error {
	q.mu.Lock()
	q.busy = nil
	seg.sealed = true
	q.stats.FailedAppends++
	empty := seg.size == 0
	if empty {
		q.segments = q.segments[:len(q.segments)-1]
	}
	q.mu.Unlock()
	if !empty {
		return nil
	}
	if err := os.Remove(seg.path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// tail returns the segment that n bytes are to be written to, and marks it as busy.
// The caller holds writing.
func (q *Queue) tail(n int64) (*segment, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	used := n
	for _, seg := range q.segments {
		used += seg.size
	}
	if used > q.cfg.MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrFull, used-n, q.cfg.MaxBytes)
	}
	if last := len(q.segments) - 1; last >= 0 && !q.segments[last].sealed {
		q.busy = q.segments[last]
		return q.busy, nil
	}
	q.busy = &segment{path: q.path(q.nextID)}
	q.nextID++
	q.segments = append(q.segments, q.busy)
	return q.busy, nil
}

// write puts b at the end of seg. What a failed write has left behind the good
// part is not read by this process; a later one may find records in it that come
// again. The caller holds writing.
func (q *Queue) write(seg *segment, b []byte) error {
	if q.file == nil || q.file.Name() != seg.path || !sameFile(q.file, seg.path) {
		if err := q.create(seg); err != nil {
			return err
		}
	}
	if _, err := q.file.WriteAt(b, seg.size); err != nil {
		_ = q.file.Truncate(seg.size) // gives a full disk its room back
		return err
	}
	return q.file.Sync()
}

// create makes the file of a new segment, durably. A file that has vanished takes
// its segment with it.
func (q *Queue) create(seg *segment) error {
	if err := q.closeFile(); err != nil {
		return err
	}
	if err := q.claim(); err != nil {
		return err
	}
	if seg.size > 0 {
		return fmt.Errorf("%s: %w", seg.path, os.ErrNotExist)
	}
	f, err := os.OpenFile(seg.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	q.file = f
	return syncDir(q.cfg.Dir)
}

// path returns the name of a segment's file. The extension is the version of the
// format.
func (q *Queue) path(id uint64) string {
	return filepath.Join(q.cfg.Dir, fmt.Sprintf("%016d%s", id, extension))
}
