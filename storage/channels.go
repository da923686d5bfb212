package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"muster/alert"
	"muster/event"
)

var subShape = newShape("channel_subs", "guild_id channel_id topic outfit_id world zone at_least mention delete_after_ns user_id "+
	"created_ns locale paused paused_ns held_ns claim", "guild_id, channel_id, topic, outfit_id, world, zone",
	"at_least", "mention", "delete_after_ns", "user_id", "locale", "paused", "paused_ns")

const subCols = "s.id, s.guild_id, s.channel_id, s.topic, s.outfit_id, s.world, s.zone, s.at_least, s.mention, s.delete_after_ns, " +
	"s.user_id, s.created_ns, s.locale, s.paused, s.paused_ns"

// Subscribe stores a channel's wish and returns it with its id. The same wish again
// takes over the filter, the mention and who made it, and goes on if it was paused;
// added is false then. The error wraps alert.ErrSubscription for one that cannot be;
// beyond alert.MaxSubscriptions of its guild it is an *alert.LimitError.
func (s *Store) Subscribe(ctx context.Context, sub alert.Subscription) (_ alert.Subscription, added bool, err error) {
	if err := sub.Check(); err != nil {
		return sub, false, fmt.Errorf("subscribe: %w", err)
	}
	sub.Zone, sub.Paused, sub.PausedAt = sub.Zone.Definition(), "", time.Time{}
	key := []any{int64(sub.Guild), int64(sub.Channel), string(sub.Topic), int64(sub.Outfit), int64(sub.World), int64(sub.Zone)}
	const same = "guild_id = ? AND channel_id = ? AND topic = ? AND outfit_id = ? AND world = ? AND zone = ?"
	err = s.write(ctx, func(t *tx) error {
		have, err := t.count(ctx, "SELECT COUNT(*) FROM channel_subs WHERE "+same, key...)
		if err != nil {
			return err
		}
		var n int64
		if have == 0 {
			n = 1
			all, err := t.count(ctx, "SELECT COUNT(*) FROM channel_subs WHERE guild_id = ?", int64(sub.Guild))
			if err != nil {
				return err
			}
			if all >= alert.MaxSubscriptions {
				return &alert.LimitError{What: "subscriptions", Most: alert.MaxSubscriptions}
			}
		}
		t.changed(&added, n)
		_, err = t.insert(ctx, subShape, append(slices.Clone(key), sub.AtLeast, int64(sub.Mention), int64(sub.DeleteAfter), int64(sub.By),
			nano(sub.CreatedAt), sub.Locale, "", 0, 0, 0))
		if err != nil || !sub.Topic.Stands() {
			return err
		}
		return t.stand(ctx, key, same, sub)
	})
	if err != nil {
		return sub, false, fmt.Errorf("subscribe: %w", err)
	}
	s.channels.forget()
	found, err := s.subscriptions(ctx, "WHERE "+same, key...)
	if err != nil {
		return sub, added, fmt.Errorf("subscribe: %w", err)
	}
	if len(found) > 0 {
		sub = found[0]
	}
	return sub, added, nil
}

// stand writes what a board or a tracker shows, due at once.
func (t *tx) stand(ctx context.Context, key []any, same string, sub alert.Subscription) error {
	rows, err := t.query(ctx, "SELECT id FROM channel_subs WHERE "+same, key...)
	err = collect(rows, err, func(rows *sql.Rows) error { return rows.Scan(&sub.ID) })
	if err != nil {
		return err
	}
	n := alert.News{Topic: sub.Topic, What: alert.Standing, World: sub.World, Outfit: sub.Outfit, At: sub.CreatedAt, Same: time.Unix(0, 0)}
	if err := t.tellChannels(ctx, []alert.Subscription{sub}, []alert.News{n}, sub.CreatedAt); err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE channel_posts SET due_ns = ? WHERE sub_id = ?", nano(sub.CreatedAt), sub.ID)
	return err
}

