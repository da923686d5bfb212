package bot

import (
	"context"
	"strconv"
	"strings"

	"muster/event"
)

// territoryMap shows who holds the continents of a world: of the one that is named, of the
// asker's own character, or of the one with most players.
func (b *Bot) territoryMap(ctx context.Context, i *interaction) (message, error) {
	if text := i.command.text("world"); text != "" {
		return b.territoryOf(ctx, i.lang, text)
	}
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	for _, c := range links {
		if c.World != 0 {
			return b.territoryOf(ctx, i.lang, strconv.Itoa(int(c.World)))
		}
	}
	worlds, err := b.cfg.Store.Population(ctx)
	if err != nil {
		return message{}, err
	}
	best := event.Worlds()[0].ID
	for _, w := range event.Worlds() {
		if w.Live && all(worlds[w.ID]) > all(worlds[best]) {
			best = w.ID
		}
	}
	return b.territoryOf(ctx, i.lang, strconv.Itoa(int(best)))
}

// pressTerritory shows another world in place of the one that is shown.
func (b *Bot) pressTerritory(ctx context.Context, i *interaction, arg string) (message, error) {
	return b.territoryOf(ctx, i.lang, arg)
}

// territoryOf shows a world, given by its number.
func (b *Bot) territoryOf(ctx context.Context, in lang, number string) (message, error) {
	n, err := strconv.ParseInt(number, 10, 32)
	world := event.World(n)
	if _, known := world.Info(); err != nil || !known {
		return message{}, tell("territory.unknown")
	}
	list, at, err := b.cfg.Directory.Territory(ctx, world)
	if err != nil {
		b.log.Warn("territory not read", "err", err)
		m := plain(in.T("territory.later", "world", escape(world.String())))
		m.Components = otherWorlds(world)
		return m, nil
	}
	e := embed{Title: in.T("territory.title", "world", escape(world.String())), Color: color(event.NoFaction)}
	var lines []string
	for _, t := range list {
		lines = append(lines, in.territoryLine(t))
	}
	if len(lines) == 0 {
		lines = append(lines, in.T("territory.nothing"))
	}
	e.Description = joinLines(joinLines(lines...), in.T("territory.as_of", "when", ago(at)))
	return message{Embeds: []embed{e}, Components: otherWorlds(world)}, nil
}

// territoryLine is one continent: its shares, or who has locked it.
func (in lang) territoryLine(t event.Territory) string {
	if f := t.LockedBy(); f != event.NoFaction {
		return in.T("territory.locked", "zone", escape(t.Zone.String()), "side", f) + "\n"
	}
	total := 0
	for _, n := range t.Regions {
		total += n
	}
	var parts []string
	for _, f := range []event.Faction{event.VS, event.NC, event.TR} {
		parts = append(parts, f.String()+" "+in.Percent(float64(t.Regions[f])*100/float64(max(total, 1))))
	}
	return "**" + escape(t.Zone.String()) + "**\n" + bar(t.Regions) + "\n" + strings.Join(parts, " · ") + "\n"
}

// otherWorlds are buttons for the worlds that are not shown.
func otherWorlds(shown event.World) []row {
	var list []button
	for _, w := range event.Worlds() {
		if w.Live && w.ID != shown {
			list = append(list, button{Label: w.Name, CustomID: controlVersion + "territory:" + strconv.Itoa(int(w.ID))})
		}
	}
	if len(list) == 0 {
		return nil
	}
	return buttons(list...)
}
