package game

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A character is one invented player. The server's lock guards it.
type character struct {
	id, name, env, world string
	faction              int // 1 to 4
	outfit               *outfit
	rank                 string
	rankOrdinal          int
	memberSince          int64 // Unix seconds
	friends              []string
	battleRank, prestige int
	title                string
	created              int64
	lastLogin, lastSave  int64
	loginCount, minutes  int

	online    bool
	at        int // index in the world's online list
	zone      string
	team      int // 1 to 3 while online
	class     int // index into loadouts
	since     time.Time
	until     time.Time // when the generator may log it out or in again
	downUntil int64     // dead until this second
	changes   []presenceChange

	fixed bool // in the demo cast: not part of the random coming and going
	stats runStats
}

// presenceChange remembers when presence changed, for the lag of the query service.
type presenceChange struct {
	at     time.Time
	online bool
}

// runStats are what a character did while the server ran.
type runStats struct {
	kills, deaths, score, captures, defends, ribbons, medals, seconds int
	killsOf                                                           [4]int // by the victim's faction
	weapons                                                           map[string]*weaponStats
}

type weaponStats struct {
	kills, headshots, deaths int
	killsOf                  [4]int
	vehicleKills             int
}

func (c *character) weapon(id string) *weaponStats {
	if c.stats.weapons == nil {
		c.stats.weapons = map[string]*weaponStats{}
	}
	w := c.stats.weapons[id]
	if w == nil {
		w = &weaponStats{}
		c.stats.weapons[id] = w
	}
	return w
}

func (c *character) loadout() string { return loadouts[c.faction][c.class] }

// onlineAsOf is what a service that trails by lag would say.
func (c *character) onlineAsOf(t time.Time) bool {
	for _, ch := range slices.Backward(c.changes) {
		if !ch.at.After(t) {
			return ch.online
		}
	}
	if len(c.changes) > 0 {
		return !c.changes[0].online
	}
	return c.online
}

// An outfit is one invented outfit.
type outfit struct {
	id, name, tag, env, world string
	faction                   int
	leader                    *character
	members                   []*character
	created                   int64
}

// A worldState is what goes on on one world.
type worldState struct {
	worldFact
	env      string
	chars    []*character
	online   []*character
	zones    []string             // open continents with fighting, hottest first
	owner    map[string]int       // facility → faction
	takenAt  map[string]int64     // facility → Unix seconds
	locked   map[string]int       // zone → faction that locked it
	alerts   []*alertState        // running
	instance int                  // last alert instance
	next     map[string]time.Time // what is due when
}

type alertState struct {
	instance, zone, id string
	endsAt             time.Time
}

// A model is everything the simulator invented.
type model struct {
	chars     []*character
	byID      map[string]*character
	byName    map[string]*character // lower case
	outfits   []*outfit
	byOutfit  map[string]*outfit
	worlds    []*worldState
	byWorld   map[string]*worldState
	facility  map[string][]facilityFact // by zone
	weapons   []weaponFact
	weaponsBy map[string]weaponFact
}

// demoCast is who the demonstration is about: Kestrel of world 10, and the
// friends who come and go.
var demoCast = []string{
	"Kestrel", "Ravenholt", "Marlowe", "Ottoline", "Brackwater", "Sundew", "Halcyon", "Wexcombe", "Junipero", "Pallister", "Tarnbeck",
}

// earlyCast is how many of the cast are on within twenty seconds; the others
// follow one by one, so that somebody is always about to come.
const earlyCast = 7

const (
	maxFriends  = 14
	worldEpoch  = 1353427357 // Unix seconds: when the oldest characters were made
	yearSeconds = 31_557_600
)

