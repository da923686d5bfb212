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
		return message{}, tell("once")
	case add != "":
		return b.groupAdd(ctx, i, g, add)
	case g.ID == 0:
		return message{}, tell("group.missing", "name", escape(g.Name))
	case remove != "":
		return b.groupRemove(ctx, i, g, remove)
	}
	return b.showGroup(ctx, i.lang, g, "")
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
		return alert.Group{}, tell("group.name", "most", alert.MaxGroupName)
	}
	return alert.Group{User: i.by, Name: name}, nil
}

func (b *Bot) groupAdd(ctx context.Context, i *interaction, g alert.Group, text string) (message, error) {
	c, err := b.player(ctx, text)
	if err != nil {
		return message{}, err
	}
	if slices.Contains(g.Members, c.ID) {
		return b.showGroup(ctx, i.lang, g, i.lang.T("group.already", "who", i.lang.titled(c)))
	}
	g.User, g.Members = i.by, append(g.Members, c.ID)
	if g, err = b.cfg.Store.SaveGroup(ctx, g); err != nil {
		return message{}, limited(err)
	}
	if _, _, err := b.cfg.Store.AddWatch(ctx, alert.Watch{User: i.by, Kind: alert.WatchGroup, Group: g.ID, CreatedAt: b.now()}); err != nil {
		return message{}, limited(err)
	}
	m, err := b.showGroup(ctx, i.lang, g, i.lang.T("group.added", "who", i.lang.titled(c)))
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
			return b.showGroup(ctx, i.lang, g, i.lang.T("group.removed", "who", i.lang.titled(p.Character)))
		}
	}
	return message{}, tell("group.not_in", "text", escape(clip(text, 40)), "group", escape(g.Name))
}

// showGroup lists who is in a group.
func (b *Bot) showGroup(ctx context.Context, in lang, g alert.Group, head string) (message, error) {
	var lines []string
	for _, id := range g.Members {
		p, _, err := b.cfg.Store.Player(ctx, id)
		if err != nil {
			return message{}, err
		}
		p.Character.ID = id
		line := in.titled(p.Character)
		if p.Online.Online {
			line = "🟢 " + in.onLine(line, p.Online, b.now())
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		lines = append(lines, in.T("group.empty"))
	}
	m := box(in.list(lines, maxDescription), buttons(button{Label: in.T("group.delete"), CustomID: controlUngroup + strconv.FormatInt(g.ID, 10), Style: styleDanger}))
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
		return plain(i.lang.T("group.gone")), nil
	}
	name := "**" + escape(all[at].Name) + "**"
	switch said {
	case "no":
		return b.showGroup(ctx, i.lang, all[at], "")
	case "":
		return box(i.lang.N("group.sure", len(all[at].Members), "group", name),
			buttons(button{Label: i.lang.T("group.delete_now"), CustomID: controlUngroup + text + ":yes", Style: styleDanger},
				button{Label: i.lang.T("button.keep"), CustomID: controlUngroup + text + ":no"})), nil
	}
	if _, err := b.cfg.Store.RemoveGroup(ctx, i.by, id); err != nil {
		return message{}, err
	}
	return plain(i.lang.T("group.deleted", "group", name)), nil
}

// limited puts a bound that was reached into words.
func limited(err error) error {
	var most *alert.LimitError
	switch {
	case errors.As(err, &most):
		if key, ok := limitKeys[most.What]; ok {
			return tellCount(key, most.Most)
		}
	case errors.Is(err, alert.ErrTaken):
		return tell("group.taken")
	}
	return err
}

// limitKeys say of each bound what can be done about it.
var limitKeys = map[string]string{
	"links": "limit.links", "watches": "limit.watches", "worlds": "limit.worlds", "groups": "limit.groups",
	"members": "limit.members", "mutes": "limit.mutes", "subscriptions": "limit.subscriptions",
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
		choices = append(choices, choice{Name: i.lang.T("group.new", "name", typed), Value: typed})
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
		if contains(i.lang.playerChoice(p.Character), typed) {
			choices = append(choices, choice{Name: i.lang.playerChoice(p.Character), Value: pick(int64(id))})
		}
	}
	return choices
}
