package redis_test

import (
	"testing"
	"time"

	"muster/internal/cutproxy"
	"muster/lease"
	"muster/lease/redis"
)

const ttl = 3 * time.Second // the default

// A node is one process's locker, and its way to each server.
type node struct {
	*redis.Locker
	ways []*cutproxy.Proxy
}

func (n *node) set(m cutproxy.Mode, servers ...int) {
	for _, i := range servers {
		n.ways[i].Set(m)
	}
}

// nodes returns two lockers of one service, each behind proxies of its own.
func nodes(t *testing.T) (a, b *node, cfg redis.Config) {
	t.Helper()
	cfg = redis.Config{Terms: &terms{}, Prefix: prefix(t)}
	list := make([]*node, 2)
	for i := range list {
		list[i] = newNode(t, cfg, "tcp", addrs(t))
	}
	return list[0], list[1], cfg
}

func newNode(t *testing.T, cfg redis.Config, network string, servers []string) *node {
	t.Helper()
	n := &node{}
	cfg.URLs = nil
	for _, addr := range servers {
		p := cutproxy.New(t, network, addr)
		n.ways = append(n.ways, p)
		cfg.URLs = append(cfg.URLs, urls(p.Addr())...)
	}
	n.Locker = mustOpen(t, cfg)
	return n
}

// lead acquires for n and acts until the lease ends.
func (h *history) lead(t *testing.T, who string, n lease.Locker) lease.Lease {
	t.Helper()
	l := mustAcquire(t, n, "x")
	go h.act(t, who, l)
	return l
}

// follow is lead in the background, whenever n gets the lease.
func (h *history) follow(t *testing.T, who string, n lease.Locker) <-chan lease.Lease {
	got, acting := later(t, n, "x"), make(chan lease.Lease, 1)
	go func() {
		select {
		case l := <-got:
			acting <- l
			h.act(t, who, l)
		case <-t.Context().Done():
		}
	}()
	return acting
}

// quiet waits for some times the TTL, in which l must last and nobody get in.
func quiet(t *testing.T, times int, l lease.Lease, got <-chan lease.Lease) {
	t.Helper()
	var lost <-chan struct{}
	if l != nil {
		lost = l.Lost()
	}
	select {
	case <-lost:
		t.Fatal("the leader lost the lease")
	case other := <-got:
		t.Fatalf("another leads with term %d", other.Term())
	case <-time.After(time.Duration(times) * ttl):
	}
	if l != nil && !lease.Held(l) {
		t.Fatal("the leader lost the lease, and was not told")
	}
}

func TestOneServerOfThreeMayFail(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]cutproxy.Mode{"hung": cutproxy.Hang, "cut": cutproxy.Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, _ := nodes(t)
			h := newHistory()
			first := h.lead(t, "a", a)
			got := h.follow(t, "b", b)
			a.set(m, 1)
			b.set(m, 1)
			quiet(t, 2, first, got)
			began := time.Now()
			first.Release()
			second := mustGet(t, got)
			t.Logf("handed over in %v", time.Since(began).Round(time.Millisecond))
			a.set(cutproxy.Pass, 1)
			b.set(cutproxy.Pass, 1)
			third := h.follow(t, "a", a)
			quiet(t, 1, second, third)
			b.Release(t, second)
			mustGet(t, third)
			h.check(t)
		})
	}
}

// Release releases l.
func (*node) Release(t *testing.T, l lease.Lease) {
	t.Helper()
	l.Release()
	if lease.Held(l) {
		t.Error("held after Release")
	}
}

func TestWithoutAMajorityNobodyLeads(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]cutproxy.Mode{"hung": cutproxy.Hang, "cut": cutproxy.Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, _ := nodes(t)
			h := newHistory()
			first := h.lead(t, "a", a)
			got := h.follow(t, "b", b)
			a.set(m, 0, 2)
			b.set(m, 0, 2)
			began := time.Now()
			mustEnd(t, first)
			t.Logf("stepped down after %v", time.Since(began).Round(time.Millisecond))
			quiet(t, 2, nil, got)
			a.set(cutproxy.Pass, 0, 2)
			b.set(cutproxy.Pass, 0, 2)
			second := mustGet(t, got)
			if second.Term() <= first.Term() {
				t.Errorf("term %d after %d", second.Term(), first.Term())
			}
			h.check(t)
		})
	}
}

func TestALeaderThatIsCutOffMakesWay(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]cutproxy.Mode{"hung": cutproxy.Hang, "cut": cutproxy.Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, _ := nodes(t)
			h := newHistory()
			first := h.lead(t, "a", a)
			got := h.follow(t, "b", b)
			a.set(m, 0, 1, 2)
			began := time.Now()
			second := mustGet(t, got)
			t.Logf("taken over after %v", time.Since(began).Round(time.Millisecond))
			if lease.Held(first) {
				t.Error("two leaders")
			}
			a.set(cutproxy.Pass, 0, 1, 2)
			quiet(t, 1, second, later(t, a, "x"))
			h.check(t)
		})
	}
}

func TestAServerThatLostItsDataLetsNobodyIn(t *testing.T) {
	t.Parallel()
	a, b, cfg := nodes(t)
	h := newHistory()
	first := h.lead(t, "a", a)
	got := h.follow(t, "b", b)
	for _, addr := range addrs(t) {
		c, key := client(t, addr), cfg.Prefix+"x"
		eventually(t, func() bool { return c.Exists(t.Context(), key).Val() == 1 }, "the key is there")
		want := c.Get(t.Context(), key).Val()
		if err := c.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return c.Get(t.Context(), key).Val() == want }, "the leader has set it again")
	}
	quiet(t, 1, first, got)
	h.check(t)
}

func TestAServerThatFailsIsToldOfOnce(t *testing.T) {
	t.Parallel()
	log := &logbook{}
	n := newNode(t, redis.Config{Terms: &terms{}, Prefix: prefix(t), Log: log.logger()}, "tcp", addrs(t))
	held := mustAcquire(t, n, "x")
	n.set(cutproxy.Cut, 1)
	other := mustAcquire(t, n, "y")
	quiet(t, 2, held, nil)
	if !lease.Held(other) {
		t.Error("lost one of two leases")
	}
	// The others may be late for once on a busy machine: only this one counts.
	if got := log.count(`msg="lease server does not serve" server=` + n.ways[1].Addr()); got != 1 {
		t.Errorf("told %d times that the server is gone", got)
	}
	n.set(cutproxy.Pass, 1)
	eventually(t, func() bool { return log.has("serves again") }, "the log says that it is back")
}

// eventually waits until ok says so.
func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	limit, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("gave up before %s", what)
		}
	}
}

func TestReleaseHandsOver(t *testing.T) {
	t.Parallel()
	a, b, _ := nodes(t)
	var sum, most time.Duration
	const turns = 20
	for i := range turns {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		l := mustAcquire(t, from, "x")
		got := later(t, to, "x")
		quietFor(t, 300*time.Millisecond, got)
		began := time.Now()
		l.Release()
		mustGet(t, got).Release()
		sum, most = sum+time.Since(began), max(most, time.Since(began))
	}
	t.Logf("handed over in %v on average, %v at most", (sum / turns).Round(time.Millisecond), most.Round(time.Millisecond))
}

func quietFor(t *testing.T, d time.Duration, got <-chan lease.Lease) {
	t.Helper()
	select {
	case <-got:
		t.Fatal("two leaders")
	case <-time.After(d):
	}
}
