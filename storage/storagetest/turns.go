package storagetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/alert"
	"muster/event"
	"muster/storage"
)

var turnTests = []named{
	{"two bots never hold the same person", turnsShared},
	{"a turn that was not settled comes again as it was planned", turnHold},
	{"what comes while a turn is held is not forgotten", turnMeanwhile},
	{"what a bot settles too late is recorded, and moves nothing", turnLate},
	{"a retry comes at its time", turnRetry},
	{"what is given up says why", turnGivenUp},
	{"expired alerts are settled as such", turnExpired},
	{"who follows somebody no more is not told what waits", turnUnfollowed},
	{"who has closed their messages is told what they miss when they open them", turnClosed},
	{"those who wait longest come first, and changes after news", turnOrder},
	{"three make a digest that grows", turnDigest},
	{"a digest that was deleted makes its last line news again", turnDigestGone},
	{"who leaves is shown once, when that is certain", turnLeaves},
	{"who comes back soon has not left", turnComesBack},
	{"a session that times out is a departure", turnTimesOut},
	{"a login that was over before its turn is swallowed", turnSwallowed},
	{"settings decide when a turn comes", turnSettings},
	{"a summary says who is on", turnSummary},
	{"alerts of somebody whose data was deleted meanwhile go", turnForgotten},
	{"a login that very many watch reaches all of them once", fanoutAll},
	{"a fan-out becomes old news", fanoutOld},
	{"what is not told is counted by why", turnDropsCounted},
	{"two processes share a fan-out", fanoutShared},
	{"a star who leaves is marked everywhere", fanoutLeaves},
}

// called gives alice, bob and carol names, as far as there are any.
func (w *world) called(names ...string) {
	w.Helper()
	ids := []event.CharacterID{alice, bob, carol}
	for i, name := range names {
		w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: ids[i], Name: name, World: 10}}))
	}
}

// claim claims for 30 s and returns the turns with something to do.
func (w *world) claim(now int) []alert.Turn {
	w.Helper()
	got, err := w.ClaimUsers(w.Context(), at(now), 100, 30*time.Second)
	w.ok(err)
	return got
}

// settle ends a turn with the same result for each of its messages.
func (w *world) settle(turn alert.Turn, now int, r alert.Result) {
	w.Helper()
	w.ok(w.SettleTurn(w.Context(), settlement(turn, r), at(now)))
}

func settlement(turn alert.Turn, r alert.Result) alert.Settlement {
	st := alert.Settlement{User: turn.User, Claim: turn.Claim}
	for _, p := range slices.Concat(turn.Steps.Send, turn.Steps.Edit) {
		r.Post, r.Changed, r.News = p.Key, p.Changed, p.Unshown()
		if r.Message != "" {
			r.Message = "m" + p.Key.Nonce()[:20]
		}
		st.Results = append(st.Results, r)
	}
	return st
}

func (w *world) works(turn alert.Turn, now int) {
	w.Helper()
	w.settle(turn, now, alert.Result{Message: "m", Channel: "7"})
}

// tell claims until nothing is due, with success, and returns what was sent and
// edited.
func (w *world) tell(now int) (sent, edited []alert.Post) {
	w.Helper()
	for range 1000 {
		turns := w.claim(now)
		if len(turns) == 0 {
			return sent, edited
		}
		for _, turn := range turns {
			sent, edited = append(sent, turn.Steps.Send...), append(edited, turn.Steps.Edit...)
			w.works(turn, now)
		}
	}
	w.Fatal("it does not come to an end")
	return nil, nil
}

