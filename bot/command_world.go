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
func (b *Bot) population(ctx context.Context, _ *interaction) (message, error) {
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
		line := fmt.Sprintf("**%s** — %s on\n%s\n%s", escape(w.String()), number(all(worlds[w])), bar(worlds[w]), shares(worlds[w]))
		if since, yes := silent[w]; yes {
			line += "\n⚠️ no news since " + moment(since, now) + ": this is how it was then"
		}
		lines = append(lines, line+"\n")
	}
	e := embed{Title: "Who is on", Color: color(event.NoFaction)}
	head := count(total, "player", "players") + " on, as I see it in the game's stream."
	if total == 0 {
		head = "I see nobody on any world. `/status` says whether the game reaches me."
	}
	e.Description = joinLines(head+"\n", list(lines, 3000), b.pageLine())
	return message{Embeds: []embed{e}}, nil
}

func all(by map[event.Faction]int) (n int) {
	for _, k := range by {
		n += k
	}
	return n
}

// shares writes the numbers: "VS 100 · NC 110 · TR 95".
func shares(by map[event.Faction]int) string {
	var parts []string
	for _, s := range sides {
		n, name := by[s.Faction], s.String()
		switch {
		case s.Faction == event.NoFaction && n > 0:
			parts = append(parts, fmt.Sprintf("not known yet %s", number(n)))
		case s.Faction == event.NSO && n == 0, s.Faction == event.NoFaction:
		default:
			parts = append(parts, name+" "+number(n))
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

// number writes n with a thin space between thousands.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// alertRuns shows the alerts that run, and those that were over lately.
func (b *Bot) alertRuns(ctx context.Context, _ *interaction) (message, error) {
	now := b.now()
	runs, err := b.cfg.Store.AlertRuns(ctx, now)
	if err != nil {
		return message{}, err
	}
	var lines []string
	running := 0
	for _, r := range runs {
		lines = append(lines, alertLine(r, now))
		if !r.Over {
			running++
		}
	}
	head := "No alert runs on any world."
	if running > 0 {
		head = count(running, "alert runs", "alerts run") + " now."
	}
	if len(runs) > running {
		head += " Below what ended within the last two hours."
		if running > 0 {
			head = strings.Replace(head, "Below what", "Below them what", 1)
		}
	}
	e := embed{Title: "Alerts", Color: 0xd99a2b, Description: joinLines(head+"\n", list(lines, 3000), b.doubt(ctx))}
	return message{Embeds: []embed{e}}, nil
}

// alertLine tells of one alert: where, how long still, and how it stands.
func alertLine(r event.AlertRun, now time.Time) string {
	name := r.Name
	if name == "" {
		name = "Alert"
	}
	where := r.World.String()
	if zone := r.Zone.String(); zone != "" {
		where += ", " + zone
	}
	line := fmt.Sprintf("**%s** — %s\n", escape(cut(name, 80)), escape(where))
	stand := territory(r.Alert)
	switch leader := r.Leads(); {
	case r.Over && r.State == event.MetagameCanceled:
		line += "canceled " + ago(r.EndsAt)
	case r.Over && r.State != event.MetagameEnded:
		line += "time was up " + ago(r.EndsAt) + " · last told: " + stand
	case r.Over && leader == event.NoFaction:
		line += "ended " + ago(r.EndsAt) + " in a draw · " + stand
	case r.Over:
		line += "ended " + ago(r.EndsAt) + " · " + leader.String() + " won · " + stand
	default:
		line += "ends " + ago(r.EndsAt) + " · " + stand
		if now.Sub(r.StartedAt) < time.Minute {
			line += " · has just begun"
		}
	}
	return line + "\n"
}

// territory writes the shares of an alert: "VS 34 % · NC 33 % · TR 33 %".
func territory(a event.Alert) string {
	return fmt.Sprintf("VS %.0f %% · NC %.0f %% · TR %.0f %%", a.VS, a.NC, a.TR)
}
