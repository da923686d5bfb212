package chaos

import (
	"time"

	"muster/internal/cutproxy"
	"muster/internal/testservers"
	"muster/sim/game"
)

// A scenario is one case of the matrix.
type scenario struct {
	name  string
	clock bool // needs programs whose clock can be stepped
	// harm does what the name says, and undoes it. d is how long a blow lasts.
	harm func(c *cluster, d time.Duration)
}

// roles are the nodes that are harmed, one of each sort.
var roles = []struct {
	name string
	pick func(c *cluster) *node
}{
	{"the leading listener", func(c *cluster) *node { return c.listeners.await(c.t) }},
	{"the listener that stands by", func(c *cluster) *node { return c.listeners.other(c.listeners.await(c.t)) }},
	{"the leading roster", func(c *cluster) *node { return c.rosters.await(c.t) }},
	{"a dispatcher", func(c *cluster) *node { return c.node("dispatcher-1") }},
	{"a notifier", func(c *cluster) *node { return c.node("notifier-1") }},
	{"the bot", func(c *cluster) *node { return c.node("bot-1") }},
}

// servers are those that are harmed.
var servers = []struct {
	name, to string
	pick     func(c *cluster) *testservers.Server
}{
	{"the broker", "broker", func(c *cluster) *testservers.Server { return c.broker.Server }},
	{"the database", "db", func(c *cluster) *testservers.Server { return c.db.Server }},
	{"one Redis of three", "redis1", func(c *cluster) *testservers.Server { return c.redis[0].Server }},
}

// inShort are the cases of the short form, in their order.
var inShort = []string{
	"the leading listener is killed",
	"a dispatcher is killed",
	"a notifier is killed",
	"the broker is killed",
	"the leading listener is suspended",
	"the bot is killed",
	"the database is in a black hole",
	"two Redis of three are killed",
}

// clockSteps are done to the clock of one process, and undone.
var clockSteps = []struct {
	name string
	by   time.Duration
}{{"ahead", 2 * time.Minute}, {"back", -2 * time.Minute}}

// scenarios returns the whole matrix.
func scenarios() (all []scenario) {
	for _, r := range roles {
		for _, b := range blows {
			all = append(all, scenario{name: r.name + " is " + b.name, harm: func(c *cluster, d time.Duration) {
				n := r.pick(c)
				c.strike(n, func() { b.node(c, n, d) })
			}})
		}
	}
	for _, s := range servers {
		for _, b := range blows {
			all = append(all, scenario{name: s.name + " is " + b.name, harm: func(c *cluster, d time.Duration) {
				b.server(c, s.pick(c), s.to, d)
			}})
		}
	}
	for _, r := range roles {
		for _, step := range clockSteps {
			all = append(all, scenario{name: r.name + "'s clock is set " + step.name, clock: true, harm: func(c *cluster, d time.Duration) {
				n := r.pick(c)
				setClock(c.t, n.clock, step.by)
				hold(d)
				setClock(c.t, n.clock, 0)
			}})
		}
	}
	return append(all, others...)
}

var others = []scenario{
	{name: "the leader's connection to the game is cut", harm: func(c *cluster, _ time.Duration) {
		n := c.listeners.await(c.t)
		c.strikeStream(n, n.ways["game"].Cut)
	}},
	{name: "the leader's connection to the game is in a black hole", harm: func(c *cluster, d time.Duration) {
		n := c.listeners.await(c.t)
		c.strikeStream(n, func() {
			n.ways["game"].Set(cutproxy.Swallow)
			hold(d)
			n.ways["game"].Set(cutproxy.Pass)
		})
	}},
	{name: "the broker is restarted", harm: func(c *cluster, _ time.Duration) { c.broker.Restart(c.t) }},
	{name: "the database is restarted", harm: func(c *cluster, _ time.Duration) { c.db.Restart(c.t) }},
	{name: "two Redis of three are killed", harm: func(c *cluster, _ time.Duration) {
		c.redis[0].Kill(c.t)
		c.redis[1].Kill(c.t)
		hold(deadFor)
		testservers.Start(c.t, c.redis[0], c.redis[1])
	}},
	{name: "the leader hears nothing of one world", harm: func(c *cluster, d time.Duration) {
		c.muteLeader("10", max(d, worldSilence))
	}},
	{name: "the broker's disk is full", harm: func(c *cluster, d time.Duration) {
		c.broker.FillDisk(c.t)
		hold(d)
		c.broker.FreeDisk(c.t)
	}},
}

// worldSilence is in which a listener must notice that one world is silent for it alone.
const worldSilence = 25 * time.Second

// muteLeader keeps a world's events from the leader's connection, on which all else
// comes as before.
func (c *cluster) muteLeader(world string, d time.Duration) {
	n := c.listeners.await(c.t)
	f := game.Fault{Name: "silent_world", World: world, Connection: c.connection(n)}
	f, err := c.world.SetFault(f)
	if err != nil {
		c.t.Fatal(err)
	}
	hold(d)
	c.world.ClearFault(f.ID)
}

// connection returns the number of a listener's connection to the game.
func (c *cluster) connection(n *node) (id int64) {
	for _, d := range c.world.Deliveries() {
		if d.ServiceID == n.name && d.ClosedAt.IsZero() {
			id = d.Connection
		}
	}
	return id
}
