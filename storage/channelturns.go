package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

const (
	channelsMost = 50  // subscriptions of one claim
	newsMost     = 100 // rows of one subscription in one claim
	// channelPostsKept is how long it is remembered that something was told.
	channelPostsKept = 8 * 24 * time.Hour
)

// ClaimChannels takes up to limit subscriptions for which something is due, holds them
// for the caller until now+hold, and returns what to do: nobody else gets them before.
// What is planned is stored in the same transaction, so that a bot that dies leaves it
// to another, which does the same under the same nonce. News that has become too old is
// dropped here. The caller ends each post with SettlePost and the turn with
// ReleaseChannel.
func (s *Store) ClaimChannels(ctx context.Context, now time.Time, limit int, hold time.Duration) ([]alert.ChannelTurn, error) {
	if err := s.stepIllness(ctx, now); err != nil {
		return nil, wrap("claim channels", err)
	}
	const due = "FROM channel_posts p JOIN channel_subs s ON s.id = p.sub_id WHERE p.due_ns <= ? AND s.held_ns <= ? AND s.paused = ''"
	some, err := readIDs[int64](ctx, s, "SELECT p.sub_id "+due+" ORDER BY p.due_ns LIMIT ?", nano(now), nano(now), newsMost)
	if err != nil || len(some) == 0 || limit <= 0 {
		return nil, wrap("claim channels", err)
	}
	slices.Sort(some)
	some = slices.Compact(some)
	some = some[:min(len(some), limit, channelsMost)]
	subs, err := s.subscriptions(ctx, "WHERE s.id IN ("+marks(len(some))+")", anys(some)...)
	if err != nil {
		return nil, wrap("claim channels", err)
	}
	claim := rand.Int64()
	var out []alert.ChannelTurn
	err = s.write(ctx, func(t *tx) error {
		out = nil
		for _, sub := range subs { // in the order of their ids, as every bot has it
			turn, err := t.claimChannel(ctx, sub, now, hold, claim)
			if err != nil {
				return err
			}
			if len(turn.Posts) > 0 {
				out = append(out, turn)
			}
		}
		return t.nameNews(ctx, out)
	})
	return out, wrap("claim channels", err)
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// A channelRow is a row of channel_posts.
type channelRow struct {
	alert.News
	k, post  alert.Key
	state    int
	message  alert.Snowflake
	again    int
	attempts int
	opened   time.Time
	ends     time.Time
}

// claimChannel holds sub, if nobody does, and plans what is due.
func (t *tx) claimChannel(ctx context.Context, sub alert.Subscription, now time.Time, hold time.Duration, claim int64) (alert.ChannelTurn, error) {
	turn := alert.ChannelTurn{Subscription: sub, Claim: claim}
	held, err := t.exec(ctx, "UPDATE channel_subs SET held_ns = ?, claim = ? WHERE id = ? AND paused = '' AND (held_ns <= ? OR claim = ?)",
		nano(now.Add(hold)), claim, sub.ID, nano(now), claim)
	if err != nil || held == 0 {
		return turn, err
	}
	rows, err := t.dueNews(ctx, sub.ID, now)
	if err != nil {
		return turn, err
	}
	if turn.Posts, err = t.planChannel(ctx, rows, now); err != nil {
		return turn, err
	}
	if len(turn.Posts) == 0 {
		err = t.releaseChannel(ctx, turn)
	}
	return turn, err
}

const channelRowCols = "k, post_k, topic, what, world, zone, outfit_id, subject_id, faction, at, since_at, state, message, again, attempts, opened_ns, ends_ns"

// dueNews returns the rows of a subscription that are due, of a message all or none.
func (t *tx) dueNews(ctx context.Context, sub int64, now time.Time) ([]channelRow, error) {
	var out []channelRow
	read := func(where string, args ...any) error {
		rows, err := t.query(ctx, "SELECT "+channelRowCols+" FROM channel_posts WHERE "+where, args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			r, err := scanChannelRow(rows)
			out = append(out, r)
			return err
		})
	}
	// What was being sent goes first and whole, so that it is sent as it was.
	if err := read("sub_id = ? AND due_ns <= ? AND state > 0 ORDER BY due_ns, post_k LIMIT ?", sub, nano(now), newsMost); err != nil {
		return nil, err
	}
	if len(out) == newsMost { // the last message may have been cut
		last := out[newsMost-1].post
		out = slices.DeleteFunc(out, func(r channelRow) bool { return r.post == last })
	}
	return out, read("sub_id = ? AND due_ns <= ? AND state = 0 ORDER BY at, k LIMIT ?", sub, nano(now), newsMost)
}

func scanChannelRow(rows *sql.Rows) (channelRow, error) {
	var r channelRow
	var k, post []byte
	var zone, at, since, opened, ends int64
	err := rows.Scan(&k, &post, (*string)(&r.Topic), &r.What, (*int32)(&r.World), &zone, (*int64)(&r.Outfit), &r.Subject, &r.Faction, &at, &since,
		&r.state, (*int64)(&r.message), &r.again, &r.attempts, &opened, &ends)
	if err == nil && len(k) != len(r.k) {
		err = fmt.Errorf("a key of %d bytes", len(k))
	}
	if err != nil {
		return r, err
	}
	r.k = alert.Key(k)
	if len(post) == len(r.post) {
		r.post = alert.Key(post)
	}
	r.Zone, r.At, r.Since, r.opened, r.ends = event.Zone(zone), fromSec(at), fromSec(since), fromNano(opened), fromNano(ends)
	return r, nil
}

