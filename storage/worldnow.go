package storage

import (
	"context"
	"database/sql"
	"time"

	"muster/event"
)

// Population returns how many characters are online on each world that has any, by
// faction; NoFaction are those of whom the game has told nothing yet.
func (s *Store) Population(ctx context.Context) (map[event.World]map[event.Faction]int, error) {
	out := map[event.World]map[event.Faction]int{}
	err := s.each(ctx, ask("SELECT p.world, COALESCE(c.faction, 0), COUNT(*) FROM presence p LEFT JOIN characters c ON c.id = p.character_id "+
		"WHERE p.online = 1 GROUP BY p.world, COALESCE(c.faction, 0)"), func(rows *sql.Rows) error {
		var w, f int32
		var n int
		if err := rows.Scan(&w, &f, &n); err != nil {
			return err
		}
		if out[event.World(w)] == nil {
			out[event.World(w)] = map[event.Faction]int{}
		}
		out[event.World(w)][event.Faction(f)] += n
		return nil
	})
	return out, wrap("population", err)
}

// AlertRuns returns the in-game alerts that run at now, and those that began within
// event.AlertWindow before it and are over: see event.FoldAlerts for their order.
func (s *Store) AlertRuns(ctx context.Context, now time.Time) ([]event.AlertRun, error) {
	tables, err := s.Lookups(ctx, event.LookupMetagame)
	if err != nil {
		return nil, wrap("alert runs", err)
	}
	var events []event.Event
	err = s.each(ctx, ask("SELECT at, world, zone, metagame_id, instance, state, vs, nc, tr, bonus FROM event_metagame "+
		"WHERE at > ? AND at <= ? ORDER BY at, k", sec(now.Add(-event.AlertWindow)), sec(now)), func(rows *sql.Rows) error {
		var at, zone int64
		e := event.Event{Kind: event.Metagame}
		var a event.Alert
		err := rows.Scan(&at, (*int32)(&e.World), &zone, &a.ID, &a.Instance, (*int32)(&a.State), &a.VS, &a.NC, &a.TR, &a.ExperienceBonus)
		e.At, e.Zone, e.Detail = fromSec(at), event.Zone(zone), a
		events = append(events, e)
		return err
	})
	if err != nil {
		return nil, wrap("alert runs", err)
	}
	return event.FoldAlerts(events, tables, now), nil
}
