package bot

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/alert"
	"muster/internal/backoff"
)

// A runFunc answers a command or a button. A *userError is shown as it is;
// another error is logged and apologised for.
type runFunc func(b *Bot, ctx context.Context, i *interaction) (message, error)

// A command is one thing that people can type.
type command struct {
	run runFunc
	// private answers are seen by the asker only.
	private bool
	// instant answers need no look anywhere; all others are deferred first.
	instant bool
	// suggest completes the option that is being typed, by its name.
	suggest map[string]suggestFunc
}

// A suggestFunc returns at most 25 choices for what was typed.
type suggestFunc func(b *Bot, ctx context.Context, i *interaction, typed string) []choice

// commandTable is what the bot answers, by the path of the command.
func commandTable() map[string]command {
	players := map[string]suggestFunc{"player": (*Bot).suggestPlayers}
	return map[string]command{
		"help":   {run: (*Bot).help, private: true, instant: true},
		"link":   {run: (*Bot).link, private: true, suggest: players},
		"unlink": {run: (*Bot).unlink, private: true, suggest: map[string]suggestFunc{"player": (*Bot).suggestLinks}},
		"watch add": {run: (*Bot).watchAdd, private: true, suggest: map[string]suggestFunc{
			"player": (*Bot).suggestPlayers, "outfit": (*Bot).suggestOutfits, "leaders": (*Bot).suggestOutfits}},
		"watch list":   {run: (*Bot).watchList, private: true},
		"watch remove": {run: (*Bot).watchRemove, private: true, suggest: map[string]suggestFunc{"watch": (*Bot).suggestWatches}},
		"watch group": {run: (*Bot).group, private: true, suggest: map[string]suggestFunc{
			"name": (*Bot).suggestGroups, "add": (*Bot).suggestPlayers, "remove": (*Bot).suggestMembers}},
		"friends show": {run: (*Bot).friends, private: true},
		"friends sync": {run: (*Bot).friendsSync, private: true},
		"settings":     {run: (*Bot).settings, private: true},
		"privacy":      {run: (*Bot).privacy, private: true},
		whoIsThis:      {run: (*Bot).whoIs, private: true},
		"online":       {run: (*Bot).online, suggest: map[string]suggestFunc{"outfit": (*Bot).suggestOutfits}},
		"character":    {run: (*Bot).character, suggest: players},
		"outfit show":  {run: (*Bot).outfitShow, suggest: map[string]suggestFunc{"outfit": (*Bot).suggestOutfits}},
		"outfit link":  {run: (*Bot).outfitLink, private: true, suggest: map[string]suggestFunc{"outfit": (*Bot).suggestOutfits}},
		"subscribe":    {run: (*Bot).subscribe, private: true, suggest: map[string]suggestFunc{"outfit": (*Bot).suggestOutfits}},
		"board":        {run: (*Bot).makeBoard, private: true, suggest: map[string]suggestFunc{"outfit": (*Bot).suggestOutfits}},
		"tracker":      {run: (*Bot).makeTracker, private: true, suggest: map[string]suggestFunc{"outfit": (*Bot).suggestOutfits}},
		"unsubscribe":  {run: (*Bot).unsubscribe, private: true, suggest: map[string]suggestFunc{"subscription": (*Bot).suggestSubscriptions}},
		"config view":  {run: (*Bot).configView, private: true},
		"config audit": {run: (*Bot).configAudit, private: true},
		"config test":  {run: (*Bot).configTest, private: true},
		"population":   {run: (*Bot).population},
		"territory":    {run: (*Bot).territoryMap},
		"alerts":       {run: (*Bot).alertRuns},
		"status":       {run: (*Bot).status},
	}
}

