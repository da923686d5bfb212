package bot

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

// outbox is the part of fakeStore that turns are made of. It plans as the real
// store does, of people who are all on and followed.
type outbox struct {
	alerts    map[alert.Key]*outboxRow
	posts     map[alert.UserID]map[alert.Key]*alert.Post
	held      map[alert.UserID]time.Time
	edited    map[alert.UserID]time.Time
	claims    int64
	unsettled int  // so many settlements fail, and their claims lapse
	plain     bool // nobody wants digests
}

// An outboxRow is one alert and what became of it.
type outboxRow struct {
	alert.Alert
	done    bool
	sent    bool
	message string
	reason  alert.Reason
	detail  string
	tries   []alert.Result // of the message that tells it
}

func newOutbox() outbox {
	return outbox{alerts: map[alert.Key]*outboxRow{}, posts: map[alert.UserID]map[alert.Key]*alert.Post{},
		held: map[alert.UserID]time.Time{}, edited: map[alert.UserID]time.Time{}}
}

// queue puts an alert into the outbox.
func (s *fakeStore) queue(user alert.UserID, id event.CharacterID, cause alert.Cause) alert.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	a := alert.Alert{
		Key: alert.NewKey(user, id, now), User: user, Character: id, World: 10, Cause: cause,
		LoginAt: now.Truncate(time.Second), CreatedAt: now, ExpiresAt: now.Add(alert.DefaultLifetime),
		Who: s.characters[id].Character,
	}
	s.alerts[a.Key] = &outboxRow{Alert: a}
	return a.Key
}

// leave has whoever an alert told of leave, for good.
func (s *fakeStore) leave(k alert.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.alerts[k]
	r.LeftAt = r.LoginAt.Add(72 * time.Minute)
	for _, p := range s.posts[r.User] {
		for i := range p.Alerts {
			if p.Alerts[i].Key == k {
				p.Alerts[i].LeftAt = r.LeftAt
				p.Changed++
			}
		}
	}
}

func (s *fakeStore) row(k alert.Key) outboxRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.alerts[k]
}

func (s *fakeStore) ClaimUsers(_ context.Context, now time.Time, limit int, hold time.Duration) ([]alert.Turn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending := map[alert.UserID][]alert.Alert{}
	for _, r := range s.alerts {
		if !r.done && r.ToldAt.IsZero() {
			pending[r.User] = append(pending[r.User], r.Alert)
		}
	}
	users := maps.Clone(pending)
	for u := range s.posts {
		users[u] = nil
	}
	var out []alert.Turn
	for _, u := range slices.Sorted(maps.Keys(users)) {
		if len(out) == limit || s.held[u].After(now) {
			continue
		}
		t := s.turnOf(u, pending[u])
		t.Steps = alert.Plan(t, now)
		s.plan(t, now)
		if !t.Steps.Idle() {
			s.held[u] = now.Add(hold)
			out = append(out, t)
		}
	}
	return out, nil
}

// turnOf needs mu.
func (s *fakeStore) turnOf(u alert.UserID, pending []alert.Alert) alert.Turn {
	s.claims++
	t := alert.Turn{User: u, Claim: s.claims, Settings: alert.DefaultSettings(u), Recipient: s.recipients[u], Pending: pending,
		Presence: map[event.CharacterID]event.Online{}, EditedAt: s.edited[u]}
	t.Recipient.User, t.Settings.Digest = u, !s.plain
	slices.SortFunc(t.Pending, func(a, b alert.Alert) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Character, b.Character))
	})
	for _, a := range pending {
		t.Presence[a.Character] = event.Online{Character: a.Character, Online: true, Since: a.LoginAt}
		t.On = append(t.On, event.Player{Character: a.Who, Online: t.Presence[a.Character]})
		t.On[len(t.On)-1].Character.ID = a.Character
	}
	for _, p := range s.posts[u] {
		copied := *p
		copied.Alerts = slices.Clone(p.Alerts)
		t.Posts = append(t.Posts, copied)
	}
	slices.SortFunc(t.Posts, func(a, b alert.Post) int {
		return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), slices.Compare(a.Key[:], b.Key[:]))
	})
	return t
}

// plan stores what was planned; it needs mu.
func (s *fakeStore) plan(t alert.Turn, now time.Time) {
	for _, d := range t.Steps.Drop {
		s.end(d.Key, d.Reason, d.Detail)
	}
	for _, p := range slices.Concat(t.Steps.Send, t.Steps.Edit) {
		if s.posts[t.User] == nil {
			s.posts[t.User] = map[alert.Key]*alert.Post{}
		}
		copied := p
		copied.Alerts = slices.Clone(p.Alerts)
		s.posts[t.User][p.Key] = &copied
		for _, a := range p.Alerts {
			s.alerts[a.Key].ToldAt = a.ToldAt
		}
	}
	if len(t.Steps.Edit) > 0 {
		s.edited[t.User] = now
	}
}

func (s *fakeStore) end(k alert.Key, reason alert.Reason, detail string) {
	r := s.alerts[k]
	r.done, r.reason, r.detail = true, reason, detail
}

func (s *fakeStore) SettleTurn(_ context.Context, st alert.Settlement, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[st.User] = time.Time{}
	if s.unsettled > 0 {
		s.unsettled--
		return errDown
	}
	if st.Recipient != nil {
		s.recipients[st.User] = *st.Recipient
	}
	for _, r := range st.Results {
		s.settleResult(s.posts[st.User][r.Post], r, now)
	}
	return nil
}

// settleResult needs mu.
func (s *fakeStore) settleResult(p *alert.Post, r alert.Result, now time.Time) {
	var kept []alert.Alert
	for _, a := range p.Alerts {
		row := s.alerts[a.Key]
		row.tries = append(row.tries, r)
		switch {
		case !a.Telling || !r.RetryAt.IsZero():
		case r.Message != "":
			a.Telling, a.ToldAt = false, now
			row.done, row.sent, row.message = true, true, r.Message
		case r.Gone:
			row.ToldAt = time.Time{}
			continue
		default:
			s.end(a.Key, r.GaveUp, r.Detail)
			continue
		}
		kept = append(kept, a)
	}
	p.Alerts = kept
	p.RetryAt, p.Gone = r.RetryAt, r.Gone
	if !r.RetryAt.IsZero() {
		p.Attempts++
	}
	if r.Message != "" {
		p.Message, p.Channel, p.NewsAt = r.Message, r.Channel, now
		if p.Changed == r.Changed {
			p.Changed = 0
		}
	}
	if len(kept) == 0 && p.Message == "" {
		delete(s.posts[s.ownerOf(p)], p.Key)
	}
}

func (s *fakeStore) ownerOf(p *alert.Post) alert.UserID {
	for u, posts := range s.posts {
		if posts[p.Key] == p {
			return u
		}
	}
	return 0
}
