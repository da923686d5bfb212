package dispatcher

import (
	"fmt"
	"math/rand/v2"
	"time"

	"muster/event"
)

// benchBodies returns n different sightings of a world that holds together: each
// character is on one world and seldom changes the continent, acts while it is
// logged in, and is met by others of the same place. 80 % are experience, 12 %
// deaths, 6 % vehicles, 1 % logins and as many logouts (many times what is real).
func benchBodies(n int) [][]byte {
	g := benchGame{Rand: rand.New(rand.NewPCG(1, 2))}
	for i := range benchCharacters {
		g.people = append(g.people, benchPerson{
			id: benchCharacter(i), world: []int{1, 10, 40}[i%3], zone: 2 + 2*g.IntN(4)})
	}
	g.online = len(g.people) * 9 / 10
	start := time.Now().Add(-time.Hour)
	seen := make(map[event.Key]bool, n)
	bodies := make([][]byte, 0, n)
	for len(bodies) < n {
		i := len(bodies)
		second := start.Unix() + int64(i/benchPerSecond)
		at := start.Add(time.Duration(i) * time.Second / benchPerSecond)
		body := event.EncodeSighting([]byte(g.payload(second)), at, 0)
		m, err := event.DecodeMessage(body)
		if err != nil {
			panic(err)
		}
		if key := m.Event.Key(); !seen[key] {
			seen[key] = true
			bodies = append(bodies, body)
		}
	}
	return bodies
}

// benchReasons are what experience is given for most: one player gets it for a dozen
// of the many hundred reasons.
var benchReasons = []int{1, 2, 4, 7, 34, 51, 53, 55, 142, 293, 438, 556}

// benchCharacter returns the id of the i-th character.
func benchCharacter(i int) int64 { return 5428010618015000000 + int64(i)*977 }

type benchPerson struct {
	id          int64
	world, zone int
}

// A benchGame has its first online people logged in.
type benchGame struct {
	*rand.Rand
	people []benchPerson
	online int
}

// meet returns two who are on one world and makes them be in one place.
func (g *benchGame) meet() (a, b benchPerson) {
	i := g.IntN(g.online)
	for j := g.IntN(g.online); ; j = g.IntN(g.online) {
		if g.people[j].world == g.people[i].world && g.people[j].zone == g.people[i].zone {
			return g.people[i], g.people[j]
		}
	}
}

func (g *benchGame) payload(second int64) string {
	a, b := g.meet()
	head := func(name string) string {
		return fmt.Sprintf(`{"event_name":"%s","timestamp":"%d","world_id":"%d","zone_id":"%d"`, name, second, a.world, a.zone)
	}
	presence := func(name string, p benchPerson) string {
		return fmt.Sprintf(`{"event_name":"%s","timestamp":"%d","world_id":"%d","character_id":"%d"}`, name, second, p.world, p.id)
	}
	switch p := g.IntN(100); {
	case p < 80:
		return head("GainExperience") + fmt.Sprintf(`,"character_id":"%d","other_id":"%d","experience_id":"%d","amount":"%d","loadout_id":"%d","team_id":"%d"}`,
			a.id, b.id, benchReasons[g.IntN(len(benchReasons))], g.IntN(500), 1+g.IntN(30), 1+g.IntN(3))
	case p < 92:
		return head("Death") + fmt.Sprintf(`,"character_id":"%d","attacker_character_id":"%d","attacker_fire_mode_id":"%d","attacker_loadout_id":"%d",`+
			`"attacker_team_id":"%d","attacker_vehicle_id":"0","attacker_weapon_id":"%d","character_loadout_id":"%d","is_critical":"0","is_headshot":"%d","team_id":"%d"}`,
			a.id, b.id, g.IntN(90000), 1+g.IntN(30), 1+g.IntN(3), 7000+g.IntN(1000), 1+g.IntN(30), g.IntN(2), 1+g.IntN(3))
	case p < 98:
		return head("VehicleDestroy") + fmt.Sprintf(`,"character_id":"%d","attacker_character_id":"%d","attacker_loadout_id":"%d","attacker_team_id":"%d",`+
			`"attacker_vehicle_id":"%d","attacker_weapon_id":"%d","facility_id":"0","faction_id":"%d","team_id":"%d","vehicle_id":"%d"}`,
			b.id, a.id, 1+g.IntN(30), 1+g.IntN(3), g.IntN(15), 7000+g.IntN(1000), 1+g.IntN(3), 1+g.IntN(3), 1+g.IntN(15))
	case p < 99 && g.online < len(g.people):
		i := g.online + g.IntN(len(g.people)-g.online)
		g.people[g.online], g.people[i] = g.people[i], g.people[g.online]
		g.people[g.online].zone = 2 + 2*g.IntN(4)
		g.online++
		return presence("PlayerLogin", g.people[g.online-1])
	default:
		i := g.IntN(g.online)
		g.online--
		g.people[g.online], g.people[i] = g.people[i], g.people[g.online]
		return presence("PlayerLogout", g.people[g.online])
	}
}
