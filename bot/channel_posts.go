package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/alert"
	"muster/event"
)

// A composed is a post as it is to be shown now.
type composed struct {
	message
	next time.Time // when it is to be changed again; zero: it stays
	drop bool      // it is not to be told after all
}

// channelMessage makes the message of p.
func (b *Bot) channelMessage(ctx context.Context, t alert.ChannelTurn, p alert.ChannelPost) (composed, error) {
	var c composed
	var e embed
	var err error
	first := p.News[0]
	switch t.Topic {
	case alert.TopicMembers:
		e = b.membersPost(t.Subscription, p.News)
	case alert.TopicJoins:
		e = joinPost(t.Subscription, first)
	case alert.TopicCaptures:
		e, c.drop, err = b.capturePost(ctx, t.Subscription, first)
	case alert.TopicAlerts:
		e, c.next, err = b.alertPost(ctx, first)
	case alert.TopicLocks:
		e = lockPost(first, b.now())
	case alert.TopicStream:
		e, c.next, err = b.streamPost(ctx, first)
	default:
		c.drop = true
	}
	c.message = message{Embeds: []embed{e}}
	if t.Mention != 0 {
		c.Content = "<@&" + t.Mention.String() + ">"
		c.Mentions.Roles = []string{t.Mention.String()}
	}
	return c, err
}

// membersPost tells who came on and who went off.
func (b *Bot) membersPost(s alert.Subscription, news []alert.News) embed {
	e := embed{Color: color(s.Of.Faction), Footer: &footer{Text: bare(clip(outfitChoice(s.Of), 100))}}
	var lines []string
	for _, n := range news {
		name := nameOf(n.Who)
		if n.What == alert.CameOn {
			lines = append(lines, "🟢 **"+name+"** · "+escape(place(event.Online{World: n.World, Zone: n.Zone}))+" · "+moment(n.At, b.now()))
			continue
		}
		line := "⚫ **" + name + "**"
		if d := n.At.Sub(n.Since); !n.Since.IsZero() && d > 0 {
			line += " · was on for " + span(d)
		}
		lines = append(lines, line+" · "+moment(n.At, b.now()))
	}
	e.Description = list(lines, maxDescription)
	return e
}

// joinPost tells who joined an outfit or left it.
func joinPost(s alert.Subscription, n alert.News) embed {
	e := embed{Color: color(s.Of.Faction)}
	if n.What == alert.Joined {
		e.Description = "➕ **" + nameOf(n.Who) + "** has joined " + outfitOf(s.Of) + " " + ago(n.At)
		return e
	}
	e.Description = "➖ **" + nameOf(n.Who) + "** has left " + outfitOf(s.Of)
	return e
}

// capturePost tells of a base, with who of the outfit took part.
func (b *Bot) capturePost(ctx context.Context, s alert.Subscription, n alert.News) (e embed, drop bool, err error) {
	own, others, err := b.cfg.Store.Contributors(ctx, n)
	if err != nil || len(own) < s.AtLeast {
		return e, err == nil, err
	}
	facility, known, err := b.cfg.Store.Lookup(ctx, event.LookupFacility, n.Subject)
	if err != nil {
		return e, false, err
	}
	name := "a base"
	if known && facility.Name != "" {
		name = "**" + escape(clip(facility.Name, 60)) + "**"
	}
	verb := "🚩 %s has taken %s"
	if n.What == alert.Defended {
		verb = "🛡️ %s has held %s"
	}
	where := escape(place(event.Online{World: n.World, Zone: n.Zone})) + " · " + moment(n.At, b.now())
	e = embed{Color: color(n.Faction), Description: joinLines(fmt.Sprintf(verb, outfitOf(s.Of), name), where, tookPart(own, others))}
	return e, false, nil
}

// namesShown is how many people a list of names has.
const namesShown = 25

