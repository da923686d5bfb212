package storagetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"muster/alert"
	"muster/event"
	"muster/storage"
)

var alertTests = []named{
	{"a login is told once to each who watches", alertOnce},
	{"the strongest cause wins", alertCause},
	{"nobody is told of a character of their own", alertOwn},
	{"a quick relog is not told", alertRelog},
	{"an old login is not told", alertOld},
	{"a sign of life is told only if the record is whole", alertBySign},
	{"a late login is told unless its session was", alertLateLogin},
	{"a first step stamped before its login is told once", alertStepBeforeLogin},
	{"what comes in reverse order is told once", alertReversed},
	{"who came while the listener was dead is not told", alertAfterDeath},
	{"two dispatchers write one alert", alertTwoWriters},
	{"only logins on the worlds of a watch count", alertWorlds},
	{"a muted watch tells nothing until it is over", alertMutedWatch},
	{"a muted character is told by no watch", alertMutedCharacter},
	{"leaders are those with a rank", alertLeaders},
	{"who is hidden is told to nobody", alertHidden},
	{"one's own login is a summary, if that is wanted", alertSummary},
	{"a merger of worlds announces nobody", alertMerger},
	{"what begins to be watched elsewhere is noticed", alertElsewhere},
	{"alerts are kept for a week", alertTidy},
	{"the data of an account that is gone is kept for a week", goneAccount},
}

func (w *world) watch(u alert.UserID, c event.CharacterID) alert.Watch {
	w.Helper()
	return w.addWatch(alert.Watch{User: u, Kind: alert.WatchCharacter, Character: c})
}

func (w *world) addWatch(a alert.Watch) alert.Watch {
	w.Helper()
	a.CreatedAt = at(0)
	got, _, err := w.AddWatch(w.Context(), a)
	w.ok(err)
	return got
}

// recent returns a user's alerts, the newest first.
func (w *world) recent(u alert.UserID) []alert.Recent {
	w.Helper()
	list, err := w.RecentAlerts(w.Context(), u, 100)
	w.ok(err)
	return list
}

func alertOnce(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.watch(ben, alice)
	w.watch(ben, bob)
	got := w.record(11, login(10, alice))
	same(w, "alerts", got.Alerts, 2)
	same(w, "alerts of a replay", w.record(12, login(10, alice), gain(11, alice, 1)).Alerts, 0)
	turns := w.claim(12)
	if len(turns) != 2 {
		w.Fatalf("claimed %+v", turns)
	}
	for _, turn := range turns {
		p := turn.Steps.Send
		if len(p) != 1 || len(p[0].Alerts) != 1 {
			w.Fatalf("turn %+v", turn)
		}
		a := p[0].Alerts[0]
		if a.User != turn.User || a.Character != alice || a.World != 10 || a.LoginAt != at(10) || a.CreatedAt != at(11) || a.Who.Name != "Alice" ||
			a.Cause != alert.ByCharacter || a.Key != alert.NewKey(a.User, alice, at(10)) || a.ExpiresAt != at(10).Add(alert.DefaultLifetime) {
			w.Errorf("alert %+v", a)
		}
		w.works(turn, 13)
	}
	same(w, "claimed after settling", len(w.claim(200)), 0)
	if list := w.recent(ann); len(list) != 1 || list[0].Fate != alert.Told || list[0].At != at(13) {
		w.Errorf("afterwards: %+v", list)
	}
}

func (w *world) befriend(u alert.UserID, own event.CharacterID, friends ...event.CharacterID) {
	w.Helper()
	_, err := w.Link(w.Context(), alert.Link{User: u, Character: own, LinkedAt: at(0)})
	w.ok(err)
	var list []event.Friend
	for _, f := range friends {
		list = append(list, event.Friend{Character: f})
	}
	w.ok(w.SaveFriends(w.Context(), own, list, at(0)))
}

