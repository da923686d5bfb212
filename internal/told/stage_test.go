package told

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/alert"
	"muster/bot"
	"muster/bus"
	"muster/bus/rabbit"
	"muster/dispatcher"
	"muster/event"
	"muster/sim/discord"
	"muster/storage"
	"muster/storage/storagetest"
)

const (
	token    = "token-of-the-test"
	patience = 30 * time.Second

	ana = alert.UserID(1200000000000000001) // plays Kestrel
	ben = alert.UserID(1200000000000000002)

	kestrel = event.CharacterID(5428000000000000001)
	wren    = event.CharacterID(5428000000000000002) // Kestrel's friends
	lapwing = event.CharacterID(5428000000000000003)
	teal    = event.CharacterID(5428000000000000004)
	heron   = event.CharacterID(5428000000000000005)
	egret   = event.CharacterID(5428000000000000006)
	rook    = event.CharacterID(5428000000000000007) // nobody's friend

	outfitMust = event.OutfitID(37500000000000001)

	wainwright = event.World(10)
	osprey     = event.World(1)
)

var names = map[event.CharacterID]string{kestrel: "Kestrel", wren: "Wren", lapwing: "Lapwing", teal: "Teal", heron: "Heron", egret: "Egret", rook: "Rook"}

// A clock is the real one and what the test has added to it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())).UTC() }

// A watchedStore counts turns, so that a test knows when the bot has nothing to do.
type watchedStore struct {
	*storage.Store
	mu     sync.Mutex
	claims int // finished without finding anything to do
	open   int // turns not settled yet
	loses  int // settlements to come that are lost
}

// losesSettlements makes the next n turns end like those of a bot that dies between
// a message and the note of it.
func (s *watchedStore) losesSettlements(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loses = n
}

func (s *watchedStore) ClaimUsers(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.Turn, error) {
	turns, err := s.Store.ClaimUsers(ctx, now, limit, hold)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += len(turns)
	if err == nil && len(turns) == 0 {
		s.claims++
	}
	return turns, err
}

