package bot

import (
	"context"
	"time"

	"muster/alert"
	"muster/internal/catalogue"
)

// speakWithin bounds the look for the language that a person has chosen: an answer
// in Discord's is better than none.
const speakWithin = 500 * time.Millisecond

// in returns the language of whoever reads: the first of choices that is not empty,
// which is a code of a catalogue or a locale of Discord's. English is for the rest.
func (b *Bot) in(choices ...string) lang {
	for _, c := range choices {
		if c != "" {
			return lang{b.texts.For(c)}
		}
	}
	return lang{b.texts.For(catalogue.Default)}
}

// locale returns what Discord says of the language, "" if that cannot be a locale.
func (i *interaction) locale() string {
	if len(i.Locale) > 16 {
		return ""
	}
	return i.Locale
}

// speak makes i.lang the language that the person has chosen. Without a choice, or
// when it cannot be read in time, it stays Discord's.
func (b *Bot) speak(ctx context.Context, i *interaction) {
	ctx, cancel := context.WithTimeout(ctx, speakWithin)
	defer cancel()
	i.lang = b.inOf(ctx, i.by, i.locale())
}

// learn remembers the language that Discord says, for messages that are sent later.
// It comes after the answer, writes only what has changed, and nothing at all of
// somebody who is never written to.
func (b *Bot) learn(ctx context.Context, i *interaction) {
	if i.locale() == "" {
		return
	}
	r, err := b.cfg.Store.Recipient(ctx, i.by)
	if err == nil && r.Locale != i.locale() {
		err = b.cfg.Store.SaveLocale(ctx, i.by, i.locale())
	}
	if err != nil {
		b.log.Debug("language not learnt, the next interaction tells it again", "err", err)
	}
}

// inOf returns the language of user: the one they have chosen, or else that of
// locale, Discord's, also when the choice cannot be read.
func (b *Bot) inOf(ctx context.Context, user alert.UserID, locale string) lang {
	set, err := b.cfg.Store.Settings(ctx, user)
	if err != nil {
		return b.in(locale)
	}
	return b.in(set.Language, locale)
}
