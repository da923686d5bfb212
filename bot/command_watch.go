package bot

import (
	"context"
	"fmt"
	"strings"

	"muster/alert"
)

const maxWatches = alert.MaxWatches

// watchAdd follows a player or an outfit.
func (b *Bot) watchAdd(ctx context.Context, i *interaction) (message, error) {
	player, outfit := i.command.text("player"), i.command.text("outfit")
	w := alert.Watch{User: i.by, CreatedAt: b.now()}
	var who string
	switch {
	case player == "" && outfit == "":
		return message{}, tell("Whom? For example `/watch add player:Kestrel` or `/watch add outfit:HNW`.")
	case player != "" && outfit != "":
		return message{}, tell("One at a time, please: either a player or an outfit.")
	case player != "":
		c, err := b.player(ctx, player)
		if err != nil {
			return message{}, err
		}
		w.Kind, w.Character, w.Name, who = alert.WatchCharacter, c.ID, c.Name, titled(c)
	default:
		o, err := b.outfit(ctx, outfit)
		if err != nil {
			return message{}, err
		}
		w.Kind, w.Outfit, w.Name, who = alert.WatchOutfit, o.ID, outfitChoice(o), outfitOf(o)
	}
	return b.saveWatch(ctx, i, w, who)
}

func (b *Bot) saveWatch(ctx context.Context, i *interaction, w alert.Watch, who string) (message, error) {
	all, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	if len(all) >= maxWatches {
		return message{}, tell("You watch %d already, which is the most. `/watch remove` makes room.", len(all))
	}
	_, added, err := b.cfg.Store.AddWatch(ctx, w)
	if err != nil {
		return message{}, err
	}
	head := "🔔 I will write to you when " + who + " comes online."
	if w.Kind == alert.WatchOutfit {
		head = "🔔 I will write to you when anybody of " + who + " comes online."
	}
	if !added {
		head = "🔔 You watch " + who + " already."
	}
	return plain(joinLines(head, b.reach(ctx, i, true))), nil
}

// watchList shows whom the asker is told about.
func (b *Bot) watchList(ctx context.Context, i *interaction) (message, error) {
	watches, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	var lines []string
	for _, w := range watches {
		switch w.Kind {
		case alert.WatchFriends:
			var mine []string
			for _, c := range links {
				mine = append(mine, titled(c))
			}
			if len(mine) > 0 {
				lines = append(lines, "👥 Friends of "+strings.Join(mine, ", "))
			}
		case alert.WatchOutfit:
			lines = append(lines, "🛡️ Outfit **"+escape(bare(strings.TrimPrefix(watchName(w), "Outfit ")))+"**")
		default:
			lines = append(lines, "👤 Player **"+escape(bare(strings.TrimPrefix(watchName(w), "Player ")))+"**")
		}
	}
	if len(lines) == 0 {
		return plain(joinLines("You are told about nobody yet. `/link player:` follows your in-game friends list; "+
			"`/watch add` one player or outfit.", b.reach(ctx, i, false))), nil
	}
	head := fmt.Sprintf("**You are told when these come online** (%d):", len(lines))
	return plain(joinLines(head, list(lines, 1500), b.reach(ctx, i, false))), nil
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
