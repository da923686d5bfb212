package bot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"muster/internal/backoff"
)

// Deadlines of an interaction, from the arrival of its event (discord notes 5).
const (
	firstWithin  = 2500 * time.Millisecond // of Discord's 3 s
	typingWithin = 1500 * time.Millisecond // for the lookups of an autocomplete
	answerWithin = 25 * time.Second        // nobody waits longer, whatever the token allows
	editTries    = 4
)

// errDropped says that the interaction is over: there is nobody to answer.
var errDropped = errors.New("interaction is over")

// errOverload says that as many interactions as may be are being answered.
var errOverload = errors.New("too many interactions at once")

// take starts answering an interaction; it does not block. The error wraps
// errInteraction or errOverload, and has been logged.
func (b *Bot) take(raw []byte, at time.Time) error {
	i, err := decodeInteraction(raw)
	if err != nil {
		b.metrics.interactions.WithLabelValues("unreadable").Inc()
		b.log.Warn("interaction cannot be read", "err", err)
		return err
	}
	i.lang = b.in(i.locale())
	select {
	case b.serving <- struct{}{}:
	default:
		b.metrics.interactions.WithLabelValues("overload").Inc()
		b.log.Warn("too many interactions at once, one dropped", "limit", maxServing)
		return errOverload
	}
	b.work.Add(1)
	go func() {
		defer b.work.Done()
		defer func() { <-b.serving }()
		b.serve(i, at)
	}()
	return nil
}

// serve answers i. Its context is its own: an answer in hand is finished when the
// bot stops.
func (b *Bot) serve(i *interaction, at time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), at.Add(answerWithin))
	defer cancel()
	outcome := "answered"
	var err error
	switch i.Type {
	case interactionAutocomplete:
		err = b.serveTyping(ctx, i, at)
	case interactionCommand:
		err = b.serveCommand(ctx, i, at)
	case interactionComponent, interactionForm:
		err = b.serveControl(ctx, i, at)
	default:
		outcome = "unknown"
	}
	if err != nil {
		outcome = "failed"
		if errors.Is(err, errDropped) {
			outcome = "dropped"
		}
		b.log.Warn("interaction not answered", "command", i.name(), "err", b.redact.err(err))
	}
	b.metrics.interactions.WithLabelValues(outcome).Inc()
	if i.Type != interactionAutocomplete {
		b.learn(ctx, i)
	}
}

// serveCommand defers, works, and edits the answer in.
func (b *Bot) serveCommand(ctx context.Context, i *interaction, at time.Time) error {
	cmd, ok := b.commands[i.command.path()]
	if !ok {
		m := plain(i.lang.T("command.unknown"))
		m.Flags = flagEphemeral
		return b.first(ctx, i, at, respondMessage, m)
	}
	if cmd.instant {
		m := b.answer(ctx, i, cmd.run)
		m.Flags = flagEphemeral
		err := b.first(ctx, i, at, respondMessage, m)
		if err == nil {
			b.remind(ctx, i)
		}
		return err
	}
	err := b.deferred(ctx, i, at, cmd.private, cmd.run)
	if err == nil {
		b.remind(ctx, i)
	}
	return err
}

// serveControl answers what was pressed, chosen or written into a form.
func (b *Bot) serveControl(ctx context.Context, i *interaction, at time.Time) error {
	c, arg := b.control(i.pressed)
	switch c.how {
	case asks:
		f, err := b.open(ctx, i, at, c, arg)
		if err != nil {
			return b.first(ctx, i, at, respondMessage, b.excuse(i, err, flagEphemeral))
		}
		return b.first(ctx, i, at, respondForm, f)
	case updates:
		if err := b.first(ctx, i, at, respondDeferredUpdate, nil); err != nil {
			return err
		}
		return b.edit(ctx, i, b.answer(ctx, i, (*Bot).press))
	}
	return b.deferred(ctx, i, at, true, (*Bot).press)
}

