package alert_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/alert"
	"muster/event"
)

// A person is one who is told things in a model of the rest of the world: Discord
// that fails now and then, a bot that dies between sending and recording.
type person struct {
	t        *rapid.T
	turn     alert.Turn
	now      time.Time
	shown    map[alert.Key]map[alert.Key]bool // by post, what it shows
	sentAt   []time.Time                      // of messages about friends, when they first appeared
	editedAt time.Time
	fate     map[alert.Key]string
	next     event.CharacterID
}

func (p *person) arrive(n int) {
	for range n {
		p.next++
		a := arrival(p.next, 0)
		a.LoginAt, a.CreatedAt, a.ExpiresAt = p.now, p.now, p.now.Add(alert.DefaultLifetime)
		p.turn.Pending = append(p.turn.Pending, a)
		p.turn.Presence[a.Character] = event.Online{Online: true, Since: p.now}
		p.turn.On = append(p.turn.On, event.Player{Character: event.Character{ID: a.Character}})
	}
}

// look has the planner decide, checks that each alert has one fate, and performs.
func (p *person) look() {
	steps := alert.Plan(p.turn, p.now)
	buckets := map[alert.Key]int{}
	for _, d := range steps.Drop {
		buckets[d.Key]++
		p.end(d.Key, string(d.Reason))
	}
	for _, k := range steps.Held {
		buckets[k]++
	}
	for _, post := range append(steps.Send, steps.Edit...) {
		for _, a := range post.Alerts {
			if a.Telling {
				buckets[a.Key]++
			}
		}
	}
	for _, a := range p.turn.Pending {
		if buckets[a.Key] != 1 {
			p.t.Fatalf("an alert is in %d places of %+v", buckets[a.Key], steps)
		}
	}
	if len(steps.Held) > 0 && !steps.LookAt.After(p.now) {
		p.t.Fatalf("what is held is never looked at again, or at once: %v", steps.LookAt)
	}
	if len(steps.Edit) > 1 {
		p.t.Fatalf("%d edits in one turn", len(steps.Edit))
	}
	p.keep(steps)
	for _, post := range append(steps.Send, steps.Edit...) {
		p.perform(post)
	}
}

// keep writes down what is planned, as the store does before anything is sent.
func (p *person) keep(steps alert.Steps) {
	held := map[alert.Key]bool{}
	for _, k := range steps.Held {
		held[k] = true
	}
	var pending []alert.Alert
	for _, a := range p.turn.Pending {
		if held[a.Key] {
			pending = append(pending, a)
		}
	}
	p.turn.Pending = pending
	dropped := map[alert.Key]bool{}
	for _, d := range steps.Drop {
		dropped[d.Key] = true
	}
	for i := range p.turn.Posts {
		var left []alert.Alert
		for _, a := range p.turn.Posts[i].Alerts {
			if !dropped[a.Key] {
				left = append(left, a)
			}
		}
		p.turn.Posts[i].Alerts = left
	}
	for _, post := range append(steps.Send, steps.Edit...) {
		if i := p.find(post.Key); i >= 0 {
			p.turn.Posts[i] = post
		} else {
			p.turn.Posts = append(p.turn.Posts, post)
		}
	}
}

func (p *person) find(k alert.Key) int {
	for i, post := range p.turn.Posts {
		if post.Key == k {
			return i
		}
	}
	return -1
}

// perform sends or edits, and records that, or fails to do one or the other.
func (p *person) perform(post alert.Post) {
	at := &p.turn.Posts[p.find(post.Key)]
	if post.Message != "" {
		if p.now.Sub(p.editedAt) < alert.EditEvery {
			p.t.Fatalf("edits %v apart", p.now.Sub(p.editedAt))
		}
		p.editedAt, p.turn.EditedAt = p.now, p.now
	}
	outcome := rapid.SampledFrom([]string{"works", "works", "works", "fails", "works unseen", "gone"}).Draw(p.t, "outcome")
	switch {
	case outcome == "fails":
		at.RetryAt = p.now.Add(time.Second)
		return
	case outcome == "gone" && post.Message != "":
		at.Gone = true
		p.shown[post.Key] = map[alert.Key]bool{}   // the person has deleted it
		for i := len(at.Alerts) - 1; i >= 0; i-- { // they are news again
			if a := at.Alerts[i]; a.Telling {
				a.Telling, a.ToldAt = false, time.Time{}
				p.turn.Pending = append([]alert.Alert{a}, p.turn.Pending...)
				at.Alerts = append(at.Alerts[:i:i], at.Alerts[i+1:]...)
			}
		}
		return
	}
	shows := p.shown[post.Key]
	if shows == nil {
		shows = map[alert.Key]bool{}
		p.shown[post.Key] = shows
		if post.Kind != alert.Summary {
			p.sentAt = append(p.sentAt, p.now)
		}
	}
	for _, a := range post.Alerts {
		shows[a.Key] = true
	}
	if outcome == "works unseen" { // the bot died before it could record that
		return
	}
	if at.Message == "" {
		at.OpenedAt = p.now
	}
	at.Message, at.RetryAt, at.NewsAt = "id", time.Time{}, p.now
	for i, a := range at.Alerts {
		if a.Telling {
			at.Alerts[i].Telling, at.Alerts[i].ToldAt = false, p.now
			p.end(a.Key, "told")
		}
	}
}

func (p *person) end(k alert.Key, fate string) {
	if was, ok := p.fate[k]; ok {
		p.t.Fatalf("an alert is %s after it was %s", fate, was)
	}
	p.fate[k] = fate
}

// TestNobodyIsFloodedOrToldTwice runs random hours of one person against the
// planner.
func TestNobodyIsFloodedOrToldTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &person{t: t, turn: turn(), now: noon, shown: map[alert.Key]map[alert.Key]bool{}, fate: map[alert.Key]string{}}
		p.turn.Settings.Digest = rapid.Bool().Draw(t, "digest")
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			p.arrive(rapid.SampledFrom([]int{0, 0, 1, 1, 1, 2, 3, 40}).Draw(t, "arrivals"))
			p.look()
			pause := rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, 20 * time.Second, time.Minute}).Draw(t, "pause")
			p.now = p.now.Add(pause)
		}
		for range 60 { // until the dust settles
			p.now = p.now.Add(10 * time.Second)
			p.look()
		}
		p.check()
	})
}

func (p *person) check() {
	if n := len(p.fate); n != int(p.next) {
		p.t.Fatalf("%d of %d alerts have come to an end", n, p.next)
	}
	most := alert.DigestFrom
	if !p.turn.Settings.Digest {
		most = alert.PlainMost
	}
	for i, at := range p.sentAt {
		n := 0
		for _, other := range p.sentAt[:i+1] {
			if at.Sub(other) < time.Minute {
				n++
			}
		}
		if n > most {
			p.t.Fatalf("%d messages within a minute, %d are the most", n, most)
		}
	}
	// Whoever is in two messages is there because a digest lists the minute before it.
	in := map[alert.Key]int{}
	for _, shows := range p.shown {
		for k := range shows {
			in[k]++
		}
	}
	for k, n := range in {
		if n > 2 {
			p.t.Fatalf("an alert is in %d messages", n)
		}
		if p.fate[k] != "told" && p.fate[k] != string(alert.Expired) {
			p.t.Fatalf("an alert that was shown is %s", p.fate[k])
		}
	}
}
