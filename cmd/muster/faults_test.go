package main

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage"
	"muster/storage/storagetest"
)

// storedKeys returns how often each event's key is in the database.
func storedKeys(t *testing.T, url string) map[event.Key]int {
	t.Helper()
	db := storagetest.Raw(t, url)
	keys := map[event.Key]int{}
	tables := textOf(t, db, `SELECT group_concat(name, ' ') FROM sqlite_master WHERE type = 'table' AND name LIKE 'event\_%' ESCAPE '\'`)
	for table := range strings.FieldsSeq(tables) {
		for _, k := range keysOf(t, db, table) {
			keys[k]++
		}
	}
	return keys
}

func keysOf(t *testing.T, db *sql.DB, table string) (keys []event.Key) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT k FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k []byte
		if err := rows.Scan(&k); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, event.Key(k))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}

func textOf(t *testing.T, db *sql.DB, query string) (s string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// happened returns when each event of the game's journal happened, except for
// what a fault kept from everybody and for worlds of other environments.
func happened(t *testing.T, world *game.Server) map[event.Key]event.Event {
	t.Helper()
	all := map[event.Key]event.Event{}
	for last := int64(0); ; {
		entries := world.Journal(last, 10_000)
		if len(entries) == 0 {
			return all
		}
		for _, entry := range entries {
			last = entry.N
			e, err := event.Decode(entry.Payload, entry.At)
			if err != nil {
				t.Fatalf("%s: %v", entry.Payload, err)
			}
			if info, ok := e.World.Info(); ok && info.Environment == event.PC && !entry.Lost {
				all[e.Key()] = e
			}
		}
	}
}

// holes reads the known holes in the record.
func holes(t *testing.T, url string) []event.Gap {
	t.Helper()
	s, err := storage.Open(t.Context(), url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	gaps, err := s.Gaps(t.Context(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return gaps
}

// inHole reports whether e fell into one of gaps.
func inHole(e event.Event, gaps []event.Gap) bool {
	for _, g := range gaps {
		if g.World == e.World && !e.ReceivedAt.Before(g.From) && (g.To.IsZero() || !e.ReceivedAt.After(g.To)) {
			return true
		}
	}
	return false
}

// answerOf returns the status and body of an address.
func answerOf(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res.Status + " " + body(t, res)
}

func fault(t *testing.T, world *game.Server, f game.Fault) {
	t.Helper()
	if _, err := world.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// strike sets faults that last until it has seen n more events on the feed.
func strike(t *testing.T, world *game.Server, feed *reader, n int, faults ...game.Fault) {
	t.Helper()
	for _, f := range faults {
		fault(t, world, f)
	}
	feed.mu.Lock()
	before := len(feed.items)
	feed.mu.Unlock()
	feed.wait(t, before+n)
	world.ClearFault(0)
}

// quieten stops the game and waits until all that happened has been fed: a last
// login comes after it.
func quieten(t *testing.T, world *game.Server, feed *reader) {
	t.Helper()
	world.Pause()
	last := offlineFriend(t, world, person(t, world, "Kestrel"))
	if err := world.Login(last.ID); err != nil {
		t.Fatal(err)
	}
	until(t, "the last login is fed", func() bool {
		feed.mu.Lock()
		defer feed.mu.Unlock()
		return slices.ContainsFunc(feed.items, func(i item) bool {
			return i.Kind == "login" && i.Character != nil && i.Character.ID == last.ID
		})
	})
}

func TestAnIllStreamLosesNothingOutsideOfTheHolesItLeaves(t *testing.T) {
	world := startGame(t, func(c *game.Config) { c.EventsPerSecond = 300 })
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	m := runHere(t, settings(database, world), "all")
	feed := follow(t, page(t, m.err), "")
	began := time.Now()
	strike(t, world, feed, 100,
		game.Fault{Name: "duplicates", Share: 0.5, DelayMS: 200},
		game.Fault{Name: "reorder", Share: 0.3, DelayMS: 200})
	strike(t, world, feed, 100,
		game.Fault{Name: "unknown_event", Share: 0.2}, game.Fault{Name: "unknown_field", Share: 0.2},
		game.Fault{Name: "missing_field", Share: 0.2}, game.Fault{Name: "empty_payload", Share: 0.2},
		game.Fault{Name: "invalid_json", Share: 0.2})
	cleared := time.Now()
	until(t, "what was late has arrived", func() bool { return time.Since(cleared) > 400*time.Millisecond })
	strike(t, world, feed, 100)
	fault(t, world, game.Fault{Name: "reset"})
	strike(t, world, feed, 100)
	quieten(t, world, feed)
	if code := m.stop(); code != exitOK {
		t.Errorf("exit status %d", code)
	}

	stored, gaps, lost := storedKeys(t, database), holes(t, database), 0
	for key, e := range happened(t, world) {
		switch n := stored[key]; {
		case n > 1:
			t.Errorf("stored %d times: %+v", n, e)
		case n == 0 && e.ReceivedAt.After(began) && !inHole(e, gaps):
			t.Errorf("lost outside of every hole: %+v", e)
		case n == 0:
			lost++
		}
	}
	t.Logf("%d stored, %d lost in %d holes", len(stored), lost, len(gaps))
	if len(feed.repeats) > 0 {
		t.Errorf("fed twice: %v", feed.repeats)
	}
	if n := strings.Count(m.err.String(), "level=WARN"); n > 10 {
		t.Errorf("%d warnings for a lost connection:\n%s", n, m.err.String())
	}
}

func TestADatabaseThatIsLockedHoldsUpEventsAndLosesNone(t *testing.T) {
	world := startGame(t, func(c *game.Config) { c.EventsPerSecond = 300 })
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	m := runHere(t, settings(database, world), "all")
	feed := follow(t, page(t, m.err), "")
	feed.wait(t, 50)
	began := time.Now()

	db := storagetest.Raw(t, database)
	db.SetMaxOpenConns(1)
	exec := func(q string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec("PRAGMA busy_timeout = 20000")
	exec("BEGIN IMMEDIATE")
	m.err.find(t, "the bus does not take events")
	readyz := m.err.find(t, `muster runs.* admin=(\S+)`) + "/readyz"
	if answer := answerOf(t, readyz); !strings.HasPrefix(answer, "503") || !strings.Contains(answer, "nothing was confirmed") {
		t.Errorf("a muster that cannot write says %s", answer)
	}
	until(t, "it says why", func() bool { return strings.Contains(answerOf(t, readyz), "locked") })
	exec("ROLLBACK")
	m.err.find(t, "the bus takes events again")
	if answer := answerOf(t, readyz); !strings.HasPrefix(answer, "200") {
		t.Errorf("a muster that can write again says %s", answer)
	}
	strike(t, world, feed, 50)
	quieten(t, world, feed)
	m.stop()

	stored := storedKeys(t, database)
	for key, e := range happened(t, world) {
		if stored[key] != 1 && e.ReceivedAt.After(began) {
			t.Errorf("stored %d times: %+v", stored[key], e)
		}
	}
}

func TestAnOutageOfDiscordIsSaidOnceAndDelaysAMessageThatThenComesOnce(t *testing.T) {
	world, people := startGame(t, nil), startDiscord(t)
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	m := runHere(t, settings(database, world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test"), "all")
	page(t, m.err)
	m.err.find(t, "commands registered")
	kestrel, user := person(t, world, "Kestrel"), people.Users()[0].ID
	if _, err := people.Command(t.Context(), discord.CommandInput{User: user, Text: "/link player:Kestrel"}); err != nil {
		t.Fatal(err)
	}
	friend := offlineFriend(t, world, kestrel)
	if _, err := people.AddFault(discord.Fault{Kind: discord.FaultLost, Count: 1}); err != nil { // stored, and yet a 502
		t.Fatal(err)
	}
	if _, err := people.AddFault(discord.Fault{Kind: discord.FaultStatus, Status: http.StatusServiceUnavailable}); err != nil {
		t.Fatal(err)
	}
	if err := world.Login(friend.ID); err != nil {
		t.Fatal(err)
	}
	m.err.find(t, "discord does not answer")
	people.ClearFault(0)
	m.err.find(t, "discord answers again")

	other := offlineFriend(t, world, kestrel) // its message comes after all there is of the first
	if err := world.Login(other.ID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	about := func(name string) func(discord.Message) bool {
		return func(msg discord.Message) bool {
			return strings.Contains(msg.Content, name) && strings.Contains(msg.Content, "is online")
		}
	}
	if _, err := people.WaitMessage(ctx, discord.MessageFilter{User: user}, about(other.Name)); err != nil {
		t.Fatalf("no message about %s: %v", other.Name, err)
	}
	n := 0
	for _, msg := range people.DMs(user) {
		if about(friend.Name)(msg) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d messages about %s, want 1", n, friend.Name)
	}
	for _, once := range []string{"discord does not answer", "discord answers again"} {
		if n := strings.Count(m.err.String(), once); n != 1 {
			t.Errorf("said %d times: %s", n, once)
		}
	}
	if strings.Contains(m.err.String(), "token-of-the-test") {
		t.Error("the token is in the log")
	}
}
