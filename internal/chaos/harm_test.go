package chaos

import (
	"strings"
	"time"

	"muster/internal/cutproxy"
	"muster/internal/testservers"
)

// hold lets a blow last.
func hold(d time.Duration) { <-time.After(d) }

// A blow is one way to harm something for a time.
type blow struct {
	name string
	node func(c *cluster, n *node, d time.Duration)
	// server harms one server; to begins the names of the ways that lead to it.
	server func(c *cluster, s *testservers.Server, to string, d time.Duration)
}

// How long what is killed or cut stays away. A supervisor takes about as long.
const (
	deadFor = 5 * time.Second
	cutFor  = 5 * time.Second
)

// blows are done to everything there is. d is how long one is to last that is not
// over by itself.
var blows = []blow{
	{"killed",
		func(c *cluster, n *node, _ time.Duration) {
			n.Kill(c.t)
			hold(deadFor)
			n.Start(c.t)
		},
		func(c *cluster, s *testservers.Server, _ string, _ time.Duration) {
			s.Kill(c.t)
			hold(deadFor)
			s.Start(c.t)
		}},
	{"suspended",
		func(c *cluster, n *node, d time.Duration) {
			n.Pause(c.t)
			hold(d)
			n.Resume(c.t)
		},
		func(c *cluster, s *testservers.Server, _ string, d time.Duration) {
			s.Pause(c.t)
			hold(d)
			s.Resume(c.t)
			s.Await(c.t)
		}},
	{"cut off",
		func(_ *cluster, n *node, _ time.Duration) {
			n.set(cutproxy.Cut)
			hold(cutFor)
			n.set(cutproxy.Pass)
		},
		func(c *cluster, _ *testservers.Server, to string, _ time.Duration) {
			c.setWays(to, cutproxy.Cut)
			hold(cutFor)
			c.setWays(to, cutproxy.Pass)
		}},
	{"in a black hole",
		func(_ *cluster, n *node, d time.Duration) {
			n.set(cutproxy.Swallow)
			hold(d)
			n.set(cutproxy.Pass)
		},
		func(c *cluster, _ *testservers.Server, to string, d time.Duration) {
			c.setWays(to, cutproxy.Swallow)
			hold(d)
			c.setWays(to, cutproxy.Pass)
		}},
}

// setWays does the same to everybody's ways whose names begin with to.
func (c *cluster) setWays(to string, m cutproxy.Mode) {
	for _, n := range c.nodes {
		for name, p := range n.ways {
			if strings.HasPrefix(name, to) {
				p.Set(m)
			}
		}
	}
}

// unread is how long before a blow a listener may have been sent what it had not read
// yet.
const unread = 2 * time.Second

// otherHears waits until the other listener surely has what n may not have read: it was
// mended that long ago, and has been connected since.
func (c *cluster) otherHears(n *node) {
	other := c.listeners.other(n)
	if all := c.harm[other.name]; len(all) > 0 {
		hold(time.Until(all[len(all)-1].to.Add(unread)))
	}
	until(c.t, other.name+" has followed the game for a while", func() bool {
		for _, d := range c.world.Deliveries() {
			if d.ServiceID == other.name && d.ClosedAt.IsZero() && len(d.Events) > 0 {
				return time.Since(d.OpenedAt) > 2*unread
			}
		}
		return false
	})
}

// strike harms a node, and keeps account of what that means for others.
func (c *cluster) strike(n *node, what func()) {
	if n.role == "listener" {
		c.otherHears(n)
	}
	began := time.Now()
	reign := c.reignOf(n)
	n.away = true
	if reign != nil {
		reign.harm(n)
	}
	i := len(c.harm[n.name])
	if n.role == "listener" {
		c.harm[n.name] = append(c.harm[n.name], trouble{from: began.Add(-unread)})
	}
	what()
	n.away = false
	if reign != nil {
		reign.mend(n)
	}
	if n.role == "listener" {
		c.awaitStream(n)
		c.harm[n.name][i].to = time.Now()
	}
}

// strikeStream harms a listener's connection to the game and nothing else.
func (c *cluster) strikeStream(n *node, what func()) {
	c.otherHears(n)
	began := time.Now()
	i := len(c.harm[n.name])
	c.harm[n.name] = append(c.harm[n.name], trouble{from: began.Add(-unread)})
	old := c.connection(n)
	what()
	until(c.t, n.name+" is connected to the game anew", func() bool { return c.connection(n) != old })
	c.awaitStream(n)
	c.harm[n.name][i].to = time.Now()
}

func (c *cluster) reignOf(n *node) *reign {
	switch n.role {
	case "listener":
		return &c.listeners
	case "roster":
		return &c.rosters
	}
	return nil
}

// awaitStream waits until events go to a listener.
func (c *cluster) awaitStream(n *node) {
	until(c.t, n.name+" follows the game", func() bool {
		for _, d := range c.world.Deliveries() {
			if d.Connection == c.connection(n) {
				return len(d.Events) > 0
			}
		}
		return false
	})
}
