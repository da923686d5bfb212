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
		return b.territoryOf(ctx, text)
	}
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	for _, c := range links {
		if c.World != 0 {
			return b.territoryOf(ctx, strconv.Itoa(int(c.World)))
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
	return b.territoryOf(ctx, strconv.Itoa(int(best)))
}

// pressTerritory shows another world in place of the one that is shown.
func (b *Bot) pressTerritory(ctx context.Context, _ *interaction, arg string) (message, error) {
	return b.territoryOf(ctx, arg)
}

// territoryOf shows a world, given by its number.
func (b *Bot) territoryOf(ctx context.Context, number string) (message, error) {
	n, err := strconv.ParseInt(number, 10, 32)
	world := event.World(n)
	if _, known := world.Info(); err != nil || !known {
		return message{}, tell("I do not know this world. Choose one from what Discord suggests.")
	}
	list, at, err := b.cfg.Directory.Territory(ctx, world)
	if err != nil {
		b.log.Warn("territory not read", "err", err)
		m := plain("The game's query service does not say at the moment who holds what on " + escape(world.String()) + ". Please try again in a few minutes.")
		m.Components = otherWorlds(world)
		return m, nil
	}
	e := embed{Title: "Who holds " + escape(world.String()), Color: color(event.NoFaction)}
	var lines []string
	for _, t := range list {
		lines = append(lines, territoryLine(t))
	}
	if len(lines) == 0 {
		lines = append(lines, "The game says nothing of this world.")
	}
	e.Description = joinLines(joinLines(lines...), "as of "+ago(at))
	return message{Embeds: []embed{e}, Components: otherWorlds(world)}, nil
}

// territoryLine is one continent: its shares, or who has locked it.
func territoryLine(t event.Territory) string {
	name := "**" + escape(t.Zone.String()) + "**"
	if f := t.LockedBy(); f != event.NoFaction {
		return "🔒 " + name + " — locked by " + f.String() + "\n"
	}
	total := 0
	for _, n := range t.Regions {
		total += n
	}
	var parts []string
	for _, f := range []event.Faction{event.VS, event.NC, event.TR} {
		parts = append(parts, f.String()+" "+strconv.Itoa((t.Regions[f]*100+total/2)/max(total, 1))+" %")
	}
	return name + "\n" + bar(t.Regions) + "\n" + strings.Join(parts, " · ") + "\n"
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
