package bot

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/sim/discord"
)

// of fails unless every session is of n shards.
func (f *fleet) of(n int) {
	f.t.Helper()
	if list := f.sim.Shards(); slices.ContainsFunc(list, func(s [2]int) bool { return s[1] != n }) {
		f.t.Errorf("sessions %v, want those of %d shards only", list, n)
	}
}

func set(n int) func(*Config) { return func(c *Config) { c.Shards = n } }

// Bots that start one after another are set to different numbers, as in a deployment that
// is changed process by process.
func TestAllBotsGoByOneNumberOfShards(t *testing.T) {
	tests := []struct {
		name          string
		first, second int // as set; 0: the four that Discord recommends
		least         int // that Discord takes
		want          int
	}{
		{name: "more than recommended", second: 6, least: 4, want: 6},
		{name: "fewer than recommended", second: 2, least: 1, want: 2},
		{name: "more than before", first: 4, second: 6, least: 4, want: 6},
		{name: "fewer than before", first: 6, second: 4, least: 4, want: 4},
		{name: "as recommended after more", first: 6, least: 4, want: 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFleet(t, fourGuilds)
			first, _ := f.member(set(tt.first))
			f.holds(map[*Bot]int{first: max(tt.first, 4)})
			f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
			f.sim.SetShards(tt.least)
			if tt.second == 0 {
				f.sim.SetShards(4)
			}
			second, stopSecond := f.member(set(tt.second))
			f.holds(map[*Bot]int{first: tt.want / 2, second: tt.want / 2})
			f.of(tt.want)
			f.answers()
			stopSecond()
			f.holds(map[*Bot]int{first: tt.want}) // whatever the first was set to
			f.of(tt.want)
		})
	}
}

func TestDiscordWantingMoreShardsGetsThemFromAllBots(t *testing.T) {
	for name, number := range map[string]int{"as recommended": 0, "as set": 4} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, fourGuilds)
			first, _ := f.member(set(number))
			second, _ := f.member(set(number))
			f.holds(map[*Bot]int{first: 2, second: 2})
			f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
			f.sim.SetShards(6)
			f.answers() // nothing happens to sessions that stand
			f.of(4)
			f.fault(discord.Fault{Kind: discord.FaultReconnect}) // and with their next IDENTIFYs come 4011
			f.holds(map[*Bot]int{first: 3, second: 3})
			f.of(6)
			f.answers()
			if wrong := strings.Contains(f.logs.String(), "level=ERROR msg=\"discord wants more shards"); wrong != (number > 0) {
				t.Errorf("said to be an error of the setting: %t\n%s", wrong, f.logs)
			}
		})
	}
}

func TestALoneBotTakesMoreShardsToo(t *testing.T) {
	b := newBench(t, checked)
	b.start(nil)
	b.ready()
	b.sim.SetShards(3)
	b.fault(discord.Fault{Kind: discord.FaultReconnect})
	b.until("there are three sessions", func() bool {
		return slices.Equal(sorted(b.sim.Shards()), [][2]int{{0, 3}, {1, 3}, {2, 3}}) && b.bot.Ready(t.Context()) == nil
	})
	wants(t, b.run("/help"), "/watch add")
}

func sorted(list [][2]int) [][2]int {
	slices.SortFunc(list, func(a, b [2]int) int { return a[0] - b[0] })
	return list
}

func TestDropsOfOneShardLeaveTheOthersAlone(t *testing.T) {
	const drops = 20
	f := newFleet(t, fourGuilds)
	sick := 1
	f.fault(discord.Fault{Kind: discord.FaultDrop, At: discord.AtReady, Shard: &sick, Count: drops})
	first, _ := f.member(nil)
	f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
	f.until("half of the drops are over", func() bool {
		list := f.sim.Faults()
		return len(list) == 0 || list[0].Struck >= drops/2
	})
	for _, where := range []string{"", "room-0", "room-2", "room-3"} {
		wants(t, f.runIn(where, "/help"), "/watch add")
	}
	f.until("all drops are over", func() bool { return len(f.sim.Faults()) == 0 })
	f.holds(map[*Bot]int{first: 4})
	f.answers()
	if s := f.sim.Stats(); s.Identifies != drops+4 || s.Overlaps != 0 {
		t.Errorf("%d identifies for %d drops of one of four shards, %d sessions beside another", s.Identifies, drops, s.Overlaps)
	}
}

// All shards come back at once, again and again, until the day's budget is over: those
// that wait for their turn must see what the others have used.
func TestShardsTogetherDoNotUseUpTheDaysIdentifies(t *testing.T) {
	const day, shards = 60, 12
	f := newFleet(t, func(c *discord.Config) {
		fourGuilds(c)
		c.Shards, c.IdentifiesADay = shards, day
	})
	f.fault(discord.Fault{Kind: discord.FaultDrop, At: discord.AtReady})
	pace := func(c *Config) { c.IdentifyEvery = 20 * time.Millisecond }
	f.member(pace)
	f.member(pace)
	f.until("every shard waits for the next day", func() bool {
		return strings.Count(f.logs.String(), "session starts are used up") >= shards
	})
	if n := f.sim.Stats().Identifies; n > day || n < day/2 {
		t.Errorf("%d identifies of %d: one more resets the token", n, day)
	}
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	f := newFleet(t, fourGuilds)
	sick := 2
	f.fault(discord.Fault{Kind: discord.FaultSilence, At: discord.AtIdentify, Shard: &sick})
	first, _ := f.member(nil)
	f.until("three of four are there", func() bool {
		err := first.Ready(t.Context())
		return err != nil && err.Error() == "not connected to Discord with 1 of 4 shards"
	})
	f.sim.ClearFault(0)
	f.holds(map[*Bot]int{first: 4})
	if err := first.Ready(t.Context()); err != nil {
		t.Errorf("with all: %v", err)
	}
}