func alertCause(w *world) {
	w.ok(w.SaveMembers(w.Context(), clan, []event.Member{{Character: alice, Ordinal: 2}, {Character: carol}}))
	w.addWatch(alert.Watch{User: ann, Kind: alert.WatchOutfit, Outfit: clan})
	expect := func(s int, want alert.Cause) {
		w.Helper()
		w.record(s, login(s, alice))
		list := w.recent(ann)
		if len(list) == 0 || list[0].Cause != want || list[0].LoginAt != at(s) {
			w.Errorf("want %s, got %+v", want, list)
		}
		w.record(s+100, logout(s+100, alice))
	}
	expect(1000, alert.ByOutfit)
	w.addWatch(alert.Watch{User: ann, Kind: alert.WatchLeaders, Outfit: clan})
	expect(1500, alert.ByLeader)
	g, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "g", Members: []event.CharacterID{alice}})
	w.ok(err)
	w.addWatch(alert.Watch{User: ann, Kind: alert.WatchGroup, Group: g.ID})
	expect(2000, alert.ByGroup)
	w.befriend(ann, bob, alice)
	expect(2500, alert.ByFriend)
	w.watch(ann, alice)
	expect(3000, alert.ByCharacter)
	removed, err := w.Unlink(w.Context(), ann, bob)
	w.ok(err)
	same(w, "unlinked", removed, true)
	w.ok(w.SaveMembers(w.Context(), clan, []event.Member{{Character: carol}}))
	list, err := w.Watches(w.Context(), ann)
	w.ok(err)
	for _, watch := range list {
		if _, err := w.RemoveWatch(w.Context(), ann, watch.ID); err != nil {
			w.Error(err)
		}
	}
	same(w, "after all are gone", w.record(4000, login(4000, alice)).Alerts, 0)
}

// causes returns why ann's alerts were written.
func (w *world) causes(u alert.UserID) (list []alert.Cause) {
	for _, r := range w.recent(u) {
		list = append(list, r.Cause)
	}
	return list
}

func alertOwn(w *world) {
	w.befriend(ann, bob, alice, carol)
	w.befriend(ann, alice, bob)
	w.watch(ann, bob)
	w.record(2, login(1, alice), login(1, bob))
	if got := w.causes(ann); !slices.Equal(got, []alert.Cause{alert.OwnLogin, alert.OwnLogin}) {
		w.Errorf("own characters: %v", got)
	}
	same(w, "a friend", w.record(3, login(2, carol)).Alerts, 1)
	same(w, "why", w.causes(ann)[0], alert.ByFriend)
}

func alertRelog(w *world) {
	w.watch(ann, alice)
	same(w, "first", w.record(1, login(0, alice)).Alerts, 1)
	w.record(500, logout(500, alice))
	same(w, "relog", w.record(600, login(600, alice)).Alerts, 0)
	w.record(700, logout(700, alice))
	same(w, "later", w.record(900, login(900, alice)).Alerts, 1)
	same(w, "relog without logout", w.record(950, login(950, alice)).Alerts, 0)
	same(w, "later without logout", w.record(1500, login(1500, alice)).Alerts, 1)
	w.record(2000, logout(2000, alice), login(2001, alice))
	same(w, "sessions", len(w.sessions(alice)), 6)
}

func alertOld(w *world) {
	w.watch(ann, alice)
	same(w, "old", w.record(400, login(0, alice)).Alerts, 0)
}

func flowing(s int) event.StreamState {
	return event.StreamState{World: 10, Health: event.StreamLive, Since: at(-9000), ReportedAt: at(s)}
}

func alertBySign(w *world) {
	w.watch(ann, alice)
	same(w, "first sight", w.write(1, event.Record{Streams: []event.StreamState{flowing(0)},
		Events: []event.Event{gain(1, alice, 1)}}).Alerts, 0)
	w.record(10, logout(10, alice))
	same(w, "whole record", w.write(1001, event.Record{Streams: []event.StreamState{flowing(80), flowing(160), flowing(240), flowing(320),
		flowing(400), flowing(480), flowing(560), flowing(640), flowing(720), flowing(800), flowing(880), flowing(960)},
		Events: []event.Event{gain(1000, alice, 1)}}).Alerts, 1)
	w.record(1010, logout(1010, alice))
	down := event.StreamState{World: 10, Health: event.StreamDown, Since: at(1100), ReportedAt: at(1101)}
	back := event.StreamState{World: 10, Health: event.StreamLive, Since: at(1150), ReportedAt: at(1151)}
	same(w, "after a gap", w.write(1300, event.Record{Streams: []event.StreamState{down, back},
		Events: []event.Event{gain(1300, alice, 1)}}).Alerts, 0)
}

