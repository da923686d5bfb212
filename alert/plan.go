package alert

import (
	"slices"
	"time"

	"muster/event"
)

// Plan decides what one person is told at now. It is pure: the same turn and
// moment give the same steps.
//
// A post that was planned before and is not known to be sent is sent again as it
// was, under its own nonce, whatever has changed since: it may have been seen. All
// else waits until its outcome is known.
func Plan(t Turn, now time.Time) Steps {
	p := planner{Turn: t, now: now, on: make(map[event.CharacterID]bool, len(t.On))}
	for _, o := range t.On {
		p.on[o.Character.ID] = true
	}
	p.unfinished()
	tell := p.judge()
	if p.blocked {
		p.hold(p.out.LookAt, tell...)
	} else {
		p.arrange(tell)
	}
	p.changes()
	if p.More {
		p.look(now.Add(EditEvery))
	}
	return p.out
}

type planner struct {
	Turn
	now     time.Time
	on      map[event.CharacterID]bool
	blocked bool // the outcome of an earlier post is not known
	edited  bool // the one edit of this turn is planned
	out     Steps
}

// look makes the turn come again at t at the latest.
func (p *planner) look(t time.Time) {
	if p.out.LookAt.IsZero() || t.Before(p.out.LookAt) {
		p.out.LookAt = t
	}
}

func (p *planner) hold(until time.Time, alerts ...Alert) {
	for _, a := range alerts {
		p.out.Held = append(p.out.Held, a.Key)
		p.look(until)
	}
}

func (p *planner) drop(a Alert, r Reason, detail string) {
	p.out.Drop = append(p.out.Drop, Dropping{a.Key, r, detail})
}

// unfinished takes up the posts, and the lines of posts, whose outcome is not known.
func (p *planner) unfinished() {
	for _, post := range p.Posts {
		sent := post.Message != ""
		switch {
		case !post.Unshown():
		case p.Recipient.Closed != "":
			p.giveUp(post, Closed, p.Recipient.Closed)
		case p.now.After(post.ExpiresAt()):
			p.giveUp(post, Expired, "")
		case p.now.Before(post.RetryAt):
			p.blocked = true
			p.look(post.RetryAt)
		case sent && p.now.Before(p.EditedAt.Add(EditEvery)):
			p.blocked = true
			p.look(p.EditedAt.Add(EditEvery))
		case !sent:
			p.blocked = true
			p.out.Send = append(p.out.Send, post)
			p.look(p.now.Add(EditEvery))
		default:
			p.blocked, p.edited = true, true
			p.out.Edit = append(p.out.Edit, post)
			p.look(p.now.Add(EditEvery))
		}
	}
}

// giveUp drops what of a post is not known to have been shown.
func (p *planner) giveUp(post Post, r Reason, detail string) {
	for _, a := range post.Alerts {
		if a.Telling {
			p.drop(a, r, detail)
		}
	}
}

// judge drops and holds what is not to be told now, and returns the rest.
func (p *planner) judge() (tell []Alert) {
	told := map[event.CharacterID]bool{}
	for _, a := range p.Pending {
		reason, until := p.verdict(a)
		if reason == "" && until.IsZero() && told[a.Character] && p.Settings.Cooldown > 0 {
			reason = Cooldown
		}
		switch {
		case reason == Closed:
			p.drop(a, reason, p.Recipient.Closed)
		case reason != "":
			p.drop(a, reason, "")
		case !until.IsZero():
			p.hold(until, a)
		default:
			told[a.Character] = true
			tell = append(tell, a)
		}
	}
	return tell
}