// Unsubscribe deletes a subscription of a guild and what waits for it; false: the
// guild has none with this id. shown is the message of a board, which is to go too, 0 if
// there is none.
func (s *Store) Unsubscribe(ctx context.Context, guild alert.Snowflake, id int64) (removed bool, shown alert.Snowflake, err error) {
	err = s.write(ctx, func(t *tx) error {
		rows, err := t.query(ctx, "SELECT p.message FROM channel_posts p JOIN channel_subs s ON s.id = p.sub_id WHERE s.id = ? AND s.guild_id = ? AND p.topic LIKE 'board.%'",
			id, int64(guild))
		if err := collect(rows, err, func(rows *sql.Rows) error { return rows.Scan((*int64)(&shown)) }); err != nil {
			return err
		}
		n, err := t.exec(ctx, "DELETE FROM channel_subs WHERE id = ? AND guild_id = ?", id, int64(guild))
		if t.changed(&removed, n); err != nil || !removed {
			return err
		}
		_, err = t.exec(ctx, "DELETE FROM channel_posts WHERE sub_id = ?", id)
		return err
	})
	s.channels.forget()
	return removed, shown, wrap("unsubscribe", err)
}

// Subscriptions returns those of a guild, oldest first.
func (s *Store) Subscriptions(ctx context.Context, guild alert.Snowflake) ([]alert.Subscription, error) {
	list, err := s.subscriptions(ctx, "WHERE s.guild_id = ?", int64(guild))
	return list, wrap("subscriptions", err)
}

// ResumeChannel lets messages be sent again to the subscriptions of a guild's channel
// that were paused, and returns how many those were.
func (s *Store) ResumeChannel(ctx context.Context, guild, channel alert.Snowflake) (n int, err error) {
	err = s.write(ctx, func(t *tx) error {
		changed, err := t.exec(ctx, "UPDATE channel_subs SET paused = '', paused_ns = 0 WHERE guild_id = ? AND channel_id = ? AND paused <> ''",
			int64(guild), int64(channel))
		n = max(n, int(changed))
		return err
	})
	s.channels.forget()
	return n, wrap("resume channel", err)
}

func (s *Store) subscriptions(ctx context.Context, where string, args ...any) (out []alert.Subscription, err error) {
	err = s.each(ctx, subscriptionsWhere(where, args...), scanSubscriptions(&out))
	return out, err
}

func subscriptionsWhere(where string, args ...any) question {
	return ask("SELECT "+subCols+", COALESCE(o.tag, ''), COALESCE(o.name, ''), COALESCE(o.faction, 0) FROM channel_subs s "+
		"LEFT JOIN outfits o ON o.id = s.outfit_id "+where+" ORDER BY s.id", args...)
}

// scanSubscriptions adds each row to out.
func scanSubscriptions(out *[]alert.Subscription) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var sub alert.Subscription
		var zone, after, created, paused int64
		err := rows.Scan(&sub.ID, (*int64)(&sub.Guild), (*int64)(&sub.Channel), (*string)(&sub.Topic), (*int64)(&sub.Outfit), (*int32)(&sub.World),
			&zone, &sub.AtLeast, (*int64)(&sub.Mention), &after, (*int64)(&sub.By), &created, &sub.Locale, &sub.Paused, &paused,
			&sub.Of.Tag, &sub.Of.Name, &sub.Of.Faction)
		sub.Zone, sub.DeleteAfter, sub.CreatedAt, sub.PausedAt = event.Zone(zone), time.Duration(after), fromNano(created), fromNano(paused)
		sub.Of.ID = sub.Outfit
		*out = append(*out, sub)
		return err
	}
}

var guildShape = newShape("guild_outfits", "guild_id outfit_id user_id linked_ns", "guild_id", "outfit_id", "user_id", "linked_ns")

