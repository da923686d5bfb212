package bot

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/alert"
	"muster/event"
)

// Kinds of command options, and of channels where a bot can post.
const (
	optionInteger = 4
	optionChannel = 7
	optionRole    = 8

	channelText  = 0
	channelVoice = 2
	channelNews  = 5
)

// Permissions of which a leader has one (Discord: permissions).
const (
	administrator  = 1 << 3
	manageChannels = 1 << 4
	manageGuild    = 1 << 5
)

// leaderCommands are for those who manage a guild, and only there.
var leaderCommands = map[string]bool{"subscribe": true, "unsubscribe": true, "config": true, "board": true, "tracker": true}

// topicKeys say each topic in a leader's words.
var topicKeys = map[alert.Topic]string{
	alert.TopicMembers:  "topic.members",
	alert.TopicJoins:    "topic.joins",
	alert.TopicCaptures: "topic.captures",
	alert.TopicAlerts:   "topic.alerts",
	alert.TopicLocks:    "topic.locks",
	alert.TopicStream:   "topic.stream",

	alert.BoardOnline:     "topic.board_online",
	alert.BoardPopulation: "topic.board_population",
	alert.BoardAlerts:     "topic.board_alerts",
	alert.BoardStreams:    "topic.board_streams",
	alert.TrackOnline:     "topic.track_online",
	alert.TrackPopulation: "topic.track_population",
}

// stays are the times after which a message can be deleted.
var stays = []struct {
	key string
	time.Duration
}{{"stay.hour", time.Hour}, {"stay.six_hours", 6 * time.Hour}, {"stay.day", 24 * time.Hour}, {"stay.week", 7 * 24 * time.Hour}}

func (in lang) stay(d time.Duration) string {
	for _, s := range stays {
		if s.Duration == d {
			return in.T(s.key)
		}
	}
	return in.span(d)
}

func topicChoices(topics []alert.Topic) (list []choice) {
	for _, t := range topics {
		list = append(list, choice{key: topicKeys[t], Value: string(t)})
	}
	return list
}

// worldChoices are the worlds that are open.
func worldChoices() (list []choice) {
	for _, w := range event.Worlds() {
		if w.Live {
			list = append(list, choice{Name: w.Name, Value: strconv.Itoa(int(w.ID))})
		}
	}
	return list
}

// subscribeOptions are those of /subscribe.
func subscribeOptions() []optionDef {
	var continents, after []choice
	for _, z := range event.Continents() {
		continents = append(continents, choice{Name: z.String(), Value: strconv.Itoa(int(z))})
	}
	for _, s := range stays {
		after = append(after, choice{key: s.key, Value: s.String()})
	}
	return []optionDef{
		{Type: optionString, Name: "topic", Description: "about.topic", Required: true, Choices: topicChoices(alert.Topics())},
		{Type: optionChannel, Name: "channel", Description: "about.channel", ChannelTypes: []int{channelText, channelNews}},
		{Type: optionString, Name: "outfit", Description: "about.outfit_here", Autocomplete: true},
		{Type: optionString, Name: "world", Description: "about.world_only", Choices: worldChoices()},
		{Type: optionString, Name: "continent", Description: "about.continent_only", Choices: continents},
		{Type: optionInteger, Name: "at_least", Description: "about.at_least", MinValue: 1, MaxValue: alert.MaxTookPart},
		{Type: optionRole, Name: "mention", Description: "about.mention"},
		{Type: optionString, Name: "delete_after", Description: "about.delete_after", Choices: after},
	}
}

// leader returns the guild, if whoever asks manages it.
func (i *interaction) leader() (alert.Snowflake, error) {
	guild, err := alert.ParseSnowflake(i.GuildID)
	if err != nil || i.Member == nil {
		return 0, tell("leader.guild_only")
	}
	bits, err := strconv.ParseUint(i.Member.Permissions, 10, 64)
	if err != nil || bits&(administrator|manageChannels|manageGuild) == 0 {
		return 0, tell("leader.permission")
	}
	if i.Owners != nil && i.Owners["0"] == "" {
		return 0, tell("leader.not_member")
	}
	return guild, nil
}

