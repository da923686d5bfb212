package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/alert"
	"muster/census"
	"muster/event"
)

const readWithin = 8 * time.Second // for a friends list, while the person waits

// link says that the asker plays a character, reads its friends list, and shows
// at once whether direct messages arrive (discord notes 8).
func (b *Bot) link(ctx context.Context, i *interaction) (message, error) {
	c, err := b.player(ctx, i.command.text("player"))
	if err != nil {
		return message{}, err
	}
	added, err := b.cfg.Store.Link(ctx, alert.Link{User: i.by, Character: c.ID, LinkedAt: b.now()})
	if err != nil {
		return message{}, limited(err)
	}
	// Whoever had ended the news of their friends asks for them anew by linking.
	if _, _, err := b.cfg.Store.AddWatch(ctx, alert.Watch{User: i.by, Kind: alert.WatchFriends, CreatedAt: b.now()}); err != nil {
		return message{}, limited(err)
	}
	head := "✅ " + titled(c) + " is linked to you."
	if !added {
		head = "✅ " + titled(c) + " was linked to you already."
	}
	text := joinLines(head, b.readFriends(ctx, c), b.reach(ctx, i, true))
	return plain(text), b.promise(ctx)
}

// promise makes what an answer says of future messages true before it is given.
func (b *Bot) promise(ctx context.Context) error { return b.cfg.Store.AwaitWatched(ctx) }

// readFriends reads the list of c now and says what came of it.
func (b *Bot) readFriends(ctx context.Context, c event.Character) string {
	look, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	_, readErr := b.cfg.Directory.ReadFriends(look, c.ID)
	friends, readAt, err := b.cfg.Store.Friends(ctx, c.ID)
	if err != nil {
		b.log.Error("friends not read from the store", "err", err)
		return ""
	}
	switch {
	case readErr != nil && !errors.Is(readErr, census.ErrNotFound) && readAt.IsZero():
		b.log.Warn("friends list not read", "err", readErr)
		return "⏳ The game's query service does not answer at the moment, so I could not read the friends list yet. " +
			"I keep trying; you need not do anything."
	case len(friends) == 0:
		return "The friends list is empty, or not public. `/watch add` lets you choose players and outfits yourself."
	}
	s := fmt.Sprintf("👥 I watch the %s on its list and write to you when one comes on.", count(len(friends), "friend", "friends"))
	if on := onlineOf(friends); len(on) > 0 {
		return s + "\nOn now: " + names(on, 600)
	}
	return s + "\nNobody of them is on now."
}

// names joins names up to limit characters.
func names(players []event.Player, limit int) string {
	var b strings.Builder
	for i, p := range players {
		name := titled(p.Character)
		if b.Len()+len(name) > limit {
			fmt.Fprintf(&b, " and %d more", len(players)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}

// onlineOf returns who is on, those who came last first.
func onlineOf(players []event.Player) []event.Player {
	on := slices.DeleteFunc(slices.Clone(players), func(p event.Player) bool { return !p.Online.Online })
	slices.SortStableFunc(on, func(a, b event.Player) int { return b.Online.Since.Compare(a.Online.Since) })
	return on
}

// unlink forgets a character of the asker.
func (b *Bot) unlink(ctx context.Context, i *interaction) (message, error) {
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	if len(links) == 0 {
		return message{}, tell("You have not linked a character. `/link player:` does that.")
	}
	text := i.command.text("player")
	for _, c := range links {
		if id, ok := picked(text); ok && id == int64(c.ID) || strings.EqualFold(c.Name, text) {
			if _, err := b.cfg.Store.Unlink(ctx, i.by, c.ID); err != nil {
				return message{}, err
			}
			return plain("🗑️ " + titled(c) + " is not linked to you any more, and its friends list is not watched for you."), nil
		}
	}
	var mine []string
	for _, c := range links {
		mine = append(mine, titled(c))
	}
	return message{}, tell("“%s” is not one of your characters. Yours: %s.", escape(clip(text, 40)), strings.Join(mine, ", "))
}

// joinLines joins what is not empty.
func joinLines(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n")
}
