package bot

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/event"
)

// Ids of /privacy.
const (
	controlPrivacy = controlVersion + "privacy"
	controlExport  = controlVersion + "export"
	controlForget  = controlVersion + "forget" // and ":yes" once it is meant
	controlHide    = controlVersion + "hide"   // the menu says whom
	controlProved  = controlVersion + "proved:"
	controlUnhide  = controlVersion + "unhide"
)

// How a person shows that a character is theirs (docs/adr, hiding): by dying by
// their own hand a number of times that nobody can guess or cause.
const (
	proofLeast  = 3
	proofMost   = 5
	proofWithin = 10 * time.Minute
	proofSlack  = 5 * time.Second // the game's clock and ours
)

// privacy shows what is stored about the asker, and what can be done about it.
func (b *Bot) privacy(ctx context.Context, i *interaction) (message, error) {
	return b.showPrivacy(ctx, i, "")
}

func (b *Bot) showPrivacy(ctx context.Context, i *interaction, _ string) (message, error) {
	all, err := b.cfg.Store.Export(ctx, i.by, b.now())
	if err != nil {
		return message{}, err
	}
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	lines := []string{
		count(len(all.Links), "linked character, and its friends list", "linked characters, and their friends lists"),
		count(len(all.Watches), "thing you follow", "things you follow") + ", " + count(len(all.Groups), "group", "groups") +
			", " + count(len(all.Mutes), "muted player", "muted players"),
		"your settings" + map[bool]string{true: " (the defaults)", false: ", and the language that you use Discord in"}[all.Settings == nil],
		count(len(all.Alerts)+all.MoreAlerts, "piece of news", "pieces of news") + " of the last days, told or not",
		"the number of our conversation, and whether Discord lets me write to you",
	}
	text := "**What I keep about you**\n• " + strings.Join(lines, "\n• ") +
		"\n\nNothing else: no messages, no other data of your Discord account. I use it to tell you who comes online, and for nothing else." +
		"\n\n**Characters and everybody else**\nWhat happens in the game is public, and I keep it. " +
		"You can hide a character that is yours: then no message, list, board or page names it, for anybody."
	for _, c := range all.Hidden {
		text += "\n🫥 " + titled(c) + " is hidden."
	}
	m := box(text)
	m.Embeds[0].Title = "🔐 Your data"
	m.Components = append(m.Components, choose(controlHide, "Hide a character of yours…", characterOptions(links, all.Hidden)...)...)
	m.Components = append(m.Components, choose(controlUnhide, "Show a hidden character again…", characterOptions(all.Hidden, nil)...)...)
	m.Components = append(m.Components, buttons(
		button{Label: "Give me all of it", CustomID: controlExport, Style: styleMain},
		button{Label: "Delete all of it…", CustomID: controlForget, Style: styleDanger})...)
	return m, nil
}

func characterOptions(list, without []event.Character) []option {
	var options []option
	for _, c := range list {
		if !slices.ContainsFunc(without, func(w event.Character) bool { return w.ID == c.ID }) {
			options = append(options, option{Label: playerChoice(c), Value: c.ID.String()})
		}
	}
	return options
}

// maxExport is how large the file may be, in bytes: Discord takes 10 MiB.
const maxExport = 8 << 20

// export sends everything about the asker as a file.
func (b *Bot) export(ctx context.Context, i *interaction, _ string) (message, error) {
	all, err := b.cfg.Store.Export(ctx, i.by, b.now())
	if err != nil {
		return message{}, err
	}
	file, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return message{}, err
	}
	if len(file) > maxExport {
		return message{}, tell("Your data is larger than what Discord lets me send. Please ask whoever runs this bot for it.")
	}
	m := plain("Here is everything that I keep about you, as a file that people and programs can read.")
	m.file = file
	m.Attachments = []attachment{{ID: "0", Filename: "muster-" + i.by.String() + ".json", Description: "Everything that Muster stores about you, as JSON"}}
	return m, nil
}