// outfitLink says which outfit the guild is of.
func (b *Bot) outfitLink(ctx context.Context, i *interaction) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	o, err := b.outfit(ctx, i.command.text("outfit"))
	if err != nil {
		return message{}, err
	}
	if err := b.cfg.Store.LinkGuild(ctx, guild, o.ID, i.by, b.now()); err != nil {
		return message{}, err
	}
	return plain(i.lang.T("outfit.linked", "outfit", outfitOf(o))), nil
}

// subscribe makes a channel be told of something.
func (b *Bot) subscribe(ctx context.Context, i *interaction) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	s, err := b.wish(ctx, i, guild)
	if err == nil && s.Topic.Stands() {
		err = tell("subscribe.stands")
	}
	if err != nil {
		return message{}, err
	}
	if err := b.mayPost(ctx, s.Channel); err != nil {
		return message{}, err
	}
	saved, added, err := b.cfg.Store.Subscribe(ctx, s)
	if err != nil {
		return message{}, limited(err)
	}
	head := i.lang.T("subscribe.done", "channel", mention(saved.Channel), "what", i.lang.wish(saved))
	if !added {
		head = i.lang.T("subscribe.changed", "channel", mention(saved.Channel), "what", i.lang.wish(saved))
	}
	m := plain(joinLines(head, i.lang.T("subscribe.view")))
	m.Components = buttons(
		button{Label: i.lang.T("subscribe.test"), CustomID: controlVersion + "testsub:" + saved.Channel.String()},
		button{Label: i.lang.T("subscribe.stop"), Style: styleDanger, CustomID: controlVersion + "unsub:" + strconv.FormatInt(saved.ID, 10)})
	return m, b.promise(ctx)
}

// mayPost refuses a channel that cannot be written to. Where Discord does not say, the
// first post will.
func (b *Bot) mayPost(ctx context.Context, channel alert.Snowflake) error {
	err := b.rest.typing(ctx, channel.String())
	if decide(err).shut() {
		return tell("cannot.post", "channel", mention(channel), "reason", pauseReason(codeOf(err)))
	}
	if err != nil {
		b.log.Warn("not known whether a channel can be written to", "err", b.redact.err(err))
	}
	return nil
}

// wish reads what was asked for.
func (b *Bot) wish(ctx context.Context, i *interaction, guild alert.Snowflake) (alert.Subscription, error) {
	d := i.command
	s := alert.Subscription{Guild: guild, Topic: alert.Topic(d.text("topic")), By: i.by, CreatedAt: b.now(), Locale: clip(i.GuildLocale, 16)}
	where := d.text("channel")
	if where == "" {
		where = i.ChannelID
	}
	s.Channel, _ = alert.ParseSnowflake(where) // checked below
	s.Mention, _ = alert.ParseSnowflake(d.text("mention"))
	world, _ := strconv.ParseInt(d.text("world"), 10, 32)
	zone, _ := strconv.ParseUint(d.text("continent"), 10, 32)
	s.World, s.Zone = event.World(world), event.Zone(zone)
	s.AtLeast, _ = strconv.Atoi(d.text("at_least"))
	s.DeleteAfter, _ = time.ParseDuration(d.text("delete_after"))
	if s.Topic.OfOutfit() {
		var err error
		if s.Of, err = b.outfitHere(ctx, i, guild); err != nil {
			return s, err
		}
		s.Outfit = s.Of.ID
	}
	if err := b.ofGuild(ctx, guild, s.Channel); err != nil {
		return s, err
	}
	if s.Mention == guild {
		return s, tell("subscribe.everybody")
	}
	if err := s.Check(); err != nil {
		b.log.Info("a subscription that cannot be", "err", err)
		return s, tell("subscribe.odd")
	}
	return s, nil
}

// ofGuild refuses a channel that is not the guild's: what comes with a command is what
// somebody's client has sent, and who manages one server is to write in no other.
func (b *Bot) ofGuild(ctx context.Context, guild, channel alert.Snowflake) error {
	of, err := b.rest.guildOf(ctx, channel.String())
	switch {
	case decide(err).shut():
		return tell("cannot.post", "channel", mention(channel), "reason", pauseReason(codeOf(err)))
	case err != nil:
		return fmt.Errorf("channel: %w", err)
	case of != guild.String():
		return tell("subscribe.foreign")
	}
	return nil
}

