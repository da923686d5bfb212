package census

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"

	"muster/event"
	"muster/internal/backoff"
)

// frameQueue is how many frames may wait for the handler; beyond it the
// connection's own buffers fill, and the game's side waits.
const frameQueue = 4096

// An arrival is one frame and when it was read: for others, and on this machine's
// own count.
type arrival struct {
	at, read time.Time
	data     []byte
}

// session runs one connection to its end. What was read before the end has been
// handed over when it returns.
func (s *Stream) session(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	s.begin() // before the first frame can arrive
	frames := make(chan arrival, frameQueue)
	readErr := make(chan error, 1)
	go func() {
		defer close(frames)
		readErr <- s.read(conn, frames)
	}()
	err = s.converse(ctx, conn, frames)
	if ctx.Err() != nil {
		bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
	}
	_ = conn.Close()
	for a := range frames { // the reader ends now that the connection is closed
		_ = s.frame(conn, a) // it may ask for a repair that cannot be sent any more
	}
	// A frame that is too large ends the connection for whoever writes too.
	if lost := <-readErr; err == nil || errors.Is(lost, websocket.ErrReadLimit) {
		err = lost
	}
	return err
}

// read puts frames into the queue until the connection ends.
func (s *Stream) read(conn *websocket.Conn, frames chan<- arrival) error {
	extend := func(string) error { return conn.SetReadDeadline(time.Now().Add(s.cfg.PongTimeout)) }
	conn.SetPongHandler(extend)
	for {
		if err := extend(""); err != nil {
			return err
		}
		_, data, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		frames <- arrival{at: s.clock.Now(), read: time.Now(), data: data}
	}
}

// converse subscribes, handles frames and keeps watch. It returns nil when the
// reader has ended, or why the connection is given up.
func (s *Stream) converse(ctx context.Context, conn *websocket.Conn, frames <-chan arrival) error {
	if err := s.subscribe(conn, s.want); err != nil {
		return err
	}
	tick, ping := time.NewTicker(s.cfg.Tick), time.NewTicker(s.cfg.PingEvery)
	defer tick.Stop()
	defer ping.Stop()
	check := time.NewTimer(backoff.Around(s.cfg.CheckEvery))
	defer check.Stop()
	lastFrame, lastTick := time.Now(), time.Now()
	s.judge(s.clock.Now())
	defer s.judge(time.Time{})
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a, open := <-frames:
			if !open {
				return nil
			}
			lastFrame = a.read
			if err := s.frame(conn, a); err != nil {
				return err
			}
		case <-tick.C:
			// After a pause of the process or its machine, what came meanwhile is read
			// first: it lies in the connection's buffers, and would go with it.
			paused := time.Since(lastTick) > judgedWithin*s.cfg.Tick
			if lastTick = time.Now(); paused {
				continue
			}
			behind := time.Duration(0)
			if len(frames) > 0 {
				behind = time.Since(lastFrame) // judge as of what was handled
			}
			now := s.clock.Now().Add(-behind)
			s.judge(now)
			if err := s.watch(now, time.Since(lastFrame)-behind); err != nil {
				return err
			}
		case <-ping.C:
			if err := conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.cfg.WriteTimeout)); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		case <-s.move:
			if time.Since(s.dialedAt) >= s.cfg.MinReconnect {
				return errMove
			}
		case <-check.C:
			check.Reset(backoff.Around(s.cfg.CheckEvery))
			if s.check.ask() {
				return errors.New("the service does not answer for the subscription")
			}
			if err := s.write(conn, emptySubscribe()); err != nil {
				return err
			}
		}
	}
}

func (s *Stream) begin() {
	s.refusals, s.failures, s.served, s.confirmed = 0, 0, true, time.Time{}
	s.goodSince, s.beat = time.Time{}, -1
	select {
	case <-s.move: // it was about the connection before
	default:
	}
	s.clockSet(s.clock.Resumed())
	s.seen.reconnected()
	s.check.opened()
	s.setHealth(func(h *Health, now time.Time) { h.Connected(now) })
	s.log.Info("connected to the game's stream")
}