// A commandDef is a command as Discord registers it.
type commandDef struct {
	Name        string      `json:"name"`
	Type        int         `json:"type"`        // commandTyped or commandOnPerson
	Description string      `json:"description"` // "" of one on a person
	Options     []optionDef `json:"options,omitempty"`
	// Permissions are those that a member needs unless the guild's admins say otherwise;
	// the bot asks for its own at run time (discord notes 5).
	Permissions      string `json:"default_member_permissions,omitempty"`
	Contexts         []int  `json:"contexts"`
	IntegrationTypes []int  `json:"integration_types"`
}

type optionDef struct {
	Type         int         `json:"type"`
	Name         string      `json:"name"`
	Description  string      `json:"description"`
	Required     bool        `json:"required,omitempty"`
	Autocomplete bool        `json:"autocomplete,omitempty"`
	Choices      []choice    `json:"choices,omitempty"`
	ChannelTypes []int       `json:"channel_types,omitempty"`
	MinValue     int         `json:"min_value,omitempty"`
	MaxValue     int         `json:"max_value,omitempty"`
	Options      []optionDef `json:"options,omitempty"`
}

// definitions returns every command, with contexts and integration types always
// spelt out: the defaults have differed from the documentation (discord notes 5).
func definitions(userInstall bool) []commandDef {
	typed := func(name, description string, required bool) optionDef {
		return optionDef{Type: optionString, Name: name, Description: description, Required: required, Autocomplete: true}
	}
	sub := func(name, description string, options ...optionDef) optionDef {
		return optionDef{Type: optionSubcommand, Name: name, Description: description, Options: options}
	}
	defs := []commandDef{
		{Name: "help", Description: "What I can do, by example"},
		{Name: "link", Description: "Say who you are in the game: I watch your friends list for you", Options: []optionDef{
			typed("player", "Your character's name", true)}},
		{Name: "unlink", Description: "Forget one of your characters and its friends list", Options: []optionDef{
			typed("player", "Which of your characters", true)}},
		{Name: "watch", Description: "Who I tell you about when they come online", Options: []optionDef{
			sub("add", "Be told when a player, or anybody of an outfit, comes online",
				typed("player", "A player's name", false), typed("outfit", "An outfit's tag or name: all its members", false),
				typed("leaders", "An outfit's tag or name: only its leader and the rank below", false)),
			sub("list", "Whom you are told about; mute, limit or remove them there"),
			sub("group", "A list of players of your own, with a name",
				typed("name", "The group's name", true), typed("add", "A player to add", false), typed("remove", "A player to take out", false)),
			sub("remove", "Stop being told about somebody", typed("watch", "Whom", true)),
		}},
		{Name: "friends", Description: "Your in-game friends", Options: []optionDef{
			sub("show", "Which of your in-game friends are on, and where"),
			sub("sync", "Read your friends list from the game again, now"),
		}},
		{Name: "settings", Description: "When I write to you: quiet hours, pause, how often, and more"},
		{Name: "privacy", Description: "What I keep about you: see it, get it, delete it, hide a character"},
		{Name: "online", Description: "Who of an outfit, or of your friends, is on", Options: []optionDef{
			typed("outfit", "An outfit's tag or name; if left out, this server's, or in my direct messages your friends", false)}},
		{Name: "character", Description: "A player: outfit, rank, where they are, and when they were on", Options: []optionDef{
			typed("player", "A player's name", true)}},
		{Name: "outfit", Description: "An outfit", Options: []optionDef{
			sub("show", "Who leads it, how many it has, and how many are on", typed("outfit", "An outfit's tag or name", true)),
			sub("link", "For who manages this server: say which outfit it is of", typed("outfit", "An outfit's tag or name", true)),
		}},
		{Name: "population", Description: "How many are on, world by world and side by side"},
		{Name: "territory", Description: "Who holds the continents of a world, and which are locked", Options: []optionDef{
			{Type: optionString, Name: "world", Description: "Which world; yours if left out", Choices: worldChoices()}}},
		{Name: "alerts", Description: "The alerts in the game: which run, how long still, and how they stand"},
		{Name: "status", Description: "Whether the game's stream reaches me, world by world"},
		{Name: "subscribe", Description: "Post in a channel what happens: members, captures, alerts, and more", Options: subscribeOptions()},
		{Name: "board", Description: "A message that I keep up to date: who is on, alerts, the game's state",
			Options: boardOptions(alert.Boards(), []int{channelText, channelNews})},
		{Name: "tracker", Description: "A channel whose name says how many are on",
			Options: boardOptions(alert.Trackers(), []int{channelText, channelVoice})},
		{Name: "unsubscribe", Description: "Stop posting something in a channel", Options: []optionDef{
			typed("subscription", "Which one", true)}},
		{Name: "config", Description: "What I post in this server, and whether I can", Options: []optionDef{
			sub("view", "What I post where; resume what is paused"),
			sub("audit", "Find channels where I cannot post, and what to do about it"),
			sub("test", "Post a test message in each channel that I post in"),
		}},
	}
	for i := range defs {
		defs[i].Type = commandTyped
		if leaders := leaderCommands[defs[i].Name]; leaders {
			defs[i].Permissions, defs[i].Contexts, defs[i].IntegrationTypes = strconv.Itoa(manageChannels), []int{0}, []int{0}
			continue
		}
		defs[i].Contexts, defs[i].IntegrationTypes = []int{0, 1, 2}, []int{0}
		if userInstall {
			defs[i].IntegrationTypes = []int{0, 1}
		}
	}
	return append(defs, commandDef{Name: whoIsThis, Type: commandOnPerson, Contexts: []int{0, 1, 2}, IntegrationTypes: defs[0].IntegrationTypes})
}

