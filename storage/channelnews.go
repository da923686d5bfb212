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

// States of a row of channel_posts.
const (
	postWaiting = iota
	postSending
	postOpen
	postDone
)

var channelPostShape = newShape("channel_posts", "k post_k sub_id topic what world zone outfit_id subject_id faction at since_at "+
	"state message again attempts opened_ns due_ns ends_ns", "k")

// channelNews writes what channels are to be told of this Record, in its transaction.
func (r *recording) channelNews(ctx context.Context, events []event.Event) error {
	if len(r.subs) == 0 {
		return nil
	}
	var list []alert.News
	for i := range events {
		if !r.out.New[i] {
			continue
		}
		open, err := r.reopened(ctx, &events[i])
		if err != nil {
			return err
		}
		if open.What != "" {
			list = append(list, open)
		}
		n, ok := newsOf(&events[i])
		if !ok {
			continue
		}
		if n.Topic == alert.TopicAlerts {
			known, err := r.alertGoesOn(ctx, &events[i])
			if err != nil {
				return err
			}
			if known || n.What == "" {
				continue
			}
		}
		list = append(list, n)
	}
	members, err := r.memberNews(ctx)
	if err != nil {
		return err
	}
	return r.t.tellChannels(ctx, r.subs, append(list, members...), r.now)
}

// newsOf returns what e is to channels, whatever they want; What is empty where an
// in-game alert merely goes on.
func newsOf(e *event.Event) (alert.News, bool) {
	n := alert.News{World: e.World, Zone: e.Zone, At: e.At}
	switch d := e.Detail.(type) {
	case event.Control:
		n.Topic, n.What, n.Subject, n.Outfit, n.Faction = alert.TopicCaptures, alert.Captured, int64(d.Facility), d.Outfit, d.New
		if d.Old == d.New {
			n.What = alert.Defended
		}
		return n, d.Outfit != 0
	case event.Alert:
		n.Topic, n.Subject = alert.TopicAlerts, d.Instance
		if d.State == event.MetagameStarted {
			n.What = alert.Began
		}
		return n, true
	case event.Lock:
		n.Topic, n.What, n.Faction = alert.TopicLocks, alert.Locked, d.By
		if e.Kind == event.ContinentUnlock {
			n.What, n.Faction = alert.Unlocked, event.NoFaction
		}
		return n, true
	}
	return n, false
}

// How a continent is known to be open again: the game does not say (census 2.7).
const (
	// lockSettles is how long after a lock the bases change hands that go with it.
	lockSettles = 10 * time.Minute
	// lockLasts is longer than any continent stays locked.
	lockLasts = 7 * 24 * time.Hour
)

// reopened returns the news that a continent is open again, of which e is the first sign:
// an outfit has taken a base there, for the first time since the lock has settled.
func (r *recording) reopened(ctx context.Context, e *event.Event) (alert.News, error) {
	d, ok := e.Detail.(event.Control)
	if !ok || d.Old == d.New || d.Outfit == 0 || !e.Zone.Continent() ||
		!slices.ContainsFunc(r.subs, func(s alert.Subscription) bool { return s.Topic == alert.TopicLocks }) {
		return alert.News{}, nil
	}
	locked, err := r.t.count(ctx, "SELECT COALESCE(MAX(at), 0) FROM event_continent_lock WHERE at >= ? AND at <= ? AND world = ? AND zone = ?",
		sec(e.At.Add(-lockLasts)), sec(e.At), int64(e.World), int64(e.Zone))
	settled := fromSec(locked).Add(lockSettles)
	if err != nil || locked == 0 || !e.At.After(settled) {
		return alert.News{}, err
	}
	before, err := r.t.count(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM event_facility_control WHERE at > ? AND at < ? AND world = ? AND zone = ? "+
		"AND outfit_id > 0 AND old_faction <> new_faction LIMIT 1) x", sec(settled), sec(e.At), int64(e.World), int64(e.Zone))
	if err != nil || before > 0 {
		return alert.News{}, err
	}
	return alert.News{Topic: alert.TopicLocks, What: alert.Unlocked, World: e.World, Zone: e.Zone, At: e.At, Same: fromSec(locked)}, nil
}

// alertGoesOn makes the messages that tell of e's in-game alert due to be changed, and
// reports whether there are any, told or to be told.
func (r *recording) alertGoesOn(ctx context.Context, e *event.Event) (bool, error) {
	const same = "topic = 'alerts' AND world = ? AND subject_id = ? AND at >= ? AND at <= ?"
	of := []any{int64(e.World), e.Detail.(event.Alert).Instance, sec(e.At.Add(-event.AlertWindow)), sec(e.At)}
	n, err := r.t.count(ctx, "SELECT COUNT(*) FROM channel_posts WHERE "+same+" AND state < 3", of...)
	if err != nil || n == 0 {
		return n > 0, err
	}
	_, err = r.t.exec(ctx, "UPDATE channel_posts SET due_ns = ? WHERE "+same+" AND state = 2 AND due_ns > ?",
		slices.Concat([]any{nano(r.now)}, of, []any{nano(r.now)})...)
	return true, err
}

