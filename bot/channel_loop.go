package bot

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"muster/alert"
	"muster/internal/catalogue"
)

// maxChannels is how many channels are written to side by side.
const maxChannels = 16

// A channelLoop tells channels what they want: it claims subscriptions for which
// something is due, sends, edits or deletes, and records what came of it. One that dies
// leaves its turns to another, which does the same again under the same nonces.
type channelLoop struct {
	b     *Bot
	slots chan struct{} // one per turn in progress
	work  sync.WaitGroup
	// looked counts how often it was looked for what is due.
	looked atomic.Int64

	standing standing
}

func newChannelLoop(b *Bot) *channelLoop {
	return &channelLoop{b: b, slots: make(chan struct{}, maxChannels)}
}

// run works until ctx ends, and then finishes what is in flight.
func (l *channelLoop) run(ctx context.Context) error {
	tick := time.NewTicker(l.b.cfg.Poll)
	defer tick.Stop()
	defer l.work.Wait() // bounded by sendWithin
	for ctx.Err() == nil {
		if err := l.claim(ctx); err != nil && ctx.Err() == nil {
			l.b.log.Warn("news for channels not read, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

func (l *channelLoop) claim(ctx context.Context) error {
	defer l.looked.Add(1)
	room := maxChannels - len(l.slots)
	if room == 0 || l.b.transport.stopped.Load() || l.b.transport.limits.ban(time.Now()) > 0 {
		return nil
	}
	turns, err := l.b.cfg.Store.ClaimChannels(ctx, l.b.now(), room, claimHold)
	if err != nil {
		return err
	}
	for _, t := range turns {
		l.slots <- struct{}{}
		l.work.Go(func() {
			defer func() { <-l.slots }()
			l.turn(ctx, t)
		})
	}
	return nil
}

// turn does what is due for one subscription. What was begun is finished even when the
// bot stops; the rest is left to whoever claims it next.
func (l *channelLoop) turn(stop context.Context, t alert.ChannelTurn) {
	defer l.b.recovered("channel")
	until, cancel := context.WithTimeout(stop, turnWithin)
	defer cancel()
	for _, p := range t.Posts {
		if !l.post(until, t, p) {
			break
		}
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(stop), sendWithin)
	defer done()
	if err := l.b.cfg.Store.ReleaseChannel(ctx, t); err != nil {
		l.b.log.Warn("turn of a channel not released, it ends by itself", "err", err)
	}
}

// errLate says that there is no time left in a turn.
var errLate = errors.New("no time left")

// A request is one post with what it needs to be made.
type request struct {
	alert.ChannelTurn
	post alert.ChannelPost
	// until ends when the turn is to.
	until context.Context
}

// pay waits until a request may be made. The context that it returns outlasts the end of
// the bot: what was begun is finished.
func (l *channelLoop) pay(r request) (context.Context, context.CancelFunc, error) {
	if l.b.alerts.budget.pay(r.until, r.post.Message == 0) != nil {
		return nil, nil, errLate
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(r.until), sendWithin)
	return ctx, done, nil
}

// post does one post and settles it, and reports whether the next one may follow.
func (l *channelLoop) post(until context.Context, t alert.ChannelTurn, p alert.ChannelPost) bool {
	r, label, err := l.send(request{ChannelTurn: t, post: p, until: until})
	if errors.Is(err, errLate) || until.Err() != nil && label == "retry" {
		return false // it is left to the next turn
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(until), sendWithin)
	defer done()
	l.b.metrics.channelPosts.WithLabelValues(string(t.Topic), label).Inc()
	if label == "stopped" {
		return false // the token is refused: this waits for a good one
	}
	r.Key = p.Key
	paused, failed := l.b.cfg.Store.SettlePost(ctx, t, r, l.b.now())
	if failed != nil {
		l.b.log.Warn("post not settled, it will be taken again under its nonce", "err", failed)
		return false
	}
	if paused {
		l.b.log.Info("a channel cannot be written to, it is paused", "code", r.Pause)
		l.tellMaker(ctx, t, p)
	}
	return err == nil
}

// send sends, edits or deletes what r is about, and says what to record, under which
// label it counts, and what went wrong so that what follows had better wait.
func (l *channelLoop) send(r request) (alert.PostResult, string, error) {
	switch {
	case r.Topic.Tracks():
		return l.showName(r)
	case r.Topic.Stands():
		return l.showBoard(r)
	case r.post.Delete:
		return l.remove(r)
	}
	c, err := l.b.channelMessage(r.until, r.ChannelTurn, r.post)
	if err != nil {
		l.b.log.Warn("post not made, trying again", "topic", r.Topic, "err", err)
		return l.later(r.post, 0), "retry", err
	}
	if c.drop {
		return alert.PostResult{Drop: true}, "dropped", nil
	}
	return l.show(r, c.message, c.next)
}

// show sends m, or edits what was sent.
func (l *channelLoop) show(r request, m message, next time.Time) (alert.PostResult, string, error) {
	ctx, done, err := l.pay(r)
	if err != nil {
		return alert.PostResult{}, "", err
	}
	defer done()
	out := alert.PostResult{Message: r.post.Message, Next: next}
	if r.post.Message != 0 {
		if err := l.b.rest.editMessage(ctx, r.Channel.String(), r.post.Message.String(), m); err != nil {
			return l.refused(r.post, err)
		}
		return out, "edited", nil
	}
	id, err := l.b.rest.createMessage(ctx, r.Channel.String(), m, r.post.Nonce())
	if err == nil {
		out.Message, err = alert.ParseSnowflake(id)
	}
	if err != nil {
		return l.refused(r.post, err)
	}
	return out, "sent", nil
}

// remove deletes a message whose time is over.
func (l *channelLoop) remove(r request) (alert.PostResult, string, error) {
	ctx, done, err := l.pay(r)
	if err != nil {
		return alert.PostResult{}, "", err
	}
	defer done()
	err = l.b.rest.deleteMessage(ctx, r.Channel.String(), r.post.Message.String())
	if d := decide(err); d.do == sent || d.do == repost || d.do == reopen { // gone either way
		return alert.PostResult{Drop: true}, "deleted", nil
	}
	return l.refused(r.post, err)
}

// later has p tried again.
func (l *channelLoop) later(p alert.ChannelPost, after time.Duration) alert.PostResult {
	return alert.PostResult{Failed: true, Next: l.b.now().Add(max(after, retryIn(p.Attempts), retryMin))}
}

// refused turns an error into what is recorded (discord notes 6): permissions pause
// the channel, and its subscriptions stay.
func (l *channelLoop) refused(p alert.ChannelPost, err error) (alert.PostResult, string, error) {
	switch d := decide(err); {
	case d.do == stopBot:
		return alert.PostResult{}, "stopped", err
	case d.do == wait, d.do == again:
		return l.later(p, d.after), "retry", err
	case d.do == repost && p.Message != 0:
		return alert.PostResult{Gone: true}, "gone", nil
	case d.shut():
		return alert.PostResult{Pause: codeOf(err)}, "paused", err
	}
	l.b.logRefused(err)
	l.b.log.Error("post given up", "err", err)
	return alert.PostResult{Drop: true}, "gave_up", nil
}

// tellMaker tells whoever made the subscription, once for each time a channel pauses. If
// that does not reach them, /config shows it all the same.
func (l *channelLoop) tellMaker(ctx context.Context, t alert.ChannelTurn, p alert.ChannelPost) {
	if t.By == 0 {
		return
	}
	r, err := l.b.cfg.Store.Recipient(ctx, t.By)
	if err != nil || r.Closed != "" {
		return
	}
	r.User = t.By
	list, err := l.b.cfg.Store.Subscriptions(ctx, t.Guild)
	if err != nil {
		l.b.log.Warn("not told that a channel is paused", "err", err)
		return
	}
	code := ""
	for _, s := range list {
		if s.ID == t.ID {
			code = s.Paused
		}
	}
	before := r
	_, err = l.b.direct(ctx, &r, plain(l.b.inOf(ctx, r.User, r.Locale).paused(t.Subscription, code)), "p"+p.Key.Nonce())
	if err != nil {
		l.b.log.Warn("not told that a channel is paused", "err", l.b.redact.err(err))
	}
	if r != before {
		l.b.saveRecipient(ctx, r)
	}
}

// paused says that something can no longer be posted, and what helps.
func (in lang) paused(s alert.Subscription, code string) string {
	if s.Topic.Tracks() {
		return in.T("paused.rename", "channel", mention(s.Channel), "reason", renameReason(code))
	}
	return in.T("paused.post", "channel", mention(s.Channel), "reason", pauseReason(code))
}

// refusalKeys say what Discord's codes mean for a channel.
var refusalKeys = map[string]string{
	"50001": "refusal.50001", "50013": "refusal.50013", "10003": "refusal.10003", "10004": "refusal.10004", "50083": "refusal.50083",
}

// pauseReason puts Discord's code into words.
func pauseReason(code string) catalogue.Message {
	if key, ok := refusalKeys[code]; ok {
		return catalogue.Say(key)
	}
	return catalogue.Say("refusal.other", "code", strconv.Quote(code))
}
