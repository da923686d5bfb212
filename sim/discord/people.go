package discord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A MessageFilter picks messages. Empty fields pick all.
type MessageFilter struct {
	// User keeps what that user can see; with no Channel, what is in their
	// DM with the bot. It is an id or a name.
	User string
	// Channel is an id or a guild channel's name.
	Channel string
}

// Messages returns what f picks, oldest first.
func (s *Server) Messages(f MessageFilter) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.picked(f)
}

// picked needs s.mu.
func (s *Server) picked(f MessageFilter) []Message {
	var u *User
	if f.User != "" {
		if u = s.world.findUser(f.User); u == nil {
			return nil
		}
	}
	channel := f.Channel
	if ch := s.world.findChannel(f.Channel); ch != nil && channel != "" {
		channel = ch.ID
	}
	if channel == "" && u != nil {
		channel = s.world.dms[u.ID]
	}
	var out []Message
	for id, list := range s.world.messages {
		if channel != "" && id != channel {
			continue
		}
		for _, m := range list {
			if u == nil || s.sees(u.ID, id, m) {
				out = append(out, *m)
			}
		}
	}
	slices.SortFunc(out, func(a, b Message) int {
		if a.ID == b.ID {
			return 0
		}
		if after(a.ID, b.ID) {
			return 1
		}
		return -1
	})
	return out
}

// DMs returns the messages in a user's DM with the bot, oldest first.
func (s *Server) DMs(user string) []Message { return s.Messages(MessageFilter{User: user}) }

// WaitMessage returns the first message that f picks and is accepts, once
// there is one. It blocks until then or until ctx ends.
func (s *Server) WaitMessage(ctx context.Context, f MessageFilter, is func(Message) bool) (Message, error) {
	events, stop := s.hub.subscribe()
	defer func() { stop() }()
	for {
		all := s.Messages(f)
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i], nil
		}
		select {
		case _, ok := <-events:
			if !ok {
				if events, stop = s.hub.subscribe(); events == nil {
					return Message{}, errors.New("the stand-in discord was closed")
				}
			}
		case <-ctx.Done():
			return Message{}, fmt.Errorf("wait for a message: %w", ctx.Err())
		}
	}
}

// WaitReady blocks until n sessions are connected or ctx ends.
func (s *Server) WaitReady(ctx context.Context, n int) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for s.gate.connected() < n {
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the bot: %w", ctx.Err())
		}
	}
	return nil
}

// Say posts a message of a user. An empty channel is the DM with the bot.
func (s *Server) Say(user, channel, text string) (Message, error) {
	s.mu.Lock()
	u, ch, err := s.where(user, channel)
	if err != nil {
		s.mu.Unlock()
		return Message{}, err
	}
	m := s.blank(ch.ID, s.cfg.Now())
	m.Author, m.Content = *u, text
	s.world.store(m)
	out := *m
	s.mu.Unlock()
	s.announce("MESSAGE_CREATE", out)
	return out, nil
}

// Users returns everybody but the bot.
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.world.users)
}

// AddUser adds somebody, who is a member of every guild. Without an id they
// get one, which is returned.
func (s *Server) AddUser(u User) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if u.ID == "" {
		u.ID = s.ids.next(now)
	}
	if !isSnowflake(u.ID) || s.world.user(u.ID) != nil {
		return User{}, fmt.Errorf("user id %q is no snowflake or is taken", u.ID)
	}
	s.world.addUser(u, s.ids.next(now))
	s.hub.publish("world", map[string]any{"user": u.ID})
	return *s.world.user(u.ID), nil
}

// DMChannel returns the id of a user's DM with the bot, as opening it would; "" if
// there is no such user.
func (s *Server) DMChannel(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.findUser(user)
	if u == nil {
		return ""
	}
	return s.world.dms[u.ID]
}

// SetDMs opens or closes a user's DMs; to closed ones, messages fail with
// 50007.
func (s *Server) SetDMs(user string, open bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.findUser(user)
	if u == nil {
		return fmt.Errorf("there is no such user: %q", user)
	}
	u.ClosedDMs = !open
	s.hub.publish("world", map[string]any{"user": u.ID})
	return nil
}

// SetChannel says whether the bot is kept from seeing a guild's channel (50001), and from
// writing there (50013). The channel is an id or a name.
func (s *Server) SetChannel(channel string, hidden, readOnly bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.world.findChannel(channel)
	if ch == nil || ch.Type == channelDM {
		return fmt.Errorf("there is no such channel of a guild: %q", channel)
	}
	ch.Hidden, ch.ReadOnly = hidden, readOnly
	s.hub.publish("world", map[string]any{"channel": ch.ID})
	return nil
}

// ChannelName returns the name that a guild's channel has now; it is given by its id or its
// first name.
func (s *Server) ChannelName(channel string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.world.findChannel(channel); ch != nil {
		return ch.Name
	}
	return ""
}

// RemoveChannel deletes a channel with its messages: the bot gets 10003. A
// DM's channel comes back with another id when it is opened again.
func (s *Server) RemoveChannel(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.world.channels[id]
	if ch == nil {
		return fmt.Errorf("there is no such channel: %s", id)
	}
	delete(s.world.channels, id)
	delete(s.world.messages, id)
	for user, dm := range s.world.dms {
		if dm == id {
			delete(s.world.dms, user)
		}
	}
	s.hub.publish("world", map[string]any{"channel": id})
	return nil
}

// Commands returns the commands registered for a guild, or the global ones
// for "".
func (s *Server) Commands(guildID string) []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.registry.byGuild[guildID])
}
