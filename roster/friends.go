package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/census"
	"muster/event"
)

// friendsPause is how long a list is left alone that cannot be read while the
// service works: one bad list must not stand in front of the others.
const friendsPause = 15 * time.Minute

// friendsRound reads the lists that are due, at most FriendsBatch of them. When
// the service is down it stops: the collection is among the least reliable, and
// what is stored stays (census 5.2).
func (r *Roster) friendsRound(ctx context.Context) {
	now := time.Now().UTC()
	due, err := r.cfg.Store.FriendsDue(ctx, now.Add(-r.cfg.FriendsAge), r.cfg.FriendsBatch+len(r.friendsTried))
	if !r.tried(ctx, doDue, err) {
		return
	}
	for id, tried := range r.friendsTried {
		if now.Sub(tried) > friendsPause {
			delete(r.friendsTried, id)
		}
	}
	for _, owner := range due {
		if !r.friendsTried[owner].IsZero() {
			continue
		}
		friends, _, readAt, err := readFriends(ctx, r.places, r.cfg.Query, r.cfg.Store, owner)
		if err == nil {
			err = friendsOn(ctx, r.cfg.Store, r.cfg.Bus, owner, friends, readAt)
		}
		if !r.tried(ctx, doFriends, err) {
			if errors.Is(err, census.ErrUnavailable) || errors.Is(err, census.ErrServiceID) || ctx.Err() != nil {
				return
			}
			r.friendsTried[owner] = now
			continue
		}
		r.metrics.friends.Inc()
	}
	if len(due) > 0 {
		r.look(ctx) // new friends have no names yet
	}
}

// readFriends reads and saves the friends list of owner, and returns it with the
// environment that owner plays in and when it was read.
func readFriends(ctx context.Context, where places, q FriendsQuery, s FriendsStore, owner event.CharacterID) (
	friends []event.Friend, env event.Environment, readAt time.Time, err error) {
	if env, err = where.one(ctx, owner); err != nil {
		return nil, "", readAt, err
	}
	readAt = time.Now().UTC()
	if friends, err = q.Friends(ctx, env, owner); err != nil {
		return nil, "", readAt, fmt.Errorf("friends of %s: %w", owner, err)
	}
	if err := s.SaveFriends(ctx, owner, friends, readAt); err != nil {
		return nil, "", readAt, fmt.Errorf("save friends of %s: %w", owner, err)
	}
	return friends, env, readAt, nil
}
