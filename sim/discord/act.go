package discord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// AnswerKind is the bot's first response to an interaction.
type AnswerKind string

// Kinds of answers. AnswerNone means that the bot did not respond in time.
const (
	AnswerNone           AnswerKind = "none"
	AnswerMessage        AnswerKind = "message"
	AnswerDeferred       AnswerKind = "deferred"
	AnswerDeferredUpdate AnswerKind = "deferred_update"
	AnswerUpdate         AnswerKind = "update"
	AnswerChoices        AnswerKind = "choices"
	AnswerModal          AnswerKind = "modal"
)

// ErrNoResponse says that the bot let the deadline pass.
var ErrNoResponse = errors.New("the application did not respond")

// An Answer is what a user got for an interaction.
type Answer struct {
	InteractionID string     `json:"interaction_id"`
	Kind          AnswerKind `json:"kind"`
	// Ephemeral says that only the user sees the message.
	Ephemeral bool `json:"ephemeral"`
	// Message is the answer, complete if it was deferred; nil if there is
	// none or it was deleted.
	Message *Message `json:"message,omitempty"`
	// Followups are the further messages so far.
	Followups []Message `json:"followups,omitempty"`
	Choices   []Choice  `json:"choices,omitempty"`
	Modal     *Modal    `json:"modal,omitempty"`
	// SentAt is when the user acted, AnsweredAt when the first response
	// arrived, FinishedAt when the answer was complete; zero if it is not.
	SentAt     time.Time `json:"sent_at"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// A Modal is a form the bot opened.
type Modal struct {
	CustomID   string      `json:"custom_id"`
	Title      string      `json:"title"`
	Components []Component `json:"components"`
}

// An openModal is one that a user has before them.
type openModal struct {
	Modal
	by *interaction
}

// A CommandInput is a user typing a command.
type CommandInput struct {
	// User is an id or a name.
	User string `json:"user"`
	// Channel is an id or a guild channel's name; empty is the DM with the
	// bot.
	Channel string `json:"channel,omitempty"`
	// Text is such as "/watch add player:Kestrel", with the names of the user's
	// language or the commands' own.
	Text string `json:"text"`
	// Values replace what the text says for options of these names, as
	// picking an autocompletion does whose value is not its name.
	Values map[string]any `json:"values,omitempty"`
	// NoWait returns at the first response, deferred or not.
	NoWait bool `json:"no_wait,omitempty"`
}

// Command lets a user run a command and returns the answer. It blocks until
// there is one, a deferred one being awaited until ctx ends. The error is
// ErrNoResponse if the bot was late, and otherwise says why Discord's client
// would not have sent the command.
func (s *Server) Command(ctx context.Context, in CommandInput) (Answer, error) {
	i, data, err := s.prepare(in, false)
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, i, data, in.NoWait)
}

// Autocomplete lets a user type part of a command and returns what the bot
// suggests for the option at its end.
func (s *Server) Autocomplete(ctx context.Context, in CommandInput) ([]Choice, error) {
	i, data, err := s.prepare(in, true)
	if err != nil {
		return nil, err
	}
	a, err := s.interact(ctx, i, data, true)
	return a.Choices, err
}

// PersonInput is a user choosing a command in the menu of somebody.
type PersonInput struct {
	User    string `json:"user"`
	Channel string `json:"channel,omitempty"`
	Name    string `json:"name"`   // of the command
	Target  string `json:"target"` // an id or a name
}

// OnPerson lets a user choose a command in the menu of a person, and returns the answer as
// Command does.
func (s *Server) OnPerson(ctx context.Context, in PersonInput) (Answer, error) {
	s.mu.Lock()
	u, ch, err := s.where(in.User, in.Channel)
	target := s.world.findUser(in.Target)
	if err == nil && target == nil {
		err = fmt.Errorf("there is no such user: %q", in.Target)
	}
	if err != nil {
		s.mu.Unlock()
		return Answer{}, err
	}
	all := s.visible(u, ch)
	at := slices.IndexFunc(all, func(c Command) bool {
		return c.Type == commandOnUser && (c.Name == in.Name || c.in(u.locale()).Name == in.Name)
	})
	if at < 0 {
		s.mu.Unlock()
		return Answer{}, fmt.Errorf("there is no such command in the menu of a person: %s", in.Name)
	}
	users, members := map[string]any{target.ID: *target}, map[string]any{}
	if g := s.world.guild(ch.GuildID); g != nil {
		members[target.ID] = member(g, *target)
	}
	data := map[string]any{"id": all[at].ID, "name": all[at].Name, "type": commandOnUser, "target_id": target.ID,
		"resolved": map[string]any{"users": users, "members": members}}
	i := &interaction{kind: interactionCommand, user: *u, channelID: ch.ID, guildID: ch.GuildID, name: all[at].Name}
	s.mu.Unlock()
	return s.interact(ctx, i, data, false)
}

// commandOnUser is the type of a command in the menu of a person.
const commandOnUser = 2

// prepare parses a command for the user who types it.
func (s *Server) prepare(in CommandInput, completing bool) (*interaction, map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ch, err := s.where(in.User, in.Channel)
	if err != nil {
		return nil, nil, err
	}
	p, ok := parseAs(u, s.visible(u, ch), in.Text)
	if !ok {
		return nil, nil, fmt.Errorf("there is no such command: %s", in.Text)
	}
	kind := interactionCommand
	if completing {
		kind = interactionAutocomplete
		if len(p.args) == 0 || !p.args[len(p.args)-1].option.Autocomplete {
			return nil, nil, fmt.Errorf("%q does not end in an option with autocomplete", in.Text)
		}
	}
	options, err := p.options(&s.world, in.Values, completing)
	if err != nil {
		return nil, nil, err
	}
	data := map[string]any{"id": p.command.ID, "name": p.command.sent, "type": 1, "options": options}
	if p.command.GuildID != "" {
		data["guild_id"] = p.command.GuildID
	}
	if r := s.resolved(p, options, ch.GuildID); r != nil {
		data["resolved"] = r
	}
	return &interaction{kind: kind, user: *u, channelID: ch.ID, guildID: ch.GuildID, name: p.sentLeaf()}, data, nil
}

// resolved renders the users, roles and channels that options name.
func (s *Server) resolved(p parsed, options []map[string]any, guildID string) map[string]any {
	for range p.path {
		options, _ = options[0]["options"].([]map[string]any)
	}
	users, members, channels, roles := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for _, o := range options {
		id, _ := o["value"].(string)
		switch o["type"] {
		case optionUser, optionMention:
			if u := s.world.user(id); u != nil {
				users[id] = *u
				if g := s.world.guild(guildID); g != nil {
					members[id] = member(g, *u)
				}
			}
		case optionChannel:
			if ch := s.world.channels[id]; ch != nil {
				channels[id] = *ch
			}
		case optionRole:
			if r := s.world.findRole(id); r != nil {
				roles[id] = *r
			}
		}
	}
	if len(users)+len(channels)+len(roles) == 0 {
		return nil
	}
	return map[string]any{"users": users, "members": members, "channels": channels, "roles": roles}
}

// where finds a user and a channel. It needs s.mu.
func (s *Server) where(user, channel string) (*User, *Channel, error) {
	u := s.world.findUser(user)
	if u == nil {
		return nil, nil, fmt.Errorf("there is no such user: %q", user)
	}
	if channel == "" {
		ch := s.world.channels[s.world.dms[u.ID]]
		if ch == nil {
			ch = s.world.openDM(*u, s.ids.next(s.cfg.Now()))
		}
		return u, ch, nil
	}
	ch := s.world.findChannel(channel)
	if ch == nil || ch.Type == channelDM && s.world.dms[u.ID] != ch.ID {
		return nil, nil, fmt.Errorf("%s sees no such channel: %q", u.name(), channel)
	}
	return u, ch, nil
}

// visible returns the commands that u can use in ch (notes 5, "Commands"). A
// guild's own come before global ones. It needs s.mu.
func (s *Server) visible(u *User, ch *Channel) []Command {
	g := s.world.guild(ch.GuildID)
	all := append([]Command{}, s.registry.byGuild[""]...)
	if g != nil {
		all = slices.Concat(s.registry.byGuild[g.ID], all)
	}
	return slices.DeleteFunc(all, func(c Command) bool { return !c.usable(u, g) })
}

// usable reports whether u may use c in g, or in the DM with the bot if g is
// nil.
func (c Command) usable(u *User, g *Guild) bool {
	if g == nil {
		if c.Contexts == nil {
			return c.DMPermission == nil || *c.DMPermission
		}
		return slices.Contains(c.Contexts, 1)
	}
	if c.Contexts != nil && !slices.Contains(c.Contexts, 0) {
		return false
	}
	if g.UserInstalledOnly {
		return slices.Contains(c.IntegrationTypes, 1)
	}
	// A default; what the bot itself demands is its own affair.
	return c.DefaultMemberPermissions == nil || g.OwnerID == u.ID
}

// interact sends an interaction to the bot and waits for its answer.
func (s *Server) interact(ctx context.Context, i *interaction, data map[string]any, noWait bool) (Answer, error) {
	s.mu.Lock()
	s.begin(i)
	event := s.interactionEvent(i, data)
	posted := s.endpoint
	s.mu.Unlock()
	s.hub.publish("interaction", map[string]any{"id": i.id, "type": i.kind, "user": i.user.ID, "name": i.name})
	if posted != nil {
		posted.send(ctx, s, event)
	} else {
		if s.gate.dispatch("INTERACTION_CREATE", i.guildID, func(*session) any { return event }) > 1 {
			s.mu.Lock()
			s.stats.Doubled++
			s.mu.Unlock()
		}
	}

	deadline := time.NewTimer(s.cfg.InteractionDeadline)
	defer deadline.Stop()
	select {
	case <-i.answered:
	case <-deadline.C:
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	case <-s.ended:
		return Answer{}, errors.New("the stand-in discord was closed")
	}
	if s.expire(i) {
		return s.answerOf(i), ErrNoResponse
	}
	if !noWait {
		select {
		case <-i.finished:
		case <-ctx.Done():
		case <-s.ended:
		}
	}
	return s.answerOf(i), nil
}

// expire voids i if it has no response, and reports so.
func (s *Server) expire(i *interaction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.response != 0 {
		return false
	}
	i.void = true
	s.stats.Missed++
	return true
}

// interactionEvent renders INTERACTION_CREATE. It needs s.mu.
func (s *Server) interactionEvent(i *interaction, data map[string]any) map[string]any {
	ev := map[string]any{
		"id": i.id, "application_id": s.cfg.AppID, "type": i.kind, "token": i.token, "version": 1, "data": data,
		"channel_id": i.channelID, "locale": i.user.locale(), "entitlements": []any{}, "entitlement_sku_ids": []any{},
		"app_permissions": "442368", "attachment_size_limit": 10485760,
	}
	if ch := s.world.channels[i.channelID]; ch != nil {
		ev["channel"] = *ch
	}
	if m := s.world.message(i.channelID, i.sourceID); m != nil {
		ev["message"] = *m
	}
	g := s.world.guild(i.guildID)
	if g == nil {
		ev["user"], ev["context"] = i.user, 1
		ev["authorizing_integration_owners"] = map[string]string{"0": "0"}
		return ev
	}
	// In a guild the user is inside the member, and only there (notes 3.6).
	ev["guild_id"], ev["guild_locale"], ev["context"] = g.ID, g.locale(), 0
	ev["guild"] = map[string]any{"id": g.ID, "locale": g.locale(), "features": []string{}}
	ev["member"] = member(g, i.user)
	ev["authorizing_integration_owners"] = map[string]string{"0": g.ID}
	if i.userOnly {
		ev["authorizing_integration_owners"] = map[string]string{"1": i.user.ID}
	}
	return ev
}

// answerOf collects what came of i so far.
func (s *Server) answerOf(i *interaction) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := Answer{InteractionID: i.id, Kind: AnswerNone, SentAt: i.bornAt, AnsweredAt: i.answeredAt, FinishedAt: i.finishedAt, Choices: i.choices, Modal: i.modal}
	if i.response != 0 {
		a.Kind = responseNames[i.response]
	}
	if m := s.world.message(i.channelID, i.originalID); m != nil {
		out := *m
		a.Message, a.Ephemeral = &out, m.OnlyFor != ""
	}
	for _, id := range i.messages {
		if m := s.world.message(i.channelID, id); m != nil && id != i.originalID {
			a.Followups = append(a.Followups, *m)
		}
	}
	return a
}
