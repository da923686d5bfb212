package storagetest

import (
	"slices"
	"time"

	"muster/alert"
	"muster/event"
)

var peopleTests = []named{
	{"names and outfits are saved and found", peopleNames},
	{"a missing character is asked for again, ever later", peopleMissing},
	{"a roster replaces the one before, an empty one does not", peopleRoster},
	{"a friends list replaces the one before, an empty one does not", peopleFriends},
	{"an empty friends list is believed in the end", peopleEmptyList},
	{"who is watched and off is found", peopleWatchedOff},
	{"links come and go", peopleLinks},
	{"watches come and go", peopleWatches},
	{"lookups are saved by category", peopleLookups},
	{"impossible ids are refused", peopleImpossible},
}

func peopleNames(w *world) {
	w.record(1, login(0, alice))
	due, err := w.Unresolved(w.Context(), at(1), 10)
	w.ok(err)
	if !slices.Equal(due, []event.CharacterID{alice}) {
		w.Errorf("unresolved: %v", due)
	}
	c := event.Character{ID: alice, Name: "AlicE", Faction: 1, World: 10, Rank: 42, ResolvedAt: at(2).Add(5 * time.Nanosecond),
		Outfit: event.Outfit{ID: clan, Tag: "VcO", Name: "Vanu's Own"}}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{c}))
	due, err = w.Unresolved(w.Context(), at(1e6), 10)
	w.ok(err)
	same(w, "still unresolved", len(due), 0)
	got, found, err := w.CharacterByName(w.Context(), "ALICE")
	w.ok(err)
	if !found || got != c {
		w.Errorf("by name: %+v", got)
	}
	all, err := w.Characters(w.Context(), []event.CharacterID{alice, bob})
	w.ok(err)
	if len(all) != 1 || all[alice] != c {
		w.Errorf("by id: %+v", all)
	}
	list, err := w.FindCharacters(w.Context(), "ali", 5)
	w.ok(err)
	same(w, "by prefix", len(list), 1)
	outfits, err := w.OutfitsByTag(w.Context(), "vco")
	w.ok(err)
	if len(outfits) != 1 || outfits[0] != c.Outfit {
		w.Errorf("by tag: %+v", outfits)
	}
	full := event.Outfit{ID: clan, Tag: "VCO", Name: "Vanu's Own", Faction: 1, Leader: bob, Members: 12}
	w.ok(w.SaveOutfits(w.Context(), []event.Outfit{full, {ID: 7, Tag: "", Name: "vanilla"}}))
	o, found, err := w.Outfit(w.Context(), clan)
	w.ok(err)
	if !found || o != full {
		w.Errorf("outfit: %+v", o)
	}
	outfits, err = w.FindOutfits(w.Context(), "V", 5)
	w.ok(err)
	same(w, "outfits by prefix", len(outfits), 2)
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice2"}})) // partial answer
	p := w.player(alice).Character
	if p.Name != "Alice2" || p.World != 10 || p.Rank != 42 || p.Outfit != full {
		w.Errorf("after a partial answer: %+v", p)
	}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice2", World: 10}}))
	same(w, "outfit after leaving", w.player(alice).Character.Outfit.ID, 0)
}

func peopleMissing(w *world) {
	w.record(1, login(0, alice))
	missing := func(s int) {
		w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Missing: true, ResolvedAt: at(s)}}))
	}
	dueAt := func(s int) int {
		due, err := w.Unresolved(w.Context(), at(s), 10)
		w.ok(err)
		return len(due)
	}
	missing(0)
	same(w, "before ten minutes", dueAt(599), 0)
	same(w, "after ten minutes", dueAt(601), 1)
	missing(601)
	same(w, "before twenty more", dueAt(601+1199), 0)
	same(w, "after twenty more", dueAt(601+1201), 1)
	if !w.player(alice).Character.Missing {
		w.Error("not marked as missing")
	}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice"}}))
	missing(5000)
	same(w, "name after a miss", w.player(alice).Character.Name, "Alice")
}

func peopleRoster(w *world) {
	save := func(ids ...event.CharacterID) {
		var list []event.Member
		for i, id := range ids {
			list = append(list, event.Member{Outfit: clan, Character: id, Rank: "Officer", Ordinal: i + 1, Since: at(0)})
		}
		w.ok(w.SaveMembers(w.Context(), clan, list))
	}
	members := func() []event.Player {
		list, err := w.Members(w.Context(), clan, 0)
		w.ok(err)
		return list
	}
	save(alice, bob, bob)
	save(carol, bob)
	save()
	list := members()
	if len(list) != 2 || list[0].Character.ID != carol || list[0].MembershipRank != "Officer" {
		w.Errorf("members: %+v", list)
	}
	w.record(2, login(1, bob))
	same(w, "online first", members()[0].Character.ID, bob)
	online, err := w.OnlineInOutfit(w.Context(), clan)
	w.ok(err)
	if len(online) != 1 || online[0].Character.ID != bob {
		w.Errorf("online: %+v", online)
	}
}