func (s *watchedStore) SettleTurn(ctx context.Context, st alert.Settlement, now time.Time) error {
	s.mu.Lock()
	lost := s.loses > 0
	if lost {
		s.loses--
	}
	s.mu.Unlock()
	err := errLost
	if !lost {
		err = s.Store.SettleTurn(ctx, st, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	return err
}

var errLost = errors.New("lost, as the test wants it")

// idle returns how many claims found nothing, and whether no turn is open.
func (s *watchedStore) idle() (claims int, none bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims, s.open == 0
}

// A stage is what one scenario plays on.
type stage struct {
	*testing.T
	clock   *clock
	store   *watchedStore
	bus     bus.Bus
	discord *discord.Server
	log     *lockedBuffer

	lifetime time.Duration // of alerts; 0: the default

	dispatcher, bot *running
}

// running is a role that can be stopped and started again.
type running struct {
	stop context.CancelFunc
	done chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// transports are what every scenario runs on.
func transports(t *testing.T) map[string]func(*testing.T, *stage) {
	t.Helper()
	all := map[string]func(*testing.T, *stage){"embedded": embedded(t)}
	if os.Getenv("MUSTER_TEST_MYSQL_DSN") != "" && os.Getenv("MUSTER_TEST_AMQP_URL") != "" {
		all["production"] = production(t)
	} else {
		all["production"] = func(t *testing.T, _ *stage) {
			t.Skip("MUSTER_TEST_MYSQL_DSN or MUSTER_TEST_AMQP_URL is not set: they name a MariaDB and a RabbitMQ")
		}
	}
	return all
}

func topology() bus.Topology {
	return bus.Topology{event.TopicEvents: {event.QueueDispatcher}, event.TopicFeed: nil, event.TopicAlerts: nil,
		event.TopicLookups: nil, event.TopicNames: nil}
}

func embedded(t *testing.T) func(*testing.T, *stage) {
	fresh := storagetest.SQLite(t)
	return func(t *testing.T, s *stage) {
		s.open(t, fresh(t))
		b, err := bus.OpenSpool(t.Context(), s.store.SpoolDB(), bus.SpoolConfig{Topology: topology(), Shared: true})
		s.ok(err)
		s.bus = b
		t.Cleanup(func() { _ = b.Close() })
	}
}

func production(t *testing.T) func(*testing.T, *stage) {
	fresh := storagetest.MySQL(t)
	return func(t *testing.T, s *stage) {
		s.open(t, fresh(t))
		b, err := rabbit.Open(t.Context(), rabbit.Config{URL: os.Getenv("MUSTER_TEST_AMQP_URL"), Topology: topology(),
			Namespace: "told-" + strings.ToLower(rand.Text())})
		s.ok(err)
		s.bus = b
		t.Cleanup(func() { _ = b.Close() })
	}
}

func (s *stage) open(t *testing.T, url string) {
	store, err := storage.Open(t.Context(), url, storage.Options{AlertLifetime: s.lifetime})
	s.ok(err)
	s.store = &watchedStore{Store: store}
	t.Cleanup(func() { _ = store.Close() })
	s.ok(store.Migrate(t.Context()))
}

// newStage sets the scene: two worlds whose streams have been whole for hours, Ana
// who plays Kestrel and has five friends, and nobody on.
func newStage(t *testing.T, on func(*testing.T, *stage)) *stage {
	t.Helper()
	return newStageWhere(t, 0, on)
}

// newStageWhere is newStage with another lifetime of alerts.
func newStageWhere(t *testing.T, lifetime time.Duration, on func(*testing.T, *stage)) *stage {
	t.Helper()
	s := &stage{T: t, clock: &clock{}, log: &lockedBuffer{}, lifetime: lifetime}
	cfg := discord.DefaultConfig()
	cfg.Token, cfg.Limits, cfg.IdentifyEvery = token, discord.Limits{}, -1
	if root := os.Getenv("MUSTER_SHARED"); root != "" {
		cfg.OpenAPIPath = filepath.Join(root, "discord-openapi.json")
	}
	d, err := discord.New(cfg)
	s.ok(err)
	s.discord = d
	s.ok(d.Start("127.0.0.1:0"))
	t.Cleanup(func() { _ = d.Close() })
	on(t, s)
	t.Cleanup(func() {
		s.stopBot()
		s.stopDispatcher()
		for _, v := range d.Violations() {
			t.Errorf("malformed request %s: %v\n%s", v.Route, v.Problems, v.Body)
		}
		if t.Failed() {
			t.Logf("log:\n%s", s.log)
		}
	})
	s.people()
	s.link(ana, kestrel, wren, lapwing, teal, heron, egret)
	s.startDispatcher()
	s.stream(wainwright, event.StreamLive, 3*time.Hour)
	s.stream(osprey, event.StreamLive, 3*time.Hour)
	s.startBot()
	return s
}

func (s *stage) people() {
	must := event.Outfit{ID: outfitMust, Tag: "MUST", Name: "Musterers", Faction: event.NC, Members: 3}
	s.ok(s.store.SaveOutfits(s.Context(), []event.Outfit{must}))
	var all []event.Character
	for _, id := range slices.Sorted(maps.Keys(names)) {
		all = append(all, event.Character{ID: id, Name: names[id], Faction: event.NC, World: wainwright, ResolvedAt: s.clock.now()})
	}
	s.ok(s.store.SaveCharacters(s.Context(), all))
	s.ok(s.store.SaveMembers(s.Context(), outfitMust, []event.Member{{Outfit: outfitMust, Character: rook, Rank: "Leader", Ordinal: 1},
		{Outfit: outfitMust, Character: egret, Rank: "Recruit", Ordinal: 5}}))
}

func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v\n%s", err, s.log)
	}
}

// link says that a user plays a character with these friends.
func (s *stage) link(u alert.UserID, c event.CharacterID, friends ...event.CharacterID) {
	s.Helper()
	_, err := s.store.Link(s.Context(), alert.Link{User: u, Character: c, LinkedAt: s.clock.now()})
	s.ok(err)
	s.friends(c, friends...)
}

// friends is a friends list as the query service gives it.
func (s *stage) friends(owner event.CharacterID, friends ...event.CharacterID) {
	s.Helper()
	var list []event.Friend
	for _, f := range friends {
		list = append(list, event.Friend{Character: f})
	}
	s.ok(s.store.SaveFriends(s.Context(), owner, list, s.clock.now()))
}

func (s *stage) watch(w alert.Watch) {
	s.Helper()
	w.CreatedAt = s.clock.now()
	_, _, err := s.store.AddWatch(s.Context(), w)
	s.ok(err)
}

// set changes a user's settings.
func (s *stage) set(u alert.UserID, change func(*alert.Settings)) {
	s.Helper()
	set, err := s.store.Settings(s.Context(), u)
	s.ok(err)
	change(&set)
	set.UpdatedAt = s.clock.now()
	s.ok(s.store.SaveSettings(s.Context(), set))
}

func (s *stage) startDispatcher() {
	d := dispatcher.New(dispatcher.Config{Bus: s.bus, Store: s.store.Store, Clock: s.clock.now,
		Log: slog.New(slog.NewTextHandler(s.log, nil))})
	s.dispatcher = run(d.Run)
}

func (s *stage) stopDispatcher() { s.end("dispatcher", &s.dispatcher) }

func (s *stage) startBot() {
	s.Helper()
	b, err := bot.New(bot.Config{Token: token, URL: s.discord.URL(), Store: s.store, Directory: directory{}, Bus: s.bus, Now: s.clock.now,
		UserInstall: true, PageURL: "https://muster.example", Log: slog.New(slog.NewTextHandler(s.log, nil)),
		IdentifyEvery: time.Millisecond, ReconnectMin: 5 * time.Millisecond, ReconnectMax: 50 * time.Millisecond, Poll: 10 * time.Millisecond,
		AlertsPerSecond: 5000, RequestsPerSecond: 5000})
	s.ok(err)
	s.bot = run(b.Run)
}

func (s *stage) stopBot() { s.end("bot", &s.bot) }

func run(f func(context.Context) error) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{stop: stop, done: make(chan error, 1)}
	go func() { r.done <- f(ctx) }()
	return r
}

