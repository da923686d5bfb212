package roster_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/census"
	"muster/event"
)

func TestWhoHoldsWhatIsAskedOnceForAllWhoWantToKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, query := newDirectory(event.PC)
		query.territory = []event.Territory{{World: 10, Zone: 2, Regions: map[event.Faction]int{event.NC: 3}}}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if list, _, err := d.Territory(t.Context(), 10); err != nil || len(list) != 1 {
					t.Errorf("got %+v, %v", list, err)
				}
			})
		}
		all.Wait()
		if n := len(query.about("map")); n != 1 {
			t.Errorf("the service was asked %d times", n)
		}
		if _, _, err := d.Territory(t.Context(), 1); err != nil || len(query.about("map")) != 2 {
			t.Errorf("another world: %v", err)
		}
		time.Sleep(21 * time.Second)
		_, at, err := d.Territory(t.Context(), 10)
		if err != nil || len(query.about("map")) != 3 || time.Since(at) > time.Second {
			t.Errorf("later: as of %s, %v", at, err)
		}
		query.fail = func(question) error { return census.ErrUnavailable }
		time.Sleep(21 * time.Second)
		if _, _, err := d.Territory(t.Context(), 10); !errors.Is(err, census.ErrUnavailable) {
			t.Errorf("while it is away: %v", err)
		}
		if _, _, err := d.Territory(t.Context(), 4711); err == nil {
			t.Error("a world that does not exist")
		}
	})
}