func peopleFriends(w *world) {
	_, at0, err := w.Friends(w.Context(), alice)
	w.ok(err)
	same(w, "never read", at0.IsZero(), true)
	w.ok(w.SaveFriends(w.Context(), alice, []event.Friend{{Character: bob}, {Character: bob}, {Character: carol}}, at(1)))
	w.ok(w.SaveFriends(w.Context(), alice, []event.Friend{{Character: bob, LastLogin: at(0)}, {Character: 99}}, at(2)))
	w.ok(w.SaveFriends(w.Context(), alice, nil, at(3)))
	list, readAt, err := w.Friends(w.Context(), alice)
	w.ok(err)
	if len(list) != 2 || readAt != at(2) {
		w.Errorf("friends: %+v at %v", list, readAt)
	}
	_, err = w.Link(w.Context(), alert.Link{User: ann, Character: alice})
	w.ok(err)
	_, err = w.Link(w.Context(), alert.Link{User: ben, Character: carol})
	w.ok(err)
	due, err := w.FriendsDue(w.Context(), at(3), 10)
	w.ok(err)
	if !slices.Equal(due, []event.CharacterID{carol}) {
		w.Errorf("due: %v", due)
	}
	due, err = w.FriendsDue(w.Context(), at(4), 10)
	w.ok(err)
	if !slices.Equal(due, []event.CharacterID{carol, alice}) {
		w.Errorf("due later: %v", due)
	}
}

func peopleWatchedOff(w *world) {
	w.befriend(ann, 1000, alice)
	w.watch(ann, bob)
	w.ok(w.SaveMembers(w.Context(), clan, []event.Member{{Character: 1001}}))
	w.addWatch(alert.Watch{User: ann, Kind: alert.WatchOutfit, Outfit: clan})
	g, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "g", Members: []event.CharacterID{1002}})
	w.ok(err)
	w.addWatch(alert.Watch{User: ann, Kind: alert.WatchGroup, Group: g.ID})
	all := []event.CharacterID{alice, bob, 1000, 1001, 1002}
	for i, id := range append(all, carol) {
		w.record(100, login(i, id), logout(10+i, id))
	}
	elsewhere := login(20, bob)
	elsewhere.World = 17
	got := func(since, limit int) []event.CharacterID {
		list, err := w.WatchedOff(w.Context(), 10, at(since), limit)
		w.ok(err)
		return list
	}
	if list := got(0, 100); !slices.Equal(list, []event.CharacterID{1002, 1001, 1000, bob, alice}) {
		w.Errorf("watched and off: %v", list)
	}
	if list := got(0, 2); !slices.Equal(list, []event.CharacterID{1002, 1001}) {
		w.Errorf("two of them: %v", list)
	}
	w.record(100, login(50, alice), elsewhere)
	if list := got(11, 100); !slices.Equal(list, []event.CharacterID{1002, 1001, 1000}) {
		w.Errorf("without who is on, and who is elsewhere: %v", list)
	}
}

func peopleEmptyList(w *world) {
	hours := func(h int) time.Time { return at(3600 * h) }
	read := func(h int, owner event.CharacterID, friends ...event.CharacterID) {
		w.Helper()
		var list []event.Friend
		for _, f := range friends {
			list = append(list, event.Friend{Character: f})
		}
		w.ok(w.SaveFriends(w.Context(), owner, list, hours(h)))
	}
	stored := func(owner event.CharacterID) (int, time.Time) {
		w.Helper()
		list, readAt, err := w.Friends(w.Context(), owner)
		w.ok(err)
		return len(list), readAt
	}
	kept := func(what string, owner event.CharacterID, n, readAt int) {
		w.Helper()
		got, when := stored(owner)
		if got != n || when != hours(readAt) {
			w.Errorf("%s: %d friends, read at %v; want %d, read in hour %d", what, got, when, n, readAt)
		}
	}
	read(0, alice, bob, carol)
	for h := 1; h <= 11; h++ {
		read(h, alice)
		read(h, 1000, bob)
	}
	kept("eleven empty answers in ten hours", alice, 2, 0)
	read(12, alice, bob)
	kept("a good answer between", alice, 1, 12)
	for h := 13; h <= 24; h++ {
		read(h, alice)
		read(h, 1000, bob)
	}
	kept("empty for eleven hours", alice, 1, 12)
	read(25, alice)
	kept("empty for twelve hours, while others' lists are read", alice, 0, 25)
	for h := 26; h <= 26+71; h++ {
		read(h, 1000)
	}
	kept("empty for long, while no other list is read", 1000, 1, 24)
	read(26+72, 1000)
	kept("empty for three days", 1000, 0, 26+72)
}

