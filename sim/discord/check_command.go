package discord

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Types of command options.
const (
	optionSubcommand = 1
	optionGroup      = 2
	optionString     = 3
	optionInteger    = 4
	optionBoolean    = 5
	optionUser       = 6
	optionChannel    = 7
	optionRole       = 8
	optionMention    = 9
	optionNumber     = 10
	optionAttachment = 11
)

// maxCommandSize is the characters of names, descriptions and values of one
// command together (notes 5).
const maxCommandSize = 8000

// commandName is what Discord allows, once lower case is checked apart.
var commandName = regexp.MustCompile(`^[-_'\p{L}\p{N}\p{Devanagari}\p{Thai}]{1,32}$`)

// command checks the body that registers one command. An edit may leave out
// the name.
func (c *checker) command(path []string, m map[string]any, edit, userInstall bool) {
	c.known(path, m, "id", "type", "application_id", "guild_id", "version", "name", "name_localizations", "description",
		"description_localizations", "options", "default_permission", "default_member_permissions", "dm_permission",
		"contexts", "integration_types", "nsfw", "handler")
	kind, ok := c.number(path, m, "type")
	if !ok {
		kind = 1
	}
	if !edit || m["name"] != nil {
		c.commandName(path, m, kind == 1)
	}
	if kind == 1 && (!edit || m["description"] != nil) {
		c.text(path, m, "description", 1, 100)
	}
	if kind == 1 {
		c.localizations(path, m, "description_localizations", 100, nil)
	}
	size := localizedSize(m, "name", "description") + c.options(path, m)
	if size > maxCommandSize {
		c.add(path, "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (%d)", maxCommandSize)
	}
	for i, v := range c.list(path, m, "integration_types", 2) {
		if v == json.Number("1") && !userInstall {
			c.add(at(path, "integration_types", i), "APPLICATION_INTEGRATION_TYPE_DISABLED", "Integration type is disabled for this application")
		}
	}
}

// commandName checks a name; those of chat commands and options are in lower
// case and have no spaces.
func (c *checker) commandName(path []string, m map[string]any, chat bool) {
	valid := func(path []string, name string) {
		if chat && (!commandName.MatchString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.ToLower(r) != r })) {
			c.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
		}
	}
	if name := c.text(path, m, "name", 1, 32); name != "" {
		valid(at(path, "name"), name)
	}
	c.localizations(path, m, "name_localizations", 32, valid)
}

// options checks the options of a command or subcommand and returns their
// size in characters.
func (c *checker) options(path []string, m map[string]any) int {
	size, optionalSeen, nested, plainSeen := 0, false, false, false
	var names nameSet
	for i, v := range c.list(path, m, "options", maxOptions) {
		p := at(path, "options", i)
		o, ok := c.object(p, v)
		if !ok {
			continue
		}
		size += c.option(p, o)
		kind, _ := c.number(p, o, "type")
		nested, plainSeen = nested || kind <= optionGroup, plainSeen || kind > optionGroup
		for _, locale := range names.taken(namesIn(o)) {
			c.add(nameAt(p, locale), "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option name is not unique")
		}
		if isTrue(o, "required") && optionalSeen {
			c.add(p, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options must be placed before non-required options")
		}
		optionalSeen = optionalSeen || !isTrue(o, "required")
	}
	if nested && plainSeen {
		c.add(at(path, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-command and sub-command group option types are mutually exclusive to all other types")
	}
	return size
}

// option checks one option and what is below it.
func (c *checker) option(path []string, o map[string]any) int {
	c.known(path, o, "type", "name", "name_localizations", "description", "description_localizations", "required", "choices",
		"options", "channel_types", "min_value", "max_value", "min_length", "max_length", "autocomplete")
	kind, _ := c.number(path, o, "type")
	if kind < optionSubcommand || kind > optionAttachment {
		c.add(at(path, "type"), "UNION_TYPE_CHOICES", "There is no option type %d.", kind)
	}
	c.commandName(path, o, true)
	c.text(path, o, "description", 1, 100)
	c.localizations(path, o, "description_localizations", 100, nil)
	size := localizedSize(o, "name", "description") + c.choices(path, o, "choices")
	choices, _ := o["choices"].([]any)
	if isTrue(o, "autocomplete") {
		if len(choices) > 0 {
			c.add(at(path, "autocomplete"), "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", "Autocomplete and choices are mutually exclusive")
		}
		if kind != optionString && kind != optionInteger && kind != optionNumber {
			c.add(at(path, "autocomplete"), "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_TYPE", "An option of type %d has no autocomplete", kind)
		}
	}
	below, _ := o["options"].([]any)
	switch {
	case kind <= optionGroup:
		size += c.options(path, o)
	case len(below) > 0:
		c.add(at(path, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Only subcommands have options")
	}
	return size
}

// choices checks choices of an option or of an autocomplete answer.
func (c *checker) choices(path []string, o map[string]any, name string) int {
	size := 0
	for i, v := range c.list(path, o, name, maxOptions) {
		p := at(path, name, i)
		choice, ok := c.object(p, v)
		if !ok {
			continue
		}
		c.known(p, choice, "name", "name_localizations", "value")
		c.text(p, choice, "name", 1, 100)
		c.localizations(p, choice, "name_localizations", 100, nil)
		size += localizedSize(choice, "name")
		switch value := choice["value"].(type) {
		case string:
			c.text(p, choice, "value", 1, 100)
			size += utf8.RuneCountInString(value)
		case json.Number:
		default:
			c.add(at(p, "value"), "BASE_TYPE_REQUIRED", "This field is required")
		}
	}
	return size
}

func textSize(m map[string]any, names ...string) int {
	n := 0
	for _, name := range names {
		s, _ := m[name].(string)
		n += utf8.RuneCountInString(s)
	}
	return n
}
