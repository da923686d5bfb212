package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/event"
	"muster/sim/game"
	"muster/storage"
	"muster/storage/storagetest"
)

func TestTheRecordingIsStoredOnceAndFedOnceWithItsWeaponsNamed(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		storesTheRecordingOnce(t, "sqlite:"+filepath.Join(t.TempDir(), "muster.db"))
	})
	t.Run("mysql", func(t *testing.T) {
		storesTheRecordingOnce(t, storagetest.MySQL(t)(t), "MUSTER_BUS_URL=spool:"+filepath.Join(t.TempDir(), "spool.db"))
	})
}

func storesTheRecordingOnce(t *testing.T, database string, more ...string) {
	t.Helper()
	world := startGame(t, func(c *game.Config) { c.StaticDir = shared(t, "census-samples", "static") })
	lines := recording(t)
	env := settings(database, world, "MUSTER_GAME_WORLDS=1,10,13,17,40,1000",
		"MUSTER_GAME_ENVIRONMENTS=ps2,ps2ps4us", // the recording is a mirror's, which mixes them
		"MUSTER_EVENTS_RETENTION=3650d")         // it is from 2024
	env = append(env, more...)

	// A first start reads the tables of names; the second has them from the start.
	zeroth := runHere(t, env, "all")
	page(t, zeroth.err)
	waitForItems(t, database)
	zeroth.stop()
	first := runHere(t, env, "all")
	feed := follow(t, page(t, first.err), "")
	replay(t, world, lines)
	items := feed.wait(t, 464)
	checkRecording(t, items, weaponNames(t))

	// Once more on the same connection, and once more after a restart, when no
	// memory is left but the database's.
	replay(t, world, lines)
	barrier(t, world, feed)
	if code := first.stop(); code != exitOK {
		t.Fatalf("exit status %d", code)
	}
	second := runHere(t, env, "all")
	again := follow(t, page(t, second.err), "")
	replay(t, world, lines)
	barrier(t, world, again)
	second.stop()

	n := counts(t, database)
	if n[event.Experience] != 401 || n[event.Kill] != 49 || n[event.VehicleKill] != 14 {
		t.Errorf("stored %v, want 401 experience, 49 kills, 14 vehicles", n)
	}
	if got := len(feed.wait(t, 465)); got != 465 { // with the barrier's login
		t.Errorf("%d events on the feed, want 464 and the barrier", got)
	}
	if got := len(again.wait(t, 1)); got != 1 {
		t.Errorf("%d events on the feed after the restart, want the barrier alone", got)
	}
	if len(feed.repeats)+len(again.repeats) > 0 {
		t.Errorf("came twice: %v %v", feed.repeats, again.repeats)
	}
}

// barrier sends a login that nothing else sends and waits until it is fed:
// everything sent before has then been dealt with.
func barrier(t testing.TB, world *game.Server, feed *reader) {
	t.Helper()
	feed.mu.Lock()
	before := len(feed.items)
	feed.mu.Unlock()
	for _, p := range world.Characters("") {
		if !p.Online && p.World == "10" {
			if err := world.Login(p.ID); err != nil {
				t.Fatal(err)
			}
			feed.wait(t, before+1)
			return
		}
	}
	t.Fatal("everybody is online")
}

