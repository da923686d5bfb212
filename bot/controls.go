package bot

import (
	"context"
	"strings"
)

// A control is what happens when somebody presses a button, chooses from a menu
// or sends a form. Its id is "v1:", a verb, and what it is about: it must stay
// readable for ever, for old messages keep their buttons.
type control struct {
	how controlHow
	run func(b *Bot, ctx context.Context, i *interaction, arg string) (message, error)
	// open returns the form of one that asks.
	open func(b *Bot, ctx context.Context, i *interaction, arg string) (form, error)
}

// A controlHow says where the answer goes.
type controlHow int

const (
	replies controlHow = iota // into a new message that only the asker sees
	updates                   // in place of the message it belongs to
	asks                      // it opens a form
)

// controlTable is what the bot's components do, by their verb.
func controlTable() map[string]control {
	return map[string]control{
		"who":  {run: (*Bot).whoElse},
		"stop": {run: (*Bot).stopTelling},

		"settings": {run: (*Bot).pressSettings},
		"set":      {run: (*Bot).showPanel, how: updates},
		"put":      {run: (*Bot).put, how: updates},
		"ask":      {open: (*Bot).openForm, how: asks},
		"said":     {run: (*Bot).said, how: updates},
		"mute":     {run: (*Bot).askMute},
		"mutefor":  {run: (*Bot).muteFor, how: updates},
		"unmute":   {run: (*Bot).unmute, how: updates},
		"pause":    {run: (*Bot).pauseFor},

		"watches": {run: (*Bot).watchesPage, how: updates},
		"watch":   {run: (*Bot).watchPanel, how: updates},
		"worlds":  {run: (*Bot).limitWorlds, how: updates},
		"hush":    {run: (*Bot).hush, how: updates},
		"unwatch": {run: (*Bot).unwatch, how: updates},
		"ungroup": {run: (*Bot).ungroup, how: updates},
		"sync":    {run: (*Bot).syncFriends, how: updates},

		"follow":    {run: (*Bot).follow},
		"followall": {run: (*Bot).followAll},
		"on":        {run: (*Bot).pressOnline},
		"territory": {run: (*Bot).pressTerritory, how: updates},

		"config":  {run: (*Bot).pressConfig, how: updates},
		"resume":  {run: (*Bot).pressResume, how: updates},
		"unsub":   {run: (*Bot).pressUnsubscribe, how: updates},
		"testsub": {run: (*Bot).pressTest},

		"privacy": {run: (*Bot).showPrivacy, how: updates},
		"export":  {run: (*Bot).export},
		"forget":  {run: (*Bot).forget, how: updates},
		"hide":    {run: (*Bot).hide, how: updates},
		"proved":  {run: (*Bot).proved, how: updates},
		"unhide":  {run: (*Bot).unhide, how: updates},
	}
}

const controlVersion = "v1:"

// splitControl takes an id apart: "v1:stop:5428" is "stop" and "5428".
func splitControl(id string) (verb, arg string) {
	rest, ok := strings.CutPrefix(id, controlVersion)
	if !ok {
		return "unknown", ""
	}
	verb, arg, _ = strings.Cut(rest, ":")
	return verb, arg
}

// control returns what the component called id does.
func (b *Bot) control(id string) (control, string) {
	verb, arg := splitControl(id)
	if c, ok := b.controls[verb]; ok {
		return c, arg
	}
	return control{run: (*Bot).oldControl}, arg
}

// press does what the component does.
func (b *Bot) press(ctx context.Context, i *interaction) (message, error) {
	c, arg := b.control(i.pressed)
	return c.run(b, ctx, i, arg)
}

// oldControl answers for a component that does nothing any more.
func (b *Bot) oldControl(context.Context, *interaction, string) (message, error) {
	return message{}, tell("control.old")
}
