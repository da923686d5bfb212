package bot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/alert"
	"muster/event"
)

// controlUngroup ends a group: its id follows, and what was said when it was asked.
const controlUngroup = controlVersion + "ungroup:"

// group makes a list of players with a name, adds to it, takes away, or shows it.
func (b *Bot) group(ctx context.Context, i *interaction) (message, error) {
	g, err := b.groupNamed(ctx, i)
	if err != nil {
		return message{}, err
	}
	add, remove := i.command.text("add"), i.command.text("remove")
	switch {
	case add != "" && remove != "":
		return message{}, tell("One at a time, please: either `add:` or `remove:`.")
	case add != "":
		return b.groupAdd(ctx, i, g, add)
	case g.ID == 0:
		return message{}, tell("You have no group called “%s”. `/watch group name:%s add:Kestrel` makes it, with its first player.", escape(g.Name), escape(g.Name))
	case remove != "":
		return b.groupRemove(ctx, i, g, remove)
	}
	return b.showGroup(ctx, g, "")
}

// groupNamed returns the asker's group of the name that was given, or a new one.
func (b *Bot) groupNamed(ctx context.Context, i *interaction) (alert.Group, error) {
	name := bare(i.command.text("name"))
	all, err := b.cfg.Store.Groups(ctx, i.by)
	if err != nil {
		return alert.Group{}, err
	}
	for _, g := range all {
		if id, ok := picked(name); ok && id == g.ID || strings.EqualFold(g.Name, name) {
			return g, nil
		}
	}
	if n := utf8.RuneCountInString(name); n == 0 || n > alert.MaxGroupName || strings.HasPrefix(name, "#") {
		return alert.Group{}, tell("A group's name has 1 to %d characters, for example `/watch group name:Squad add:Kestrel`.", alert.MaxGroupName)
	}
	return alert.Group{User: i.by, Name: name}, nil
}

func (b *Bot) groupAdd(ctx context.Context, i *interaction, g alert.Group, text string) (message, error) {
	c, err := b.player(ctx, text)
	if err != nil {
		return message{}, err
	}
	if slices.Contains(g.Members, c.ID) {
		return b.showGroup(ctx, g, titled(c)+" is in it already.")
	}
	g.User, g.Members = i.by, append(g.Members, c.ID)
	if g, err = b.cfg.Store.SaveGroup(ctx, g); err != nil {
		return message{}, limited(err)
	}
	if _, _, err := b.cfg.Store.AddWatch(ctx, alert.Watch{User: i.by, Kind: alert.WatchGroup, Group: g.ID, CreatedAt: b.now()}); err != nil {
		return message{}, limited(err)
	}
	m, err := b.showGroup(ctx, g, "🔔 "+titled(c)+" is in the group: I write to you when they come online.")
	if err != nil {
		return m, err
	}
	m.Content = joinLines(m.Content, b.reach(ctx, i, true))
	return m, b.promise(ctx)
}

func (b *Bot) groupRemove(ctx context.Context, i *interaction, g alert.Group, text string) (message, error) {
	for _, id := range g.Members {
		p, _, err := b.cfg.Store.Player(ctx, id)
		if err != nil {
			return message{}, err
		}
		p.Character.ID = id
		if want, ok := picked(text); ok && want == int64(id) || strings.EqualFold(p.Character.Name, text) {
			g.User = i.by
			g.Members = slices.DeleteFunc(g.Members, func(m event.CharacterID) bool { return m == id })
			if g, err = b.cfg.Store.SaveGroup(ctx, g); err != nil {
				return message{}, limited(err)
			}
			return b.showGroup(ctx, g, "🔕 "+titled(p.Character)+" is not in the group any more.")
		}
	}
	return message{}, tell("“%s” is not in the group **%s**.", escape(clip(text, 40)), escape(g.Name))
}

