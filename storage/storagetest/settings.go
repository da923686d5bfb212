package storagetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"muster/alert"
	"muster/event"
)

var settingsTests = []named{
	{"settings are the defaults until they are saved", settingsKept},
	{"settings out of bounds are refused", settingsRefused},
	{"a mute is kept until it is removed", mutesKept},
	{"mutes are bounded, and those that ended make room", mutesBounded},
	{"a group is kept with its members", groupsKept},
	{"groups are bounded and belong to one user", groupsBounded},
	{"a watch keeps its worlds, its mute and its rank", watchFields},
	{"links and watches are bounded", subscriptionsBounded},
	{"who hides is named nowhere, and shows up again", hiddenNowhere},
	{"only who has hidden a character shows it again", hiddenByOwner},
	{"a character's own deaths are found", hiddenProof},
	{"recent alerts say what became of them", recentAlerts},
	{"what is forgotten is gone from every table", forgetAll},
	{"an export holds everything about a user", exportAll},
}

func settingsKept(w *world) {
	got, err := w.Settings(w.Context(), ann)
	w.ok(err)
	same(w, "never saved", got, alert.DefaultSettings(ann))
	want := alert.Settings{User: ann, Zone: "Europe/Berlin", Quiet: alert.QuietHours{From: 1320, To: 420}, QuietMode: alert.QuietSilent,
		PausedUntil: at(500), Cooldown: 90 * time.Minute, OnlyWhenAway: true, AtLeast: 4, Summary: true, Shown: true, Language: "de", UpdatedAt: at(1)}
	w.ok(w.SaveSettings(w.Context(), alert.DefaultSettings(ann)))
	w.ok(w.SaveSettings(w.Context(), want))
	got, err = w.Settings(w.Context(), ann)
	w.ok(err)
	same(w, "saved", got, want)
	got, err = w.Settings(w.Context(), ben)
	w.ok(err)
	same(w, "another's", got, alert.DefaultSettings(ben))
}

func settingsRefused(w *world) {
	for name, spoil := range map[string]func(*alert.Settings){
		"user":     func(s *alert.Settings) { s.User = 0 },
		"zone":     func(s *alert.Settings) { s.Zone = "Moon/Base" },
		"quiet":    func(s *alert.Settings) { s.Quiet.To = 1440 },
		"mode":     func(s *alert.Settings) { s.QuietMode = "loud" },
		"cooldown": func(s *alert.Settings) { s.Cooldown = 25 * time.Hour },
		"at least": func(s *alert.Settings) { s.AtLeast = 0 },
		"language": func(s *alert.Settings) { s.Language = strings.Repeat("x", 17) },
	} {
		s := alert.DefaultSettings(ann)
		spoil(&s)
		if err := w.SaveSettings(w.Context(), s); !errors.Is(err, alert.ErrSettings) {
			w.Errorf("%s: %v", name, err)
		}
	}
}

func mutesKept(w *world) {
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Zed"}, {ID: bob, Name: "Abe"}}))
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: alice, Until: at(5)}, at(0)))
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: alice}, at(0)))
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: bob, Until: at(50)}, at(0)))
	list, err := w.Mutes(w.Context(), ann)
	w.ok(err)
	want := []alert.Mute{{User: ann, Character: bob, Until: at(50), Name: "Abe"}, {User: ann, Character: alice, Name: "Zed"}}
	if !slices.Equal(list, want) {
		w.Errorf("got %+v, want %+v", list, want)
	}
	removed, err := w.RemoveMute(w.Context(), ann, alice)
	w.ok(err)
	same(w, "removed", removed, true)
	removed, err = w.RemoveMute(w.Context(), ben, bob)
	w.ok(err)
	same(w, "removed another's", removed, false)
}

// refusedBy fails unless err says that most of what are the limit.
func (w *world) refusedBy(err error, what string, most int) {
	w.Helper()
	if l := (*alert.LimitError)(nil); !errors.As(err, &l) || *l != (alert.LimitError{What: what, Most: most}) {
		w.Errorf("want the limit of %d %s, got %v", most, what, err)
	}
}

