package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage"
)

// shared returns the folder with the recordings.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("MUSTER_SHARED")
	if root == "" {
		t.Skip("MUSTER_SHARED is not set: it names the folder with census-samples, which are not part of the repository")
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

// startGame starts a game without a life of its own: only what a test sends.
func startGame(t testing.TB, change func(*game.Config)) *game.Server {
	t.Helper()
	cfg := game.DefaultConfig()
	cfg.EventsPerSecond = 0
	cfg.PresenceEvery, cfg.CaptureEvery, cfg.AlertEvery, cfg.LockEvery = 24*time.Hour, 24*time.Hour, 24*time.Hour, 24*time.Hour
	if change != nil {
		change(&cfg)
	}
	s, err := game.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func startDiscord(t testing.TB) *discord.Server {
	t.Helper()
	return startDiscordWith(t, func(*discord.Config) {})
}

func startDiscordWith(t testing.TB, change func(*discord.Config)) *discord.Server {
	t.Helper()
	cfg := discord.DefaultConfig()
	change(&cfg)
	cfg.Token = "token-of-the-test"
	if root := os.Getenv("MUSTER_SHARED"); root != "" {
		cfg.OpenAPIPath = filepath.Join(root, "discord-openapi.json")
	}
	s, err := discord.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// settings are the variables for a muster on the given game.
func settings(database string, world *game.Server, more ...string) []string {
	return append([]string{
		"MUSTER_DATABASE_URL=" + database,
		"MUSTER_GAME_STREAM_URL=" + world.StreamURL(), "MUSTER_GAME_QUERY_URL=" + world.QueryURL(),
		"MUSTER_GAME_SERVICE_ID=test",
		"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0",
	}, more...)
}

// page waits until muster runs and the game has confirmed its subscription, and
// returns the page's address.
func page(t testing.TB, err *output) string {
	t.Helper()
	addr := err.find(t, `muster runs.* page=(\S+)`)
	for env := range strings.SplitSeq(err.find(t, `environments="?\[([^\]]+)\]`), " ") {
		err.find(t, `stream state.* environment=`+env+` .*state=reconciling`)
	}
	return addr
}

// until polls for what has no other way to be waited for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so after %s: %s", patience, what)
		}
	}
}

