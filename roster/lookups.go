package roster

import (
	"context"
	"fmt"
	"time"

	"muster/event"
	"muster/internal/backoff"
)

// categories are the tables of names that Muster reads.
func categories() []string {
	return []string{event.LookupItem, event.LookupFacility, event.LookupMetagame,
		event.LookupExperience, event.LookupAchievement}
}

// readLookups reads each table that the store does not have, and all of them
// every LookupsEvery, until ctx ends. A table that cannot be read is tried again
// after a growing pause; the others do not wait for it.
func (r *Roster) readLookups(ctx context.Context) {
	due := make(map[string]time.Time, len(categories()))
	pause := make(map[string]time.Duration, len(categories()))
	now := time.Now()
	for _, category := range categories() {
		stored, err := r.cfg.Store.Lookups(ctx, category)
		r.tried(ctx, doTables, err)
		if len(stored) == 0 {
			due[category] = now
		} else {
			due[category] = now.Add(r.cfg.LookupsEvery)
		}
	}
	for ctx.Err() == nil {
		category := soonest(due)
		if backoff.Sleep(ctx, time.Until(due[category])) != nil {
			return
		}
		if !r.tried(ctx, doTables, r.readTable(ctx, category)) {
			pause[category] = min(max(2*pause[category], r.cfg.RetryFirst), time.Hour)
			due[category] = time.Now().Add(backoff.Around(pause[category]))
			continue
		}
		pause[category] = 0
		due[category] = time.Now().Add(r.cfg.LookupsEvery)
	}
}

// readTable reads one table from the first environment: the game has the same
// items and bases everywhere. An empty table is no answer.
func (r *Roster) readTable(ctx context.Context, category string) error {
	rows, err := r.cfg.Query.Lookups(ctx, r.cfg.Environments[0], category)
	if err != nil {
		return fmt.Errorf("table %s: %w", category, err)
	}
	if len(rows) == 0 {
		return fmt.Errorf("table %s: no rows in the answer", category)
	}
	ctx, cancel := r.finish(ctx)
	defer cancel()
	if err := r.cfg.Store.SaveLookups(ctx, rows); err != nil {
		return fmt.Errorf("save table %s: %w", category, err)
	}
	r.cfg.Log.InfoContext(ctx, "table of names read", "table", category, "rows", len(rows))
	return nil
}

// soonest returns the category that is due first.
func soonest(due map[string]time.Time) string {
	first := ""
	for _, category := range categories() {
		if first == "" || due[category].Before(due[first]) {
			first = category
		}
	}
	return first
}
