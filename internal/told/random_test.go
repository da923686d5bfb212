package told

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"muster/alert"
	"muster/bus"
	"muster/event"
	"muster/sim/discord"
	"muster/sim/game"
)

// A town is people with so many friends each, for so many seconds. TOLD_FULL=1 is
// what "make told" runs; all other runs are shorter.
const (
	townFriends = 60
	townSeed    = 20261125
	smallUsers  = 300
	smallTime   = 240
	fullUsers   = 2000
	fullTime    = 600
)

// full reports whether the long form is wanted.
func full() bool { return os.Getenv("TOLD_FULL") != "" }

// An act is what a character does in the simulated game, at a second after the
// beginning.
type act struct {
	second int
	login  bool
	who    int
}

// A telling is that a person hears of a character's login at a second (Unix time).
type telling struct {
	user, who int
	at        int64
}

// A town is the same for everybody who asks with one seed: who lives in the game,
// whom each user has as a friend, and what happens.
type town struct {
	seconds int
	people  []game.Person
	friends [][]int // of each user
	acts    []act
}

// newTown invents who is whose friend, and who comes and goes: most stay for some
// minutes, some log in again at once, some after five minutes.
func newTown(rnd *rand.Rand, people []game.Person, users, seconds int) town {
	t := town{people: people, seconds: seconds}
	for range users {
		t.friends = append(t.friends, rnd.Perm(len(people))[:townFriends])
	}
	free := make([]int, len(people)) // from which second on a character may log in
	for second := range t.seconds {
		for range 1 + rnd.IntN(2) {
			who := rnd.IntN(len(people))
			if free[who] > second {
				continue
			}
			t.acts = append(t.acts, act{second, true, who})
			off := second + 90 + rnd.IntN(90)
			free[who] = t.seconds + 1
			if off >= t.seconds {
				continue
			}
			t.acts = append(t.acts, act{off, false, who})
			switch again := off + 20 + rnd.IntN(100); rnd.IntN(3) {
			case 0: // a relog
				if again < t.seconds {
					t.acts = append(t.acts, act{again, true, who})
				}
			case 1: // a new sitting
				free[who] = off + 200
			}
		}
	}
	return t
}

// due reads in the simulator's journal who must be told of what: of each sitting
// once, or of the first alone who has a cooldown. A sitting begins with a login
// that does not follow a logout within three minutes.
//
// It is the oracle, and shares nothing with what it judges.
func (t town) due(journal []game.Entry) (map[telling]bool, error) {
	index := map[string]int{}
	for i, p := range t.people {
		index[p.ID] = i
	}
	followers := map[int][]int{}
	for user, list := range t.friends {
		for _, who := range list {
			followers[who] = append(followers[who], user)
		}
	}
	left, told := map[int]int64{}, map[[2]int]bool{}
	out := map[telling]bool{}
	for _, entry := range journal {
		var e struct {
			Name      string `json:"event_name"`
			Character string `json:"character_id"`
			Timestamp string `json:"timestamp"`
		}
		if err := json.Unmarshal(entry.Payload, &e); err != nil {
			return nil, err
		}
		at, err := strconv.ParseInt(e.Timestamp, 10, 64)
		if err != nil {
			return nil, err
		}
		who := index[e.Character]
		if e.Name == "PlayerLogout" {
			left[who] = at
			continue
		}
		if off, ok := left[who]; ok && at-off < 180 {
			continue
		}
		for _, user := range followers[who] {
			if pair := [2]int{user, who}; !hasCooldown(user) || !told[pair] {
				told[pair] = true
				out[telling{user, who, at}] = true
			}
		}
	}
	return out, nil
}

func (t town) bySecond() [][]act {
	out := make([][]act, t.seconds)
	for _, a := range t.acts {
		out[a.second] = append(out[a.second], a)
	}
	return out
}