func mutesBounded(w *world) {
	for i := range alert.MaxMutes {
		m := alert.Mute{User: ann, Character: event.CharacterID(1000 + i)}
		if i == 7 {
			m.Until = at(10)
		}
		w.ok(w.SaveMute(w.Context(), m, at(0)))
	}
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: 1000, Until: at(99)}, at(0)))
	w.refusedBy(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: alice}, at(9)), "mutes", alert.MaxMutes)
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: alice}, at(10)))
}

func groupsKept(w *world) {
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Zed"}, {ID: bob, Name: "Abe"}}))
	g, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: " Squad ", Members: []event.CharacterID{alice, bob, alice}})
	w.ok(err)
	other, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "Empty"})
	w.ok(err)
	list, err := w.Groups(w.Context(), ann)
	w.ok(err)
	want := []alert.Group{{ID: other.ID, User: ann, Name: "Empty"}, {ID: g.ID, User: ann, Name: "Squad", Members: []event.CharacterID{bob, alice}}}
	if !reflect.DeepEqual(list, want) {
		w.Errorf("got %+v, want %+v", list, want)
	}
	if _, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "SQUAD"}); !errors.Is(err, alert.ErrTaken) {
		w.Errorf("the same name again: %v", err)
	}
	if _, err := w.SaveGroup(w.Context(), alert.Group{ID: other.ID, User: ann, Name: "squad"}); !errors.Is(err, alert.ErrTaken) {
		w.Errorf("renamed to the same name: %v", err)
	}
	_, err = w.SaveGroup(w.Context(), alert.Group{ID: g.ID, User: ann, Name: "squad", Members: []event.CharacterID{carol}})
	w.ok(err)
	list, err = w.Groups(w.Context(), ann)
	w.ok(err)
	if len(list) != 2 || list[1].Name != "squad" || !slices.Equal(list[1].Members, []event.CharacterID{carol}) {
		w.Errorf("after a change: %+v", list)
	}
	watch, added, err := w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchGroup, Group: g.ID, CreatedAt: at(0)})
	w.ok(err)
	if !added || watch.Group != g.ID || watch.Name != "squad" {
		w.Errorf("watch: %+v", watch)
	}
	removed, err := w.RemoveGroup(w.Context(), ann, g.ID)
	w.ok(err)
	same(w, "removed", removed, true)
	watches, err := w.Watches(w.Context(), ann)
	w.ok(err)
	same(w, "watches left", len(watches), 0)
}

func groupsBounded(w *world) {
	many := make([]event.CharacterID, alert.MaxMembers+1)
	for i := range many {
		many[i] = event.CharacterID(1000 + i)
	}
	_, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "crowd", Members: many})
	w.refusedBy(err, "members", alert.MaxMembers)
	var last alert.Group
	for i := range alert.MaxGroups {
		last, err = w.SaveGroup(w.Context(), alert.Group{User: ann, Name: fmt.Sprint("g", i), Members: many[1:]})
		w.ok(err)
	}
	_, err = w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "one more"})
	w.refusedBy(err, "groups", alert.MaxGroups)
	if _, err := w.SaveGroup(w.Context(), alert.Group{ID: last.ID, User: ben, Name: "mine"}); err == nil {
		w.Error("another's group was saved")
	}
	if _, _, err := w.AddWatch(w.Context(), alert.Watch{User: ben, Kind: alert.WatchGroup, Group: last.ID}); err == nil {
		w.Error("another's group is watched")
	}
	removed, err := w.RemoveGroup(w.Context(), ben, last.ID)
	w.ok(err)
	same(w, "removed another's", removed, false)
	for _, name := range []string{"", "  ", strings.Repeat("x", alert.MaxGroupName+1)} {
		if _, err := w.SaveGroup(w.Context(), alert.Group{User: ben, Name: name}); err == nil {
			w.Errorf("a group called %q was saved", name)
		}
	}
}

