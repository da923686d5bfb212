package bot

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"muster/alert"
	"muster/internal/backoff"
)

const (
	claimHold    = time.Minute
	maxInFlight  = 100              // alerts claimed and not settled
	alertsPerSec = 25               // of Discord's 50 requests; the rest is for everything else
	sendWithin   = 10 * time.Second // for one alert, waits included
	nameWithin   = 3 * time.Second  // how long an alert waits for a name that is not known yet
	nameAgain    = 500 * time.Millisecond
	accessTries  = 3 // for 50001, which is sometimes Discord's own fault
	retryMin     = time.Second
	retryMax     = 30 * time.Second
	friendsLook  = time.Second
)

// An alertLoop empties the outbox: it claims what is due, sends it, and records
// what became of it. Whatever happens between, the claim lapses and somebody
// tries again under the same nonce, which Discord gives the same message.
type alertLoop struct {
	b      *Bot
	nudge  chan struct{}
	slots  chan struct{} // one per alert in flight
	work   sync.WaitGroup
	budget *rate.Limiter
	opens  *pacer

	mu     sync.Mutex
	access map[alert.Key]int // how often 50001 answered an alert that is still tried
}

func newAlertLoop(b *Bot) *alertLoop {
	return &alertLoop{
		b: b, nudge: make(chan struct{}, 1), slots: make(chan struct{}, maxInFlight),
		budget: rate.NewLimiter(alertsPerSec, 5), opens: newPacer(), access: map[alert.Key]int{},
	}
}

// wake makes the loop look now. It does not block.
func (l *alertLoop) wake() {
	select {
	case l.nudge <- struct{}{}:
	default:
	}
}

// run works until ctx ends, and then finishes what is in flight.
func (l *alertLoop) run(ctx context.Context) error {
	tick := time.NewTicker(l.b.cfg.Poll)
	defer tick.Stop()
	defer l.work.Wait() // bounded by sendWithin
	for ctx.Err() == nil {
		if err := l.claim(ctx); err != nil && ctx.Err() == nil {
			l.b.log.Warn("outbox not read, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-l.nudge:
		case <-tick.C:
		}
	}
	return nil
}

// claim takes as many alerts as there is room for, and sends them: one after the
// other per user, users side by side.
func (l *alertLoop) claim(ctx context.Context) error {
	room := maxInFlight - len(l.slots)
	if room == 0 || l.b.transport.stopped.Load() || l.b.transport.limits.ban(time.Now()) > 0 {
		return nil
	}
	claimed := time.Now()
	due, err := l.b.cfg.Store.ClaimAlerts(ctx, l.b.now(), room, claimHold)
	if err != nil {
		return err
	}
	byUser := map[alert.UserID][]alert.Alert{}
	for _, a := range due {
		byUser[a.User] = append(byUser[a.User], a)
		l.slots <- struct{}{}
	}
	for _, alerts := range byUser {
		l.work.Go(func() { l.sendAll(ctx, alerts, claimed) })
	}
	if len(due) == room {
		l.wake()
	}
	return nil
}

// sendAll sends one user's alerts. Those it does not come to before the claim
// lapses are left to whoever claims them next.
func (l *alertLoop) sendAll(stop context.Context, alerts []alert.Alert, claimed time.Time) {
	for _, a := range alerts {
		if stop.Err() == nil && time.Since(claimed) < claimHold-2*sendWithin {
			l.sendOne(stop, a)
		}
		if <-l.slots; len(l.slots) >= maxInFlight-1 {
			l.wake()
		}
	}
}

// sendOne sends a and settles it. It is finished even when the bot stops.
func (l *alertLoop) sendOne(stop context.Context, a alert.Alert) {
	defer l.b.recovered("alert")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(stop), sendWithin)
	defer cancel()
	outcome, label := l.attempt(ctx, a)
	l.b.metrics.alerts.WithLabelValues(label).Inc()
	if outcome == (alert.Outcome{}) {
		return
	}
	defer l.wakeAt(outcome.RetryAt)
	save, done := context.WithTimeout(context.WithoutCancel(stop), sendWithin)
	defer done()
	if err := l.b.cfg.Store.SettleAlert(save, a.Key, outcome, l.b.now()); err != nil {
		l.b.log.Warn("alert not settled, it will be tried again under its nonce", "err", err)
	}
}

