package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"muster/census"
	"muster/event"
)

// maxChoices is Discord's limit for one autocomplete.
const maxChoices = 25

// pick is the value of a suggested choice: a '#', which no name contains, and the
// id. Text without it was typed by hand.
func pick(id int64) string { return "#" + strconv.FormatInt(id, 10) }

// picked returns the id of a suggested choice.
func picked(text string) (int64, bool) {
	digits, ok := strings.CutPrefix(text, "#")
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 63)
	return int64(id), err == nil
}

// player finds the character that somebody picked or typed.
func (b *Bot) player(ctx context.Context, text string) (event.Character, error) {
	if id, ok := picked(text); ok {
		p, found, err := b.cfg.Store.Player(ctx, event.CharacterID(id))
		if err != nil {
			return event.Character{}, err
		}
		if !found {
			return event.Character{}, unknownPlayer(text)
		}
		p.Character.ID = event.CharacterID(id)
		return p.Character, nil
	}
	if !plausible(text) {
		return event.Character{}, tell("“%s” cannot be a player's name: those have 1 to 32 letters, digits, “-” and “_”. "+
			"Type the first letters and choose from the suggestions.", escape(clip(text, 40)))
	}
	c, err := b.cfg.Directory.FindCharacter(ctx, text)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, census.ErrNotFound):
		return event.Character{}, unknownPlayer(text, b.similarPlayers(ctx, text)...)
	}
	b.log.Warn("player not looked up", "err", err)
	return event.Character{}, tell("I do not know “%s” myself, and the game's query service does not answer at the moment. "+
		"It comes back by itself, mostly within minutes: please try again then.", escape(text))
}

// unknownPlayer says that nobody is called text, and who may be meant.
func unknownPlayer(text string, similar ...string) error {
	if len(similar) > 0 {
		return tell("No player called “%s”. Did you mean %s?", escape(clip(text, 40)), strings.Join(similar, " or "))
	}
	return tell("No player called “%s”. Check the spelling, or type the first letters and choose from the suggestions. "+
		"A brand-new character can take an hour to become known.", escape(clip(text, 40)))
}

// maxSimilar is how many names are offered for one that nobody has.
const maxSimilar = 3

// similarPlayers returns known names that begin like text, in bold: the whole of
// it, or else up to three letters less.
func (b *Bot) similarPlayers(ctx context.Context, text string) []string {
	for n := len(text); n >= max(3, len(text)-3); n-- {
		found, err := b.cfg.Store.FindCharacters(ctx, text[:n], maxSimilar)
		if err != nil || len(found) == 0 {
			continue
		}
		var names []string
		for _, c := range found {
			names = append(names, "**"+nameOf(c)+"**")
		}
		return names
	}
	return nil
}

// outfit finds the outfit that somebody picked or typed.
func (b *Bot) outfit(ctx context.Context, text string) (event.Outfit, error) {
	if id, ok := picked(text); ok {
		o, found, err := b.cfg.Store.Outfit(ctx, event.OutfitID(id))
		if err != nil {
			return event.Outfit{}, err
		}
		if !found {
			return event.Outfit{}, unknownOutfit(text)
		}
		return o, nil
	}
	text = strings.Trim(text, "[] ")
	if text == "" {
		return event.Outfit{}, tell("Give an outfit's tag or name, for example `/online outfit:HNW`.")
	}
	known, err := b.cfg.Store.FindOutfits(ctx, text, maxChoices)
	if err != nil {
		return event.Outfit{}, err
	}
	if o, ok := exactly(known, text); ok {
		return o, nil
	}
	return b.outfitElsewhere(ctx, text, known)
}

// outfitElsewhere asks the directory, which knows tags only. similar are those
// that begin like text.
func (b *Bot) outfitElsewhere(ctx context.Context, text string, similar []event.Outfit) (event.Outfit, error) {
	if len(text) > 8 || !plausible(text) {
		return event.Outfit{}, unknownOutfit(text, similar...)
	}
	found, err := b.cfg.Directory.FindOutfits(ctx, text)
	switch {
	case errors.Is(err, census.ErrNotFound), err == nil && len(found) == 0:
		return event.Outfit{}, unknownOutfit(text, similar...)
	case err != nil:
		b.log.Warn("outfit not looked up", "err", err)
		return event.Outfit{}, tell("I do not know the outfit “%s” myself, and the game's query service does not answer at the "+
			"moment. Please try again in a few minutes.", escape(text))
	}
	if o, ok := only(found); ok {
		return o, nil
	}
	var names []string
	for _, o := range found {
		names = append(names, "• "+outfitOf(o))
	}
	return event.Outfit{}, tell("Several outfits have the tag “%s”:\n%s\nType it again and choose one from the suggestions.",
		escape(text), list(names, 1000))
}

// exactly returns the only outfit whose tag or name is text.
func exactly(known []event.Outfit, text string) (event.Outfit, bool) {
	var named []event.Outfit
	for _, o := range known {
		if strings.EqualFold(o.Tag, text) || strings.EqualFold(o.Name, text) {
			named = append(named, o)
		}
	}
	return only(named)
}

// only returns the one outfit there is, or the one that has members: old and
// empty outfits keep their tags (census 5.4).
func only(outfits []event.Outfit) (event.Outfit, bool) {
	if len(outfits) > 1 {
		outfits = slices.DeleteFunc(slices.Clone(outfits), func(o event.Outfit) bool { return o.Members == 0 })
	}
	if len(outfits) != 1 {
		return event.Outfit{}, false
	}
	return outfits[0], true
}

// unknownOutfit says that no outfit is called text, and which may be meant.
func unknownOutfit(text string, similar ...event.Outfit) error {
	if len(similar) > 0 {
		var names []string
		for _, o := range similar[:min(len(similar), maxSimilar)] {
			names = append(names, outfitOf(o))
		}
		return tell("No outfit with the tag or name “%s”. Did you mean %s?", escape(clip(text, 40)), strings.Join(names, " or "))
	}
	return tell("No outfit with the tag or name “%s”. Tags have up to four letters, for example `HNW`; "+
		"type the first letters and choose from the suggestions.", escape(clip(text, 40)))
}

// plausible reports whether text can be the name of something in the game.
func plausible(text string) bool {
	if text == "" || len(text) > 32 {
		return false
	}
	for _, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && r != '-' && r != '_' {
			return false
		}
	}
	return true
}