// open makes a form, which cannot be deferred.
func (b *Bot) open(ctx context.Context, i *interaction, at time.Time, c control, arg string) (f form, err error) {
	ctx, cancel := context.WithDeadline(ctx, at.Add(typingWithin))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			func() {
				defer b.recovered(i.name())
				panic(p)
			}()
			err = errors.New("panic")
		}
	}()
	b.speak(ctx, i)
	return c.open(b, ctx, i, arg)
}

// deferred tells Discord that an answer will come, makes it and sends it.
func (b *Bot) deferred(ctx context.Context, i *interaction, at time.Time, private bool, run runFunc) error {
	flags := struct {
		Flags int `json:"flags,omitempty"`
	}{}
	if private {
		flags.Flags = flagEphemeral
	}
	if err := b.first(ctx, i, at, respondDeferred, flags); err != nil {
		return err
	}
	return b.edit(ctx, i, b.answer(ctx, i, run))
}

// answer runs one handler. What goes wrong becomes a sentence for the person.
func (b *Bot) answer(ctx context.Context, i *interaction, run runFunc) (m message) {
	defer func() {
		if p := recover(); p != nil {
			func() {
				defer b.recovered(i.name())
				panic(p)
			}()
			m = plain(i.lang.T("broken"))
		}
	}()
	b.speak(ctx, i)
	m, err := run(b, ctx, i)
	if err != nil {
		return b.excuse(i, err, 0)
	}
	return m
}

// excuse puts what went wrong into words.
func (b *Bot) excuse(i *interaction, err error, flags int) message {
	m := plain(i.lang.T("broken"))
	var told *userError
	if errors.As(err, &told) {
		m = plain(told.said.In(i.lang.Printer))
	} else {
		b.log.Error("command went wrong", "command", i.name(), "err", err)
	}
	m.Flags = flags
	return m
}

// first sends the first response, twice if need be. An interaction that was
// acknowledged before (40060: the first try did arrive) goes on; one that is gone
// (10062) is dropped.
func (b *Bot) first(ctx context.Context, i *interaction, at time.Time, kind int, data any) error {
	ctx, cancel := context.WithDeadline(ctx, at.Add(firstWithin))
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, firstWithin/2)
		err := b.rest.callback(try, i, kind, data)
		stop()
		if err == nil {
			return nil
		}
		switch decide(err).do {
		case proceed:
			return nil
		case again:
			if backoff.Sleep(ctx, 100*time.Millisecond) == nil {
				continue
			}
		}
		return fmt.Errorf("%w: %w", errDropped, err)
	}
}

// edit puts m in place of the deferral.
func (b *Bot) edit(ctx context.Context, i *interaction, m message) error {
	m.Flags = 0 // fixed by the deferral
	delay := 200 * time.Millisecond
	for try := 1; ; try++ {
		err := b.rest.editAnswer(ctx, i, m)
		d := decide(err)
		switch {
		case err == nil:
			return nil
		case d.do == drop || d.do == stopBot || try == editTries:
			return fmt.Errorf("%w: %w", errDropped, err)
		case d.do != again && d.do != wait:
			b.logRefused(err)
			return err
		}
		if backoff.Sleep(ctx, max(delay, d.after)) != nil {
			return fmt.Errorf("%w: %w", errDropped, err)
		}
		delay *= 3
	}
}

// logRefused says what Discord found wrong with a body of ours.
func (b *Bot) logRefused(err error) {
	var e *apiError
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		b.log.Error("discord refuses our message", "err", e, "details", clip(string(e.Details), 1000))
	}
}

// serveTyping answers an autocomplete: what can be found in time, and nothing
// otherwise. There is no deferral for it.
func (b *Bot) serveTyping(ctx context.Context, i *interaction, at time.Time) error {
	look, cancel := context.WithDeadline(ctx, at.Add(typingWithin))
	defer cancel()
	data := struct {
		Choices []choice `json:"choices"`
	}{b.suggest(look, i)}
	if data.Choices == nil {
		data.Choices = []choice{}
	}
	first, stop := context.WithDeadline(ctx, at.Add(firstWithin))
	defer stop()
	if err := b.rest.callback(first, i, respondAutocomplete, data); err != nil {
		return fmt.Errorf("%w: %w", errDropped, err)
	}
	return nil
}
