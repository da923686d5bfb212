package bot

import (
	"context"
	"strings"

	"muster/alert"
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
		return message{}, tell("Whom? For example `/watch add player:Kestrel`, `/watch add outfit:HNW` or `/watch add leaders:HNW`.")
	case 1:
	default:
		return message{}, tell("One at a time, please: a player, an outfit or its leaders.")
	}
	w := alert.Watch{User: i.by, CreatedAt: b.now()}
	if given["player"] != "" {
		c, err := b.player(ctx, given["player"])
		if err != nil {
			return message{}, err
		}
		w.Kind, w.Character, w.Name = alert.WatchCharacter, c.ID, c.Name
		return b.saveWatch(ctx, i, w, titled(c))
	}
	o, err := b.outfit(ctx, given["outfit"]+given["leaders"])
	if err != nil {
		return message{}, err
	}
	w.Kind, w.Outfit, w.Name = alert.WatchOutfit, o.ID, outfitChoice(o)
	who := "anybody of " + outfitOf(o)
	if given["leaders"] != "" {
		w.Kind, w.MaxOrdinal = alert.WatchLeaders, alert.DefaultOrdinal
		who = "the leader of " + outfitOf(o) + ", or one of the rank below,"
	}
	return b.saveWatch(ctx, i, w, who)
}

func (b *Bot) saveWatch(ctx context.Context, i *interaction, w alert.Watch, who string) (message, error) {
	_, added, err := b.cfg.Store.AddWatch(ctx, w)
	if err != nil {
		return message{}, limited(err)
	}
	head := "🔔 I will write to you when " + who + " comes online."
	if !added {
		head = "🔔 You watch " + strings.TrimSuffix(who, ",") + " already."
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
		if ok && id == w.ID || !ok && (strings.EqualFold(w.Name, text) || strings.EqualFold(watchName(w), text)) {
			if _, err := b.cfg.Store.RemoveWatch(ctx, i.by, w.ID); err != nil {
				return message{}, err
			}
			return plain("🔕 Removed: **" + escape(bare(watchName(w))) + "**. You will not be told of it any more."), nil
		}
	}
	if len(watches) == 0 {
		return message{}, tell("You watch nobody yet, so there is nothing to remove.")
	}
	return message{}, tell("You do not watch “%s”. `/watch list` shows what there is.", escape(clip(text, 40)))
}