func turnsShared(w *world) {
	const people = 40
	w.called("Alice")
	for i := range people {
		w.watch(ann+alert.UserID(i), alice)
	}
	same(w, "alerts", w.record(2, login(1, alice)).Alerts, people)
	other := w.again()
	var mu sync.Mutex
	held := map[alert.UserID]int{}
	var wg sync.WaitGroup
	for i := range 4 {
		s := []*storage.Store{w.Store, other}[i%2]
		wg.Go(func() {
			for empty := 0; empty < 3; {
				turns, err := s.ClaimUsers(context.Background(), at(3), 7, time.Minute)
				if err != nil {
					w.Error(err)
					return
				}
				if len(turns) == 0 {
					empty++
				}
				mu.Lock()
				for _, turn := range turns {
					held[turn.User]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, turn := range w.claim(3) { // rows skipped while another bot had them locked
		held[turn.User]++
	}
	same(w, "people held", len(held), people)
	for u, n := range held {
		if n != 1 {
			w.Errorf("user %d was held %d times", u, n)
		}
	}
}

// nonces are those of the messages that turns send.
func nonces(turns []alert.Turn) (all []string) {
	for _, turn := range turns {
		for _, p := range turn.Steps.Send {
			all = append(all, p.Key.Nonce())
		}
	}
	return all
}

func turnHold(w *world) {
	w.called("Alice", "Bob", "Carol")
	for _, c := range []event.CharacterID{alice, bob, carol} {
		w.watch(ann, c)
	}
	w.record(1, login(0, alice), login(0, bob), login(0, carol))
	first := w.claim(1)
	same(w, "messages", len(nonces(first)), 1)
	same(w, "while held", len(w.claim(30)), 0)
	w.record(29, logout(20, alice)) // what was planned may have been sent: it stays
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: bob}, at(0)))
	again := w.claim(32)
	if !slices.Equal(nonces(first), nonces(again)) || len(again[0].Steps.Send[0].Alerts) != 3 || len(again[0].Steps.Drop) != 0 {
		w.Fatalf("after the hold: %+v", again)
	}
	w.works(again[0], 33)
	same(w, "after settling", len(w.claim(100)), 0)
	for _, r := range w.recent(ann) {
		same(w, "fate of "+r.Who.Name, r.Fate, alert.Told)
	}
}

func turnMeanwhile(w *world) {
	w.called("Alice", "Bob")
	w.watch(ann, alice)
	w.watch(ann, bob)
	w.record(1, login(0, alice))
	turns := w.claim(1)
	w.record(2, login(1, bob))
	same(w, "while held", len(w.claim(2)), 0)
	w.works(turns[0], 3)
	sent, _ := w.tell(3)
	if len(sent) != 1 || sent[0].Alerts[0].Character != bob {
		w.Errorf("afterwards: %+v", sent)
	}
}

func turnLate(w *world) {
	w.called("Alice", "Bob")
	w.watch(ann, alice)
	w.watch(ann, bob)
	w.record(1, login(0, alice))
	slow := w.claim(1)[0]
	fast := w.claim(32)[0]
	w.record(33, login(33, bob))
	w.works(slow, 34)
	same(w, "while the other holds it", len(w.claim(35)), 0)
	w.works(fast, 36)
	w.works(fast, 36)
	sent, _ := w.tell(36)
	if len(sent) != 1 || sent[0].Alerts[0].Character != bob {
		w.Errorf("afterwards: %+v", sent)
	}
	for _, r := range w.recent(ann) {
		same(w, "fate of "+r.Who.Name, r.Fate, alert.Told)
	}
}

func turnRetry(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	w.settle(w.claim(1)[0], 2, alert.Result{RetryAt: at(50)})
	same(w, "before its time", len(w.claim(49)), 0)
	again := w.claim(50)
	if len(again) != 1 || again[0].Steps.Send[0].Attempts != 1 {
		w.Fatalf("at its time: %+v", again)
	}
	w.works(again[0], 50)
	same(w, "told", w.recent(ann)[0].Fate, alert.Told)
}

func turnGivenUp(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	w.settle(w.claim(1)[0], 2, alert.Result{GaveUp: alert.Refused, Detail: "50035 Invalid Form Body"})
	same(w, "again", len(w.claim(100)), 0)
	r := w.recent(ann)[0]
	if r.Fate != alert.Dropped || r.Reason != alert.Refused || r.Detail != "50035 Invalid Form Body" || r.At != at(2) {
		w.Errorf("recorded as %+v", r)
	}
}

func turnExpired(w *world) {
	w.called("Alice", "Bob")
	w.watch(ann, alice)
	w.watch(ann, bob)
	w.record(1, login(0, alice))
	same(w, "too late", len(w.claim(301)), 0)
	same(w, "not even by an earlier clock", len(w.claim(1)), 0)
	same(w, "why", w.recent(ann)[0].Reason, alert.Expired)
	w.record(400, login(400, bob))
	same(w, "planned in time", len(w.claim(401)), 1)
	same(w, "the bot came back too late", len(w.claim(701)), 0)
	same(w, "why the other", w.recent(ann)[0].Reason, alert.Expired)
	same(w, "and that was the end", len(w.claim(1200)), 0)
}

func turnUnfollowed(w *world) {
	w.called("Alice", "Bob")
	w.befriend(ann, carol, alice, bob)
	watch := w.watch(ben, alice)
	w.watch(ben, carol)
	w.watch(ann, alice)
	same(w, "alerts", w.record(1, login(0, alice), login(0, bob)).Alerts, 3)
	removed, err := w.Unlink(w.Context(), ann, carol)
	w.ok(err)
	same(w, "unlinked", removed, true)
	removed, err = w.RemoveWatch(w.Context(), ben, watch.ID)
	w.ok(err)
	same(w, "unwatched", removed, true)
	sent, _ := w.tell(2)
	if len(sent) != 1 || sent[0].Alerts[0].User != ann || sent[0].Alerts[0].Character != alice {
		w.Errorf("sent %+v, want that of ann's own watch", sent)
	}
	same(w, "why", w.recent(ben)[0].Reason, alert.Unfollowed)
	w.watch(ben, alice)
	same(w, "after a new watch", len(w.claim(3)), 0)
}

func turnClosed(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.watch(ben, alice)
	closed := alert.Recipient{User: ann, DMChannel: "77", Closed: "50007", ClosedAt: at(0)}
	w.ok(w.SaveRecipient(w.Context(), closed))
	w.record(1, login(0, alice))
	sent, _ := w.tell(1)
	if len(sent) != 1 || sent[0].Alerts[0].User != ben {
		w.Errorf("sent %+v", sent)
	}
	r, err := w.Recipient(w.Context(), ann)
	w.ok(err)
	same(w, "recipient", r, closed)
	w.ok(w.SaveRecipient(w.Context(), alert.Recipient{User: ann, DMChannel: "77"}))
	sent, _ = w.tell(2)
	if len(sent) != 1 || sent[0].Alerts[0].User != ann {
		w.Errorf("after opening: %+v", sent)
	}
	w.record(500, logout(500, alice))
	w.record(1000, login(1000, alice))
	turn := w.claim(1000)
	for _, x := range turn {
		st := settlement(x, alert.Result{GaveUp: alert.Closed, Detail: "50278"})
		st.Recipient = &alert.Recipient{User: x.User, Closed: "50278", ClosedAt: at(1001)}
		w.ok(w.SettleTurn(w.Context(), st, at(1001)))
	}
	r, err = w.Recipient(w.Context(), ann)
	w.ok(err)
	same(w, "closed by a turn", r, alert.Recipient{User: ann, Closed: "50278", ClosedAt: at(1001)})
	w.record(3000, logout(1500, alice), login(3000, alice))
	same(w, "while closed", len(w.claim(3001)), 0)
	same(w, "until it is too old", len(w.claim(3301)), 0)
	same(w, "why", w.recent(ann)[0].Reason, alert.Closed)
	r, err = w.Recipient(w.Context(), 5)
	w.ok(err)
	same(w, "unknown recipient", r, alert.Recipient{User: 5})
}

func turnOrder(w *world) {
	w.called("Alice", "Bob")
	w.watch(3, alice)
	w.watch(2, bob)
	w.watch(1, alice)
	w.record(1, login(0, alice))
	w.tell(1)
	w.record(100, logout(100, alice)) // to be shown to 1 and 3 at 280
	w.watch(4, bob)
	w.record(270, login(269, bob))
	one := func(now int) alert.UserID {
		turns, err := w.ClaimUsers(w.Context(), at(now), 1, time.Minute)
		w.ok(err)
		if len(turns) != 1 {
			w.Fatalf("claimed %+v", turns)
		}
		return turns[0].User
	}
	if got, want := []alert.UserID{one(281), one(281), one(281), one(281)}, []alert.UserID{2, 4, 1, 3}; !slices.Equal(got, want) {
		w.Errorf("order %v, want %v", got, want)
	}
}

func turnDigest(w *world) {
	w.called("Alice", "Bob", "Carol")
	for _, c := range []event.CharacterID{alice, bob, carol, 77} {
		w.watch(ann, c)
	}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: 77, Name: "Dan"}}))
	w.record(1, login(0, alice), login(0, bob))
	sent, _ := w.tell(1)
	same(w, "the first two", len(sent), 2)
	w.record(30, login(29, carol))
	sent, _ = w.tell(30)
	if len(sent) != 1 || sent[0].Kind != alert.Digest || len(sent[0].Alerts) != 3 || sent[0].Alerts[2].Character != carol {
		w.Fatalf("the third: %+v", sent)
	}
	w.record(60, login(59, 77))
	sent, edited := w.tell(60)
	if len(sent) != 0 || len(edited) != 1 || edited[0].Message == "" || edited[0].Channel != "7" || len(edited[0].Alerts) != 4 {
		w.Fatalf("the fourth: %+v, %+v", sent, edited)
	}
	w.record(70, logout(70, alice))
	_, edited = w.tell(250)
	if len(edited) != 1 || edited[0].Kind != alert.Single || edited[0].Alerts[0].LeftAt != at(70) {
		w.Fatalf("who has left, in the first message: %+v", edited)
	}
	same(w, "no other edit right away", len(w.claim(254)), 0)
	_, edited = w.tell(255)
	left := func(a alert.Alert) bool { return a.Character == alice && a.LeftAt == at(70) }
	if len(edited) != 1 || edited[0].Kind != alert.Digest || !slices.ContainsFunc(edited[0].Alerts, left) || len(edited[0].Alerts) != 4 {
		w.Fatalf("and then in the digest: %+v", edited)
	}
	same(w, "and that is all", len(w.claim(1000)), 0)
}

