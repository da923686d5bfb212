package census

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"muster/event"
)

// StreamURL is the public streaming service.
const StreamURL = "wss://push.planetside2.com/streaming"

// A StreamConfig says what to listen to. URL, ServiceID and Environment have no
// default; every other field that is zero gets the one named beside it.
type StreamConfig struct {
	URL         string // ws: or wss:, without query
	ServiceID   string // without "s:"
	Environment event.Environment
	// Worlds to subscribe to; events of others are dropped. Default: every world
	// of the environment. A mirror may carry worlds of several environments.
	Worlds []event.World
	// EventNames as the game writes them, or "all". Default: every known kind.
	EventNames []string
	Log        *slog.Logger // slog.DiscardHandler
	Health     HealthConfig

	HandshakeTimeout time.Duration // 15 s
	WriteTimeout     time.Duration // 10 s
	PingEvery        time.Duration // 20 s
	PongTimeout      time.Duration // 45 s without a frame or a pong closes the connection
	FrameTimeout     time.Duration // 75 s without a frame closes it (census 3, S3)
	CheckEvery       time.Duration // 45 s, less or more by a quarter: empty subscribe
	CheckLimit       int           // 3 bad checks in a row reconnect
	Tick             time.Duration // 1 s between judgements of silence and health
	MinReconnect     time.Duration // 10 s: never two reconnects within
	BackoffBase      time.Duration // 1 s
	BackoffLimit     time.Duration // 1 min
	GoodTraffic      time.Duration // 1 min of events resets the backoff
	RefusedRetry     time.Duration // 5 min after a 403, at most; sooner at first where the id was good before
	DuplicateWindow  time.Duration // 60 s
}

// Validate reports what cannot work. No message holds the service id.
func (c StreamConfig) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" || u.RawQuery != "":
		return errors.New("stream url must look like wss://host/path, without a query")
	case !c.Environment.Valid():
		return fmt.Errorf("environment %q is none of ps2, ps2ps4us, ps2ps4eu", c.Environment)
	case c.ServiceID == "" || strings.HasPrefix(c.ServiceID, "s:"):
		return errors.New("service id must be given without its s: prefix")
	}
	return nil
}

func (c StreamConfig) withDefaults() StreamConfig {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.HandshakeTimeout, 15*time.Second)
	def(&c.WriteTimeout, 10*time.Second)
	def(&c.PingEvery, 20*time.Second)
	def(&c.PongTimeout, 45*time.Second)
	def(&c.FrameTimeout, 75*time.Second)
	def(&c.CheckEvery, 45*time.Second)
	def(&c.Tick, time.Second)
	def(&c.MinReconnect, 10*time.Second)
	def(&c.BackoffBase, time.Second)
	def(&c.BackoffLimit, time.Minute)
	def(&c.GoodTraffic, time.Minute)
	def(&c.RefusedRetry, 5*time.Minute)
	def(&c.DuplicateWindow, 60*time.Second)
	if c.CheckLimit <= 0 {
		c.CheckLimit = 3
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.EventNames) == 0 {
		for _, k := range event.Kinds() {
			c.EventNames = append(c.EventNames, k.String())
		}
	}
	return c
}

// worlds returns which worlds to subscribe to, and which are shown before their
// first event: those asked for, or those open to players.
func (c StreamConfig) worlds() (all []event.World, shown func(event.World) bool) {
	if len(c.Worlds) > 0 {
		return c.Worlds, func(event.World) bool { return true }
	}
	live := map[event.World]bool{}
	for _, info := range event.Worlds() {
		if info.Environment == c.Environment {
			all = append(all, info.ID)
			live[info.ID] = info.Live
		}
	}
	return all, func(w event.World) bool { return live[w] }
}

func (c StreamConfig) asksFor(k event.Kind) bool {
	return slices.Contains(c.EventNames, k.String()) || slices.Contains(c.EventNames, "all")
}

// address returns the URL to dial. The service id keeps its prefix unescaped,
// as the service documents it.
func (c StreamConfig) address() string {
	return c.URL + "?environment=" + url.QueryEscape(string(c.Environment)) +
		"&service-id=s:" + url.QueryEscape(c.ServiceID)
}
