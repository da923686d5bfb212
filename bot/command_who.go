package bot

import (
	"context"

	"muster/alert"
	"muster/event"
)

// whoIsThis is the command in the menu of a person.
const whoIsThis = "Who is this in the game?"

// whoIs names the characters of the person in whose menu it was asked, if they let others
// know.
func (b *Bot) whoIs(ctx context.Context, i *interaction) (message, error) {
	user, err := alert.ParseUserID(i.command.Target)
	if err != nil {
		return message{}, tell("I do not see whom you mean. Press a name and choose “Apps”.")
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
			lines = append(lines, titled(p.Character)+" · "+b.whereIs(p.Online))
		}
	}
	switch {
	case len(lines) == 0 && mine:
		return message{}, tell("You have linked no character, or hide it: `/link player:Kestrel`.")
	case len(lines) == 0:
		return plain("They have not said who they are in the game, or do not want it told."), nil
	case mine && !s.Shown:
		lines = append(lines, "Others are not told: `/settings` → Who you are in the game.")
	}
	return plain(joinLines(append([]string{"<@" + user.String() + "> in the game:"}, lines...)...)), nil
}
