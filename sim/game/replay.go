package game

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ReplayOptions say how to play a recording.
type ReplayOptions struct {
	// Speed is how much faster than recorded; 0 is as fast as subscribers
	// take it.
	Speed float64
	// Shift moves timestamps to now. Without it the lines go out byte for byte.
	Shift bool
}

// maxLine bounds one recorded line, in bytes.
const maxLine = 1 << 20

// ReadLines splits a recording into lines, leaving out empty ones.
func ReadLines(r io.Reader) ([][]byte, error) {
	var lines [][]byte
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		if line := bytes.TrimSpace(scan.Bytes()); len(line) > 0 {
			lines = append(lines, bytes.Clone(line))
		}
	}
	return lines, scan.Err()
}

// Replay sends the events among the lines, in order, to every subscriber
// whose subscription matches, whatever its environment: a recording of a
// mirror carries several. Greetings, heartbeats and echoes are left out: the
// server makes its own. It blocks until done and returns how many it sent.
func (s *Server) Replay(ctx context.Context, lines [][]byte, o ReplayOptions) (int, error) {
	if o.Speed < 0 {
		return 0, errors.New("replay: speed cannot be negative")
	}
	var events []*wireEvent
	for i, line := range lines {
		e, err := parseLine(line)
		if errors.Is(err, errNotAnEvent) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("replay: line %d: %w", i+1, err)
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return 0, nil
	}
	began := time.Now()
	first, latest := events[0].unix, events[0].unix
	for _, e := range events {
		latest = max(latest, e.unix)
	}
	offset := s.Now().Unix() - latest
	for i, e := range events {
		if o.Shift && o.Speed == 0 {
			e = e.atTime(e.unix + offset)
		}
		if o.Speed > 0 {
			after := time.Duration(float64(e.unix-first) / o.Speed * float64(time.Second))
			if err := sleep(ctx, s.ctx, time.Until(began.Add(after))); err != nil {
				return i, err
			}
			if o.Shift {
				e = e.atTime(began.Add(after).Unix())
			}
		}
		if err := s.replayOne(ctx, e); err != nil {
			return i, err
		}
	}
	return len(events), nil
}

// patience is how long a replay waits for a slow subscriber before it goes on
// and the subscriber is cut.
const patience = 5 * time.Second

func (s *Server) replayOne(ctx context.Context, e *wireEvent) error {
	for waited := time.Duration(0); s.congested() && waited < patience; waited += time.Millisecond {
		if err := sleep(ctx, s.ctx, time.Millisecond); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow(e)
	s.emit(e)
	return nil
}

// follow keeps the presence of known characters in step with an event that
// came from outside the generator.
func (s *Server) follow(e *wireEvent) {
	c := s.model.byID[e.character]
	if c == nil || c.world != e.world {
		return
	}
	switch e.name {
	case "PlayerLogin":
		s.enter(c, s.now())
	case "PlayerLogout":
		s.leave(c, s.now())
	}
}

// congested reports whether some queue is nearly full.
func (s *Server) congested() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if len(c.out) > cap(c.out)*3/4 {
			return true
		}
	}
	return false
}

// sleep waits unless a context ends first.
func sleep(ctx, server context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-server.Done():
		return errors.New("replay: server closed")
	}
}
