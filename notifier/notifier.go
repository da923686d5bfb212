// Package notifier is the companion role: the web pages, the live feed over
// Server-Sent Events and WebSocket, and the JSON API.
//
// It keeps no state of its own that matters: it hears the feed and the names on
// the bus, remembers the last minutes for readers who come back, and reads
// everything else from the store. Any number of instances can run at once;
// events have the same ids on each. docs/feed.md is its description for
// outsiders.
package notifier

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"muster/bus"
	"muster/event"
	"muster/internal/outage"
)

// A Notifier serves the companion. Make it with New.
type Notifier struct {
	cfg     Config
	log     *slog.Logger
	hub     *hub
	metrics *metrics
	assets  *assets
	cache   *cache
	store   *outage.Outage // what is heard of the store's health
	handler http.Handler
	readers sync.WaitGroup // WebSocket connections, which the server forgets
	joined  atomic.Bool    // the feed was heard from some moment on

	mu   sync.Mutex
	addr string
}

// New returns a Notifier that Run starts. The error says what is wrong with cfg,
// or that a metric of another kind has one of its names.
func New(cfg Config) (*Notifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	a, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("embedded page: %w", err)
	}
	n := &Notifier{
		cfg: cfg, log: cfg.Log.With("role", "notifier"),
		hub: newHub(rand.Text(), cfg.Limits, m, time.Now()), metrics: m, assets: a,
		cache: newCache(time.Second),
	}
	n.store = outage.New(n.log, nil, "the store does not answer, pages are incomplete", "the store answers again")
	n.handler = n.routes()
	return n, nil
}

// Handler serves everything the public address does. The feed on it is live only
// while Run runs.
func (n *Notifier) Handler() http.Handler { return n.handler }

// Addr is the address Run listens on, empty before it does.
func (n *Notifier) Addr() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addr
}

// Run listens and serves until ctx ends. Then it takes no more connections, asks
// the feed's readers to come back after a time of their own, and returns nil
// within 5 s. Another error says why it cannot listen or has lost the bus.
func (n *Notifier) Run(ctx context.Context) error {
	l, err := n.listen(ctx)
	if err != nil {
		return fmt.Errorf("listen for http: %w", err)
	}
	n.mu.Lock()
	n.addr = l.Addr().String()
	n.mu.Unlock()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var tasks sync.WaitGroup
	opened := n.hear(ctx, cancel, &tasks)
	select {
	case <-opened:
	case <-ctx.Done():
	case <-time.After(busPatience): // serve the store's news without the feed
		n.log.WarnContext(ctx, "the bus is not ready, the feed is empty until it is")
	}
	n.refresh(ctx)
	tasks.Go(func() { n.beat(ctx) })
	err = n.serve(ctx, l)
	cancel(err)
	tasks.Wait()
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// Ready returns why the page lacks what is new, nil if it hears it all: the feed must
// have been joined. It does not block and is safe to call while Run runs.
func (n *Notifier) Ready(context.Context) error {
	if !n.joined.Load() {
		return errNotJoined
	}
	return nil
}

var errNotJoined = errors.New("the feed is not joined yet")

// busPatience is how long pages wait for the bus at the start.
const busPatience = 5 * time.Second

// hear follows both topics. The returned channel is closed once nothing that is
// published is missed.
func (n *Notifier) hear(ctx context.Context, fail context.CancelCauseFunc, tasks *sync.WaitGroup) <-chan struct{} {
	opened := make(chan struct{})
	ready := func() {
		n.hub.opened(time.Now())
		n.joined.Store(true)
		close(opened)
	}
	listen := func(topic string, ready func(), h func(bus.Message, int)) {
		if err := n.cfg.Bus.Listen(ctx, topic, ready, h); err != nil && ctx.Err() == nil {
			fail(fmt.Errorf("listen on %s: %w", topic, err))
		}
	}
	tasks.Go(func() { listen(event.TopicNames, nil, n.hearNames) })
	tasks.Go(func() { listen(event.TopicFeed, sync.OnceFunc(ready), n.hearFeed) })
	return opened
}

func (n *Notifier) hearFeed(m bus.Message, lost int) {
	now := time.Now()
	if lost > 0 {
		n.log.Warn("the notifier fell behind the bus", "lost", lost)
		n.hub.missed(lost, now)
	}
	var f event.FeedMessage
	if err := json.Unmarshal(m.Body, &f); err != nil {
		n.log.Warn("not a feed message", "id", m.ID, "err", err)
		return
	}
	for i := range f.Items {
		it := &f.Items[i]
		if it.ID == "" || controlChars(it.ID) || controlChars(it.Kind) {
			continue
		}
		if err := n.hub.publish(it, now); err != nil {
			n.log.Warn("feed item cannot be encoded", "id", it.ID, "err", err)
		}
	}
	switch {
	case f.Stream != nil:
		n.hub.setStreams([]event.StreamState{*f.Stream}, now)
	case f.Names != nil:
		n.hub.learnNames(f.Names, now)
	}
}

// controlChars reports whether s would break the lines of the stream.
func controlChars(s string) bool {
	for _, r := range s {
		if r < ' ' || r == '"' || r == '\\' {
			return true
		}
	}
	return false
}

func (n *Notifier) hearNames(m bus.Message, _ int) {
	var list []event.Character
	if err := json.Unmarshal(m.Body, &list); err != nil {
		n.log.Warn("not a list of names", "id", m.ID, "err", err)
		return
	}
	n.hub.learnNames(list, time.Now())
}

// beat sends heartbeats, and looks in the store for stream states, of which the
// feed brings only changes, and for how many are online.
func (n *Notifier) beat(ctx context.Context) {
	tick := time.NewTicker(n.cfg.Limits.Heartbeat)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.refresh(ctx)
			now := time.Now()
			n.hub.beat(now, now.Sub(last))
			last = now
		}
	}
}

func (n *Notifier) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	states, err := n.cfg.Store.StreamStates(ctx)
	if err == nil {
		n.hub.setStreams(states, time.Now())
	}
	counts, countErr := n.cfg.Store.OnlineCount(ctx)
	n.hub.setOnline(counts)
	switch err = errors.Join(err, countErr); {
	case err == nil:
		n.store.Answered(ctx)
	case !errors.Is(err, context.Canceled):
		n.store.Failed(ctx, fmt.Errorf("state of the streams: %w", err))
	}
}
