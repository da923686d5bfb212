package day

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"muster/event"
)

// What a day is like.
const (
	people   = 4000
	dayLong  = 23*time.Hour + 30*time.Minute // a day, less what a run takes: who is silent for 24 h is gone
	dayFull  = 10_000_000                    // events
	leastOn  = 15 * time.Minute              // in the game; more than a batch can overtake another
	mostOn   = 3 * time.Hour
	leastOff = 15 * time.Minute
	mostOff  = 5 * time.Hour
)

// A person plays on one world. The game sends a login when a sitting begins and a
// logout when it ends.
type person struct {
	id          int64
	world, zone int
	online      bool
	since       int64 // the second of the login
	turn        int64 // the second of the next login or logout
	place       int   // in traffic.online
}

// A sitting is a session as it must be stored; to is 0 while it lasts.
type sitting struct{ character, from, to int64 }

// A traffic makes up events, the same for the same seed, and remembers what must
// become of them.
type traffic struct {
	rnd       *rand.Rand
	start     int64 // Unix second
	seconds   int64
	total     int
	people    []*person
	online    []*person
	turns     map[int64][]*person // by second
	second    int64               // since start
	ready     [][]byte            // payloads of the second, not yet taken
	keys      map[event.Key]bool  // of the second
	made      int
	kinds     map[event.Kind]int64
	amount    int64    // of all experience
	print     [2]int64 // of all keys, exclusive or
	sittings  []sitting
	presences int64
}

// newTraffic returns the first total events of a day that has ten million.
func newTraffic(seed uint64, total int, now time.Time) *traffic {
	seconds := max(int64(dayLong.Seconds()*float64(min(total, dayFull))/dayFull), 60)
	t := &traffic{
		rnd: rand.New(rand.NewPCG(seed, 1)), seconds: seconds, start: now.Unix() - seconds, total: total,
		turns: map[int64][]*person{}, keys: map[event.Key]bool{}, kinds: map[event.Kind]int64{},
	}
	for i := range people {
		p := &person{id: 5428010618015000000 + int64(i)*977, world: []int{1, 10, 17, 40}[i%4]}
		t.people = append(t.people, p)
		t.plan(p, t.rnd.Int64N(600)) // most are there from the beginning
	}
	return t
}

func (t *traffic) plan(p *person, at int64) {
	p.turn = at
	t.turns[at] = append(t.turns[at], p)
}

func (t *traffic) between(least, most time.Duration) int64 {
	a, b := int64(least.Seconds()), int64(most.Seconds())
	return a + t.rnd.Int64N(b-a)
}

// next returns the next payload as the game sends it, nil at the end.
func (t *traffic) next() []byte {
	for len(t.ready) == 0 {
		if t.made >= t.total {
			return nil
		}
		t.fill()
	}
	payload := t.ready[0]
	t.ready = t.ready[1:]
	return payload
}

// fill makes the events of one second. The evening has more than the morning.
func (t *traffic) fill() {
	clear(t.keys)
	at := t.start + t.second
	for _, p := range t.turns[t.second] {
		t.turn(p, at)
	}
	delete(t.turns, t.second)
	t.second++
	x := min(float64(t.second)/float64(t.seconds), 1)
	want := int(float64(t.total) * (x - 0.3*math.Sin(2*math.Pi*x)/(2*math.Pi)))
	if t.second >= t.seconds {
		want = t.total
	}
	for t.made < want && len(t.online) > 1 {
		t.act(at)
	}
}

// turn is a login or a logout.
func (t *traffic) turn(p *person, at int64) {
	name := "PlayerLogin"
	if p.online {
		name = "PlayerLogout"
		last := len(t.online) - 1
		t.online[p.place] = t.online[last]
		t.online[p.place].place = p.place
		t.online = t.online[:last]
		t.sittings = append(t.sittings, sitting{p.id, p.since, at})
		t.plan(p, t.second+t.between(leastOff, mostOff))
	} else {
		p.zone, p.since, p.place = 2+2*t.rnd.IntN(4), at, len(t.online)
		t.online = append(t.online, p)
		t.plan(p, t.second+t.between(leastOn, mostOn))
	}
	p.online = !p.online
	t.add(fmt.Sprintf(`{"event_name":"%s","timestamp":"%d","world_id":"%d","character_id":"%d"}`, name, at, p.world, p.id))
}

