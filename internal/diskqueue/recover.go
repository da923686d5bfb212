package diskqueue

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	extension = ".spool1"
	aside     = ".damaged"
	// keepAside is how many damaged files are kept.
	keepAside = 4
)

// recover lists what an earlier process has left, cuts off torn ends and finds out
// what is damaged.
func (q *Queue) recover() error {
	entries, err := os.ReadDir(q.cfg.Dir) // sorted, which is by age
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, kept := number(e.Name())
		if !kept {
			continue
		}
		q.nextID = max(q.nextID, id+1)
		if strings.HasSuffix(e.Name(), extension) && e.Type().IsRegular() {
			q.adopt(filepath.Join(q.cfg.Dir, e.Name()))
		}
	}
	q.stats.Recovered = q.Len()
	return nil
}

// number returns the number in the name of a segment, set aside or not.
func number(name string) (id uint64, ok bool) {
	digits, ok := strings.CutSuffix(strings.TrimSuffix(name, aside), extension)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil
}

// adopt takes over one file.
func (q *Queue) adopt(path string) {
	b, err := readWhole(path)
	if err != nil {
		q.note(&segment{path: path}, 0, nil, err, 0)
		q.moveAside(path)
		return
	}
	records, bad := parse(b)
	seg := &segment{path: path, size: int64(len(b)), records: len(records), sealed: true}
	switch end := len(bad) - 1; {
	case len(records) == 0 && len(bytes.Trim(b, "\x00")) > 0:
		q.note(seg, 0, bad, nil, 0)
		q.moveAside(path)
		return
	case end >= 0 && bad[end].to == len(b):
		q.cutOff(seg, bad[end])
		bad = bad[:end]
	}
	if len(records) == 0 {
		if err := os.Remove(path); err != nil {
			q.log.Warn("an empty file of the queue cannot be removed", "file", path, "err", err)
		}
		return
	}
	q.note(seg, 0, bad, nil, 0)
	q.segments = append(q.segments, seg)
}

// readWhole reads a file that is no larger than any that Append makes.
func readWhole(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%d bytes are more than a file of the queue can have", info.Size())
	}
	return os.ReadFile(path)
}

// cutOff removes the end of a write that was interrupted.
func (q *Queue) cutOff(seg *segment, torn span) {
	seg.size = int64(torn.from)
	q.stats.TornBytes += int64(torn.to - torn.from)
	err := os.Truncate(seg.path, seg.size)
	q.log.Warn("the end of a file of the queue was cut off: a crash interrupted its writing",
		"file", seg.path, "at", torn.from, "bytes", torn.to-torn.from, "err", err)
}

func (q *Queue) moveAside(path string) {
	if err := q.setAside(path); err != nil {
		q.log.Warn("a damaged file of the queue cannot be set aside", "file", path, "err", err)
	}
}

// setAside keeps a damaged file under another name, and the newest few of those.
func (q *Queue) setAside(path string) error {
	if err := os.Rename(path, path+aside); err != nil {
		return err
	}
	kept, err := filepath.Glob(filepath.Join(q.cfg.Dir, "*"+extension+aside))
	if err != nil {
		return fmt.Errorf("list damaged files: %w", err)
	}
	slices.Sort(kept)
	var errs []error
	for len(kept) > keepAside {
		errs = append(errs, os.Remove(kept[0]))
		kept = kept[1:]
	}
	return errors.Join(errs...)
}
