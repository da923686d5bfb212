package bot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

// frame returns one unmasked frame of a server.
func frame(op byte, payload string) string {
	head := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(n))
	}
	return string(head) + payload
}

func TestFramesAreFollowedHoweverTheyAreCut(t *testing.T) {
	hello := frame(1, `{"op":10,"d":{"heartbeat_interval":41250}}`)
	large := frame(1, `{"op":0,"t":"GUILD_CREATE","d":"`+strings.Repeat("x", 70_000)+`"}`)
	pass := upgrade + hello + frame(9, "") + large + frame(1, `{"op":0,"d":{"op":7}}`)
	stream := pass + frame(1, `{"t":null,"s":null,"op":7,"d":null}`) + frame(1, `{"op":0}`)
	for _, size := range []int{1, 2, 3, 7, 100, 4096, len(stream)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var interval time.Duration
			w := frameWatch{onHello: func(d time.Duration) { interval = d }}
			passed := 0
			var err error
			for rest := []byte(stream); len(rest) > 0 && err == nil; {
				chunk := rest[:min(size, len(rest))]
				var n int
				n, err = w.feed(chunk)
				passed += n
				rest = rest[len(chunk):]
			}
			var steer *steerError
			if !errors.As(err, &steer) || steer.Op != opReconnect {
				t.Fatalf("err = %v", err)
			}
			if passed < len(pass) || passed >= len(stream)-len(frame(1, `{"op":0}`)) {
				t.Errorf("%d bytes passed, want %d and less than the whole frame of op 7", passed, len(pass))
			}
			if size >= 4096 && passed != len(pass) {
				t.Errorf("%d bytes passed, want %d", passed, len(pass))
			}
			if interval != 41250*time.Millisecond {
				t.Errorf("interval %v", interval)
			}
		})
	}
}

func TestCloseCodesAreSeen(t *testing.T) {
	var code int
	var reason string
	w := frameWatch{onClose: func(c int, r string) { code, reason = c, r }}
	in := []byte(upgrade + frame(8, "\x0f\xa4Authentication failed."))
	if n, err := w.feed(in); n != len(in) || err != nil {
		t.Fatalf("feed = %d, %v", n, err)
	}
	if code != 4004 || reason != "Authentication failed." {
		t.Errorf("close %d %q", code, reason)
	}
}

// FuzzFrames looks for bytes that break the follower: it must never panic, never
// pass more than it got, and hold little.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(upgrade+frame(1, `{"op":10,"d":{"heartbeat_interval":1}}`)+frame(8, "")), 5)
	f.Add([]byte(upgrade+frame(1, `{"op":7}`)), 1)
	f.Add([]byte(upgrade+"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 3)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		w := frameWatch{onHello: func(time.Duration) {}, onClose: func(int, string) {}}
		size = max(1, size)
		for len(in) > 0 {
			chunk := in[:min(size, len(in))]
			n, err := w.feed(chunk)
			if n < 0 || n > len(chunk) || err == nil && n != len(chunk) {
				t.Fatalf("feed(%d bytes) = %d, %v", len(chunk), n, err)
			}
			if len(w.payload) > maxWatched || len(w.head) > 14 {
				t.Fatalf("holds %d and %d bytes", len(w.payload), len(w.head))
			}
			if err != nil {
				return
			}
			in = in[len(chunk):]
		}
	})
}

func TestGoodbyeIsACloseFrameThatServersUnderstand(t *testing.T) {
	codes := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err == nil {
			_, _, err = c.ReadMessage()
		}
		codes <- err
	}))
	defer server.Close()
	d := &gatewayDialer{onHello: func() {}}
	dialer := websocket.Dialer{NetDialContext: d.dialPlain}
	c, _, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := d.current().sayGoodbye(); err != nil {
		t.Fatal(err)
	}
	if err := <-codes; !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("the server saw %v", err)
	}
}

func TestTheTokenIsNotSentInTheClear(t *testing.T) {
	d := &gatewayDialer{onHello: func() {}}
	if _, err := d.dialPlain(t.Context(), "tcp", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("err = %v", err)
	}
}