// memberNews returns who of the outfits that channels follow came on or went off.
func (r *recording) memberNews(ctx context.Context) ([]alert.News, error) {
	outfits := map[event.OutfitID]bool{}
	for _, s := range r.subs {
		if s.Topic == alert.TopicMembers {
			outfits[s.Outfit] = true
		}
	}
	if len(outfits) == 0 || len(r.out.Changes) == 0 {
		return nil, nil
	}
	var ids []event.CharacterID
	for _, c := range r.out.Changes {
		ids = append(ids, c.After.Character)
	}
	slices.Sort(ids)
	in, err := r.t.membersOf(ctx, slices.Compact(ids), outfits)
	if err != nil || len(in) == 0 {
		return nil, err
	}
	came, err := r.fresh(ctx, alert.TopicMembers.Lifetime(), func(id event.CharacterID) bool { return in[id] != 0 })
	if err != nil {
		return nil, err
	}
	var list []alert.News
	for _, n := range came {
		o := n.change.After
		list = append(list, alert.News{Topic: alert.TopicMembers, What: alert.CameOn, World: o.World, Zone: o.Zone, Outfit: in[o.Character],
			Subject: int64(o.Character), At: o.Session, Same: later(o.LoggedOut, time.Unix(0, 0))}) // a start that moves is the same sitting
	}
	for _, c := range r.out.Changes {
		if o := c.After; !o.Online && c.Before.Online && in[o.Character] != 0 {
			list = append(list, alert.News{Topic: alert.TopicMembers, What: alert.WentOff, World: c.Before.World, Zone: c.Before.Zone,
				Outfit: in[o.Character], Subject: int64(o.Character), At: o.LoggedOut, Since: c.Before.Session})
		}
	}
	return list, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// membersOf returns the outfit of those of ids, sorted, that are in one of outfits and
// are not hidden.
func (t *tx) membersOf(ctx context.Context, ids []event.CharacterID, outfits map[event.OutfitID]bool) (map[event.CharacterID]event.OutfitID, error) {
	in := map[event.CharacterID]event.OutfitID{}
	err := eachIn(ids, func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT m.character_id, m.outfit_id FROM memberships m"+unlessHidden("m.character_id")+
			" AND m.character_id IN ("+marks+")", args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var id event.CharacterID
			var outfit event.OutfitID
			err := rows.Scan((*int64)(&id), (*int64)(&outfit))
			if outfits[outfit] {
				in[id] = outfit
			}
			return err
		})
	})
	return in, err
}

// tellChannels writes a post for each subscription that wants one of list and has not
// got it, if it is no older than its topic allows.
func (t *tx) tellChannels(ctx context.Context, subs []alert.Subscription, list []alert.News, now time.Time) error {
	var rows []any
	for _, n := range list {
		if now.Sub(n.At) > n.Topic.Lifetime() {
			continue
		}
		for _, sub := range subs {
			if !sub.Wants(n) {
				continue
			}
			k := n.Key(sub.ID)
			rows = append(rows, k[:], []byte{}, sub.ID, string(n.Topic), n.What, int64(n.World), int64(n.Zone), int64(n.Outfit), n.Subject,
				int64(n.Faction), sec(n.At), sec(n.Since), postWaiting, 0, 0, 0, nano(now), nano(firstDue(n, now)), 0)
		}
	}
	_, err := t.insert(ctx, channelPostShape, rows)
	return err
}

// firstDue is when n is told: at once, or when what belongs to it is known.
func firstDue(n alert.News, now time.Time) time.Time {
	switch n.What {
	case alert.CameOn:
		return now.Add(alert.GatherMembers)
	case alert.WentOff: // it may be a relog
		return later(now, n.At.Add(event.Relog+alert.GatherMembers))
	case alert.Captured, alert.Defended:
		return now.Add(alert.GatherCapture)
	}
	return now
}

// outfitNews tells channels of members of outfit: those of list who joined lately, and
// those of gone, who were in it since the given time.
func (t *tx) outfitNews(ctx context.Context, subs []alert.Subscription, outfit event.OutfitID, list []event.Member,
	gone map[event.CharacterID]time.Time, now time.Time) error {
	subs = slices.DeleteFunc(slices.Clone(subs), func(s alert.Subscription) bool {
		return s.Topic != alert.TopicJoins || s.Outfit != outfit
	})
	if len(subs) == 0 {
		return nil
	}
	news := func(what string, id event.CharacterID, at, same time.Time) alert.News {
		return alert.News{Topic: alert.TopicJoins, What: what, Outfit: outfit, Subject: int64(id), At: at, Same: same}
	}
	var all []alert.News
	for _, m := range list {
		if !m.Since.IsZero() {
			all = append(all, news(alert.Joined, m.Character, m.Since, m.Since))
		}
	}
	for id, since := range gone {
		all = append(all, news(alert.Left, id, now, later(since, time.Unix(0, 0))))
	}
	for _, sub := range subs { // who joined before the channel asked is no news to it
		mine := slices.DeleteFunc(slices.Clone(all), func(n alert.News) bool { return n.At.Before(sub.CreatedAt) })
		if err := t.tellChannels(ctx, []alert.Subscription{sub}, mine, now); err != nil {
			return err
		}
	}
	return nil
}

