package bot

import (
	"fmt"
	"testing"
	"time"

	"muster/sim/discord"
)

func TestTheBotComesBackFromEveryIllness(t *testing.T) {
	tests := []struct {
		name  string
		fault discord.Fault
	}{
		{"silence before hello", discord.Fault{Kind: discord.FaultSilence, At: discord.AtConnect}},
		{"silence after hello", discord.Fault{Kind: discord.FaultSilence, At: discord.AtHello}},
		{"op 7 before hello", discord.Fault{Kind: discord.FaultReconnect, At: discord.AtConnect}},
		{"op 7 where ready is expected", discord.Fault{Kind: discord.FaultReconnect, At: discord.AtIdentify}},
		{"op 7 after ready", discord.Fault{Kind: discord.FaultReconnect, At: discord.AtReady}},
		{"op 9 without resume where ready is expected", discord.Fault{Kind: discord.FaultInvalid, At: discord.AtIdentify}},
		{"op 9 with resume after ready", discord.Fault{Kind: discord.FaultInvalid, At: discord.AtReady, Resumable: true}},
		{"drop before hello", discord.Fault{Kind: discord.FaultDrop, At: discord.AtConnect}},
		{"drop after ready", discord.Fault{Kind: discord.FaultDrop, At: discord.AtReady}},
		{"refused handshake", discord.Fault{Kind: discord.FaultRefuse, At: discord.AtConnect}},
		{"gateway address gives 502", discord.Fault{Kind: discord.FaultStatus, Status: 502, Route: "GET /gateway"}},
		{"gateway address resets", discord.Fault{Kind: discord.FaultReset, Route: "GET /gateway/bot"}},
	}
	for _, code := range []int{4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009} {
		for _, at := range []string{discord.AtIdentify, discord.AtReady} {
			tests = append(tests, struct {
				name  string
				fault discord.Fault
			}{fmt.Sprintf("close %d at %s", code, at), discord.Fault{Kind: discord.FaultClose, Code: code, At: at}})
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(c *discord.Config) { c.InteractionDeadline = 300 * time.Millisecond })
			tt.fault.Count = 2
			b.fault(tt.fault)
			b.start(func(c *Config) { c.OpenTimeout = 300 * time.Millisecond })
			b.until("the fault has struck twice and is over", func() bool { return len(b.sim.Faults()) == 0 })
			b.until("the bot answers again", func() bool {
				a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/help"})
				return err == nil && a.Message != nil
			})
		})
	}
}

func TestFatalCloseCodesEndTheRole(t *testing.T) {
	for code, reason := range fatalCodes {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			b := newBench(t, nil)
			b.fault(discord.Fault{Kind: discord.FaultClose, Code: code, At: discord.AtReady})
			b.start(nil)
			fatal := b.ends()
			if fatal == nil || fatal.Code != code || fatal.Reason != reason {
				t.Fatalf("ended with %v, want code %d", fatal, code)
			}
			if n := b.sim.Stats().Identifies; n != 1 {
				t.Errorf("%d identifies, want 1", n)
			}
		})
	}
}

// ends waits for the role to end.
func (b *bench) ends() *FatalError {
	b.t.Helper()
	select {
	case err := <-b.ended:
		b.ended <- err
		return fatalOf(err)
	case <-time.After(patience):
		b.t.Fatal("the bot goes on")
		return nil
	}
}

func TestAnInvalidTokenEndsTheRoleAndAllRequests(t *testing.T) {
	b := newBench(t, func(c *discord.Config) { c.Token = "another" })
	b.store.queue(ana, friend, "friend")
	b.start(nil)
	fatal := b.ends()
	if fatal == nil || fatal.Code != 401 {
		t.Fatalf("ended with %v", fatal)
	}
	wants(t, fatal.Error(), "token is not valid")
	before := b.sim.Stats().Requests
	if before > 3 {
		t.Errorf("%d requests with a token that is refused", before)
	}
}

func TestManyDropsInARowCostOneIdentifyEach(t *testing.T) {
	const drops = 20
	b := newBench(t, nil)
	b.fault(discord.Fault{Kind: discord.FaultDrop, At: discord.AtReady, Count: drops})
	b.start(nil)
	b.until("all drops are over", func() bool { return len(b.sim.Faults()) == 0 })
	b.ready()
	if n := b.sim.Stats().Identifies; n != drops+1 {
		t.Errorf("%d identifies for %d drops", n, drops)
	}
}

func TestUnansweredHeartbeatsEndTheConnection(t *testing.T) {
	b := newBench(t, func(c *discord.Config) { c.HeartbeatInterval = 100 * time.Millisecond })
	b.fault(discord.Fault{Kind: discord.FaultNoAck, At: discord.AtConnect, Count: 1})
	b.start(nil)
	b.until("there is a second connection", func() bool { return b.sim.Stats().Connections >= 2 })
	b.ready()
}

func TestTheDaysIdentifiesAreNotUsedUp(t *testing.T) {
	b := newBench(t, func(c *discord.Config) { c.IdentifiesADay = 15 })
	b.fault(discord.Fault{Kind: discord.FaultDrop, At: discord.AtReady})
	b.start(nil)
	b.until("the bot waits for the next day", func() bool {
		s := b.logs.String()
		return len(s) > 0 && contains(s, "session starts are used up")
	})
	if n := b.sim.Stats().Identifies; n > 15 {
		t.Errorf("%d identifies of 15: the token would be reset", n)
	}
}

func TestStoppingSaysGoodbye(t *testing.T) {
	b := newBench(t, nil)
	b.start(nil)
	b.ready()
	b.stop()
	b.until("the session is gone", func() bool { return b.sim.Stats().Connected == 0 })
	select {
	case err := <-b.ended:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		b.ended <- err
	case <-time.After(patience):
		t.Fatal("the bot does not stop")
	}
}