func alertLateLogin(w *world) {
	w.watch(ann, alice)
	w.record(11, gain(10, alice, 1))
	same(w, "late login", w.record(12, login(9, alice)).Alerts, 1)
	same(w, "again", w.record(12, login(9, alice)).Alerts, 0)
	w.write(20, event.Record{Streams: []event.StreamState{flowing(20)}})
	w.record(100, logout(100, alice))
	w.write(110, event.Record{Streams: []event.StreamState{flowing(109), flowing(190), flowing(270), flowing(350), flowing(400)}})
	same(w, "by a sign", w.record(411, gain(410, alice, 1)).Alerts, 1)
	same(w, "its late login", w.record(412, login(409, alice)).Alerts, 0)
}

func alertTwoWriters(w *world) {
	other := w.again()
	total := 0
	var mu sync.Mutex
	for i := range 10 {
		c := event.CharacterID(900 + i)
		w.watch(ann, c)
		var wg sync.WaitGroup
		for _, s := range []*storage.Store{w.Store, other} {
			wg.Go(func() {
				got, err := s.Record(context.Background(), at(3), event.Record{Events: []event.Event{login(1, c), gain(2, c, int64(i))}}, nil)
				if err != nil {
					w.Error(err)
				}
				mu.Lock()
				total += got.Alerts
				mu.Unlock()
			})
		}
		wg.Wait()
	}
	same(w, "alerts of two dispatchers", total, 10)
}

// The game stamps events of one moment a second back now and then (census 3, S6).
func alertStepBeforeLogin(w *world) {
	w.streams(state(event.StreamLive, -1000, 400))
	w.watch(ann, alice)
	w.watch(ann, bob)
	w.record(0, login(-2000, alice), logout(-1000, alice), login(-2000, bob), logout(-1000, bob))
	same(w, "in one batch", w.record(401, gain(399, alice, 1), login(400, alice)).Alerts, 1)
	same(w, "the step first", w.record(401, gain(399, bob, 1)).Alerts, 1)
	same(w, "then the login", w.record(402, login(400, bob)).Alerts, 0)
	same(w, "alerts", len(w.recent(ann)), 2)
}

func alertReversed(w *world) {
	w.streams(state(event.StreamLive, -1000, 400))
	w.watch(ann, alice)
	w.record(0, login(-2000, alice), logout(-1000, alice))
	same(w, "third", w.record(402, gain(402, alice, 1)).Alerts, 1)
	same(w, "second", w.record(402, gain(401, alice, 1)).Alerts, 0)
	same(w, "first", w.record(402, login(400, alice)).Alerts, 0)
}

// A listener that is killed says nothing; one that starts says that it is not
// connected yet.
func alertAfterDeath(w *world) {
	w.watch(ann, alice)
	w.record(0, login(-2000, alice), logout(-1000, alice))
	w.streams(state(event.StreamLive, -3000, 0))
	began := event.StreamState{World: 10, Health: event.StreamDown, Since: at(20), ReportedAt: at(20), Reason: "not connected yet"}
	w.streams(began, state(event.StreamReconciling, 21, 21))
	same(w, "a sign of life after the hole", w.record(22, gain(22, alice, 1)).Alerts, 0)
	list := w.gaps()
	if len(list) != 1 || list[0].From != at(0) || list[0].To != at(21) {
		w.Errorf("gaps: %+v", list)
	}
	same(w, "a login after that", w.record(1001, logout(500, alice), login(1000, alice)).Alerts, 1)
}