// Types of commands.
const (
	commandTyped    = 1
	commandOnPerson = 2 // in the menu of a person (Discord: user command)
)

// register waits for the application's id and makes Discord's commands ours: by
// one overwrite, and only if they differ, for creating is limited per day
// (discord notes 5).
func (b *Bot) register(ctx context.Context) error {
	var app string
	select {
	case app = <-b.appID:
	case <-ctx.Done():
		return nil
	}
	for delay := time.Second; ; delay = min(2*delay, time.Minute) {
		err := b.syncCommands(ctx, app)
		d := decide(err)
		switch {
		case d.do == sent || ctx.Err() != nil || d.do == stopBot:
			return nil
		case d.do != again && d.do != wait:
			b.logRefused(err)
			b.log.Error("commands not registered", "err", err,
				"hint", "if user install is set, it must be enabled for the application at Discord too")
			return nil
		}
		b.log.Warn("commands not registered yet", "err", err, "in", max(delay, d.after))
		if backoff.Sleep(ctx, max(delay, d.after)) != nil {
			return nil
		}
	}
}

func (b *Bot) syncCommands(ctx context.Context, app string) error {
	path := "/applications/" + app + "/commands"
	want := definitions(b.cfg.UserInstall)
	var have []commandDef
	if err := b.rest.do(ctx, http.MethodGet, path, nil, &have); err != nil {
		return err
	}
	if sameCommands(have, want) {
		b.log.Info("commands are registered already", "count", len(want))
		return nil
	}
	if err := b.rest.do(ctx, http.MethodPut, path, want, nil); err != nil {
		return err
	}
	b.log.Info("commands registered", "count", len(want))
	return nil
}

// sameCommands compares what matters, in any order.
func sameCommands(a, b []commandDef) bool {
	return bytes.Equal(canonical(a), canonical(b))
}

func canonical(defs []commandDef) []byte {
	sorted := slices.Clone(defs)
	slices.SortFunc(sorted, func(a, b commandDef) int { return strings.Compare(a.Name, b.Name) })
	for i := range sorted {
		d := &sorted[i]
		d.Type = max(d.Type, 1)
		d.Contexts = slices.Sorted(slices.Values(d.Contexts))
		d.IntegrationTypes = slices.Sorted(slices.Values(d.IntegrationTypes))
	}
	out, _ := json.Marshal(sorted) // plain data
	return out
}
