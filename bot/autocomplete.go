package bot

import (
	"context"
	"slices"
	"strings"

	"muster/alert"
	"muster/event"
)

// suggest completes what is being typed. Whatever goes wrong, the person can
// still send what was typed.
func (b *Bot) suggest(ctx context.Context, i *interaction) (choices []choice) {
	defer b.recovered("autocomplete")
	name, typed := i.command.focused()
	f := b.commands[i.command.path()].suggest[name]
	if f == nil {
		return nil
	}
	b.speak(ctx, i)
	choices = f(b, ctx, i, typed)
	if len(choices) > maxChoices {
		choices = choices[:maxChoices]
	}
	for n := range choices {
		choices[n].Name = cut(bare(choices[n].Name), 100)
	}
	// Discord refuses all of them for one without a name.
	return slices.DeleteFunc(choices, func(c choice) bool { return strings.TrimSpace(c.Name) == "" })
}

// asTyped offers the text itself: an empty list would be remembered by the
// client and look like "no such player".
func asTyped(typed string) []choice {
	if !plausible(typed) {
		return nil
	}
	return []choice{{Name: typed, Value: typed}}
}

func (b *Bot) suggestPlayers(ctx context.Context, i *interaction, typed string) []choice {
	if typed == "" || !plausible(typed) {
		return nil
	}
	found, err := b.cfg.Store.FindCharacters(ctx, typed, maxChoices)
	if err != nil {
		b.log.Warn("players not suggested", "err", err)
	}
	var choices []choice
	exact := false
	for _, c := range found {
		if c.Name == "" {
			continue
		}
		exact = exact || strings.EqualFold(c.Name, typed)
		choices = append(choices, choice{Name: i.lang.playerChoice(c), Value: pick(int64(c.ID))})
	}
	if !exact && len(choices) < maxChoices {
		choices = append(choices, asTyped(typed)...)
	}
	return choices
}

// playerChoice describes c on one line: "[TAG] Kestrel · NC · Wainwright".
func (in lang) playerChoice(c event.Character) string {
	s := c.Name
	if s == "" {
		s = in.unnamed(c.ID)
	}
	if c.Outfit.Tag != "" {
		s = "[" + c.Outfit.Tag + "] " + s
	}
	if f := c.Faction.String(); f != "" {
		s += " · " + f
	}
	if c.World != 0 {
		s += " · " + c.World.String()
	}
	return s
}

func (b *Bot) suggestOutfits(ctx context.Context, _ *interaction, typed string) []choice {
	prefix := strings.Trim(typed, "[] ")
	if prefix == "" {
		return nil
	}
	found, err := b.cfg.Store.FindOutfits(ctx, prefix, maxChoices)
	if err != nil {
		b.log.Warn("outfits not suggested", "err", err)
	}
	var choices []choice
	for _, o := range found {
		choices = append(choices, choice{Name: outfitChoice(o), Value: pick(int64(o.ID))})
	}
	if _, ok := exactly(found, prefix); !ok && len(choices) < maxChoices {
		choices = append(choices, asTyped(prefix)...)
	}
	return choices
}

func outfitChoice(o event.Outfit) string {
	if o.Tag == "" {
		return o.Name
	}
	return strings.TrimSpace("[" + o.Tag + "] " + o.Name)
}

func (b *Bot) suggestLinks(ctx context.Context, i *interaction, typed string) []choice {
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		b.log.Warn("links not suggested", "err", err)
	}
	var choices []choice
	for _, c := range links {
		if contains(i.lang.playerChoice(c), typed) {
			choices = append(choices, choice{Name: i.lang.playerChoice(c), Value: pick(int64(c.ID))})
		}
	}
	return choices
}

func (b *Bot) suggestWatches(ctx context.Context, i *interaction, typed string) []choice {
	watches, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		b.log.Warn("watches not suggested", "err", err)
	}
	var choices []choice
	for _, w := range watches {
		if name := i.lang.watchName(w); contains(name, typed) {
			choices = append(choices, choice{Name: name, Value: pick(w.ID)})
		}
	}
	return choices
}

// watchName describes a watch where there is no markdown.
func (in lang) watchName(w alert.Watch) string {
	name := w.Name
	switch w.Kind {
	case alert.WatchFriends:
		return in.T("watch_name.friends")
	case alert.WatchOutfit:
		return in.T("watch_name.outfit", "name", firstOf(name, w.Outfit.String()))
	case alert.WatchLeaders:
		return in.T("watch_name.leaders", "name", firstOf(name, w.Outfit.String()))
	case alert.WatchGroup:
		return in.T("watch_name.group", "name", name)
	}
	if name == "" {
		return in.unnamed(w.Character)
	}
	return in.T("watch_name.player", "name", name)
}

func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
