package bot

import (
	"context"
	"slices"
	"time"

	"muster/event"
)

// healthKeys say each state in a player's words.
var healthKeys = map[event.StreamHealth]string{
	event.StreamLive:        "status.live",
	event.StreamLate:        "status.late",
	event.StreamSilent:      "status.silent",
	event.StreamDown:        "status.down",
	event.StreamReconciling: "status.reconciling",
}

// status shows each world's stream, the holes of the last day, and the bot.
func (b *Bot) status(ctx context.Context, i *interaction) (message, error) {
	now := b.now()
	states, err := b.cfg.Store.StreamStates(ctx)
	if err != nil {
		return message{}, err
	}
	gaps, err := b.cfg.Store.Gaps(ctx, now.Add(-24*time.Hour), now)
	if err != nil {
		return message{}, err
	}
	online, err := b.cfg.Store.OnlineCount(ctx)
	if err != nil {
		return message{}, err
	}
	e := embed{Title: i.lang.T("status.title"), Color: 0x3fa34d}
	lines := i.lang.worldLines(states, online, now, &e)
	e.Description = joinLines(i.lang.list(lines, 2400)+"\n", i.lang.holes(gaps, now), b.selfLine(i.lang, now), b.pageLine(i.lang))
	return message{Embeds: []embed{e}}, nil
}

func (in lang) worldLines(states []event.StreamState, online map[event.World]int, now time.Time, e *embed) []string {
	if len(states) == 0 {
		e.Color = color(event.NoFaction)
		return []string{in.T("status.none")}
	}
	slices.SortFunc(states, func(x, y event.StreamState) int { return int(x.World) - int(y.World) })
	var lines []string
	for _, s := range states {
		s = s.At(now)
		line := "**" + escape(s.World.String()) + "** — " + in.T("status.line", "health", in.T(healthKeys[s.Health]), "when", moment(s.Since, now))
		if n := online[s.World]; n > 0 {
			line += " · " + in.N("status.players", n)
		}
		if s.Health != event.StreamLive && s.Reason != "" {
			line += " (" + escape(clip(s.Reason, 100)) + ")"
		}
		if !s.Health.Flowing() {
			e.Color = color(event.TR)
		}
		lines = append(lines, line)
	}
	return lines
}

// holes lists what is missing of the last day's record.
func (in lang) holes(gaps []event.Gap, now time.Time) string {
	gaps = slices.DeleteFunc(slices.Clone(gaps), func(g event.Gap) bool { return gapLength(g, now) < time.Second })
	if len(gaps) == 0 {
		return in.T("status.no_holes")
	}
	slices.SortFunc(gaps, func(x, y event.Gap) int { return y.From.Compare(x.From) })
	var lines []string
	for _, g := range gaps {
		length := in.span(gapLength(g, now))
		if g.To.IsZero() {
			length = in.T("status.open", "span", length)
		}
		lines = append(lines, "• "+escape(g.World.String())+", "+timeOfDay(g.From)+": "+length)
	}
	return in.T("status.holes") + "\n" + in.list(lines, 900)
}

func (b *Bot) selfLine(in lang, now time.Time) string {
	since := b.shards.since()
	if since.IsZero() {
		return in.T("status.reconnecting")
	}
	return in.T("status.connected", "when", moment(since, now))
}

func (b *Bot) pageLine(in lang) string {
	if b.cfg.PageURL == "" {
		return ""
	}
	return "[" + in.T("page.more") + "](" + b.cfg.PageURL + "/status)"
}
