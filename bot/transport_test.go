package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/alert"
	"muster/event"
	"muster/sim/discord"
)

// roundTrip is an http.RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// testRest returns a client whose requests answer handles, without a socket.
func testRest(t *testing.T, answer http.HandlerFunc) (*rest, *transport) {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("https://discord.example")
	tr := newTransport(base, "DiscordBot (test, 0)", globalPerSec, slog.New(slog.DiscardHandler), m, nil)
	tr.next = roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		answer(w, r)
		return w.Result(), nil
	})
	return &rest{client: &http.Client{Transport: tr}, redact: redactor{token: canary}}, tr
}

func send(c *rest, channel string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, err := c.createMessage(ctx, channel, plain("x"), "n")
	return err
}

func TestABucketIsWaitedForAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := testRest(t, func(w http.ResponseWriter, r *http.Request) {
			remaining := "0"
			if strings.Contains(r.URL.Path, "/222/") {
				remaining = "4"
			}
			w.Header().Set("X-RateLimit-Bucket", "abc")
			w.Header().Set("X-RateLimit-Remaining", remaining)
			w.Header().Set("X-RateLimit-Reset-After", "2.5")
			fmt.Fprint(w, `{"id":"1"}`)
		})
		start := time.Now()
		for _, channel := range []string{"111", "222", "222"} {
			if err := send(c, channel, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("the first of each bucket took %v", d)
		}
		if err := send(c, "111", time.Minute); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d < 2500*time.Millisecond || d > 3*time.Second {
			t.Errorf("the second of a full bucket went after %v", d)
		}
		err := send(c, "111", time.Second)
		if d := decide(err); d.do != wait || d.after < time.Second {
			t.Errorf("a wait beyond the deadline: %v", err)
		}
	})
}

func TestFiftyRequestsASecondAreNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sentAt []time.Time
		c, _ := testRest(t, func(w http.ResponseWriter, r *http.Request) {
			sentAt = append(sentAt, time.Now())
			fmt.Fprint(w, `{"id":"1"}`)
		})
		for i := range 200 {
			if err := send(c, fmt.Sprint(i), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		for i := 50; i < len(sentAt); i++ {
			if d := sentAt[i].Sub(sentAt[i-50]); d < time.Second {
				t.Fatalf("51 requests within %v", d)
			}
		}
		if d := time.Since(sentAt[0]); d > 6*time.Second {
			t.Errorf("200 requests took %v", d)
		}
	})
}

func TestRetryAfterOfALimitIsKept(t *testing.T) {
	limited := func(body string, header map[string]string) http.HandlerFunc {
		var n atomic.Int32
		return func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) > 1 {
				fmt.Fprint(w, `{"id":"1"}`)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			for k, v := range header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, body)
		}
	}
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		same    time.Duration // at least, for the same channel
		another time.Duration // at least, for another one
	}{
		{"bucket", limited(`{"retry_after":1.5,"global":false}`, map[string]string{"X-RateLimit-Scope": "user"}), 1500 * time.Millisecond, 0},
		{"only the header", limited(`{}`, map[string]string{"Retry-After": "3"}), 3 * time.Second, 0},
		{"no word of it", limited(`{}`, nil), defaultRetry, 0},
		{"global", limited(`{"retry_after":2,"global":true}`, map[string]string{"X-RateLimit-Global": "true"}), 2 * time.Second, 2 * time.Second},
		{"banned", limited("<html>error 1015</html>", map[string]string{"Retry-After": "30"}), banPause, banPause},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := testRest(t, tt.answer)
				if d := decide(send(c, "1", time.Minute)); d.do != wait {
					t.Fatalf("a 429 gives %+v", d)
				}
				start := time.Now()
				if err := send(c, "2", time.Hour); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d < tt.another || d > tt.another+time.Second {
					t.Errorf("another channel waited %v, want %v", d, tt.another)
				}
				if err := send(c, "1", time.Hour); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d < tt.same || d > tt.same+time.Second {
					t.Errorf("the same channel waited %v, want %v", d, tt.same)
				}
			})
		})
	}
}

func TestRefusedRequestsSlowDownAndStopBeforeABan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c, tr := testRest(t, func(w http.ResponseWriter, r *http.Request) {
			n++
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":50007,"message":"Cannot send messages to this user"}`)
		})
		start := time.Now()
		for range invalidSlow {
			_ = send(c, fmt.Sprint(n), time.Minute)
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("the first %d took %v", invalidSlow, d)
		}
		start = time.Now()
		for range 60 {
			_ = send(c, "1", time.Minute)
		}
		if d := time.Since(start); d < 50*time.Second {
			t.Errorf("60 more took only %v", d)
		}
		for range invalidStop {
			tr.invalid.add(time.Now())
		}
		before := n
		if d := decide(send(c, "1", time.Minute)); d.do != wait || n != before {
			t.Errorf("past the bound: %+v", d)
		}
		i := &interaction{ID: "1", Token: "t", ApplicationID: "2"}
		if _ = c.editAnswer(t.Context(), i, plain("x")); n != before+1 {
			t.Error("an interaction is held up too")
		}
		time.Sleep(invalidWindow + time.Minute)
		if got := tr.invalid.count(time.Now()); got != 0 {
			t.Errorf("%d after the window", got)
		}
	})
}

