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
	settings := i.lang.T("privacy.settings")
	if all.Settings == nil {
		settings = i.lang.T("privacy.defaults")
	}
	lines := []string{
		i.lang.N("privacy.links", len(all.Links)),
		i.lang.N("privacy.watches", len(all.Watches)) + ", " + i.lang.N("privacy.groups", len(all.Groups)) + ", " + i.lang.N("privacy.mutes", len(all.Mutes)),
		settings,
		i.lang.N("privacy.news", len(all.Alerts)+all.MoreAlerts),
		i.lang.T("privacy.contact"),
	}
	text := i.lang.T("privacy.head") + "\n• " + strings.Join(lines, "\n• ") + "\n\n" + i.lang.T("privacy.rest")
	for _, c := range all.Hidden {
		text += "\n" + i.lang.T("privacy.hidden", "who", i.lang.titled(c))
	}
	m := box(text)
	m.Embeds[0].Title = i.lang.T("privacy.title")
	m.Components = append(m.Components, choose(controlHide, i.lang.T("privacy.hide"), i.lang.characterOptions(links, all.Hidden)...)...)
	m.Components = append(m.Components, choose(controlUnhide, i.lang.T("privacy.unhide"), i.lang.characterOptions(all.Hidden, nil)...)...)
	m.Components = append(m.Components, buttons(
		button{Label: i.lang.T("privacy.get"), CustomID: controlExport, Style: styleMain},
		button{Label: i.lang.T("privacy.delete"), CustomID: controlForget, Style: styleDanger})...)
	return m, nil
}

func (in lang) characterOptions(list, without []event.Character) []option {
	var options []option
	for _, c := range list {
		if !slices.ContainsFunc(without, func(w event.Character) bool { return w.ID == c.ID }) {
			options = append(options, option{Label: in.playerChoice(c), Value: c.ID.String()})
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
		return message{}, tell("export.too_large")
	}
	m := plain(i.lang.T("export.done"))
	m.file = file
	m.Attachments = []attachment{{ID: "0", Filename: "muster-" + i.by.String() + ".json", Description: i.lang.T("export.file")}}
	return m, nil
}

// forget deletes everything about the asker, once they have said so twice.
func (b *Bot) forget(ctx context.Context, i *interaction, arg string) (message, error) {
	if arg != "yes" {
		return box(i.lang.T("forget.sure"),
			buttons(button{Label: i.lang.T("forget.now"), CustomID: controlForget + ":yes", Style: styleDanger},
				button{Label: i.lang.T("button.keep"), CustomID: controlPrivacy})), nil
	}
	gone, err := b.cfg.Store.Forget(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	return plain(i.lang.N("forget.done", int(gone.Total()))), nil
}

// hide begins to hide a character: it asks for a proof that only its player can give.
func (b *Bot) hide(ctx context.Context, i *interaction, _ string) (message, error) {
	c, err := b.own(ctx, i, i.value())
	if err != nil {
		return message{}, err
	}
	n := proofLeast + rand.N(proofMost-proofLeast+1)
	arg := c.ID.String() + ":" + strconv.Itoa(n) + ":" + strconv.FormatInt(b.now().Unix(), 10)
	return box(i.lang.N("hide.how", n, "name", i.lang.nameOf(c), "until", timeOfDay(b.now().Add(proofWithin))),
		buttons(button{Label: i.lang.T("hide.done"), CustomID: controlProved + arg + ":" + b.seal(i, arg), Style: styleMain},
			button{Label: i.lang.T("hide.not_now"), CustomID: controlPrivacy})), nil
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
	return event.Character{}, tell("hide.not_linked")
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
	again := buttons(button{Label: i.lang.T("hide.done"), CustomID: controlProved + arg, Style: styleMain}, button{Label: i.lang.T("hide.not_now"), CustomID: controlPrivacy})
	switch {
	case len(deaths) == n:
		if err := b.cfg.Store.Hide(ctx, c.ID, i.by, b.now()); err != nil {
			return message{}, err
		}
		return box(i.lang.T("hide.hidden", "name", i.lang.nameOf(c)),
			buttons(button{Label: i.lang.T("hide.your_data"), CustomID: controlPrivacy})), nil
	case len(deaths) > n:
		return box(i.lang.T("hide.too_many", "seen", len(deaths), "n", n),
			buttons(button{Label: i.lang.T("hide.again"), CustomID: controlPrivacy, Style: styleMain})), nil
	case b.now().After(end.Add(time.Minute)):
		return box(i.lang.T("hide.too_late", "seen", len(deaths), "n", n),
			buttons(button{Label: i.lang.T("hide.again"), CustomID: controlPrivacy, Style: styleMain})), nil
	}
	text := i.lang.T("hide.so_far", "seen", len(deaths), "n", n, "until", timeOfDay(end))
	return box(joinLines(text, b.doubt(ctx, i.lang)), again), nil
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
