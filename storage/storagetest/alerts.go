package storagetest

import (
	"context"
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
	{"two bots never hold the same alert", alertClaims},
	{"an alert that was not settled comes again after its hold", alertHold},
	{"expired alerts are settled as such", alertExpiry},
	{"who follows somebody no more is not told what waits", alertUnfollowed},
	{"who has closed their messages is passed over until they open them", alertClosed},
	{"two dispatchers write one alert", alertTwoWriters},
}

func (w *world) watch(u alert.UserID, c event.CharacterID) alert.Watch {
	w.Helper()
	got, _, err := w.AddWatch(w.Context(), alert.Watch{User: u, Kind: alert.WatchCharacter, Character: c, CreatedAt: at(0)})
	w.ok(err)
	return got
}

func (w *world) claim(now int) []alert.Alert {
	w.Helper()
	got, err := w.ClaimAlerts(w.Context(), at(now), 10, 30*time.Second)
	w.ok(err)
	return got
}

func alertOnce(w *world) {
	w.watch(ann, alice)
	w.watch(ben, alice)
	w.watch(ben, bob)
	got := w.record(11, login(10, alice))
	same(w, "alerts", got.Alerts, 2)
	same(w, "alerts of a replay", w.record(12, login(10, alice), gain(11, alice, 1)).Alerts, 0)
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice", World: 10}}))
	list := w.claim(12)
	if len(list) != 2 {
		w.Fatalf("claimed %+v", list)
	}
	for _, a := range list {
		if a.Character != alice || a.World != 10 || a.LoginAt != at(10) || a.CreatedAt != at(11) || a.Who.Name != "Alice" ||
			a.Cause != alert.ByCharacter || a.Key != alert.NewKey(a.User, alice, at(10)) || a.Attempts != 0 ||
			a.ExpiresAt != at(10).Add(alert.DefaultLifetime) {
			w.Errorf("alert %+v", a)
		}
		w.ok(w.SettleAlert(w.Context(), a.Key, alert.Outcome{Sent: true, Message: "1234"}, at(13)))
		w.ok(w.SettleAlert(w.Context(), a.Key, alert.Outcome{RetryAt: at(13)}, at(13))) // too late to matter
	}
	same(w, "claimed after settling", len(w.claim(200)), 0)
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
	w.ok(w.SaveMembers(w.Context(), clan, []event.Member{{Character: alice}, {Character: carol}}))
	_, _, err := w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchOutfit, Outfit: clan, CreatedAt: at(0)})
	w.ok(err)
	expect := func(s int, want alert.Cause) {
		w.Helper()
		w.record(s, login(s, alice))
		list := w.claim(s)
		if len(list) != 1 || list[0].Cause != want {
			w.Errorf("want %s, got %+v", want, list)
		}
		w.record(s+100, logout(s+100, alice))
	}
	expect(1000, alert.ByOutfit)
	w.befriend(ann, bob, alice)
	expect(2000, alert.ByFriend)
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

func alertOwn(w *world) {
	w.befriend(ann, bob, alice, carol)
	w.befriend(ann, alice, bob)
	same(w, "own characters", w.record(2, login(1, alice), login(1, bob)).Alerts, 0)
	same(w, "a friend", w.record(3, login(2, carol)).Alerts, 1)
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

func alertClaims(w *world) {
	const players = 40
	var events []event.Event
	for i := range players {
		w.watch(ann, event.CharacterID(500+i))
		events = append(events, login(1, event.CharacterID(500+i)))
	}
	same(w, "alerts", w.record(2, events...).Alerts, players)
	var mu sync.Mutex
	held := map[alert.Key]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for empty := 0; empty < 3; {
				list, err := w.ClaimAlerts(context.Background(), at(3), 7, time.Minute)
				if err != nil {
					w.Error(err)
					return
				}
				if len(list) == 0 {
					empty++
				}
				mu.Lock()
				for _, a := range list {
					held[a.Key]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for len(held) < players { // rows skipped while another bot had them locked
		list := w.claim(3)
		if len(list) == 0 {
			break
		}
		for _, a := range list {
			held[a.Key]++
		}
	}
	same(w, "alerts held", len(held), players)
	for k, n := range held {
		if n != 1 {
			w.Errorf("alert %s was held %d times", k.Nonce(), n)
		}
	}
}

func alertHold(w *world) {
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	first := w.claim(1)
	same(w, "claimed", len(first), 1)
	same(w, "while held", len(w.claim(30)), 0)
	again := w.claim(32)
	if len(again) != 1 || again[0].Attempts != 1 {
		w.Fatalf("after the hold: %+v", again)
	}
	w.ok(w.SettleAlert(w.Context(), again[0].Key, alert.Outcome{RetryAt: at(100)}, at(33)))
	same(w, "before the retry", len(w.claim(99)), 0)
	same(w, "at the retry", len(w.claim(100)), 1)
	w.ok(w.SettleAlert(w.Context(), again[0].Key, alert.Outcome{GaveUp: "50007"}, at(101)))
	same(w, "given up", len(w.claim(200)), 0)
	if err := w.SettleAlert(w.Context(), again[0].Key, alert.Outcome{}, at(1)); err == nil {
		w.Error("an empty outcome was taken")
	}
	w.ok(w.SettleAlert(w.Context(), alert.Key{1}, alert.Outcome{Sent: true}, at(1)))
}

func alertExpiry(w *world) {
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	same(w, "too late", len(w.claim(301)), 0)
	same(w, "not even by an earlier clock", len(w.claim(1)), 0)
}

func alertUnfollowed(w *world) {
	w.befriend(ann, carol, alice, bob)
	watch := w.watch(ben, alice)
	w.watch(ann, alice)
	same(w, "alerts", w.record(1, login(0, alice), login(0, bob)).Alerts, 3)
	removed, err := w.Unlink(w.Context(), ann, carol)
	w.ok(err)
	same(w, "unlinked", removed, true)
	removed, err = w.RemoveWatch(w.Context(), ben, watch.ID)
	w.ok(err)
	same(w, "unwatched", removed, true)
	list := w.claim(2)
	if len(list) != 1 || list[0].User != ann || list[0].Character != alice {
		w.Errorf("claimed %+v, want that of ann's own watch", list)
	}
	w.watch(ben, alice)
	same(w, "after a new watch", len(w.claim(3)), 0)
}

func alertClosed(w *world) {
	w.watch(ann, alice)
	w.watch(ben, alice)
	w.ok(w.SaveRecipient(w.Context(), alert.Recipient{User: ann, DMChannel: "77", Closed: "50007", ClosedAt: at(0)}))
	w.record(1, login(0, alice))
	list := w.claim(1)
	if len(list) != 1 || list[0].User != ben {
		w.Errorf("claimed %+v", list)
	}
	r, err := w.Recipient(w.Context(), ann)
	w.ok(err)
	same(w, "recipient", r, alert.Recipient{User: ann, DMChannel: "77", Closed: "50007", ClosedAt: at(0)})
	w.ok(w.SaveRecipient(w.Context(), alert.Recipient{User: ann, DMChannel: "77"}))
	list = w.claim(2)
	if len(list) != 1 || list[0].User != ann {
		w.Errorf("after opening: %+v", list)
	}
	r, err = w.Recipient(w.Context(), 5)
	w.ok(err)
	same(w, "unknown recipient", r, alert.Recipient{User: 5})
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
	same(w, "claimed", len(w.claim(403)), 2)
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
