package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"muster/event"
	"muster/storage"
)

var damageTests = []named{
	{"each value lands in its own column", damageColumns},
	{"rows that cannot be right are errors that say so", damageRows},
	{"migrating again, and by two at once, is harmless", damageMigrate},
	{"two processes with large overlapping batches lose and double nothing", damageStorm},
	{"a lost connection repeats the whole record", damageLostConnection},
	{"a cancelled context stores nothing", damageCancelled},
}

func damageColumns(w *world) {
	w.record(30, everyKind()...)
	db := Raw(w.T, w.url)
	for table, want := range map[string]map[string]any{
		"event_login":  {"at": at(1).Unix(), "world": 10, "zone": 0, "character_id": alice, "received_ns": at(1).UnixNano() + 7e8},
		"event_logout": {"character_id": alice},
		"event_kill": {"attacker_id": alice, "victim_id": bob, "weapon_id": 7233, "attacker_team": 1, "victim_team": 2, "headshot": 1,
			"critical": 0, "zone": 2, "attacker_vehicle": 0},
		"event_vehicle_kill":     {"owner_id": bob, "attacker_id": alice, "vehicle_id": 4, "weapon_id": 3, "copy_no": 0},
		"event_experience":       {"character_id": alice, "experience_id": 1, "amount": 250, "loadout": 4, "team": 1, "other_id": 0},
		"event_facility_control": {"facility_id": 2103, "old_faction": 1, "new_faction": 2, "held_seconds": 3600, "outfit_id": clan},
		"event_facility_capture": {"character_id": alice, "facility_id": 2103, "outfit_id": clan},
		"event_facility_defend":  {"outfit_id": 0},
		"event_metagame":         {"metagame_id": 147, "instance": 33, "state": 135, "vs": 33.25, "nc": 1, "tr": 2, "bonus": 25},
		"event_continent_lock":   {"by_faction": 1, "previous_faction": 2, "vs": 40, "nc": 30, "tr": 30, "metagame_id": 0},
		"event_continent_unlock": {"by_faction": 1, "previous_faction": 0},
		"event_achievement":      {"character_id": alice, "achievement_id": 90020},
		"event_battle_rank":      {"character_id": alice, "battle_rank": 100},
		"event_item_added":       {"character_id": alice, "item_id": 6005969, "count": 1, "context": "SkillGrantItemLine"},
		"event_skill_added":      {"character_id": alice, "skill_id": 7777},
		"event_fish_scan":        {"character_id": alice, "fish_id": 12, "loadout": 4, "team": 1},
		"event_unknown":          {"name": "Novel", "reason": "", "payload": `{"event_name":"Novel"}`},
	} {
		for col, value := range want {
			var got sql.NullString
			w.ok(db.QueryRowContext(w.Context(), "SELECT "+col+" FROM "+table).Scan(&got))
			if want := fmt.Sprintf("%v", plain(value)); got.String != want {
				w.Errorf("%s.%s: got %s, want %s", table, col, got.String, want)
			}
		}
	}
	var k []byte
	w.ok(db.QueryRowContext(w.Context(), "SELECT k FROM event_login").Scan(&k))
	same(w, "key", event.Key(k), everyKind()[0].Key())
}

func plain(v any) any {
	switch v := v.(type) {
	case event.CharacterID:
		return int64(v)
	case event.OutfitID:
		return int64(v)
	case float64:
		if v == math.Trunc(v) {
			return int64(v) // not in exponents
		}
	}
	return v
}

func damageRows(w *world) {
	w.record(1, login(0, alice))
	w.ok(w.SaveLookups(w.Context(), nil))
	w.streams(state(event.StreamLive, 0, 0))
	w.watch(ann, alice)
	db := Raw(w.T, w.url)
	spoil := func(text string) {
		w.Helper()
		if _, err := db.ExecContext(w.Context(), text); err != nil {
			w.Fatal(err)
		}
	}
	spoil("UPDATE presence SET zone = 99999999999")
	spoil("UPDATE stream_states SET health = 'rosy'")
	spoil("UPDATE watches SET kind = 'moon'")
	bad := func(what string, err error) {
		w.Helper()
		if !errors.Is(err, storage.ErrData) {
			w.Errorf("%s: got %v", what, err)
		}
	}
	_, _, err := w.Player(w.Context(), alice)
	bad("player", err)
	_, err = w.StreamStates(w.Context())
	bad("stream states", err)
	_, err = w.Watches(w.Context(), ann)
	bad("watches", err)
	_, err = w.Record(w.Context(), at(5), event.Record{Events: []event.Event{logout(4, alice)}}, nil)
	bad("record", err)
}