// planChannel turns rows into posts: those that were planned before as they were, of
// the others members together and each other news alone.
func (t *tx) planChannel(ctx context.Context, rows []channelRow, now time.Time) ([]alert.ChannelPost, error) {
	var posts []alert.ChannelPost
	place := map[alert.Key]int{} // of a message in posts
	var members alert.Key        // the message that collects them
	var dropped []any
	for _, r := range rows {
		stale := now.Sub(r.opened) > r.Topic.Lifetime() && r.state <= postSending && !r.Topic.Stands()
		over, err := t.overtaken(ctx, r)
		if err != nil {
			return nil, err
		}
		if r.state == postWaiting && over || stale {
			dropped = append(dropped, r.k[:])
			continue
		}
		if r.state == postWaiting {
			r.post = r.k
			if r.Topic == alert.TopicMembers {
				if i, ok := place[members]; ok && len(posts[i].News) < alert.MaxLines {
					r.post = members
				}
				members = r.post
			}
			if _, err := t.exec(ctx, "UPDATE channel_posts SET state = ?, post_k = ? WHERE k = ?", postSending, r.post[:], r.k[:]); err != nil {
				return nil, err
			}
		}
		i, ok := place[r.post]
		if !ok {
			i = len(posts)
			place[r.post] = i
			posts = append(posts, alert.ChannelPost{Key: r.post, Message: r.message, Again: r.again, Attempts: r.attempts,
				Delete: r.state == postDone && !r.ends.IsZero() && !r.ends.After(now), OpenedAt: r.opened})
		}
		posts[i].News = append(posts[i].News, r.News)
	}
	if len(dropped) > 0 {
		_, err := t.exec(ctx, "UPDATE channel_posts SET state = 3, due_ns = NULL WHERE k IN ("+marks(len(dropped))+")", dropped...)
		return posts, err
	}
	return posts, nil
}

// overtaken reports whether r is no news any more: a logout of somebody who came back
// soon enough for the sitting to go on, or of a character that hides.
func (t *tx) overtaken(ctx context.Context, r channelRow) (bool, error) {
	if r.Topic != alert.TopicMembers && r.Topic != alert.TopicJoins {
		return false, nil
	}
	n, err := t.count(ctx, "SELECT COUNT(*) FROM hidden_characters WHERE character_id = ?", r.Subject)
	if err != nil || n > 0 || r.What != alert.WentOff {
		return n > 0, err
	}
	n, err = t.count(ctx, "SELECT COUNT(*) FROM sessions WHERE character_id = ? AND started_at >= ? AND started_at < ?",
		r.Subject, sec(r.At), sec(r.At.Add(event.Relog)))
	return n > 0, err
}

// nameNews fills in who the characters are.
func (t *tx) nameNews(ctx context.Context, turns []alert.ChannelTurn) error {
	want := map[event.CharacterID]bool{}
	each := func(f func(*alert.News)) {
		for i := range turns {
			for j := range turns[i].Posts {
				for k := range turns[i].Posts[j].News {
					if n := &turns[i].Posts[j].News[k]; n.Topic == alert.TopicMembers || n.Topic == alert.TopicJoins {
						f(n)
					}
				}
			}
		}
	}
	each(func(n *alert.News) { want[event.CharacterID(n.Subject)] = true })
	if len(want) == 0 {
		return nil
	}
	found, err := t.names(ctx, sortedIDs(want))
	each(func(n *alert.News) {
		n.Who = event.Character{ID: event.CharacterID(n.Subject)}
		if c, ok := found[n.Who.ID]; ok {
			n.Who = c
		}
	})
	return err
}

// SettlePost records what came of one post of a turn. It changes nothing if the turn is
// no longer the caller's, but for noting a message that is known to be sent. paused says
// that this call has paused the channel, with all its subscriptions.
func (s *Store) SettlePost(ctx context.Context, turn alert.ChannelTurn, r alert.PostResult, now time.Time) (paused bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		mine, err := t.count(ctx, "SELECT COUNT(*) FROM channel_subs WHERE id = ? AND claim = ?", turn.ID, turn.Claim)
		if err != nil || mine == 0 && (r.Message == 0 || r.Failed) {
			return err
		}
		if r.Pause != "" {
			n, err := t.exec(ctx, "UPDATE channel_subs SET paused = ?, paused_ns = ? WHERE guild_id = ? AND channel_id = ? AND paused = ''",
				clip(r.Pause, 16), nano(now), int64(turn.Guild), int64(turn.Channel))
			if t.changed(&paused, n); err != nil {
				return err
			}
			r.Next = now // at once when it is resumed
		}
		text, args := settling(turn, r, now)
		_, err = t.exec(ctx, "UPDATE channel_posts SET "+text+" WHERE post_k = ? AND sub_id = ?", append(args, r.Key[:], turn.ID)...)
		return err
	})
	if paused {
		s.channels.forget()
	}
	return paused, wrap("settle post", err)
}