// newModel invents a world from the configuration.
func newModel(cfg Config, start time.Time) *model {
	rng := rand.New(rand.NewPCG(uint64(cfg.Seed), 0x6d6f64656c))
	m := &model{
		byID: map[string]*character{}, byName: map[string]*character{}, byOutfit: map[string]*outfit{},
		byWorld: map[string]*worldState{}, facility: map[string][]facilityFact{}, weaponsBy: map[string]weaponFact{},
		weapons: builtinWeapons(),
	}
	for _, w := range m.weapons {
		m.weaponsBy[w.id] = w
	}
	for _, z := range playedZones {
		m.facility[z] = builtinFacilities(z)
	}
	names := &namer{rng: rng, used: map[string]bool{}}
	for _, name := range demoCast {
		names.take(name)
	}
	for _, env := range []string{"ps2", "ps2ps4us", "ps2ps4eu"} {
		if !cfg.serves(env) {
			continue
		}
		for _, f := range environmentWorlds[env] {
			if len(cfg.Worlds) == 0 || slices.Contains(cfg.Worlds, f.id) {
				m.addWorld(cfg, rng, names, env, f, start)
			}
		}
	}
	return m
}

func playersOf(cfg Config, world string) int {
	switch {
	case world == "19":
		return max(cfg.Players/6, 6)
	case isPS4(world):
		return max(cfg.Players/2, 6)
	default:
		return cfg.Players
	}
}

func (m *model) addWorld(cfg Config, rng *rand.Rand, names *namer, env string, f worldFact, start time.Time) {
	w := &worldState{
		worldFact: f, env: env, owner: map[string]int{}, takenAt: map[string]int64{}, locked: map[string]int{},
		next: map[string]time.Time{}, instance: 25000 + rng.IntN(5000),
	}
	w.zones = slices.Clone(playedZones)
	rng.Shuffle(len(w.zones), func(i, j int) { w.zones[i], w.zones[j] = w.zones[j], w.zones[i] })
	for _, z := range playedZones {
		for i, fac := range m.facility[z] {
			w.owner[fac.id] = 1 + (i*3/len(m.facility[z])+rng.IntN(2))%3
			w.takenAt[fac.id] = start.Unix() - int64(300+rng.IntN(7200))
		}
	}
	m.worlds = append(m.worlds, w)
	m.byWorld[f.id] = w
	n := playersOf(cfg, f.id)
	for i := range n {
		c := m.newCharacter(rng, names, w, start)
		if f.id == "10" && i < len(demoCast) {
			c.name, c.fixed, c.faction = demoCast[i], true, 2
		}
		m.add(w, c)
	}
	m.addOutfits(rng, names, w, start)
	m.befriend(rng, w)
}

func (m *model) add(w *worldState, c *character) {
	w.chars = append(w.chars, c)
	m.chars = append(m.chars, c)
	m.byID[c.id] = c
	m.byName[strings.ToLower(c.name)] = c
}

// newCharacter invents one player of a world.
func (m *model) newCharacter(rng *rand.Rand, names *namer, w *worldState, start time.Time) *character {
	created := worldEpoch + rng.Int64N(max(start.Unix()-worldEpoch-86400, 1))
	c := &character{
		id: m.newID(rng), name: names.player(), env: w.env, world: w.id, faction: 1 + rng.IntN(3), created: created,
		battleRank: 1 + rng.IntN(100), loginCount: 20 + rng.IntN(3000), minutes: 600 + rng.IntN(180_000),
		title: fmt.Sprint(1 + rng.IntN(8)),
	}
	if rng.IntN(14) == 0 && !isPS4(w.id) {
		c.faction = 4
	}
	if rng.IntN(5) == 0 && !isPS4(w.id) {
		c.prestige = 1 + rng.IntN(2)
	}
	c.lastLogin = start.Unix() - int64(600+rng.IntN(14*86400))
	c.lastSave = c.lastLogin + int64(300+rng.IntN(7200))
	if c.lastSave > start.Unix() {
		c.lastSave = start.Unix()
	}
	return c
}