func watchFields(w *world) {
	leaders, _, err := w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchLeaders, Outfit: clan, CreatedAt: at(0),
		Worlds: []event.World{17, 10, 17}})
	w.ok(err)
	if leaders.MaxOrdinal != alert.DefaultOrdinal || !slices.Equal(leaders.Worlds, []event.World{10, 17}) || leaders.Muted {
		w.Errorf("leaders: %+v", leaders)
	}
	leaders.Worlds, leaders.Muted, leaders.MutedUntil, leaders.MaxOrdinal = nil, true, at(50), 1
	found, err := w.UpdateWatch(w.Context(), leaders)
	w.ok(err)
	same(w, "found", found, true)
	found, err = w.UpdateWatch(w.Context(), leaders)
	w.ok(err)
	same(w, "found, with nothing to change", found, true)
	list, err := w.Watches(w.Context(), ann)
	w.ok(err)
	if len(list) != 1 || !reflect.DeepEqual(list[0], leaders) {
		w.Errorf("got %+v, want %+v", list, leaders)
	}
	another := leaders
	another.User = ben
	found, err = w.UpdateWatch(w.Context(), another)
	w.ok(err)
	same(w, "another's", found, false)
	leaders.Worlds = make([]event.World, alert.MaxWorlds+1)
	_, err = w.UpdateWatch(w.Context(), leaders)
	w.refusedBy(err, "worlds", alert.MaxWorlds)
}

func subscriptionsBounded(w *world) {
	for i := range alert.MaxLinks {
		w.befriend(ann, event.CharacterID(100+i))
	}
	_, err := w.Link(w.Context(), alert.Link{User: ann, Character: alice, LinkedAt: at(0)})
	w.refusedBy(err, "links", alert.MaxLinks)
	w.befriend(ann, 100)
	for i := range alert.MaxWatches - 1 { // with the watch on friends
		w.watch(ann, event.CharacterID(5000+i))
	}
	_, _, err = w.AddWatch(w.Context(), alert.Watch{User: ann, Kind: alert.WatchCharacter, Character: alice, CreatedAt: at(0)})
	w.refusedBy(err, "watches", alert.MaxWatches)
	w.watch(ann, 5000)
	list, err := w.Watches(w.Context(), ann)
	w.ok(err)
	same(w, "watches", len(list), alert.MaxWatches)
}

// names returns every name that the store shows of alice.
func (w *world) names() (found []string) {
	w.Helper()
	note := func(where string, list []event.Player, err error) {
		w.ok(err)
		for _, p := range list {
			if p.Character.ID == alice || p.Character.Name == "Alice" {
				found = append(found, where)
			}
		}
	}
	ctx := w.Context()
	p, ok, err := w.Player(ctx, alice)
	if ok {
		note("player", []event.Player{p}, err)
	}
	c, ok, err := w.CharacterByName(ctx, "alice")
	if ok {
		note("by name", []event.Player{{Character: c}}, err)
	}
	byPrefix, err := w.FindCharacters(ctx, "al", 10)
	for _, c := range byPrefix {
		note("by prefix", []event.Player{{Character: c}}, err)
	}
	some, err := w.Characters(ctx, []event.CharacterID{alice})
	w.ok(err)
	if some[alice].Name != "" || !some[alice].Outfit.IsZero() {
		found = append(found, "characters")
	}
	list, err := w.Members(ctx, clan, 0)
	note("members", list, err)
	list, err = w.OnlineInOutfit(ctx, clan)
	note("online in outfit", list, err)
	list, _, err = w.Friends(ctx, bob)
	note("friends", list, err)
	list, err = w.OnlineNow(ctx, 10, 10)
	note("online now", list, err)
	if len(w.sessions(alice)) > 0 {
		found = append(found, "sessions")
	}
	recent, err := w.RecentAlerts(ctx, ann, 10)
	for _, r := range recent {
		note("recent alerts", []event.Player{{Character: r.Who}}, err)
	}
	links, err := w.Links(ctx, ann)
	for _, c := range links {
		note("links", []event.Player{{Character: event.Character{Name: c.Name}}}, err)
	}
	mutes, err := w.Mutes(ctx, ann)
	for _, m := range mutes {
		note("mutes", []event.Player{{Character: event.Character{ID: m.Character}}}, err)
	}
	groups, err := w.Groups(ctx, ann)
	for _, g := range groups {
		for _, m := range g.Members {
			note("groups", []event.Player{{Character: event.Character{ID: m}}}, err)
		}
	}
	watches, err := w.Watches(ctx, ann)
	for _, x := range watches {
		note("watches", []event.Player{{Character: event.Character{Name: x.Name}}}, err)
	}
	return found
}