// end stops a role, if it runs.
func (s *stage) end(what string, r **running) {
	s.Helper()
	if *r == nil {
		return
	}
	(*r).stop()
	select {
	case err := <-(*r).done:
		if err != nil {
			s.Errorf("the %s ends with %v", what, err)
		}
	case <-time.After(patience):
		s.Errorf("the %s does not stop", what)
	}
	*r = nil
}

// directory knows what the store knows.
type directory struct{}

var errNoService = errors.New("no query service in this test")

func (directory) Territory(context.Context, event.World) ([]event.Territory, time.Time, error) {
	return nil, time.Time{}, errNoService
}

func (directory) FindCharacter(context.Context, string) (event.Character, error) {
	return event.Character{}, errNoService
}
func (directory) FindOutfits(context.Context, string) ([]event.Outfit, error) {
	return nil, errNoService
}
func (directory) ReadFriends(context.Context, event.CharacterID) (int, error) {
	return 0, errNoService
}

// ---------------------------------------------------------------- what happens

// pass moves the clock on, and lets everybody notice.
func (s *stage) pass(d time.Duration) {
	s.Helper()
	s.clock.ahead.Add(int64(d))
	s.settle()
}

// moveTo moves the clock to t.
func (s *stage) moveTo(t time.Time) { s.clock.ahead.Add(int64(time.Until(t)) - s.clock.ahead.Load()) }

// relog logs somebody out, and in again so long afterwards by the game's clock.
func (s *stage) relog(after time.Duration, id event.CharacterID) {
	s.Helper()
	left := s.clock.now()
	s.play(s.presencesAt("PlayerLogout", left, id)...)
	s.moveTo(left.Add(after))
	s.play(s.presencesAt("PlayerLogin", left.Add(after), id)...)
}

// sight is an event as the listener publishes it now, stamped at.
func (s *stage) sight(at time.Time, payload map[string]string) bus.Message {
	payload["timestamp"] = strconv.FormatInt(at.Unix(), 10)
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(payload)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%q", k, payload[k])
	}
	return bus.Message{ID: "sighting", Key: "ps2", Body: event.EncodeSighting([]byte("{"+b.String()+"}"), s.clock.now(), 0)}
}

// play publishes messages in one go and waits until all that follows is done.
func (s *stage) play(messages ...bus.Message) {
	s.Helper()
	s.ok(s.bus.Publish(s.Context(), event.TopicEvents, messages...))
	s.settle()
}

func (s *stage) login(ids ...event.CharacterID)  { s.Helper(); s.loginAgo(0, ids...) }
func (s *stage) logout(ids ...event.CharacterID) { s.Helper(); s.logoutAgo(0, ids...) }

// loginAtOnce is login where the bot has seen none of them before all are there: a
// real broker may give them to the dispatcher one by one.
func (s *stage) loginAtOnce(ids ...event.CharacterID) {
	s.Helper()
	s.stopBot()
	s.login(ids...)
	s.startBot()
	s.settle()
}

func (s *stage) loginAgo(ago time.Duration, ids ...event.CharacterID) {
	s.Helper()
	s.play(s.presences("PlayerLogin", ago, ids...)...)
}

func (s *stage) logoutAgo(ago time.Duration, ids ...event.CharacterID) {
	s.Helper()
	s.play(s.presences("PlayerLogout", ago, ids...)...)
}

