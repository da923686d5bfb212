package roster

import (
	"context"
	"fmt"
	"time"

	"muster/bus"
	"muster/event"
	"muster/lease"
)

// maxStale is how many characters one round asks about.
const maxStale = 500

// staleRound asks the query service about everybody who counts as online and
// gave no sign of life for StaleAge, and publishes what it says: a logout can be
// missing, and logins have no history (census 3, S10, and 5.6). Who the service
// does not know about stays as he is; the dispatcher ends him in time.
func (r *Roster) staleRound(ctx context.Context) {
	stale, err := r.cfg.Store.StaleOnline(ctx, time.Now().UTC().Add(-r.cfg.StaleAge), maxStale)
	if !r.tried(ctx, doStale, err) {
		return
	}
	var open groups
	for _, o := range stale {
		open = open.add(r.places.environmentOf(o.World), o.Character)
	}
	for _, g := range open {
		r.tried(ctx, doPresence, r.observeAll(ctx, g.env, g.ids, false))
	}
}

// observe asks for the presence of ids and publishes each answer, or only those
// that somebody is on.
func (r *Roster) observe(ctx context.Context, env event.Environment, ids []event.CharacterID, onlyOn bool) error {
	asked := time.Now().UTC()
	status, err := r.cfg.Query.OnlineStatus(ctx, env, ids)
	if err != nil {
		return fmt.Errorf("online status: %w", err)
	}
	var messages []bus.Message
	for _, id := range ids {
		world, known := status[id]
		if !known || onlyOn && world == 0 {
			continue
		}
		body, err := event.EncodeObservation(event.Observation{Character: id, World: world, Online: world != 0, ObservedAt: asked,
			By: event.Fence{Lease: Lease, Term: r.held.Term()}})
		if err != nil {
			return fmt.Errorf("encode observation: %w", err)
		}
		messages = append(messages, bus.Message{ID: id.String(), Key: "observation", Body: body})
		r.metrics.observations.WithLabelValues(presence(world)).Inc()
	}
	if len(messages) == 0 || !lease.Held(r.held) {
		return nil
	}
	if err := r.cfg.Bus.Publish(ctx, event.TopicEvents, messages...); err != nil {
		return fmt.Errorf("publish observations: %w", err)
	}
	return nil
}

func presence(w event.World) string {
	if w == 0 {
		return "offline"
	}
	return "online"
}