func turnDigestGone(w *world) {
	w.called("Alice", "Bob", "Carol")
	for _, c := range []event.CharacterID{alice, bob, carol, 77} {
		w.watch(ann, c)
	}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: 77, Name: "Dan"}}))
	w.record(1, login(0, alice), login(0, bob), login(0, carol))
	w.tell(1)
	w.record(30, login(29, 77))
	turns := w.claim(30)
	if len(turns) != 1 || len(turns[0].Steps.Edit) != 1 {
		w.Fatalf("claimed %+v", turns)
	}
	w.settle(turns[0], 31, alert.Result{Gone: true})
	same(w, "within the minute of the one deleted", len(w.claim(60)), 0)
	sent, edited := w.tell(61)
	if len(edited) != 0 || len(sent) != 1 || sent[0].Kind != alert.Single || sent[0].Alerts[0].Character != 77 {
		w.Errorf("sent %+v, edited %+v", sent, edited)
	}
}

func turnLeaves(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	w.tell(1)
	w.record(1000, logout(999, alice))
	same(w, "before that is certain", len(w.claim(1178)), 0)
	turns := w.claim(1179)
	if len(turns) != 1 || len(turns[0].Steps.Edit) != 1 || turns[0].Steps.Edit[0].Alerts[0].LeftAt != at(999) {
		w.Fatalf("claimed %+v", turns)
	}
	same(w, "while held", len(w.claim(1200)), 0)
	turns = w.claim(1210) // the bot has died
	if len(turns) != 1 || len(turns[0].Steps.Edit) != 1 {
		w.Fatalf("after the hold: %+v", turns)
	}
	w.works(turns[0], 1211)
	same(w, "shown twice", len(w.claim(5000)), 0)
	same(w, "in the record", w.recent(ann)[0].Fate, alert.Told)
	same(w, "when, in the record", w.recent(ann)[0].LeftAt, at(999))
	w.record(6000, login(6000, alice))
	w.tell(6000)
	set := alert.DefaultSettings(ann)
	set.EditOnLeave = false
	w.ok(w.SaveSettings(w.Context(), set))
	w.record(7000, logout(7000, alice))
	same(w, "where it is not wanted", len(w.claim(7180)), 0)
}

