package bot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"muster/alert"
)

// Types of interactions.
const (
	interactionCommand      = 2
	interactionComponent    = 3
	interactionAutocomplete = 4
	interactionForm         = 5
)

// Kinds of command options.
const (
	optionSubcommand = 1
	optionString     = 3
)

// errInteraction says that an INTERACTION_CREATE cannot be answered.
var errInteraction = errors.New("not an interaction that can be answered")

// An interaction is what somebody did, read from the raw event: discordgo
// v0.28.1 lacks fields and gives up on unknown components (discord notes 2, 3.5).
type interaction struct {
	ID            string `json:"id"`
	ApplicationID string `json:"application_id"`
	Type          int    `json:"type"`
	Token         string `json:"token"`
	GuildID       string `json:"guild_id"`
	ChannelID     string `json:"channel_id"`
	// Context is where it happened: 0 a guild, 1 the bot's direct messages, 2
	// another private channel; nil if Discord did not say.
	Context *int `json:"context"`
	// Owners says by which installation: "0" the guild's, "1" the user's.
	Owners map[string]string `json:"authorizing_integration_owners"`
	Locale string            `json:"locale"`
	// GuildLocale is the language of the guild, "" elsewhere.
	GuildLocale string       `json:"guild_locale"`
	User        *discordUser `json:"user"` // in direct messages
	Member      *struct {
		User        *discordUser `json:"user"`
		Permissions string       `json:"permissions"` // a bit set in decimal
	} `json:"member"` // in guilds
	Data json.RawMessage `json:"data"`

	by      alert.UserID
	lang    lang
	command commandData
	pressed string   // the custom id of the component or form
	values  []string // what was chosen in a menu, at most 25
	fields  map[string]string
	// reached says that the answer has dealt with whether direct messages arrive.
	reached bool
}

type discordUser struct {
	ID  string `json:"id"`
	Bot bool   `json:"bot"`
}

type commandData struct {
	Name    string       `json:"name"`
	Type    int          `json:"type"`
	Options []givenValue `json:"options"`
	// Target is the person of a command in the menu of a person.
	Target string `json:"target_id"`
}

// A givenValue is an option that somebody filled in, or a subcommand.
type givenValue struct {
	Name    string          `json:"name"`
	Type    int             `json:"type"`
	Value   json.RawMessage `json:"value"`
	Focused bool            `json:"focused"`
	Options []givenValue    `json:"options"`
}

// decodeInteraction reads the data of an INTERACTION_CREATE. The error wraps
// errInteraction. It never contains the interaction's token.
func decodeInteraction(raw []byte) (*interaction, error) {
	var i interaction
	if err := json.Unmarshal(raw, &i); err != nil {
		return nil, fmt.Errorf("%w: malformed", errInteraction)
	}
	if !isSnowflake(i.ID) || i.Token == "" || !isSnowflake(i.ApplicationID) {
		return nil, fmt.Errorf("%w: no id, application or token", errInteraction)
	}
	if err := i.who(); err != nil {
		return nil, err
	}
	switch i.Type {
	case interactionCommand, interactionAutocomplete:
		if err := json.Unmarshal(i.Data, &i.command); err != nil || i.command.Name == "" {
			return nil, fmt.Errorf("%w: command malformed", errInteraction)
		}
	case interactionComponent:
		var d struct {
			CustomID string   `json:"custom_id"`
			Values   []string `json:"values"`
		}
		if err := json.Unmarshal(i.Data, &d); err != nil {
			return nil, fmt.Errorf("%w: component malformed", errInteraction)
		}
		i.pressed = clip(d.CustomID, 100)
		for _, v := range d.Values[:min(len(d.Values), maxChoices)] {
			i.values = append(i.values, clip(v, 100))
		}
	case interactionForm:
		if err := i.form(); err != nil {
			return nil, err
		}
	}
	return &i, nil
}

// form reads what was written into a form.
func (i *interaction) form() error {
	var d struct {
		CustomID   string `json:"custom_id"`
		Components []struct {
			Components []struct {
				CustomID string `json:"custom_id"`
				Value    string `json:"value"`
			} `json:"components"`
		} `json:"components"`
	}
	if err := json.Unmarshal(i.Data, &d); err != nil {
		return fmt.Errorf("%w: form malformed", errInteraction)
	}
	i.pressed, i.fields = clip(d.CustomID, 100), map[string]string{}
	for _, r := range d.Components[:min(len(d.Components), 5)] {
		for _, c := range r.Components[:min(len(r.Components), 5)] {
			i.fields[clip(c.CustomID, 100)] = clip(strings.TrimSpace(c.Value), 100)
		}
	}
	return nil
}

// value returns the one thing that was chosen, "" if none was.
func (i *interaction) value() string {
	if len(i.values) == 0 {
		return ""
	}
	return i.values[0]
}

// who finds the person: in a guild there is a member, in a direct message a user
// (discord notes 3.6).
func (i *interaction) who() error {
	u := i.User
	if i.Member != nil && i.Member.User != nil {
		u = i.Member.User
	}
	if u == nil {
		return fmt.Errorf("%w: nobody did it", errInteraction)
	}
	id, err := alert.ParseUserID(u.ID)
	if err != nil {
		return fmt.Errorf("%w: %w", errInteraction, err)
	}
	i.by = id
	return nil
}

// name says in the log what somebody did: the command, or what a component does.
func (i *interaction) name() string {
	if i.command.Name != "" {
		return i.command.path()
	}
	verb, _ := splitControl(i.pressed)
	return "component " + verb
}

// path returns the command with its subcommand: "watch add".
func (d commandData) path() string {
	if len(d.Options) == 1 && d.Options[0].Type == optionSubcommand {
		return d.Name + " " + d.Options[0].Name
	}
	return d.Name
}

// values returns the options, those of the subcommand if there is one.
func (d commandData) values() []givenValue {
	if len(d.Options) == 1 && d.Options[0].Type == optionSubcommand {
		return d.Options[0].Options
	}
	return d.Options
}

// text returns the option called name as typed, without surrounding spaces, at
// most 100 characters; "" if it is not there.
func (d commandData) text(name string) string {
	for _, v := range d.values() {
		if v.Name == name {
			return v.text()
		}
	}
	return ""
}

// focused returns the option that is being typed.
func (d commandData) focused() (name, typed string) {
	for _, v := range d.values() {
		if v.Focused {
			return v.Name, v.text()
		}
	}
	return "", ""
}

func (v givenValue) text() string {
	var s string
	if json.Unmarshal(v.Value, &s) != nil {
		s = string(bytes.TrimSpace(v.Value)) // a number or a bool, or nothing
	}
	return clip(strings.TrimSpace(s), 100)
}

func isSnowflake(s string) bool {
	if s == "" || len(s) > 20 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}
