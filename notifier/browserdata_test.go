package notifier_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"muster/event"
)

// A screen is what the page is looked at on, and how its viewer likes it.
type screen struct {
	name          string
	width, height int64
	dark          bool
}

var screens = []screen{
	{"desktop-light", 1440, 900, false}, {"desktop-dark", 1440, 900, true},
	{"phone-light", 360, 780, false}, {"phone-dark", 360, 780, true},
}

func (s screen) apply() chromedp.Action[chromedp.Void] {
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.width < 500})
		return err
	})
}

var cast = []struct {
	name, tag string
	faction   event.Faction
}{
	{"Alice", "ABC", event.NC}, {"Bob", "VLT", event.VS}, {"xXLongestNameOfThemAllHere123Xx", "TR1B", event.TR},
	{"HeavyMetalMedic", "", event.NC}, {"PurplePalico", "KOTV", event.VS}, {"RedStapler", "GOON", event.TR},
	{"NSO4Hire", "BOTS", event.NSO}, {"", "", event.NC}, {"Wrel2", "V", event.VS}, {"Mossy", "ABC", event.NC},
}

func player(i int) *event.Who {
	c := cast[i%len(cast)]
	w := &event.Who{ID: alice + event.CharacterID(i%len(cast)), Name: c.name, Faction: c.faction}
	if c.tag != "" {
		w.Outfit = &event.WhoOutfit{ID: outfit + event.OutfitID(i%len(cast)), Tag: c.tag, Name: "The " + c.tag + " Company"}
	}
	return w
}

// furnish fills the store as on an ordinary evening.
func furnish(t *testing.T, s *server) {
	now := time.Now().UTC()
	s.store.change(func(m *memory) {
		late, down := liveStream(40), liveStream(19)
		late.Health, late.Since = event.StreamLate, now.Add(-3*time.Minute)
		down.Health, down.Since, down.LastEventAt = event.StreamDown, now.Add(-2*time.Hour), now.Add(-2*time.Hour)
		down.Reason = "the endpoint does not answer"
		m.streams = []event.StreamState{liveStream(1), liveStream(10), late, down}
		m.gaps = []event.Gap{
			{World: 19, From: down.Since, Cause: "the endpoint does not answer"},
			{World: 10, From: now.Add(-9 * time.Hour), To: now.Add(-9*time.Hour + 4*time.Minute), Cause: "connection lost, no standby"},
		}
		m.outfits = []event.Outfit{{ID: outfit, Tag: "ABC", Name: "The Alphabet Company", Faction: event.NC, Members: 214}}
		for i := range 60 {
			w := player(i)
			p := event.Player{Character: event.Character{ID: alice + event.CharacterID(i), Name: w.Name, Faction: w.Faction, Rank: 87,
				Outfit: event.Outfit{ID: outfit, Tag: "ABC", Name: "The Alphabet Company", Faction: event.NC}},
				MembershipRank: []string{"Leader", "Officer", "Member"}[i%3]}
			if i >= len(cast) {
				p.Character.Name = fmt.Sprintf("Trooper%02d", i)
			}
			p.Online = event.Online{Character: p.Character.ID, Online: i%4 != 3, World: []event.World{1, 10, 40}[i%3], Zone: 2,
				Since: now.Add(-time.Duration(i) * 7 * time.Minute), LastSeen: now.Add(-time.Duration(i) * time.Minute)}
			m.players[p.Character.ID] = p
		}
		for i := range 6 {
			from := now.Add(-time.Duration(20*i)*time.Hour - time.Hour)
			session := event.Session{Character: alice, World: 10, StartedAt: from, EndedAt: from.Add(95 * time.Minute), End: event.EndLogout}
			if i == 0 {
				session.EndedAt, session.End = time.Time{}, ""
			}
			m.sessions = append(m.sessions, session)
		}
	})
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, st := range s.store.streams {
		s.bus.publish(t, event.TopicFeed, event.FeedMessage{Stream: &st})
	}
}

var battles int // how many events battle has made

// battle publishes a minute of a busy evening.
func battle(t *testing.T, s *server) {
	weapons := []string{"Gauss SAW", "NS-11C", "Bulldog", "Orion VS54", "The Commissioner", "MANA Anti-Personnel Turret", "Betelgeuse 54-A"}
	for i := range 70 {
		battles++
		it := item(battles, "kill", []event.World{1, 10, 40}[i%3], player(i*7), player(i*3+1))
		it.At, it.ReceivedAt = time.Now().Unix(), time.Now().UnixNano()
		detail := map[string]any{"weapon": map[string]any{"id": "80", "name": weapons[i%len(weapons)]}, "headshot": i%3 == 0, "suicide": i%23 == 5}
		switch {
		case i%9 == 4:
			it.Kind, it.Other = []string{"login", "logout"}[i%2], nil
		case i%9 == 7:
			it.Kind, it.Other = []string{"logout", "login"}[i%2], nil
		case i == 61:
			it.Kind, it.Character, it.Other = "capture", nil, nil
			detail = map[string]any{"facility": map[string]any{"id": "222280", "name": "The Crown"}, "new_faction": 2}
		case i == 64:
			it.Kind, it.Character, it.Other = "alert", nil, nil
			detail = map[string]any{"alert": map[string]any{"id": "147", "name": "Indar Enlightenment"}, "state": "started"}
		case i%11 == 3:
			it.Kind = "vehicle_kill"
			detail["vehicle"] = map[string]any{"id": "4", "name": "Magrider"}
		case i%23 == 5:
			it.Character = it.Other
		}
		it.Detail, _ = json.Marshal(detail)
		s.publish(t, it)
	}
}