// counts reads how many events of each kind a database holds.
func counts(t testing.TB, url string) map[event.Kind]int64 {
	t.Helper()
	s, err := storage.Open(t.Context(), url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n, err := s.CountEvents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sum(n map[event.Kind]int64) (all int64) {
	for _, v := range n {
		all += v
	}
	return all
}

func TestAFriendsLoginBecomesADirectMessageAndNobodyIsToldTwice(t *testing.T) {
	world, people := startGame(t, nil), startDiscord(t)
	database := "sqlite:" + filepath.Join(t.TempDir(), "muster.db")
	env := settings(database, world, "MUSTER_DISCORD_URL="+people.URL(), "MUSTER_DISCORD_TOKEN=token-of-the-test")
	m := runHere(t, env, "all")
	page(t, m.err)
	m.err.find(t, "commands registered")
	kestrel := person(t, world, "Kestrel")
	user := people.Users()[0].ID

	answer, err := people.Command(t.Context(), discord.CommandInput{User: user, Text: "/link player:Kestrel"})
	if err != nil || answer.Message == nil || !strings.Contains(answer.Message.Content, "linked") {
		t.Fatalf("/link answers %+v: %v", answer, err)
	}
	friend := offlineFriend(t, world, kestrel)
	begin := time.Now()
	if err := world.Login(friend.ID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told := func(msg discord.Message) bool {
		return strings.Contains(msg.Content, friend.Name) && strings.Contains(msg.Content, "online")
	}
	if _, err := people.WaitMessage(ctx, discord.MessageFilter{User: user}, told); err != nil {
		t.Fatalf("no message about %s: %v; there are %+v", friend.Name, err, people.DMs(user))
	}
	t.Logf("login to message: %s", time.Since(begin))

	// A relog is no news, and a restart finds nothing left to say.
	for _, act := range []func(string) error{world.Logout, world.Login} {
		if err := act(friend.ID); err != nil {
			t.Fatal(err)
		}
	}
	m.stop()
	m = runHere(t, env, "all")
	page(t, m.err)
	other := offlineFriend(t, world, kestrel)
	if err := world.Login(other.ID); err != nil {
		t.Fatal(err)
	}
	toldOther := func(msg discord.Message) bool { return strings.Contains(msg.Content, other.Name) }
	if _, err := people.WaitMessage(ctx, discord.MessageFilter{User: user}, toldOther); err != nil {
		t.Fatalf("no message about %s: %v", other.Name, err)
	}
	n := 0
	for _, msg := range people.DMs(user) {
		if told(msg) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d messages about %s, want 1", n, friend.Name)
	}
	if v := people.Violations(); len(v) > 0 {
		t.Errorf("Discord would refuse: %+v", v)
	}
}

func person(t testing.TB, world *game.Server, name string) game.Person {
	t.Helper()
	for _, p := range world.Characters(name) {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("the game has no %s", name)
	return game.Person{}
}

func offlineFriend(t testing.TB, world *game.Server, of game.Person) game.Person {
	t.Helper()
	for _, p := range world.Characters("") {
		for _, id := range of.Friends {
			if p.ID == id && !p.Online {
				return p
			}
		}
	}
	t.Fatalf("all friends of %s are online", of.Name)
	return game.Person{}
}

func TestMusterWithoutADiscordTokenRunsAgainstAGameInAnotherProcess(t *testing.T) {
	sim := start(t, "muster", nil, "sim", "game", "--addr=127.0.0.1:0", "--events=50")
	stream := sim.out.find(t, `MUSTER_GAME_STREAM_URL=(\S+)`)
	query := sim.out.find(t, `MUSTER_GAME_QUERY_URL=(\S+)`)
	m := start(t, "muster", []string{"MUSTER_GAME_STREAM_URL=" + stream, "MUSTER_GAME_QUERY_URL=" + query,
		"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0"}, "all")
	addr := m.err.find(t, `muster runs.* page=(\S+)`)
	admin := m.err.find(t, `muster runs.* admin=(\S+)`)
	if n := strings.Count(m.err.String(), "bot is off: no token is set (MUSTER_DISCORD_TOKEN)"); n != 1 {
		t.Errorf("it says %d times that the bot is off, want once:\n%s", n, m.err)
	}
	follow(t, addr, "").wait(t, 20)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		res, err := http.Get(admin + path)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v", path, res, err)
		}
		_ = res.Body.Close()
	}
}

func TestTheDemoShowsEventsAndSendsAMessage(t *testing.T) {
	m := runHere(t, []string{"MUSTER_HTTP_ADDR=127.0.0.1:0", "MUSTER_ADMIN_ADDR=127.0.0.1:0"},
		"demo", "--game=127.0.0.1:0", "--discord=127.0.0.1:0", "--events=60")
	addr := m.out.find(t, `page +(http://\S+?)/\n`)
	console := m.out.find(t, `stand-in Discord +(http://\S+?)/\n`)
	follow(t, addr, "world=10").wait(t, 5)
	user := firstUser(t, console)
	until(t, "the stand-in answers /link", func() bool {
		return strings.Contains(post(t, console+"/sim/command", map[string]string{"user": user, "text": "/link player:Kestrel"}), "linked")
	})
	until(t, "a friend comes on and a message says so", func() bool {
		return strings.Contains(get(t, console+"/sim/messages?user="+user), "is online on")
	})
	if code := m.stop(); code != exitOK {
		t.Errorf("exit status %d", code)
	}
}

func firstUser(t testing.TB, console string) string {
	t.Helper()
	var users []struct{ ID string }
	if err := json.Unmarshal([]byte(get(t, console+"/sim/users")), &users); err != nil || len(users) == 0 {
		t.Fatalf("users of the stand-in: %v", err)
	}
	return users[0].ID
}

func get(t testing.TB, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, res)
}

func post(t testing.TB, url string, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(url, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return body(t, res)
}

func body(t testing.TB, res *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	_, err := b.ReadFrom(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