// newID returns an unused character id: 19 digits, beginning with 5428.
func (m *model) newID(rng *rand.Rand) string {
	for {
		id := fmt.Sprintf("5428%015d", rng.Int64N(1e15))
		if m.byID[id] == nil {
			return id
		}
	}
}

var rankNames = []string{"Leader", "Officer", "Sergeant", "Corporal", "Member", "Recruit"}

// addOutfits gathers about three quarters of a world's players in outfits of
// their faction.
func (m *model) addOutfits(rng *rand.Rand, names *namer, w *worldState, start time.Time) {
	for faction := 1; faction <= 4; faction++ {
		var pool []*character
		for _, c := range w.chars {
			if c.faction == faction && (c.fixed || rng.IntN(4) > 0) {
				pool = append(pool, c)
			}
		}
		for len(pool) > 2 {
			n := min(len(pool), len(demoCast)+rng.IntN(14))
			m.newOutfit(rng, names, w, faction, pool[:n], start)
			pool = pool[n:]
		}
	}
}

func (m *model) newOutfit(rng *rand.Rand, names *namer, w *worldState, faction int, members []*character, start time.Time) {
	name, tag := names.outfit()
	if members[0].fixed {
		name, tag = "Harbour Night Watch", "HNW"
	}
	o := &outfit{name: name, tag: tag, env: w.env, world: w.id, faction: faction}
	for o.id == "" || m.byOutfit[o.id] != nil {
		o.id = fmt.Sprintf("375%014d", rng.Int64N(1e14))
	}
	o.created = start.Unix() - 30*86400 - rng.Int64N(5*yearSeconds)
	for i, c := range members {
		c.outfit, c.rankOrdinal = o, min(1+(i+2)/3, len(rankNames))
		c.rank = rankNames[c.rankOrdinal-1]
		c.memberSince = o.created + rng.Int64N(start.Unix()-o.created)
		o.members = append(o.members, c)
	}
	o.leader = members[0]
	o.leader.memberSince = o.created
	m.outfits = append(m.outfits, o)
	m.byOutfit[o.id] = o
}

// befriend writes friend lists. Most friendships are on both lists; some are
// on one only (census 5.2).
func (m *model) befriend(rng *rand.Rand, w *worldState) {
	for _, c := range w.chars {
		for range 1 + rng.IntN(5) {
			other := w.chars[rng.IntN(len(w.chars))]
			if c.outfit != nil && rng.IntN(2) == 0 {
				other = c.outfit.members[rng.IntN(len(c.outfit.members))]
			}
			if other == c || c.fixed || other.fixed {
				continue
			}
			addFriend(c, other)
			if rng.IntN(6) > 0 {
				addFriend(other, c)
			}
		}
	}
	if w.id != "10" {
		return
	}
	kestrel := w.chars[0]
	for i, friend := range w.chars[1:len(demoCast)] {
		addFriend(kestrel, friend)
		if i > 0 { // one of them has not returned the favour
			addFriend(friend, kestrel)
		}
	}
}

func addFriend(c, other *character) {
	if len(c.friends) < maxFriends && !slices.Contains(c.friends, other.id) {
		c.friends = append(c.friends, other.id)
	}
}

// find returns a character by id or by name in any case.
func (m *model) find(idOrName string) (*character, error) {
	if c := m.byID[idOrName]; c != nil {
		return c, nil
	}
	if c := m.byName[strings.ToLower(idOrName)]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no character %q", idOrName)
}

// move changes a character's outfit; nil is none.
func (m *model) move(c *character, to *outfit) {
	if c.outfit != nil {
		c.outfit.members = slices.DeleteFunc(c.outfit.members, func(o *character) bool { return o == c })
	}
	c.outfit, c.rank, c.rankOrdinal = to, "", 0
	if to != nil {
		to.members = append(to.members, c)
		c.rankOrdinal = len(rankNames)
		c.rank = rankNames[c.rankOrdinal-1]
	}
}
