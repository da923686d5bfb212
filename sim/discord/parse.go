package discord

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A parsed is the text of a command taken apart.
type parsed struct {
	command Command
	path    []CommandOption // groups and subcommand, outermost first
	params  []CommandOption
	args    []arg
}

// An arg is a parameter with what was typed for it. before is all text ahead
// of the value.
type arg struct {
	option CommandOption
	text   string
	before string
}

// leaf is the command's full path, such as "watch add".
func (p parsed) leaf() string {
	words := []string{p.command.Name}
	for _, o := range p.path {
		words = append(words, o.Name)
	}
	return strings.Join(words, " ")
}

// sentLeaf is leaf with the names that are sent.
func (p parsed) sentLeaf() string {
	words := []string{p.command.sent}
	for _, o := range p.path {
		words = append(words, o.sent)
	}
	return strings.Join(words, " ")
}

// leaves returns every command and subcommand that can be called.
func callable(cmds []Command) []parsed {
	var out []parsed
	for _, c := range cmds {
		if c.Type == 1 {
			out = append(out, below(parsed{command: c, params: c.Options})...)
		}
	}
	return out
}

func below(p parsed) []parsed {
	var out []parsed
	for _, o := range p.params {
		if o.Type <= optionGroup {
			out = append(out, below(parsed{command: p.command, path: append(slices.Clone(p.path), o), params: o.Options})...)
		}
	}
	if len(out) == 0 {
		return []parsed{p}
	}
	return out
}

// parse takes apart "/watch add player:Kestrel". Values may have spaces; one
// ends where the next known option begins. Text without a name belongs to the
// first option. It returns false if no command fits.
func parse(cmds []Command, text string) (parsed, bool) {
	text, ok := strings.CutPrefix(text, "/")
	if !ok {
		return parsed{}, false
	}
	var best parsed
	for _, p := range callable(cmds) {
		if strings.HasPrefix(text+" ", p.leaf()+" ") && len(p.leaf()) > len(best.leaf()) {
			best = p
		}
	}
	if best.command.Name == "" {
		return parsed{}, false
	}
	leaf := best.leaf()
	best.args = arguments(best.params, "/"+leaf, strings.TrimPrefix(text, leaf))
	return best, true
}

// arguments splits rest at the options it names.
func arguments(params []CommandOption, before, rest string) []arg {
	type mark struct {
		from, to int
		option   CommandOption
	}
	var marks []mark
	for _, o := range params {
		if i := strings.Index(rest, " "+o.Name+":"); i >= 0 {
			marks = append(marks, mark{i, i + len(o.Name) + 2, o})
		}
	}
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Compare(a.from, b.from) })
	end := len(rest)
	if len(marks) > 0 {
		end = marks[0].from
	}
	var args []arg
	if lead := rest[:end]; strings.TrimSpace(lead) != "" && len(params) > 0 {
		args = append(args, arg{option: params[0], text: strings.TrimPrefix(lead, " "), before: before + " " + params[0].Name + ":"})
	}
	for i, m := range marks {
		end := len(rest)
		if i+1 < len(marks) {
			end = marks[i+1].from
		}
		args = append(args, arg{option: m.option, text: rest[m.to:end], before: before + rest[:m.to]})
	}
	return args
}

// options renders p as the options of an interaction, under the names that are sent.
// Values replace what was typed for the option of either name. With focused set, the last argument is
// the one being typed, and nothing is checked.
func (p parsed) options(w *world, values map[string]any, focused bool) ([]map[string]any, error) {
	params := []map[string]any{}
	given := map[string]bool{}
	for i, a := range p.args {
		given[a.option.Name] = true
		last := focused && i == len(p.args)-1
		value, picked := picked(values, a.option)
		if !picked || last {
			var err error
			if value, err = a.value(w); err != nil && !focused {
				return nil, err
			} else if err != nil {
				value = strings.TrimSpace(a.text)
			}
		}
		o := map[string]any{"name": a.option.sent, "type": a.option.Type, "value": value}
		if last {
			o["focused"] = true
		}
		params = append(params, o)
	}
	for _, o := range p.params {
		if v, ok := picked(values, o); ok && !given[o.Name] {
			params = append(params, map[string]any{"name": o.sent, "type": o.Type, "value": v})
			given[o.Name] = true
		}
		if o.Required && !given[o.Name] && !focused {
			return nil, fmt.Errorf("option %s is required", o.Name)
		}
	}
	for _, o := range slices.Backward(p.path) {
		params = []map[string]any{{"name": o.sent, "type": o.Type, "options": params}}
	}
	return params, nil
}

