package bot

import (
	"context"
	"fmt"
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
		return message{}, tell("I do not know who you are in the game. `/link player:` with your character's name, and I read its friends list.")
	}
	m := message{Content: b.reach(ctx, i, false)}
	for n, c := range links {
		if n == 5 { // five embeds of 1,100 stay below Discord's 6,000
			m.Content = joinLines(m.Content, fmt.Sprintf("… and %s more.", count(len(links)-n, "character", "characters")))
			break
		}
		e, err := b.friendsOf(ctx, c)
		if err != nil {
			return message{}, err
		}
		m.Embeds = append(m.Embeds, e)
	}
	m.Content = joinLines(m.Content, b.doubt(ctx))
	m.Components = buttons(button{Label: "Read the list again", CustomID: controlVersion + "sync"}, button{Label: "Settings", CustomID: controlSettings})
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
			failed = append(failed, titled(c))
		}
	}
	m, err := b.friends(ctx, i)
	if err == nil && len(failed) > 0 {
		m.Content = cut(joinLines("⏳ The game does not give me the list of "+strings.Join(failed, ", ")+" at the moment. "+
			"What I read before stays, with its age below; I keep trying.", m.Content), maxContent)
	}
	return m, err
}

// friendsOf shows the list of one character, with its age.
func (b *Bot) friendsOf(ctx context.Context, c event.Character) (embed, error) {
	all, readAt, err := b.cfg.Store.Friends(ctx, c.ID)
	if err != nil {
		return embed{}, err
	}
	e := embed{Title: "Friends of " + nameOf(c), Color: color(c.Faction)}
	if readAt.IsZero() {
		e.Description = "The list could not be read from the game yet. I keep trying."
		return e, nil
	}
	on := onlineOf(all)
	var lines []string
	for _, p := range on {
		lines = append(lines, onLine(titled(p.Character), p.Online, b.now()))
	}
	if len(on) == 0 {
		lines = append(lines, "Nobody is on at the moment.")
	}
	e.Description = list(lines, 900) + fmt.Sprintf("\n%d of %d on · list read %s", len(on), len(all), ago(readAt))
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
			return b.onlineIn(ctx, o)
		}
	}
	if i.command.text("outfit") == "" && i.GuildID == "" && i.Context != nil && *i.Context == contextDM {
		return b.friends(ctx, i)
	}
	o, err := b.outfit(ctx, i.command.text("outfit"))
	if err != nil {
		return message{}, err
	}
	return b.onlineIn(ctx, o)
}

// contextDM is the bot's direct messages, as an interaction's context.
const contextDM = 1

func (b *Bot) onlineIn(ctx context.Context, o event.Outfit) (message, error) {
	on, err := b.cfg.Store.OnlineInOutfit(ctx, o.ID)
	if err != nil {
		return message{}, err
	}
	slices.SortStableFunc(on, func(x, y event.Player) int { return x.Online.Since.Compare(y.Online.Since) })
	var lines []string
	for _, p := range on {
		line := onLine("**"+nameOf(p.Character)+"**", p.Online, b.now())
		if p.MembershipRank != "" {
			line += " · " + escape(clip(p.MembershipRank, 40))
		}
		lines = append(lines, line)
	}
	e := embed{Title: outfitTitle(o), Color: color(o.Faction)}
	head := "Nobody of this outfit is on, as far as I know."
	if len(on) > 0 {
		head = count(len(on), "member is on", "members are on")
	}
	foot := joinLines(b.page("Everybody of this outfit", "outfits", o.Tag), b.doubt(ctx))
	room := maxDescription - utf8.RuneCountInString(head+foot)
	e.Description = joinLines(head, list(lines, room), foot)
	return message{Embeds: []embed{e}}, nil
}

// doubt warns when what is known of presence may be old, "" as a rule.
func (b *Bot) doubt(ctx context.Context) string {
	states, err := b.cfg.Store.StreamStates(ctx)
	if err != nil {
		return ""
	}
	var worlds []string
	for _, s := range ill(states, b.now()) {
		worlds = append(worlds, fmt.Sprintf("%s (since %s)", s.World, moment(s.Since, b.now())))
	}
	if len(worlds) == 0 {
		return ""
	}
	return "⚠️ No news from the game for: " + cut(strings.Join(worlds, ", "), 300)
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