// showGroup lists who is in a group.
func (b *Bot) showGroup(ctx context.Context, g alert.Group, head string) (message, error) {
	var lines []string
	for _, id := range g.Members {
		p, _, err := b.cfg.Store.Player(ctx, id)
		if err != nil {
			return message{}, err
		}
		p.Character.ID = id
		line := titled(p.Character)
		if p.Online.Online {
			line = "🟢 " + onLine(line, p.Online, b.now())
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		lines = append(lines, "Nobody is in it.")
	}
	m := box(list(lines, maxDescription), buttons(button{Label: "Delete the group…", CustomID: controlUngroup + strconv.FormatInt(g.ID, 10), Style: styleDanger}))
	m.Content = cut(head, maxContent)
	m.Embeds[0].Title = "📋 " + cut(escape(g.Name), 200)
	return m, nil
}

// ungroup deletes a group, once the asker has said so twice.
func (b *Bot) ungroup(ctx context.Context, i *interaction, arg string) (message, error) {
	text, said, _ := strings.Cut(arg, ":")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || said != "" && said != "yes" && said != "no" {
		return b.oldControl(ctx, i, arg)
	}
	all, err := b.cfg.Store.Groups(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	at := slices.IndexFunc(all, func(g alert.Group) bool { return g.ID == id })
	if at < 0 {
		return plain("There is no such group any more."), nil
	}
	name := "**" + escape(all[at].Name) + "**"
	switch said {
	case "no":
		return b.showGroup(ctx, all[at], "")
	case "":
		return box("Delete the group "+name+" with its "+count(len(all[at].Members), "player", "players")+"? I tell you of none of them any more, "+
			"unless you follow them otherwise.\n\nThis cannot be undone.",
			buttons(button{Label: "Delete it", CustomID: controlUngroup + text + ":yes", Style: styleDanger},
				button{Label: "Keep it", CustomID: controlUngroup + text + ":no"})), nil
	}
	if _, err := b.cfg.Store.RemoveGroup(ctx, i.by, id); err != nil {
		return message{}, err
	}
	return plain("🗑️ The group " + name + " is deleted, and you are not told of it any more."), nil
}

// limited puts a bound that was reached into words.
func limited(err error) error {
	var most *alert.LimitError
	switch {
	case errors.As(err, &most):
		how := map[string]string{"links": "`/unlink` makes room", "watches": "`/watch list` shows what can go", "groups": "delete one that you do not need",
			"members": "a second group can take more", "mutes": "`/settings` → Muted players shows them",
			"subscriptions": "`/unsubscribe` makes room"}[most.What]
		return tell("That would be too many: %d %s are the most. %s.", most.Most, most.What, upperFirst(how))
	case errors.Is(err, alert.ErrTaken):
		return tell("You have a group of that name already.")
	}
	return err
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (b *Bot) suggestGroups(ctx context.Context, i *interaction, typed string) []choice {
	groups, err := b.cfg.Store.Groups(ctx, i.by)
	if err != nil {
		b.log.Warn("groups not suggested", "err", err)
	}
	var choices []choice
	exact := typed == ""
	for _, g := range groups {
		if contains(g.Name, typed) {
			choices = append(choices, choice{Name: g.Name, Value: pick(g.ID)})
		}
		exact = exact || strings.EqualFold(g.Name, typed)
	}
	if !exact && utf8.RuneCountInString(typed) <= alert.MaxGroupName {
		choices = append(choices, choice{Name: "New group: " + typed, Value: typed})
	}
	return choices
}

// suggestMembers completes who can be taken out of the group that is named.
func (b *Bot) suggestMembers(ctx context.Context, i *interaction, typed string) []choice {
	g, err := b.groupNamed(ctx, i)
	if err != nil {
		return nil
	}
	var choices []choice
	for _, id := range g.Members {
		p, _, err := b.cfg.Store.Player(ctx, id)
		if err != nil {
			b.log.Warn("members not suggested", "err", err)
			break
		}
		p.Character.ID = id
		if contains(playerChoice(p.Character), typed) {
			choices = append(choices, choice{Name: playerChoice(p.Character), Value: pick(int64(id))})
		}
	}
	return choices
}