func hiddenNowhere(w *world) {
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice", World: 10, Outfit: event.Outfit{ID: clan, Tag: "VCO", Name: "x"}}}))
	w.befriend(ann, bob, alice)
	w.watch(ann, alice)
	_, err := w.SaveGroup(w.Context(), alert.Group{User: ann, Name: "g", Members: []event.CharacterID{alice}})
	w.ok(err)
	same(w, "alerts before", w.record(2, login(1, alice)).Alerts, 1)
	w.befriend(ann, alice)
	w.ok(w.SaveMute(w.Context(), alert.Mute{User: ann, Character: alice}, at(0)))
	all := w.names()
	same(w, "places that name a character who is not hidden", len(all), 14)
	w.ok(w.Hide(w.Context(), alice, ben, at(3)))
	if left := w.names(); len(left) > 0 {
		w.Errorf("still named in %v", left)
	}
	hidden, err := w.Hidden(w.Context(), []event.CharacterID{alice, bob})
	w.ok(err)
	if len(hidden) != 1 || hidden[alice] != ben {
		w.Errorf("hidden: %v", hidden)
	}
	some, err := w.Characters(w.Context(), []event.CharacterID{alice})
	w.ok(err)
	same(w, "what is said of a hidden one", some[alice], event.Character{ID: alice, World: 10, Hidden: true})
	counts, err := w.OnlineCount(w.Context())
	w.ok(err)
	same(w, "still counted", counts[10], 1)
	mine, err := w.HiddenBy(w.Context(), ben)
	w.ok(err)
	if len(mine) != 1 || mine[0].Name != "Alice" {
		w.Errorf("the owner sees %+v", mine)
	}
	everybody, err := w.AllHidden(w.Context())
	w.ok(err)
	if !slices.Equal(everybody, []event.CharacterID{alice}) {
		w.Errorf("hidden in all: %v", everybody)
	}
	removed, err := w.Unhide(w.Context(), alice, ben)
	w.ok(err)
	same(w, "shown again", removed, true)
	same(w, "places that name her again", len(w.names()), len(all))
}

func hiddenByOwner(w *world) {
	w.ok(w.Hide(w.Context(), alice, ann, at(1)))
	removed, err := w.Unhide(w.Context(), alice, ben)
	w.ok(err)
	same(w, "by another", removed, false)
	w.ok(w.Hide(w.Context(), alice, ben, at(2))) // who has shown it anew
	removed, err = w.Unhide(w.Context(), alice, ann)
	w.ok(err)
	same(w, "by the former owner", removed, false)
	removed, err = w.Unhide(w.Context(), alice, ben)
	w.ok(err)
	same(w, "by the owner", removed, true)
	if err := w.Hide(w.Context(), 0, ann, at(1)); err == nil {
		w.Error("nobody was hidden")
	}
}

func hiddenProof(w *world) {
	w.record(100, kill(10, alice, alice), kill(20, alice, bob), kill(25, bob, alice), kill(30, alice, alice), kill(31, bob, bob), kill(90, alice, alice))
	got, err := w.OwnDeaths(w.Context(), alice, at(10), at(89))
	w.ok(err)
	if !slices.Equal(got, []time.Time{at(10), at(30)}) {
		w.Errorf("own deaths: %v", got)
	}
}

func recentAlerts(w *world) {
	w.ok(w.SaveCharacters(w.Context(), []event.Character{{ID: alice, Name: "Alice", World: 10}}))
	w.watch(ann, alice)
	w.watch(ann, bob)
	w.record(2, login(1, alice))
	list, err := w.RecentAlerts(w.Context(), ann, 10)
	w.ok(err)
	if len(list) != 1 || list[0].Who.Name != "Alice" || list[0].Fate != alert.Waiting || list[0].Cause != alert.ByCharacter ||
		list[0].LoginAt != at(1) || list[0].World != 10 {
		w.Errorf("waiting: %+v", list)
	}
	w.record(5, login(4, bob))
	list, err = w.RecentAlerts(w.Context(), ann, 1)
	w.ok(err)
	if len(list) != 1 || list[0].Who.ID != bob {
		w.Errorf("the newest: %+v", list)
	}
	list, err = w.RecentAlerts(w.Context(), ben, 10)
	w.ok(err)
	same(w, "another's", len(list), 0)
}
