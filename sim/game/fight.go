package game

import (
	"strconv"
	"strings"
)

// scene plays one small coherent thing that happens on some world, and
// returns how many events it sent.
func (s *Server) scene() int {
	c := s.somebody()
	if c == nil {
		return 0
	}
	switch roll := s.rng.IntN(100); {
	case roll < 30:
		return s.fight(c)
	case roll < 36:
		return s.destroy(c)
	case roll < 56:
		return s.support(c, "4", "51", 1+s.rng.IntN(3))
	case roll < 68:
		return s.support(c, "34", "55", 1+s.rng.IntN(2))
	case roll < 76:
		return s.support(c, "438", "439", 1)
	case roll < 82:
		return s.support(c, "7", "53", 1)
	case roll < 88:
		return s.support(c, "56", "233", 1)
	case roll < 93:
		return s.experience(c, []string{"556", "557", "15", "16", "272"}[s.rng.IntN(5)], "0")
	case roll < 95:
		return s.experience(c, "236", "17"+strconv.Itoa(100_000_000+s.rng.IntN(899_999_999)))
	default:
		return s.reward(c)
	}
}

// somebody returns a random character that is online and alive.
func (s *Server) somebody() *character {
	for range 20 {
		c := s.model.chars[s.rng.IntN(len(s.model.chars))]
		if c.online && c.downUntil <= s.now().Unix() {
			return c
		}
	}
	return nil
}

// near returns a random character in the same zone, of the same team or not.
func (s *Server) near(c *character, ally bool) *character {
	online := s.model.byWorld[c.world].online
	for range 25 {
		o := online[s.rng.IntN(len(online))]
		if o != c && o.zone == c.zone && (o.team == c.team) == ally && o.downUntil <= s.now().Unix() {
			return o
		}
	}
	return nil
}

// respawn is how long the dead stay out of fights, in seconds.
const respawn = 2

func (s *Server) fight(c *character) int {
	victim := s.near(c, false)
	switch s.rng.IntN(50) {
	case 0:
		victim = c // a fall, or own explosives
	case 1:
		victim = s.near(c, true)
	}
	if victim == nil {
		return s.support(c, "4", "51", 1)
	}
	weapon := s.pickWeapon(c, false)
	if s.rng.IntN(12) == 0 {
		weapon = s.pickWeapon(c, true)
	}
	if victim == c {
		weapon = weaponFact{id: "0"}
	}
	return s.kill(c, victim, weapon, weapon.id != "0" && !weapon.vehicle && s.rng.IntN(4) == 0)
}

func (s *Server) pickWeapon(c *character, vehicle bool) weaponFact {
	faction := strconv.Itoa(c.team)
	for range 200 {
		w := s.model.weapons[s.rng.IntN(len(s.model.weapons))]
		if w.vehicle == vehicle && (w.faction == faction || w.faction == "0") {
			return w
		}
	}
	return s.model.weapons[0]
}

// kill sends a Death and the experience that comes with it.
func (s *Server) kill(c, victim *character, weapon weaponFact, headshot bool) int {
	w := s.model.byWorld[c.world]
	vehicle := "0"
	if v := vehicleOfWeapon[weapon.id]; v != "" {
		vehicle = v
	}
	head := "0"
	if headshot {
		head = "1"
	}
	sent := s.send(w, map[string]string{
		"event_name": "Death", "zone_id": c.zone, "is_critical": "0", "is_headshot": head,
		"attacker_character_id": c.id, "attacker_fire_mode_id": fireMode(weapon.id), "attacker_loadout_id": c.loadout(),
		"attacker_team_id": strconv.Itoa(c.team), "attacker_vehicle_id": vehicle, "attacker_weapon_id": weapon.id,
		"character_id": victim.id, "character_loadout_id": victim.loadout(), "team_id": strconv.Itoa(victim.team),
	})
	if !sent {
		return 0
	}
	victim.downUntil = s.now().Unix() + respawn
	victim.stats.deaths++
	victim.weapon(weapon.id).deaths++
	if c == victim || c.team == victim.team {
		return 1
	}
	c.stats.kills++
	c.stats.killsOf[victim.team]++
	cw := c.weapon(weapon.id)
	cw.kills++
	cw.killsOf[victim.team]++
	n := 1 + s.experience(c, "1", victim.id)
	if headshot {
		cw.headshots++
		n += s.experience(c, "37", victim.id)
	}
	if ally := s.near(c, true); ally != nil && s.rng.IntN(3) == 0 {
		n += s.experience(ally, "2", victim.id)
	}
	if s.rng.IntN(12) == 0 {
		n += s.experience(c, []string{"8", "10", "11", "25", "32", "278", "335"}[s.rng.IntN(7)], victim.id)
	}
	return n
}

