package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Bounds of a bundle: what a broker is asked to keep, to confirm and to hand out as
// one. It costs the broker about as much as a single event.
const (
	BundleMessages = 32
	BundleBytes    = 32 << 10 // of its messages together
)

// maxBundle is how many messages a reader takes: whoever sends more is not ours.
const maxBundle = 1000

// How a bundle begins and ends. Its version is not that of its messages, so that a
// reader which knows no bundles says which version it lacks.
const (
	bundleOpen  = `{"v":2,"messages":[`
	bundleClose = `]}`
)

// EncodeBundle puts messages of TopicEvents into one, in their order. Each must be a
// valid JSON object; the bytes are copied.
func EncodeBundle(messages [][]byte) []byte {
	size := len(bundleOpen) + len(bundleClose)
	for _, m := range messages {
		size += len(m) + 1
	}
	b := append(make([]byte, 0, size), bundleOpen...)
	for i, m := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m...)
	}
	return append(b, bundleClose...)
}

// SplitBundle returns the messages of a bundle, and b itself if it is none: whether
// they can be read is DecodeMessage's to say. They share b's memory. The error wraps
// ErrEnvelope: b looks like a bundle and is broken.
func SplitBundle(b []byte) ([][]byte, error) {
	if parts := scanBundle(b); parts != nil {
		return parts, nil
	}
	if bytes.HasPrefix(b, []byte(`{"v":1,`)) { // as nearly every other message begins
		return [][]byte{b}, nil
	}
	var loose struct {
		V        json.RawMessage `json:"v"`
		Messages json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(b, &loose) != nil || string(loose.V) != "2" || loose.Messages == nil {
		return [][]byte{b}, nil
	}
	var messages []json.RawMessage
	err := json.Unmarshal(loose.Messages, &messages)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: a broken bundle: %w", ErrEnvelope, err)
	case len(messages) == 0:
		return nil, fmt.Errorf("%w: an empty bundle", ErrEnvelope)
	case len(messages) > maxBundle:
		return nil, fmt.Errorf("%w: a bundle of %d messages, at most %d", ErrEnvelope, len(messages), maxBundle)
	}
	parts := make([][]byte, len(messages))
	for i, m := range messages {
		parts[i] = m
	}
	return parts, nil
}

// scanBundle splits a bundle as EncodeBundle writes it, at the ends of its objects; nil
// if it is anything else.
func scanBundle(b []byte) (parts [][]byte) {
	rest, ok := bytes.CutPrefix(b, []byte(bundleOpen))
	if !ok {
		return nil
	}
	parts = make([][]byte, 0, BundleMessages)
	for {
		n := scanObject(rest)
		if n == 0 || n == len(rest) || len(parts) == maxBundle {
			return nil
		}
		parts = append(parts, rest[:n:n])
		switch {
		case rest[n] == ',':
			rest = rest[n+1:]
		case string(rest[n:]) == bundleClose:
			return parts
		default:
			return nil
		}
	}
}

// scanObject returns where the JSON object ends that b begins with, 0 if none does. It
// looks at braces and texts only.
func scanObject(b []byte) int {
	if len(b) == 0 || b[0] != '{' {
		return 0
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			end := textEnd(b, i+1)
			if end < 0 {
				return 0
			}
			i = end
		}
	}
	return 0
}

// textEnd returns where the quote is that ends the text which goes on at b[from], -1 if
// there is none.
func textEnd(b []byte, from int) int {
	for {
		n := bytes.IndexByte(b[from:], '"')
		if n < 0 {
			return -1
		}
		end := from + n
		slashes := 0
		for slashes < n && b[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end
		}
		from = end + 1
	}
}