// subscribe asks for what, in as many messages as it takes.
func (s *Stream) subscribe(conn *websocket.Conn, what Subscription) error {
	messages := what.messages()
	s.check.pending = len(messages)
	for _, m := range messages {
		if err := s.write(conn, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stream) write(conn *websocket.Conn, b []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)); err != nil {
		return err
	}
	if err := conn.WriteMessage(websocket.TextMessage, b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// A judgement is a moment as of which silence may be judged, and when that was said.
type judgement struct{ asOf, said time.Time }

// judge says as of when silence may be judged from now on, zero for the present.
func (s *Stream) judge(asOf time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged = judgement{asOf, time.Now()}
}

// judgedWithin is after how many ticks without one the process must have stood still.
const judgedWithin = 3

// asOf returns the time as of which silence is judged: the present, unless what has
// come by now may not have been read yet. The caller holds mu.
func (s *Stream) asOf() time.Time {
	if !s.judged.asOf.IsZero() && time.Since(s.judged.said) > judgedWithin*s.cfg.Tick {
		return s.judged.asOf
	}
	return s.clock.Now()
}

// watch judges the silence at now, after idle without any frame, and returns why the
// connection must be given up.
func (s *Stream) watch(now time.Time, idle time.Duration) error {
	s.clockStepped()
	if idle > s.cfg.FrameTimeout {
		return fmt.Errorf("no frame for %s", idle.Truncate(time.Second))
	}
	var suspects []event.World
	s.setHealthAt(now, func(h *Health, now time.Time) { suspects = h.Suspects(now) })
	if len(suspects) == 0 || time.Since(s.dialedAt) < s.cfg.MinReconnect {
		return nil
	}
	s.mu.Lock()
	s.health.Failed(suspects) // what this makes of their state is told with the reconnect
	s.mu.Unlock()
	s.count(CountSilence)
	return fmt.Errorf("worlds %v are silent", ids(suspects))
}

func ids(worlds []event.World) []int {
	out := make([]int, len(worlds))
	for i, w := range worlds {
		out[i] = int(w)
	}
	return out
}

// frame handles one frame. The error says why the connection must be given up.
func (s *Stream) frame(conn *websocket.Conn, a arrival) error {
	if payload, ok := cutPayload(a.data); ok && s.sighting(payload, a.at) {
		s.sawFrame(FrameEvent)
		return nil
	}
	f, err := DecodeFrame(a.data)
	if err != nil {
		s.sawFrame(FrameBad)
		s.countSample(CountUndecodable, a.data)
		return nil
	}
	s.sawFrame(f.Kind)
	switch f.Kind {
	case FrameEvent:
		if !s.sighting(f.Payload, a.at) {
			s.countSample(CountUndecodable, a.data)
		}
	case FrameWorld:
		if w, ok := ParseEndpoint(f.Endpoint); ok {
			s.setHealth(func(h *Health, _ time.Time) { h.Endpoint(w, f.Online, a.at) })
		}
	case FrameHeartbeat:
		s.heartbeat(f.Heartbeat, a.at)
	case FrameEcho:
		return s.echo(conn, f.Subscription, a.at)
	case FrameOther:
		s.countSample(CountUnknown, a.data)
	}
	return nil
}

func (s *Stream) sawFrame(k FrameKind) {
	s.mu.Lock()
	s.stats.Frames[k]++
	s.mu.Unlock()
	if s.h.Frame != nil {
		s.h.Frame(k)
	}
}

func (s *Stream) heartbeat(b Heartbeat, at time.Time) {
	s.setHealth(func(h *Health, _ time.Time) {
		for w, online := range b.Online {
			h.Endpoint(w, online, at)
		}
		if phase, ok := b.Phase(); ok {
			s.phase(phase)
		}
	})
	if s.h.Heartbeat != nil {
		s.h.Heartbeat(b)
	}
}

// echo compares what the service says we asked for with what we did (S4).
func (s *Stream) echo(conn *websocket.Conn, got Subscription, at time.Time) error {
	if s.h.Echo != nil {
		s.h.Echo(got)
	}
	missing, hopeless := s.check.echo(got)
	if s.check.pending == 0 {
		s.setHealth(func(h *Health, _ time.Time) { h.Subscribed(at) })
	}
	if missing == nil {
		if s.check.pending == 0 {
			s.confirmed = at
			s.setHealth(func(h *Health, _ time.Time) { h.Whole(at) })
		}
		return nil
	}
	if !s.confirmed.IsZero() { // a part that no echo has ever shown may be one that it never shows
		s.setHealth(func(h *Health, _ time.Time) { h.Lapsed(missing.lapsed(), s.confirmed) })
	}
	s.count(CountResubscribe)
	s.log.Warn("the service lost part of the subscription", "worlds", missing.Worlds, "events", missing.EventNames)
	if hopeless {
		return errors.New("the service does not keep the subscription")
	}
	return s.subscribe(conn, *missing)
}

// sighting handles one event's payload. It returns false for what is no event.
func (s *Stream) sighting(payload []byte, at time.Time) bool {
	e, err := event.Decode(payload, at)
	if err != nil {
		return false
	}
	if e.World != 0 && !s.worlds[e.World] {
		s.count(CountForeign)
		return true
	}
	s.clockSet(s.clock.Seen(e.At))
	s.alive(&e)
	if !s.seen.see(&e) {
		s.count(CountDuplicate)
		return true
	}
	if e.Future {
		s.count(CountFuture)
	}
	if s.h.Event != nil {
		s.h.Event(Sighting{Payload: payload, ReceivedAt: at, Event: e})
	}
	return true
}

// clockSet says that our clock was wrong and has been put right by d.
func (s *Stream) clockSet(d time.Duration) {
	if d != 0 {
		s.log.Warn("the clock was wrong, and is as the machine's now", "set_by", d.Round(time.Second))
	}
}

// clockStepped says once that the machine's clock was set and ours was not.
func (s *Stream) clockStepped() {
	step := s.clock.Step().Round(time.Second)
	if step != 0 && step != s.stepped {
		s.log.Warn("this machine's clock was set, and is not followed unless the game's stamps agree with it: check the time service", "by", step)
	}
	s.stepped = step
}

// alive tells the health of an event, new or not: both prove that it flows.
func (s *Stream) alive(e *event.Event) {
	s.mu.Lock()
	s.health.Event(e)
	flowing := s.last[e.World].Health.Flowing()
	s.mu.Unlock()
	if !flowing {
		s.setHealth(func(*Health, time.Time) {}) // the world may have come back
	}
	s.good(e.ReceivedAt)
}

// good resets the backoff once events have come for a while.
func (s *Stream) good(at time.Time) {
	if s.goodSince.IsZero() {
		s.goodSince = at
	}
	if at.Sub(s.goodSince) >= s.cfg.GoodTraffic {
		s.wait.reset()
	}
}
