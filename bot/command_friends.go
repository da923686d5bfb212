package bot

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"muster/alert"
	"muster/event"
)

// friends shows which friends of the asker's characters are on.
func (b *Bot) friends(ctx context.Context, i *interaction) (message, error) {
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	if len(links) == 0 {
		return message{}, tell("friends.not_linked")
	}
	m := message{Content: b.reach(ctx, i, false)}
	for n, c := range links {
		if n == 5 { // five embeds of 1,100 stay below Discord's 6,000
			m.Content = joinLines(m.Content, i.lang.N("friends.more", len(links)-n))
			break
		}
		e, err := b.friendsOf(ctx, i.lang, c)
		if err != nil {
			return message{}, err
		}
		m.Embeds = append(m.Embeds, e)
	}
	m.Content = joinLines(m.Content, b.doubt(ctx, i.lang))
	m.Components = buttons(button{Label: i.lang.T("friends.again"), CustomID: controlVersion + "sync"}, button{Label: i.lang.T("button.settings"), CustomID: controlSettings})
	return m, nil
}

// freshList is how old a friends list may be and still not be worth reading again:
// the game's query service is not ours.
const freshList = time.Minute

// friendsSync reads the lists of the asker's characters now, and shows them.
func (b *Bot) friendsSync(ctx context.Context, i *interaction) (message, error) {
	return b.syncFriends(ctx, i, "")
}

func (b *Bot) syncFriends(ctx context.Context, i *interaction, _ string) (message, error) {
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	look, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	var failed []string
	for _, c := range links {
		if _, readAt, err := b.cfg.Store.Friends(ctx, c.ID); err == nil && b.now().Sub(readAt) < freshList {
			continue
		}
		if _, err := b.cfg.Directory.ReadFriends(look, c.ID); err != nil {
			b.log.Warn("friends list not read", "err", err)
			failed = append(failed, i.lang.titled(c))
		}
	}
	m, err := b.friends(ctx, i)
	if err == nil && len(failed) > 0 {
		m.Content = cut(joinLines(i.lang.T("friends.stale", "names", strings.Join(failed, ", ")), m.Content), maxContent)
	}
	return m, err
}

// friendsOf shows the list of one character, with its age.
func (b *Bot) friendsOf(ctx context.Context, in lang, c event.Character) (embed, error) {
	all, readAt, err := b.cfg.Store.Friends(ctx, c.ID)
	if err != nil {
		return embed{}, err
	}
	e := embed{Title: in.T("friends.title", "name", in.nameOf(c)), Color: color(c.Faction)}
	if readAt.IsZero() {
		e.Description = in.T("friends.unread")
		return e, nil
	}
	on := onlineOf(all)
	var lines []string
	for _, p := range on {
		lines = append(lines, in.onLine(in.titled(p.Character), p.Online, b.now()))
	}
	if len(on) == 0 {
		lines = append(lines, in.T("friends.nobody"))
	}
	e.Description = in.list(lines, 900) + "\n" + in.T("friends.count", "on", len(on), "all", len(all), "when", ago(readAt))
	return e, nil
}

// friendsOn returns the friends of user who are on, each once, those who came
// last first.
func (b *Bot) friendsOn(ctx context.Context, user alert.UserID) ([]event.Player, error) {
	links, err := b.cfg.Store.Links(ctx, user)
	if err != nil {
		return nil, err
	}
	seen := map[event.CharacterID]bool{}
	var all []event.Player
	for _, c := range links {
		friends, _, err := b.cfg.Store.Friends(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range friends {
			if !seen[p.Character.ID] {
				seen[p.Character.ID] = true
				all = append(all, p)
			}
		}
	}
	return onlineOf(all), nil
}

// online shows who of an outfit is on: the one that is named, or that the guild is of; in
// the bot's direct messages, where only the asker reads, their friends.
func (b *Bot) online(ctx context.Context, i *interaction) (message, error) {
	if i.command.text("outfit") == "" && i.GuildID != "" {
		guild, _ := alert.ParseSnowflake(i.GuildID) // 0 is of no outfit
		if o, linked, err := b.cfg.Store.GuildOutfit(ctx, guild); err != nil || linked {
			if err != nil {
				return message{}, err
			}
			return b.onlineIn(ctx, i.lang, o)
		}
	}
	if i.command.text("outfit") == "" && i.GuildID == "" && i.Context != nil && *i.Context == contextDM {
		return b.friends(ctx, i)
	}
	o, err := b.outfit(ctx, i.command.text("outfit"))
	if err != nil {
		return message{}, err
	}
	return b.onlineIn(ctx, i.lang, o)
}

// contextDM is the bot's direct messages, as an interaction's context.
const contextDM = 1

func (b *Bot) onlineIn(ctx context.Context, in lang, o event.Outfit) (message, error) {
	on, err := b.cfg.Store.OnlineInOutfit(ctx, o.ID)
	if err != nil {
		return message{}, err
	}
	slices.SortStableFunc(on, func(x, y event.Player) int { return x.Online.Since.Compare(y.Online.Since) })
	var lines []string
	for _, p := range on {
		line := in.onLine("**"+in.nameOf(p.Character)+"**", p.Online, b.now())
		if p.MembershipRank != "" {
			line += " · " + escape(clip(p.MembershipRank, 40))
		}
		lines = append(lines, line)
	}
	e := embed{Title: outfitTitle(o), Color: color(o.Faction)}
	head := in.T("online.nobody")
	if len(on) > 0 {
		head = in.N("outfit.on", len(on))
	}
	foot := joinLines(b.page(in.T("outfit.page"), "outfits", o.Tag), b.doubt(ctx, in))
	room := maxDescription - utf8.RuneCountInString(head+foot)
	e.Description = joinLines(head, in.list(lines, room), foot)
	return message{Embeds: []embed{e}}, nil
}

// doubt warns when what is known of presence may be old, "" as a rule.
func (b *Bot) doubt(ctx context.Context, in lang) string {
	states, err := b.cfg.Store.StreamStates(ctx)
	if err != nil {
		return ""
	}
	var worlds []string
	for _, s := range ill(states, b.now()) {
		worlds = append(worlds, in.T("doubt.world", "world", escape(s.World.String()), "when", moment(s.Since, b.now())))
	}
	if len(worlds) == 0 {
		return ""
	}
	return in.T("doubt", "worlds", cut(strings.Join(worlds, ", "), 300))
}

// ill returns the states, as of now, of worlds of which nothing comes.
func ill(states []event.StreamState, now time.Time) (all []event.StreamState) {
	for _, s := range states {
		if s = s.At(now); !s.Health.Flowing() {
			all = append(all, s)
		}
	}
	return all
}

// A gapLength says how long a hole was.
func gapLength(g event.Gap, now time.Time) time.Duration {
	if g.To.IsZero() {
		return now.Sub(g.From)
	}
	return g.To.Sub(g.From)
}
