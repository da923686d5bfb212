package day

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/event"
)

// A watch samples memory and the queue until it is stopped.
type watch struct {
	mu     sync.Mutex
	memory map[string][]float64 // resident, MB
	depth  []int
	stop   chan struct{}
	done   sync.WaitGroup
}

func (p *plant) watch(t *testing.T, every time.Duration) *watch {
	w := &watch{memory: map[string][]float64{}, stop: make(chan struct{})}
	pids := p.pids()
	w.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
			depth, err := p.bus.Depth(t.Context(), event.QueueDispatcher)
			w.mu.Lock()
			if err == nil {
				w.depth = append(w.depth, depth)
			}
			for name, pid := range pids {
				w.memory[name] = append(w.memory[name], resident(pid))
			}
			w.mu.Unlock()
		}
	})
	return w
}

func (w *watch) end() {
	close(w.stop)
	w.done.Wait()
}

// quarters are the means of the four quarters of a series.
func quarters[T int | float64](all []T) (means [4]float64) {
	for q := range means {
		part := all[len(all)*q/4 : len(all)*(q+1)/4]
		for _, v := range part {
			means[q] += float64(v) / float64(len(part))
		}
	}
	return means
}

// table prints the series, one line a process.
func (w *watch) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d samples; means of the quarters of the run\n", len(w.depth))
	names := make([]string, 0, len(w.memory))
	for name := range w.memory {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		q := quarters(w.memory[name])
		fmt.Fprintf(&b, "%-14s %7.1f %7.1f %7.1f %7.1f MB, at most %.1f\n", name, q[0], q[1], q[2], q[3], slices.Max(w.memory[name]))
	}
	if len(w.depth) > 0 {
		q := quarters(w.depth)
		fmt.Fprintf(&b, "%-14s %7.0f %7.0f %7.0f %7.0f messages, at most %d\n", "queue", q[0], q[1], q[2], q[3], slices.Max(w.depth))
	}
	return b.String()
}

// resident returns the memory of a process and of those it has started, in MB; 0
// where the system does not tell.
func resident(pid int) (mb float64) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parent, size := map[int]int{}, map[int]float64{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 22 {
			continue
		}
		parent[id], _ = strconv.Atoi(fields[1])
		pages, _ := strconv.ParseFloat(fields[21], 64)
		size[id] = pages * float64(os.Getpagesize()) / (1 << 20)
	}
	for id := range size {
		for up := id; up > 1; up = parent[up] {
			if up == pid {
				mb += size[id]
				break
			}
		}
	}
	return mb
}
