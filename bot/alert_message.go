package bot

import (
	"context"
	"fmt"
	"strings"

	"muster/alert"
	"muster/event"
)

// Component ids: a version, what to do, and on what. They must stay readable for
// ever, for old messages keep their buttons.
const (
	pressWho  = "v1:who"
	pressStop = "v1:stop:"
)

// causeWords says why somebody is told.
var causeWords = map[alert.Cause]string{
	alert.ByCharacter: "You watch this player",
	alert.ByFriend:    "From your in-game friends list",
	alert.ByGroup:     "In a group of yours",
	alert.ByLeader:    "You watch the leaders of this outfit",
	alert.ByOutfit:    "You watch this outfit",
}

// alertMessage writes the message for a. The first line is what a phone shows.
func (b *Bot) alertMessage(ctx context.Context, a alert.Alert) message {
	who := a.Who
	who.ID = a.Character
	name := who.Name
	if name == "" {
		name = "this player"
	}
	var facts []string
	if f := who.Faction.Name(); f != "" {
		facts = append(facts, f)
	}
	if who.Rank > 0 {
		facts = append(facts, fmt.Sprintf("battle rank %d", who.Rank))
	}
	e := embed{
		Description: joinLines(strings.Join(facts, " · "), "Came online "+ago(a.LoginAt), b.othersOn(ctx, a), b.page("See what "+nameOf(who)+" is doing", "characters", who.Name)),
		Color:       color(who.Faction),
	}
	if words := causeWords[a.Cause]; words != "" {
		e.Footer = &footer{Text: words}
	}
	return message{
		Content: "🟢 " + titled(who) + " is online on " + escape(a.World.String()),
		Embeds:  []embed{e},
		Components: buttons(
			button{Label: "Who else is on", CustomID: pressWho},
			button{Label: "Stop telling me about " + bare(name), CustomID: pressStop + a.Character.String()},
		),
	}
}

// othersOn says how many other friends are on, if that is known quickly.
func (b *Bot) othersOn(ctx context.Context, a alert.Alert) string {
	ctx, cancel := context.WithTimeout(ctx, friendsLook)
	defer cancel()
	on, err := b.friendsOn(ctx, a.User)
	if err != nil {
		return ""
	}
	n := 0
	for _, p := range on {
		if p.Character.ID != a.Character {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return count(n, "other friend is", "other friends are") + " on"
}

// whoElse lists the asker's friends who are on.
func (b *Bot) whoElse(ctx context.Context, i *interaction, _ string) (message, error) {
	on, err := b.friendsOn(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	if len(on) == 0 {
		return plain("Nobody of your friends is on right now."), nil
	}
	var lines []string
	for _, p := range on {
		lines = append(lines, onLine(titled(p.Character), p.Online, b.now()))
	}
	return message{Embeds: []embed{{
		Title: count(len(on), "friend is on", "friends are on"), Description: list(lines, maxDescription), Color: 0x3fa34d,
	}}}, nil
}

// stopTelling removes the watch on a player, or says where the news come from
// and how to end them.
func (b *Bot) stopTelling(ctx context.Context, i *interaction, arg string) (message, error) {
	id, err := event.ParseCharacterID(arg)
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	watches, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	p, _, err := b.cfg.Store.Player(ctx, id)
	if err != nil {
		return message{}, err
	}
	p.Character.ID = id
	var lines []string
	for _, w := range watches {
		switch {
		case w.Kind == alert.WatchCharacter && w.Character == id:
			if _, err := b.cfg.Store.RemoveWatch(ctx, i.by, w.ID); err != nil {
				return message{}, err
			}
			lines = append(lines, "🔕 You do not watch "+titled(p.Character)+" any more. `/watch add` brings it back.")
		case w.Kind == alert.WatchOutfit && !p.Character.Outfit.IsZero() && w.Outfit == p.Character.Outfit.ID:
			lines = append(lines, titled(p.Character)+" is a member of "+outfitOf(p.Character.Outfit)+
				", which you watch: `/watch remove` ends that for the whole outfit.")
		}
	}
	owner, err := b.friendOf(ctx, i.by, id)
	if err != nil {
		return message{}, err
	}
	if owner != "" {
		lines = append(lines, titled(p.Character)+" is on the in-game friends list of "+owner+". Take it off that list in the game, "+
			"or end all news of the list with `/watch remove` or `/unlink`.")
	}
	if len(lines) == 0 {
		lines = append(lines, "You are not told about "+titled(p.Character)+" any more: nothing you follow includes it.")
	}
	return plain(strings.Join(lines, "\n")), nil
}

// friendOf returns which character of user has id on its friends list, "" if none.
func (b *Bot) friendOf(ctx context.Context, user alert.UserID, id event.CharacterID) (string, error) {
	links, err := b.cfg.Store.Links(ctx, user)
	if err != nil {
		return "", err
	}
	for _, c := range links {
		friends, _, err := b.cfg.Store.Friends(ctx, c.ID)
		if err != nil {
			return "", err
		}
		for _, p := range friends {
			if p.Character.ID == id {
				return titled(c), nil
			}
		}
	}
	return "", nil
}