// verdict says why a is not told, or until when it is held; neither: it is told.
func (p *planner) verdict(a Alert) (Reason, time.Time) {
	own := a.Cause == OwnLogin
	closed := p.Recipient.Closed != ""
	switch o := p.Presence[a.Character]; {
	case p.now.After(a.ExpiresAt) && closed:
		return Closed, time.Time{}
	case p.now.After(a.ExpiresAt):
		return Expired, time.Time{}
	case closed: // it is told if the person lets us in time
		return "", a.ExpiresAt.Add(time.Nanosecond)
	case !o.Online && p.now.Sub(o.LoggedOut) < event.Relog: // it may be back in a moment
		return "", earlier(o.LoggedOut.Add(event.Relog), p.now.Add(relogAgain))
	case !o.Online, o.LoggedOut.After(a.LoginAt) && o.Since.Sub(o.LoggedOut) >= event.Relog:
		return Gone, time.Time{}
	case p.Muted[a.Character] && !own:
		return Muted, time.Time{}
	case own && !p.Linked[a.Character], !own && !p.on[a.Character]:
		return Unfollowed, time.Time{}
	case p.Settings.PausedAt(p.now):
		return Paused, time.Time{}
	case p.Settings.OnlyWhenAway && p.InGame && !own:
		return InGame, time.Time{}
	case own && (len(p.On) == 0 || !p.Settings.Summary):
		return NobodyOn, time.Time{}
	case len(p.On) < p.Settings.AtLeast:
		return TooFew, time.Time{}
	case p.now.Sub(p.Told[a.Character]) < p.Settings.Cooldown:
		return Cooldown, time.Time{}
	case p.Settings.QuietAt(p.now) == QuietDrop:
		return Quiet, time.Time{}
	case a.Who.Name == "" && p.now.Sub(a.CreatedAt) < NameWait:
		return "", earlier(a.CreatedAt.Add(NameWait), p.now.Add(nameAgain))
	}
	return "", time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// arrange makes posts of what is to be told, or adds it to the digest that goes on.
func (p *planner) arrange(tell []Alert) {
	silent := p.Settings.QuietAt(p.now) == QuietSilent
	var news []Alert
	for _, a := range tell {
		if a.Cause == OwnLogin {
			p.send(Post{Key: a.Key, Kind: Summary, Silent: silent}, a)
		} else {
			news = append(news, a)
		}
	}
	if len(news) == 0 {
		return
	}
	if open := p.openDigest(); open != nil {
		p.extend(*open, news)
		return
	}
	if until := p.deleted(); p.now.Before(until) {
		p.hold(until, news...)
		return
	}
	singles, n := p.window()
	most := DigestFrom
	if !p.Settings.Digest {
		most = PlainMost
	}
	if n+len(news) >= most && len(news)+len(singles) > 1 {
		all := append(singles, news...)
		p.send(Post{Key: NewPostKey(p.User, all[0].Key, p.now), Kind: Digest, Silent: silent}, all...)
		return
	}
	for _, a := range news {
		p.send(Post{Key: a.Key, Kind: Single, Silent: silent}, a)
	}
}

func (p *planner) send(post Post, alerts ...Alert) {
	post.OpenedAt, post.NewsAt = p.now, p.now
	post.Alerts = p.taken(alerts)
	p.out.Send = append(p.out.Send, post)
}

// taken returns alerts as told now; those of earlier messages keep their time.
func (p *planner) taken(alerts []Alert) []Alert {
	alerts = slices.Clone(alerts)
	for i := range alerts {
		if alerts[i].ToldAt.IsZero() {
			alerts[i].ToldAt, alerts[i].Telling = p.now, true
		}
	}
	return alerts
}

// openDigest returns the digest that news are added to, nil if there is none: its
// news come less than a Window apart, for DigestLife at most.
func (p *planner) openDigest() *Post {
	for i := len(p.Posts) - 1; i >= 0; i-- {
		post := &p.Posts[i]
		if post.Kind == Digest && post.Message != "" && !post.Gone && p.now.Sub(post.NewsAt) < Window && p.now.Sub(post.OpenedAt) < DigestLife {
			return post
		}
	}
	return nil
}

// deleted returns until when nothing is told because the person has deleted a
// digest: another one at once would come again and again.
func (p *planner) deleted() (until time.Time) {
	for _, post := range p.Posts {
		if post.Kind == Digest && post.Gone {
			until = post.OpenedAt.Add(Window)
		}
	}
	return until
}

// extend adds news to a digest by an edit, which makes no sound.
func (p *planner) extend(post Post, news []Alert) {
	switch next := p.EditedAt.Add(EditEvery); {
	case p.now.Before(next):
		p.hold(next, news...)
	case p.now.Before(post.RetryAt):
		p.hold(post.RetryAt, news...)
	default:
		post.Alerts = append(slices.Clone(post.Alerts), p.taken(news)...)
		post.NewsAt = p.now
		p.edited = true
		p.out.Edit = append(p.out.Edit, post)
	}
}

// window returns what was told alone within the last Window, and how much was told
// in any way. What was just given up is not among it.
func (p *planner) window() (singles []Alert, n int) {
	counted := map[Key]bool{}
	for _, post := range p.Posts {
		for _, a := range post.Alerts {
			if post.Kind == Summary || a.Telling || counted[a.Key] || p.now.Sub(a.ToldAt) >= Window {
				continue
			}
			counted[a.Key] = true
			if n++; post.Kind == Single {
				singles = append(singles, a)
			}
		}
	}
	return singles, n
}

// changes plans the edit of one post whose people have left, the oldest first.
func (p *planner) changes() {
	if !p.Settings.EditOnLeave || p.Recipient.Closed != "" {
		return
	}
	for _, post := range p.Posts {
		if post.Changed == 0 || post.Message == "" || post.Gone || post.Kind == Summary || p.planned(post.Key) {
			continue
		}
		switch next := p.EditedAt.Add(EditEvery); {
		case p.edited:
			p.editAt(p.now.Add(EditEvery))
		case p.now.Before(next):
			p.editAt(next)
		case p.now.Before(post.RetryAt):
			p.editAt(post.RetryAt)
		default:
			p.edited = true
			p.out.Edit = append(p.out.Edit, post)
		}
	}
}

// planned reports whether post is edited in this turn already.
func (p *planner) planned(key Key) bool {
	return slices.ContainsFunc(p.out.Edit, func(post Post) bool { return post.Key == key })
}

func (p *planner) editAt(t time.Time) {
	if p.out.EditAt.IsZero() || t.Before(p.out.EditAt) {
		p.out.EditAt = t
	}
}