func turnComesBack(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	w.tell(1)
	w.record(1000, logout(1000, alice))
	w.record(1170, login(1170, alice))
	same(w, "back after 170 s", len(w.claim(1200)), 0)
	w.record(2000, logout(2000, alice))
	w.record(2180, login(2180, alice))
	_, edited := w.tell(2180)
	if len(edited) != 1 || edited[0].Alerts[0].LeftAt != at(2000) {
		w.Errorf("back after 180 s: %+v", edited)
	}
}

func turnTimesOut(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice), gain(500, alice, 1))
	w.tell(1)
	_, err := w.EndStale(w.Context(), at(2400), 30*time.Minute)
	w.ok(err)
	_, edited := w.tell(2401)
	if len(edited) != 1 || edited[0].Alerts[0].LeftAt != at(500) {
		w.Errorf("edited %+v", edited)
	}
}

func turnSwallowed(w *world) {
	w.called("Alice", "Bob")
	w.watch(ann, alice)
	w.watch(ann, bob)
	w.record(20, login(0, alice), logout(10, alice), login(0, bob), logout(10, bob))
	same(w, "while they may come back", len(w.claim(20)), 0)
	w.record(100, login(100, bob))
	sent, _ := w.tell(189)
	if len(sent) != 1 || sent[0].Alerts[0].Character != bob {
		w.Errorf("who came back: %+v", sent)
	}
	w.tell(200)
	if list := w.recent(ann); len(list) != 2 || list[0].Fate == list[1].Fate {
		w.Errorf("fates: %+v", list)
	}
	for _, r := range w.recent(ann) {
		if r.Who.ID == alice && r.Reason != alert.Gone {
			w.Errorf("who did not: %+v", r)
		}
	}
}

