package bot

import (
	"context"
)

// help explains by example. It needs nothing and is answered at once.
func (b *Bot) help(_ context.Context, i *interaction) (message, error) {
	page := ""
	if b.cfg.PageURL != "" {
		page = i.lang.T("help.page", "url", b.cfg.PageURL)
	}
	return box(joinLines(i.lang.T("help.text"), page)), nil
}