// picked returns the value that stands for o.
func picked(values map[string]any, o CommandOption) (any, bool) {
	if v, ok := values[o.Name]; ok {
		return v, true
	}
	v, ok := values[o.sent]
	return v, ok
}

// value reads what was typed as the option's type, as a client would before
// it sends anything.
func (a arg) value(w *world) (any, error) {
	text, o := strings.TrimSpace(a.text), a.option
	if len(o.Choices) > 0 {
		return pickChoice(o, text)
	}
	switch o.Type {
	case optionString:
		return text, checkLength(o, text)
	case optionInteger:
		n, err := strconv.ParseInt(text, 10, 54)
		if err != nil {
			return nil, fmt.Errorf("option %s: %q is no whole number", o.Name, text)
		}
		return n, checkRange(o, float64(n))
	case optionNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("option %s: %q is no number", o.Name, text)
		}
		return n, checkRange(o, n)
	case optionBoolean:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return nil, fmt.Errorf("option %s: say true or false", o.Name)
		}
		return b, nil
	case optionUser, optionMention:
		if u := w.findUser(strings.Trim(text, "<@!>")); u != nil {
			return u.ID, nil
		}
		return nil, fmt.Errorf("option %s: nobody is called %q", o.Name, text)
	case optionChannel:
		if ch := w.findChannel(strings.Trim(text, "<#>")); ch != nil {
			return ch.ID, nil
		}
		return nil, fmt.Errorf("option %s: no channel is called %q", o.Name, text)
	case optionRole:
		if r := w.findRole(strings.Trim(text, "<@&>")); r != nil {
			return r.ID, nil
		}
		return nil, fmt.Errorf("option %s: no role is called %q", o.Name, text)
	}
	return nil, fmt.Errorf("option %s: type %d is not part of this stand-in", o.Name, o.Type)
}

func pickChoice(o CommandOption, text string) (any, error) {
	for _, c := range o.Choices {
		if strings.EqualFold(c.Name, text) || fmt.Sprint(c.Value) == text {
			return c.Value, nil
		}
	}
	return nil, fmt.Errorf("option %s: %q is not one of its choices", o.Name, text)
}

func checkLength(o CommandOption, text string) error {
	n := utf8.RuneCountInString(text)
	switch {
	case n == 0 && o.Required:
		return fmt.Errorf("option %s is required", o.Name)
	case o.MinLength != nil && n < *o.MinLength:
		return fmt.Errorf("option %s: %d characters at least", o.Name, *o.MinLength)
	case o.MaxLength != nil && n > *o.MaxLength, n > 6000:
		return fmt.Errorf("option %s is too long", o.Name)
	}
	return nil
}

func checkRange(o CommandOption, n float64) error {
	switch {
	case o.MinValue != nil && n < *o.MinValue:
		return fmt.Errorf("option %s: %v at least", o.Name, *o.MinValue)
	case o.MaxValue != nil && n > *o.MaxValue:
		return fmt.Errorf("option %s: %v at most", o.Name, *o.MaxValue)
	}
	return nil
}

// findUser returns the user of an id or a name, in any case, or nil.
func (w *world) findUser(s string) *User {
	i := slices.IndexFunc(w.users, func(u User) bool {
		return u.ID == s || strings.EqualFold(u.Username, s) || strings.EqualFold(u.GlobalName, s)
	})
	if i < 0 {
		return nil
	}
	return &w.users[i]
}

// findRole returns the role of an id or a name, @everyone by the guild's id, or nil.
func (w *world) findRole(s string) *Role {
	for i := range w.guilds {
		g := &w.guilds[i]
		if s == g.ID {
			return &Role{ID: g.ID, Name: "@everyone"}
		}
		for j := range g.Roles {
			if r := &g.Roles[j]; r.ID == s || strings.EqualFold(r.Name, s) {
				return r
			}
		}
	}
	return nil
}

// findChannel returns the guild channel of an id or a name, or nil.
func (w *world) findChannel(s string) *Channel {
	if ch := w.channels[s]; ch != nil {
		return ch
	}
	for _, g := range w.guilds {
		for _, ch := range g.Channels {
			if strings.EqualFold(ch.Name, strings.TrimPrefix(s, "#")) {
				return w.channels[ch.ID]
			}
		}
	}
	return nil
}
