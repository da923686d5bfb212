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

// causeKeys say why somebody is told.
var causeKeys = map[alert.Cause]string{
	alert.ByCharacter: "cause.character",
	alert.ByFriend:    "cause.friend",
	alert.ByGroup:     "cause.group",
	alert.ByLeader:    "cause.leader",
	alert.ByOutfit:    "cause.outfit",
}

// whoElse lists the asker's friends who are on.
func (b *Bot) whoElse(ctx context.Context, i *interaction, _ string) (message, error) {
	on, err := b.friendsOn(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	if len(on) == 0 {
		return plain(i.lang.T("who.nobody")), nil
	}
	var lines []string
	for _, p := range on {
		lines = append(lines, i.lang.onLine(i.lang.titled(p.Character), p.Online, b.now()))
	}
	return message{Embeds: []embed{{
		Title: i.lang.N("who.title", len(on)), Description: i.lang.list(lines, maxDescription), Color: 0x3fa34d,
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
	who := i.lang.titled(p.Character)
	var lines []string
	for _, w := range watches {
		switch {
		case w.Kind == alert.WatchCharacter && w.Character == id:
			if _, err := b.cfg.Store.RemoveWatch(ctx, i.by, w.ID); err != nil {
				return message{}, err
			}
			lines = append(lines, i.lang.T("stop.player", "who", who))
		case w.Kind == alert.WatchOutfit && !p.Character.Outfit.IsZero() && w.Outfit == p.Character.Outfit.ID:
			lines = append(lines, i.lang.T("stop.outfit", "who", who, "outfit", outfitOf(p.Character.Outfit)))
		}
	}
	owner, err := b.friendOf(ctx, i, id)
	if err != nil {
		return message{}, err
	}
	if owner != "" {
		lines = append(lines, i.lang.T("stop.friend", "who", who, "owner", owner))
	}
	if len(lines) == 0 {
		lines = append(lines, i.lang.T("stop.nothing", "who", who))
	}
	return plain(strings.Join(lines, "\n")), nil
}

// friendOf returns which character of the asker has id on its friends list, "" if none.
func (b *Bot) friendOf(ctx context.Context, i *interaction, id event.CharacterID) (string, error) {
	links, err := b.cfg.Store.Links(ctx, i.by)
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
				return i.lang.titled(c), nil
			}
		}
	}
	return "", nil
}