// settling is what r changes of the rows of its post.
func settling(turn alert.ChannelTurn, r alert.PostResult, now time.Time) (text string, args []any) {
	var due any
	if !r.Next.IsZero() {
		due = nano(r.Next)
	}
	switch {
	case r.Drop:
		return "state = 3, due_ns = NULL", nil
	case r.Gone:
		return "state = 1, message = 0, again = again + 1, attempts = 0, due_ns = ?", []any{nano(now)}
	case r.Pause != "":
		return "due_ns = ?", []any{due}
	case r.Failed:
		return "attempts = attempts + 1, due_ns = ?", []any{due}
	case due != nil:
		return "state = 2, message = ?, attempts = 0, due_ns = ?", []any{int64(r.Message), due}
	case turn.DeleteAfter > 0:
		end := nano(now.Add(turn.DeleteAfter))
		return "state = 3, message = ?, attempts = 0, due_ns = ?, ends_ns = ?", []any{int64(r.Message), end, end}
	}
	return "state = 3, message = ?, attempts = 0, due_ns = NULL, ends_ns = 0", []any{int64(r.Message)}
}

// ReleaseChannel ends a turn before its hold does.
func (s *Store) ReleaseChannel(ctx context.Context, turn alert.ChannelTurn) error {
	return wrap("release channel", s.write(ctx, func(t *tx) error { return t.releaseChannel(ctx, turn) }))
}

func (t *tx) releaseChannel(ctx context.Context, turn alert.ChannelTurn) error {
	_, err := t.exec(ctx, "UPDATE channel_subs SET held_ns = 0 WHERE id = ? AND claim = ?", turn.ID, turn.Claim)
	return err
}

// Contributors returns who took part when facility changed hands or was held at a
// time, on world: those of outfit, and how many others there were. The game tells of each at
// about the same second.
func (s *Store) Contributors(ctx context.Context, n alert.News) (own []event.Character, others int, err error) {
	table := "event_facility_capture"
	if n.What == alert.Defended {
		table = "event_facility_defend"
	}
	all, err := readIDs[event.CharacterID](ctx, s, "SELECT DISTINCT character_id FROM "+table+
		" WHERE at >= ? AND at <= ? AND world = ? AND zone = ? AND facility_id = ?",
		sec(n.At)-contributionSlack, sec(n.At)+contributionSlack, int64(n.World), int64(n.Zone), n.Subject)
	if err != nil || len(all) == 0 {
		return nil, 0, wrap("contributors", err)
	}
	slices.Sort(all)
	err = eachIn(all, func(marks string, args []any) error {
		list, err := s.characters(ctx, notHidden+" AND m.outfit_id = ? AND c.id IN ("+marks+") ORDER BY c.name_lower, c.id", append([]any{int64(n.Outfit)}, args...)...)
		own = append(own, list...)
		return err
	})
	return own, len(all) - len(own), wrap("contributors", err)
}

// AlertSummary returns how often each faction took a base of another during an alert of
// the game, and the outfits that took most, at most three of them.
func (s *Store) AlertSummary(ctx context.Context, r event.AlertRun) (byFaction map[event.Faction]int, outfits []event.OutfitCount, err error) {
	const during = "FROM event_facility_control e WHERE e.at >= ? AND e.at <= ? AND e.world = ? AND e.zone = ? AND e.old_faction <> e.new_faction"
	args := []any{sec(r.StartedAt), sec(r.EndsAt), int64(r.World), int64(r.Zone)}
	byFaction = map[event.Faction]int{}
	err = s.each(ctx, ask("SELECT e.new_faction, COUNT(*) "+during+" GROUP BY e.new_faction", args...), func(rows *sql.Rows) error {
		var f event.Faction
		var n int
		err := rows.Scan(&f, &n)
		byFaction[f] = n
		return err
	})
	if err != nil {
		return nil, nil, wrap("alert summary", err)
	}
	err = s.each(ctx, ask("SELECT x.id, x.n, COALESCE(o.tag, ''), COALESCE(o.name, ''), COALESCE(o.faction, 0) FROM (SELECT e.outfit_id AS id, COUNT(*) AS n "+
		during+" AND e.outfit_id > 0 GROUP BY e.outfit_id ORDER BY n DESC, e.outfit_id LIMIT 3) x LEFT JOIN outfits o ON o.id = x.id ORDER BY x.n DESC, x.id", args...),
		func(rows *sql.Rows) error {
			var c event.OutfitCount
			err := rows.Scan((*int64)(&c.Outfit.ID), &c.N, &c.Outfit.Tag, &c.Outfit.Name, &c.Outfit.Faction)
			outfits = append(outfits, c)
			return err
		})
	return byFaction, outfits, wrap("alert summary", err)
}

// contributionSlack is how many seconds apart the game stamps a capture and who took
// part in it, at most.
const contributionSlack = 10
