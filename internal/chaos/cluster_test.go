package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/alert"
	"muster/internal/cutproxy"
	"muster/internal/testservers"
	"muster/sim/discord"
	"muster/sim/game"
	"muster/storage"
)

// rate is how many events of fighting the game sends, a second.
const rate = 300

// worlds are those with life in them.
var worlds = []string{"1", "10"}

// A cluster is everything: servers, simulators, all roles, and readers of the feed.
type cluster struct {
	t      *testing.T
	db     *testservers.MariaDB
	broker *testservers.RabbitMQ
	redis  [3]*testservers.Redis
	world  *game.Server
	people *discord.Server

	nodes     []*node
	listeners reign
	rosters   reign
	readers   []*reader
	members   []member
	linked    int64 // the journal's number when the members' friends were known

	late leniency
	from int64  // the game second from which nothing was judged yet
	last window // what was judged last

	history history
	record  record
	harm    troubles
}

// raise starts a whole cluster of programs that are built with extra arguments.
func raise(t *testing.T, extra ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, harm: troubles{}, late: lenient}
	binary := make(chan string, 1)
	go func() { binary <- build(t, extra...) }()
	c.startServers()
	c.startWorld()
	path := <-binary
	if path == "" {
		t.FailNow()
	}
	c.makeNodes(path)
	c.startNodes(path)
	c.links()
	return c
}

// build makes the program as it is shipped, without the race detector, but for a
// clock that can be stepped, if extra says so.
func build(t *testing.T, extra ...string) string {
	path := filepath.Join(t.TempDir(), "muster")
	args := slices.Concat([]string{"build"}, extra, []string{"-o", path, "muster/cmd/muster"})
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("build: %v\n%s", err, out)
		return ""
	}
	return path
}

func (c *cluster) startServers() {
	t := c.t
	c.db = testservers.NewMariaDB(t, testservers.MariaDBConfig{})
	c.broker = testservers.NewRabbitMQ(t, testservers.RabbitMQConfig{})
	for i := range c.redis {
		c.redis[i] = testservers.NewRedis(t, testservers.RedisConfig{})
	}
	testservers.Start(t, c.db, c.broker, c.redis[0], c.redis[1], c.redis[2])
	c.db.Exec(t, "CREATE DATABASE muster")
	db, err := sql.Open("mysql", c.db.DSN("muster"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c.record = record{db}
}

// startWorld starts the game, silent at first, and Discord.
func (c *cluster) startWorld() {
	t := c.t
	cfg := game.DefaultConfig()
	cfg.Environments, cfg.Worlds = []string{"ps2"}, worlds
	cfg.Players, cfg.Deliveries = 600, true
	cfg.EventsPerSecond = 0
	cfg.PresenceEvery = 200 * time.Millisecond
	var err error
	if c.world, err = game.New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := c.world.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.world.Close() })
	c.history.world, c.history.alive = c.world, map[string]bool{}
	people := discord.DefaultConfig()
	people.Token = "token-of-the-test"
	if shared := os.Getenv("MUSTER_SHARED"); shared != "" {
		people.OpenAPIPath = filepath.Join(shared, "discord-openapi.json")
	}
	if c.people, err = discord.New(people); err != nil {
		t.Fatal(err)
	}
	if err := c.people.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.people.Close() })
}

