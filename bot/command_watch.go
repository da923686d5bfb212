package bot

import (
	"context"
	"strings"

	"muster/alert"
	"muster/event"
)

// watchAdd follows a player, an outfit, or those who lead one.
func (b *Bot) watchAdd(ctx context.Context, i *interaction) (message, error) {
	given := map[string]string{}
	for _, option := range []string{"player", "outfit", "leaders"} {
		if text := i.command.text(option); text != "" {
			given[option] = text
		}
	}
	switch len(given) {
	case 0:
		return message{}, tell("watch.whom")
	case 1:
	default:
		return message{}, tell("watch.one")
	}
	if given["player"] != "" {
		c, err := b.player(ctx, given["player"])
		if err != nil {
			return message{}, err
		}
		return b.watchPlayer(ctx, i, c)
	}
	o, err := b.outfit(ctx, given["outfit"]+given["leaders"])
	if err != nil {
		return message{}, err
	}
	if given["leaders"] == "" {
		return b.watchOutfit(ctx, i, o)
	}
	w := alert.Watch{Kind: alert.WatchLeaders, MaxOrdinal: alert.DefaultOrdinal, Outfit: o.ID, Name: outfitChoice(o)}
	return b.saveWatch(ctx, i, w, i.lang.T("watch.leaders", "outfit", outfitOf(o)), i.lang.T("watch.leaders_already", "outfit", outfitOf(o)))
}

func (b *Bot) watchPlayer(ctx context.Context, i *interaction, c event.Character) (message, error) {
	who := i.lang.titled(c)
	return b.saveWatch(ctx, i, alert.Watch{Kind: alert.WatchCharacter, Character: c.ID, Name: c.Name},
		i.lang.T("watch.player", "who", who), i.lang.T("watch.player_already", "who", who))
}

func (b *Bot) watchOutfit(ctx context.Context, i *interaction, o event.Outfit) (message, error) {
	return b.saveWatch(ctx, i, alert.Watch{Kind: alert.WatchOutfit, Outfit: o.ID, Name: outfitChoice(o)},
		i.lang.T("watch.outfit", "outfit", outfitOf(o)), i.lang.T("watch.outfit_already", "outfit", outfitOf(o)))
}

// saveWatch answers with fresh, or with already if the asker followed that before.
func (b *Bot) saveWatch(ctx context.Context, i *interaction, w alert.Watch, fresh, already string) (message, error) {
	w.User, w.CreatedAt = i.by, b.now()
	_, added, err := b.cfg.Store.AddWatch(ctx, w)
	if err != nil {
		return message{}, limited(err)
	}
	head := fresh
	if !added {
		head = already
	}
	return plain(joinLines(head, b.reach(ctx, i, true))), b.promise(ctx)
}

// watchRemove ends a watch that was picked, or typed by name.
func (b *Bot) watchRemove(ctx context.Context, i *interaction) (message, error) {
	watches, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	text := i.command.text("watch")
	for _, w := range watches {
		id, ok := picked(text)
		if ok && id == w.ID || !ok && (strings.EqualFold(w.Name, text) || strings.EqualFold(i.lang.watchName(w), text)) {
			if _, err := b.cfg.Store.RemoveWatch(ctx, i.by, w.ID); err != nil {
				return message{}, err
			}
			return plain(i.lang.T("watch.removed", "what", escape(bare(i.lang.watchName(w))))), nil
		}
	}
	if len(watches) == 0 {
		return message{}, tell("watch.nothing")
	}
	return message{}, tell("watch.not_that", "text", escape(clip(text, 40)))
}
