package storagetest

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"muster/storage"
)

var termTests = []named{
	{"terms begin with one and grow, each name for itself", termsGrow},
	{"terms outlive the process", termsLast},
	{"no two processes get the same term", termsApart},
	{"a term needs a name", termsNamed},
}

func (w *world) term(s *storage.Store, name string) int64 {
	w.Helper()
	got, err := s.NextTerm(w.Context(), name)
	w.ok(err)
	return got
}

func termsGrow(w *world) {
	same(w, "first", w.term(w.Store, "listener/pc"), 1)
	same(w, "another name", w.term(w.Store, "roster"), 1)
	same(w, "a name that differs in case", w.term(w.Store, "Roster"), 1)
	same(w, "second", w.term(w.Store, "listener/pc"), 2)
	same(w, "third", w.term(w.Store, "listener/pc"), 3)
}

func termsLast(w *world) {
	w.term(w.Store, "x")
	w.term(w.Store, "x")
	same(w, "term", w.term(w.again(), "x"), 3)
	same(w, "term", w.term(w.Store, "x"), 4)
}

func termsApart(w *world) {
	stores := []*storage.Store{w.Store, w.again()}
	const workers, turns = 6, 10
	got := make([][]int64, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range turns {
				n, err := stores[i%2].NextTerm(w.Context(), "x")
				if err != nil {
					w.Errorf("next term: %v", err)
					return
				}
				got[i] = append(got[i], n)
			}
		})
	}
	wg.Wait()
	for i, list := range got {
		if !slices.IsSorted(list) {
			w.Errorf("worker %d got %v", i, list)
		}
	}
	all := slices.Concat(got...)
	slices.Sort(all)
	same(w, "different terms", len(slices.Compact(all)), workers*turns)
}

func termsNamed(w *world) {
	for _, name := range []string{"", strings.Repeat("x", 192)} {
		if _, err := w.NextTerm(w.Context(), name); !errors.Is(err, storage.ErrData) {
			w.Errorf("name of %d bytes: got %v, want ErrData", len(name), err)
		}
	}
	same(w, "longest", w.term(w.Store, strings.Repeat("x", 191)), 1)
}
