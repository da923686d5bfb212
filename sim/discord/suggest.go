package discord

import (
	"strings"
)

// A Suggestion is what a client shows above the box while a command is typed.
type Suggestion struct {
	// Command is its full path once it is known, such as "watch add".
	Command     string `json:"command,omitempty"`
	Description string `json:"description,omitempty"`
	// Params are the options of the command.
	Params []Param `json:"params,omitempty"`
	// Focused is the option being typed, Before all text ahead of its value,
	// Value what was typed of it.
	Focused      string `json:"focused,omitempty"`
	Before       string `json:"before,omitempty"`
	Value        string `json:"value,omitempty"`
	Autocomplete bool   `json:"autocomplete,omitempty"`
	// Items are what can be picked now.
	Items []SuggestedItem `json:"items"`
}

// A Param is an option, and whether it has been given.
type Param struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Type        int    `json:"type"`
	Required    bool   `json:"required"`
	Given       bool   `json:"given"`
}

// A SuggestedItem is one line; Text is the whole input after picking it.
type SuggestedItem struct {
	Kind   string `json:"kind"` // command, option or value
	Label  string `json:"label"`
	Detail string `json:"detail,omitempty"`
	Text   string `json:"text"`
}

// Suggest returns what a client would offer for the text so far. It does not
// ask the bot; where Autocomplete is set, the caller may.
func (s *Server) Suggest(in CommandInput) (Suggestion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ch, err := s.where(in.User, in.Channel)
	if err != nil {
		return Suggestion{}, err
	}
	cmds := inLocale(s.visible(u, ch), u.locale())
	p, ok := parseAs(u, s.visible(u, ch), in.Text)
	if !ok || in.Text == "/"+p.leaf() {
		return suggestCommands(cmds, in.Text), nil
	}
	return s.suggestArgs(p, in.Text), nil
}

// suggestCommands offers the commands that begin like text.
func suggestCommands(cmds []Command, text string) Suggestion {
	out := Suggestion{Items: []SuggestedItem{}}
	typed := strings.ToLower(strings.TrimPrefix(text, "/"))
	for _, p := range callable(cmds) {
		if !strings.HasPrefix(p.leaf(), typed) {
			continue
		}
		item := SuggestedItem{Kind: "command", Label: "/" + p.leaf(), Detail: p.command.Description, Text: "/" + p.leaf() + " "}
		if len(p.path) > 0 {
			item.Detail = p.path[len(p.path)-1].Description
		}
		if len(p.params) > 0 && p.params[0].Required {
			item.Text += p.params[0].Name + ":"
		}
		out.Items = append(out.Items, item)
	}
	return out
}

// suggestArgs offers values of the option being typed and the options left.
func (s *Server) suggestArgs(p parsed, text string) Suggestion {
	out := Suggestion{Command: p.leaf(), Description: p.command.Description, Items: []SuggestedItem{}}
	if len(p.path) > 0 {
		out.Description = p.path[len(p.path)-1].Description
	}
	given := map[string]bool{}
	for _, a := range p.args {
		given[a.option.Name] = true
	}
	for _, o := range p.params {
		out.Params = append(out.Params, Param{Name: o.Name, Description: o.Description, Type: o.Type, Required: o.Required, Given: given[o.Name]})
	}
	typing := len(p.args) > 0
	if typing {
		a := p.args[len(p.args)-1]
		out.Focused, out.Before, out.Value, out.Autocomplete = a.option.Name, a.before, strings.TrimSpace(a.text), a.option.Autocomplete
		for _, v := range s.valuesOf(a.option) {
			if strings.Contains(strings.ToLower(v), strings.ToLower(out.Value)) && !strings.EqualFold(v, out.Value) {
				out.Items = append(out.Items, SuggestedItem{Kind: "value", Label: v, Text: a.before + v + " "})
			}
		}
		typing = out.Value == "" || !strings.HasSuffix(a.text, " ")
	}
	for _, o := range p.params {
		if !given[o.Name] && !typing {
			out.Items = append(out.Items, SuggestedItem{Kind: "option", Label: o.Name, Detail: o.Description, Text: strings.TrimRight(text, " ") + " " + o.Name + ":"})
		}
	}
	return out
}

// valuesOf returns the values of an option that are known without the bot. It
// needs s.mu.
func (s *Server) valuesOf(o CommandOption) []string {
	var out []string
	for _, c := range o.Choices {
		out = append(out, c.Name)
	}
	switch o.Type {
	case optionBoolean:
		out = append(out, "true", "false")
	case optionUser, optionMention:
		for _, u := range s.world.users {
			out = append(out, u.name())
		}
	case optionChannel:
		for _, g := range s.world.guilds {
			for _, ch := range g.Channels {
				out = append(out, ch.Name)
			}
		}
	case optionRole:
		for _, g := range s.world.guilds {
			for _, r := range g.Roles {
				out = append(out, r.Name)
			}
		}
	}
	return out
}