// LinkGuild notes which outfit a guild is of, in place of another one.
func (s *Store) LinkGuild(ctx context.Context, guild alert.Snowflake, outfit event.OutfitID, by alert.UserID, now time.Time) error {
	if guild <= 0 || outfit <= 0 || by <= 0 {
		return fmt.Errorf("link guild: %w: guild %d, outfit %d by %d", ErrData, guild, outfit, by)
	}
	return wrap("link guild", s.write(ctx, func(t *tx) error {
		_, err := t.insert(ctx, guildShape, []any{int64(guild), int64(outfit), int64(by), nano(now)})
		return err
	}))
}

// GuildOutfit returns the outfit that a guild is of; false: it has not said.
func (s *Store) GuildOutfit(ctx context.Context, guild alert.Snowflake) (event.Outfit, bool, error) {
	ids, err := readIDs[event.OutfitID](ctx, s, "SELECT outfit_id FROM guild_outfits WHERE guild_id = ?", int64(guild))
	if err != nil || len(ids) == 0 {
		return event.Outfit{}, false, wrap("outfit of guild", err)
	}
	o, known, err := s.Outfit(ctx, ids[0])
	if !known {
		o = event.Outfit{ID: ids[0]}
	}
	return o, true, wrap("outfit of guild", err)
}

// A channelIndex knows in memory what channels want to be told, so that a Record with
// nothing for them costs no query. It is at most refreshEvery old: see AwaitWatched.
type channelIndex struct {
	mu      sync.Mutex
	at      time.Time // zero: to be read again
	subs    []alert.Subscription
	changes int // how often it was forgotten
}

func (x *channelIndex) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at = time.Time{}
	x.changes++
}

// fresh returns what is known, if it is young enough.
func (x *channelIndex) fresh() (subs []alert.Subscription, changes int, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.subs, x.changes, !x.at.IsZero() && time.Since(x.at) < refreshEvery
}

// put notes what was read, unless it has changed meanwhile.
func (x *channelIndex) put(subs []alert.Subscription, at time.Time, changes int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if changes == x.changes {
		x.subs, x.at = subs, at
	}
}

// wantedByChannels returns the subscriptions that are not paused. Within a transaction it
// is repeated with it when the server fails.
func (t *tx) wantedByChannels(ctx context.Context) ([]alert.Subscription, error) {
	return t.s.channels.get(func(scan func(*sql.Rows) error) error {
		q := subscriptionsWhere("WHERE s.paused = ''")
		rows, err := t.query(ctx, q.text, q.args...)
		return collect(rows, err, scan)
	})
}

func (s *Store) wantedByChannels(ctx context.Context) ([]alert.Subscription, error) {
	return s.channels.get(func(scan func(*sql.Rows) error) error {
		return s.each(ctx, subscriptionsWhere("WHERE s.paused = ''"), scan)
	})
}

// get returns what is known, or else what each reads.
func (x *channelIndex) get(each func(func(*sql.Rows) error) error) ([]alert.Subscription, error) {
	known, changes, ok := x.fresh()
	if ok {
		return known, nil
	}
	at := time.Now()
	var subs []alert.Subscription
	if err := each(scanSubscriptions(&subs)); err != nil {
		return nil, fmt.Errorf("subscriptions of channels: %w", err)
	}
	x.put(subs, at, changes)
	return subs, nil
}

// FollowedOutfits returns the outfits whose members are to be known: those that a
// person watches, a channel is told of or a guild is of, by id. Only the id and the leader are filled in.
func (s *Store) FollowedOutfits(ctx context.Context) ([]event.Outfit, error) {
	var out []event.Outfit
	err := s.each(ctx, ask("SELECT x.id, COALESCE(o.leader, 0) FROM (SELECT target AS id FROM watches WHERE kind IN ('outfit', 'leaders') "+
		"UNION SELECT outfit_id FROM channel_subs WHERE outfit_id > 0 UNION SELECT outfit_id FROM guild_outfits) x LEFT JOIN outfits o ON o.id = x.id ORDER BY x.id"), func(rows *sql.Rows) error {
		var o event.Outfit
		err := rows.Scan((*int64)(&o.ID), (*int64)(&o.Leader))
		out = append(out, o)
		return err
	})
	return out, wrap("followed outfits", err)
}
