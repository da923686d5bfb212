package bot

import (
	"context"
	"strconv"
	"sync"
	"time"

	"muster/alert"
	"muster/internal/backoff"
)

const (
	claimHold   = time.Minute
	turnWithin  = claimHold / 2    // what is not begun by then is left for the next turn
	maxInFlight = 64               // people whose turn it is
	sendWithin  = 10 * time.Second // for one request, its retry after 10003 included
	accessTries = 3                // for 50001, which is sometimes Discord's own fault
	retryMin    = time.Second
	retryMax    = 30 * time.Second
)

// An alertLoop empties the outbox: it claims people whose turn it is, does what
// was planned for them, and records what came of it. Whatever happens between, the
// claim lapses and somebody does the same again under the same nonce, which
// Discord gives the same message.
type alertLoop struct {
	b      *Bot
	nudge  chan struct{}
	slots  chan struct{} // one per turn in progress
	work   sync.WaitGroup
	budget *budget
	opens  *pacer

	mu     sync.Mutex
	access map[alert.Key]int // how often 50001 answered a message that is still tried
}

func newAlertLoop(b *Bot) *alertLoop {
	return &alertLoop{
		b: b, nudge: make(chan struct{}, 1), slots: make(chan struct{}, maxInFlight),
		budget: newBudget(b.cfg.AlertsPerSecond), opens: newPacer(b.now), access: map[alert.Key]int{},
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
	paying, stopPaying := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPaying()
	l.work.Go(func() { l.budget.run(paying) })
	defer l.work.Wait() // bounded by sendWithin
	defer stopPaying()
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

// claim takes as many turns as there is room for, and begins them side by side.
func (l *alertLoop) claim(ctx context.Context) error {
	room := maxInFlight - len(l.slots)
	if room == 0 || l.b.transport.stopped.Load() || l.b.transport.limits.ban(time.Now()) > 0 {
		return nil
	}
	turns, err := l.b.cfg.Store.ClaimUsers(ctx, l.b.now(), room, claimHold)
	if err != nil {
		return err
	}
	for _, t := range turns {
		l.slots <- struct{}{}
		l.work.Go(func() {
			defer l.leave()
			l.turn(ctx, t)
		})
	}
	if len(turns) == room {
		l.wake()
	}
	return nil
}

// leave ends a turn. There may have been no room for others until now.
func (l *alertLoop) leave() {
	if <-l.slots; len(l.slots) >= maxInFlight-1 {
		l.wake()
	}
}

// turn does what is planned for one person, and settles it. What was begun is
// finished even when the bot stops; the rest is left to whoever claims it next.
func (l *alertLoop) turn(stop context.Context, t alert.Turn) {
	defer l.b.recovered("alert")
	w := &worker{l: l, turn: t, stop: stop, until: time.Now().Add(turnWithin), reach: t.Recipient}
	for _, p := range t.Steps.Send {
		w.step(p, w.send)
	}
	for _, p := range t.Steps.Edit {
		w.step(p, w.edit)
	}
	if w.stopped {
		return // the token is refused: this waits for a good one
	}
	st := alert.Settlement{User: t.User, Claim: t.Claim, Results: w.results}
	if w.reach != t.Recipient {
		st.Recipient = &w.reach
	}
	save, done := context.WithTimeout(context.WithoutCancel(stop), sendWithin)
	defer done()
	if err := l.b.cfg.Store.SettleTurn(save, st, l.b.now()); err != nil {
		l.b.log.Warn("turn not settled, it will be taken again under its nonces", "err", err)
	}
	l.wakeAt(t.Steps.LookAt)
	for _, r := range w.results {
		l.wakeAt(r.RetryAt)
	}
}

// wakeAt makes the loop look at t, if that is soon: between two looks of its own.
func (l *alertLoop) wakeAt(t time.Time) {
	if d := t.Sub(l.b.now()); !t.IsZero() && d <= 5*time.Second {
		time.AfterFunc(max(d, 0)+10*time.Millisecond, l.wake)
	}
}

// maxAccess bounds what is remembered of 50001: beyond it the count begins anew.
const maxAccess = 10_000

// noAccess counts a 50001 for a message and returns how many there were. Outages of
// other kinds are attempts too, but no reason to close a user.
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
