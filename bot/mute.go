package bot

import (
	"context"

	"muster/alert"
	"muster/event"
)

// Ids of the buttons below a message about somebody.
const (
	controlMute     = controlVersion + "mute:"    // and the character
	controlMuteFor  = controlVersion + "mutefor:" // and the character; the menu says how long
	controlPause    = controlVersion + "pause:"   // and how long
	controlSettings = controlVersion + "settings"
)

func parseCharacter(text string) (event.CharacterID, error) { return event.ParseCharacterID(text) }

// askMute asks for how long somebody is to be muted.
func (b *Bot) askMute(ctx context.Context, i *interaction, arg string) (message, error) {
	id, err := parseCharacter(arg)
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	p, _, err := b.cfg.Store.Player(ctx, id)
	if err != nil {
		return message{}, err
	}
	p.Character.ID = id
	return box(i.lang.T("mute.ask", "who", i.lang.titled(p.Character)),
		choose(controlMuteFor+id.String(), i.lang.T("mute.menu"),
			option{Label: i.lang.T("mute.hour"), Value: "1h"},
			option{Label: i.lang.T("mute.today"), Value: "today"},
			option{Label: i.lang.T("mute.for_good"), Value: "on", Description: i.lang.T("mute.for_good.about")})), nil
}

// muteFor mutes somebody.
func (b *Bot) muteFor(ctx context.Context, i *interaction, arg string) (message, error) {
	id, err := parseCharacter(arg)
	if err != nil {
		return b.oldControl(ctx, i, arg)
	}
	until, ok, err := b.muteEnd(ctx, i, i.value())
	if err != nil || !ok {
		return b.orOld(ctx, i, arg, err)
	}
	if err := b.cfg.Store.SaveMute(ctx, alert.Mute{User: i.by, Character: id, Until: until}, b.now()); err != nil {
		return message{}, limited(err)
	}
	p, _, err := b.cfg.Store.Player(ctx, id)
	if err != nil {
		return message{}, err
	}
	p.Character.ID = id
	words := i.lang.T("mute.done", "who", i.lang.titled(p.Character))
	if !until.IsZero() {
		words = i.lang.T("mute.done_until", "who", i.lang.titled(p.Character), "when", moment2(until, b.now()))
	}
	m := box(words,
		buttons(button{Label: i.lang.T("button.undo"), CustomID: controlVersion + "unmute:" + id.String()}, button{Label: i.lang.T("button.settings"), CustomID: controlSet}))
	return m, nil
}

// pauseFor pauses all news, from the button below a message.
func (b *Bot) pauseFor(ctx context.Context, i *interaction, arg string) (message, error) {
	set, err := b.cfg.Store.Settings(ctx, i.by)
	if err != nil {
		return message{}, err
	}
	if !putPause(&set, arg, b.now()) {
		return b.oldControl(ctx, i, arg)
	}
	if err := b.saveSettings(ctx, i, set); err != nil {
		return message{}, err
	}
	return box(i.lang.T("pause.done", "when", moment2(set.PausedUntil, b.now())),
		buttons(button{Label: i.lang.T("pause.end"), CustomID: controlPut + "pause:off", Style: styleGood})), nil
}
