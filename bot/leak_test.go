package bot

import (
	"bytes"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"muster/sim/discord"
)

// TestLostConnectionsLeaveNothingBehind counts discordgo's goroutines: it must
// not run beside tests that have sessions of their own.
func TestLostConnectionsLeaveNothingBehind(t *testing.T) {
	sim, err := discord.New(discord.Config{Token: canary, IdentifyEvery: -1, HeartbeatInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	defer sim.Close()
	for _, f := range []discord.Fault{
		{Kind: discord.FaultReconnect, At: discord.AtIdentify, Count: 3},
		{Kind: discord.FaultSilence, At: discord.AtHello, Count: 3},
		{Kind: discord.FaultInvalid, At: discord.AtReady, Count: 3},
		{Kind: discord.FaultDrop, At: discord.AtReady, Count: 5},
	} {
		if _, err := sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	store := newFakeStore()
	bot, err := New(Config{
		Token: canary, URL: server.URL, Store: store, Directory: &fakeDirectory{store: store}, Bus: &fakeBus{},
		IdentifyEvery: time.Millisecond, ReconnectMin: time.Millisecond, ReconnectMax: 2 * time.Millisecond,
		OpenTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, sim: sim, logs: &syncBuffer{}, bot: bot}
	s := &supervisor{b: bot, set: bot.shards, shards: 1}
	done := make(chan error, 1)
	ctx := b.ctx()
	go func() { done <- s.run(ctx) }()
	b.until("all faults are over", func() bool { return len(sim.Faults()) == 0 })
	b.until("one session is left", func() bool { return sim.Stats().Connected == 1 })
	// discordgo's Close sleeps for a second.
	b.until("the goroutines of one session are left", func() bool {
		n := sessionGoroutines(t)
		return strings.Count(n, "discordgo.(*Session).listen(") == 1 &&
			strings.Count(n, "discordgo.(*Session).heartbeat(") == 1 && !strings.Contains(n, "discordgo.(*Session).Open(")
	})
}

// sessionGoroutines returns the stacks of all goroutines, one paragraph each.
func sessionGoroutines(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