func fireMode(weapon string) string {
	if weapon == "0" {
		return "0"
	}
	return "7" + weapon
}

// destroy sends a VehicleDestroy, now and then of an unowned turret.
func (s *Server) destroy(c *character) int {
	owner := s.near(c, false)
	if owner == nil {
		return 0
	}
	v := vehicleFacts[s.rng.IntN(len(vehicleFacts))]
	for v.faction != "0" && v.faction != strconv.Itoa(owner.team) {
		v = vehicleFacts[s.rng.IntN(len(vehicleFacts))]
	}
	ownerID, facility := owner.id, "0"
	if s.rng.IntN(10) == 0 {
		w := s.model.byWorld[c.world]
		ownerID, v = "0", vehicleFact{id: "102", experience: "58", xp: "100"}
		facility = s.model.facility[w.zones[0]][0].id
	}
	weapon := s.pickWeapon(c, s.rng.IntN(2) == 0)
	vehicle := "0"
	if on := vehicleOfWeapon[weapon.id]; on != "" {
		vehicle = on
	}
	fields := map[string]string{
		"event_name": "VehicleDestroy", "zone_id": c.zone, "attacker_character_id": c.id, "attacker_loadout_id": c.loadout(),
		"attacker_team_id": strconv.Itoa(c.team), "attacker_vehicle_id": vehicle, "attacker_weapon_id": weapon.id,
		"character_id": ownerID, "facility_id": facility, "faction_id": strconv.Itoa(owner.team),
		"team_id": strconv.Itoa(owner.team), "vehicle_id": v.id,
	}
	if isPS4(c.world) {
		delete(fields, "attacker_team_id")
	}
	if !s.send(s.model.byWorld[c.world], fields) {
		return 0
	}
	c.weapon(weapon.id).vehicleKills++
	return 1 + s.gain(c, v.experience, v.xp, ownerID)
}

// support sends experience for n teammates helped.
func (s *Server) support(c *character, single, squad string, n int) int {
	sent := 0
	for range n {
		ally := s.near(c, true)
		if ally == nil {
			break
		}
		id := single
		if s.rng.IntN(2) == 0 {
			id = squad
		}
		sent += s.experience(c, id, ally.id)
	}
	return sent
}

// experience sends a GainExperience worth what the table says, with boosts.
func (s *Server) experience(c *character, id, other string) int {
	for _, e := range experienceFacts {
		if e.id == id {
			return s.gain(c, id, e.xp, other)
		}
	}
	return s.gain(c, id, "100", other)
}

func (s *Server) gain(c *character, id, xp, other string) int {
	amount, _ := strconv.Atoi(xp)
	if s.rng.IntN(3) == 0 {
		amount += amount / 2 // a boost
	}
	fields := map[string]string{
		"event_name": "GainExperience", "zone_id": c.zone, "amount": strconv.Itoa(amount), "character_id": c.id,
		"experience_id": id, "loadout_id": c.loadout(), "other_id": other, "team_id": strconv.Itoa(c.team),
	}
	if isPS4(c.world) {
		delete(fields, "team_id")
	}
	if !s.send(s.model.byWorld[c.world], fields) {
		return 0
	}
	c.stats.score += amount
	return 1
}

// reward sends one of the rarer personal events.
func (s *Server) reward(c *character) int {
	fields := map[string]string{"zone_id": c.zone, "character_id": c.id}
	switch roll := s.rng.IntN(20); {
	case roll < 10:
		c.stats.ribbons++
		fields["event_name"], fields["achievement_id"] = "AchievementEarned", pick(s.rng.IntN, ribbons)
	case roll < 15:
		fields["event_name"], fields["context"] = "ItemAdded", "GenericTerminalTransaction"
		fields["item_count"], fields["item_id"] = "1", s.model.weapons[s.rng.IntN(len(s.model.weapons))].id
	case roll < 18:
		fields["event_name"], fields["skill_id"] = "SkillAdded", strconv.Itoa(1+s.rng.IntN(900))
	case roll < 19 && c.battleRank < 120:
		c.battleRank++
		fields["event_name"], fields["battle_rank"] = "BattleRankUp", strconv.Itoa(c.battleRank)
	default:
		fields["event_name"], fields["fish_id"] = "FishScan", strconv.Itoa(1+s.rng.IntN(9))
		fields["loadout_id"], fields["team_id"] = c.loadout(), strconv.Itoa(c.team)
	}
	if isPS4(c.world) && strings.HasPrefix(fields["event_name"], "Fish") {
		return 0
	}
	if !s.send(s.model.byWorld[c.world], fields) {
		return 0
	}
	return 1
}

// pick returns a key of a table, the same for the same roll.
func pick[V any](intN func(int) int, table map[string]V) string {
	keys := sortedKeys(table)
	return keys[intN(len(keys))]
}
