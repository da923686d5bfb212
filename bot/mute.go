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
	return box("For how long do you want to hear nothing of "+titled(p.Character)+", whatever you follow?",
		choose(controlMuteFor+id.String(), "Mute…",
			option{Label: "For an hour", Value: "1h"},
			option{Label: "For today", Value: "today"},
			option{Label: "For good", Value: "on", Description: "/settings lets you hear of them again"})), nil
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
	words := "until you end it"
	if !until.IsZero() {
		words = "until " + moment2(until, b.now())
	}
	m := box("🔇 You hear nothing of "+titled(p.Character)+" "+words+".",
		buttons(button{Label: "Undo", CustomID: controlVersion + "unmute:" + id.String()}, button{Label: "Settings", CustomID: controlSet}))
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
	return box("⏸️ I write nothing until "+moment2(set.PausedUntil, b.now())+".",
		buttons(button{Label: "End the pause", CustomID: controlPut + "pause:off", Style: styleGood})), nil
}
