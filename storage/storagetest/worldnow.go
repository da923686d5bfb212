package storagetest

import (
	"time"

	"muster/event"
)

var worldNowTests = []named{
	{"the population goes by world and faction", populationByFaction},
	{"alerts that run come before those that are over", alertRuns},
}

func populationByFaction(w *world) {
	far := login(2, bob)
	far.World = 1
	w.record(3, login(1, alice), far, login(2, carol))
	w.ok(w.SaveCharacters(w.Context(), []event.Character{
		{ID: alice, Name: "Alice", Faction: event.NC, World: 10, ResolvedAt: at(1)},
		{ID: bob, Name: "Bob", Faction: event.NSO, World: 1, ResolvedAt: at(1)}}))
	got, err := w.Population(w.Context())
	w.ok(err)
	if len(got) != 2 || len(got[10]) != 2 || got[10][event.NC] != 1 || got[10][event.NoFaction] != 1 || len(got[1]) != 1 || got[1][event.NSO] != 1 {
		w.Errorf("population: %v", got)
	}
	w.record(10, logout(9, bob), logout(9, carol))
	got, err = w.Population(w.Context())
	w.ok(err)
	if len(got) != 1 || len(got[10]) != 1 || got[10][event.NC] != 1 {
		w.Errorf("after two have left: %v", got)
	}
}

func alertRuns(w *world) {
	told := func(s int, on event.World, instance int64, state event.MetagameState, tr float64) event.Event {
		return event.Event{Kind: event.Metagame, World: on, Zone: 2, At: at(s), ReceivedAt: at(s + 1),
			Detail: event.Alert{ID: 147, Instance: instance, State: state, VS: 30.5, NC: 20.25, TR: tr, ExperienceBonus: 25}}
	}
	const minute = 60
	w.ok(w.SaveLookups(w.Context(), []event.Lookup{{Category: event.LookupMetagame, ID: 147, Name: "Indar Superiority", Extra: "45"}}))
	w.record(101*minute, told(0, 10, 5, event.MetagameStarted, 10), told(30*minute, 10, 5, event.MetagameEnded, 49.25),
		told(70*minute, 10, 6, event.MetagameStarted, 20), told(80*minute, 1, 6, event.MetagameStarted, 30), told(200*minute, 1, 7, event.MetagameStarted, 1))
	runs, err := w.AlertRuns(w.Context(), at(100*minute))
	w.ok(err)
	if len(runs) != 3 {
		w.Fatalf("%d alerts, want 3, none of them from the future: %+v", len(runs), runs)
	}
	first, second, past := runs[0], runs[1], runs[2]
	if first.World != 10 || first.Over || !first.EndsAt.Equal(at(115*minute)) || first.Name != "Indar Superiority" || first.Zone != 2 {
		w.Errorf("the first to end: %+v", first)
	}
	if second.World != 1 || second.Over || !second.StartedAt.Equal(at(80*minute)) {
		w.Errorf("the second: %+v", second)
	}
	if !past.Over || !past.EndsAt.Equal(at(30*minute)) || past.Alert != (event.Alert{ID: 147, Instance: 5, State: event.MetagameEnded, VS: 30.5, NC: 20.25, TR: 49.25, ExperienceBonus: 25}) {
		w.Errorf("the one that is over: %+v", past)
	}
	runs, err = w.AlertRuns(w.Context(), at(0).Add(48*time.Hour))
	w.ok(err)
	same(w, "alerts two days later", len(runs), 0)
}
