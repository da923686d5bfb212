package bot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"muster/event"
)

// sessionsShown is how many sittings /character lists.
const sessionsShown = 5

// character shows a player: what it is, where it is, and when it was on.
func (b *Bot) character(ctx context.Context, i *interaction) (message, error) {
	c, err := b.player(ctx, i.command.text("player"))
	if err != nil {
		return message{}, err
	}
	p, known, err := b.cfg.Store.Player(ctx, c.ID)
	switch {
	case err != nil:
		return message{}, err
	case !known || p.Character.Hidden: // whoever was looked up is known, unless hidden
		return message{}, unknownPlayer(i.command.text("player"))
	}
	sessions, err := b.cfg.Store.RecentSessions(ctx, c.ID, sessionsShown)
	if err != nil {
		return message{}, err
	}
	e := embed{Title: characterTitle(p.Character), Color: color(p.Character.Faction)}
	e.Description = joinLines(b.whatIs(p), b.whereIs(p.Online), "", b.page("Everything on the page", "characters", p.Character.Name), b.doubt(ctx))
	if len(sessions) > 0 {
		var lines []string
		for _, s := range sessions {
			lines = append(lines, sessionLine(s, b.now()))
		}
		e.Fields = []field{{Name: "Last on", Value: list(lines, 1000)}}
	}
	return message{Embeds: []embed{e}, Components: buttons(
		button{Label: "Tell me when they come on", CustomID: controlVersion + "follow:" + c.ID.String()})}, nil
}

// whatIs says side, battle rank, home world and outfit.
func (b *Bot) whatIs(p event.Player) string {
	var parts []string
	if name := p.Character.Faction.Name(); name != "" {
		parts = append(parts, name)
	}
	if p.Character.Rank > 0 {
		parts = append(parts, fmt.Sprintf("battle rank %d", p.Character.Rank))
	}
	if p.Character.World != 0 {
		parts = append(parts, escape(p.Character.World.String()))
	}
	what := strings.Join(parts, " · ")
	if p.Character.Outfit.IsZero() {
		return what
	}
	outfit := outfitOf(p.Character.Outfit)
	if p.MembershipRank != "" {
		outfit = escape(clip(p.MembershipRank, 40)) + " of " + outfit
	}
	return joinLines(what, outfit)
}

// whereIs says whether somebody is on, and where, or when they were seen last.
func (b *Bot) whereIs(o event.Online) string {
	now := b.now()
	switch {
	case o.Online:
		return "🟢 On: " + escape(place(o)) + ", since " + moment(o.Since, now)
	case !o.LoggedOut.IsZero():
		return "⚫ Off; was on until " + moment(o.LoggedOut, now)
	case !o.LastSeen.IsZero():
		return "⚫ Off; seen last at " + moment(o.LastSeen, now)
	}
	return "⚫ I have not seen them on since I watch the game."
}

// sessionLine is one sitting: when, for how long, and on which world.
func sessionLine(s event.Session, now time.Time) string {
	end, about := s.EndedAt, ""
	if end.IsZero() {
		end, about = now, " so far"
	}
	text := span(max(end.Sub(s.StartedAt), 0)) + about
	if s.Inferred {
		text = "at least " + text // its beginning was not seen
	}
	return fmt.Sprintf("<t:%d:f> · %s · %s", s.StartedAt.Unix(), text, escape(s.World.String()))
}

// follow is the button that watches a player.
func (b *Bot) follow(ctx context.Context, i *interaction, arg string) (message, error) {
	id, err := event.ParseCharacterID(arg)
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	p, known, err := b.cfg.Store.Player(ctx, id)
	switch {
	case err != nil:
		return message{}, err
	case !known:
		return message{}, tell("I do not know this player any more: they may have hidden their character from me.")
	}
	return b.watchPlayer(ctx, i, p.Character)
}

// outfitShow shows an outfit: who leads it, how many it has, and who is on.
func (b *Bot) outfitShow(ctx context.Context, i *interaction) (message, error) {
	o, err := b.outfit(ctx, i.command.text("outfit"))
	if err != nil {
		return message{}, err
	}
	on, err := b.cfg.Store.OnlineInOutfit(ctx, o.ID)
	if err != nil {
		return message{}, err
	}
	e := embed{Title: outfitTitle(o), Color: color(o.Faction)}
	var what []string
	if name := o.Faction.Name(); name != "" {
		what = append(what, name)
	}
	if o.Members > 0 {
		what = append(what, count(o.Members, "member", "members"))
	}
	leader := ""
	if o.Leader != 0 {
		p, known, err := b.cfg.Store.Player(ctx, o.Leader)
		if err != nil {
			return message{}, err
		}
		if known && p.Character.Name != "" {
			leader = "Led by **" + nameOf(p.Character) + "**"
			if p.Online.Online {
				leader += ", who is on"
			}
		}
	}
	head := "Nobody of it is on, as far as I know."
	if len(on) > 0 {
		head = "🟢 " + count(len(on), "member is on", "members are on")
	}
	e.Description = joinLines(strings.Join(what, " · "), leader, head, "", b.page("Everybody of this outfit", "outfits", o.Tag), b.doubt(ctx))
	return message{Embeds: []embed{e}, Components: buttons(
		button{Label: "Who is on", CustomID: controlVersion + "on:" + o.ID.String(), Disabled: len(on) == 0},
		button{Label: "Tell me when anybody comes on", CustomID: controlVersion + "followall:" + o.ID.String()})}, nil
}

// followAll is the button that watches an outfit.
func (b *Bot) followAll(ctx context.Context, i *interaction, arg string) (message, error) {
	o, err := b.pressedOutfit(ctx, arg)
	if err != nil {
		return message{}, err
	}
	return b.watchOutfit(ctx, i, o)
}

// pressOnline is the button that lists who of an outfit is on.
func (b *Bot) pressOnline(ctx context.Context, _ *interaction, arg string) (message, error) {
	o, err := b.pressedOutfit(ctx, arg)
	if err != nil {
		return message{}, err
	}
	return b.onlineIn(ctx, o)
}

func (b *Bot) pressedOutfit(ctx context.Context, arg string) (event.Outfit, error) {
	id, _ := event.ParseOutfitID(arg) // 0 is none either
	o, known, err := b.cfg.Store.Outfit(ctx, id)
	if err == nil && !known {
		err = tell("I do not know this outfit any more.")
	}
	return o, err
}