// act is something that somebody does in the game. Now and then they go elsewhere.
func (t *traffic) act(at int64) {
	a, b := t.online[t.rnd.IntN(len(t.online))], t.online[t.rnd.IntN(len(t.online))]
	if t.rnd.IntN(2000) == 0 {
		a.zone = 2 + 2*t.rnd.IntN(4)
	}
	if b.world != a.world || b.zone != a.zone {
		b = a
	}
	head := func(name string) string {
		return fmt.Sprintf(`{"event_name":"%s","timestamp":"%d","world_id":"%d","zone_id":"%d"`, name, at, a.world, a.zone)
	}
	switch k := t.rnd.IntN(100); {
	case k < 84:
		amount := t.rnd.IntN(500)
		if t.add(head("GainExperience") + fmt.Sprintf(`,"character_id":"%d","other_id":"%d","experience_id":"%d","amount":"%d","loadout_id":"%d","team_id":"%d"}`,
			a.id, b.id, reasons[t.rnd.IntN(len(reasons))], amount, 1+t.rnd.IntN(30), 1+t.rnd.IntN(3))) {
			t.amount += int64(amount)
		}
	case k < 96:
		t.add(head("Death") + fmt.Sprintf(`,"character_id":"%d","attacker_character_id":"%d","attacker_fire_mode_id":"%d","attacker_loadout_id":"%d",`+
			`"attacker_team_id":"%d","attacker_vehicle_id":"0","attacker_weapon_id":"%d","character_loadout_id":"%d","is_critical":"0","is_headshot":"%d","team_id":"%d"}`,
			a.id, b.id, t.rnd.IntN(90000), 1+t.rnd.IntN(30), 1+t.rnd.IntN(3), 7000+t.rnd.IntN(1000), 1+t.rnd.IntN(30), t.rnd.IntN(2), 1+t.rnd.IntN(3)))
	default:
		t.add(head("VehicleDestroy") + fmt.Sprintf(`,"character_id":"%d","attacker_character_id":"%d","attacker_loadout_id":"%d","attacker_team_id":"%d",`+
			`"attacker_vehicle_id":"%d","attacker_weapon_id":"%d","facility_id":"0","faction_id":"%d","team_id":"%d","vehicle_id":"%d"}`,
			b.id, a.id, 1+t.rnd.IntN(30), 1+t.rnd.IntN(3), t.rnd.IntN(15), 7000+t.rnd.IntN(1000), 1+t.rnd.IntN(3), 1+t.rnd.IntN(3), 1+t.rnd.IntN(15)))
	}
}

// reasons are what experience is given for most.
var reasons = []int{1, 2, 4, 7, 34, 51, 53, 55, 142, 293, 438, 556}

// add keeps a payload unless the game would take it for one it has sent this second.
func (t *traffic) add(payload string) bool {
	e, err := event.Decode([]byte(payload), time.Unix(t.start+t.seconds, 0))
	if err != nil {
		panic(err) // the generator is broken
	}
	key := e.Key()
	if t.keys[key] {
		return false
	}
	t.keys[key] = true
	t.ready = append(t.ready, []byte(payload))
	t.made++
	t.kinds[e.Kind]++
	if e.Kind == event.Login || e.Kind == event.Logout {
		t.presences++
	}
	for i := range t.print {
		t.print[i] ^= int64(binary.BigEndian.Uint64(key[8*i:]))
	}
	return true
}

// sessions are all that must be stored.
func (t *traffic) sessions() map[sitting]bool {
	all := make(map[sitting]bool, len(t.sittings)+len(t.online))
	for _, s := range t.sittings {
		all[s] = true
	}
	for _, p := range t.online {
		all[sitting{p.id, p.since, 0}] = true
	}
	return all
}
