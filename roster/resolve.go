package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"muster/bus"
	"muster/census"
	"muster/event"
	"muster/internal/backoff"
	"muster/internal/outage"
)

// hear takes the ids that dispatchers ask for.
func (r *Roster) hear(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.cfg.Bus.Listen(ctx, event.TopicLookups, nil, func(m bus.Message, _ int) {
			var ids []event.CharacterID
			if err := json.Unmarshal(m.Body, &ids); err != nil {
				r.cfg.Log.WarnContext(ctx, "lookups message is not a list of ids", "err", err)
				return
			}
			if len(ids) == 0 {
				r.look(ctx) // whoever asks has put them into the store
			}
			r.wanted.add(true, ids...)
		})
		if ctx.Err() != nil || errors.Is(err, bus.ErrClosed) {
			return
		}
		r.cfg.Log.WarnContext(ctx, "listening for lookups ended, again soon", "err", err)
		_ = backoff.Sleep(ctx, r.cfg.PollEvery) // meanwhile poll finds what is missed
	}
}

// poll asks the store for what nobody told us: names that were missing, that
// came in while nobody led, or that did not fit into memory.
func (r *Roster) poll(ctx context.Context) {
	every(ctx, r.cfg.PollEvery, r.look)
}

// look asks the store once for characters without a name.
func (r *Roster) look(ctx context.Context) {
	ids, err := r.cfg.Store.Unresolved(ctx, time.Now().UTC(), 20*maxBatch)
	if !r.tried(ctx, doUnnamed, err) {
		return
	}
	r.wanted.add(false, ids...)
	r.metrics.waiting.Set(float64(r.wanted.waiting()))
}

// resolve asks for names, batch by batch, until ctx ends.
func (r *Roster) resolve(ctx context.Context) {
	retry := r.cfg.RetryFirst
	for r.gather(ctx) {
		batch := r.wanted.take()
		left, err := r.resolveBatch(ctx, batch)
		r.wanted.done(without(batch, left))
		r.wanted.again(left)
		if r.tried(ctx, doNames, err) {
			retry = r.cfg.RetryFirst
			continue
		}
		_ = backoff.Sleep(ctx, backoff.Around(retry))
		retry = min(2*retry, r.cfg.RetryLongest)
	}
}