// stepIllness tells channels of worlds whose stream has been ill for alert.IllFor,
// also where nobody reports of them any more.
func (s *Store) stepIllness(ctx context.Context, now time.Time) error {
	subs, err := s.wantedByChannels(ctx)
	if err != nil || !slices.ContainsFunc(subs, func(s alert.Subscription) bool { return s.Topic == alert.TopicStream }) {
		return err
	}
	states, err := s.StreamStates(ctx)
	if err != nil {
		return err
	}
	var list []alert.News
	for _, state := range states {
		if state = state.At(now); state.Health.Flowing() || now.Sub(state.Since) < alert.IllFor {
			continue
		}
		since := state.Since
		if open, ok, err := s.openGapOf(ctx, state.World); err != nil {
			return err
		} else if ok { // it stays the same while the illness changes
			since = open
		}
		list = append(list, alert.News{Topic: alert.TopicStream, What: alert.Ill, World: state.World, At: since})
	}
	for _, n := range list {
		untold, err := s.notTold(ctx, subs, n)
		if err != nil {
			return err
		}
		if len(untold) == 0 { // nothing to lock the database for
			continue
		}
		if err := s.write(ctx, func(t *tx) error { return t.tellChannels(ctx, untold, []alert.News{n}, now) }); err != nil {
			return err
		}
	}
	return nil
}

// notTold returns who of subs wants n and has no message of it, nor one of the same
// world's illness that goes on.
func (s *Store) notTold(ctx context.Context, subs []alert.Subscription, n alert.News) ([]alert.Subscription, error) {
	var untold []alert.Subscription
	for _, sub := range subs {
		if !sub.Wants(n) {
			continue
		}
		k := n.Key(sub.ID)
		told, err := readIDs[int64](ctx, s, "SELECT sub_id FROM channel_posts WHERE k = ? OR "+
			"topic = 'stream' AND world = ? AND subject_id = 0 AND sub_id = ? AND state < 3 LIMIT 1", k[:], int64(n.World), sub.ID)
		if err != nil {
			return nil, err
		}
		if len(told) == 0 {
			untold = append(untold, sub)
		}
	}
	return untold, nil
}

// openGapOf returns when the gap of a world began that is still open.
func (s *Store) openGapOf(ctx context.Context, w event.World) (from time.Time, found bool, err error) {
	ns, err := readIDs[int64](ctx, s, "SELECT MAX(from_ns) FROM stream_gaps WHERE world = ? AND to_ns = 0 HAVING MAX(from_ns) > 0", int64(w))
	if err != nil || len(ns) == 0 {
		return time.Time{}, false, err
	}
	return fromNano(ns[0]), true, nil
}

// movesOf returns, of characters with an answer of the query service, who is no longer in the outfit
// that it was in, by that outfit, and since when it was.
func (t *tx) movesOf(ctx context.Context, now map[event.CharacterID]event.OutfitID) (map[event.OutfitID]map[event.CharacterID]time.Time, error) {
	gone := map[event.OutfitID]map[event.CharacterID]time.Time{}
	err := eachIn(sortedIDs(now), func(marks string, args []any) error {
		rows, err := t.query(ctx, "SELECT character_id, outfit_id, since_at FROM memberships WHERE character_id IN ("+marks+")", args...)
		return collect(rows, err, func(rows *sql.Rows) error {
			var id event.CharacterID
			var was event.OutfitID
			var since int64
			err := rows.Scan((*int64)(&id), (*int64)(&was), &since)
			if now[id] != was {
				if gone[was] == nil {
					gone[was] = map[event.CharacterID]time.Time{}
				}
				gone[was][id] = fromSec(since)
			}
			return err
		})
	})
	return gone, err
}

// goneFrom returns the members of outfit that are not in keep, which is sorted, and
// since when they were.
func (t *tx) goneFrom(ctx context.Context, outfit event.OutfitID, keep []event.CharacterID) (map[event.CharacterID]time.Time, error) {
	gone := map[event.CharacterID]time.Time{}
	rows, err := t.query(ctx, "SELECT character_id, since_at FROM memberships WHERE outfit_id = ?", int64(outfit))
	err = collect(rows, err, func(rows *sql.Rows) error {
		var id event.CharacterID
		var since int64
		err := rows.Scan((*int64)(&id), &since)
		if _, ok := slices.BinarySearch(keep, id); !ok {
			gone[id] = fromSec(since)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("members of outfit %d: %w", outfit, err)
	}
	return gone, nil
}
