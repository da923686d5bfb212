package bot

import (
	"context"
	"strings"
)

// help explains by example. It needs nothing and is answered at once.
func (b *Bot) help(_ context.Context, _ *interaction) (message, error) {
	lines := []string{
		"**I tell you when the people you play PlanetSide 2 with come online.**",
		"",
		"`/link player:Kestrel` — you are Kestrel: I watch your in-game friends list and write to you when a friend logs in",
		"`/watch add player:Kestrel` — be told about one player",
		"`/watch add outfit:HNW` — be told about everybody of an outfit; `leaders:HNW` about those who lead it",
		"`/watch group name:Squad add:Kestrel` — a list of your own",
		"`/watch list` — whom you are told about: mute, limit to servers, remove",
		"`/settings` — when I write: quiet hours, pause, how often, all at once or one by one",
		"`/friends show` — which of your friends are on now, and where; `/friends sync` reads the list again",
		"`/online outfit:HNW` — who of an outfit is on; `/outfit show` tells about it, `/character player:Kestrel` about a player",
		"`/population`, `/alerts`, `/territory` — how many are on, what goes on, and who holds what",
		"`/status` — whether the game reaches me",
		"`/unlink player:Kestrel` — forget a character",
		"`/privacy` — what I keep about you: see it, get it, delete it, or hide your character from everybody",
		"`/subscribe topic:alerts` — for who manages a server: I post in a channel what happens; `/board` and `/tracker` keep a message or a name up to date, `/config view` shows everything, `/outfit link` says whose server it is",
		"",
		"I write to you in direct messages only, and each has a button that makes me stop or tells you how.",
	}
	if b.cfg.PageURL != "" {
		lines = append(lines, "Live page: "+b.cfg.PageURL)
	}
	return plain(strings.Join(lines, "\n")), nil
}