// gather waits until there is something to ask for, and then a moment longer
// for more; false says that ctx ended.
func (r *Roster) gather(ctx context.Context) bool {
	for r.wanted.waiting() == 0 {
		select {
		case <-r.wanted.change:
		case <-ctx.Done():
			return false
		}
	}
	moment := time.NewTimer(r.cfg.Gather)
	defer moment.Stop()
	for r.wanted.waiting() < maxBatch {
		select {
		case <-r.wanted.change:
		case <-moment.C:
			return ctx.Err() == nil
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// resolveBatch asks for ids, in the environment each belongs to, saves what it
// learns and tells the others. left are the ids that are still to be asked for.
func (r *Roster) resolveBatch(ctx context.Context, ids []event.CharacterID) (left []event.CharacterID, err error) {
	open, err := r.places.sort(ctx, ids)
	if err != nil {
		return ids, err
	}
	var found, missing []event.Character
	for len(open) > 0 && err == nil {
		env := open[0].env
		var answered []event.Character
		var unknown []event.CharacterID
		answered, unknown, err = r.ask(ctx, env, open[0].ids)
		found = append(found, answered...)
		missing = append(missing, gone(unknown, env, r.cfg.Environments, time.Now().UTC())...)
		open = open[1:].next(r.cfg.Environments, env, unknown)
	}
	learned := slices.Concat(found, missing)
	if saveErr := r.learn(ctx, learned); saveErr != nil {
		return ids, errors.Join(err, saveErr)
	}
	r.metrics.names.WithLabelValues("named").Add(float64(len(found)))
	r.metrics.names.WithLabelValues("missing").Add(float64(len(missing)))
	return without(ids, idsOf(learned)), err
}

// ask asks one environment. When the service cannot read a question, it is
// asked in halves, until the one bad id stands alone; that one counts as unknown.
func (r *Roster) ask(ctx context.Context, env event.Environment, ids []event.CharacterID) (
	found []event.Character, unknown []event.CharacterID, err error) {
	found, err = r.cfg.Query.Characters(ctx, env, ids)
	switch {
	case err == nil:
		return found, without(ids, idsOf(found)), nil
	case !errors.Is(err, census.ErrBadQuery):
		return found, nil, fmt.Errorf("characters of %s: %w", env, err)
	case len(ids) == 1:
		r.cfg.Log.WarnContext(ctx, "the query service cannot read a character id", "id", ids[0], "err", err)
		return nil, ids, nil
	}
	half := len(ids) / 2
	found, unknown, err = r.ask(ctx, env, ids[:half])
	if err != nil {
		return found, nil, err
	}
	more, unknownToo, err := r.ask(ctx, env, ids[half:])
	return append(found, more...), append(unknown, unknownToo...), err
}

// learn saves characters and publishes the names among them. It completes what
// was begun even if ctx ends meanwhile.
func (r *Roster) learn(ctx context.Context, characters []event.Character) error {
	if len(characters) == 0 {
		return nil
	}
	ctx, cancel := r.finish(ctx)
	defer cancel()
	if err := r.cfg.Store.SaveCharacters(ctx, characters); err != nil {
		return fmt.Errorf("save characters: %w", err)
	}
	hidden, err := r.cfg.Store.AllHidden(ctx) // sorted
	if err != nil {
		return fmt.Errorf("who is hidden: %w", err)
	}
	named := slices.DeleteFunc(slices.Clone(characters), func(c event.Character) bool {
		_, secret := slices.BinarySearch(hidden, c.ID)
		return c.Missing || secret
	})
	if len(named) == 0 {
		return nil
	}
	body, err := json.Marshal(named)
	if err != nil {
		return fmt.Errorf("encode names: %w", err)
	}
	// If it fails: the names are stored; who reads them later has them.
	r.tried(ctx, doNews, r.cfg.Bus.Publish(ctx, event.TopicNames, bus.Message{Body: body}))
	return nil
}

// What the roster does, as its logs and metrics name it.
const (
	doNames    = "names"
	doNews     = "news of names"
	doUnnamed  = "characters without a name"
	doFriends  = "friends"
	doOutfits  = "members of outfits"
	doDue      = "friends and outfits that are due"
	doTables   = "tables of names"
	doPresence = "presence"
	doStale    = "stale presence"
	doGaps     = "presence after a hole"
)

// newOutages returns what says that one of these works no longer, or again.
func newOutages(log *slog.Logger) map[string]*outage.Outage {
	all := make(map[string]*outage.Outage)
	for _, what := range []string{doNames, doNews, doUnnamed, doFriends, doOutfits, doDue, doTables, doPresence, doStale, doGaps} {
		all[what] = outage.New(log.With("what", what), nil, "this does not work, trying again", "this works again")
	}
	return all
}

// tried counts and says that something does not work, or works again, unless
// ctx has ended. It reports whether it worked.
func (r *Roster) tried(ctx context.Context, what string, err error) bool {
	switch {
	case err == nil:
		r.outages[what].Answered(ctx)
	case ctx.Err() == nil:
		r.metrics.failures.WithLabelValues(what).Inc()
		r.outages[what].Failed(ctx, err)
	}
	return err == nil
}

func idsOf(characters []event.Character) []event.CharacterID {
	ids := make([]event.CharacterID, len(characters))
	for i, c := range characters {
		ids[i] = c.ID
	}
	return ids
}

// without returns the ids that are not in out, in their order.
func without(ids, out []event.CharacterID) []event.CharacterID {
	drop := make(map[event.CharacterID]bool, len(out))
	for _, id := range out {
		drop[id] = true
	}
	var left []event.CharacterID
	for _, id := range ids {
		if !drop[id] {
			left = append(left, id)
		}
	}
	return left
}
