package bot

import (
	"context"
	"errors"
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
	head := i.lang.T("link.done", "who", i.lang.titled(c))
	if !added {
		head = i.lang.T("link.already", "who", i.lang.titled(c))
	}
	text := joinLines(head, b.readFriends(ctx, i.lang, c), b.reach(ctx, i, true))
	return plain(text), b.promise(ctx)
}

// promise makes what an answer says of future messages true before it is given.
func (b *Bot) promise(ctx context.Context) error { return b.cfg.Store.AwaitWatched(ctx) }

// readFriends reads the list of c now and says what came of it.
func (b *Bot) readFriends(ctx context.Context, in lang, c event.Character) string {
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
		return in.T("link.later")
	case len(friends) == 0:
		return in.T("link.no_friends")
	}
	s := in.N("link.friends", len(friends))
	if on := onlineOf(friends); len(on) > 0 {
		return s + "\n" + in.T("link.on", "names", in.names(on, 600))
	}
	return s + "\n" + in.T("link.nobody_on")
}

// names joins names up to limit characters.
func (in lang) names(players []event.Player, limit int) string {
	var b strings.Builder
	for i, p := range players {
		name := in.titled(p.Character)
		if b.Len()+len(name) > limit {
			return in.T("names.more", "names", b.String(), "n", len(players)-i)
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
		return message{}, tell("unlink.none")
	}
	text := i.command.text("player")
	for _, c := range links {
		if id, ok := picked(text); ok && id == int64(c.ID) || strings.EqualFold(c.Name, text) {
			if _, err := b.cfg.Store.Unlink(ctx, i.by, c.ID); err != nil {
				return message{}, err
			}
			return plain(i.lang.T("unlink.done", "who", i.lang.titled(c))), nil
		}
	}
	var mine []string
	for _, c := range links {
		mine = append(mine, i.lang.titled(c))
	}
	return message{}, tell("unlink.not_yours", "text", escape(clip(text, 40)), "names", strings.Join(mine, ", "))
}

// joinLines joins what is not empty.
func joinLines(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n")
}