func alertWorlds(w *world) {
	watch := w.addWatch(alert.Watch{User: ann, Kind: alert.WatchCharacter, Character: alice, Worlds: []event.World{1, 10}})
	w.addWatch(alert.Watch{User: ben, Kind: alert.WatchCharacter, Character: alice, Worlds: []event.World{17}})
	same(w, "on world 10", w.record(1, login(0, alice)).Alerts, 1)
	same(w, "told", len(w.recent(ann)), 1)
	watch.Worlds = []event.World{1}
	_, err := w.UpdateWatch(w.Context(), watch)
	w.ok(err)
	w.record(500, logout(500, alice))
	same(w, "on another world than wanted", w.record(1000, login(1000, alice)).Alerts, 0)
}

func alertMutedWatch(w *world) {
	watch := w.watch(ann, alice)
	mute := func(muted bool, until time.Time) {
		watch.Muted, watch.MutedUntil = muted, until
		_, err := w.UpdateWatch(w.Context(), watch)
		w.ok(err)
	}
	come := func(s int) int {
		w.record(s-500, logout(s-500, alice))
		return w.record(s, login(s, alice)).Alerts
	}
	mute(true, time.Time{})
	same(w, "muted for good", come(1000), 0)
	mute(true, at(2001))
	same(w, "muted until later", come(2000), 0)
	same(w, "when that is over", come(3000), 1)
	mute(true, time.Time{})
	w.befriend(ann, bob, alice)
	same(w, "by another watch", come(4000), 1)
	same(w, "its cause", w.causes(ann)[0], alert.ByFriend)
}

func alertMutedCharacter(w *world) {
	w.watch(ann, alice)
	w.befriend(ann, bob, alice)
	w.watch(ben, alice)
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: alice, Until: at(1500)}, at(0)))
	same(w, "while muted by one of two", w.record(1, login(0, alice)).Alerts, 1)
	same(w, "who", len(w.recent(ann)), 0)
	w.record(500, logout(500, alice))
	same(w, "afterwards", w.record(1500, login(1500, alice)).Alerts, 2)
}

func alertLeaders(w *world) {
	w.ok(w.SaveMembers(w.Context(), clan, []event.Member{{Character: alice, Ordinal: 1}, {Character: bob, Ordinal: 2}, {Character: carol, Ordinal: 3}, {Character: 77}}))
	w.addWatch(alert.Watch{User: ann, Kind: alert.WatchLeaders, Outfit: clan})
	w.addWatch(alert.Watch{User: ben, Kind: alert.WatchLeaders, Outfit: clan, MaxOrdinal: 1})
	w.record(1, login(0, alice), login(0, bob), login(0, carol), login(0, 77))
	same(w, "down to the second rank", len(w.recent(ann)), 2)
	same(w, "the leader alone", len(w.recent(ben)), 1)
}

func alertHidden(w *world) {
	w.watch(ann, alice)
	w.befriend(ann, bob, alice)
	w.ok(w.Hide(w.Context(), alice, ben, at(0)))
	same(w, "hidden", w.record(1, login(0, alice)).Alerts, 0)
	w.record(500, logout(500, alice))
	_, err := w.Unhide(w.Context(), alice, ben)
	w.ok(err)
	same(w, "shown again", w.record(1000, login(1000, alice)).Alerts, 1)
}

func alertSummary(w *world) {
	w.befriend(ann, alice)
	w.befriend(ben, alice)
	set := alert.DefaultSettings(ben)
	set.Summary = false
	w.ok(w.SaveSettings(w.Context(), set))
	same(w, "summaries", w.record(1, login(0, alice)).Alerts, 1)
	same(w, "hers", len(w.causes(ann)), 1)
	w.record(500, logout(500, alice))
	same(w, "a relog brings none", w.record(600, login(600, alice)).Alerts, 0)
}

