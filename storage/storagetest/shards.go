package storagetest

import (
	"errors"
	"time"

	"muster/storage"
)

var shardTests = []named{
	{"bots know of each other", shardsShared},
	{"bots go by one number of shards", shardsCounted},
}

func (w *world) share(me int64, life time.Duration) [3]int {
	w.Helper()
	shards, bots, before, err := w.ShareShards(w.Context(), me, life)
	w.ok(err)
	return [3]int{shards, bots, before}
}

func shardsShared(w *world) {
	same(w, "the first", w.share(20, time.Hour), [3]int{0, 1, 0})
	same(w, "the first again", w.share(20, time.Hour), [3]int{0, 1, 0})
	same(w, "a later one", w.share(30, time.Hour), [3]int{0, 2, 1})
	same(w, "an earlier one", w.share(10, time.Hour), [3]int{0, 3, 0})
	same(w, "the first, of three", w.share(20, time.Hour), [3]int{0, 3, 1})
	w.ok(w.LeaveShards(w.Context(), 10))
	w.ok(w.LeaveShards(w.Context(), 10))
	same(w, "after one has left", w.share(30, time.Hour), [3]int{0, 2, 1})
	db := Raw(w.T, w.url)
	age := func(seconds int) {
		w.Helper()
		_, err := db.ExecContext(w.Context(), "UPDATE bot_processes SET seen_at = seen_at - ? WHERE id = 20", seconds)
		w.ok(err)
	}
	age(100)
	same(w, "after one has died", w.share(30, 99*time.Second), [3]int{0, 1, 0})
	same(w, "one that woke up", w.share(20, 99*time.Second), [3]int{0, 2, 0})
	age(4000)
	w.ok(w.LeaveShards(w.Context(), 30))
	same(w, "what was killed is forgotten", w.share(40, 100*time.Hour), [3]int{0, 1, 0})
	for _, bad := range []int64{0, -1} {
		if _, _, _, err := w.ShareShards(w.Context(), bad, time.Hour); !errors.Is(err, storage.ErrData) {
			w.Errorf("process %d: %v", bad, err)
		}
	}
}

func shardsCounted(w *world) {
	for _, step := range []struct {
		n     int
		exact bool
		want  int
	}{{2, false, 2}, {4, false, 4}, {3, false, 4}, {3, true, 3}, {6, true, 6}, {8, false, 8}} {
		w.ok(w.SetShards(w.Context(), step.n, step.exact))
		if got := w.share(1, time.Hour)[0]; got != step.want {
			w.Errorf("after %d, exactly %t: %d shards, want %d", step.n, step.exact, got, step.want)
		}
	}
	for _, bad := range []int{0, -1} {
		if err := w.SetShards(w.Context(), bad, true); !errors.Is(err, storage.ErrData) {
			w.Errorf("%d shards: %v", bad, err)
		}
	}
}
