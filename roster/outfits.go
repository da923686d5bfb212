package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/census"
	"muster/event"
)

// outfitsRound reads the rosters of the outfits that anybody follows and that were read
// longest ago, at most OutfitsBatch of them, so that joins and leaves are known within
// OutfitsAge as long as the service can follow. A list that cannot be read waits as long.
func (r *Roster) outfitsRound(ctx context.Context) {
	followed, err := r.cfg.Store.FollowedOutfits(ctx)
	if !r.tried(ctx, doDue, err) {
		return
	}
	now := time.Now()
	still := make(map[event.OutfitID]time.Time, len(followed))
	var due []event.Outfit
	for _, o := range followed {
		at := r.outfitRead[o.ID]
		still[o.ID] = at
		if now.Sub(at) >= r.cfg.OutfitsAge {
			due = append(due, o)
		}
	}
	r.outfitRead = still
	slices.SortStableFunc(due, func(a, b event.Outfit) int { return still[a.ID].Compare(still[b.ID]) })
	for _, o := range due[:min(len(due), r.cfg.OutfitsBatch)] {
		err := r.readOutfit(ctx, o)
		if !r.tried(ctx, doOutfits, err) && (errors.Is(err, census.ErrUnavailable) || errors.Is(err, census.ErrServiceID) || ctx.Err() != nil) {
			return
		}
		still[o.ID] = now
	}
	if len(due) > 0 {
		r.look(ctx) // new members have no names yet
	}
}

func (r *Roster) readOutfit(ctx context.Context, o event.Outfit) error {
	env := r.cfg.Environments[0]
	if o.Leader != 0 {
		var err error
		if env, err = r.places.one(ctx, o.Leader); err != nil {
			return err
		}
	}
	members, err := r.cfg.Query.Members(ctx, env, o.ID)
	if err != nil {
		return fmt.Errorf("members of outfit %d: %w", o.ID, err)
	}
	return r.cfg.Store.SaveMembers(ctx, o.ID, members)
}
