package game

import (
	"strconv"
	"time"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// tickEvery is the generator's step.
const tickEvery = 50 * time.Millisecond

// generate runs the world by the wall clock until the server closes.
func (s *Server) generate() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-ticker.C:
			s.mu.Lock()
			s.tick(now.Sub(last))
			s.mu.Unlock()
			last = now
		}
	}
}

// stepLength is the game time of one step.
const stepLength = 100 * time.Millisecond

// Step moves game time on by n steps of 100 ms and generates what happens in
// them. It is for servers with Config.Manual; the same steps from the same
// seed give the same events.
func (s *Server) Step(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.clock = s.clock.Add(stepLength)
		s.tick(stepLength)
	}
}

// tick generates what happens in d. The caller holds the lock.
func (s *Server) tick(d time.Duration) {
	if s.paused || s.rate == 0 {
		return
	}
	now := s.now()
	s.comeAndGo(now)
	for _, w := range s.model.worlds {
		s.front(w, now)
	}
	s.budget = min(s.budget+s.rate*d.Seconds(), s.rate+1)
	for tries := 4*int(s.budget) + 4; s.budget >= 1 && tries > 0; tries-- {
		s.budget -= float64(s.scene()) // 0 when nobody was in reach
	}
}

// populate puts a part of every world online before anything is sent: a
// client that connects finds people there whose login it never saw.
func (s *Server) populate() {
	for _, w := range s.model.worlds {
		for i, c := range w.chars {
			switch {
			case c.fixed && i == 0:
				s.enter(c, s.start)
			case c.fixed && i < earlyCast:
				c.until = s.start.Add(time.Duration(i) * 3 * time.Second)
			case c.fixed:
				c.until = s.start.Add(time.Duration(i-earlyCast)*40*time.Second + 50*time.Second)
			case s.rng.IntN(100) < 45:
				s.enter(c, s.start)
				c.changes = nil // it has been on for long
				c.until = s.start.Add(time.Duration(s.rng.IntN(60)) * time.Second)
			}
		}
		w.next["capture"] = s.start.Add(time.Duration(s.rng.Int64N(int64(s.cfg.CaptureEvery) + 1)))
		w.next["alert"] = s.start.Add(time.Duration(s.rng.Int64N(int64(s.cfg.AlertEvery)/2 + 1)))
		w.next["lock"] = s.start.Add(s.cfg.LockEvery/2 + time.Duration(s.rng.Int64N(int64(s.cfg.LockEvery)+1)))
	}
	s.next = s.start.Add(s.cfg.PresenceEvery)
}

// comeAndGo logs characters in and out when it is time.
func (s *Server) comeAndGo(now time.Time) {
	if w := s.model.byWorld["10"]; w != nil && len(w.chars) >= len(demoCast) {
		for _, c := range w.chars[1:len(demoCast)] {
			if now.Before(c.until) {
				continue
			}
			if c.online {
				s.logout(c)
				c.until = now.Add(190*time.Second + time.Duration(s.rng.IntN(140))*time.Second)
			} else {
				s.login(c)
				c.until = now.Add(60*time.Second + time.Duration(s.rng.IntN(90))*time.Second)
			}
		}
	}
	if now.Sub(s.next) > 10*s.cfg.PresenceEvery { // after a pause nobody rushes in
		s.next = now
	}
	for !now.Before(s.next) {
		s.oneComesOrGoes(now)
		s.next = s.next.Add(s.cfg.PresenceEvery/2 + time.Duration(s.rng.Int64N(int64(s.cfg.PresenceEvery)+1)))
	}
}

// oneComesOrGoes moves a random character, towards half of each world online.
func (s *Server) oneComesOrGoes(now time.Time) {
	w := s.model.byWorld[s.model.chars[s.rng.IntN(len(s.model.chars))].world]
	wantOnline := len(w.online)*2 < len(w.chars) != (s.rng.IntN(5) < 2)
	for range 30 {
		c := w.chars[s.rng.IntN(len(w.chars))]
		if c.fixed || c.online == wantOnline || now.Before(c.until) {
			continue
		}
		if wantOnline {
			s.login(c)
			c.until = now.Add(time.Duration(20+s.rng.IntN(100)) * time.Second)
			return
		}
		s.logout(c)
		c.until = now.Add(time.Duration(15+s.rng.IntN(60)) * time.Second)
		if s.rng.IntN(10) == 0 { // a relog
			c.until = now.Add(2 * time.Second)
		}
		return
	}
}

// enter puts a character online without an event.
func (s *Server) enter(c *character, now time.Time) {
	w := s.model.byWorld[c.world]
	if c.online {
		return
	}
	c.online, c.since, c.at, c.downUntil = true, now, len(w.online), 0
	w.online = append(w.online, c)
	c.team = c.faction
	if c.faction == 4 {
		c.team = 1 + s.rng.IntN(3)
	}
	c.class = s.rng.IntN(len(loadoutClasses))
	c.zone = w.zones[0]
	if s.rng.IntN(10) < 3 {
		c.zone = w.zones[1]
	}
	c.lastLogin = now.Unix()
	c.loginCount++
	c.note(now)
}

// leave takes a character offline without an event.
func (s *Server) leave(c *character, now time.Time) {
	w := s.model.byWorld[c.world]
	if !c.online {
		return
	}
	last := w.online[len(w.online)-1]
	w.online[c.at], last.at = last, c.at
	w.online = w.online[:len(w.online)-1]
	played := int(now.Sub(c.since).Seconds())
	c.online, c.lastSave = false, now.Unix()
	c.stats.seconds += played
	c.minutes += played / 60
	c.note(now)
}

// keptChanges bounds what a character remembers for the lag of queries.
const keptChanges = 8

func (c *character) note(now time.Time) {
	c.changes = append(c.changes, presenceChange{at: now, online: c.online})
	if len(c.changes) > keptChanges {
		c.changes = c.changes[1:]
	}
}

// login brings a character online and says so on the stream.
func (s *Server) login(c *character) {
	s.enter(c, s.now())
	s.sendPresence(c, "PlayerLogin")
}

// logout takes a character offline and says so on the stream.
func (s *Server) logout(c *character) {
	s.leave(c, s.now())
	s.sendPresence(c, "PlayerLogout")
}

// sendPresence sends the event even when its like went out in this second:
// presence and journal must not part.
func (s *Server) sendPresence(c *character, name string) {
	w := s.model.byWorld[c.world]
	s.emit(newEvent(w.env, map[string]string{
		"event_name": name, "character_id": c.id, "timestamp": itoa(s.now().Unix()), "world_id": w.id,
	}))
}