// outfitHere returns the outfit that was named, or that the guild is of.
func (b *Bot) outfitHere(ctx context.Context, i *interaction, guild alert.Snowflake) (event.Outfit, error) {
	if text := i.command.text("outfit"); text != "" {
		return b.outfit(ctx, text)
	}
	o, linked, err := b.cfg.Store.GuildOutfit(ctx, guild)
	if err == nil && !linked {
		err = tell("subscribe.which_outfit")
	}
	return o, err
}

// mention renders a channel as a link to it.
func mention(channel alert.Snowflake) string { return "<#" + channel.String() + ">" }

// wish says what a channel is told of, with its filter.
func (in lang) wish(s alert.Subscription) string {
	parts := []string{in.T(topicKeys[s.Topic])}
	if s.Outfit != 0 {
		parts = append(parts, outfitOf(s.Of))
	}
	if s.World != 0 {
		parts = append(parts, escape(s.World.String()))
	}
	if s.Zone != 0 {
		parts = append(parts, escape(s.Zone.String()))
	}
	if s.AtLeast > 0 {
		parts = append(parts, in.N("wish.at_least", s.AtLeast))
	}
	if s.Mention != 0 {
		parts = append(parts, in.T("wish.pings", "role", "<@&"+s.Mention.String()+">"))
	}
	if s.DeleteAfter > 0 {
		parts = append(parts, in.T("wish.deleted", "span", in.stay(s.DeleteAfter)))
	}
	return strings.Join(parts, " · ")
}

// suggestSubscriptions completes /unsubscribe.
func (b *Bot) suggestSubscriptions(ctx context.Context, i *interaction, typed string) []choice {
	guild, err := i.leader()
	if err != nil {
		return nil
	}
	list, err := b.cfg.Store.Subscriptions(ctx, guild)
	if err != nil {
		return nil
	}
	var out []choice
	for _, s := range list {
		name := i.lang.T(topicKeys[s.Topic])
		if s.Outfit != 0 {
			name += " · " + outfitChoice(s.Of)
		}
		if s.World != 0 {
			name += " · " + s.World.String()
		}
		if s.Zone != 0 {
			name += " · " + s.Zone.String()
		}
		name += " (" + strconv.FormatInt(s.ID, 10) + ")"
		if strings.Contains(strings.ToLower(name), strings.ToLower(typed)) && len(out) < maxChoices {
			out = append(out, choice{Name: cut(bare(name), 100), Value: pick(s.ID)})
		}
	}
	return out
}

// unsubscribe ends a subscription that was picked.
func (b *Bot) unsubscribe(ctx context.Context, i *interaction) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	id, ok := picked(i.command.text("subscription"))
	if !ok {
		return message{}, tell("unsubscribe.choose")
	}
	return b.endSubscription(ctx, i.lang, guild, id)
}

func (b *Bot) endSubscription(ctx context.Context, in lang, guild alert.Snowflake, id int64) (message, error) {
	list, err := b.cfg.Store.Subscriptions(ctx, guild)
	if err != nil {
		return message{}, err
	}
	i := slices.IndexFunc(list, func(s alert.Subscription) bool { return s.ID == id })
	if i < 0 {
		return message{}, tell("unsubscribe.gone")
	}
	_, shown, err := b.cfg.Store.Unsubscribe(ctx, guild, id)
	if err != nil {
		return message{}, err
	}
	if shown != 0 {
		b.dropMessage(ctx, list[i].Channel, shown)
	}
	return plain(in.T("unsubscribe.done", "channel", mention(list[i].Channel), "what", in.wish(list[i]))), nil
}

// pressUnsubscribe is the button that ends a subscription.
func (b *Bot) pressUnsubscribe(ctx context.Context, i *interaction, arg string) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		id, err = strconv.ParseInt(i.value(), 10, 64)
	}
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	m, err := b.endSubscription(ctx, i.lang, guild, id)
	if err != nil {
		return m, err
	}
	m.Components = buttons(button{Label: i.lang.T("unsubscribe.view"), CustomID: controlVersion + "config:view"})
	return m, nil
}
