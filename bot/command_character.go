package bot

import (
	"context"
	"strconv"
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
	e := embed{Title: i.lang.characterTitle(p.Character), Color: color(p.Character.Faction)}
	e.Description = joinLines(i.lang.whatIs(p), b.whereIs(i.lang, p.Online), "", b.page(i.lang.T("character.page"), "characters", p.Character.Name), b.doubt(ctx, i.lang))
	if len(sessions) > 0 {
		var lines []string
		for _, s := range sessions {
			lines = append(lines, i.lang.sessionLine(s, b.now()))
		}
		e.Fields = []field{{Name: i.lang.T("character.sessions"), Value: i.lang.list(lines, 1000)}}
	}
	return message{Embeds: []embed{e}, Components: buttons(
		button{Label: i.lang.T("character.follow"), CustomID: controlVersion + "follow:" + c.ID.String()})}, nil
}

// whatIs says side, battle rank, home world and outfit.
func (in lang) whatIs(p event.Player) string {
	var parts []string
	if name := in.faction(p.Character.Faction); name != "" {
		parts = append(parts, name)
	}
	if p.Character.Rank > 0 {
		parts = append(parts, in.T("battle_rank", "rank", p.Character.Rank))
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
		outfit = in.T("character.member", "rank", escape(clip(p.MembershipRank, 40)), "outfit", outfit)
	}
	return joinLines(what, outfit)
}

// whereIs says whether somebody is on, and where, or when they were seen last.
func (b *Bot) whereIs(in lang, o event.Online) string {
	now := b.now()
	switch {
	case o.Online:
		return in.T("character.on", "place", escape(place(o)), "when", moment(o.Since, now))
	case !o.LoggedOut.IsZero():
		return in.T("character.off", "when", moment(o.LoggedOut, now))
	case !o.LastSeen.IsZero():
		return in.T("character.seen", "when", moment(o.LastSeen, now))
	}
	return in.T("character.never")
}

// sessionLine is one sitting: when, for how long, and on which world.
func (in lang) sessionLine(s event.Session, now time.Time) string {
	end := s.EndedAt
	if end.IsZero() {
		end = now
	}
	length := in.span(max(end.Sub(s.StartedAt), 0))
	if s.EndedAt.IsZero() {
		length = in.T("session.so_far", "span", length)
	}
	if s.Inferred { // its beginning was not seen
		length = in.T("session.at_least", "span", length)
	}
	return "<t:" + strconv.FormatInt(s.StartedAt.Unix(), 10) + ":f> · " + length + " · " + escape(s.World.String())
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
		return message{}, tell("player.gone")
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
	if name := i.lang.faction(o.Faction); name != "" {
		what = append(what, name)
	}
	if o.Members > 0 {
		what = append(what, i.lang.N("outfit.members", o.Members))
	}
	leader := ""
	if o.Leader != 0 {
		p, known, err := b.cfg.Store.Player(ctx, o.Leader)
		if err != nil {
			return message{}, err
		}
		if known && p.Character.Name != "" {
			leader = i.lang.T("outfit.leader", "name", i.lang.nameOf(p.Character))
			if p.Online.Online {
				leader = i.lang.T("outfit.leader_on", "name", i.lang.nameOf(p.Character))
			}
		}
	}
	head := i.lang.T("outfit.nobody")
	if len(on) > 0 {
		head = "🟢 " + i.lang.N("outfit.on", len(on))
	}
	e.Description = joinLines(strings.Join(what, " · "), leader, head, "", b.page(i.lang.T("outfit.page"), "outfits", o.Tag), b.doubt(ctx, i.lang))
	return message{Embeds: []embed{e}, Components: buttons(
		button{Label: i.lang.T("outfit.who"), CustomID: controlVersion + "on:" + o.ID.String(), Disabled: len(on) == 0},
		button{Label: i.lang.T("outfit.follow"), CustomID: controlVersion + "followall:" + o.ID.String()})}, nil
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
func (b *Bot) pressOnline(ctx context.Context, i *interaction, arg string) (message, error) {
	o, err := b.pressedOutfit(ctx, arg)
	if err != nil {
		return message{}, err
	}
	return b.onlineIn(ctx, i.lang, o)
}

func (b *Bot) pressedOutfit(ctx context.Context, arg string) (event.Outfit, error) {
	id, _ := event.ParseOutfitID(arg) // 0 is none either
	o, known, err := b.cfg.Store.Outfit(ctx, id)
	if err == nil && !known {
		err = tell("outfit.gone")
	}
	return o, err
}
