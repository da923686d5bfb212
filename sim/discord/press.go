package discord

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A PressInput is a user pressing a button or choosing from a select.
type PressInput struct {
	User string `json:"user"`
	// Message is its id.
	Message  string `json:"message"`
	CustomID string `json:"custom_id"`
	// Values are what is chosen in a select.
	Values []string `json:"values,omitempty"`
	NoWait bool     `json:"no_wait,omitempty"`
}

// Press lets a user use a component; it blocks and fails as Command does.
func (s *Server) Press(ctx context.Context, in PressInput) (Answer, error) {
	i, data, err := s.preparePress(in)
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, i, data, in.NoWait)
}

func (s *Server) preparePress(in PressInput) (*interaction, map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.findUser(in.User)
	if u == nil {
		return nil, nil, fmt.Errorf("there is no such user: %q", in.User)
	}
	m := s.seen(u, in.Message)
	if m == nil {
		return nil, nil, fmt.Errorf("%s sees no such message: %s", u.name(), in.Message)
	}
	c, ok := findComponent(m.Components, in.CustomID)
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("the message has no component %q", in.CustomID)
	case c.Disabled:
		return nil, nil, fmt.Errorf("%q is disabled", in.CustomID)
	}
	data := map[string]any{"custom_id": c.CustomID, "component_type": c.Type, "id": c.ID}
	if c.Type != componentButton {
		if err := c.accepts(in.Values); err != nil {
			return nil, nil, err
		}
		data["values"] = append([]string{}, in.Values...)
	}
	ch := s.world.channels[m.ChannelID]
	return &interaction{kind: interactionComponent, user: *u, channelID: ch.ID, guildID: ch.GuildID, sourceID: m.ID, name: c.CustomID}, data, nil
}

// seen returns a message if u can see it. It needs s.mu.
func (s *Server) seen(u *User, id string) *Message {
	for channelID, list := range s.world.messages {
		for _, m := range list {
			if m.ID == id && s.sees(u.ID, channelID, m) {
				return m
			}
		}
	}
	return nil
}

// sees reports whether a user sees a message. It needs s.mu.
func (s *Server) sees(userID, channelID string, m *Message) bool {
	if m.OnlyFor != "" {
		return m.OnlyFor == userID
	}
	ch := s.world.channels[channelID]
	return ch != nil && (ch.Type != channelDM || s.world.dms[userID] == channelID)
}

func findComponent(list []Component, customID string) (Component, bool) {
	for _, c := range list {
		if c.CustomID == customID && customID != "" {
			return c, true
		}
		if found, ok := findComponent(c.Components, customID); ok {
			return found, true
		}
	}
	return Component{}, false
}

// accepts checks a choice as Discord's client would.
func (c Component) accepts(values []string) error {
	lo, hi := 1, 1
	if c.MinValues != nil {
		lo = *c.MinValues
	}
	if c.MaxValues != nil {
		hi = *c.MaxValues
	}
	if len(values) < lo || len(values) > hi {
		return fmt.Errorf("%q takes %d to %d values, not %d", c.CustomID, lo, hi, len(values))
	}
	for _, v := range values {
		if c.Type == componentSelect && !slices.ContainsFunc(c.Options, func(o SelectOption) bool { return o.Value == v }) {
			return fmt.Errorf("%q has no option %q", c.CustomID, v)
		}
	}
	return nil
}

// A ModalInput is a user sending a form.
type ModalInput struct {
	User string `json:"user"`
	// Interaction is the id of the Answer that opened it.
	Interaction string `json:"interaction"`
	// Values are the texts by custom_id.
	Values map[string]string `json:"values"`
	NoWait bool              `json:"no_wait,omitempty"`
}

// SubmitModal lets a user send a form that a bot opened; it blocks and fails
// as Command does.
func (s *Server) SubmitModal(ctx context.Context, in ModalInput) (Answer, error) {
	i, data, err := s.prepareModal(in)
	if err != nil {
		return Answer{}, err
	}
	return s.interact(ctx, i, data, in.NoWait)
}

func (s *Server) prepareModal(in ModalInput) (*interaction, map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.findUser(in.User)
	open := s.modals[in.Interaction]
	if u == nil || open == nil || open.by.user.ID != u.ID {
		return nil, nil, fmt.Errorf("user %q has no such form open: %s", in.User, in.Interaction)
	}
	rows := []map[string]any{}
	for n, row := range open.Components {
		cells := []map[string]any{}
		for _, c := range row.Components {
			text, given := in.Values[c.CustomID]
			if !given {
				text = c.Value
			}
			if err := c.acceptsText(text); err != nil {
				return nil, nil, err
			}
			cells = append(cells, map[string]any{"type": c.Type, "id": c.ID, "custom_id": c.CustomID, "value": text})
		}
		rows = append(rows, map[string]any{"type": componentRow, "id": n + 1, "components": cells})
	}
	delete(s.modals, in.Interaction)
	by := open.by
	i := &interaction{kind: interactionModal, user: *u, channelID: by.channelID, guildID: by.guildID, sourceID: by.sourceID, name: open.CustomID}
	return i, map[string]any{"custom_id": open.CustomID, "components": rows}, nil
}

// acceptsText checks a text input as Discord's client would.
func (c Component) acceptsText(text string) error {
	n := len([]rune(text))
	required := c.Required == nil || *c.Required
	switch {
	case required && strings.TrimSpace(text) == "":
		return fmt.Errorf("%s is required", orElse(c.Label, c.CustomID))
	case n > 0 && n < c.MinLength, n > orElse(c.MaxLength, 4000):
		return fmt.Errorf("%s: %d to %d characters", orElse(c.Label, c.CustomID), c.MinLength, orElse(c.MaxLength, 4000))
	}
	return nil
}