func (s *stage) presences(name string, ago time.Duration, ids ...event.CharacterID) []bus.Message {
	return s.presencesAt(name, s.clock.now().Add(-ago), ids...)
}

func (s *stage) presencesAt(name string, at time.Time, ids ...event.CharacterID) []bus.Message {
	var all []bus.Message
	for _, id := range ids {
		all = append(all, s.sight(at, map[string]string{"character_id": id.String(), "event_name": name, "world_id": "10"}))
	}
	return all
}

// fights is a sign of life: somebody gains experience.
func (s *stage) fights(ids ...event.CharacterID) { s.Helper(); s.play(s.gains(wainwright, ids...)...) }

func (s *stage) gains(world event.World, ids ...event.CharacterID) []bus.Message {
	var all []bus.Message
	for _, id := range ids {
		all = append(all, s.sight(s.clock.now(), map[string]string{"character_id": id.String(), "event_name": "GainExperience", "amount": "100",
			"experience_id": "1", "loadout_id": "6", "other_id": "0", "team_id": "2", "world_id": strconv.Itoa(int(world)), "zone_id": "2"}))
	}
	return all
}

// stream says how a world's stream is, since some time ago.
func (s *stage) stream(w event.World, h event.StreamHealth, since time.Duration) {
	s.Helper()
	now := s.clock.now()
	body, err := event.EncodeStream(event.StreamState{World: w, Health: h, Since: now.Add(-since), ReportedAt: now, LastEventAt: now})
	s.ok(err)
	s.play(bus.Message{ID: "stream", Body: body})
}

// observe says what the query service answers about somebody.
func (s *stage) observe(id event.CharacterID, online bool) {
	s.Helper()
	o := event.Observation{Character: id, Online: online, ObservedAt: s.clock.now()}
	if online {
		o.World = wainwright
	}
	body, err := event.EncodeObservation(o)
	s.ok(err)
	s.play(bus.Message{ID: "observation", Body: body})
}

// settle waits until the queue is empty and the bot finds nothing to do.
func (s *stage) settle() {
	s.Helper()
	if s.dispatcher != nil {
		s.until("the queue is empty", func() bool {
			n, err := s.bus.Depth(s.Context(), event.QueueDispatcher)
			return err == nil && n == 0
		})
	}
	if s.bot == nil {
		return
	}
	// The claim in progress may have begun before; the second after it has not.
	before, _ := s.store.idle()
	s.until("the bot is idle", func() bool {
		claims, none := s.store.idle()
		return none && claims >= before+3
	})
}

func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			s.Fatalf("never: %s\n%s", what, s.log)
		}
	}
}

// ---------------------------------------------------------------- what is seen

// seen returns the messages that a user has from the bot, as they read now.
func (s *stage) seen(u alert.UserID) []discord.Message {
	var all []discord.Message
	for _, m := range s.discord.DMs(u.String()) {
		if m.Author.Bot && m.Interaction == nil {
			all = append(all, m)
		}
	}
	return all
}

// sees fails unless the user has exactly these messages, in order: each want must
// be part of the first line or of the box below it.
func (s *stage) sees(u alert.UserID, want ...string) {
	s.Helper()
	got := s.seen(u)
	var texts []string
	for _, m := range got {
		texts = append(texts, text(m))
	}
	if len(got) != len(want) {
		s.Fatalf("%s has %d messages, want %d:\n%s", u, len(got), len(want), strings.Join(texts, "\n---\n"))
	}
	for i, w := range want {
		for _, part := range strings.Split(w, " … ") {
			if !strings.Contains(texts[i], part) {
				s.Errorf("message %d lacks %q:\n%s", i+1, part, texts[i])
			}
		}
	}
}

func text(m discord.Message) string {
	out := m.Content
	for _, e := range m.Embeds {
		out += "\n" + e.Title + "\n" + e.Description
	}
	return out
}

// on is the beginning of the message about one.
func on(id event.CharacterID) string { return names[id] + "** is online on Wainwright" }

// was is the same once it has left.
func was(id event.CharacterID) string { return names[id] + "** was online on Wainwright for" }

// why fails unless the newest alert of a user was dropped for a reason.
func (s *stage) why(u alert.UserID, want alert.Reason) {
	s.Helper()
	recent, err := s.store.RecentAlerts(s.Context(), u, 1)
	s.ok(err)
	if len(recent) != 1 || recent[0].Fate != alert.Dropped || recent[0].Reason != want {
		s.Errorf("the newest alert is %+v, want it dropped as %q", recent, want)
	}
}
