package bot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"muster/event"
)

// healthWords says each state in a player's words.
var healthWords = map[event.StreamHealth]string{
	event.StreamLive:        "🟢 live",
	event.StreamLate:        "🟡 late (events come, but seconds behind)",
	event.StreamSilent:      "🔴 silent (connected, but nothing comes)",
	event.StreamDown:        "🔴 down",
	event.StreamReconciling: "🟡 live (checking who is on)",
}

// status shows each world's stream, the holes of the last day, and the bot.
func (b *Bot) status(ctx context.Context, _ *interaction) (message, error) {
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
	e := embed{Title: "Does the game reach me?", Color: 0x3fa34d}
	lines := b.worldLines(states, online, now, &e)
	e.Description = joinLines(list(lines, 2400)+"\n", holes(gaps, now), b.selfLine(now), b.pageLine())
	return message{Embeds: []embed{e}}, nil
}

func (b *Bot) worldLines(states []event.StreamState, online map[event.World]int, now time.Time, e *embed) []string {
	if len(states) == 0 {
		e.Color = color(event.NoFaction)
		return []string{"No world has reported yet: the listener has not started, or just now."}
	}
	slices.SortFunc(states, func(x, y event.StreamState) int { return int(x.World) - int(y.World) })
	var lines []string
	for _, s := range states {
		s = s.At(now)
		line := fmt.Sprintf("**%s** — %s since %s", escape(s.World.String()), healthWords[s.Health], moment(s.Since, now))
		if n := online[s.World]; n > 0 {
			line += fmt.Sprintf(" · %s on", count(n, "player", "players"))
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
func holes(gaps []event.Gap, now time.Time) string {
	gaps = slices.DeleteFunc(slices.Clone(gaps), func(g event.Gap) bool { return gapLength(g, now) < time.Second })
	if len(gaps) == 0 {
		return "No holes are known in the record of the last 24 hours."
	}
	slices.SortFunc(gaps, func(x, y event.Gap) int { return y.From.Compare(x.From) })
	var lines []string
	for _, g := range gaps {
		length := span(gapLength(g, now))
		if g.To.IsZero() {
			length += ", still open"
		}
		lines = append(lines, fmt.Sprintf("• %s, <t:%d:t>: %s", escape(g.World.String()), g.From.Unix(), length))
	}
	return "Holes in the record of the last 24 hours:\n" + list(lines, 900)
}

func (b *Bot) selfLine(now time.Time) string {
	since := b.shards.since()
	if since.IsZero() {
		return "Bot: reconnecting to Discord."
	}
	return "Bot: connected to Discord since " + moment(since, now) + "."
}

func (b *Bot) pageLine() string {
	if b.cfg.PageURL == "" {
		return ""
	}
	return "[More on the page](" + b.cfg.PageURL + "/status)"
}
