package storagetest

import (
	"context"
	"sync"
	"time"

	"muster/event"
)

var presenceTests = []named{
	{"login and logout make a session", presenceSession},
	{"any event proves presence", presenceBySign},
	{"ordinary activity is not lost on a late logout", presenceLateLogout},
	{"a zone change is stored at once", presenceZone},
	{"a character silent for long is ended at its last sign of life", presenceStale},
	{"an event from the future moves nobody past its arrival", presenceFuture},
	{"an observation corrects and is never announced", presenceObserved},
	{"two writers of one player's events agree", presenceTwoWriters},
	{"another process's logout is believed", presenceOtherProcess},
	{"online counts and lists go by world", presenceLists},
}

func presenceSession(w *world) {
	in := w.record(11, login(10, alice))
	if len(in.Changes) != 1 || !in.Changes[0].ByLogin || !in.Changes[0].After.Online || in.Changes[0].Before.Known() {
		w.Fatalf("login: %+v", in.Changes)
	}
	same(w, "since", w.player(alice).Online.Since, at(10))
	out := w.record(100, logout(95, alice))
	if len(out.Changes) != 1 || out.Changes[0].After.Online || out.Changes[0].Reason != event.EndLogout {
		w.Fatalf("logout: %+v", out.Changes)
	}
	p := w.player(alice)
	if p.Online.Online || p.Online.LoggedOut != at(95) || p.Online.Since != at(95) || p.Online.World != 10 {
		w.Errorf("offline: %+v", p.Online)
	}
	list := w.sessions(alice)
	want := event.Session{Character: alice, World: 10, StartedAt: at(10), EndedAt: at(95), End: event.EndLogout}
	if len(list) != 1 || list[0] != want {
		w.Errorf("sessions: %+v", list)
	}
}

func presenceBySign(w *world) {
	got := w.record(12, kill(10, alice, bob), gain(11, carol, 5))
	same(w, "changes", len(got.Changes), 3)
	for _, c := range got.Changes {
		if c.ByLogin || !c.After.Online {
			w.Errorf("change: %+v", c)
		}
	}
	p := w.player(bob).Online
	if !p.Online || p.Zone != 2 || p.World != 10 || !w.sessions(bob)[0].Inferred {
		w.Errorf("bob: %+v", p)
	}
	w.record(13, login(8, bob))
	list := w.sessions(bob)
	if len(list) != 1 || list[0].Inferred || list[0].StartedAt != at(8) {
		w.Errorf("after a late login: %+v", list)
	}
}

func presenceLateLogout(w *world) {
	w.record(1, login(0, alice))
	w.record(2, gain(1, alice, 1))
	w.record(31, gain(30, alice, 1))
	got := w.record(32, logout(20, alice))
	p := w.player(alice).Online
	if !p.Online || p.LoggedOut != at(20) || len(got.Changes) != 0 {
		w.Errorf("after a late logout: %+v, %+v", p, got.Changes)
	}
	list := w.sessions(alice)
	if len(list) != 2 || list[1].EndedAt != at(20) || list[0].StartedAt != at(30) {
		w.Errorf("sessions: %+v", list)
	}
}

func presenceZone(w *world) {
	w.record(1, gain(1, alice, 1))
	other := gain(2, alice, 1)
	other.Zone, other.World = 6, 17
	w.record(2, other)
	p := w.player(alice).Online
	same(w, "zone", p.Zone, 6)
	same(w, "world", p.World, 17)
	same(w, "last seen", p.LastSeen, at(2))
}

func presenceStale(w *world) {
	w.record(1, login(0, alice), login(0, bob))
	w.record(601, gain(600, bob, 1))
	w.record(631, gain(630, bob, 1)) // only the cache knows
	stale, err := w.StaleOnline(w.Context(), at(300), 10)
	w.ok(err)
	if len(stale) != 1 || stale[0].Character != alice {
		w.Errorf("stale: %+v", stale)
	}
	ended, err := w.EndStale(w.Context(), at(630+1799), 30*time.Minute)
	w.ok(err)
	if len(ended) != 1 || ended[0].After.Character != alice || ended[0].Reason != event.EndTimeout {
		w.Fatalf("ended: %+v", ended)
	}
	same(w, "ended at", w.sessions(alice)[0].EndedAt, at(0))
	ended, err = w.EndStale(w.Context(), at(630+1801), 30*time.Minute)
	w.ok(err)
	if len(ended) != 1 || ended[0].After.LoggedOut != at(630) {
		w.Fatalf("ended later: %+v", ended)
	}
	back := w.record(4001, gain(4000, bob, 1))
	if len(back.Changes) != 1 || back.Alerts != 0 || !w.player(bob).Online.Online {
		w.Errorf("back: %+v", back)
	}
}