// forget deletes everything about the asker, once they have said so twice.
func (b *Bot) forget(ctx context.Context, i *interaction, arg string) (message, error) {
	if arg != "yes" {
		return box("Delete everything that I keep about you? Your links, what you follow, your settings: all of it goes at once, and I stop "+
			"writing to you. Characters that you have hidden stay hidden.\n\nThis cannot be undone.",
			buttons(button{Label: "Delete everything", CustomID: controlForget + ":yes", Style: styleDanger},
				button{Label: "Keep it", CustomID: controlPrivacy})), nil
	}
	gone, err := b.cfg.Store.Forget(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	return plain("🗑️ Done: " + count(int(gone.Total()), "entry is", "entries are") + " deleted. I keep nothing about you any more, and will not write to you. " +
		"`/link` begins anew, should you ever want to."), nil
}

// hide begins to hide a character: it asks for a proof that only its player can give.
func (b *Bot) hide(ctx context.Context, i *interaction, _ string) (message, error) {
	c, err := b.own(ctx, i, i.value())
	if err != nil {
		return message{}, err
	}
	n := proofLeast + rand.N(proofMost-proofLeast+1)
	arg := c.ID.String() + ":" + strconv.Itoa(n) + ":" + strconv.FormatInt(b.now().Unix(), 10)
	return box(fmt.Sprintf("Anybody can link a character, so please show me that **%s** is yours:\n\n"+
		"1. Log in with it.\n2. Type `/suicide` in the game's chat, exactly **%d times**, respawning in between.\n3. Press **Done**.\n\n"+
		"You have ten minutes, until <t:%d:t>. I see it in the game's own stream; nothing else is needed.",
		nameOf(c), n, b.now().Add(proofWithin).Unix()),
		buttons(button{Label: "Done", CustomID: controlProved + arg + ":" + b.seal(i, arg), Style: styleMain},
			button{Label: "Not now", CustomID: controlPrivacy})), nil
}

// own returns which of the asker's linked characters has an id.
func (b *Bot) own(ctx context.Context, i *interaction, text string) (event.Character, error) {
	links, err := b.cfg.Store.Links(ctx, i.by)
	if err != nil {
		return event.Character{}, err
	}
	for _, c := range links {
		if c.ID.String() == text {
			return c, nil
		}
	}
	return event.Character{}, tell("That character is not linked to you. `/link player:` comes first.")
}

// seal signs what a button says, for the one who may press it.
func (b *Bot) seal(i *interaction, arg string) string {
	mac := hmac.New(sha256.New, []byte(b.cfg.Token))
	fmt.Fprintf(mac, "muster proof %d %s", i.by, arg)
	return hex.EncodeToString(mac.Sum(nil)[:12])
}

// proved looks whether the character died as asked, and hides it.
func (b *Bot) proved(ctx context.Context, i *interaction, arg string) (message, error) {
	cut := strings.LastIndexByte(arg, ':')
	if cut < 0 || !hmac.Equal([]byte(b.seal(i, arg[:cut])), []byte(arg[cut+1:])) {
		return b.oldControl(ctx, i, arg)
	}
	part := strings.Split(arg[:cut], ":")
	if len(part) != 3 {
		return b.oldControl(ctx, i, arg)
	}
	n, errN := strconv.Atoi(part[1])
	began, errAt := strconv.ParseInt(part[2], 10, 64)
	if errN != nil || errAt != nil {
		return b.oldControl(ctx, i, arg)
	}
	c, err := b.own(ctx, i, part[0])
	if err != nil {
		return message{}, err
	}
	return b.judge(ctx, i, c, n, time.Unix(began, 0), arg)
}

func (b *Bot) judge(ctx context.Context, i *interaction, c event.Character, n int, began time.Time, arg string) (message, error) {
	end := began.Add(proofWithin)
	deaths, err := b.cfg.Store.OwnDeaths(ctx, c.ID, began.Add(-proofSlack), end.Add(proofSlack))
	if err != nil {
		return message{}, err
	}
	again := buttons(button{Label: "Done", CustomID: controlProved + arg, Style: styleMain}, button{Label: "Not now", CustomID: controlPrivacy})
	switch {
	case len(deaths) == n:
		if err := b.cfg.Store.Hide(ctx, c.ID, i.by, b.now()); err != nil {
			return message{}, err
		}
		return box("🫥 **"+nameOf(c)+"** is hidden. From now on no message, list, board or page of mine names it, for anybody.",
			buttons(button{Label: "Your data", CustomID: controlPrivacy})), nil
	case len(deaths) > n:
		return box(fmt.Sprintf("I saw %d, and asked for exactly %d. Please begin anew.", len(deaths), n),
			buttons(button{Label: "Begin anew", CustomID: controlPrivacy, Style: styleMain})), nil
	case b.now().After(end.Add(time.Minute)):
		return box(fmt.Sprintf("The ten minutes are over, and I saw %d of %d. Please begin anew.", len(deaths), n),
			buttons(button{Label: "Begin anew", CustomID: controlPrivacy, Style: styleMain})), nil
	}
	text := fmt.Sprintf("I have seen **%d of %d** so far. Until <t:%d:t> there is time; what happens in the game reaches me after a few seconds.", len(deaths), n, end.Unix())
	return box(joinLines(text, b.doubt(ctx)), again), nil
}

// unhide lets a character be named again.
func (b *Bot) unhide(ctx context.Context, i *interaction, _ string) (message, error) {
	id, err := parseCharacter(i.value())
	if err != nil {
		return b.oldControl(ctx, i, "")
	}
	if _, err := b.cfg.Store.Unhide(ctx, id, i.by); err != nil {
		return message{}, err
	}
	return b.showPrivacy(ctx, i, "")
}
