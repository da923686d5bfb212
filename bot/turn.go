package bot

import (
	"context"
	"time"

	"muster/alert"
)

// A worker does the steps of one turn, one after the other.
type worker struct {
	l       *alertLoop
	turn    alert.Turn
	stop    context.Context // ends when the bot is to stop
	until   time.Time
	reach   alert.Recipient // as it becomes
	results []alert.Result
	stopped bool
	// rest, if not nil, is what happens to the messages that follow: what hindered
	// the last one hinders them too.
	rest func(p alert.Post) alert.Result
}

// step does one message with f and notes what came of it.
func (w *worker) step(p alert.Post, f func(context.Context, alert.Post) (string, string, error)) {
	if w.stopped {
		return
	}
	if w.rest != nil {
		w.note(p, w.rest(p))
		return
	}
	news := p.Unshown()
	pay, cancel := context.WithDeadline(w.stop, w.until)
	err := w.l.budget.pay(pay, news)
	cancel()
	if err != nil { // there was no time for it
		w.rest = w.later(0)
		w.note(p, w.rest(p))
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.stop), sendWithin)
	defer cancel()
	message, ch, err := f(ctx, p)
	if err != nil {
		w.refused(p, err)
		return
	}
	w.note(p, alert.Result{Message: message, Channel: ch, Changed: p.Changed, News: news})
	w.count(p)
}

func (w *worker) note(p alert.Post, r alert.Result) {
	r.Post = p.Key
	w.results = append(w.results, r)
}

// count counts what was told by a message.
func (w *worker) count(p alert.Post) {
	m := w.l.b.metrics
	if !p.Unshown() {
		m.alerts.WithLabelValues("edited").Inc()
		return
	}
	for _, a := range p.Alerts {
		if a.Telling {
			m.alerts.WithLabelValues("sent").Inc()
			m.delay.Observe(max(0, w.l.b.now().Sub(a.LoginAt).Seconds()))
		}
	}
}

// send posts a message under its nonce.
func (w *worker) send(ctx context.Context, p alert.Post) (id, ch string, err error) {
	id, err = w.l.b.direct(ctx, &w.reach, w.l.b.postMessage(w.turn, p), p.Key.Nonce())
	return id, w.reach.DMChannel, err
}

// edit changes a message that was sent.
func (w *worker) edit(ctx context.Context, p alert.Post) (id, ch string, err error) {
	return p.Message, p.Channel, w.l.b.rest.editMessage(ctx, p.Channel, p.Message, w.l.b.postMessage(w.turn, p))
}

// later returns what becomes of messages that are to be tried again.
func (w *worker) later(after time.Duration) func(alert.Post) alert.Result {
	at := w.l.b.now().Add(after)
	return func(alert.Post) alert.Result { return alert.Result{RetryAt: at} }
}

// refused turns an error into what is recorded (discord notes 6).
func (w *worker) refused(p alert.Post, err error) {
	b, d := w.l.b, decide(err)
	label := "retry"
	retry := func(after time.Duration) { w.rest = w.later(max(after, retryMin)) }
	switch d.do {
	case stopBot:
		w.stopped = true
		b.metrics.alerts.WithLabelValues("stopped").Inc()
		return
	case wait:
		retry(d.after)
	case again:
		retry(max(d.after, retryIn(p.Attempts)))
	case pauseOpens:
		retry(w.l.opens.tooFast())
	case fewMore:
		if n := w.l.noAccess(p.Key); n < accessTries {
			retry(5 * retryIn(n))
			break
		}
		label = w.close(err)
	case closeUser, forgetUser:
		label = w.close(err)
	default:
		label = w.hopeless(p, d, err)
		b.metrics.alerts.WithLabelValues(label).Inc()
		return
	}
	b.metrics.alerts.WithLabelValues(label).Inc()
	w.note(p, w.rest(p))
}

// close remembers that Discord refuses messages to the person. What they follow
// stays; nothing is told until a command says otherwise.
func (w *worker) close(err error) string {
	b, code := w.l.b, codeOf(err)
	w.reach.Closed, w.reach.ClosedAt = code, b.now()
	b.log.Info("user cannot be reached, alerts pause until the next command", "code", code)
	w.rest = func(alert.Post) alert.Result { return alert.Result{GaveUp: alert.Closed, Detail: code} }
	return "closed"
}

// hopeless records what no retry helps: a message that is gone, or one that
// Discord refuses. Others of the person are not hindered by that.
func (w *worker) hopeless(p alert.Post, d decision, err error) string {
	b, edit := w.l.b, p.Message != ""
	if edit && (d.do == repost || d.do == reopen) {
		w.note(p, alert.Result{Gone: true})
		return "gone"
	}
	if d.do == reopen {
		w.reach.DMChannel = "" // gone twice: the next message opens it anew
	}
	b.logRefused(err)
	b.log.Error("alert given up", "err", err)
	w.note(p, alert.Result{GaveUp: alert.Refused, Detail: d.why})
	return "gave_up"
}
