package bot

import (
	"context"
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
