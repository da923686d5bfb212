package told

import (
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

// A happening is what a character did, at a second after the beginning.
type happening struct {
	second int
	login  bool
	who    int
}

// A telling is that a person hears of a character's login at a second.
type telling struct{ user, who, second int }

// A town is the same for everybody who asks with one seed.
type town struct {
	seconds    int
	characters int
	friends    [][]int // of each user
	story      []happening
}

// newTown invents who is whose friend, and who comes and goes: most stay for some
// minutes, some log in again at once, some after five minutes.
func newTown(rnd *rand.Rand) town {
	users, seconds := smallUsers, smallTime
	if os.Getenv("TOLD_FULL") != "" {
		users, seconds = fullUsers, fullTime
	}
	t := town{characters: 10 * users, seconds: seconds}
	for range users {
		t.friends = append(t.friends, rnd.Perm(t.characters)[:townFriends])
	}
	free := make([]int, t.characters) // from which second on a character may log in
	for second := range t.seconds {
		for range 1 + rnd.IntN(2) {
			who := rnd.IntN(t.characters)
			if free[who] > second {
				continue
			}
			t.story = append(t.story, happening{second, true, who})
			off := second + 60 + rnd.IntN(120)
			free[who] = t.seconds + 1
			if off >= t.seconds {
				continue
			}
			t.story = append(t.story, happening{off, false, who})
			switch again := off + 20 + rnd.IntN(100); rnd.IntN(3) {
			case 0: // a relog
				if again < t.seconds {
					t.story = append(t.story, happening{again, true, who})
				}
			case 1: // a new sitting
				free[who] = off + 200
			}
		}
	}
	return t
}

// due says who must be told of what: of each sitting once, or of the first alone
// who has a cooldown. A sitting begins with a login that does not follow a logout
// within three minutes.
//
// It is the oracle, and shares nothing with what it judges.
func (t town) due() map[telling]bool {
	followers := map[int][]int{}
	for user, list := range t.friends {
		for _, who := range list {
			followers[who] = append(followers[who], user)
		}
	}
	bySecond := t.bySecond()
	left, first := map[int]int{}, map[telling]bool{}
	out := map[telling]bool{}
	for second, list := range bySecond {
		for _, h := range list {
			if !h.login {
				left[h.who] = second
				continue
			}
			if at, ok := left[h.who]; ok && second-at < 180 {
				continue
			}
			for _, user := range followers[h.who] {
				told := telling{user: user, who: h.who}
				if !hasCooldown(user) || !first[told] {
					out[telling{user, h.who, second}] = true
				}
				first[told] = true
			}
		}
	}
	return out
}

func (t town) bySecond() [][]happening {
	out := make([][]happening, t.seconds)
	for _, h := range t.story {
		out[h.second] = append(out[h.second], h)
	}
	return out
}

// hasCooldown says which users keep the default of 30 minutes; the others have none.
func hasCooldown(user int) bool { return user%2 == 0 }

func townUser(i int) alert.UserID { return alert.UserID(1400000000000000000 + int64(i)) }

func TestATownIsToldExactlyWhatAnOracleSays(t *testing.T) {
	for name, on := range transports(t) {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, on)
			rnd := rand.New(rand.NewPCG(townSeed, 1))
			town := newTown(rnd)
			ids := s.populate(town)
			began := s.live(town, ids, rnd)
			s.compare(town, began)
		})
	}
}

func (s *stage) populate(t town) []event.CharacterID {
	s.Helper()
	s.stopBot()
	ids := s.strangers(t.characters)
	for i, list := range t.friends {
		u := townUser(i)
		_, err := s.discord.AddUser(discord.User{ID: u.String(), Username: "user" + u.String()})
		s.ok(err)
		own := event.CharacterID(5428200000000000000 + int64(i))
		_, err = s.store.Link(s.Context(), alert.Link{User: u, Character: own, LinkedAt: s.clock.now()})
		s.ok(err)
		friends := make([]event.Friend, len(list))
		for n, who := range list {
			friends[n].Character = ids[who]
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
	return ids
}

// live plays the story second by second, every event once or twice and some a
// little late, with crashes of either role and faults of Discord in between.
func (s *stage) live(t town, ids []event.CharacterID, rnd *rand.Rand) (began time.Time) {
	s.Helper()
	began = s.clock.now().Truncate(time.Second).Add(time.Minute)
	for second, list := range t.bySecond() {
		s.moveTo(began.Add(time.Duration(second)*time.Second + 100*time.Millisecond))
		if second%30 == 0 {
			s.streamNow()
		}
		s.trouble(second)
		var batch []bus.Message
		for _, h := range list {
			name := "PlayerLogout"
			if h.login {
				name = "PlayerLogin"
			}
			m := s.presences(name, 0, ids[h.who])[0]
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
	s.pass(10 * time.Second)
	return began
}

func (s *stage) streamNow() {
	s.Helper()
	s.stream(wainwright, event.StreamLive, 6*time.Hour)
}

// trouble lets something go wrong at some seconds; each is over before anybody who
// came in between has left.
func (s *stage) trouble(second int) {
	s.Helper()
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
	singleLine = regexp.MustCompile(`(?s)^🟢 \*\*Stranger(\d+)\*\* is online.*Came online <t:(\d+):R>`)
	digestLine = regexp.MustCompile(`(?m)^🟢 \*\*Stranger(\d+)\*\* · Wainwright · <t:(\d+):R>`)
)

// compare holds what people see against what the oracle says.
func (s *stage) compare(t town, began time.Time) {
	s.Helper()
	due := t.due()
	singles, digests := map[telling]int{}, map[telling]int{}
	messages := 0
	for user := range t.friends {
		for _, m := range s.seen(townUser(user)) {
			messages++
			s.read(singles, singleLine, user, text(m), began)
			s.read(digests, digestLine, user, text(m), began)
		}
	}
	s.Logf("%d users, %d friends each, %d characters, %d s: %d tellings due, in %d messages (%d alone, %d in digests), %d sends deduplicated",
		len(t.friends), townFriends, t.characters, t.seconds, len(due), messages, len(singles), len(digests), s.discord.Stats().Deduplicated)
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
func (s *stage) read(into map[telling]int, line *regexp.Regexp, user int, message string, began time.Time) {
	s.Helper()
	for _, found := range line.FindAllStringSubmatch(message, -1) {
		who, err1 := strconv.Atoi(found[1])
		at, err2 := strconv.ParseInt(found[2], 10, 64)
		if err1 != nil || err2 != nil {
			s.Fatal(err1, err2)
		}
		into[telling{user, who, int(at - began.Unix())}]++
	}
}
