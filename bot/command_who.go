package bot

import (
	"context"

	"muster/alert"
	"muster/event"
)

// whoIsThis is the English name of the command in the menu of a person.
const whoIsThis = "Who is this in the game?"

// whoIs names the characters of the person in whose menu it was asked, if they let others
// know.
func (b *Bot) whoIs(ctx context.Context, i *interaction) (message, error) {
	user, err := alert.ParseUserID(i.command.Target)
	if err != nil {
		return message{}, tell("who.unseen")
	}
	s, err := b.cfg.Store.Settings(ctx, user)
	if err != nil {
		return message{}, err
	}
	mine := user == i.by
	var list []event.Character
	if s.Shown || mine {
		if list, err = b.cfg.Store.Links(ctx, user); err != nil {
			return message{}, err
		}
	}
	var lines []string
	for _, c := range list {
		p, known, err := b.cfg.Store.Player(ctx, c.ID)
		if err != nil {
			return message{}, err
		}
		if known && !c.Hidden && !p.Character.Hidden && p.Character.Name != "" {
			lines = append(lines, i.lang.titled(p.Character)+" · "+b.whereIs(i.lang, p.Online))
		}
	}
	switch {
	case len(lines) == 0 && mine:
		return message{}, tell("who.none")
	case len(lines) == 0:
		return plain(i.lang.T("who.silent")), nil
	case mine && !s.Shown:
		lines = append(lines, i.lang.T("who.not_told"))
	}
	return plain(joinLines(append([]string{i.lang.T("who.in_game", "person", "<@"+user.String()+">")}, lines...)...)), nil
}
