package diskqueue

import (
	"errors"
	"io"
	"os"
)

// Read returns the oldest records without dropping them: at most n, and at most
// maxBytes unless the first alone has more. The caller must not change them. lost is
// how many records were found to be unreadable on the way and are gone. No
// records and no loss: the queue is empty.
func (q *Queue) Read(n int, maxBytes int) (records [][]byte, lost int) {
	q.reading.Lock()
	defer q.reading.Unlock()
	lost = q.load()
	bytes := 0
	for i, r := range q.loaded[:min(n, len(q.loaded))] {
		if bytes += len(r); i > 0 && bytes > maxBytes {
			return q.loaded[:i:i], lost
		}
	}
	n = min(n, len(q.loaded))
	return q.loaded[:n:n], lost
}

// Drop forgets the n oldest records, as a rule those that Read has returned, and
// removes the files that hold nothing else. It stops early when it comes upon
// unreadable ones, so that it forgets none it was not asked to; lost is how many
// those were.
func (q *Queue) Drop(n int) (dropped, lost int) {
	q.reading.Lock()
	defer q.reading.Unlock()
	for dropped < n && lost == 0 {
		if lost = q.load(); lost > 0 || len(q.loaded) == 0 {
			break
		}
		k := min(n-dropped, len(q.loaded))
		q.loaded = q.loaded[k:]
		dropped += k
		q.mu.Lock()
		q.segments[0].records -= k
		q.mu.Unlock()
	}
	q.finish()
	return dropped, lost
}

// load reads the oldest segment that holds anything, unless some of it is loaded,
// and returns how many records were lost. The caller holds reading.
func (q *Queue) load() (lost int) {
	for len(q.loaded) == 0 {
		q.finish()
		seg, from, to, want := q.oldest()
		if seg == nil {
			return lost
		}
		b, err := readPart(seg.path, from, to)
		records, bad := parse(b)
		q.loaded = records
		q.mu.Lock()
		seg.loaded = to
		seg.records -= want - len(records)
		q.mu.Unlock()
		lost += want - len(records)
		q.note(seg, from, bad, err, want-len(records))
	}
	return lost
}

// oldest returns the oldest segment, which part of it was not read yet and how many
// records that has; nil if there is nothing to read.
func (q *Queue) oldest() (seg *segment, from, to int64, records int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.segments) == 0 || q.closed {
		return nil, 0, 0, 0
	}
	seg = q.segments[0]
	if seg.loaded == seg.size {
		return nil, 0, 0, 0 // it is being written to
	}
	return seg, seg.loaded, seg.size, seg.records
}

// readPart reads a part of a file, as far as it goes.
func readPart(path string, from, to int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := make([]byte, to-from)
	n, err := f.ReadAt(b, from)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
		if n == len(b) {
			err = nil
		}
	}
	return b[:n], errors.Join(err, f.Close())
}

// note says and counts what could not be read of seg from an offset on.
func (q *Queue) note(seg *segment, from int64, bad []span, err error, lost int) {
	if len(bad) == 0 && err == nil && lost == 0 {
		return
	}
	bytes := 0
	for _, s := range bad {
		bytes += s.to - s.from
	}
	q.mu.Lock()
	if !seg.damaged {
		q.stats.DamagedFiles++
	}
	seg.damaged = true
	q.stats.DamagedBytes += int64(bytes)
	q.stats.LostRecords += lost
	q.mu.Unlock()
	attrs := []any{"file", seg.path, "lost", lost, "bytes", bytes}
	if len(bad) > 0 {
		attrs = append(attrs, "at", from+int64(bad[0].from))
	}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	q.log.Error("a file of the queue is damaged, the rest of it is used and the file kept aside", attrs...)
}

// finish removes the oldest segments that hold nothing any more, or puts them aside
// if they are damaged. The caller holds reading.
func (q *Queue) finish() {
	for len(q.loaded) == 0 {
		seg := q.emptied()
		if seg == nil {
			return
		}
		q.letGo(seg)
		var err error
		if seg.damaged {
			err = q.setAside(seg.path)
		} else {
			err = os.Remove(seg.path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			q.log.Warn("a file of the queue cannot be removed, what it holds will come again", "file", seg.path, "err", err)
		}
	}
}

// emptied takes the oldest segment off the list if there is nothing in it, and
// nothing on its way to it.
func (q *Queue) emptied() *segment {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.segments) == 0 || q.closed {
		return nil
	}
	seg := q.segments[0]
	if seg.loaded < seg.size || seg == q.busy {
		return nil
	}
	seg.sealed = true
	q.segments = q.segments[1:]
	return seg
}

// letGo closes the file of a segment that is not appended to any more, unless an
// Append is at work, which does the same.
func (q *Queue) letGo(seg *segment) {
	if q.writing.TryLock() {
		defer q.writing.Unlock()
		if q.file != nil && q.file.Name() == seg.path {
			_ = q.closeFile() // all of it is durable and dropped
		}
	}
}
