package bot

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/alert"
	"muster/event"
)

// Ids of what changes watches.
const (
	controlWatches = controlVersion + "watches:" // and the page
	controlWatch   = controlVersion + "watch"    // the panel of one
	controlWorlds  = controlVersion + "worlds:"  // and the watch: where it counts
	controlHush    = controlVersion + "hush:"    // and the watch, and how long it is mute
	controlUnwatch = controlVersion + "unwatch:" // and the watch
)

// watchesAPage is how many watches one list shows: what a menu holds.
const watchesAPage = maxChoices

// watchList shows whom the asker is told about.
func (b *Bot) watchList(ctx context.Context, i *interaction) (message, error) {
	return b.watchesPage(ctx, i, "0")
}

// watchesPage shows one page of the list, with a menu of its watches.
func (b *Bot) watchesPage(ctx context.Context, i *interaction, arg string) (message, error) {
	watches, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	mine, err := b.myNames(ctx, i)
	if err != nil {
		return message{}, err
	}
	if mine == "" {
		watches = slices.DeleteFunc(watches, func(w alert.Watch) bool { return w.Kind == alert.WatchFriends })
	}
	if len(watches) == 0 {
		return plain(joinLines(i.lang.T("watches.none"), b.reach(ctx, i, false))), nil
	}
	pages := (len(watches) + watchesAPage - 1) / watchesAPage
	page, _ := strconv.Atoi(arg) // an odd one is the first
	page = min(max(page, 0), pages-1)
	shown := watches[page*watchesAPage : min((page+1)*watchesAPage, len(watches))]
	var lines []string
	var options []option
	for _, w := range shown {
		lines = append(lines, i.lang.watchLine(w, mine, b.now()))
		options = append(options, option{Label: i.lang.watchName(w), Value: strconv.FormatInt(w.ID, 10), Description: i.lang.watchLimits(w, b.now())})
	}
	m := message{
		Content: b.reach(ctx, i, false),
		Embeds: []embed{{Title: i.lang.T("watches.title", "n", len(watches)), Description: i.lang.list(lines, maxDescription),
			Color: 0x4c7bd9, Footer: &footer{Text: i.lang.T("watches.footer")}}},
		Components: choose(controlWatch, i.lang.T("watches.menu"), options...),
	}
	var turn []button
	if page > 0 {
		turn = append(turn, button{Label: i.lang.T("watches.earlier"), CustomID: controlWatches + strconv.Itoa(page-1)})
	}
	if page < pages-1 {
		turn = append(turn, button{Label: i.lang.T("watches.later"), CustomID: controlWatches + strconv.Itoa(page+1)})
	}
	if len(turn) > 0 {
		m.Components = append(m.Components, buttons(turn...)...)
	}
	return m, nil
}

// myNames names the linked characters of the asker, "" if there are none.
func (b *Bot) myNames(ctx context.Context, i *interaction) (string, error) {
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return "", err
	}
	var mine []string
	for _, c := range links {
		mine = append(mine, i.lang.titled(c))
	}
	return strings.Join(mine, ", "), nil
}

// watchIcons begin the line of each kind.
var watchIcons = map[alert.WatchKind]string{
	alert.WatchFriends: "👥", alert.WatchCharacter: "👤", alert.WatchOutfit: "🛡️", alert.WatchLeaders: "⭐", alert.WatchGroup: "📋",
}

// watchLine is one line of the list. mine names the user's characters.
func (in lang) watchLine(w alert.Watch, mine string, now time.Time) string {
	what := "**" + escape(bare(in.watchName(w))) + "**"
	if w.Kind == alert.WatchFriends {
		what = in.T("watches.friends", "names", mine)
	}
	s := watchIcons[w.Kind] + " " + what
	if limits := in.watchLimits(w, now); limits != "" {
		s += " · " + limits
	}
	return s
}

// watchLimits says what narrows a watch, "" if nothing does.
func (in lang) watchLimits(w alert.Watch, now time.Time) string {
	var parts []string
	switch {
	case w.MutedAt(now) && w.MutedUntil.IsZero():
		parts = append(parts, in.T("watches.muted"))
	case w.MutedAt(now):
		parts = append(parts, in.T("watches.muted_while"))
	}
	if len(w.Worlds) > 0 {
		var names []string
		for _, world := range w.Worlds {
			names = append(names, world.String())
		}
		parts = append(parts, in.T("watches.worlds", "worlds", strings.Join(names, ", ")))
	}
	return strings.Join(parts, " · ")
}