func TestSharedLimitsDoNotCountTowardsABan(t *testing.T) {
	c, tr := testRest(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-RateLimit-Scope", "shared")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"retry_after":0.01}`)
	})
	_ = send(c, "1", time.Second)
	if n := tr.invalid.count(time.Now()); n != 0 {
		t.Errorf("counted %d", n)
	}
}

func TestAnExpiredInteractionTokenIsNotTheBotsToken(t *testing.T) {
	c, tr := testRest(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":50027,"message":"Invalid Webhook Token"}`)
	})
	i := &interaction{ID: "1", Token: "t", ApplicationID: "2"}
	if d := decide(c.editAnswer(t.Context(), i, plain("x"))); d.do != drop {
		t.Errorf("decision %+v", d)
	}
	if tr.stopped.Load() {
		t.Error("the bot stopped")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	c, _ := testRest(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", maxAnswer+1))
	})
	if err := send(c, "1", time.Minute); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("err = %v", err)
	}
}

func TestErrorsCarryNoTokens(t *testing.T) {
	c, tr := testRest(t, nil)
	tr.next = roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Post", URL: r.URL.String() + "?" + r.Header.Get("Authorization"), Err: errors.New("reset " + canary)}
	})
	i := &interaction{ID: "123", Token: "secret-of-the-interaction", ApplicationID: "456"}
	for _, err := range []error{
		c.editAnswer(t.Context(), i, plain("x")), c.callback(t.Context(), i, 4, plain("x")), send(c, "1", time.Second),
	} {
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("err = %v", err)
		}
	}
}

func TestLogsCarryNoTokens(t *testing.T) {
	var b syncBuffer
	log := slog.New(redactHandler{next: slog.NewTextHandler(&b, nil), r: redactor{token: canary}}).
		With("a", "Bot "+canary).WithGroup("g")
	log.Info("token "+canary, "err", fmt.Errorf("x %s", canary), "any", struct{ T string }{canary},
		slog.Group("in", "url", "/webhooks/1/secret/messages"), "path", "/interactions/12/secret/callback")
	if s := b.String(); strings.Contains(s, "CANARY") || strings.Contains(s, "secret") {
		t.Error(s)
	}
}

func TestTheAddressOfDiscordIsChecked(t *testing.T) {
	for u, good := range map[string]bool{
		"https://discord.com": true, "http://127.0.0.1:80": true, "http://localhost:8081": true, "http://[::1]:8081": true,
		"http://discord.com": false, "http://10.0.0.1": false, "ftp://discord.com": false, "discord.com": false,
		"https://": false, "https://u:p@discord.com": false, "http://127.0.0.1.evil.com": false, "://": false,
	} {
		if _, err := parseBase(u); (err == nil) != good {
			t.Errorf("%q: %v", u, err)
		}
	}
}

func TestRoutesAreBounded(t *testing.T) {
	tests := []struct {
		method, path, name, major string
		interactive               bool
	}{
		{"POST", "/api/v10/channels/1/messages", "create_message", "1", false},
		{"POST", "/api/v9/users/@me/channels", "open_dm", "", false},
		{"POST", "/interactions/1/tok/callback", "callback", "1", true},
		{"PATCH", "/webhooks/1/tok/messages/@original", "edit_answer", "tok", true},
		{"GET", "/api/v9/gateway", "gateway", "", false},
		{"PUT", "/applications/1/commands", "commands_put", "", false},
		{"GET", "/guilds/7/what/ever", "other", "7", false},
		{"GET", "", "other", "", false},
	}
	for _, tt := range tests {
		if got := routeOf(tt.method, tt.path); got != (route{tt.name, tt.major, tt.interactive}) {
			t.Errorf("%s %s: %+v", tt.method, tt.path, got)
		}
	}
}

func TestTheTableOfBucketsStaysSmall(t *testing.T) {
	l := newLimits()
	now := time.Now()
	h := http.Header{"X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset-After": {"1"}}
	for i := range 3 * maxBuckets {
		l.seen(route{name: "create_message", major: fmt.Sprint(i)}, h, now)
		l.seen(route{name: "callback", major: fmt.Sprint(i), interactive: true}, h, now)
	}
	if n := len(l.buckets); n > maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

// TestDiscordsOwnLimitsAreNeverMet sends a flood under limits like Discord's.
func TestDiscordsOwnLimitsAreNeverMet(t *testing.T) {
	b := newBench(t, func(c *discord.Config) { c.Limits = discord.DefaultLimits() })
	b.store.plain = true
	var keys []alert.Key
	for _, u := range []alert.UserID{ana, ana + 1, ana + 2} {
		for i := range 7 {
			keys = append(keys, b.store.queue(u, friend+event.CharacterID(i), alert.ByFriend))
		}
	}
	b.start(nil)
	for _, k := range keys {
		if o := b.settle(k); !o.sent {
			t.Errorf("outcome %+v", o)
		}
	}
	if n := b.sim.Stats().RateLimited; n > 3 {
		t.Errorf("%d requests were answered with 429", n)
	}
}
