package census

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/event"
)

// A mapRow is one continent of the collection "map", whose names have capitals.
type mapRow struct {
	Zone    str `json:"ZoneId"`
	Regions part[struct {
		Row []part[struct {
			Data part[struct {
				Region  str `json:"RegionId"`
				Faction str `json:"FactionId"`
			}] `json:"RowData"`
		}] `json:"Row"`
	}] `json:"Regions"`
}

// maxRegions is more than any continent has.
const maxRegions = 500

// Map returns who holds the regions of each continent of world, by continent; those of which
// the service says nothing are left out (census 5.7).
func (q *Query) Map(ctx context.Context, env event.Environment, world event.World) ([]event.Territory, error) {
	if world <= 0 {
		return nil, fmt.Errorf("%w: world %d", ErrBadQuery, world)
	}
	var zones []string
	for _, z := range event.Continents() {
		zones = append(zones, strconv.FormatUint(uint64(z), 10))
	}
	list, _, err := rows[mapRow](ctx, q, question{env: env, collection: "map",
		terms: []term{{"world_id", strconv.Itoa(int(world))}, {"zone_ids", strings.Join(zones, ",")}}})
	if err != nil {
		return nil, err
	}
	var out []event.Territory
	for _, r := range list {
		zone, ok := r.Zone.number(1<<32 - 1)
		t := event.Territory{World: world, Zone: event.Zone(zone), Regions: map[event.Faction]int{}}
		if !ok || !t.Zone.Continent() || r.Regions.v == nil || slices.ContainsFunc(out, func(o event.Territory) bool { return o.Zone == t.Zone }) {
			continue
		}
		seen := map[str]bool{}
		for _, region := range r.Regions.v.Row[:min(len(r.Regions.v.Row), maxRegions)] {
			if region.v == nil || region.v.Data.v == nil || seen[region.v.Data.v.Region] {
				continue
			}
			seen[region.v.Data.v.Region] = true
			t.Regions[region.v.Data.v.Faction.faction()]++
		}
		if len(t.Regions) > 0 {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b event.Territory) int { return cmp.Compare(a.Zone, b.Zone) })
	return out, nil
}