// wakeAt makes the loop look at t, if that is soon: between two looks of its own.
func (l *alertLoop) wakeAt(t time.Time) {
	if d := t.Sub(l.b.now()); !t.IsZero() && d <= 5*time.Second {
		time.AfterFunc(d+10*time.Millisecond, l.wake)
	}
}

// attempt tries to send a. The zero Outcome leaves the alert to a later claim.
func (l *alertLoop) attempt(ctx context.Context, a alert.Alert) (alert.Outcome, string) {
	now := l.b.now()
	if !a.ExpiresAt.IsZero() && now.After(a.ExpiresAt) {
		return alert.Outcome{GaveUp: "expired"}, "expired"
	}
	if a.Who.Name == "" && now.Sub(a.CreatedAt) < nameWithin {
		return alert.Outcome{RetryAt: now.Add(nameAgain)}, "nameless"
	}
	r, err := l.b.cfg.Store.Recipient(ctx, a.User)
	if err != nil {
		l.b.log.Warn("recipient not read", "err", err)
		return alert.Outcome{RetryAt: now.Add(retryIn(a.Attempts))}, "retry"
	}
	r.User = a.User
	if r.Closed != "" {
		return alert.Outcome{GaveUp: "closed: " + r.Closed}, "closed"
	}
	if err := l.budget.Wait(ctx); err != nil {
		return alert.Outcome{RetryAt: now.Add(retryMin)}, "retry"
	}
	id, err := l.b.direct(ctx, &r, l.b.alertMessage(ctx, a), a.Key.Nonce())
	if err == nil {
		l.b.metrics.delay.Observe(max(0, l.b.now().Sub(a.LoginAt).Seconds()))
		return alert.Outcome{Sent: true, Message: id}, "sent"
	}
	return l.refused(context.WithoutCancel(ctx), a, &r, err)
}

// refused turns an error into what is recorded (discord notes 6).
func (l *alertLoop) refused(ctx context.Context, a alert.Alert, r *alert.Recipient, err error) (alert.Outcome, string) {
	now := l.b.now()
	d := decide(err)
	retry := func(after time.Duration) (alert.Outcome, string) {
		return alert.Outcome{RetryAt: now.Add(max(after, retryMin))}, "retry"
	}
	switch d.do {
	case stopBot:
		return alert.Outcome{}, "stopped"
	case wait:
		return retry(d.after)
	case again:
		return retry(max(d.after, retryIn(a.Attempts)))
	case pauseOpens:
		return retry(l.opens.tooFast())
	case fewMore:
		if n := l.noAccess(a.Key); n < accessTries {
			return retry(5 * retryIn(n))
		}
		fallthrough
	case closeUser, forgetUser:
		l.b.closeRecipient(ctx, r, codeOf(err))
		l.b.log.Info("user cannot be reached, alerts pause until the next command", "code", r.Closed)
		return alert.Outcome{GaveUp: d.why}, "closed"
	case reopen:
		r.DMChannel = "" // gone twice: the next alert opens it anew
		if err := l.b.cfg.Store.SaveRecipient(ctx, *r); err != nil {
			l.b.log.Warn("recipient not saved", "err", err)
		}
	}
	l.b.logRefused(err)
	l.b.log.Error("alert given up", "err", err)
	return alert.Outcome{GaveUp: d.why}, "gave_up"
}

// maxAccess bounds what is remembered of 50001: beyond it the count begins anew.
const maxAccess = 10_000

// noAccess counts a 50001 for an alert and returns how many there were. Waiting
// for a name and outages of other kinds are attempts too, but no reason to close
// a user.
func (l *alertLoop) noAccess(k alert.Key) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.access) >= maxAccess {
		clear(l.access)
	}
	l.access[k]++
	n := l.access[k]
	if n >= accessTries {
		delete(l.access, k)
	}
	return n
}

// retryIn grows from retryMin to retryMax with the attempts made before, with
// jitter.
func retryIn(attempts int) time.Duration {
	return backoff.UpTo(min(retryMin<<min(max(attempts, 0), 10), retryMax))
}

func itoa(n int) string { return strconv.Itoa(n) }