func damageMigrate(w *world) {
	other := w.again()
	var wg sync.WaitGroup
	for _, s := range []*storage.Store{w.Store, other} {
		wg.Go(func() {
			if err := s.Migrate(context.Background()); err != nil {
				w.Error(err)
			}
		})
	}
	wg.Wait()
	w.ok(w.Ping(w.Context()))
	w.record(1, login(0, alice))
}

// damageStorm writes the same second half-overlapping batches from two processes
// in opposite order.
func damageStorm(w *world) {
	other := w.again()
	const total, size, step = 6000, 1000, 500
	all := make([]event.Event, total)
	for i := range all {
		who := event.CharacterID(7000 + i*31%900)
		switch {
		case i%40 == 0:
			all[i] = login(i/60, who)
		case i%40 == 1:
			all[i] = logout(i/60, who)
		case i%7 == 0:
			all[i] = kill(i/60, who, event.CharacterID(7000+i*17%900))
		default:
			all[i] = gain(i/60, who, int64(i))
		}
	}
	var mu sync.Mutex
	fresh := map[event.Key]int{}
	var wg sync.WaitGroup
	for n, s := range []*storage.Store{w.Store, other} {
		wg.Go(func() {
			for from := 0; from+size <= total; from += step {
				part := all[from : from+size]
				if n == 1 {
					part = all[total-from-size : total-from]
				}
				got, err := s.Record(context.Background(), at(120), event.Record{Events: part}, nil)
				if err != nil {
					w.Errorf("process %d: %v", n, err)
					return
				}
				mu.Lock()
				for i, isNew := range got.New {
					if isNew {
						fresh[part[i].Key()]++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	distinct := map[event.Key]bool{}
	for _, e := range all {
		distinct[e.Key()] = true
	}
	same(w, "distinct", len(fresh), len(distinct))
	for k, n := range fresh {
		if n != 1 {
			w.Errorf("%s was new %d times", k, n)
		}
	}
	w.samePresence(all)
}

// samePresence compares the table with a fold of all events in order.
func (w *world) samePresence(all []event.Event) {
	w.Helper()
	out, alive := map[event.CharacterID]int64{}, map[event.CharacterID]int64{}
	in := map[event.CharacterID]int64{}
	for _, e := range all {
		a, b := e.Present()
		switch e.Kind {
		case event.Logout:
			c, _ := e.Characters()
			out[c] = max(out[c], e.At.Unix())
		case event.Login:
			in[a] = max(in[a], e.At.Unix())
		default:
			alive[a], alive[b] = max(alive[a], e.At.Unix()), max(alive[b], e.At.Unix())
		}
	}
	online, err := w.OnlineNow(w.Context(), 0, 0)
	w.ok(err)
	is := map[event.CharacterID]bool{}
	for _, p := range online {
		is[p.Character.ID] = true
	}
	wrong := 0
	for c := event.CharacterID(7000); c < 7900; c++ {
		if want := in[c] > 0 && in[c] >= out[c] || alive[c] > out[c]; want != is[c] {
			wrong++
		}
	}
	same(w, "characters whose presence is wrong", wrong, 0)
}

func damageLostConnection(w *world) {
	if !strings.HasPrefix(w.url, "mysql:") {
		return // SQLite has no connection to lose
	}
	admin := Raw(w.T, w.url)
	w.watch(ann, alice)
	calls := 0
	got, err := w.Record(w.Context(), at(5), event.Record{Events: []event.Event{login(1, alice), gain(2, alice, 1)}},
		func(ctx context.Context, tx *sql.Tx) error {
			if calls++; calls > 1 {
				return nil
			}
			var id int64
			if err := tx.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
				return err
			}
			_, err := admin.ExecContext(ctx, fmt.Sprint("KILL ", id))
			return err
		})
	w.ok(err)
	if calls != 2 || !got.New[0] || !got.New[1] || got.Alerts != 1 || len(got.Changes) != 1 {
		w.Errorf("after %d calls: %+v", calls, got)
	}
	same(w, "claimed", len(w.claim(8)), 1)
}

func damageCancelled(w *world) {
	ctx, cancel := context.WithCancel(w.Context())
	_, err := w.Record(ctx, at(5), event.Record{Events: []event.Event{login(1, alice)}},
		func(context.Context, *sql.Tx) error { cancel(); return nil })
	if err == nil {
		w.Fatal("committed")
	}
	if _, found, err := w.Player(w.Context(), alice); found || err != nil {
		w.Errorf("something was stored (%v)", err)
	}
	same(w, "after it", w.record(6, login(1, alice)).New[0], true)
	w.watch(ann, bob)
	w.record(6, login(5, bob))
	_, err = w.ClaimUsers(ctx, at(6), 1, 1)
	if !errors.Is(err, context.Canceled) {
		w.Errorf("claim with a cancelled context: %v", err)
	}
}
