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

// topicWords says each topic in a leader's words.
var topicWords = map[alert.Topic]string{
	alert.TopicMembers:  "members who come on and go off",
	alert.TopicJoins:    "who joins and who leaves",
	alert.TopicCaptures: "bases taken and held",
	alert.TopicAlerts:   "alerts in the game",
	alert.TopicLocks:    "continents that lock and open",
	alert.TopicStream:   "when the game's events do not reach me",

	alert.BoardOnline:     "board: who of the outfit is on",
	alert.BoardPopulation: "board: how many are on, world by world",
	alert.BoardAlerts:     "board: the alerts in the game",
	alert.BoardStreams:    "board: whether the game's events reach me",
	alert.TrackOnline:     "name: how many of the outfit are on",
	alert.TrackPopulation: "name: how many are on",
}

// stays are the times after which a message can be deleted.
var stays = []struct {
	text string
	time.Duration
}{{"1 hour", time.Hour}, {"6 hours", 6 * time.Hour}, {"1 day", 24 * time.Hour}, {"7 days", 7 * 24 * time.Hour}}

func stayText(d time.Duration) string {
	for _, s := range stays {
		if s.Duration == d {
			return s.text
		}
	}
	return span(d)
}

func topicChoices(topics []alert.Topic) (list []choice) {
	for _, t := range topics {
		list = append(list, choice{Name: topicWords[t], Value: string(t)})
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
		after = append(after, choice{Name: s.text, Value: s.String()})
	}
	return []optionDef{
		{Type: optionString, Name: "topic", Description: "What", Required: true, Choices: topicChoices(alert.Topics())},
		{Type: optionChannel, Name: "channel", Description: "Where; this channel if left out", ChannelTypes: []int{channelText, channelNews}},
		{Type: optionString, Name: "outfit", Description: "Of which outfit; this server's if left out", Autocomplete: true},
		{Type: optionString, Name: "world", Description: "Only of this world", Choices: worldChoices()},
		{Type: optionString, Name: "continent", Description: "Only of this continent", Choices: continents},
		{Type: optionInteger, Name: "at_least", Description: "Captures: only if so many of the outfit took part", MinValue: 1, MaxValue: alert.MaxTookPart},
		{Type: optionRole, Name: "mention", Description: "A role that is pinged each time"},
		{Type: optionString, Name: "delete_after", Description: "Delete each message after this time", Choices: after},
	}
}

// leader returns the guild, if whoever asks manages it.
func (i *interaction) leader() (alert.Snowflake, error) {
	guild, err := alert.ParseSnowflake(i.GuildID)
	if err != nil || i.Member == nil {
		return 0, tell("This is for servers: use it in the one that it is about.")
	}
	bits, err := strconv.ParseUint(i.Member.Permissions, 10, 64)
	if err != nil || bits&(administrator|manageChannels|manageGuild) == 0 {
		return 0, tell("This is for those who manage the server: it needs the permission “Manage Server” or “Manage Channels”.")
	}
	if i.Owners != nil && i.Owners["0"] == "" {
		return 0, tell("I am not a member of this server, only of your own account: somebody who manages it has to add me first.")
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
	return plain("🔗 This server is of " + outfitOf(o) + " now. `/subscribe` posts what happens there, `/online` shows who is on."), nil
}

// subscribe makes a channel be told of something.
func (b *Bot) subscribe(ctx context.Context, i *interaction) (message, error) {
	guild, err := i.leader()
	if err != nil {
		return message{}, err
	}
	s, err := b.wish(ctx, i, guild)
	if err == nil && s.Topic.Stands() {
		err = tell("That is what `/board` and `/tracker` are for.")
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
	head := "📣 I will post in <#" + saved.Channel.String() + ">: " + wishText(saved) + "."
	if !added {
		head = "📣 Changed. I post in <#" + saved.Channel.String() + ">: " + wishText(saved) + "."
	}
	m := plain(joinLines(head, "`/config view` shows everything that I post here."))
	m.Components = buttons(
		button{Label: "Post a test message", CustomID: controlVersion + "testsub:" + saved.Channel.String()},
		button{Label: "Stop this", Style: styleDanger, CustomID: controlVersion + "unsub:" + strconv.FormatInt(saved.ID, 10)})
	return m, b.promise(ctx)
}

// mayPost refuses a channel that cannot be written to. Where Discord does not say, the
// first post will.
func (b *Bot) mayPost(ctx context.Context, channel alert.Snowflake) error {
	err := b.rest.typing(ctx, channel.String())
	if decide(err).shut() {
		return tell("I cannot post in <#%s>: %s Then try again.", channel, pauseReason(codeOf(err)))
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
		return s, tell("I never ping everybody. Choose a role that people can give themselves.")
	}
	if err := s.Check(); err != nil {
		b.log.Info("a subscription that cannot be", "err", err)
		return s, tell("I do not understand that. Choose each option from what Discord suggests, for example `/subscribe topic:captures`.")
	}
	return s, nil
}

// ofGuild refuses a channel that is not the guild's: what comes with a command is what
// somebody's client has sent, and who manages one server is to write in no other.
func (b *Bot) ofGuild(ctx context.Context, guild, channel alert.Snowflake) error {
	of, err := b.rest.guildOf(ctx, channel.String())
	switch {
	case decide(err).shut():
		return tell("I cannot post in <#%s>: %s Then try again.", channel, pauseReason(codeOf(err)))
	case err != nil:
		return fmt.Errorf("channel: %w", err)
	case of != guild.String():
		return tell("That channel is not of this server.")
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
		err = tell("Of which outfit? Name it with the option `outfit`, or say once which one this server is of: `/outfit link`.")
	}
	return o, err
}

// wishText says what a channel is told of, with its filter.
func wishText(s alert.Subscription) string {
	parts := []string{topicWords[s.Topic]}
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
		parts = append(parts, "if at least "+strconv.Itoa(s.AtLeast)+" took part")
	}
	if s.Mention != 0 {
		parts = append(parts, "pings <@&"+s.Mention.String()+">")
	}
	if s.DeleteAfter > 0 {
		parts = append(parts, "deleted after "+stayText(s.DeleteAfter))
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
		name := topicWords[s.Topic]
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
		return message{}, tell("Choose one from the suggestions. `/config view` shows everything that I post here.")
	}
	return b.endSubscription(ctx, guild, id)
}

func (b *Bot) endSubscription(ctx context.Context, guild alert.Snowflake, id int64) (message, error) {
	list, err := b.cfg.Store.Subscriptions(ctx, guild)
	if err != nil {
		return message{}, err
	}
	i := slices.IndexFunc(list, func(s alert.Subscription) bool { return s.ID == id })
	if i < 0 {
		return message{}, tell("I do not post that any more.")
	}
	_, shown, err := b.cfg.Store.Unsubscribe(ctx, guild, id)
	if err != nil {
		return message{}, err
	}
	if shown != 0 {
		b.dropMessage(ctx, list[i].Channel, shown)
	}
	return plain("🔕 I no longer post in <#" + list[i].Channel.String() + ">: " + wishText(list[i]) + "."), nil
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
	m, err := b.endSubscription(ctx, guild, id)
	if err != nil {
		return m, err
	}
	m.Components = buttons(button{Label: "What I post here", CustomID: controlVersion + "config:view"})
	return m, nil
}
