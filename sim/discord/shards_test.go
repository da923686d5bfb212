package discord_test

import (
	"testing"

	"muster/sim/discord"
)

// as identifies for shard i of n, and returns what comes.
func (c *client) as(i, n int) (packet, int) {
	c.t.Helper()
	c.want(10, "")
	c.send(2, identity(func(d map[string]any) { d["shard"], d["intents"] = [2]int{i, n}, 0 }))
	return c.read()
}

func TestMoreShardsMayBeAskedForWhileItRuns(t *testing.T) {
	s := start(t, nil)
	first := dial(t, s)
	if p, code := first.as(0, 1); p.Type != "READY" {
		t.Fatalf("got %s, code %d", p.Type, code)
	}
	s.SetShards(2)
	if got := call(t, s, "GET", "/gateway/bot", nil).body["shards"]; got != 2.0 {
		t.Errorf("recommends %v", got)
	}
	if _, code := dial(t, s).as(0, 1); code != 4011 {
		t.Errorf("one of one is closed with %d", code)
	}
	if p, code := dial(t, s).as(0, 2); p.Type != "READY" {
		t.Errorf("one of two gets %s, code %d", p.Type, code)
	}
	first.send(1, 1)
	first.want(11, "") // what stands goes on
}

func TestShardsThatAreHeldTwiceAreCounted(t *testing.T) {
	s := start(t, nil)
	clients := []*client{dial(t, s), dial(t, s), dial(t, s), dial(t, s)}
	for i, shard := range [][2]int{{0, 2}, {1, 2}, {0, 2}, {0, 3}} {
		if p, code := clients[i].as(shard[0], shard[1]); p.Type != "READY" {
			t.Fatalf("got %s, code %d", p.Type, code)
		}
	}
	if n := s.Stats().Overlaps; n != 1 {
		t.Errorf("%d overlaps, want that of the third", n)
	}
	_ = clients[1].ws.Close()
	eventually(t, "the second is gone", func() bool { return s.Stats().Connected == 3 })
	if p, code := dial(t, s).as(1, 2); p.Type != "READY" {
		t.Fatalf("got %s, code %d", p.Type, code)
	}
	if n := s.Stats().Overlaps; n != 1 {
		t.Errorf("%d overlaps after one that took the place of another", n)
	}
}

func TestAFaultMayBeOneShards(t *testing.T) {
	one := 1
	s := start(t, nil)
	for _, at := range []string{discord.AtConnect, discord.AtHello} {
		if _, err := s.AddFault(discord.Fault{Kind: discord.FaultDrop, At: at, Shard: &one}); err == nil {
			t.Errorf("a fault of a shard at %s was taken", at)
		}
	}
	for _, at := range []string{discord.AtIdentify, discord.AtReady} {
		if _, err := s.AddFault(discord.Fault{Kind: discord.FaultInvalid, At: at, Shard: &one, Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	other := dial(t, s)
	if p, code := other.as(0, 2); p.Type != "READY" {
		t.Errorf("shard 0 gets %s, code %d", p.Type, code)
	}
	if p, _ := dial(t, s).as(1, 2); p.Op != 9 {
		t.Errorf("shard 1 gets op %d where READY is expected", p.Op)
	}
	sick := dial(t, s)
	if p, _ := sick.as(1, 2); p.Type != "READY" {
		t.Errorf("shard 1 gets op %d, then", p.Op)
	}
	sick.want(9, "")
	sound := dial(t, s)
	if p, _ := sound.as(1, 2); p.Type != "READY" {
		t.Errorf("shard 1 gets op %d after its faults", p.Op)
	}
	if _, err := s.AddFault(discord.Fault{Kind: discord.FaultClose, Code: 4000, Shard: &one}); err != nil {
		t.Fatal(err)
	}
	sound.wantClose(4000)
	other.send(1, 1)
	other.want(11, "")
}