func presenceFuture(w *world) {
	e := gain(86400, alice, 1)
	e.ReceivedAt, e.Future = at(5), true
	w.record(5, e)
	same(w, "last seen", w.player(alice).Online.LastSeen, at(5))
	w.record(8, logout(7, alice))
	same(w, "online", w.player(alice).Online.Online, false)
}

func presenceObserved(w *world) {
	observe := func(s int, c event.CharacterID, on event.World) event.Recorded {
		return w.write(s, event.Record{Observations: []event.Observation{{Character: c, World: on, Online: on != 0, ObservedAt: at(s)}}})
	}
	w.watch(ann, alice)
	on := observe(10, alice, 10)
	if len(on.Changes) != 1 || on.Alerts != 0 || !w.sessions(alice)[0].Inferred {
		w.Errorf("observed online: %+v", on)
	}
	same(w, "observed again", len(observe(10, alice, 10).Changes), 0)
	w.record(60, gain(50, alice, 1))
	same(w, "old observation", len(observe(40, alice, 0).Changes), 0)
	off := observe(400, alice, 0)
	if len(off.Changes) != 1 || off.Changes[0].Reason != event.EndObserved {
		w.Errorf("observed offline: %+v", off)
	}
	same(w, "ended at", w.sessions(alice)[0].EndedAt, at(50))
	same(w, "login after it is news", w.record(1001, login(1000, alice)).Alerts, 1)
}

func presenceTwoWriters(w *world) {
	var wg sync.WaitGroup
	for writer := range 2 {
		wg.Go(func() {
			for i := range 30 {
				s := i * 10
				events := []event.Event{login(s, alice), gain(s+3, alice, 1), gain(s+4, bob, 1), logout(s+5, alice)}
				if writer == 1 {
					events = []event.Event{logout(s+5, alice), gain(s+4, bob, 1), kill(s+2, bob, alice)}
				}
				if _, err := w.Record(context.Background(), at(400), event.Record{Events: events}, nil); err != nil {
					w.Errorf("writer %d: %v", writer, err)
				}
			}
		})
	}
	wg.Wait()
	a, b := w.player(alice).Online, w.player(bob).Online
	if a.Online || a.LoggedOut != at(295) || !b.Online {
		w.Errorf("alice %+v\nbob %+v", a, b)
	}
	for _, row := range w.sessions(alice) {
		if row.EndedAt.IsZero() {
			w.Errorf("still running: %+v", row)
		}
	}
}

// presenceOtherProcess plays two dispatchers, each with a cache of its own.
func presenceOtherProcess(w *world) {
	other := w.again()
	w.record(1, gain(1, alice, 1))
	_, err := other.Record(w.Context(), at(20), event.Record{Events: []event.Event{logout(20, alice)}}, nil)
	w.ok(err)
	same(w, "online", w.player(alice).Online.Online, false)
	w.record(15, gain(15, alice, 2)) // older than the logout
	same(w, "online after old activity", w.player(alice).Online.Online, false)
	w.record(70, gain(70, alice, 3)) // a minute on, the table is asked
	same(w, "online after new activity", w.player(alice).Online.Online, true)
}

func presenceLists(w *world) {
	far := login(2, bob)
	far.World = 1
	w.record(3, login(1, alice), far, login(2, carol))
	count, err := w.OnlineCount(w.Context())
	w.ok(err)
	if len(count) != 2 || count[10] != 2 || count[1] != 1 {
		w.Errorf("count: %v", count)
	}
	list, err := w.OnlineNow(w.Context(), 10, 0)
	w.ok(err)
	if len(list) != 2 || list[0].Character.ID != carol {
		w.Errorf("world 10: %+v", list)
	}
	list, err = w.OnlineNow(w.Context(), 0, 2)
	w.ok(err)
	same(w, "limit", len(list), 2)
}
