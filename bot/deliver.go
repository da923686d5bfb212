package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"muster/alert"
	"muster/internal/backoff"
)

// Pace of opening direct-message channels: bots that open many quickly are
// quarantined (discord notes 8).
const (
	opensPerSec   = 1
	opensBurst    = 5
	openPauseMin  = 2 * time.Minute // after a 40003, doubled by each in a row
	openPauseMax  = 30 * time.Minute
	pauseForgiven = time.Hour
)

// A pacer paces the opening of channels.
type pacer struct {
	limit *rate.Limiter
	now   func() time.Time
	mu    sync.Mutex
	until time.Time
	pause time.Duration
}

func newPacer(now func() time.Time) *pacer {
	return &pacer{limit: rate.NewLimiter(opensPerSec, opensBurst), now: now}
}

// wait returns when a channel may be opened; the error is a *waitError if that
// is later than ctx allows.
func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	d := p.until.Sub(p.now())
	p.mu.Unlock()
	if d > 0 {
		return &waitError{Route: "open_dm", Wait: d}
	}
	turn := p.limit.Reserve()
	d = turn.Delay()
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		turn.Cancel()
		return &waitError{Route: "open_dm", Wait: d}
	}
	return backoff.Sleep(ctx, d)
}

// tooFast records a 40003 and returns for how long nothing is opened. Channels
// that are open go on.
func (p *pacer) tooFast() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.until) {
		return p.until.Sub(now)
	}
	if now.Sub(p.until) > pauseForgiven {
		p.pause = 0
	}
	p.pause = min(max(2*p.pause, openPauseMin), openPauseMax)
	p.until = now.Add(p.pause)
	return p.pause
}

// direct sends m to r's direct messages under nonce, opening the channel first
// if need be, and again once if it is gone (10003). The caller saves r, which then
// has another channel. The error is what decide understands.
func (b *Bot) direct(ctx context.Context, r *alert.Recipient, m message, nonce string) (string, error) {
	fresh := r.DMChannel == ""
	if fresh {
		if err := b.openChannel(ctx, r); err != nil {
			return "", err
		}
	}
	id, err := b.rest.createMessage(ctx, r.DMChannel, m, nonce)
	if decide(err).do != reopen || fresh {
		return id, err
	}
	if err := b.openChannel(ctx, r); err != nil {
		return "", err
	}
	return b.rest.createMessage(ctx, r.DMChannel, m, nonce)
}

// openChannel opens the channel.
func (b *Bot) openChannel(ctx context.Context, r *alert.Recipient) error {
	if err := b.alerts.opens.wait(ctx); err != nil {
		return err
	}
	ch, err := b.rest.openDM(ctx, r.User.String())
	if err != nil {
		if decide(err).do == pauseOpens {
			pause := b.alerts.opens.tooFast()
			b.log.Error("discord says that we open direct messages too fast, opening pauses", "for", pause)
		}
		return err
	}
	r.DMChannel = ch
	return nil
}

// closeRecipient remembers that Discord refuses messages to the user. What the
// user subscribed to stays.
func (b *Bot) closeRecipient(ctx context.Context, r *alert.Recipient, why string) {
	r.Closed, r.ClosedAt = why, b.now()
	b.saveRecipient(ctx, *r)
}

func (b *Bot) saveRecipient(ctx context.Context, r alert.Recipient) {
	if err := b.cfg.Store.SaveRecipient(ctx, r); err != nil {
		b.log.Warn("recipient not saved", "err", err)
	}
}

const (
	retest    = 30 * time.Second // between two test messages to a user who refuses them
	testLimit = 6 * time.Second  // for a test message, while the person waits
)

// reach makes sure that direct messages arrive while the person is present, and
// says what came of it: a test message at the first subscription (if offer), and
// another one after Discord has refused messages (discord notes 6, 8). It returns
// "" when there is nothing to say.
func (b *Bot) reach(ctx context.Context, i *interaction, offer bool) string {
	i.reached = true
	r, err := b.cfg.Store.Recipient(ctx, i.by)
	if err != nil {
		b.log.Warn("recipient not read", "err", err)
		return ""
	}
	r.User, r.Locale = i.by, i.locale()
	closed := r.Closed != ""
	if closed && b.now().Sub(r.ClosedAt) < retest {
		return i.lang.refusal(r.Closed)
	}
	if !closed && (!offer || r.DMChannel != "") {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	_, err = b.direct(ctx, &r, message{Content: i.lang.T("reach.test")}, "t"+i.ID)
	return b.tested(ctx, i.lang, &r, err)
}

// remind tells somebody whom messages do not reach so, beside an answer that did
// not: only they see it.
func (b *Bot) remind(ctx context.Context, i *interaction) {
	if i.reached {
		return
	}
	text := b.reach(ctx, i, false)
	if text == "" {
		return
	}
	m := plain(text)
	m.Flags = flagEphemeral
	if err := b.rest.followUp(ctx, i, m); err != nil {
		b.log.Warn("not told that direct messages are refused", "err", b.redact.err(err))
	}
}

// tested records the outcome of a test message and puts it into words.
func (b *Bot) tested(ctx context.Context, in lang, r *alert.Recipient, err error) string {
	ctx = context.WithoutCancel(ctx)
	wasClosed := r.Closed != ""
	switch d := decide(err); d.do {
	case sent:
		r.Closed, r.ClosedAt = "", time.Time{}
		b.saveRecipient(ctx, *r)
		if wasClosed {
			return in.T("reach.again")
		}
		return in.T("reach.sent")
	case closeUser, fewMore, forgetUser:
		b.closeRecipient(ctx, r, codeOf(err))
		return in.refusal(r.Closed)
	default:
		b.saveRecipient(ctx, *r) // the channel may be open all the same, and the language is known
		b.logRefused(err)
		b.log.Warn("test message not sent", "err", err)
		if wasClosed {
			return in.refusal(r.Closed)
		}
		return in.T("reach.later")
	}
}

// refusal explains why no message arrives and what helps.
func (in lang) refusal(code string) string {
	if code == "50278" {
		return in.T("reach.no_server")
	}
	return in.T("reach.closed")
}

// codeOf returns Discord's code for the record.
func codeOf(err error) string {
	var e *apiError
	if errors.As(err, &e) && e.Code != 0 {
		return itoa(e.Code)
	}
	return "refused"
}
