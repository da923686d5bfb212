package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"muster/alert"
	"muster/event"
)

// configView shows what is posted where.
func (b *Bot) configView(ctx context.Context, i *interaction) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	subs, err := b.cfg.Store.Subscriptions(ctx, guild)
	if err != nil {
		return message{}, err
	}
	o, linked, err := b.cfg.Store.GuildOutfit(ctx, guild)
	if err != nil {
		return message{}, err
	}
	e := embed{Title: i.lang.T("config.title"), Color: color(o.Faction)}
	head := i.lang.T("config.outfit", "outfit", outfitOf(o))
	if !linked {
		head = i.lang.T("config.no_outfit")
	}
	if len(subs) == 0 {
		e.Description = joinLines(head, "", i.lang.T("config.nothing"))
		return message{Embeds: []embed{e}}, nil
	}
	var lines []string
	var options []option
	var paused []alert.Snowflake
	for _, s := range subs {
		line := "• " + mention(s.Channel) + ": " + i.lang.wish(s)
		if s.Paused != "" {
			line += "\n  " + i.lang.T("config.paused", "when", ago(s.PausedAt), "reason", pauseReason(s.Paused))
			if !slices.Contains(paused, s.Channel) {
				paused = append(paused, s.Channel)
			}
		}
		lines = append(lines, line)
		what := i.lang.T(topicKeys[s.Topic])
		if s.Outfit != 0 {
			what += " · " + outfitChoice(s.Of)
		}
		options = append(options, option{Label: what, Value: strconv.FormatInt(s.ID, 10)})
	}
	e.Description = joinLines(head+"\n", i.lang.list(lines, maxDescription-200))
	m := message{Embeds: []embed{e}, Components: choose(controlVersion+"unsub:", i.lang.T("config.stop"), options...)}
	var row []button
	for _, ch := range paused {
		row = append(row, button{Label: i.lang.resume(len(row)+1, len(paused)), Style: styleGood, CustomID: controlVersion + "resume:" + ch.String()})
	}
	row = append(row[:min(len(row), 4)], button{Label: i.lang.T("config.test"), CustomID: controlVersion + "testsub:all"})
	m.Components = append(m.Components, buttons(row...)...)
	return m, nil
}

// resume labels the button of one channel, so that several can be told apart.
func (in lang) resume(n, of int) string {
	if of == 1 {
		return in.T("config.resume")
	}
	return in.T("config.resume_nth", "n", n)
}

// pressConfig shows the configuration in place of something else.
func (b *Bot) pressConfig(ctx context.Context, i *interaction, _ string) (message, error) {
	return b.configView(ctx, i)
}

// pressResume lets a channel go on, if it can be written to by now.
func (b *Bot) pressResume(ctx context.Context, i *interaction, arg string) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	channel, err := alert.ParseSnowflake(arg)
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	own, err := b.postsIn(ctx, guild, channel)
	if err != nil || !own {
		return message{}, errors.Join(err, tell("config.not_there"))
	}
	if err := b.rest.typing(ctx, channel.String()); err != nil {
		return message{}, tell("config.still_not", "channel", mention(channel), "reason", pauseReason(codeOf(err)))
	}
	if _, err := b.cfg.Store.ResumeChannel(ctx, guild, channel); err != nil {
		return message{}, err
	}
	return b.configView(ctx, i)
}

// postsIn reports whether something of guild is posted in channel: no button reaches
// into another guild.
func (b *Bot) postsIn(ctx context.Context, guild, channel alert.Snowflake) (bool, error) {
	channels, err := b.channelsOf(ctx, guild)
	return slices.Contains(channels, channel), err
}

// channelsOf returns where something of guild is posted, each channel once.
func (b *Bot) channelsOf(ctx context.Context, guild alert.Snowflake) ([]alert.Snowflake, error) {
	list, err := b.cfg.Store.Subscriptions(ctx, guild)
	var out []alert.Snowflake
	for _, s := range list {
		if !slices.Contains(out, s.Channel) {
			out = append(out, s.Channel)
		}
	}
	return out, err
}

// configAudit finds channels that cannot be written to.
func (b *Bot) configAudit(ctx context.Context, i *interaction) (message, error) {
	return b.eachChannel(ctx, i, i.lang.T("config.audit"), func(ctx context.Context, channel string) error { return b.rest.typing(ctx, channel) })
}

// configTest posts a message in each channel.
func (b *Bot) configTest(ctx context.Context, i *interaction) (message, error) {
	return b.eachChannel(ctx, i, i.lang.T("config.tests"), b.testPost(i))
}

func (b *Bot) testPost(i *interaction) func(context.Context, string) error {
	return func(ctx context.Context, channel string) error {
		_, err := b.rest.createMessage(ctx, channel, message{Embeds: []embed{{Description: b.in(i.GuildLocale, i.locale()).T("config.test_post")}}}, "c"+i.ID)
		return err
	}
}

// pressTest is the button that posts a test message in one channel, or in all.
func (b *Bot) pressTest(ctx context.Context, i *interaction, arg string) (message, error) {
	if arg == "all" {
		return b.configTest(ctx, i)
	}
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	channel, err := alert.ParseSnowflake(arg)
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	if own, err := b.postsIn(ctx, guild, channel); err != nil || !own {
		return message{}, errors.Join(err, tell("config.not_there"))
	}
	return plain(i.lang.channelLine(channel, b.testPost(i)(ctx, channel.String()))), nil
}

// eachChannel does f for each channel of the guild and says what came of it. What works
// again is resumed.
func (b *Bot) eachChannel(ctx context.Context, i *interaction, title string, f func(context.Context, string) error) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	channels, err := b.channelsOf(ctx, guild)
	if err != nil {
		return message{}, err
	}
	if len(channels) == 0 {
		return message{}, tell("config.none")
	}
	e := embed{Title: title, Color: 0x3fa34d}
	var lines []string
	for _, channel := range channels {
		err := f(ctx, channel.String())
		line := i.lang.channelLine(channel, err)
		if err != nil {
			e.Color = color(event.TR)
		} else if n, err := b.cfg.Store.ResumeChannel(ctx, guild, channel); err != nil {
			return message{}, err
		} else if n > 0 {
			line += " " + i.lang.T("config.resumed")
		}
		lines = append(lines, line)
	}
	e.Description = i.lang.list(lines, maxDescription-200)
	return message{Embeds: []embed{e}}, nil
}

func (in lang) channelLine(channel alert.Snowflake, err error) string {
	switch d := decide(err); d.do {
	case sent:
		return in.T("config.works", "channel", mention(channel))
	case wait, again:
		return in.T("config.wait", "channel", mention(channel))
	}
	return in.T("config.fails", "channel", mention(channel), "reason", pauseReason(codeOf(err)))
}
