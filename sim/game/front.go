package game

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// front plays what is due on a world by the clock: captures, alerts, locks.
func (s *Server) front(w *worldState, now time.Time) {
	if len(w.online) == 0 {
		return
	}
	if w.due("capture", now, s.cfg.CaptureEvery) {
		s.contest(w)
	}
	s.endAlerts(w, now)
	if w.due("alert", now, s.cfg.AlertEvery) {
		s.startAlert(w, now)
	}
	if w.due("lock", now, s.cfg.LockEvery) {
		s.lock(w)
	}
}

// due reports whether something is due, and sets when it is next.
func (w *worldState) due(what string, now time.Time, every time.Duration) bool {
	if now.Before(w.next[what]) {
		return false
	}
	w.next[what] = now.Add(every)
	return true
}

// contest resolves a fight for a facility: a capture, or a defence when the
// owner wins, with the rows of the players who took part (census 2.5).
func (s *Server) contest(w *worldState) {
	zone := w.zones[s.rng.IntN(2)]
	fac := s.model.facility[zone][s.rng.IntN(min(8, len(s.model.facility[zone])))]
	winner := 1 + s.rng.IntN(3)
	if s.rng.IntN(4) == 0 {
		winner = w.owner[fac.id]
	}
	var there []*character
	for _, c := range w.online {
		if c.zone == zone && c.team == winner && len(there) < 3+s.rng.IntN(9) {
			there = append(there, c)
		}
	}
	outfitID := "0"
	if len(there) > 0 && there[0].outfit != nil {
		outfitID = there[0].outfit.id
	}
	old := w.owner[fac.id]
	if !s.control(w, fac, old, winner, outfitID) {
		return
	}
	name := "PlayerFacilityCapture"
	if old == winner {
		name = "PlayerFacilityDefend"
	}
	for _, c := range there {
		if name == "PlayerFacilityCapture" {
			c.stats.captures++
		} else {
			c.stats.defends++
		}
		outfitID := "0"
		if c.outfit != nil {
			outfitID = c.outfit.id
		}
		s.send(w, map[string]string{"event_name": name, "zone_id": zone, "character_id": c.id, "facility_id": fac.id, "outfit_id": outfitID})
	}
}

// control sends a FacilityControl and keeps the map.
func (s *Server) control(w *worldState, fac facilityFact, old, faction int, outfitID string) bool {
	now := s.now().Unix()
	sent := s.send(w, map[string]string{
		"event_name": "FacilityControl", "zone_id": fac.zone, "facility_id": fac.id, "outfit_id": outfitID,
		"old_faction_id": strconv.Itoa(old), "new_faction_id": strconv.Itoa(faction), "duration_held": itoa(now - w.takenAt[fac.id]),
	})
	if sent && old != faction {
		w.owner[fac.id], w.takenAt[fac.id] = faction, now
	}
	return sent
}

// territory is the percent of a zone a faction holds.
func (s *Server) territory(w *worldState, zone string, faction int) string {
	n := 0
	for _, fac := range s.model.facility[zone] {
		if w.owner[fac.id] == faction {
			n++
		}
	}
	return fmt.Sprintf("%.6f", 100*float64(n)/float64(len(s.model.facility[zone])))
}

func (s *Server) startAlert(w *worldState, now time.Time) {
	zone := w.zones[0]
	for _, a := range w.alerts {
		if a.zone == zone {
			return
		}
	}
	w.instance++
	a := &alertState{instance: strconv.Itoa(w.instance), zone: zone, id: alertIDs[zone][1+s.rng.IntN(3)], endsAt: now.Add(s.cfg.AlertLasts)}
	w.alerts = append(w.alerts, a)
	s.sendAlert(w, a, "135")
}

func (s *Server) endAlerts(w *worldState, now time.Time) {
	var running []*alertState
	for _, a := range w.alerts {
		if now.Before(a.endsAt) {
			running = append(running, a)
			continue
		}
		s.sendAlert(w, a, "138")
	}
	w.alerts = running
}

func (s *Server) sendAlert(w *worldState, a *alertState, state string) {
	s.send(w, map[string]string{
		"event_name": "MetagameEvent", "zone_id": a.zone, "experience_bonus": "25.000000", "instance_id": a.instance,
		"faction_vs": s.territory(w, a.zone, 1), "faction_nc": s.territory(w, a.zone, 2), "faction_tr": s.territory(w, a.zone, 3),
		"metagame_event_id": a.id, "metagame_event_state": state, "metagame_event_state_name": metagameStates[state],
	})
}

// lock locks the hottest continent for the faction that holds most of it,
// moves everybody on, and opens another: a burst of FacilityControl.
func (s *Server) lock(w *worldState) {
	zone, winner, most := w.zones[0], 1, -1.0
	var population [4]int
	for _, c := range w.online {
		if c.zone == zone {
			population[c.team]++
		}
	}
	total := max(population[1]+population[2]+population[3], 1)
	for f := 1; f <= 3; f++ {
		if share, _ := strconv.ParseFloat(s.territory(w, zone, f), 64); share > most {
			winner, most = f, share
		}
	}
	s.send(w, map[string]string{
		"event_name": "ContinentLock", "zone_id": zone, "metagame_event_id": "0", "previous_faction": strconv.Itoa(w.locked[zone]),
		"triggering_faction": strconv.Itoa(winner), "vs_population": strconv.Itoa(population[1] * 100 / total),
		"nc_population": strconv.Itoa(population[2] * 100 / total), "tr_population": strconv.Itoa(population[3] * 100 / total),
	})
	w.locked[zone] = winner
	s.burst(w, zone, 50+s.rng.IntN(21), winner)
	w.zones = append(slices.Clone(w.zones[1:]), zone)
	delete(w.locked, w.zones[1])
	for _, c := range w.online {
		if c.zone == zone {
			c.zone = w.zones[s.rng.IntN(2)]
		}
	}
}

// burst sends n FacilityControl of a zone at once. With faction 0 the
// continent is dealt out anew, and the rows carry the odd values of a reset
// (census 2.5).
func (s *Server) burst(w *worldState, zone string, n, faction int) {
	for i, fac := range s.model.facility[zone] {
		if i >= n {
			return
		}
		to, old := faction, w.owner[fac.id]
		if faction == 0 {
			to, old = 1+i%3, 0
			w.takenAt[fac.id] = 0
		}
		s.control(w, fac, old, to, "0")
	}
}