func turnSettings(w *world) {
	w.called("Alice", "Bob")
	w.befriend(ann, carol, alice, bob)
	s := 0
	expect := func(want alert.Reason, change func(*alert.Settings)) {
		w.Helper()
		set := alert.DefaultSettings(ann)
		change(&set)
		w.ok(w.SaveSettings(w.Context(), set))
		s += 10_000
		w.record(s, login(s, alice))
		w.tell(s)
		if got := w.recent(ann)[0]; got.Reason != want || got.LoginAt != at(s) {
			w.Errorf("got %+v, want %q", got, want)
		}
		w.record(s+10, logout(s+10, alice))
	}
	expect("", func(*alert.Settings) {})
	expect(alert.Paused, func(set *alert.Settings) { set.PausedUntil = at(1e6) })
	expect(alert.TooFew, func(set *alert.Settings) { set.AtLeast = 2 })
	expect(alert.Quiet, func(set *alert.Settings) {
		set.QuietMode, set.Quiet = alert.QuietDrop, alert.QuietHours{From: 1, To: 0}
	})
	expect("", func(set *alert.Settings) { set.OnlyWhenAway = true })
	s = 200_000
	expect("", func(set *alert.Settings) { set.Cooldown = 24 * time.Hour })
	expect(alert.Cooldown, func(set *alert.Settings) { set.Cooldown = 24 * time.Hour })
	w.record(s+9000, login(s+9000, carol), login(s+9000, bob))
	w.tell(s + 9000)
	expect(alert.InGame, func(set *alert.Settings) { set.OnlyWhenAway = true })
	expect("", func(set *alert.Settings) { set.AtLeast = 2 })
}

