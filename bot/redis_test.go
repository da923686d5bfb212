package bot

import (
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"muster/lease/redis"
)

// TestBotsShareTheShardsOverRedis has two bots whose leases are on the real servers: one
// joins, one ends, and a lease is lost.
func TestBotsShareTheShardsOverRedis(t *testing.T) {
	list := os.Getenv("MUSTER_TEST_REDIS_ADDRS")
	if list == "" {
		t.Skip("MUSTER_TEST_REDIS_ADDRS is not set: it names three Redis servers")
	}
	f := newFleet(t, fourGuilds)
	prefix := "test:" + strings.ToLower(rand.Text()) + ":"
	over := func() func(*Config) {
		l, err := redis.Open(t.Context(), redis.Config{URLs: strings.Split("redis://"+strings.ReplaceAll(list, ",", ",redis://"), ","),
			Terms: f.store, Prefix: prefix, TTL: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return func(c *Config) { c.Locker, c.LockerReady = l, l.Ready }
	}
	first, stopFirst := f.member(over())
	f.holds(map[*Bot]int{first: 4})
	f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
	second, _ := f.member(over())
	f.holds(map[*Bot]int{first: 2, second: 2})
	f.answers()
	began := time.Now()
	stopFirst()
	f.holds(map[*Bot]int{second: 4})
	t.Logf("all sessions stand %v after the end of the other bot", time.Since(began).Round(time.Millisecond))
	f.answers()
	third, _ := f.member(over())
	f.holds(map[*Bot]int{second: 2, third: 2})
	if n := f.sim.Stats().Overlaps; n != 0 {
		t.Errorf("%d sessions began beside another one of their shard", n)
	}
	// A stranger has one, as when this process had stood still: the session ends, and comes
	// again when the lease is free.
	for _, addr := range strings.Split(list, ",") {
		c := goredis.NewClient(&goredis.Options{Addr: addr})
		if err := errors.Join(c.Set(t.Context(), prefix+"bot.shard.4.3", "stranger", 3*time.Second).Err(), c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	f.until("its session is over", func() bool { return slices.Equal(sorted(f.sim.Shards()), [][2]int{{0, 4}, {1, 4}, {2, 4}}) })
	f.holds(map[*Bot]int{second: 2, third: 2})
	f.answers()
}