// makeNodes lays out who runs, each with ways of its own.
func (c *cluster) makeNodes(binary string) {
	for _, name := range []string{"listener-1", "listener-2", "roster-1", "roster-2", "dispatcher-1", "dispatcher-2",
		"notifier-1", "notifier-2", "bot-1"} {
		role, _, _ := strings.Cut(name, "-")
		ways := map[string]*cutproxy.Proxy{}
		way := func(to, addr string) *cutproxy.Proxy {
			ways[to] = cutproxy.New(c.t, "tcp", addr)
			return ways[to]
		}
		var leases []string
		for i, r := range c.redis {
			leases = append(leases, way(fmt.Sprint("redis", i+1), r.Addr()).URL(r.URL()))
		}
		clock := newClock(c.t)
		toGame := way("game", c.world.Addr())
		env := []string{
			"MUSTER_BUS_URL=" + way("broker", c.broker.Addr()).URL(c.broker.URL()),
			"MUSTER_DATABASE_URL=mysql:" + way("db", c.db.Addr()).DSN(c.db.DSN("muster")),
			"MUSTER_LEASE_URLS=" + strings.Join(leases, ","),
			"MUSTER_GAME_STREAM_URL=" + toGame.URL(c.world.StreamURL()),
			"MUSTER_GAME_QUERY_URL=" + toGame.URL(c.world.QueryURL()),
			"MUSTER_GAME_SERVICE_ID=" + name,
			"MUSTER_GAME_WORLDS=" + strings.Join(worlds, ","),
			clockVariable + "=" + clock,
		}
		switch role {
		case "notifier":
			addr := fmt.Sprintf("127.0.0.1:%d", testservers.Port(c.t))
			way("page", addr)
			env = append(env, "MUSTER_HTTP_ADDR="+addr)
		case "bot":
			env = append(env, "MUSTER_DISCORD_URL="+way("discord", hostOf(c.t, c.people.URL())).URL(c.people.URL()),
				"MUSTER_DISCORD_TOKEN=token-of-the-test")
		}
		n := newNode(c.t, binary, name, role, env)
		n.ways, n.clock = ways, clock
		c.nodes = append(c.nodes, n)
	}
	c.listeners = reign{role: "listener", nodes: c.all("listener")}
	c.rosters = reign{role: "roster", nodes: c.all("roster")}
}

func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func (c *cluster) all(role string) (list []*node) {
	for _, n := range c.nodes {
		if n.role == role {
			list = append(list, n)
		}
	}
	return list
}

func (c *cluster) node(name string) *node {
	i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == name })
	return c.nodes[i]
}

// startNodes starts all roles, and lets the game begin once both listeners hear it.
func (c *cluster) startNodes(binary string) {
	t := c.t
	migrate := exec.CommandContext(t.Context(), binary, "migrate")
	migrate.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.nodes[0].env...)
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	all := make([]testservers.Startable, len(c.nodes))
	for i, n := range c.nodes {
		all[i] = n
	}
	testservers.Start(t, all...)
	until(t, "both listeners have subscribed", func() bool {
		n := 0
		for _, client := range c.world.State().Clients {
			if client.Events > 0 && client.Worlds > 0 {
				n++
			}
		}
		return n == 2
	})
	c.listeners.await(t)
	for i, n := range c.all("notifier") {
		other := c.all("notifier")[1-i]
		c.readers = append(c.readers, follow(t, n.name, "http://"+n.ways["page"].Addr(), "http://"+other.ways["page"].Addr()))
	}
	if err := c.world.SetRate(rate); err != nil {
		t.Fatal(err)
	}
}

// watchers is how many Discord users are told of friends.
const watchers = 8

// links gives Discord users a character each, and waits until their friends are known.
func (c *cluster) links() {
	t := c.t
	c.node("bot-1").log.find(t, time.Time{}, "commands registered")
	everyone := c.world.Everyone()
	names := map[string]string{}
	for _, p := range everyone {
		names[p.ID] = p.Name
	}
	slices.SortStableFunc(everyone, func(a, b game.Person) int { return len(b.Friends) - len(a.Friends) })
	for i, p := range everyone[:watchers] {
		user, err := c.people.AddUser(discord.User{Username: fmt.Sprintf("watcher%d", i+1)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		answer, err := c.people.Command(ctx, discord.CommandInput{User: user.ID, Text: "/link player:" + p.Name})
		cancel()
		if err != nil || answer.Message == nil || !strings.Contains(answer.Message.Content, "I watch the") {
			t.Fatalf("/link answers %+v: %v", answer, err)
		}
		c.plainly(user.ID)
		m := member{user: user, own: p.ID, friends: map[string]string{}}
		for _, id := range p.Friends {
			m.friends[id] = names[id]
		}
		c.members = append(c.members, m)
	}
	c.history.read(t)
	c.linked = c.history.last
}

// plainly has a user told of each coming by itself: what else people can ask for is
// tested elsewhere, and would need another oracle here.
func (c *cluster) plainly(user string) {
	t := c.t
	id, err := alert.ParseUserID(user)
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(t.Context(), "mysql:"+c.db.DSN("muster"), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := alert.DefaultSettings(id)
	s.Cooldown, s.Digest, s.Summary, s.EditOnLeave, s.UpdatedAt = 0, false, false, false, time.Now()
	if err := store.SaveSettings(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}
