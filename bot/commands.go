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
	"muster/internal/catalogue"
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
	localizations
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
	localizations
}

// definitions returns every command in every language, with contexts and integration
// types always spelt out: the defaults have differed from the documentation (discord
// notes 5). A description is written here as its key.
func definitions(texts *catalogue.Set, userInstall bool) []commandDef {
	typed := func(name, description string, required bool) optionDef {
		return optionDef{Type: optionString, Name: name, Description: description, Required: required, Autocomplete: true}
	}
	sub := func(name, description string, options ...optionDef) optionDef {
		return optionDef{Type: optionSubcommand, Name: name, Description: description, Options: options}
	}
	defs := []commandDef{
		{Name: "help", Description: "about.help"},
		{Name: "link", Description: "about.link", Options: []optionDef{
			typed("player", "about.link.player", true)}},
		{Name: "unlink", Description: "about.unlink", Options: []optionDef{
			typed("player", "about.unlink.player", true)}},
		{Name: "watch", Description: "about.watch", Options: []optionDef{
			sub("add", "about.watch.add", typed("player", "about.player", false), typed("outfit", "about.watch.outfit", false),
				typed("leaders", "about.watch.leaders", false)),
			sub("list", "about.watch.list"),
			sub("group", "about.watch.group", typed("name", "about.group.name", true), typed("add", "about.group.add", false),
				typed("remove", "about.group.remove", false)),
			sub("remove", "about.watch.remove", typed("watch", "about.watch.whom", true)),
		}},
		{Name: "friends", Description: "about.friends", Options: []optionDef{
			sub("show", "about.friends.show"),
			sub("sync", "about.friends.sync"),
		}},
		{Name: "settings", Description: "about.settings"},
		{Name: "privacy", Description: "about.privacy"},
		{Name: "online", Description: "about.online", Options: []optionDef{
			typed("outfit", "about.online.outfit", false)}},
		{Name: "character", Description: "about.character", Options: []optionDef{
			typed("player", "about.player", true)}},
		{Name: "outfit", Description: "about.outfit", Options: []optionDef{
			sub("show", "about.outfit.show", typed("outfit", "about.outfit.name", true)),
			sub("link", "about.outfit.link", typed("outfit", "about.outfit.name", true)),
		}},
		{Name: "population", Description: "about.population"},
		{Name: "territory", Description: "about.territory", Options: []optionDef{
			{Type: optionString, Name: "world", Description: "about.territory.world", Choices: worldChoices()}}},
		{Name: "alerts", Description: "about.alerts"},
		{Name: "status", Description: "about.status"},
		{Name: "subscribe", Description: "about.subscribe", Options: subscribeOptions()},
		{Name: "board", Description: "about.board", Options: boardOptions(alert.Boards(), []int{channelText, channelNews})},
		{Name: "tracker", Description: "about.tracker", Options: boardOptions(alert.Trackers(), []int{channelText, channelVoice})},
		{Name: "unsubscribe", Description: "about.unsubscribe", Options: []optionDef{
			typed("subscription", "about.unsubscribe.which", true)}},
		{Name: "config", Description: "about.config", Options: []optionDef{
			sub("view", "about.config.view"),
			sub("audit", "about.config.audit"),
			sub("test", "about.config.test"),
		}},
	}
	localize(texts, defs)
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
	who := commandDef{Name: whoIsThis, Type: commandOnPerson, Contexts: []int{0, 1, 2}, IntegrationTypes: defs[0].IntegrationTypes}
	_, who.Names = inEach(texts, "command.who")
	return append(defs, who)
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
	want := definitions(b.texts, b.cfg.UserInstall)
	var have []commandDef
	if err := b.rest.do(ctx, http.MethodGet, path+"?with_localizations=true", nil, &have); err != nil {
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