func tookPart(own []event.Character, others int) string {
	var names []string
	for _, c := range own[:min(len(own), namesShown)] {
		names = append(names, nameOf(c))
	}
	text := ""
	if len(own) > 0 {
		text = count(len(own), "member", "members") + " took part: " + strings.Join(names, ", ")
		if more := len(own) - len(names); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	if others > 0 {
		text = joinLines(text, "and "+count(others, "player", "players")+" of other outfits")
	}
	return text
}

// alertPost tells how an alert of the game stands, until it is over.
func (b *Bot) alertPost(ctx context.Context, n alert.News) (e embed, next time.Time, err error) {
	now := b.now()
	runs, err := b.cfg.Store.AlertRuns(ctx, now)
	if err != nil {
		return e, next, err
	}
	i := slices.IndexFunc(runs, func(r event.AlertRun) bool {
		return r.World == n.World && r.Instance == n.Subject && !r.StartedAt.After(n.At.Add(event.AlertWindow)) && !r.EndsAt.Before(n.At)
	})
	if i < 0 { // long over: a bot was away for all of it
		where := escape(place(event.Online{World: n.World, Zone: n.Zone}))
		return embed{Color: color(event.NoFaction), Description: "An alert began " + ago(n.At) + " — " + where + ". I have missed how it ended."}, next, nil
	}
	r := runs[i]
	e = embed{Color: alertColor, Description: strings.TrimSuffix(alertLine(r, now), "\n")}
	if !r.Over {
		return e, now.Add(alert.RefreshPost), nil
	}
	e.Color = color(r.Leads())
	sides, outfits, err := b.cfg.Store.AlertSummary(ctx, r)
	if err != nil {
		return e, next, err
	}
	e.Description = joinLines(e.Description, alertSummary(r, sides, outfits))
	return e, next, nil
}

const alertColor = 0xd99a2b

// alertSummary sums up an alert that is over.
func alertSummary(r event.AlertRun, sides map[event.Faction]int, outfits []event.OutfitCount) string {
	var parts []string
	for _, f := range []event.Faction{event.VS, event.NC, event.TR} {
		parts = append(parts, fmt.Sprintf("%s %d", f, sides[f]))
	}
	text := "Lasted " + span(r.EndsAt.Sub(r.StartedAt)) + " · bases taken: " + strings.Join(parts, " · ")
	var top []string
	for _, o := range outfits {
		top = append(top, fmt.Sprintf("%s %d", outfitOf(o.Outfit), o.N))
	}
	if len(top) == 0 {
		return text
	}
	return joinLines(text, "Most taken by "+strings.Join(top, ", "))
}

// lockPost tells of a continent.
func lockPost(n alert.News, now time.Time) embed {
	zone := n.Zone.String()
	if zone == "" {
		zone = "A continent"
	}
	text := "🔓 **" + escape(zone) + "** is open again"
	if n.What == alert.Locked {
		text = "🔒 **" + escape(zone) + "** is locked"
		if name := n.Faction.Name(); name != "" {
			text += " by the " + name
		}
	}
	return embed{Color: color(n.Faction), Description: text + " — " + escape(n.World.String()) + " · " + moment(n.At, now)}
}

// streamPost tells that a world's stream is ill, until it is well.
func (b *Bot) streamPost(ctx context.Context, n alert.News) (e embed, next time.Time, err error) {
	now := b.now()
	states, err := b.cfg.Store.StreamStates(ctx)
	if err != nil {
		return e, next, err
	}
	world := "**" + escape(n.World.String()) + "**"
	i := slices.IndexFunc(states, func(s event.StreamState) bool { return s.World == n.World })
	if i >= 0 {
		if s := states[i].At(now); s.Health.Flowing() {
			to := s.Since
			if to.Before(n.At) { // it was a listener that did not report
				to = now
			}
			return embed{Color: 0x3fa34d, Description: "✅ " + world + ": the game's events reach me again. They were missing for about " + span(to.Sub(n.At)) +
				", since " + moment(n.At, now) + "; nothing can be told of that time."}, next, nil
		}
	}
	return embed{Color: color(event.TR), Description: "⚠️ " + world + ": no events of the game reach me since " + moment(n.At, now) +
		". Who comes online there is not told until they do."}, now.Add(alert.RefreshPost), nil
}
