package event

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func metagame(minute int, w World, z Zone, instance int64, state MetagameState, vs, nc, tr float64) Event {
	return Event{Kind: Metagame, World: w, Zone: z, At: time.Unix(1730180000, 0).Add(time.Duration(minute) * time.Minute),
		Detail: Alert{ID: 147, Instance: instance, State: state, VS: vs, NC: nc, TR: tr}}
}

func TestAlertsAreFoldedFromTheirEvents(t *testing.T) {
	tables := []Lookup{{Category: LookupMetagame, ID: 147, Name: "Indar Superiority", Extra: "45"}}
	at := func(minute int) time.Time { return metagame(minute, 1, 2, 1, 0, 0, 0, 0).At }
	for name, test := range map[string]struct {
		events []Event
		now    int
		over   []bool
		ends   []int
		starts []int
	}{
		"nothing":              {nil, 10, nil, nil, nil},
		"it runs":              {[]Event{metagame(0, 1, 2, 7, MetagameStarted, 30, 30, 40)}, 10, []bool{false}, []int{45}, []int{0}},
		"it has ended":         {[]Event{metagame(0, 1, 2, 7, MetagameStarted, 30, 30, 40), metagame(40, 1, 2, 7, MetagameEnded, 20, 30, 50)}, 41, []bool{true}, []int{40}, []int{0}},
		"it was canceled":      {[]Event{metagame(0, 1, 2, 7, MetagameStarted, 30, 30, 40), metagame(4, 1, 2, 7, MetagameCanceled, 20, 30, 50)}, 41, []bool{true}, []int{4}, []int{0}},
		"its end is lost":      {[]Event{metagame(0, 1, 2, 7, MetagameStarted, 30, 30, 40)}, 45, []bool{true}, []int{45}, []int{0}},
		"its start is lost":    {[]Event{metagame(5, 1, 2, 7, MetagameBonusChanged, 30, 30, 40)}, 10, []bool{false}, []int{50}, []int{5}},
		"two worlds, one id":   {[]Event{metagame(3, 1, 2, 7, MetagameStarted, 1, 1, 1), metagame(0, 10, 2, 7, MetagameStarted, 1, 1, 1)}, 10, []bool{false, false}, []int{45, 48}, []int{0, 3}},
		"a restarted server":   {[]Event{metagame(0, 1, 2, 1, MetagameStarted, 1, 1, 1), metagame(9, 1, 2, 1, MetagameEnded, 1, 1, 1), metagame(20, 1, 4, 1, MetagameStarted, 1, 1, 1)}, 30, []bool{false, true}, []int{65, 9}, []int{20, 0}},
		"the same event twice": {[]Event{metagame(0, 1, 2, 7, MetagameStarted, 1, 1, 1), metagame(0, 1, 2, 7, MetagameStarted, 1, 1, 1)}, 1, []bool{false}, []int{45}, []int{0}},
		"other kinds":          {[]Event{{Kind: Login, World: 1, At: at(0), Detail: Presence{Character: 1}}}, 1, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			rand.Shuffle(len(test.events), func(i, j int) { test.events[i], test.events[j] = test.events[j], test.events[i] })
			runs := FoldAlerts(test.events, tables, at(test.now))
			var over []bool
			var ends, starts []int
			for _, r := range runs {
				over = append(over, r.Over)
				ends = append(ends, int(r.EndsAt.Sub(at(0)).Minutes()))
				starts = append(starts, int(r.StartedAt.Sub(at(0)).Minutes()))
				if r.Name != "Indar Superiority" {
					t.Errorf("it is called %q", r.Name)
				}
			}
			if !reflect.DeepEqual(over, test.over) || !reflect.DeepEqual(ends, test.ends) || !reflect.DeepEqual(starts, test.starts) {
				t.Errorf("over %v, ends %v, starts %v; want %v, %v, %v", over, ends, starts, test.over, test.ends, test.starts)
			}
		})
	}
}

func TestAnAlertOfUnknownLengthLastsAsMostDo(t *testing.T) {
	for _, extra := range []string{"", "0", "-3", "many", "100000"} {
		runs := FoldAlerts([]Event{metagame(0, 1, 0, 7, MetagameStarted, 1, 1, 1)}, []Lookup{{ID: 147, Extra: extra}}, metagame(10, 1, 0, 7, 0, 0, 0, 0).At)
		if len(runs) != 1 || runs[0].EndsAt.Sub(runs[0].StartedAt) != AlertLength {
			t.Errorf("%q: %+v", extra, runs)
		}
	}
}

func TestWhoLeadsAnAlert(t *testing.T) {
	for want, a := range map[Faction]Alert{VS: {VS: 40, NC: 30, TR: 30}, NC: {VS: 1, NC: 30, TR: 2}, TR: {TR: 0.1}, NoFaction: {VS: 33.3, NC: 33.3, TR: 33}} {
		if got := a.Leads(); got != want {
			t.Errorf("%+v: %v leads, want %v", a, got, want)
		}
	}
}