func turnSummary(w *world) {
	w.called("Alice", "Bob", "Carol")
	w.befriend(ann, carol, alice, bob, 77)
	w.record(1, login(0, alice), login(-10, bob))
	w.tell(1)
	w.record(600, login(600, carol))
	turns := w.claim(600)
	if len(turns) != 1 || len(turns[0].Steps.Send) != 1 || turns[0].Steps.Send[0].Kind != alert.Summary {
		w.Fatalf("claimed %+v", turns)
	}
	on := turns[0].On
	if len(on) != 2 || on[0].Character.Name != "Alice" || on[0].Online.Since != at(0) || on[0].Online.World != 10 || on[1].Character.Name != "Bob" {
		w.Errorf("who is on: %+v", on)
	}
	w.works(turns[0], 600)
	w.record(900, logout(900, carol))
	same(w, "a summary never changes", len(w.claim(1200)), 0)
}

func turnForgotten(w *world) {
	w.called("Alice")
	w.watch(ann, alice)
	w.record(1, login(0, alice))
	// As if a Record that knew of ann was committed right after her data was deleted.
	watches, err := w.Watches(w.Context(), ann)
	w.ok(err)
	_, err = w.RemoveWatch(w.Context(), ann, watches[0].ID)
	w.ok(err)
	same(w, "claimed", len(w.claim(1)), 0)
	for table, n := range w.userRows(ann) {
		if n != 0 {
			w.Errorf("%d rows are left in %s", n, table)
		}
	}
	turn := func() alert.Turn {
		w.watch(ann, alice)
		w.record(1000, logout(500, alice), login(1000, alice))
		return w.claim(1000)[0]
	}()
	_, err = w.Forget(w.Context(), ann)
	w.ok(err)
	st := settlement(turn, alert.Result{Message: "m", Channel: "7"})
	st.Recipient = &alert.Recipient{User: ann, DMChannel: "7"}
	w.ok(w.SettleTurn(w.Context(), st, at(1001)))
	for table, n := range w.userRows(ann) {
		if n != 0 {
			w.Errorf("%d rows came back into %s", n, table)
		}
	}
}

func turnDropsCounted(w *world) {
	reg := prometheus.NewRegistry()
	w.Store = OpenWith(w.T, w.url, storage.Options{Registerer: reg})
	dropped := func() map[string]float64 {
		families, err := reg.Gather()
		w.ok(err)
		out := map[string]float64{}
		for _, f := range families {
			if f.GetName() != "muster_alerts_dropped_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				if v := m.GetCounter().GetValue(); v > 0 {
					out[m.GetLabel()[0].GetValue()] = v
				}
			}
		}
		return out
	}
	w.crowd(1100)
	w.called("Alice", "Bob")
	w.record(1, login(0, alice))
	same(w, "half of them", len(w.claim(2)), 100)
	w.claim(301) // what was written for them has expired, and so have those not reached
	for range 3 {
		same(w, "turns with something to do", len(w.claim(302)), 0)
	}
	if got := dropped(); !maps.Equal(got, map[string]float64{"expired": 1100}) {
		w.Errorf("dropped: %v, want 1100 that have expired", got)
	}
	w.watch(ann, bob)
	w.watch(ben, bob)
	set := alert.DefaultSettings(ben)
	set.PausedUntil = at(10_000)
	w.ok(w.SaveSettings(w.Context(), set))
	w.record(400, login(400, bob))
	turns := w.claim(401)
	same(w, "turns", len(turns), 1)
	w.settle(turns[0], 401, alert.Result{GaveUp: alert.Closed, Detail: "50007"})
	if got := dropped(); !maps.Equal(got, map[string]float64{"expired": 1100, "paused": 1, "closed": 1}) {
		w.Errorf("dropped: %v", got)
	}
}