func peopleLinks(w *world) {
	link := func(c event.CharacterID, s int) bool {
		added, err := w.Link(w.Context(), alert.Link{User: ann, Character: c, LinkedAt: at(s)})
		w.ok(err)
		return added
	}
	same(w, "first", link(bob, 1), true)
	same(w, "again", link(bob, 1), false)
	same(w, "second", link(alice, 2), true)
	list, err := w.Links(w.Context(), ann)
	w.ok(err)
	if len(list) != 2 || list[0].ID != bob || list[1].ID != alice {
		w.Errorf("links: %+v", list)
	}
	watches, err := w.Watches(w.Context(), ann)
	w.ok(err)
	if len(watches) != 1 || watches[0].Kind != alert.WatchFriends {
		w.Errorf("watches: %+v", watches)
	}
	for _, c := range []event.CharacterID{bob, alice} {
		removed, err := w.Unlink(w.Context(), ann, c)
		w.ok(err)
		same(w, "unlinked", removed, true)
	}
	removed, err := w.Unlink(w.Context(), ann, bob)
	w.ok(err)
	same(w, "unlinked again", removed, false)
	watches, err = w.Watches(w.Context(), ann)
	w.ok(err)
	same(w, "watches left", len(watches), 0)
}

func peopleWatches(w *world) {
	w.ok(w.SaveOutfits(w.Context(), []event.Outfit{{ID: clan, Tag: "VCO", Name: "Vanu's Own"}}))
	first := w.watch(ann, alice)
	again, added, err := w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchCharacter, Character: alice, CreatedAt: at(9)})
	w.ok(err)
	if added || again.ID != first.ID || again.CreatedAt != at(0) {
		w.Errorf("again: %v %+v", added, again)
	}
	outfit, added, err := w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchOutfit, Outfit: clan, CreatedAt: at(1)})
	w.ok(err)
	if !added || outfit.Name != "[VCO] Vanu's Own" || outfit.ID == 0 {
		w.Errorf("outfit: %+v", outfit)
	}
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice"}}))
	list, err := w.Watches(w.Context(), ann)
	w.ok(err)
	if len(list) != 2 || list[0].Name != "Alice" || list[0].Character != alice || list[1].Outfit != clan {
		w.Errorf("watches: %+v", list)
	}
	removed, err := w.RemoveWatch(w.Context(), ben, first.ID)
	w.ok(err)
	same(w, "another's watch", removed, false)
	removed, err = w.RemoveWatch(w.Context(), ann, first.ID)
	w.ok(err)
	same(w, "own watch", removed, true)
}

func peopleLookups(w *world) {
	w.ok(w.SaveLookups(w.Context(), []event.Lookup{{Category: event.LookupItem, ID: 2, Name: "old"}, {Category: event.LookupFacility, ID: 2, Name: "x"}}))
	w.ok(w.SaveLookups(w.Context(), []event.Lookup{{Category: event.LookupItem, ID: 2, Name: "NS-11C", Extra: "Carbine"}}))
	list, err := w.Lookups(w.Context(), event.LookupItem)
	w.ok(err)
	if len(list) != 1 || list[0] != (event.Lookup{Category: event.LookupItem, ID: 2, Name: "NS-11C", Extra: "Carbine"}) {
		w.Errorf("lookups: %+v", list)
	}
}

func peopleImpossible(w *world) {
	ctx := w.Context()
	for name, err := range map[string]error{
		"character": w.SaveCharacters(ctx, []event.Character{{ID: -1, Name: "x"}}),
		"outfit":    w.SaveOutfits(ctx, []event.Outfit{{ID: 0}}),
		"member":    w.SaveMembers(ctx, clan, []event.Member{{Character: 0}}),
		"friend":    w.SaveFriends(ctx, alice, []event.Friend{{Character: -7}}, at(0)),
		"lookup":    w.SaveLookups(ctx, []event.Lookup{{Category: "", ID: 1}}),
		"recipient": w.SaveRecipient(ctx, alert.Recipient{}),
		"settle":    w.SettleTurn(ctx, alert.Settlement{User: ann, Results: []alert.Result{{}}}, at(0)),
	} {
		if err == nil {
			w.Errorf("%s: taken", name)
		}
	}
	if _, err := w.Link(ctx, alert.Link{User: 1}); err == nil {
		w.Error("link: taken")
	}
	if _, _, err := w.AddWatch(ctx, alert.Watch{User: 1, Kind: "moon"}); err == nil {
		w.Error("watch: taken")
	}
}
