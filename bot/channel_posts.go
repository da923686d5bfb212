package bot

import (
	"context"
	"slices"
	"strconv"
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
	in := b.in(t.Locale)
	switch t.Topic {
	case alert.TopicMembers:
		e = b.membersPost(in, t.Subscription, p.News)
	case alert.TopicJoins:
		e = in.joinPost(t.Subscription, first)
	case alert.TopicCaptures:
		e, c.drop, err = b.capturePost(ctx, in, t.Subscription, first)
	case alert.TopicAlerts:
		e, c.next, err = b.alertPost(ctx, in, first)
	case alert.TopicLocks:
		e = in.lockPost(first, b.now())
	case alert.TopicStream:
		e, c.next, err = b.streamPost(ctx, in, first)
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
func (b *Bot) membersPost(in lang, s alert.Subscription, news []alert.News) embed {
	e := embed{Color: color(s.Of.Faction), Footer: &footer{Text: bare(clip(outfitChoice(s.Of), 100))}}
	var lines []string
	for _, n := range news {
		name := in.nameOf(n.Who)
		if n.What == alert.CameOn {
			lines = append(lines, "🟢 **"+name+"** · "+escape(place(event.Online{World: n.World, Zone: n.Zone}))+" · "+moment(n.At, b.now()))
			continue
		}
		line := "⚫ **" + name + "**"
		if d := n.At.Sub(n.Since); !n.Since.IsZero() && d > 0 {
			line += " · " + in.T("news.was_on", "span", in.span(d))
		}
		lines = append(lines, line+" · "+moment(n.At, b.now()))
	}
	e.Description = in.list(lines, maxDescription)
	return e
}

// joinPost tells who joined an outfit or left it.
func (in lang) joinPost(s alert.Subscription, n alert.News) embed {
	e := embed{Color: color(s.Of.Faction)}
	if n.What == alert.Joined {
		e.Description = in.T("news.joined", "name", in.nameOf(n.Who), "outfit", outfitOf(s.Of), "when", ago(n.At))
		return e
	}
	e.Description = in.T("news.quit", "name", in.nameOf(n.Who), "outfit", outfitOf(s.Of))
	return e
}

// capturePost tells of a base, with who of the outfit took part.
func (b *Bot) capturePost(ctx context.Context, in lang, s alert.Subscription, n alert.News) (e embed, drop bool, err error) {
	own, others, err := b.cfg.Store.Contributors(ctx, n)
	if err != nil || len(own) < s.AtLeast {
		return e, err == nil, err
	}
	facility, known, err := b.cfg.Store.Lookup(ctx, event.LookupFacility, n.Subject)
	if err != nil {
		return e, false, err
	}
	base := ""
	if known && facility.Name != "" {
		base = "**" + escape(clip(facility.Name, 60)) + "**"
	}
	where := escape(place(event.Online{World: n.World, Zone: n.Zone})) + " · " + moment(n.At, b.now())
	e = embed{Color: color(n.Faction), Description: joinLines(in.capture(n.What, outfitOf(s.Of), base), where, in.tookPart(own, others))}
	return e, false, nil
}

// capture says what an outfit did with a base; "" is one whose name is not known.
func (in lang) capture(what, outfit, base string) string {
	switch held := what == alert.Defended; {
	case base == "" && held:
		return in.T("capture.held_unnamed", "outfit", outfit)
	case base == "":
		return in.T("capture.taken_unnamed", "outfit", outfit)
	case held:
		return in.T("capture.held", "outfit", outfit, "base", base)
	}
	return in.T("capture.taken", "outfit", outfit, "base", base)
}

// namesShown is how many people a list of names has.
const namesShown = 25

func (in lang) tookPart(own []event.Character, others int) string {
	var names []string
	for _, c := range own[:min(len(own), namesShown)] {
		names = append(names, in.nameOf(c))
	}
	text := ""
	if len(own) > 0 {
		list := strings.Join(names, ", ")
		if more := len(own) - len(names); more > 0 {
			list = in.T("names.more", "names", list, "n", more)
		}
		text = in.N("capture.members", len(own), "names", list)
	}
	if others > 0 {
		text = joinLines(text, in.N("capture.others", others))
	}
	return text
}

// alertPost tells how an alert of the game stands, until it is over.
func (b *Bot) alertPost(ctx context.Context, in lang, n alert.News) (e embed, next time.Time, err error) {
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
		return embed{Color: color(event.NoFaction), Description: in.T("news.alert_missed", "when", ago(n.At), "where", where)}, next, nil
	}
	r := runs[i]
	e = embed{Color: alertColor, Description: strings.TrimSuffix(in.alertLine(r, now), "\n")}
	if !r.Over {
		return e, now.Add(alert.RefreshPost), nil
	}
	e.Color = color(r.Leads())
	sides, outfits, err := b.cfg.Store.AlertSummary(ctx, r)
	if err != nil {
		return e, next, err
	}
	e.Description = joinLines(e.Description, in.alertSummary(r, sides, outfits))
	return e, next, nil
}

const alertColor = 0xd99a2b

// alertSummary sums up an alert that is over.
func (in lang) alertSummary(r event.AlertRun, sides map[event.Faction]int, outfits []event.OutfitCount) string {
	var parts []string
	for _, f := range []event.Faction{event.VS, event.NC, event.TR} {
		parts = append(parts, f.String()+" "+strconv.Itoa(sides[f]))
	}
	text := in.T("news.alert_lasted", "span", in.span(r.EndsAt.Sub(r.StartedAt)), "bases", strings.Join(parts, " · "))
	var top []string
	for _, o := range outfits {
		top = append(top, outfitOf(o.Outfit)+" "+strconv.Itoa(o.N))
	}
	if len(top) == 0 {
		return text
	}
	return joinLines(text, in.T("news.alert_outfits", "outfits", strings.Join(top, ", ")))
}

// lockPost tells of a continent.
func (in lang) lockPost(n alert.News, now time.Time) embed {
	zone, world, when := escape(n.Zone.String()), escape(n.World.String()), moment(n.At, now)
	if zone == "" {
		zone = in.T("news.continent")
	}
	e := embed{Color: color(n.Faction)}
	switch side := in.faction(n.Faction); {
	case n.What != alert.Locked:
		e.Description = in.T("news.opened", "zone", zone, "world", world, "when", when)
	case side == "":
		e.Description = in.T("news.locked", "zone", zone, "world", world, "when", when)
	default:
		e.Description = in.T("news.locked_by", "zone", zone, "side", side, "world", world, "when", when)
	}
	return e
}

// streamPost tells that a world's stream is ill, until it is well.
func (b *Bot) streamPost(ctx context.Context, in lang, n alert.News) (e embed, next time.Time, err error) {
	now := b.now()
	states, err := b.cfg.Store.StreamStates(ctx)
	if err != nil {
		return e, next, err
	}
	i := slices.IndexFunc(states, func(s event.StreamState) bool { return s.World == n.World })
	if i >= 0 {
		if s := states[i].At(now); s.Health.Flowing() {
			to := s.Since
			if to.Before(n.At) { // it was a listener that did not report
				to = now
			}
			return embed{Color: 0x3fa34d, Description: in.T("news.stream_back", "world", escape(n.World.String()), "span", in.span(to.Sub(n.At)),
				"when", moment(n.At, now))}, next, nil
		}
	}
	return embed{Color: color(event.TR), Description: in.T("news.stream_gone", "world", escape(n.World.String()), "when", moment(n.At, now))}, now.Add(alert.RefreshPost), nil
}
