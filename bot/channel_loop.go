package bot

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"muster/alert"
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
	until := time.Now().Add(turnWithin)
	for _, p := range t.Posts {
		pay, cancel := context.WithDeadline(stop, until)
		err := l.b.alerts.budget.pay(pay, p.Message == 0)
		cancel()
		if err != nil {
			break // there was no time for it
		}
		if !l.post(stop, t, p) {
			break
		}
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(stop), sendWithin)
	defer done()
	if err := l.b.cfg.Store.ReleaseChannel(ctx, t); err != nil {
		l.b.log.Warn("turn of a channel not released, it ends by itself", "err", err)
	}
}

// post does one post and settles it, and reports whether the next one may follow.
func (l *channelLoop) post(stop context.Context, t alert.ChannelTurn, p alert.ChannelPost) bool {
	ctx, done := context.WithTimeout(context.WithoutCancel(stop), sendWithin)
	defer done()
	r, label, err := l.send(ctx, t, p)
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

// send sends, edits or deletes what p is about, and says what to record, under which
// label it counts, and what went wrong so that what follows had better wait.
func (l *channelLoop) send(ctx context.Context, t alert.ChannelTurn, p alert.ChannelPost) (alert.PostResult, string, error) {
	switch {
	case t.Topic.Tracks():
		return l.showName(ctx, t, p)
	case t.Topic.Stands():
		return l.showBoard(ctx, t, p)
	}
	channel, message := t.Channel.String(), p.Message.String()
	if p.Delete {
		err := l.b.rest.deleteMessage(ctx, channel, message)
		if d := decide(err); d.do == sent || d.do == repost || d.do == reopen { // gone either way
			return alert.PostResult{Drop: true}, "deleted", nil
		}
		return l.refused(p, err)
	}
	c, err := l.b.channelMessage(ctx, t, p)
	if err != nil {
		l.b.log.Warn("post not made, trying again", "topic", t.Topic, "err", err)
		return l.later(p, 0), "retry", err
	}
	r := alert.PostResult{Message: p.Message, Next: c.next}
	switch {
	case c.drop:
		return alert.PostResult{Drop: true}, "dropped", nil
	case p.Message == 0:
		var id string
		if id, err = l.b.rest.createMessage(ctx, channel, c.message, p.Nonce()); err == nil {
			r.Message, err = alert.ParseSnowflake(id)
		}
	default:
		err = l.b.rest.editMessage(ctx, channel, message, c.message)
	}
	if err != nil {
		return l.refused(p, err)
	}
	if p.Message == 0 {
		return r, "sent", nil
	}
	return r, "edited", nil
}

// later has p tried again.
func (l *channelLoop) later(p alert.ChannelPost, after time.Duration) alert.PostResult {
	return alert.PostResult{Failed: true, Next: l.b.now().Add(max(after, retryIn(p.Attempts), retryMin))}
}

// refused turns an error into what is recorded (discord notes 6): permissions pause
// the channel, and its subscriptions stay.
func (l *channelLoop) refused(p alert.ChannelPost, err error) (alert.PostResult, string, error) {
	switch d := decide(err); d.do {
	case stopBot:
		return alert.PostResult{}, "stopped", err
	case wait, again:
		return l.later(p, d.after), "retry", err
	case repost:
		if p.Message != 0 {
			return alert.PostResult{Gone: true}, "gone", nil
		}
	case pauseTarget, fewMore, reopen, dropTarget:
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
	_, err = l.b.direct(ctx, &r, plain(pausedText(t.Subscription, code)), "p"+p.Key.Nonce())
	if err != nil {
		l.b.log.Warn("not told that a channel is paused", "err", l.b.redact.err(err))
	}
	if r != before {
		l.b.saveRecipient(ctx, r)
	}
}

func pausedText(s alert.Subscription, code string) string {
	head, why := "📪 I cannot post in <#", pauseReason(code)
	if s.Topic.Tracks() {
		head, why = "📪 I cannot rename <#", renameReason(code)
	}
	head += s.Channel.String() + ">: " + why + " Nothing is lost of what is set up: it is paused. "
	return head + "When that is mended, use `/config view` in the server and press *Resume*."
}

// pauseReason puts Discord's code into words.
func pauseReason(code string) string {
	switch code {
	case "50001":
		return "I cannot see the channel. Give me “View Channel” there."
	case "50013":
		return "I lack a permission. Give me “Send Messages” and “Embed Links” there."
	case "10003":
		return "the channel does not exist any more."
	case "10004":
		return "I am not in the server any more."
	case "50083":
		return "the thread is archived. Open it again."
	}
	return "Discord refuses it (code " + strconv.Quote(code) + ")."
}
