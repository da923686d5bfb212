package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage/storagetest"
)

// crashes is how often the process is killed.
const crashes = 3

func TestKilledAtAnyMomentNothingSeenIsLostAndNobodyIsToldTwice(t *testing.T) {
	world := start(t, "muster", nil, "sim", "game", "--addr=127.0.0.1:0", "--events=300")
	people := startDiscord(t)
	query := world.out.find(t, `MUSTER_GAME_QUERY_URL=(\S+)`)
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	c := &crash{t: t, game: query, user: people.Users()[0].ID, ordered: map[string]time.Time{}, env: []string{
		"MUSTER_DATABASE_URL=" + database, "MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0",
		"MUSTER_GAME_STREAM_URL=" + world.out.find(t, `MUSTER_GAME_STREAM_URL=(\S+)`), "MUSTER_GAME_QUERY_URL=" + query,
		"MUSTER_DISCORD_URL=" + people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test"}}
	c.away = c.strangers()

	m, feed := c.start()
	m.err.find(t, "commands registered")
	answer, err := people.Command(t.Context(), discord.CommandInput{User: c.user, Text: "/link player:Kestrel"})
	if err != nil || answer.Message == nil || !strings.Contains(answer.Message.Content, "linked") {
		t.Fatalf("/link answers %+v: %v", answer, err)
	}
	for range crashes {
		c.comeAndGo(feed)
		if err := m.cmd.Process.Kill(); err != nil { // SIGKILL
			t.Fatal(err)
		}
		_ = m.wait(t)
		c.saw(feed)
		m, feed = c.start()
	}
	last := c.comeAndGo(feed)
	db := storagetest.Raw(t, database)
	for _, p := range last { // nothing is killed any more
		until(t, p.Name+" is known to be on", func() bool {
			return one[int](t, db, "SELECT COUNT(*) FROM presence WHERE character_id = ? AND online = 1", p.ID) > 0
		})
	}
	// The turns that the dead had begun they hold for a minute. That minute is over.
	if _, err := db.ExecContext(t.Context(), "PRAGMA busy_timeout = 10000; UPDATE alert_turns SET held_ns = 0, due_ns = 1 WHERE due_ns IS NOT NULL"); err != nil {
		t.Fatal(err)
	}
	until(t, "the outbox is empty", func() bool { return c.waiting(db) == 0 })
	c.saw(feed)
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := m.wait(t); err != nil {
		t.Fatalf("after SIGTERM: %v", err)
	}
	c.checkEvents(db)
	c.checkMessages(db, people.DMs(c.user))
	if v := people.Violations(); len(v) > 0 {
		t.Errorf("Discord would refuse: %+v", v)
	}
}

// A crash is one run of the test.
type crash struct {
	t       *testing.T
	env     []string
	game    string // address of its control surface
	user    string
	away    []game.Person        // friends of Kestrel who have not been seen yet
	ordered map[string]time.Time // ids of those who were sent online, and when
	seen    []string             // feed ids
}

func (c *crash) start() (*proc, *reader) {
	c.t.Helper()
	m := start(c.t, "muster", c.env, "all")
	feed := follow(c.t, page(c.t, m.err), "")
	feed.wait(c.t, 1)
	return m, feed
}

// people asks the game who there is.
func (c *crash) people() (all []game.Person) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(get(c.t, c.game+"/sim/characters")), &all); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// strangers returns Kestrel's friends who are off.
func (c *crash) strangers() (off []game.Person) {
	c.t.Helper()
	all := c.people()
	friends := map[string]bool{}
	for _, p := range all {
		if p.Name == "Kestrel" {
			for _, id := range p.Friends {
				friends[id] = true
			}
		}
	}
	for _, p := range all {
		if friends[p.ID] && !p.Online {
			off = append(off, p)
		}
	}
	if len(off) < crashes+1 {
		c.t.Fatalf("only %d friends are off", len(off))
	}
	return off
}

// comeAndGo has friends come online among the fighting, and returns them a random
// moment after the last one.
func (c *crash) comeAndGo(feed *reader) (sent []game.Person) {
	c.t.Helper()
	n := len(feed.wait(c.t, 20+rand.IntN(200)))
	for range min(2, len(c.away)) {
		p := c.away[0]
		c.away = c.away[1:]
		c.ordered[p.ID] = time.Now()
		sent = append(sent, p)
		post(c.t, c.game+"/sim/login", map[string]string{"character": p.ID})
	}
	feed.wait(c.t, n+rand.IntN(40))
	return sent
}

func (c *crash) saw(feed *reader) {
	feed.mu.Lock()
	defer feed.mu.Unlock()
	for _, i := range feed.items {
		if i.Kind == "logout" && bytes.Contains(i.Detail, []byte(`"reason"`)) {
			continue // nothing that the game sent: presence was corrected after a hole
		}
		c.seen = append(c.seen, i.ID)
	}
}

// checkEvents holds what is stored against what the reader saw and what the game
// truly sent.
func (c *crash) checkEvents(db *sql.DB) {
	t := c.t
	if ok := one[string](t, db, "PRAGMA integrity_check"); ok != "ok" {
		t.Errorf("integrity check: %s", ok)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM bus_spool"); n != 0 {
		t.Errorf("%d chunks are left in the spool", n)
	}
	sent := c.journal()
	stored, ids := map[event.Key]int{}, map[string]bool{}
	for _, table := range columns[string](t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'event\\_%' ESCAPE '\\'") {
		for _, id := range columns[string](t, db, "SELECT received_ns || ' ' || hex(k) FROM "+table) {
			received, text, _ := strings.Cut(id, " ")
			nanos, err := strconv.ParseInt(received, 10, 64)
			key, keyErr := event.ParseKey(text)
			if err := errors.Join(err, keyErr); err != nil {
				t.Fatal(err)
			}
			stored[key]++
			ids[event.FeedID(time.Unix(0, nanos), key)] = true
			if !sent[key] {
				t.Errorf("%s holds %s, which the game never sent", table, key)
			}
		}
	}
	for key, n := range stored {
		if n != 1 {
			t.Errorf("%s is stored %d times", key, n)
		}
	}
	lost := 0
	for _, id := range c.seen {
		if !ids[id] {
			lost++
		}
	}
	if lost > 0 || len(c.seen) == 0 {
		t.Errorf("of %d events seen on the feed %d are not stored", len(c.seen), lost)
	}
	t.Logf("%d events sent, %d stored, %d seen", len(sent), len(stored), len(c.seen))
}

// journal returns the keys of everything the game has sent.
func (c *crash) journal() map[event.Key]bool {
	c.t.Helper()
	keys := map[event.Key]bool{}
	for after := int64(0); ; {
		var entries []game.Entry
		text := get(c.t, c.game+"/sim/journal?after="+itoa(after))
		if err := json.Unmarshal([]byte(text), &entries); err != nil {
			c.t.Fatal(err)
		}
		if len(entries) == 0 {
			return keys
		}
		for _, entry := range entries {
			e, err := event.Decode(entry.Payload, entry.At)
			if err != nil {
				c.t.Fatal(err)
			}
			for e.Copy = 0; e.MayRepeat() && keys[e.Key()]; e.Copy++ {
				continue
			}
			keys[e.Key()] = true
			after = entry.N
		}
	}
}

// waiting counts the alerts of those who were sent online that have no end yet.
func (c *crash) waiting(db *sql.DB) (n int) {
	for id := range c.ordered {
		n += one[int](c.t, db, "SELECT COUNT(*) FROM alerts WHERE state IN (0, 3) AND character_id = ?", id)
	}
	return n
}

// checkMessages holds the messages against the logins that were stored. Friends
// whom the game itself sent on and off before are left out: they may be relogs.
func (c *crash) checkMessages(db *sql.DB, messages []discord.Message) {
	t := c.t
	told := 0
	for _, p := range c.people() {
		at, sent := c.ordered[p.ID]
		if !sent {
			continue
		}
		first := one[sql.NullInt64](t, db, "SELECT MIN(at) FROM event_login WHERE character_id = ?", p.ID)
		alone, listed := mentions(messages, p.Name)
		n := alone + listed
		told += n
		switch {
		case alone > 1 || listed > 1:
			t.Errorf("%d messages about %s, and %d digests with that name", alone, p.Name, listed)
		case n == 1 && !first.Valid:
			t.Errorf("a message about %s, of whom no login is stored", p.Name)
		case n == 0 && first.Valid && first.Int64 >= at.Unix():
			state := columns[string](t, db, "SELECT state || ' ' || reason FROM alerts WHERE character_id = ?", p.ID)
			t.Errorf("no message about %s, who came at %d; alerts: %q", p.Name, first.Int64, state)
		}
	}
	if told == 0 {
		t.Error("nobody was told of anything")
	}
	t.Logf("%d friends came, %d messages", len(c.ordered), told)
}

// mentions returns how many messages are about one character, and how many
// digests have a line about it: a digest lists whoever was told of in the minute
// before it, too.
func mentions(messages []discord.Message, name string) (alone, listed int) {
	named := func(text string) bool {
		return strings.Contains(strings.ReplaceAll(text, "] ", "**"), "**"+name+"**")
	}
	for _, m := range messages {
		switch {
		case named(m.Content) && (strings.Contains(m.Content, " is online") || strings.Contains(m.Content, " was online")):
			alone++
		case len(m.Embeds) > 0 && strings.Contains(m.Embeds[0].Title, "came online") && named(m.Embeds[0].Description):
			listed++
		}
	}
	return alone, listed
}

// columns returns the one column that text selects.
func columns[T any](t testing.TB, db *sql.DB, text string, args ...any) (all []T) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// one returns the one value that text selects.
func one[T any](t testing.TB, db *sql.DB, text string, args ...any) T {
	t.Helper()
	all := columns[T](t, db, text, args...)
	if len(all) != 1 {
		t.Fatalf("%s: %d rows, want one", text, len(all))
	}
	return all[0]
}

// A machine that stands still for longer than a busy world is ever silent, as one that is
// moved to another host, finds all that came meanwhile in its connection.
func TestSuspendedForLongerThanAWorldIsSilentNothingIsLost(t *testing.T) {
	world := startGame(t, func(c *game.Config) {
		c.EventsPerSecond, c.Deliveries, c.Players, c.Worlds = 300, true, 3000, []string{"10"}
	})
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	m := start(t, "muster", settings(database, world), "all")
	feed := follow(t, page(t, m.err), "")
	feed.wait(t, 100)
	began := time.Now()
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := m.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	flows := func(n int64) {
		t.Helper()
		from := world.State().Emitted
		until(t, "the game goes on", func() bool { return world.State().Emitted >= from+n })
	}
	flows(1500) // of so many players that the world counts as a busy one
	signal(syscall.SIGSTOP)
	flows(2400) // such a one is silent after 5 s
	signal(syscall.SIGCONT)
	flows(900) // that it is not silent is judged by then
	world.Pause()
	all := happened(t, world)
	feed.wait(t, 3000) // by then the rest is on its way, and a drain lets it out
	signal(syscall.SIGTERM)
	if err := m.wait(t); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}

	stored := storedKeys(t, database)
	for key, e := range all {
		if n := stored[key]; n != 1 && e.ReceivedAt.After(began) {
			t.Errorf("stored %d times: %+v", n, e)
		}
	}
	if n := len(world.Deliveries()); n != 1 {
		t.Errorf("%d connections to the game, want the one: %s", n, m.err)
	}
	for _, g := range holes(t, database) {
		if g.To.After(began) {
			t.Errorf("a hole from %s to %s", g.From, g.To)
		}
	}
}