// waitForItems waits until the roster has read the table of items.
func waitForItems(t testing.TB, database string) {
	t.Helper()
	s, err := storage.Open(t.Context(), database, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	until(t, "the table of items is read", func() bool {
		items, err := s.Lookups(t.Context(), event.LookupItem)
		return err == nil && len(items) > 1000
	})
}

func recording(t testing.TB) [][]byte {
	t.Helper()
	f, err := os.Open(shared(t, "census-samples", "ess", "session-2024-10-29-a.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines, err := game.ReadLines(f)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// replay sends the recording with its own times, as fast as it goes.
func replay(t testing.TB, world *game.Server, lines [][]byte) {
	t.Helper()
	n, err := world.Replay(t.Context(), lines, game.ReplayOptions{})
	if err != nil || n != 464 {
		t.Fatalf("replayed %d events, want 464: %v", n, err)
	}
}

// weaponNames reads the names that people know the weapons by.
func weaponNames(t testing.TB) map[string]string {
	t.Helper()
	b, err := os.ReadFile(shared(t, "census-samples", "static", "weapon_items.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		ID   string `json:"item_id"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, r := range rows {
		names[r.ID] = r.Name
	}
	return names
}

// checkRecording holds the feed against the recording itself, decoded here as
// plain maps.
func checkRecording(t *testing.T, items []item, weapons map[string]string) {
	t.Helper()
	want := map[string]int{}
	for _, line := range recording(t) {
		var m struct{ Payload map[string]string }
		if json.Unmarshal(line, &m) != nil || m.Payload["event_name"] == "" {
			continue
		}
		p := m.Payload
		switch p["event_name"] {
		case "Death":
			want[strings.Join([]string{"kill", p["world_id"], p["timestamp"], p["attacker_character_id"], p["character_id"],
				p["attacker_weapon_id"], weapons[p["attacker_weapon_id"]]}, " ")]++
		case "VehicleDestroy":
			want[strings.Join([]string{"vehicle_kill", p["world_id"], p["timestamp"], p["attacker_character_id"], p["character_id"],
				p["attacker_weapon_id"], weapons[p["attacker_weapon_id"]]}, " ")]++
		case "GainExperience":
			want[strings.Join([]string{"experience", p["world_id"], p["timestamp"], p["character_id"],
				p["experience_id"], p["amount"]}, " ")]++
		}
	}
	for _, i := range items {
		line := describe(t, i)
		if want[line]--; want[line] < 0 {
			t.Errorf("on the feed, not in the recording: %s", line)
		}
	}
	for line, n := range want {
		if n > 0 {
			t.Errorf("in the recording, not on the feed: %s", line)
		}
	}
}

// describe writes an event of the feed as checkRecording expects it.
func describe(t *testing.T, i item) string {
	t.Helper()
	var d struct {
		Weapon     struct{ ID, Name string }
		Experience struct{ ID string }
		Amount     json.Number
	}
	if err := json.Unmarshal(i.Detail, &d); err != nil {
		t.Fatalf("detail %s: %v", i.Detail, err)
	}
	id := func(w *who) string {
		if w == nil {
			return "0"
		}
		return w.ID
	}
	at, world := json.Number(itoa(i.At)).String(), itoa(int64(i.World))
	if i.Kind == "experience" {
		return strings.Join([]string{i.Kind, world, at, id(i.Character), d.Experience.ID, d.Amount.String()}, " ")
	}
	return strings.Join([]string{i.Kind, world, at, id(i.Character), id(i.Other), d.Weapon.ID, d.Weapon.Name}, " ")
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

func TestEveryRecordedLineIsHandled(t *testing.T) {
	world := startGame(t, nil)
	b, err := os.ReadFile(shared(t, "census-samples", "ess", "single-events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	m := runHere(t, settings(database, world), "all")
	feed := follow(t, page(t, m.err), "")
	for line := range bytes.Lines(b) {
		var row struct {
			Message struct{ Payload json.RawMessage }
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		if err := world.Emit(row.Message.Payload); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	items := feed.wait(t, 10) // all but FishScan, which is stored and not fed
	got := map[string]int{}
	for _, i := range items {
		got[i.Kind]++
		if i.name != i.Kind {
			t.Errorf("the event is called %s and says kind %s", i.name, i.Kind)
		}
	}
	want := map[string]int{"vehicle_kill": 1, "kill": 1, "item": 1, "achievement": 1, "defend": 1, "capture": 1,
		"login": 1, "logout": 1, "alert": 1, "lock": 1}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%d of kind %s on the feed, want %d", got[kind], kind, n)
		}
	}
	m.stop()
	if n := counts(t, database); sum(n) != 11 || n[event.FishScan] != 1 || n[event.Unknown] != 0 {
		t.Errorf("stored %v, want each of the 11 kinds once", n)
	}
}
