package bot

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"muster/internal/problem"
)

// EndpointPath is where Discord's requests are answered: the end of what is entered as
// "Interactions Endpoint URL" on the application's page at Discord.
const EndpointPath = "/discord/interactions"

// Bounds of requests from Discord.
const (
	maxRequest = 256 << 10 // bytes of a body
	// freshFor is how far a request's time may be from ours: room for a clock that
	// is a little wrong. An interaction itself is dead after 3 s.
	freshFor     = 30 * time.Second
	requestLimit = 5 * time.Second // for a request to be read
	maxRequests  = 1024            // connections at a time
)

const interactionPing = 1

// ParsePublicKey reads an application's public key as Discord shows it: 64 hexadecimal
// digits.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("not a public key: copy the 64 digits from the application's page at Discord")
	}
	return key, nil
}

// An endpoint takes interactions that Discord sends by HTTP instead of over the
// gateway: whichever process gets one answers it, so that several bots can share them
// (discord notes 5).
type endpoint struct {
	key  ed25519.PublicKey
	take func(raw []byte, at time.Time) error // starts to answer, without blocking
	now  func() time.Time
	log  *slog.Logger
	m    *metrics

	mu          sync.Mutex
	seen, older map[string]struct{} // signatures of the last freshFor to twice that
	turned      time.Time
}

func newEndpoint(b *Bot) *endpoint {
	return &endpoint{key: b.cfg.PublicKey, take: b.take, now: b.cfg.Now, log: b.log, m: b.metrics, seen: map[string]struct{}{}}
}

// ServeHTTP verifies a request, and acknowledges it. The answer itself goes another
// way, as for the gateway; only a ping must be answered here.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != EndpointPath {
		e.refuse(w, "path", http.StatusNotFound, "there is nothing here: Discord's requests go to "+EndpointPath)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		e.refuse(w, "method", http.StatusMethodNotAllowed, "Discord posts here")
		return
	}
	at := e.now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		e.refuse(w, "too_large", http.StatusRequestEntityTooLarge, fmt.Sprintf("at most %d bytes", maxRequest))
		return
	case err != nil:
		e.refuse(w, "cut_off", http.StatusBadRequest, "the body ended early")
		return
	}
	if err := e.verify(r.Header, body, at); err != nil { // Discord tries wrong ones on purpose
		e.refuse(w, "unsigned", http.StatusUnauthorized, err.Error())
		return
	}
	var kind struct {
		Type int `json:"type"`
	}
	if err := json.Unmarshal(body, &kind); err != nil {
		e.refuse(w, "unreadable", http.StatusBadRequest, "not JSON")
		return
	}
	if kind.Type == interactionPing {
		e.m.received.WithLabelValues("ping").Inc()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"type":1}`)
		return
	}
	if e.again(strings.ToLower(r.Header.Get("X-Signature-Ed25519")), at) {
		e.m.received.WithLabelValues("again").Inc()
		w.WriteHeader(http.StatusAccepted) // it is being answered
		return
	}
	switch err := e.take(body, at); {
	case errors.Is(err, errInteraction):
		e.refuse(w, "unreadable", http.StatusBadRequest, "not an interaction that can be answered")
	case err != nil:
		problem.RetryAfter(w.Header(), time.Second)
		e.refuse(w, "overload", http.StatusServiceUnavailable, "too many at once")
	default:
		e.m.received.WithLabelValues("taken").Inc()
		w.WriteHeader(http.StatusAccepted)
	}
}

func (e *endpoint) refuse(w http.ResponseWriter, why string, status int, detail string) {
	e.m.received.WithLabelValues(why).Inc()
	e.log.Debug("request to the interactions endpoint refused", "why", why, "status", status)
	problem.Write(w, problem.New(status, detail))
}

// verify checks that Discord has sent body, and lately. Its errors are for the sender.
func (e *endpoint) verify(h http.Header, body []byte, now time.Time) error {
	signature, err := hex.DecodeString(h.Get("X-Signature-Ed25519"))
	stamp := h.Get("X-Signature-Timestamp")
	if err != nil || len(signature) != ed25519.SignatureSize || stamp == "" || len(stamp) > 20 {
		return errors.New("not signed")
	}
	if !ed25519.Verify(e.key, append([]byte(stamp), body...), signature) {
		return errors.New("not signed by Discord for this application: compare MUSTER_DISCORD_PUBLIC_KEY with the application's page")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("signed without a time")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > freshFor || age < -freshFor {
		e.log.Warn("Discord's requests are too old or too new: this machine's clock may be wrong", "age", age.Round(time.Second))
		return errors.New("signed at another time: set the clock of this machine")
	}
	return nil
}

// again reports whether a request with this signature came before.
func (e *endpoint) again(signature string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.turned) >= 2*freshFor { // as long as one may be fresh: 30 s early to 30 s late
		e.older, e.seen, e.turned = e.seen, map[string]struct{}{}, now
	}
	_, lately := e.seen[signature]
	_, before := e.older[signature]
	e.seen[signature] = struct{}{}
	return lately || before
}

// serve answers on l until ctx ends; then it lets the requests in hand finish.
func (e *endpoint) serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: e, ReadTimeout: requestLimit, WriteTimeout: requestLimit, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(netutil.LimitListener(l, maxRequests)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("interactions endpoint: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close()
	}
	return nil
}
