package storagetest

import (
	"errors"
	"time"

	"muster/storage"
)

var shardTests = []named{
	{"bots know of each other, and go by one number of shards", shardsShared},
}

func shardsShared(w *world) {
	share := func(me int64, want int, exact bool, life time.Duration) [2]int {
		w.Helper()
		shards, bots, err := w.ShareShards(w.Context(), me, want, exact, life)
		w.ok(err)
		return [2]int{shards, bots}
	}
	const long = time.Hour
	same(w, "the first", share(1, 2, false, long), [2]int{2, 1})
	same(w, "the first again", share(1, 2, false, long), [2]int{2, 1})
	same(w, "a second that wants more", share(2, 4, false, long), [2]int{4, 2})
	same(w, "the first, which hears of it", share(1, 2, false, long), [2]int{4, 2})
	same(w, "one that is told by the operator", share(3, 3, true, long), [2]int{3, 3})
	w.ok(w.LeaveShards(w.Context(), 2))
	same(w, "after one has left", share(3, 3, true, long), [2]int{3, 2})
	_, err := Raw(w.T, w.url).ExecContext(w.Context(), "UPDATE bot_processes SET seen_at = seen_at - 100 WHERE id = 1")
	w.ok(err)
	same(w, "after one has died", share(3, 3, true, 99*time.Second), [2]int{3, 1})
	for _, bad := range [][2]int{{0, 1}, {1, 0}, {-1, 1}} {
		if _, _, err := w.ShareShards(w.Context(), int64(bad[0]), bad[1], false, long); !errors.Is(err, storage.ErrData) {
			w.Errorf("%v: %v", bad, err)
		}
	}
}
