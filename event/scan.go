package event

import (
	"bytes"
	"strconv"
	"time"
)

// scan reads the usual payload: a flat object of plain texts, without spaces,
// escapes or anything outside ASCII. It returns false for every other shape,
// valid or not, which the tolerant path reads in the same way only slower. The
// texts of w share s.
func (w *wire) scan(s string) bool {
	if len(s) < 2 || s[0] != '{' {
		return false
	}
	for i := 1; ; {
		name, next, ok := scanText(s, i)
		if !ok || next >= len(s) || s[next] != ':' {
			return false
		}
		value, next, ok := scanText(s, next+1)
		if !ok || next >= len(s) {
			return false
		}
		if field := w.field(name); field != nil {
			*field = value
		} else if !lowerCase(name) {
			return false // the tolerant path matches names in any case
		}
		switch s[next] {
		case ',':
			i = next + 1
		case '}':
			return next == len(s)-1
		default:
			return false
		}
	}
}

// scanText reads the quoted text that begins at s[i]; next is behind it.
func scanText(s string, i int) (text string, next int, ok bool) {
	if i >= len(s) || s[i] != '"' {
		return "", 0, false
	}
	i++
	for j := i; j < len(s); j++ {
		switch c := s[j]; {
		case c == '"':
			return s[i:j], j + 1, true
		case c == '\\', c < ' ', c >= 0x7f:
			return "", 0, false
		}
	}
	return "", 0, false
}

func lowerCase(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return true
}

// scanMessage reads a sighting as EncodeSighting writes it; false for every
// other message.
func scanMessage(b []byte) (e Event, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(`{"v":1,"received_at":`))
	if !ok {
		return e, false
	}
	at, rest, ok := scanNumber(rest, 63)
	if !ok || at == 0 {
		return e, false
	}
	copyNo := uint64(0)
	if r, has := bytes.CutPrefix(rest, []byte(`,"copy":`)); has {
		if copyNo, rest, ok = scanNumber(r, 8); !ok {
			return e, false
		}
	}
	payload, ok := bytes.CutPrefix(rest, []byte(`,"payload":`))
	if !ok || len(payload) == 0 || payload[len(payload)-1] != '}' {
		return e, false
	}
	payload = payload[:len(payload)-1]
	var w wire
	if len(payload) > MaxPayload || !w.scan(string(payload)) {
		return e, false
	}
	e, err := w.event(payload, time.Unix(0, int64(at)))
	e.Copy = uint8(copyNo)
	return e, err == nil
}

// scanNumber reads the digits that b begins with.
func scanNumber(b []byte, bits int) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i > 1 && b[0] == '0' {
		return 0, nil, false // JSON has no leading zeros
	}
	n, err := strconv.ParseUint(string(b[:i]), 10, bits)
	return n, b[i:], err == nil
}
