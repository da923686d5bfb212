package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"muster/census"
	"muster/event"
	"muster/internal/catalogue"
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
		return event.Character{}, tell("lookup.not_a_name", "text", escape(clip(text, 40)))
	}
	c, err := b.cfg.Directory.FindCharacter(ctx, text)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, census.ErrNotFound):
		return event.Character{}, unknownPlayer(text, b.similarPlayers(ctx, text)...)
	}
	b.log.Warn("player not looked up", "err", err)
	return event.Character{}, tell("lookup.player_later", "text", escape(text))
}

// unknownPlayer says that nobody is called text, and who may be meant.
func unknownPlayer(text string, similar ...string) error {
	if len(similar) > 0 {
		return tell("lookup.player_similar", "text", escape(clip(text, 40)), "similar", catalogue.Or(similar))
	}
	return tell("lookup.player_unknown", "text", escape(clip(text, 40)))
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
			names = append(names, "**"+escape(clip(c.Name, 40))+"**")
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
		return event.Outfit{}, tell("lookup.outfit_missing")
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
		return event.Outfit{}, tell("lookup.outfit_later", "text", escape(text))
	}
	if o, ok := only(found); ok {
		return o, nil
	}
	var names []string
	for _, o := range found[:min(len(found), maxSameTag)] {
		names = append(names, "• "+outfitOf(o))
	}
	return event.Outfit{}, tell("lookup.outfit_several", "text", escape(text), "list", strings.Join(names, "\n"))
}

// maxSameTag is how many outfits of one tag are listed: old ones keep theirs.
const maxSameTag = 10

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
		return tell("lookup.outfit_similar", "text", escape(clip(text, 40)), "similar", catalogue.Or(names))
	}
	return tell("lookup.outfit_unknown", "text", escape(clip(text, 40)))
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
