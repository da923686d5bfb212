package census

import (
	"context"
	"encoding/json"
	"fmt"

	"muster/event"
)

// A lookupRow holds the columns of every table that Lookups reads.
type lookupRow struct {
	Item        str  `json:"item_id"`
	Category    str  `json:"item_category_id"`
	Facility    str  `json:"facility_id"`
	FacName     str  `json:"facility_name"`
	FacType     str  `json:"facility_type"`
	Metagame    str  `json:"metagame_event_id"`
	Minutes     str  `json:"duration_minutes"`
	Experience  str  `json:"experience_id"`
	Description name `json:"description"`
	Achievement str  `json:"achievement_id"`
	Name        name `json:"name"`
}

// A table says how a category of names is asked for and read.
type table struct {
	show string
	read func(lookupRow) (id, name, extra str)
}

func tables() map[string]table {
	return map[string]table{
		event.LookupItem: {"item_id,name.en,item_category_id",
			func(r lookupRow) (str, str, str) { return r.Item, str(r.Name), r.Category }},
		event.LookupFacility: {"facility_id,facility_name,facility_type",
			func(r lookupRow) (str, str, str) { return r.Facility, r.FacName, r.FacType }},
		event.LookupMetagame: {"metagame_event_id,name.en,duration_minutes",
			func(r lookupRow) (str, str, str) { return r.Metagame, str(r.Name), r.Minutes }},
		event.LookupExperience: {"experience_id,description",
			func(r lookupRow) (str, str, str) { return r.Experience, str(r.Description), "" }},
		event.LookupAchievement: {"achievement_id,name.en",
			func(r lookupRow) (str, str, str) { return r.Achievement, str(r.Name), "" }},
	}
}

// Lookups returns one of the game's tables of names, in English: one of the
// event.Lookup categories. Rows without id or name are left out. Extra is the
// category's name for items, the type for facilities, minutes for alerts.
func (q *Query) Lookups(ctx context.Context, env event.Environment, category string) ([]event.Lookup, error) {
	t, ok := tables()[category]
	if !ok {
		return nil, fmt.Errorf("%w: no table %q", ErrBadQuery, category)
	}
	terms := []term{{"c:show", t.show}}
	if category != event.LookupFacility && category != event.LookupExperience {
		terms = append(terms, term{"c:lang", "en"})
	}
	list, err := pages[lookupRow](ctx, q, question{env: env, collection: category, terms: terms})
	if err != nil {
		return nil, err
	}
	extra := func(s str) string { return string(s) }
	if category == event.LookupItem {
		categories := q.itemCategories(ctx, env)
		extra = func(s str) string { return categories[s] }
	}
	var out []event.Lookup
	for _, r := range list {
		id, name, more := t.read(r)
		n, ok := id.number(1<<63 - 1)
		if !ok || n == 0 || name == "" {
			continue
		}
		out = append(out, event.Lookup{Category: category, ID: n, Name: string(name), Extra: extra(more)})
	}
	return out, nil
}

// itemCategories returns the names of item categories by id; none if the
// service does not say, for an item is worth having without its category.
func (q *Query) itemCategories(ctx context.Context, env event.Environment) map[str]string {
	list, err := pages[lookupRow](ctx, q, question{env: env, collection: "item_category",
		terms: []term{{"c:show", "item_category_id,name.en"}, {"c:lang", "en"}}})
	if err != nil {
		q.cfg.Log.WarnContext(ctx, "items have no categories", "err", err)
		return nil
	}
	out := make(map[str]string, len(list))
	for _, r := range list {
		out[r.Category] = string(r.Name)
	}
	return out
}

// Count returns how many rows a collection has. The service's -1 means failure.
func (q *Query) Count(ctx context.Context, env event.Environment, collection string) (int, error) {
	var answer struct {
		Count *int `json:"count"`
	}
	err := q.ask(ctx, question{verb: "count", env: env, collection: collection}, func(body []byte) error {
		if json.Unmarshal(body, &answer) != nil || answer.Count == nil || *answer.Count < 0 {
			return fmt.Errorf("%w: no count in the answer", ErrUnavailable)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return *answer.Count, nil
}
