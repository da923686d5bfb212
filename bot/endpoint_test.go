package bot

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"muster/sim/discord"
)

// The whole way: Discord posts, the bot answers at the callback route.
func TestCommandsAreAnsweredThatComeByHTTP(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, checked)
	b.start(func(c *Config) { c.Interactions, c.PublicKey = l, public })
	b.ready()
	if err := b.sim.SetEndpoint(b.ctx(), "http://"+l.Addr().String()+EndpointPath, private); err != nil {
		t.Fatal(err)
	}
	wants(t, b.run("/help"), "/link player:")
	wants(t, b.run("/link player:Kestrel"), "is linked")
	wants(t, b.talk("/character player:Wren").press("Tell me when they come on"), "I will write to you")
	if all, err := b.sim.Autocomplete(b.ctx(), discord.CommandInput{User: ana.String(), Text: "/character player:kes"}); err != nil || len(all) != 2 {
		t.Errorf("suggestions: %v, %v", all, err)
	}
	if _, other, err := ed25519.GenerateKey(nil); err != nil || b.sim.SetEndpoint(b.ctx(), "http://"+l.Addr().String()+EndpointPath, other) == nil {
		t.Errorf("another application's key is taken (%v)", err)
	}
}

// A desk is an endpoint at a fixed time, with what it took.
type desk struct {
	*endpoint
	private ed25519.PrivateKey
	at      time.Time
	took    []string
	fails   error
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{private: private, at: time.Unix(1_800_000_000, 0)}
	d.endpoint = &endpoint{key: public, now: func() time.Time { return d.at }, log: slog.New(slog.DiscardHandler), m: m, seen: map[string]struct{}{},
		take: func(raw []byte, at time.Time) error {
			if !at.Equal(d.at) {
				t.Errorf("taken at %v, want %v", at, d.at)
			}
			d.took = append(d.took, string(raw))
			return d.fails
		}}
	return d
}

// signed is a request as Discord makes it, at a time.
func (d *desk) signed(body string, at time.Time) *http.Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	r := httptest.NewRequest(http.MethodPost, EndpointPath, strings.NewReader(body))
	r.Header.Set("X-Signature-Timestamp", stamp)
	r.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(d.private, []byte(stamp+body))))
	return r
}