// hasCooldown says which users keep the default of 30 minutes; the others have none.
func hasCooldown(user int) bool { return user%2 == 0 }

func townUser(i int) alert.UserID { return alert.UserID(1400000000000000000 + int64(i)) }

func TestATownIsToldExactlyWhatAnOracleSays(t *testing.T) {
	users, seconds := smallUsers, smallTime
	if full() {
		users, seconds = fullUsers, fullTime
	}
	for name, on := range transports(t) {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, on)
			world := s.game(users * 5 / 2)
			rnd := rand.New(rand.NewPCG(townSeed, 1))
			town := newTown(rnd, world.Everyone(), users, seconds)
			s.populate(town)
			s.live(town, world, rnd)
			due, err := town.due(world.Journal(0, 1_000_000))
			s.ok(err)
			s.compare(town, due)
		})
	}
}

// game starts a simulated game on the stage's clock, of so many people on each of
// the large PC worlds and half as many on each of the console's. Nothing happens in
// it but what it is told to do.
func (s *stage) game(players int) *game.Server {
	s.Helper()
	cfg := game.DefaultConfig()
	cfg.Worlds, cfg.Players, cfg.EventsPerSecond, cfg.Now = []string{"1", "10", "40", "1000", "2000"}, players, 0, s.clock.now
	world, err := game.New(cfg)
	s.ok(err)
	s.Cleanup(func() { _ = world.Close() })
	return world
}

func (s *stage) populate(t town) {
	s.Helper()
	s.stopBot()
	var all []event.Character
	for _, p := range t.people {
		world, err := strconv.Atoi(p.World)
		s.ok(err)
		all = append(all, event.Character{ID: s.id(p), Name: p.Name, Faction: event.Faction(p.Faction), World: event.World(world), ResolvedAt: s.clock.now()})
	}
	s.ok(s.store.SaveCharacters(s.Context(), all))
	for i, list := range t.friends {
		u := townUser(i)
		_, err := s.discord.AddUser(discord.User{ID: u.String(), Username: "user" + u.String()})
		s.ok(err)
		own := event.CharacterID(5428200000000000000 + int64(i))
		_, err = s.store.Link(s.Context(), alert.Link{User: u, Character: own, LinkedAt: s.clock.now()})
		s.ok(err)
		friends := make([]event.Friend, len(list))
		for n, who := range list {
			friends[n].Character = all[who].ID
		}
		s.ok(s.store.SaveFriends(s.Context(), own, friends, s.clock.now()))
		s.ok(s.store.SaveRecipient(s.Context(), alert.Recipient{User: u, DMChannel: s.discord.DMChannel(u.String())}))
		s.set(u, func(set *alert.Settings) {
			set.EditOnLeave = false // so that each line keeps the second of its login
			if !hasCooldown(i) {
				set.Cooldown = 0
			}
		})
	}
	s.startBot()
	s.settle()
}

func (s *stage) id(p game.Person) event.CharacterID {
	s.Helper()
	id, err := event.ParseCharacterID(p.ID)
	s.ok(err)
	return id
}

// live lets people act second by second, and plays what the game says of it, every
// event once or twice and in any order within the second, with crashes of either
// role and faults of Discord in between.
func (s *stage) live(t town, world *game.Server, rnd *rand.Rand) {
	s.Helper()
	began := s.clock.now().Truncate(time.Second).Add(time.Minute)
	last := int64(0)
	for second, list := range t.bySecond() {
		s.moveTo(began.Add(time.Duration(second)*time.Second + 100*time.Millisecond))
		if second%30 == 0 {
			for _, w := range []event.World{1, 10, 40, 1000, 2000} {
				s.stream(w, event.StreamLive, 6*time.Hour)
			}
		}
		s.trouble(second)
		for _, a := range list {
			do := world.Logout
			if a.login {
				do = world.Login
			}
			s.ok(do(t.people[a.who].ID))
		}
		var batch []bus.Message
		for _, e := range world.Journal(last, 1000) {
			last = e.N
			m := bus.Message{ID: "sighting", Key: "ps2", Body: event.EncodeSighting(e.Payload, s.clock.now(), 0)}
			batch = append(batch, m)
			if rnd.IntN(4) == 0 {
				batch = append(batch, m) // the other connection
			}
		}
		rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		if len(batch) > 0 {
			s.play(batch...)
		}
	}
	s.pass(70 * time.Second) // longer than the turn of a bot that died is held for it
}

