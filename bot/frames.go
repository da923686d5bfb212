package bot

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// maxWatched bounds the frames that are looked into, in bytes. Those that steer
// the connection are below 200; larger ones are dispatches and pass unread.
const maxWatched = 4096

// Opcodes of the gateway that steer the connection.
const (
	opReconnect = 7
	opInvalid   = 9
	opHello     = 10
)

// A frameWatch follows the bytes that a WebSocket server sends and looks into
// its frames. It sees what discordgo v0.28.1 keeps to itself or does wrong:
// close codes after READY, op 7 (which deadlocks it before READY) and op 9
// (which it answers with an IDENTIFY on the same socket; discord notes 3.2, 3.3).
// Frames are neither fragmented nor compressed: the bot asks for neither.
type frameWatch struct {
	upgraded bool   // the HTTP answer is over
	tail     []byte // of the HTTP answer: its last bytes
	head     []byte // of the frame's header, until it is complete
	payload  []byte // of a small frame, until it is complete
	left     int64  // bytes of payload still to come
	small    bool
	fin      bool
	op       byte

	onHello func(interval time.Duration)
	onClose func(code int, reason string)
}

// A steerError says that the server told the bot to leave this connection.
type steerError struct{ Op int }

func (e *steerError) Error() string {
	if e.Op == opInvalid {
		return "gateway: invalid session (op 9)"
	}
	return fmt.Sprintf("gateway: asked to reconnect (op %d)", e.Op)
}

// feed follows p and returns how many of its bytes may be passed on. They are
// fewer than len(p) only with an error: the rest begins a frame (or continues
// one) that must not be seen.
func (w *frameWatch) feed(p []byte) (int, error) {
	done := 0 // bytes that belong to frames which may pass
	for done < len(p) {
		n := w.step(p[done:])
		if w.frameComplete() {
			if err := w.inspect(); err != nil {
				return done, err
			}
			w.head, w.payload = w.head[:0], w.payload[:0]
		}
		done += n
	}
	return done, nil
}

// step takes bytes up to the end of the part of the stream it is in: the HTTP
// answer, a frame.
func (w *frameWatch) step(p []byte) int {
	if !w.upgraded {
		return w.stepHTTP(p)
	}
	n := 0
	for n < len(p) && !w.headComplete() {
		w.head = append(w.head, p[n])
		n++
		if w.headComplete() {
			w.startPayload()
		}
	}
	if w.headComplete() {
		take := int(min(w.left, int64(len(p)-n)))
		if w.small {
			w.payload = append(w.payload, p[n:n+take]...)
		}
		w.left -= int64(take)
		n += take
	}
	return n
}

func (w *frameWatch) stepHTTP(p []byte) int {
	w.tail = append(w.tail, p...)
	end := bytes.Index(w.tail, []byte("\r\n\r\n"))
	if end < 0 {
		w.tail = w.tail[max(0, len(w.tail)-3):]
		return len(p)
	}
	rest := len(w.tail) - (end + 4)
	w.upgraded, w.tail = true, nil
	return len(p) - rest
}

// headComplete reports whether the header is there: 2 bytes, 8 or 2 more for
// the length, 4 for a mask (which servers must not send).
func (w *frameWatch) headComplete() bool {
	return len(w.head) >= 2 && len(w.head) >= headLen(w.head[1])
}

func headLen(b byte) int {
	n := 2
	switch b & 0x7f {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if b&0x80 != 0 {
		n += 4
	}
	return n
}

func (w *frameWatch) startPayload() {
	w.fin, w.op = w.head[0]&0x80 != 0, w.head[0]&0x0f
	switch n := w.head[1] & 0x7f; n {
	case 126:
		w.left = int64(binary.BigEndian.Uint16(w.head[2:]))
	case 127:
		w.left = int64(binary.BigEndian.Uint64(w.head[2:]) & (1<<63 - 1))
	default:
		w.left = int64(n)
	}
	w.small = w.left <= maxWatched
}

func (w *frameWatch) frameComplete() bool { return w.upgraded && w.headComplete() && w.left == 0 }

// inspect looks into a complete frame.
func (w *frameWatch) inspect() error {
	switch {
	case !w.small || !w.fin:
		return nil
	case w.op == 8:
		w.closing()
		return nil
	case w.op != 1:
		return nil
	}
	var e struct {
		Op int             `json:"op"`
		D  json.RawMessage `json:"d"`
	}
	if json.Unmarshal(w.payload, &e) != nil {
		return nil // discordgo will say so
	}
	switch e.Op {
	case opReconnect, opInvalid:
		return &steerError{Op: e.Op}
	case opHello:
		w.hello(e.D)
	}
	return nil
}

func (w *frameWatch) hello(d json.RawMessage) {
	var h struct {
		Interval float64 `json:"heartbeat_interval"`
	}
	if json.Unmarshal(d, &h) == nil && h.Interval > 0 && h.Interval < 1e7 && w.onHello != nil {
		w.onHello(time.Duration(h.Interval * float64(time.Millisecond)))
	}
}

func (w *frameWatch) closing() {
	code, reason := 1005, ""
	if len(w.payload) >= 2 {
		code, reason = int(binary.BigEndian.Uint16(w.payload)), string(w.payload[2:])
	}
	if w.onClose != nil {
		w.onClose(code, clip(reason, 120))
	}
}