// watchPanel shows one watch and what can be done with it.
func (b *Bot) watchPanel(ctx context.Context, i *interaction, arg string) (message, error) {
	w, err := b.oneWatch(ctx, i, firstOf(i.value(), arg))
	if err != nil {
		return message{}, err
	}
	mine, err := b.myNames(ctx, i)
	if err != nil {
		return message{}, err
	}
	id := strconv.FormatInt(w.ID, 10)
	text := i.lang.watchLine(w, mine, b.now()) + "\n\n" + i.lang.T("watches.since", "when", moment(w.CreatedAt, b.now()))
	if w.MutedAt(b.now()) && !w.MutedUntil.IsZero() {
		text += " " + i.lang.T("watches.muted_until", "when", moment2(w.MutedUntil, b.now()))
	}
	hush := []button{{Label: i.lang.T("watches.mute_hour"), CustomID: controlHush + id + ":1h"}, {Label: i.lang.T("watches.mute_today"), CustomID: controlHush + id + ":today"},
		{Label: i.lang.T("watches.mute"), CustomID: controlHush + id + ":on"}}
	if w.MutedAt(b.now()) {
		hush = []button{{Label: i.lang.T("watches.unmute"), CustomID: controlHush + id + ":off", Style: styleGood}}
	}
	hush = append(hush, button{Label: i.lang.T("watches.remove"), CustomID: controlUnwatch + id, Style: styleDanger},
		button{Label: i.lang.T("watches.back"), CustomID: controlWatches + "0"})
	return box(text, i.lang.worldMenu(controlWorlds+id, w.Worlds), buttons(hush...)), nil
}

// worldMenu lets a person choose on which servers a login counts; none is all.
func (in lang) worldMenu(id string, chosen []event.World) []row {
	var options []option
	for _, info := range event.Worlds() {
		if !info.Live && !slices.Contains(chosen, info.ID) {
			continue
		}
		options = append(options, option{Label: info.ID.String(), Value: strconv.Itoa(int(info.ID)),
			Description: in.T(platformKeys[info.Environment]), Default: slices.Contains(chosen, info.ID)})
	}
	return chooseMany(id, in.T("watches.world_menu"), 0, len(options), options...)
}

// platformKeys are what players call the environments.
var platformKeys = map[event.Environment]string{event.PC: "platform.pc", event.PS4US: "platform.us", event.PS4EU: "platform.eu"}

// oneWatch returns the asker's watch with an id in text.
func (b *Bot) oneWatch(ctx context.Context, i *interaction, text string) (alert.Watch, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return alert.Watch{}, errNoWatch
	}
	watches, err := b.cfg.Store.Watches(ctx, i.by)
	if err != nil {
		return alert.Watch{}, err
	}
	for _, w := range watches {
		if w.ID == id {
			return w, nil
		}
	}
	return alert.Watch{}, errNoWatch
}

var errNoWatch = tell("watches.gone")

// hush mutes and unmutes a watch.
func (b *Bot) hush(ctx context.Context, i *interaction, arg string) (message, error) {
	id, how, _ := strings.Cut(arg, ":")
	w, err := b.oneWatch(ctx, i, id)
	if err != nil {
		return message{}, err
	}
	until, ok, err := b.muteEnd(ctx, i, how)
	if err != nil || !ok && how != "off" {
		return b.orOld(ctx, i, arg, err)
	}
	w.Muted, w.MutedUntil = how != "off", until
	return b.changeWatch(ctx, i, w)
}

// muteEnd reads how long something is muted: "1h", "today", "on" for good. ok is
// false for anything else.
func (b *Bot) muteEnd(ctx context.Context, i *interaction, how string) (until time.Time, ok bool, err error) {
	switch how {
	case "on":
		return time.Time{}, true, nil
	case "1h":
		return b.now().Add(time.Hour), true, nil
	case "today":
		set, err := b.cfg.Store.Settings(ctx, i.by)
		return midnight(set, b.now()), true, err
	}
	return time.Time{}, false, nil
}

// orOld is what a control answers whose id no version has made, unless err says more.
func (b *Bot) orOld(ctx context.Context, i *interaction, arg string, err error) (message, error) {
	if err != nil {
		return message{}, err
	}
	return b.oldControl(ctx, i, arg)
}

// limitWorlds sets on which servers a watch counts.
func (b *Bot) limitWorlds(ctx context.Context, i *interaction, arg string) (message, error) {
	w, err := b.oneWatch(ctx, i, arg)
	if err != nil {
		return message{}, err
	}
	w.Worlds = nil
	for _, v := range i.values {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n <= 0 {
			return b.oldControl(ctx, i, arg)
		}
		w.Worlds = append(w.Worlds, event.World(n))
	}
	return b.changeWatch(ctx, i, w)
}

func (b *Bot) changeWatch(ctx context.Context, i *interaction, w alert.Watch) (message, error) {
	w.User = i.by
	found, err := b.cfg.Store.UpdateWatch(ctx, w)
	if err != nil {
		return message{}, err
	}
	if !found {
		return message{}, errNoWatch
	}
	i.values = nil
	return b.watchPanel(ctx, i, strconv.FormatInt(w.ID, 10))
}

// unwatch ends a watch and shows those that are left.
func (b *Bot) unwatch(ctx context.Context, i *interaction, arg string) (message, error) {
	w, err := b.oneWatch(ctx, i, arg)
	if err != nil {
		return message{}, err
	}
	if _, err := b.cfg.Store.RemoveWatch(ctx, i.by, w.ID); err != nil {
		return message{}, err
	}
	m, err := b.watchesPage(ctx, i, "0")
	m.Content = cut(joinLines(i.lang.T("watch.removed_short", "what", escape(bare(i.lang.watchName(w)))), m.Content), maxContent)
	return m, err
}