// trouble lets something go wrong at some seconds; each is over before anybody who
// came in between has left.
func (s *stage) trouble(second int) {
	s.Helper()
	if second%120 == 3 { // those turns are held for a minute
		s.store.losesSettlements(5)
	}
	switch second % 60 {
	case 7:
		s.stopDispatcher()
		s.startDispatcher()
	case 17:
		s.stopBot()
	case 29:
		s.startBot()
	case 37:
		s.fault(discord.Fault{Kind: discord.FaultLost, Route: createMessage, Count: 3})
	case 47:
		s.fault(discord.Fault{Kind: discord.FaultGlobal, RetryAfter: 0.2, Count: 2})
	case 53:
		s.fault(discord.Fault{Kind: discord.FaultReset, Route: createMessage, Count: 2})
	}
}

// What messages say: a single one names its character in the first line and the
// second of the login in its box, a digest has a line for each.
var (
	singleLine = regexp.MustCompile(`(?s)^🟢 \*\*([\w-]+)\*\* is online.*Came online <t:(\d+):R>`)
	digestLine = regexp.MustCompile(`(?m)^🟢 \*\*([\w-]+)\*\* · \w+ · <t:(\d+):R>`)
)

// compare holds what people see against what the oracle says.
func (s *stage) compare(t town, due map[telling]bool) {
	s.Helper()
	index := map[string]int{}
	for i, p := range t.people {
		index[p.Name] = i
	}
	singles, digests := map[telling]int{}, map[telling]int{}
	messages := 0
	for user := range t.friends {
		for _, m := range s.seen(townUser(user)) {
			messages++
			found := len(singles) + len(digests)
			s.read(singles, singleLine, user, index, text(m))
			s.read(digests, digestLine, user, index, text(m))
			if len(singles)+len(digests) == found {
				s.Errorf("a message tells nothing new that can be read:\n%s", text(m))
			}
		}
	}
	s.Logf("%d users, %d friends each, %d characters, %d s: %d tellings due, in %d messages (%d alone, %d in digests), %d sends deduplicated",
		len(t.friends), townFriends, len(t.people), t.seconds, len(due), messages, len(singles), len(digests), s.discord.Stats().Deduplicated)
	wrong := 0
	blame := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			s.Errorf(format, args...)
		}
	}
	for told := range due {
		if singles[told]+digests[told] == 0 {
			blame("never told: %+v", told)
		}
	}
	for _, seen := range []map[telling]int{singles, digests} {
		for told, n := range seen {
			if !due[told] {
				blame("told, and should not be: %+v", told)
			}
			if n != 1 {
				blame("told %d times: %+v", n, told)
			}
		}
	}
	if wrong > 0 {
		s.Errorf("%d tellings are wrong", wrong)
	}
	if len(due) < 1000 {
		s.Errorf("only %d tellings were due: the town sleeps", len(due))
	}
}

// read counts the tellings that line finds in a message.
func (s *stage) read(into map[telling]int, line *regexp.Regexp, user int, index map[string]int, message string) {
	s.Helper()
	for _, found := range line.FindAllStringSubmatch(message, -1) {
		who, ok := index[found[1]]
		at, err := strconv.ParseInt(found[2], 10, 64)
		if err != nil || !ok {
			s.Fatalf("%q names nobody, or no time: %v", found[0], err)
		}
		into[telling{user, who, at}]++
	}
}
