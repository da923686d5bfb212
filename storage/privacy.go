package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

// maxExported is how many alerts one export holds.
const maxExported = 5000

// Export returns everything that is stored about a user.
func (s *Store) Export(ctx context.Context, u alert.UserID, now time.Time) (alert.PrivacyExport, error) {
	out := alert.PrivacyExport{User: u, MadeAt: now}
	for _, read := range []func(context.Context, *alert.PrivacyExport) error{
		s.exportLinks, s.exportLists, s.exportRecipient, s.exportAlerts, s.exportSubscriptions,
	} {
		if err := read(ctx, &out); err != nil {
			return out, fmt.Errorf("export: %w", err)
		}
	}
	return out, nil
}

func (s *Store) exportSubscriptions(ctx context.Context, out *alert.PrivacyExport) error {
	list, err := s.subscriptions(ctx, "WHERE s.user_id = ?", int64(out.User))
	for _, sub := range list {
		out.Subscriptions = append(out.Subscriptions, alert.SubscriptionExport{Guild: sub.Guild.String(), Channel: sub.Channel.String(),
			Topic: sub.Topic, CreatedAt: sub.CreatedAt})
	}
	return err
}

func (s *Store) exportLinks(ctx context.Context, out *alert.PrivacyExport) error {
	links, err := s.Links(ctx, out.User)
	if err != nil {
		return err
	}
	for _, c := range links {
		at, err := readIDs[int64](ctx, s, "SELECT linked_ns FROM links WHERE user_id = ? AND character_id = ?", int64(out.User), int64(c.ID))
		if err != nil {
			return err
		}
		l := alert.LinkExport{Character: c}
		if len(at) > 0 {
			l.LinkedAt = fromNano(at[0])
		}
		friends, read, err := s.Friends(ctx, c.ID)
		if err != nil {
			return err
		}
		l.FriendsRead = read
		for _, f := range friends {
			l.Friends = append(l.Friends, f.Character.ID)
		}
		out.Links = append(out.Links, l)
	}
	return nil
}

func (s *Store) exportLists(ctx context.Context, out *alert.PrivacyExport) (err error) {
	if out.Watches, err = s.Watches(ctx, out.User); err != nil {
		return err
	}
	if out.Groups, err = s.Groups(ctx, out.User); err != nil {
		return err
	}
	if out.Mutes, err = s.Mutes(ctx, out.User); err != nil {
		return err
	}
	if out.Hidden, err = s.HiddenBy(ctx, out.User); err != nil {
		return err
	}
	set, err := s.Settings(ctx, out.User)
	if err == nil && !set.UpdatedAt.IsZero() {
		out.Settings = &set
	}
	return err
}

func (s *Store) exportRecipient(ctx context.Context, out *alert.PrivacyExport) error {
	r, err := s.Recipient(ctx, out.User)
	if err == nil && (r.DMChannel != "" || r.Closed != "" || r.Locale != "") {
		out.Recipient = &alert.RecipientExport{DMChannel: r.DMChannel, Closed: r.Closed, ClosedAt: r.ClosedAt, Locale: r.Locale}
	}
	return err
}

func (s *Store) exportAlerts(ctx context.Context, out *alert.PrivacyExport) (err error) {
	if out.Alerts, err = s.RecentAlerts(ctx, out.User, maxExported); err != nil {
		return err
	}
	all, err := readIDs[int64](ctx, s, "SELECT COUNT(*) FROM alerts WHERE user_id = ?", int64(out.User))
	if err == nil {
		out.MoreAlerts = max(0, int(all[0])-len(out.Alerts))
	}
	return err
}

// Forget deletes everything about a user in one transaction and says how much
// there was. Characters that the user has hidden stay hidden, for that is the
// wish of the player and not a fact about the Discord user; who asked for it is
// forgotten. Friends lists go with the last link to their owner.
func (s *Store) Forget(ctx context.Context, u alert.UserID) (alert.Forgotten, error) {
	var f alert.Forgotten
	err := s.write(ctx, func(t *tx) error {
		f = alert.Forgotten{}
		return t.forget(ctx, int64(u), &f)
	})
	return f, wrap("forget", err)
}

func (t *tx) forget(ctx context.Context, u int64, f *alert.Forgotten) error {
	owners, err := t.ids(ctx, "SELECT character_id FROM links WHERE user_id = ? ORDER BY character_id"+t.s.d.forUpdate(), u)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		count *int64
		text  string
	}{
		{nil, "DELETE FROM watch_group_members WHERE group_id IN (SELECT id FROM watch_groups WHERE user_id = ?)"},
		{&f.Groups, "DELETE FROM watch_groups WHERE user_id = ?"},
		{&f.Watches, "DELETE FROM watches WHERE user_id = ?"},
		{&f.Links, "DELETE FROM links WHERE user_id = ?"},
		{&f.Mutes, "DELETE FROM mutes WHERE user_id = ?"},
		{&f.Settings, "DELETE FROM alert_settings WHERE user_id = ?"},
		{&f.Recipients, "DELETE FROM recipients WHERE user_id = ?"},
		{nil, "DELETE FROM alert_turns WHERE user_id = ?"}, // first, as whoever claims takes it first
		{&f.Alerts, "DELETE FROM alerts WHERE user_id = ?"},
		{&f.Messages, "DELETE FROM alert_posts WHERE user_id = ?"},
		{nil, "UPDATE hidden_characters SET user_id = 0 WHERE user_id = ?"},
		{nil, "UPDATE channel_subs SET user_id = 0 WHERE user_id = ?"}, // both are the guild's
		{nil, "UPDATE guild_outfits SET user_id = 0 WHERE user_id = ?"},
	} {
		n, err := t.exec(ctx, step.text, u)
		if err != nil {
			return err
		}
		if step.count != nil {
			*step.count = n
		}
	}
	return t.dropFriends(ctx, owners)
}

// dropFriends deletes the friends lists of those of owners whom nobody has linked.
func (t *tx) dropFriends(ctx context.Context, owners []event.CharacterID) error {
	return eachIn(owners, func(marks string, args []any) error {
		linked := map[event.CharacterID]bool{}
		rows, err := t.query(ctx, "SELECT character_id FROM links WHERE character_id IN ("+marks+")", args...)
		err = collect(rows, err, func(rows *sql.Rows) error {
			var id event.CharacterID
			err := rows.Scan((*int64)(&id))
			linked[id] = true
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range slices.Compact(args) {
			if linked[event.CharacterID(id.(int64))] {
				continue
			}
			for _, table := range []string{"friends", "friend_lists"} {
				if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE owner_id = ?", id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
