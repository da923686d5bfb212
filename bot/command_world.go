package bot

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/event"
)

// barLength is how many squares stand for everybody of a world.
const barLength = 12

// sides are the factions in the order in which numbers are shown.
var sides = []struct {
	event.Faction
	square string
}{{event.VS, "🟪"}, {event.NC, "🟦"}, {event.TR, "🟥"}, {event.NSO, "⬜"}, {event.NoFaction, "▫️"}}

// population shows how many are on, world by world and side by side.
func (b *Bot) population(ctx context.Context, i *interaction) (message, error) {
	now := b.now()
	worlds, err := b.cfg.Store.Population(ctx)
	if err != nil {
		return message{}, err
	}
	states, err := b.cfg.Store.StreamStates(ctx)
	if err != nil {
		return message{}, err
	}
	silent := map[event.World]time.Time{} // since when nothing comes of it
	for _, s := range ill(states, now) {
		silent[s.World] = s.Since
	}
	order := slices.SortedFunc(maps.Keys(worlds), func(x, y event.World) int {
		return cmp.Or(cmp.Compare(all(worlds[y]), all(worlds[x])), cmp.Compare(x, y))
	})
	var lines []string
	total := 0
	for _, w := range order {
		total += all(worlds[w])
		line := i.lang.T("population.world", "world", escape(w.String()), "n", all(worlds[w])) + "\n" + bar(worlds[w]) + "\n" + i.lang.shares(worlds[w])
		if since, yes := silent[w]; yes {
			line += "\n" + i.lang.T("population.old", "when", moment(since, now))
		}
		lines = append(lines, line+"\n")
	}
	e := embed{Title: i.lang.T("population.title"), Color: color(event.NoFaction)}
	head := i.lang.N("population.head", total)
	if total == 0 {
		head = i.lang.T("population.nobody")
	}
	e.Description = joinLines(head+"\n", i.lang.list(lines, 3000), b.pageLine(i.lang))
	return message{Embeds: []embed{e}}, nil
}

func all(by map[event.Faction]int) (n int) {
	for _, k := range by {
		n += k
	}
	return n
}

// shares writes the numbers: "VS 100 · NC 110 · TR 95".
func (in lang) shares(by map[event.Faction]int) string {
	var parts []string
	for _, s := range sides {
		n, name := by[s.Faction], s.String()
		switch {
		case s.Faction == event.NoFaction && n > 0:
			parts = append(parts, in.T("population.unknown", "n", n))
		case s.Faction == event.NSO && n == 0, s.Faction == event.NoFaction:
		default:
			parts = append(parts, name+" "+in.Number(n))
		}
	}
	return strings.Join(parts, " · ")
}

// bar draws the shares in squares. Whoever is there at all has one.
func bar(by map[event.Faction]int) string {
	total := all(by)
	if total == 0 {
		return ""
	}
	squares := make([]int, len(sides))
	left := barLength
	for i, s := range sides {
		if by[s.Faction] > 0 {
			squares[i] = 1
			left--
		}
	}
	for ; left > 0; left-- { // each to whoever lacks most
		best, lack := 0, -1.0
		for i, s := range sides {
			if d := float64(by[s.Faction])/float64(total)*barLength - float64(squares[i]); by[s.Faction] > 0 && d > lack {
				best, lack = i, d
			}
		}
		squares[best]++
	}
	var out strings.Builder
	for i, s := range sides {
		out.WriteString(strings.Repeat(s.square, squares[i]))
	}
	return out.String()
}

// alertRuns shows the alerts that run, and those that were over lately.
func (b *Bot) alertRuns(ctx context.Context, i *interaction) (message, error) {
	now := b.now()
	runs, err := b.cfg.Store.AlertRuns(ctx, now)
	if err != nil {
		return message{}, err
	}
	var lines []string
	running := 0
	for _, r := range runs {
		lines = append(lines, i.lang.alertLine(r, now))
		if !r.Over {
			running++
		}
	}
	head, below := i.lang.T("alerts.none"), i.lang.T("alerts.below")
	if running > 0 {
		head, below = i.lang.N("alerts.running", running), i.lang.T("alerts.below_them")
	}
	if len(runs) > running {
		head += " " + below
	}
	e := embed{Title: i.lang.T("alerts.title"), Color: alertColor, Description: joinLines(head+"\n", i.lang.list(lines, 3000), b.doubt(ctx, i.lang))}
	return message{Embeds: []embed{e}}, nil
}

// alertLine tells of one alert: where, how long still, and how it stands.
func (in lang) alertLine(r event.AlertRun, now time.Time) string {
	name := r.Name
	if name == "" {
		name = in.T("alerts.unnamed")
	}
	where := r.World.String()
	if zone := r.Zone.String(); zone != "" {
		where += ", " + zone
	}
	line := fmt.Sprintf("**%s** — %s\n", escape(cut(name, 80)), escape(where))
	stand := in.territory(r.Alert)
	switch leader := r.Leads(); {
	case r.Over && r.State == event.MetagameCanceled:
		line += in.T("alerts.canceled", "when", ago(r.EndsAt))
	case r.Over && r.State != event.MetagameEnded:
		line += in.T("alerts.time_up", "when", ago(r.EndsAt), "stand", stand)
	case r.Over && leader == event.NoFaction:
		line += in.T("alerts.draw", "when", ago(r.EndsAt), "stand", stand)
	case r.Over:
		line += in.T("alerts.won", "when", ago(r.EndsAt), "side", leader, "stand", stand)
	default:
		line += in.T("alerts.ends", "when", ago(r.EndsAt), "stand", stand)
		if now.Sub(r.StartedAt) < time.Minute {
			line += " · " + in.T("alerts.fresh")
		}
	}
	return line + "\n"
}

// territory writes the shares of an alert: "VS 34 % · NC 33 % · TR 33 %".
func (in lang) territory(a event.Alert) string {
	return "VS " + in.Percent(a.VS) + " · NC " + in.Percent(a.NC) + " · TR " + in.Percent(a.TR)
}