// When worlds merge, everybody is on another world from one second to the next,
// and the new world's stream has no past.
func alertMerger(w *world) {
	w.watch(ann, alice)
	w.watch(ann, bob)
	same(w, "before", w.write(1, event.Record{Streams: []event.StreamState{flowing(0)}, Events: []event.Event{login(0, alice), login(0, bob)}}).Alerts, 2)
	moved := gain(100, alice, 1)
	moved.World = 40
	w.record(90, logout(90, bob))
	back := gain(400, bob, 1)
	back.World = 40
	same(w, "after", w.record(400, moved, back).Alerts, 0)
	p := w.player(alice)
	if !p.Online.Online || p.Online.World != 40 {
		w.Errorf("who has moved: %+v", p.Online)
	}
	same(w, "by what the query service says", w.write(500, event.Record{Observations: []event.Observation{
		{Character: alice, World: 40, Online: true, ObservedAt: at(500)}, {Character: carol, World: 40, Online: true, ObservedAt: at(500)}}}).Alerts, 0)
}

func alertElsewhere(w *world) {
	w.ok(w.LoadWatched(w.Context()))
	other := w.again() // another process, whose changes this one must notice
	ctx := w.Context()
	watch := func(a alert.Watch) {
		w.Helper()
		a.User, a.CreatedAt = ann, at(0)
		_, _, err := other.AddWatch(ctx, a)
		w.ok(err)
	}
	w.ok(other.SaveMembers(ctx, clan, []event.Member{{Character: 1001}}))
	watch(alert.Watch{Kind: alert.WatchCharacter, Character: 1002})
	watch(alert.Watch{Kind: alert.WatchOutfit, Outfit: clan})
	g, err := other.SaveGroup(ctx, alert.Group{User: ann, Name: "g", Members: []event.CharacterID{1003}})
	w.ok(err)
	watch(alert.Watch{Kind: alert.WatchGroup, Group: g.ID})
	_, err = other.SaveGroup(ctx, alert.Group{ID: g.ID, User: ann, Name: "g", Members: []event.CharacterID{1003, 1004}})
	w.ok(err)
	_, err = other.Link(ctx, alert.Link{User: ann, Character: 1005, LinkedAt: at(0)})
	w.ok(err)
	w.ok(other.SaveFriends(ctx, 1005, []event.Friend{{Character: 1006}}, at(0)))
	w.ok(other.SaveCharacters(ctx, []event.Character{{ID: 1007, Name: "New", World: 10, Outfit: event.Outfit{ID: clan, Tag: "T", Name: "N"}}}))
	w.ok(w.RefreshWatched(ctx))
	for id := event.CharacterID(1001); id <= 1007; id++ {
		same(w, "alerts of "+id.String(), w.record(1, login(0, id)).Alerts, 1)
	}
}

func alertTidy(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	w.tell(1)
	w.record(600, logout(600, alice))
	w.record(3*86400, login(3*86400, alice))
	w.ok(w.TidyAlerts(w.Context(), at(7*86400)))
	same(w, "within a week", len(w.recent(ann)), 2)
	w.ok(w.TidyAlerts(w.Context(), at(7*86400+2)))
	same(w, "after it", len(w.recent(ann)), 1)
}

func goneAccount(w *world) {
	w.everything(ann, bob)
	w.everything(ben, 4242)
	w.ok(w.SaveRecipient(w.Context(), alert.Recipient{User: ann, Closed: "10013", ClosedAt: at(0)}))
	w.ok(w.SaveRecipient(w.Context(), alert.Recipient{User: ben, Closed: "50007", ClosedAt: at(0)}))
	anns, bens := w.userRows(ann), w.userRows(ben)
	w.ok(w.TidyAlerts(w.Context(), at(7*86400)))
	for table, n := range w.userRows(ann) {
		same(w, "within a week, in "+table, n, anns[table])
	}
	w.ok(w.TidyAlerts(w.Context(), at(7*86400+1)))
	for table, n := range w.userRows(ann) {
		same(w, "after it, in "+table, n, 0)
	}
	for table, n := range w.userRows(ben) {
		same(w, "of whom Discord refuses only messages, in "+table, n, bens[table])
	}
}
