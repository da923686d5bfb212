package bot

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
	"muster/storage"
	"muster/storage/storagetest"
)

const officers = "1300000000000000021"

// A channelBench is a bot on a real store whose clock goes as the test says.
type channelBench struct {
	*bench
	db    *sql.DB // beside the store
	store *flakyStore
	ahead atomic.Int64 // of the real clock
}

// A flakyStore can lose what came of a post, as a bot does that is killed then.
type flakyStore struct {
	*storage.Store
	lose atomic.Bool
	lost atomic.Int32
}

func (s *flakyStore) SettlePost(ctx context.Context, t alert.ChannelTurn, r alert.PostResult, now time.Time) (bool, error) {
	if s.lose.Load() {
		s.lost.Add(1)
		return false, errors.New("lost")
	}
	return s.Store.SettlePost(ctx, t, r, now)
}

func (s *flakyStore) ReleaseChannel(ctx context.Context, t alert.ChannelTurn) error {
	if s.lose.Load() {
		return errors.New("lost")
	}
	return s.Store.ReleaseChannel(ctx, t)
}

func newChannelBench(t *testing.T) *channelBench { t.Helper(); return newChannelBenchIn(t, "") }

// newChannelBenchIn is newChannelBench with a guild of that language.
func newChannelBenchIn(t *testing.T, locale string) *channelBench {
	t.Helper()
	b := &channelBench{bench: newBench(t, func(c *discord.Config) {
		checked(c)
		c.Guilds[0].Locale = locale
	})}
	url := "sqlite:" + t.TempDir() + "/muster.db"
	b.store = &flakyStore{Store: storagetest.Open(t, url)}
	b.db = storagetest.Raw(t, url)
	b.until("the store is there", func() bool { return b.store.Ping(b.ctx()) == nil })
	must := event.Outfit{ID: mustOutfit, Tag: "MUST", Name: "Outfit MUST", Faction: event.NC, Members: 2}
	b.ok(b.store.SaveOutfits(b.ctx(), []event.Outfit{must}))
	b.ok(b.store.SaveCharacters(b.ctx(), []event.Character{
		{ID: kesID, Name: "Kestrel", Faction: event.NC, World: 10, Outfit: must, ResolvedAt: b.now()},
		{ID: friend, Name: "**Wren** @everyone", Faction: event.NC, World: 10, Outfit: must, ResolvedAt: b.now()},
		{ID: other, Name: "Lapwing", Faction: event.TR, World: 10, ResolvedAt: b.now()},
	}))
	b.ok(b.store.SaveLookups(b.ctx(), []event.Lookup{{Category: event.LookupFacility, ID: 2103, Name: "The Crown"},
		{Category: event.LookupMetagame, ID: 147, Name: "Indar Superiority", Extra: "90"}}))
	b.start(func(c *Config) {
		c.Store, c.Directory, c.Now = b.store, &realDirectory{store: b.store.Store}, b.now
	})
	b.ready()
	return b
}

func (b *channelBench) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

// pass moves the bot's clock on, once it has let go of what it was at: else its hold on
// that would run out. What it was made to lose it holds on to.
func (b *channelBench) pass(d time.Duration) {
	b.t.Helper()
	b.until("the bot rests", func() bool {
		var held int
		b.ok(b.db.QueryRowContext(b.ctx(), "SELECT COUNT(*) FROM channel_subs WHERE held_ns > 0").Scan(&held))
		return held == 0 || b.store.lost.Load() > 0
	})
	b.ahead.Add(int64(d))
}

