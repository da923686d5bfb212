package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/bus"
	"muster/event"
)

const (
	// gapsBack is how far the first look back for holes in the record goes: what was
	// to be corrected may have been left undone by the roster that led before.
	gapsBack = 30 * time.Minute
	// maxOn and maxOff bound how many characters of one world are asked about after
	// a hole: those who were on, and those who were off and whom somebody watches.
	maxOn, maxOff = 5000, 2000
	// seenBack is how long ago the latter were on last: others seldom come.
	seenBack = 30 * 24 * time.Hour
	// friendGaps is how far back a hole makes a friend's presence doubtful.
	friendGaps = 24 * time.Hour
)

// gapsRound corrects presence after holes in the record that have ended since the
// last round: of each world, everybody who was on, and those whom somebody watches
// and who may have come, for logins have no history (census 5.6). What it publishes
// is never announced. A world that cannot be asked about is tried again.
func (r *Roster) gapsRound(ctx context.Context) {
	now := time.Now().UTC()
	gaps, err := r.cfg.Store.Gaps(ctx, now.Add(-gapsBack), now)
	if !r.tried(ctx, doGaps, err) {
		return
	}
	ended := map[event.World]time.Time{}
	for _, g := range gaps {
		if g.To.After(ended[g.World]) && g.To.After(r.corrected[g.World]) {
			ended[g.World] = g.To
		}
	}
	for world, to := range ended {
		if !r.tried(ctx, doGaps, r.correct(ctx, world, to)) {
			return
		}
		r.corrected[world] = to
		r.cfg.Log.InfoContext(ctx, "presence corrected after a hole in the record", "world", world.String(), "hole_ended", to)
	}
}

// correct asks about one world, of which nothing may be known up to to.
func (r *Roster) correct(ctx context.Context, world event.World, to time.Time) error {
	env := r.places.environmentOf(world)
	on, err := r.cfg.Store.StaleOnline(ctx, to, maxOn)
	if err != nil {
		return fmt.Errorf("who was on: %w", err)
	}
	var ids []event.CharacterID
	for _, o := range on {
		if o.World == world {
			ids = append(ids, o.Character)
		}
	}
	if err := r.observeAll(ctx, env, ids, false); err != nil {
		return err
	}
	off, err := r.cfg.Store.WatchedOff(ctx, world, to.Add(-seenBack), maxOff)
	if err != nil {
		return fmt.Errorf("who is watched and was off: %w", err)
	}
	return r.observeAll(ctx, env, off, true)
}

// observeAll asks about ids in batches; onlyOn says that nobody needs to hear of those
// who are off.
func (r *Roster) observeAll(ctx context.Context, env event.Environment, ids []event.CharacterID, onlyOn bool) error {
	for len(ids) > 0 {
		n := min(len(ids), maxBatch)
		if err := r.observe(ctx, env, ids[:n], onlyOn); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// A PresenceStore says what is known of presence, and since when it may be wrong.
type PresenceStore interface {
	// Friends returns the stored list with presence.
	Friends(ctx context.Context, owner event.CharacterID) ([]event.Player, time.Time, error)
	// Gaps returns the holes that overlap the time between from and to.
	Gaps(ctx context.Context, from, to time.Time) ([]event.Gap, error)
}

// friendsOn publishes which friends of owner are on by the answer, read at readAt,
// of those of whom that was not known: never seen, or last seen before a hole of
// their world ended. Of others the stream knows better: the collection lags. It is
// never announced.
func friendsOn(ctx context.Context, s PresenceStore, b Publisher, owner event.CharacterID, friends []event.Friend, readAt time.Time) error {
	on := map[event.CharacterID]event.World{}
	for _, f := range friends {
		if f.Online != 0 {
			on[f.Character] = f.Online
		}
	}
	if len(on) == 0 {
		return nil
	}
	stored, _, err := s.Friends(ctx, owner)
	gaps, gapsErr := s.Gaps(ctx, readAt.Add(-friendGaps), readAt)
	if err := errors.Join(err, gapsErr); err != nil {
		return fmt.Errorf("presence of friends: %w", err)
	}
	var messages []bus.Message
	for _, p := range stored {
		world := on[p.Character.ID]
		if world == 0 || p.Online.Online || !doubtful(p.Online, world, gaps) {
			continue
		}
		body, err := event.EncodeObservation(event.Observation{Character: p.Character.ID, World: world, Online: true, ObservedAt: readAt})
		if err != nil {
			return fmt.Errorf("encode observation: %w", err)
		}
		messages = append(messages, bus.Message{ID: p.Character.ID.String(), Key: "observation", Body: body})
	}
	if len(messages) == 0 {
		return nil
	}
	if err := b.Publish(ctx, event.TopicEvents, messages...); err != nil {
		return fmt.Errorf("publish presence of friends: %w", err)
	}
	return nil
}

// doubtful reports whether somebody who counts as off may have come to world unseen.
func doubtful(o event.Online, world event.World, gaps []event.Gap) bool {
	if !o.Known() {
		return true
	}
	for _, g := range gaps {
		if g.World == world && g.To.After(o.LastSeen) {
			return true
		}
	}
	return false
}