func (d *desk) answer(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestOnlyWhatDiscordHasSignedIsTaken(t *testing.T) {
	const body = `{"type":2}`
	for name, test := range map[string]struct {
		change func(d *desk, r *http.Request) *http.Request
		status int
		says   string
	}{
		"as it should be":   {nil, http.StatusAccepted, ""},
		"another path":      {func(_ *desk, r *http.Request) *http.Request { r.URL.Path = "/"; return r }, http.StatusNotFound, EndpointPath},
		"another method":    {func(_ *desk, r *http.Request) *http.Request { r.Method = http.MethodGet; return r }, http.StatusMethodNotAllowed, "posts"},
		"no signature":      {func(_ *desk, r *http.Request) *http.Request { r.Header.Del("X-Signature-Ed25519"); return r }, http.StatusUnauthorized, "not signed"},
		"no time":           {func(_ *desk, r *http.Request) *http.Request { r.Header.Del("X-Signature-Timestamp"); return r }, http.StatusUnauthorized, "not signed"},
		"a short signature": {func(_ *desk, r *http.Request) *http.Request { r.Header.Set("X-Signature-Ed25519", "00ff"); return r }, http.StatusUnauthorized, "not signed"},
		"no hexadecimal": {func(_ *desk, r *http.Request) *http.Request {
			r.Header.Set("X-Signature-Ed25519", strings.Repeat("zz", 64))
			return r
		}, http.StatusUnauthorized, "not signed"},
		"a huge time": {func(_ *desk, r *http.Request) *http.Request {
			r.Header.Set("X-Signature-Timestamp", strings.Repeat("1", 1000))
			return r
		}, http.StatusUnauthorized, "not signed"},
		"another body": {func(_ *desk, r *http.Request) *http.Request {
			r.Body = io.NopCloser(strings.NewReader(`{"type":3}`))
			return r
		}, http.StatusUnauthorized, "MUSTER_DISCORD_PUBLIC_KEY"},
		"another time": {func(d *desk, r *http.Request) *http.Request {
			r.Header.Set("X-Signature-Timestamp", "1800000001")
			return r
		}, http.StatusUnauthorized, "not signed by Discord"},
		"another's signature": {func(d *desk, _ *http.Request) *http.Request {
			_, d.private, _ = ed25519.GenerateKey(nil)
			return d.signed(body, d.at)
		}, http.StatusUnauthorized, "not signed by Discord"},
		"too old":              {func(d *desk, _ *http.Request) *http.Request { return d.signed(body, d.at.Add(-freshFor-time.Second)) }, http.StatusUnauthorized, "clock"},
		"too new":              {func(d *desk, _ *http.Request) *http.Request { return d.signed(body, d.at.Add(freshFor+time.Second)) }, http.StatusUnauthorized, "clock"},
		"a clock a bit behind": {func(d *desk, _ *http.Request) *http.Request { return d.signed(body, d.at.Add(20*time.Second)) }, http.StatusAccepted, ""},
		"too large":            {func(d *desk, _ *http.Request) *http.Request { return d.signed(strings.Repeat(" ", maxRequest+1), d.at) }, http.StatusRequestEntityTooLarge, "at most"},
		"no JSON":              {func(d *desk, _ *http.Request) *http.Request { return d.signed(`{"type":`, d.at) }, http.StatusBadRequest, "not JSON"},
		"no number":            {func(d *desk, _ *http.Request) *http.Request { return d.signed(`{"type":"2"}`, d.at) }, http.StatusBadRequest, "not JSON"},
		"cut off":              {func(_ *desk, r *http.Request) *http.Request { r.Body = io.NopCloser(failing{}); return r }, http.StatusBadRequest, "ended early"},
		"no interaction":       {func(d *desk, r *http.Request) *http.Request { d.fails = errInteraction; return r }, http.StatusBadRequest, "that can be answered"},
		"too many":             {func(d *desk, r *http.Request) *http.Request { d.fails = errOverload; return r }, http.StatusServiceUnavailable, "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			r := d.signed(body, d.at)
			if test.change != nil {
				r = test.change(d, r)
			}
			w := d.answer(r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("%d %s, want %d and %q", w.Code, w.Body, test.status, test.says)
			}
			if taken := len(d.took) > 0; taken != (test.status == http.StatusAccepted || d.fails != nil) {
				t.Errorf("taken: %q", d.took)
			}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAPingIsAnsweredAtOnce(t *testing.T) {
	d := newDesk(t)
	w := d.answer(d.signed(`{"type":1,"id":"1"}`, d.at))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != `{"type":1}` || len(d.took) != 0 {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// Whoever repeats a request, a proxy or somebody who has listened, gets no second answer.
func TestARequestIsTakenOnce(t *testing.T) {
	d := newDesk(t)
	first, second := d.at, d.at.Add(time.Second)
	one, two := `{"type":2,"id":"1"}`, `{"type":2,"id":"2"}`
	again := func() {
		for _, r := range []*http.Request{d.signed(one, first), d.signed(two, second)} {
			if w := d.answer(r); w.Code != http.StatusAccepted {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	}
	again()
	again()
	upper := d.signed(one, first)
	upper.Header.Set("X-Signature-Ed25519", strings.ToUpper(upper.Header.Get("X-Signature-Ed25519")))
	d.answer(upper)
	d.at = d.at.Add(freshFor - time.Second)
	again()
	if len(d.took) != 2 {
		t.Errorf("taken %d times, want 2: %q", len(d.took), d.took)
	}
	for range 10 { // what is too old to be repeated is forgotten
		d.at = d.at.Add(2 * freshFor)
		d.answer(d.signed(one, d.at))
	}
	if n := len(d.seen) + len(d.older); n > 4 {
		t.Errorf("%d signatures are kept", n)
	}
	if n := testutil.ToFloat64(d.m.received.WithLabelValues("again")); n != 5 {
		t.Errorf("%v repetitions counted, want 5", n)
	}
}

func TestTheEndpointEndsWithTheBot(t *testing.T) {
	d := newDesk(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.serve(ctx, l) }()
	res, err := http.Get("http://" + l.Addr().String() + EndpointPath)
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the address is still taken")
	}
	lost := make(chan error, 1)
	go func() { lost <- d.serve(context.Background(), l) }() // closed already
	if err := <-lost; err == nil {
		t.Error("a lost listener is no error")
	}
}

func TestAnEndpointNeedsAKey(t *testing.T) {
	for _, text := range []string{"", "abc", strings.Repeat("zz", 32), strings.Repeat("ab", 31), strings.Repeat("ab", 33)} {
		if key, err := ParsePublicKey(text); err == nil {
			t.Errorf("%q is taken for %x", text, key)
		}
	}
	if key, err := ParsePublicKey(strings.Repeat("aB", 32)); err != nil || !bytes.Equal(key, bytes.Repeat([]byte{0xab}, 32)) {
		t.Errorf("%x, %v", key, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newFakeStore()
	if _, err := New(Config{Token: "x", Store: s, Directory: &fakeDirectory{store: s}, Bus: &fakeBus{}, Interactions: l}); err == nil || !strings.Contains(err.Error(), "public key") {
		t.Errorf("without a key: %v", err)
	}
}

// FuzzEndpoint: whatever is posted has an answer, and nothing unsigned is taken.
func FuzzEndpoint(f *testing.F) {
	f.Add("00", "1800000000", []byte(`{"type":1}`))
	f.Add(strings.Repeat("ab", 64), "-1", []byte(`{"type":2}`))
	f.Add("", "", []byte(``))
	f.Fuzz(func(t *testing.T, signature, stamp string, body []byte) {
		d := newDesk(t)
		d.fails = errors.New("taken")
		r := httptest.NewRequest(http.MethodPost, EndpointPath, bytes.NewReader(body))
		r.Header["X-Signature-Ed25519"], r.Header["X-Signature-Timestamp"] = []string{signature}, []string{stamp}
		if w := d.answer(r); w.Code != http.StatusUnauthorized && w.Code != http.StatusRequestEntityTooLarge || len(d.took) > 0 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