func (b *channelBench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// leader types a command as Ana, who owns the guild, in #general.
func (b *channelBench) leader(text string) string { b.t.Helper(); return b.runIn("general", text) }

// happens records events of now.
func (b *channelBench) happens(kind event.Kind, details ...event.Detail) {
	b.t.Helper()
	var list []event.Event
	for _, d := range details {
		list = append(list, event.Event{Kind: kind, World: 10, Zone: 2, At: b.now().UTC().Truncate(time.Second), ReceivedAt: b.now(), Detail: d})
	}
	_, err := b.store.Record(b.ctx(), b.now(), event.Record{Events: list}, nil)
	b.ok(err)
}

// posts returns what the bot has posted in a channel.
func (b *channelBench) posts(channel string) (list []discord.Message) {
	for _, m := range b.sim.Messages(discord.MessageFilter{Channel: channel}) {
		if m.Author.Bot && m.Interaction == nil && m.OnlyFor == "" {
			list = append(list, m)
		}
	}
	return list
}

// post waits for the nth post in a channel and returns it.
func (b *channelBench) post(channel string, n int) discord.Message {
	b.t.Helper()
	b.until("a post in "+channel, func() bool { return len(b.posts(channel)) >= n })
	return b.posts(channel)[n-1]
}

// looks waits until the bot has looked twice for what is due.
func (b *channelBench) looks() {
	b.t.Helper()
	n := b.claims()
	b.until("the bot looks", func() bool { return b.claims() >= n+2 })
}

func (b *channelBench) claims() int64 { return b.bot.channels.looked.Load() }

func TestAChannelIsToldOfACaptureWithWhoTookPart(t *testing.T) {
	b := newChannelBench(t)
	wants(t, b.leader("/subscribe topic:captures"), "Of which outfit")
	wants(t, b.leader("/outfit link outfit:MUST"), "This server is of", "MUST")
	wants(t, b.leader("/subscribe topic:captures channel:operations at_least:2 mention:Officers"), "I will post in", "bases taken and held", "at least 2 took part", "pings")
	b.happens(event.FacilityControl, event.Control{Facility: 2103, Old: event.TR, New: event.NC, Outfit: mustOutfit},
		event.Control{Facility: 9, Old: event.TR, New: event.NC, Outfit: mustOutfit}) // nobody known took part
	b.happens(event.FacilityCapture, event.Contribution{Character: kesID, Facility: 2103, Outfit: mustOutfit},
		event.Contribution{Character: friend, Facility: 2103, Outfit: mustOutfit}, event.Contribution{Character: other, Facility: 2103})
	b.looks()
	if n := len(b.posts("operations")); n != 0 {
		t.Fatalf("%d posts before it can be known who took part", n)
	}
	b.pass(alert.GatherCapture + time.Second)
	m := b.post("operations", 1)
	wants(t, readable(m), "MUST", "has taken **The Crown**", "Indar", "2 members took part: ", "Kestrel", `\*\*Wren\*\*`, "1 player of other outfits", "<@&"+officers+">")
	if len(m.MentionRoles) != 1 || m.MentionRoles[0] != officers || m.MentionEveryone {
		t.Errorf("pinged %v, everyone %v", m.MentionRoles, m.MentionEveryone)
	}
	b.pass(time.Hour)
	b.looks()
	if n := len(b.posts("operations")); n != 1 {
		t.Errorf("%d posts, want one: of the other base nobody is known to have taken part", n)
	}
}

func TestAnAlertOfTheGameIsOneMessageUntilItIsOver(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/subscribe topic:alerts world:Wainwright continent:Indar")
	told := func(state event.MetagameState, nc float64) {
		b.happens(event.Metagame, event.Alert{ID: 147, Instance: 5, State: state, VS: 30, NC: nc, TR: 30})
	}
	told(event.MetagameStarted, 40)
	m := b.post("general", 1)
	wants(t, readable(m), "Indar Superiority", "ends <t:", "NC 40%")
	b.happens(event.FacilityControl, event.Control{Facility: 1, Old: event.TR, New: event.NC, Outfit: mustOutfit})
	b.pass(time.Minute + time.Second)
	told(event.MetagameEnded, 55)
	b.until("the end is shown", func() bool { return strings.Contains(readable(b.posts("general")[0]), "NC won") })
	wants(t, readable(b.posts("general")[0]), "NC won", "NC 55%", "bases taken: VS 0 · NC 1 · TR 0", "Most taken by **[MUST] Outfit MUST** 1")
	b.pass(3 * time.Hour)
	b.looks()
	if list := b.posts("general"); len(list) != 1 || list[0].ID != m.ID {
		t.Errorf("%d messages, want the same one", len(list))
	}
}

func TestMembersWhoComeOnTogetherAreOneMessage(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/subscribe topic:members outfit:MUST")
	b.happens(event.Login, event.Presence{Character: kesID}, event.Presence{Character: friend}, event.Presence{Character: other})
	b.pass(alert.GatherMembers + time.Second)
	text := readable(b.post("general", 1))
	wants(t, text, "🟢 **Kestrel** · Wainwright", `🟢 **\*\*Wren\*\*`)
	if strings.Contains(text, "Lapwing") {
		t.Errorf("a stranger is told of: %s", text)
	}
	b.pass(time.Hour)
	b.happens(event.Logout, event.Presence{Character: kesID})
	b.pass(event.Relog + alert.GatherMembers + 2*time.Second)
	wants(t, readable(b.post("general", 2)), "⚫ **Kestrel** · was on for 60 min")
}

func TestAChannelThatCannotBeWrittenToPausesAndItsLeaderIsToldOnce(t *testing.T) {
	b := newChannelBench(t)
	b.ok(b.sim.SetChannel("operations", false, true))
	wants(t, b.leader("/subscribe topic:locks channel:operations"), "I cannot post in", "Send Messages")
	b.ok(b.sim.SetChannel("operations", false, false))
	b.leader("/subscribe topic:locks channel:operations")
	b.leader("/subscribe topic:alerts channel:operations")
	b.ok(b.sim.SetChannel("operations", true, false))
	b.happens(event.ContinentLock, event.Lock{By: event.NC})
	b.until("the leader is told", func() bool { return len(b.dms()) == 1 })
	wants(t, b.dms()[0].Content, "I cannot post in <#1300000000000000012>", "View Channel", "/config view")
	b.happens(event.Metagame, event.Alert{ID: 147, Instance: 5, State: event.MetagameStarted})
	b.pass(time.Minute)
	b.looks()

	c := b.talkIn("general", "/config view")
	wants(t, readable(c.msg), "continents that lock and open", "paused", "View Channel")
	wants(t, b.leader("/config audit"), "❌", "View Channel")
	wants(t, c.press("Resume"), "Still not", "View Channel")
	b.ok(b.sim.SetChannel("operations", false, false))
	c = b.talkIn("general", "/config view")
	if text := c.press("Resume"); strings.Contains(text, "paused") {
		t.Errorf("after resuming: %s", text)
	}
	wants(t, readable(b.post("operations", 1)), "🔒 **Indar** is locked by the New Conglomerate")
	wants(t, b.leader("/config test"), "✅")
	if n := len(b.dms()); n != 1 {
		t.Errorf("the leader got %d messages, want one for both subscriptions", n)
	}
}

func TestAMessageToAChannelIsSentOnceThoughTheBotForgetsThatItWas(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/subscribe topic:locks delete_after:1 hour")
	b.store.lose.Store(true)
	b.happens(event.ContinentLock, event.Lock{By: event.NC})
	first := b.post("general", 1)
	b.until("what came of it is lost", func() bool { return b.store.lost.Load() > 0 })
	b.store.lose.Store(false)
	b.pass(claimHold + time.Second)
	b.until("it is settled", func() bool {
		var n int
		b.ok(b.db.QueryRowContext(b.ctx(), "SELECT COUNT(*) FROM channel_posts WHERE state = 3 AND message > 0").Scan(&n))
		return n == 1
	})
	if list := b.posts("general"); len(list) != 1 || list[0].ID != first.ID {
		t.Fatalf("%d messages", len(list))
	}
	b.pass(time.Hour)
	b.until("it is deleted", func() bool { return len(b.posts("general")) == 0 })
}

func TestAMessageThatSomebodyDeletedIsPostedAnew(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/subscribe topic:alerts")
	b.happens(event.Metagame, event.Alert{ID: 147, Instance: 5, State: event.MetagameStarted})
	first := b.post("general", 1)
	b.fault(discord.Fault{Kind: discord.FaultStatus, Route: "PATCH /channels/{channel_id}/messages/{message_id}", Status: 404, Code: 10008, Count: 1})
	b.pass(alert.RefreshPost + time.Second)
	if m := b.post("general", 2); m.ID == first.ID {
		t.Error("the same message")
	}
}

func TestAWorldWhoseStreamIsIllIsToldAndThatItIsWell(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/subscribe topic:stream world:Wainwright")
	say := func(h event.StreamHealth, since time.Time) {
		t.Helper()
		_, err := b.store.Record(b.ctx(), b.now(), event.Record{Streams: []event.StreamState{{World: 10, Health: h, Since: since, ReportedAt: b.now(), LastEventAt: since}}}, nil)
		b.ok(err)
	}
	say(event.StreamLive, b.now())
	fell := b.now()
	say(event.StreamDown, fell)
	b.looks()
	if n := len(b.posts("general")); n != 0 {
		t.Errorf("%d posts of an illness of a second", n)
	}
	b.pass(alert.IllFor + time.Second)
	say(event.StreamDown, fell)
	wants(t, readable(b.post("general", 1)), "⚠️ **Wainwright**: no events of the game reach me since")
	b.pass(9 * time.Minute)
	say(event.StreamLive, b.now())
	b.until("it is well", func() bool { return strings.Contains(readable(b.posts("general")[0]), "✅ **Wainwright**") })
	wants(t, readable(b.posts("general")[0]), "for about 10 min")
}

func TestWhoJoinsAndLeavesAnOutfitIsTold(t *testing.T) {
	b := newChannelBench(t)
	b.leader("/subscribe topic:joins outfit:MUST")
	now := b.now().Truncate(time.Second).Add(time.Second)
	member := func(id event.CharacterID, since time.Time) event.Member {
		return event.Member{Character: id, Since: since}
	}
	b.ok(b.store.SaveMembers(b.ctx(), mustOutfit, []event.Member{member(kesID, now.Add(-240*time.Hour)), member(other, now)}))
	b.until("both are told", func() bool { return len(b.posts("general")) == 2 })
	text := readable(b.posts("general")[0]) + readable(b.posts("general")[1])
	wants(t, text, "➕ **Lapwing** has joined **[MUST] Outfit MUST**", `➖ **\*\*Wren\*\*`, "has left")
}

func TestOnlyWhoManagesAServerConfiguresIt(t *testing.T) {
	b := newChannelBench(t)
	const inDM = "This is for servers"
	wants(t, b.run("/outfit link outfit:MUST"), inDM)
	a, err := b.sim.Command(b.ctx(), discord.CommandInput{User: "ben", Channel: "general", Text: "/outfit link outfit:MUST"})
	if err != nil || a.Message == nil {
		t.Fatal(err)
	}
	wants(t, readable(*a.Message), "for those who manage the server")
	for text, want := range map[string]string{
		"/subscribe topic:joins":                             "Of which outfit",
		"/subscribe topic:locks mention:1300000000000000001": "never ping everybody",
		"/unsubscribe subscription:everything":               "Choose one",
		"/unsubscribe subscription:#99":                      "I do not post that",
		"/config view":                                       "Nothing yet",
		"/config test":                                       "I post nothing in this server",
		"/config audit":                                      "I post nothing in this server",
		"/online":                                            "Give an outfit's tag",
		"/subscribe topic:captures outfit:NOPE":              "No outfit",
	} {
		wants(t, b.leader(text), want)
	}
	wants(t, b.leader("/subscribe topic:locks channel:general delete_after:7 days"), "deleted after 7 days")
	// A button of this server's does nothing to another's.
	b.leader("/outfit link outfit:MUST")
	wants(t, b.leader("/online"), "MUST")
	c := b.talkIn("general", "/subscribe topic:locks")
	wants(t, c.press("Stop this"), "I no longer post in")
	wants(t, c.press("What I post here"), "What I post in this server")
	if _, _, err := b.store.Unsubscribe(b.ctx(), 1300000000000000001, 1); err != nil {
		t.Fatal(err)
	}
}

// Who manages one server does not make the bot write in another.
func TestAChannelOfAnotherServerIsRefused(t *testing.T) {
	f := newFleet(t, fourGuilds)
	f.member(nil)
	f.until("commands are registered", func() bool { return len(f.sim.Commands("")) > 0 })
	theirs := strconv.FormatUint((uint64(310_000_000_000)*4+1)<<22+1, 10)
	for _, text := range []string{"/subscribe topic:locks", "/board topic:board.alerts", "/tracker topic:track.worlds"} {
		for channel, want := range map[string]string{theirs: "not of this server", f.sim.DMChannel(ana.String()): "not of this server", "42": "does not exist"} {
			a, err := f.sim.Command(f.ctx(), discord.CommandInput{User: ana.String(), Channel: "room-0", Text: text, Values: map[string]any{"channel": channel}})
			if err != nil || a.Message == nil {
				t.Fatalf("%s: %v", text, err)
			}
			wants(t, readable(*a.Message), want)
		}
	}
}

// A member of the guild who presses a leader's button is refused, whoever was shown it.
func TestButtonsOfTheConfigurationAskWhoPresses(t *testing.T) {
	for _, verb := range []string{"resume", "unsub", "testsub", "config"} {
		i := &interaction{GuildID: "1300000000000000001"}
		i.Member = &struct {
			User        *discordUser `json:"user"`
			Permissions string       `json:"permissions"`
		}{Permissions: "2147483647"}
		if _, err := i.leader(); err != nil {
			t.Errorf("%s: all permissions but some are refused: %v", verb, err)
		}
		for _, few := range []string{"", "0", "2147863617", "-1", "99999999999999999999999", "0x38"} {
			i.Member.Permissions = few
			if _, err := i.leader(); err == nil {
				t.Errorf("%s: permissions %q are enough", verb, few)
			}
			if _, err := controlTable()[verb].run(&Bot{}, t.Context(), i, "5"); err == nil {
				t.Errorf("%s: permissions %q do", verb, few)
			}
		}
	}
}
